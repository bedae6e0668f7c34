// What workerd changes by itself: a worker of one line, `fetch(new Request(url, request))`, against
// a request straight to the frontend. Tidegate cannot be better than this, and the other tests allow
// exactly this. A failure here means that the platform has changed, not Tidegate.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { shape } from './compare.mjs';
import { openGate, PUBLIC_HOST } from './harness.mjs';
import { startUpstream } from './upstream.mjs';
import { fetchRaw, open, utf8, values } from './wire.mjs';

let site, gate;
before(async () => {
  site = await startUpstream('site');
  gate = await openGate({ controller: false, bare: site.url });
});
beforeEach(() => site.reset());
after(async () => {
  await gate.close();
  await site.close();
});

const names = (headers) => headers.map(([name]) => name.toLowerCase());

describe('workerd, by itself,', () => {
  test('sends the headers that it knows first and joins repeated ones, but keeps each Set-Cookie', async () => {
    const headers = [
      ['X-B', '1'],
      ['Vary', 'a'],
      ['Set-Cookie', 'a=1'],
      ['X-A', '2'],
      ['X-b', '3'],
      ['Set-Cookie', 'b=2'],
      ['Vary', 'b'],
    ];
    site.handle('/page', { headers });
    const through = await gate.bare('/page');
    assert.deepEqual(values(through.headers, 'set-cookie'), ['a=1', 'b=2']);
    assert.deepEqual(values(through.headers, 'vary'), ['a, b']);
    assert.notDeepEqual(names(through.headers), names(headers), "the order is not the frontend's");
    assert.deepEqual(shape(through.headers), shape((await fetchRaw(site.url, '/page')).headers));
  });

  test('keeps header bytes that are no UTF-8, and empty values except of headers that it knows', async () => {
    const headers = [
      ['x-bytes', '\xff\xfe'],
      ['x-utf8', utf8('josé 😀')],
      ['x-empty', ''],
    ];
    site.handle('/page', { headers: [...headers, ['ETag', '']] });
    const through = await gate.bare('/page', { headers });
    for (const [name, value] of headers) {
      assert.equal(through.get(name), value);
      assert.equal(site.last('/page').get(name), value);
    }
    assert.equal(through.get('etag'), undefined);
  });

  test('drops Connection, Keep-Alive, TE and Upgrade, and nothing that Connection names', async () => {
    const headers = [
      ['Connection', 'x-hop'],
      ['x-hop', '1'],
      ['Keep-Alive', 'timeout=9'],
      ['TE', 'trailers'],
      ['Proxy-Connection', 'keep-alive'],
    ];
    site.handle('/page', { headers });
    const through = await gate.bare('/page', { headers: [...headers, ['Upgrade', 'h2c']] });
    for (const seen of [names(through.headers), names(site.last('/page').headers)]) {
      assert.deepEqual(
        ['connection', 'keep-alive', 'te', 'upgrade'].filter((name) => seen.includes(name)),
        [],
      );
      assert.deepEqual(
        ['x-hop', 'proxy-connection'].filter((name) => seen.includes(name)),
        ['x-hop', 'proxy-connection'],
      );
    }
  });

  test('gives a DELETE, OPTIONS or TRACE without a body a Content-Length of 0, and a 304 none', async () => {
    for (const method of ['DELETE', 'OPTIONS', 'TRACE']) {
      await gate.bare('/page', { method });
      assert.equal(site.last('/page').get('content-length'), '0', method);
    }
    site.handle('/same', {
      status: 304,
      headers: [
        ['ETag', '"x"'],
        ['Content-Length', '50'],
      ],
    });
    assert.equal((await gate.bare('/same')).get('content-length'), undefined);
  });

  test('ends a chunked body that the frontend broke off as if it were whole', async () => {
    let hasArrived;
    const arrived = new Promise((resolve) => {
      hasArrived = resolve;
    });
    site.handle('/cut', () => ({
      quiet: true,
      body: (async function* () {
        yield Buffer.from('half');
        await arrived;
        throw new Error('broken off');
      })(),
    }));
    const { stream } = await open(gate.bareOrigin, '/cut', { scheme: 'https', host: PUBLIC_HOST });
    stream.once('data', hasArrived);
    assert.equal((await stream.toArray()).join(''), 'half');
    assert.equal(stream.complete, true);
  });

  test('writes the URL as the URL standard does', async () => {
    const written = {
      '/a/../b': '/b',
      '/%2e%2e/x': '/x',
      '/a\\b': '/a/b',
      '/a^b`c{d}': '/a%5Eb%60c%7Bd%7D',
      '/?q=\'"': '/?q=%27%22',
      '/a#b': '/a',
    };
    for (const [path, url] of Object.entries(written)) {
      await gate.bare(path);
      assert.equal(site.received.at(-1).url, url);
    }
    for (const path of ['//x/y', '/a//b/', '/?', '/a?b?c', '/%zz', '/a%2Fb', '/;a=b,c', '/?x=%20+&&=']) {
      await gate.bare(path);
      assert.equal(site.received.at(-1).url, path);
    }
  });

  test('answers a method that it does not know with 501', async () => {
    assert.equal((await gate.bare('/page', { method: 'LINK' })).status, 501);
    assert.equal(site.received.length, 0);
  });
});
