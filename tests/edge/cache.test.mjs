// Caches must not mix variants: what depends on the cohort stays out of shared caches, and a browser's
// copy of one side never keeps the other side's page alive.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, completed, DOCUMENT, idsOn, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const half = [
    { name: 'half', percentage: 50, hold: '1h' },
    { name: 'full', percentage: 100 },
  ];
  await gate.load(
    [
      plan(legacy, next, { stage: half }),
      plan(legacy, next, { stage: half, key: 'own', routes: ['/own/*'], cache: 'upstream' }),
    ],
    { shop: '50', own: '50' },
  );
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const PAGE_TYPE = 'text/html; charset=utf-8';
const FILE = { ask: asset('script'), type: 'text/javascript' };

/**
 * @param {string} path
 * @param {string[][]} headers
 * @param {{ status?: number, ask?: object, type?: string }} [options]
 */
async function answerTo(path, headers, { status = 200, ask = {}, type = PAGE_TYPE } = {}) {
  for (const site of [legacy, next])
    site.handle(path, { status, headers: [['Content-Type', type], ...headers], body: 'text' });
  return gate.fetch(path, { headers: { ...ANA, ...ask } });
}
const directives = (text) =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter(Boolean)
    .sort();

describe('a response that shared caches may store becomes private', () => {
  // A file keeps its life in the browser; a page is asked for again each time.
  const cases = [
    [['public, max-age=600'], ['max-age=600', 'private'], ['no-cache', 'private']],
    [['max-age=60, immutable'], ['immutable', 'max-age=60', 'private'], ['no-cache', 'private']],
    [['s-maxage=600, max-age=60'], ['max-age=60', 'private'], ['no-cache', 'private']],
    [['PUBLIC, S-MaxAge=600'], ['private'], ['no-cache', 'private']],
    [
      ['public', 'max-age=60'],
      ['max-age=60', 'private'],
      ['no-cache', 'private'],
    ],
    [['no-cache'], ['no-cache', 'private'], ['no-cache', 'private']],
    [
      ['public, must-revalidate, stale-while-revalidate=30'],
      ['must-revalidate', 'private', 'stale-while-revalidate=30'],
      ['must-revalidate', 'no-cache', 'private'],
    ],
    [['private="x-user", max-age=60'], ['max-age=60', 'private'], ['no-cache', 'private']],
    [[''], ['private'], ['no-cache', 'private']],
    [[], ['private'], ['no-cache', 'private']],
  ];
  for (const [sent, ofFile, ofPage] of cases) {
    const headers = sent.map((value) => ['Cache-Control', value]);
    const what = sent.join('» and «') || 'nothing';
    test(`«${what}» of a file, which keeps its life`, async () => {
      for (const ask of [asset('script'), asset('image'), { Accept: '*/*' }]) {
        assert.deepEqual(
          directives((await answerTo('/app.js', headers, { ...FILE, ask })).get('cache-control')),
          ofFile,
          JSON.stringify(ask),
        );
      }
      assert.deepEqual(
        directives(
          (await answerTo('/data', headers, { ask: asset('empty'), type: 'application/json' })).get('cache-control'),
        ),
        ofFile,
        'and of data',
      );
    });

    test(`«${what}» of a page, which is asked for again`, async () => {
      for (const ask of [DOCUMENT, { Accept: DOCUMENT.Accept }, {}, asset('empty')]) {
        assert.deepEqual(
          directives((await answerTo('/page', headers, { ask })).get('cache-control')),
          ofPage,
          JSON.stringify(ask),
        );
      }
    });
  }

  test('an Expires in the future', async () => {
    const sent = [['Expires', 'Fri, 01 Jan 2100 00:00:00 GMT']];
    for (const [path, options, expected] of /** @type {[string, object, string[]][]} */ ([
      ['/app.js', FILE, ['private']],
      ['/page', { ask: DOCUMENT }, ['no-cache', 'private']],
    ])) {
      const through = await answerTo(path, sent, options);
      assert.deepEqual(directives(through.get('cache-control')), expected, path);
      assert.equal(through.get('expires'), 'Fri, 01 Jan 2100 00:00:00 GMT', path);
    }
  });

  test('a sub-resource, a redirect, a page not found', async () => {
    const sent = [
      ['Cache-Control', 'public, max-age=600'],
      ['Location', '/to'],
    ];
    const kept = ['max-age=600', 'private'],
      again = ['no-cache', 'private'];
    /** @type {[string, object, string[]][]} */
    const cases = [
      ['/app.js', FILE, kept],
      ['/from.js', { ...FILE, status: 302 }, kept],
      ['/from', { status: 301 }, again],
      ['/from', { status: 308, type: 'text/plain' }, again],
      ['/from.js', { ...FILE, status: 301 }, again],
      ['/from', { ask: DOCUMENT, status: 302 }, again],
      ['/gone', { status: 404 }, again],
      ['/gone', { ask: DOCUMENT, status: 404 }, again],
    ];
    for (const [path, options, expected] of cases) {
      assert.deepEqual(
        directives((await answerTo(path, sent, options)).get('cache-control')),
        expected,
        `${path} ${JSON.stringify(options)}`,
      );
    }
  });

  test('but a missing file is not kept at all', async () => {
    const sent = [['Cache-Control', 'public, max-age=600']];
    for (const [path, options] of /** @type {[string, object][]} */ ([
      ['/app.js', { ...FILE, status: 404 }],
      ['/app.js', { ...FILE, status: 403 }],
      ['/app.js', { ...FILE, status: 410 }],
      ['/app.js', { ...FILE, type: PAGE_TYPE }],
      ['/app.js', { ask: { Accept: '*/*' }, status: 404 }],
    ])) {
      assert.equal((await answerTo(path, sent, options)).get('cache-control'), 'no-store', JSON.stringify(options));
    }
  });
});

