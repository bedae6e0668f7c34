// Redirects are the browser's to follow; a Location must not show it where the frontends live.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from './harness.mjs';
import { ANA, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  await gate.load([plan(legacy, next)], { shop: '100' });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

async function locationOf(location, options = {}) {
  next.handle('/from', { status: 302, headers: location === undefined ? [] : [['Location', location]], body: 'moved' });
  const through = await gate.fetch('/from', { headers: ANA, ...options });
  assert.equal(through.status, 302);
  return through.get('location');
}

for (const status of [300, 301, 302, 303, 307, 308]) {
  test(`a ${status} reaches the browser, unfollowed`, async () => {
    next.reset();
    next.handle('/from', {
      status,
      headers: [
        ['Location', '/to'],
        ['Set-Cookie', 'a=1'],
      ],
      body: 'moved',
    });
    const through = await gate.fetch('/from', { method: 'POST', body: 'x', headers: ANA });
    assert.equal(through.status, status);
    assert.equal(through.get('location'), '/to');
    assert.deepEqual(through.all('set-cookie'), ['a=1']);
    assert.equal(through.text, 'moved');
    assert.equal(next.received.length, 1);
  });
}

describe('a Location', () => {
  test('that names the frontend which answered becomes the public one', async () => {
    assert.equal(await locationOf(`${next.url}/to?a=1&b=%20#part`), `https://${PUBLIC_HOST}/to?a=1&b=%20#part`);
  });

  test('that names the other frontend becomes the public one', async () => {
    assert.equal(await locationOf(`${legacy.url}/to`), `https://${PUBLIC_HOST}/to`);
  });

  test('keeps the scheme and port by which the browser came', async () => {
    assert.equal(
      await locationOf(`${next.url}/to`, { scheme: 'http', host: 'shop.example.com:8080' }),
      'http://shop.example.com:8080/to',
    );
  });

  test('that names a frontend without a scheme becomes the public one', async () => {
    assert.match(await locationOf(`//${new URL(next.url).host}/to`), new RegExp(`^(https:)?//${PUBLIC_HOST}/to$`));
  });

  test('that names a frontend without a path becomes the public one', async () => {
    assert.match(await locationOf(next.url), new RegExp(`^https://${PUBLIC_HOST}/?$`));
  });

  for (const location of [
    '/to',
    'to?x',
    '?x=1',
    '#part',
    '../up',
    'https://elsewhere.example/to',
    'http://shop.example.com/already',
    'https://shop.example.com/already',
    'mailto:ana@example.com',
    'http://127.0.0.1:1/other-port',
    'http://[broken',
  ]) {
    test(`«${location}» is left alone`, async () => {
      assert.equal(await locationOf(location), location);
    });
  }

  test("that merely starts with a frontend's address is left alone", async () => {
    const lookalike = `${next.url}.evil.example/to`;
    assert.equal(await locationOf(lookalike), lookalike);
  });

  test('may be absent', async () => {
    assert.equal(await locationOf(undefined), undefined);
  });
});
