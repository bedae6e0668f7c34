// The proxy changes nothing that it need not: each request goes straight to the frontend and through
// the gate, and both sides must see the same.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { sameRequest, sameResponse, shape } from './compare.mjs';
import { openGate } from './harness.mjs';
import { ANA, asset, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { fetchRaw, sha256, utf8, value } from './wire.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false, bare: next.url });
  // `cache = "upstream"` leaves Cache-Control alone, which has tests of its own.
  const rollout = (key, route) => plan(legacy, next, { key, routes: [route], cache: 'upstream' });
  await gate.load([rollout('old', '/old/*'), rollout('shop', '/*')], { old: '0', shop: '100' });
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/** Sends the same request both ways; `options` is a function where the body can be read only once. */
async function bothWays(path, options = {}, answer = undefined) {
  const site = path.startsWith('/old/') ? legacy : next;
  const make = () => {
    const made = typeof options === 'function' ? options() : options;
    return { ...made, headers: [...Object.entries(ANA), ...(made.headers ?? [])] };
  };
  if (answer !== undefined) site.handle(path.split('?')[0], answer);
  const direct = await fetchRaw(site.url, path, make());
  const asked = site.received.at(-1);
  const through = await gate.fetch(path, make());
  const received = site.received.at(-1);
  assert.notEqual(received, asked, 'the request reached its frontend');
  sameResponse(through, direct);
  sameRequest(received, asked);
  return { direct, through, received };
}

for (const [side, prefix] of [
  ['new', '/shop'],
  ['legacy', '/old'],
]) {
  describe(`through the gate, the ${side} frontend`, () => {
    for (const method of [
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'PROPFIND',
      'REPORT',
      'PURGE',
      'QUERY',
    ]) {
      test(`gets ${method} as ${method}`, async () => {
        const { through } = await bothWays(`${prefix}/thing?a=1&a=2`, { method });
        assert.equal(value(through.headers, 'tidegate-variant'), side);
      });
    }

    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      test(`gets the body of a ${method}`, async () => {
        const body = randomBytes(70_000);
        const { received } = await bothWays(`${prefix}/form`, {
          method,
          body,
          headers: [['Content-Type', 'application/x-thing; a="b"']],
        });
        assert.equal(sha256(received.body), sha256(body));
      });
    }

    test('gets a chunked upload, chunked', async () => {
      const chunks = [randomBytes(10), randomBytes(100_000), randomBytes(1)];
      const { received } = await bothWays(`${prefix}/upload`, () => ({ method: 'POST', body: chunks }));
      assert.equal(value(received.headers, 'transfer-encoding'), 'chunked');
      assert.equal(sha256(received.body), sha256(Buffer.concat(chunks)));
    });

    test('gets every end-to-end header that the browser sent', async () => {
      await bothWays(`${prefix}/page`, {
        headers: [
          ['Accept-Encoding', 'gzip, br, zstd'],
          ['Accept-Language', 'de, en;q=0.5'],
          ['Authorization', 'Bearer x'],
          ['Cookie', 'a=1; b="2 3"; c='],
          ['Origin', 'http://shop.example.com'],
          ['Referer', 'http://shop.example.com/a'],
          ['User-Agent', 'Mozilla/5.0'],
          ['Range', 'bytes=0-9'],
          ['X-Twice', '1'],
          ['X-Twice', '2'],
          ['X-Empty', ''],
          ['X-Bytes', '\xff\xfe'],
          ['X-Text', utf8('josé 😀')],
        ],
      });
    });

    test('gets nothing of what the browser says of addresses, and all that stands beside it', async () => {
      const claims = [
        ['Forwarded', 'for=1;host=evil.example'],
        ['X-Original-URL', '/admin'],
        ['X-Original-Host', 'evil.example'],
        ['X-Original-Forwarded-For', '1.2.3.4'],
        ['X-Rewrite-URL', '/admin'],
        ['X-Host', 'evil.example'],
        ['X_Original_URL', '/admin'],
        ['X-Forwarded-Port', '1'],
        ['X-Forwarded-Prefix', '/evil'],
        ['Tidegate-Variant', 'other'],
      ];
      const site = side === 'legacy' ? legacy : next;
      await bothWays(`${prefix}/page`, { headers: [['X-Beside', 'kept']] });
      const without = site.received.at(-1).headers;
      await gate.fetch(`${prefix}/page`, { headers: [...Object.entries(ANA), ['X-Beside', 'kept'], ...claims] });
      assert.deepEqual(shape(site.received.at(-1).headers), shape(without));
    });

    test('answers with its own status and status text', async () => {
      for (const [status, statusText] of [
        [200, 'Very Well'],
        [203, 'Non-Authoritative Information'],
        [299, 'Odd'],
        [404, 'Nothing Here'],
        [418, 'Teapot'],
        [429, 'Slow Down'],
      ]) {
        await bothWays(`${prefix}/page`, {}, { status, statusText, body: 'text' });
      }
    });

    test('answers 204, 205 and 304 without a body', async () => {
      for (const status of [204, 205, 304])
        await bothWays(
          `${prefix}/page`,
          { headers: Object.entries(asset('image')) },
          { status, headers: [['ETag', '"x"']] },
        );
    });

    // The plans of this file say `cache = "upstream"`; without it such a status leaves as 502, which has a test of its own.
    test('may answer with a status that JavaScript refuses to construct', async () => {
      for (const status of [600, 999]) {
        const { through } = await bothWays(
          `${prefix}/page`,
          { method: 'POST' },
          { status, statusText: 'Strange', body: 'text' },
        );
        assert.deepEqual([through.status, through.get('tidegate-status')], [status, undefined]);
      }
    });

    test('keeps each status to 599', async () => {
      for (const status of [399, 451, 499, 599])
        await bothWays(`${prefix}/page`, { method: 'POST' }, { status, statusText: 'Strange', body: 'text' });
    });

    test('sets twenty cookies', async () => {
      const cookies = Array.from({ length: 20 }, (_, i) => [
        'Set-Cookie',
        `c${i}=${i}; Path=/; Expires=Wed, 02 Dec 2026 09:00:00 GMT`,
      ]);
      const { through } = await bothWays(`${prefix}/page`, {}, { headers: cookies, body: 'text' });
      assert.deepEqual(
        through.all('set-cookie'),
        cookies.map(([, cookie]) => cookie),
      );
    });

    test('sends 100 KB of headers', async () => {
      await bothWays(
        `${prefix}/page`,
        {},
        { headers: Array.from({ length: 100 }, (_, i) => [`X-Big-${i}`, `${i}-`.padEnd(1000, 'v')]) },
      );
    });

    test('sends repeated, empty and odd headers', async () => {
      await bothWays(
        `${prefix}/page`,
        {},
        {
          headers: [
            ['Vary', 'Cookie'],
            ['Vary', 'Accept'],
            ['Link', '</a>; rel=preload'],
            ['Link', '</b>; rel=preload'],
            ['X-Empty', ''],
            ['X-Bytes', '\xff\xfe'],
            ['Content-Security-Policy', "default-src 'self'"],
            ['Strict-Transport-Security', 'max-age=1'],
            ['Server', 'stub'],
            ['Via', '1.1 x'],
            ['Date', 'Mon, 01 Jan 2024 00:00:00 GMT'],
            ['ETag', 'W/"x"'],
            ['Last-Modified', 'Mon, 01 Jan 2024 00:00:00 GMT'],
            ['Age', '7'],
          ],
          body: 'text',
        },
      );
    });

    test('sends compressed bodies byte for byte, whether or not the browser asked for them', async () => {
      const text = 'tide '.repeat(50_000);
      const bodies = {
        gzip: gzipSync(text),
        br: brotliCompressSync(text),
        zstd: randomBytes(99),
        'x-none': Buffer.from(text),
      };
      for (const [coding, body] of Object.entries(bodies)) {
        for (const accepted of ['gzip, br, zstd', 'identity']) {
          const { through } = await bothWays(
            `${prefix}/${coding}`,
            { headers: [['Accept-Encoding', accepted]] },
            {
              headers: [
                ['Content-Encoding', coding],
                ['Content-Type', 'text/html'],
              ],
              body,
            },
          );
          assert.equal(sha256(through.body), sha256(body));
        }
      }
    });

    test('sends a body that claims to be gzip and is not', async () => {
      await bothWays(`${prefix}/page`, {}, { headers: [['Content-Encoding', 'gzip']], body: 'not gzip at all' });
    });

    test('sends a chunked body', async () => {
      const answer = () => ({
        headers: [['Content-Type', 'text/html']],
        body: [Buffer.from('one '), randomBytes(99_999)].values(),
      });
      legacy.handle('/old/page', answer);
      next.handle('/shop/page', answer);
      const through = await gate.fetch(`${prefix}/page`, { headers: ANA });
      assert.equal(through.body.length, 100_003);
      assert.equal(through.get('transfer-encoding'), 'chunked');
    });

    test('answers HEAD with the length that GET would have', async () => {
      const { through } = await bothWays(
        `${prefix}/page`,
        { method: 'HEAD' },
        {
          headers: [
            ['Content-Length', '1234'],
            ['ETag', '"x"'],
          ],
        },
      );
      assert.equal(through.get('content-length'), '1234');
    });

    test('answers a range with 206, and 416', async () => {
      await bothWays(
        `${prefix}/film`,
        { headers: [['Range', 'bytes=2-4'], ['If-Range', '"x"'], ...Object.entries(asset('video'))] },
        {
          status: 206,
          headers: [
            ['Content-Range', 'bytes 2-4/10'],
            ['Accept-Ranges', 'bytes'],
          ],
          body: 'cde',
        },
      );
      await bothWays(
        `${prefix}/film`,
        { headers: [['Range', 'bytes=99-']] },
        { status: 416, headers: [['Content-Range', 'bytes */10']] },
      );
    });

    test('revalidates a sub-resource', async () => {
      const { received, through } = await bothWays(
        `${prefix}/app.js`,
        {
          headers: [
            ['If-None-Match', '"v1"'],
            ['If-Modified-Since', 'Mon, 01 Jan 2024 00:00:00 GMT'],
            ...Object.entries(asset('script')),
          ],
        },
        {
          status: 304,
          headers: [
            ['ETag', '"v1"'],
            ['Cache-Control', 'max-age=60'],
          ],
        },
      );
      assert.equal(received.get('if-none-match'), '"v1"');
      assert.equal(through.status, 304);
    });
  });
}