describe('a response that shared caches may not store', () => {
  for (const sent of ['no-store', 'private', 'private, max-age=5', 'max-age=5, PRIVATE', 'no-store, max-age=0']) {
    test(`«${sent}» of a file is left alone`, async () =>
      assert.equal((await answerTo('/app.js', [['Cache-Control', sent]], FILE)).get('cache-control'), sent));
  }
  for (const sent of ['no-store', 'no-store, max-age=0', 'max-age=5, No-Store']) {
    test(`«${sent}» of a page is left alone`, async () =>
      assert.equal((await answerTo('/page', [['Cache-Control', sent]])).get('cache-control'), sent));
  }
  for (const sent of [
    'private',
    'private, max-age=5',
    'max-age=5, PRIVATE',
    'no-cache, private',
    'private, no-cache',
  ]) {
    test(`«${sent}» of a page is asked for again`, async () =>
      assert.deepEqual(directives((await answerTo('/page', [['Cache-Control', sent]])).get('cache-control')), [
        'no-cache',
        'private',
      ]));
  }
});

test('headers that only shared caches read are dropped', async () => {
  const names = ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control'];
  for (const cacheControl of ['public, max-age=60', 'private', 'no-store']) {
    const through = await answerTo('/page', [
      ['Cache-Control', cacheControl],
      ...names.map((name) => [name, 'max-age=600']),
    ]);
    for (const name of names) assert.equal(through.get(name), undefined, `${name} beside ${cacheControl}`);
  }
});

test('`cache = "upstream"` leaves every caching header to the frontend', async () => {
  const sent = [
    ['Cache-Control', 'public, s-maxage=600'],
    ['CDN-Cache-Control', 'max-age=600'],
    ['Surrogate-Control', 'max-age=600'],
    ['Expires', 'Fri, 01 Jan 2100 00:00:00 GMT'],
    ['Vary', 'x-user-id'],
  ];
  const through = await answerTo('/own/page', sent);
  for (const [name, value] of sent) assert.equal(through.get(name), value, name);
});

