// Caches must not mix variants: what depends on the cohort stays out of shared caches, and a browser's
// copy of one side never keeps the other side's page alive.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, DOCUMENT, asset, completed, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const half = [{ name: 'half', percentage: 50, hold: '1h' }, { name: 'full', percentage: 100 }];
  await gate.load([plan(legacy, next, { stage: half }), plan(legacy, next, { stage: half, key: 'own', routes: ['/own/*'], cache: 'upstream' })], { shop: '50', own: '50' });
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

async function answerTo(path, headers, { status = 200, ask = {} } = {}) {
  for (const site of [legacy, next]) site.handle(path, { status, headers: [['Content-Type', 'text/html'], ...headers], body: 'text' });
  return gate.fetch(path, { headers: { ...ANA, ...ask } });
}
const directives = (text) => (text ?? '').split(',').map((part) => part.trim().toLowerCase()).filter(Boolean).sort();

describe('a response that shared caches may store becomes private', () => {
  const cases = [
    [['public, max-age=600'], ['max-age=600', 'private']],
    [['max-age=60, immutable'], ['immutable', 'max-age=60', 'private']],
    [['s-maxage=600, max-age=60'], ['max-age=60', 'private']],
    [['PUBLIC, S-MaxAge=600'], ['private']],
    [['public', 'max-age=60'], ['max-age=60', 'private']],
    [['no-cache'], ['no-cache', 'private']],
    [['public, must-revalidate, stale-while-revalidate=30'], ['must-revalidate', 'private', 'stale-while-revalidate=30']],
    [[''], ['private']],
    [[], ['private']],
  ];
  for (const [sent, expected] of cases) {
    test(`«${sent.join('» and «') || 'nothing'}»`, async () => {
      const through = await answerTo('/page', sent.map((value) => ['Cache-Control', value]));
      assert.deepEqual(directives(through.get('cache-control')), expected);
    });
  }

  test('«private="x-user"», which names a field and keeps the rest public', async () => {
    const through = await answerTo('/page', [['Cache-Control', 'private="x-user", max-age=60']]);
    assert.ok(directives(through.get('cache-control')).includes('private'));
  });

  test('an Expires in the future', async () => {
    const through = await answerTo('/page', [['Expires', 'Fri, 01 Jan 2100 00:00:00 GMT']]);
    assert.deepEqual(directives(through.get('cache-control')), ['private']);
    assert.equal(through.get('expires'), 'Fri, 01 Jan 2100 00:00:00 GMT');
  });

  test('a sub-resource, a redirect, a page not found', async () => {
    const sent = [['Cache-Control', 'public, max-age=600'], ['Location', '/to']];
    for (const [path, options] of [['/app.js', { ask: asset('script') }], ['/from', { status: 301 }], ['/gone', { status: 404 }]]) {
      assert.deepEqual(directives((await answerTo(path, sent, options)).get('cache-control')), ['max-age=600', 'private'], path);
    }
  });
});

describe('a response that shared caches may not store is left alone', () => {
  for (const sent of ['no-store', 'private', 'private, max-age=5', 'max-age=5, PRIVATE', 'no-store, max-age=0']) {
    test(`«${sent}»`, async () => assert.equal((await answerTo('/page', [['Cache-Control', sent]])).get('cache-control'), sent));
  }
});

test('headers that only shared caches read are dropped', async () => {
  const names = ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control'];
  for (const cacheControl of ['public, max-age=60', 'private', 'no-store']) {
    const through = await answerTo('/page', [['Cache-Control', cacheControl], ...names.map((name) => [name, 'max-age=600'])]);
    for (const name of names) assert.equal(through.get(name), undefined, `${name} beside ${cacheControl}`);
  }
});

test('`cache = "upstream"` leaves every caching header to the frontend', async () => {
  const sent = [['Cache-Control', 'public, s-maxage=600'], ['CDN-Cache-Control', 'max-age=600'], ['Surrogate-Control', 'max-age=600'], ['Expires', 'Fri, 01 Jan 2100 00:00:00 GMT'], ['Vary', 'x-user-id']];
  const through = await answerTo('/own/page', sent);
  for (const [name, value] of sent) assert.equal(through.get(name), value, name);
});

describe('conditional headers', () => {
  const CONDITIONS = { 'If-None-Match': '"v1"', 'If-Modified-Since': 'Mon, 01 Jan 2024 00:00:00 GMT' };
  const sent = async (headers) => {
    await gate.fetch('/page', { headers: { ...ANA, ...headers, ...CONDITIONS } });
    const request = [...legacy.received, ...next.received].at(-1);
    return Object.keys(CONDITIONS).filter((name) => request.get(name) !== undefined);
  };

  test('are not sent with a document', async () => {
    assert.deepEqual(await sent(DOCUMENT), []);
    assert.deepEqual(await sent({ ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe' }), []);
    assert.deepEqual(await sent({ Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }), []);
  });

  test('are sent with anything else', async () => {
    for (const headers of [asset('script'), asset('image'), asset('empty'), { Accept: '*/*' }, { Accept: 'application/json' }, {}]) {
      assert.deepEqual(await sent(headers), Object.keys(CONDITIONS), JSON.stringify(headers));
    }
  });

  test('so a document is answered in full, never with 304', async () => {
    const revalidates = (request) => (request.get('if-none-match') === '"v1"' ? { status: 304, headers: [['ETag', '"v1"']] } : { headers: [['ETag', '"v1"']], body: 'page' });
    for (const site of [legacy, next]) site.handle('/page', revalidates);
    const through = await gate.fetch('/page', { headers: { ...ANA, ...DOCUMENT, ...CONDITIONS } });
    assert.equal(through.status, 200);
    assert.equal(through.text, 'page');
    assert.equal((await gate.fetch('/page', { headers: { ...ANA, ...asset('script'), ...CONDITIONS } })).status, 304);
  });
});

test('while a rollout is a draft, everybody gets the same, and shared caches may store it', async () => {
  await gate.load([plan(legacy, next)], {});
  const through = await answerTo('/page', [['Cache-Control', 'public, max-age=600']]);
  assert.equal(through.get('tidegate-reason'), 'inactive');
  assert.equal(through.get('cache-control'), 'public, max-age=600');
});

test('once a rollout has completed, a page still depends on whether its visitor is identified', async () => {
  await gate.load([plan(legacy, next, { identity: { from: ['header:x-user-id'], anonymous: false } })], { shop: completed() });
  const sent = [['Cache-Control', 'public, max-age=600']];
  const known = await answerTo('/page', sent);
  assert.equal(known.get('tidegate-variant'), 'new');
  const unknown = await answerTo('/page', sent, { ask: { 'x-user-id': '' } });
  assert.equal(unknown.get('tidegate-variant'), 'legacy');
  for (const through of [known, unknown]) assert.deepEqual(directives(through.get('cache-control')), ['max-age=600', 'private']);
});