test('the URL reaches the frontend as a bare worker would send it', async () => {
  const paths = [
    '/',
    '/?',
    '/a?b?c',
    '//x/y',
    '/a//b/',
    '/%zz',
    '/a%2Fb/..%2f',
    '/;a=b,c',
    '/?x=%20+&&=',
    '/a/../b',
    '/%2e%2e/x',
    '/a|b^c`{d}',
    '/?q=\'"<>',
    utf8('/é?é'),
    '/a%00b',
    '/http://evil.example/x',
    '/@evil.example',
    `/${'long'.repeat(2000)}`,
  ];
  for (const path of paths) {
    await gate.bare(path);
    const bare = next.received.at(-1).url;
    await gate.fetch(path, { headers: ANA });
    assert.equal(next.received.at(-1).url, bare, path);
  }
});

test('a frontend that breaks off its body breaks off the response, and no more than that', async () => {
  let hasArrived;
  const arrived = new Promise((resolve) => {
    hasArrived = resolve;
  });
  next.handle('/shop/cut', () => ({
    quiet: true,
    headers: [['Content-Length', '1000']],
    body: (async function* () {
      yield Buffer.from('half');
      await arrived;
      throw new Error('broken off');
    })(),
  }));
  const { stream } = await gate.open('/shop/cut', { headers: ANA });
  stream.once('data', hasArrived);
  await assert.rejects(stream.toArray());
  assert.equal((await gate.fetch('/shop/whole', { headers: ANA })).status, 200);
});