describe('conditional headers', () => {
  const DATE = 'Mon, 01 Jan 2024 00:00:00 GMT';
  const UNTAGGED = { 'If-None-Match': '"v1"', 'If-Modified-Since': DATE };
  const tagged = (side) => ({ ...UNTAGGED, 'If-None-Match': `"v1~tg-${side[0]}"` });
  const OTHER = { new: 'legacy', legacy: 'new' };
  const KINDS = [
    DOCUMENT,
    { ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe' },
    { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
    asset('script'),
    asset('image'),
    asset('empty'),
    { Accept: '*/*' },
    { Accept: 'application/json' },
    {},
  ];
  const visitor = (side) => ({ 'x-user-id': idsOn(side, 1, 'shop')[0] });
  const sent = async (side, headers) => {
    const through = await gate.fetch('/page', { headers: { ...visitor(side), ...headers } });
    assert.equal(through.get('tidegate-variant'), side);
    const { get } = (side === 'new' ? next : legacy).received.at(-1);
    return Object.fromEntries(
      Object.keys(UNTAGGED)
        .map((name) => [name, get(name)])
        .filter(([, value]) => value !== undefined),
    );
  };

  for (const side of ['new', 'legacy']) {
    test(`are not sent to ${side} with a copy of the other side, whatever is asked for`, async () => {
      for (const headers of KINDS)
        assert.deepEqual(await sent(side, { ...headers, ...tagged(OTHER[side]) }), {}, JSON.stringify(headers));
    });

    test(`are sent to ${side} with its own copy, whatever is asked for`, async () => {
      for (const headers of KINDS)
        assert.deepEqual(await sent(side, { ...headers, ...tagged(side) }), UNTAGGED, JSON.stringify(headers));
    });
  }

  test("from before the rollout are legacy's, but for the date, which names no side", async () => {
    for (const headers of KINDS) {
      assert.deepEqual(await sent('new', { ...headers, ...UNTAGGED }), {}, JSON.stringify(headers));
      assert.deepEqual(
        await sent('legacy', { ...headers, ...UNTAGGED }),
        { 'If-None-Match': '"v1"' },
        JSON.stringify(headers),
      );
    }
  });

  test('so a copy of the other side is answered in full, never with 304', async () => {
    const revalidates = (request) =>
      request.get('if-none-match') === '"v1"' || request.get('if-modified-since') !== undefined
        ? { status: 304, headers: [['ETag', '"v1"']] }
        : { headers: [['ETag', '"v1"']], body: 'page' };
    for (const site of [legacy, next]) site.handle('/page', revalidates);
    for (const side of ['new', 'legacy']) {
      for (const headers of KINDS) {
        const ask = (conditions) => gate.fetch('/page', { headers: { ...visitor(side), ...headers, ...conditions } });
        for (const conditions of [
          tagged(OTHER[side]),
          { 'If-Modified-Since': DATE },
          ...(side === 'new' ? [UNTAGGED] : []),
        ]) {
          const through = await ask(conditions);
          assert.deepEqual(
            [through.status, through.text, through.get('etag')],
            [200, 'page', `"v1~tg-${side[0]}"`],
            JSON.stringify([side, headers, conditions]),
          );
        }
        const own = await ask(tagged(side));
        assert.deepEqual([own.status, own.get('etag')], [304, `"v1~tg-${side[0]}"`]);
      }
    }
  });
});

test('while a rollout is a draft, everybody gets the same, and shared caches may store it', async () => {
  await gate.load([plan(legacy, next)], {});
  const through = await answerTo('/page', [['Cache-Control', 'public, max-age=600']]);
  assert.equal(through.get('tidegate-reason'), 'inactive');
  assert.equal(through.get('cache-control'), 'public, max-age=600');
});

test('once a rollout has completed, a page still depends on whether its visitor is identified', async () => {
  await gate.load([plan(legacy, next, { identity: { from: ['header:x-user-id'], anonymous: false } })], {
    shop: completed(),
  });
  const sent = [['Cache-Control', 'public, max-age=600']];
  const known = await answerTo('/page', sent);
  assert.equal(known.get('tidegate-variant'), 'new');
  const unknown = await answerTo('/page', sent, { ask: { 'x-user-id': '' } });
  assert.equal(unknown.get('tidegate-variant'), 'legacy');
  for (const through of [known, unknown])
    assert.deepEqual(directives(through.get('cache-control')), ['no-cache', 'private']);
  const file = (ask) => answerTo('/app.js', sent, { ...FILE, ask: { ...FILE.ask, ...ask } });
  for (const through of [await file({}), await file({ 'x-user-id': '' })])
    assert.deepEqual(directives(through.get('cache-control')), ['max-age=600', 'private'], 'and so does a file');
});
