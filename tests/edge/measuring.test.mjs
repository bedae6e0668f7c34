// What isolates count, and what their pages report, is in the controller's books a moment later: once,
// and without a further request having to come.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, TOKENS, until } from './harness.mjs';
import { marker, settled } from './marker.mjs';
import { ANA, DOCUMENT, flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const PAGE = { headers: [['Content-Type', 'text/html']], body: '<p>a page</p>' };

let legacy, next, gate, ana;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate();
  ana = operator(gate);
  await ana.apply(
    gate.compiled([marker(legacy, next), plan(legacy, next, { endpoints: { api: 'path:/api/*' } }), flag('banner')]),
  );
  for (const key of ['marker', 'banner', 'shop']) {
    await ana.orders(key, 'start');
    await ana.orders(key, 'set', { percentage: 100 });
  }
  await until(
    async () => (await ask('/warm')).get('tidegate-variant') === 'new',
    () => 'everybody to be on new',
  );
  await settled(gate);
});
beforeEach(() => {
  for (const site of [legacy, next]) {
    site.reset();
    site.otherwise(PAGE);
  }
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const ask = (path, options = {}) =>
  gate.fetch(path, { ...options, headers: { ...ANA, ...DOCUMENT, ...options.headers } });

/** What was counted of new in all, everywhere or at an endpoint. */
async function totals(key, endpoint) {
  const { windows } = (await ana.get(`rollouts/${key}/metrics${endpoint ? `?endpoint=${endpoint}` : ''}`)).body;
  const sides = windows
    .flatMap(({ sides }) => sides)
    .filter((side) => side.variant === 'new' && side.endpoint === endpoint);
  const sum = (name) => sides.reduce((total, side) => total + (side[name] ?? 0), 0);
  const measured = (name) => sides.reduce((total, { measures }) => total + (measures?.[name]?.count ?? 0), 0);
  return {
    requests: sum('requests'),
    errors: sum('errors'),
    rescued: sum('rescued'),
    pages: sum('pages'),
    js_errors: sum('js_errors'),
    latency: measured('latency'),
    lcp: measured('lcp'),
  };
}

/** How much more there is in the end than before `act`. */
async function counted(key, act, endpoint) {
  const before = await totals(key, endpoint);
  await act();
  await settled(gate);
  const later = await totals(key, endpoint);
  return Object.fromEntries(
    Object.entries(later)
      .map(([name, count]) => [name, count - before[name]])
      .filter(([, count]) => count !== 0),
  );
}

test('a request counts in its rollout and in every flag', async () => {
  assert.deepEqual(await counted('shop', () => ask('/page')), { requests: 1, latency: 1 });
  // The marker's request is one of the flag's too.
  assert.deepEqual(await counted('banner', () => ask('/page')), { requests: 2, latency: 2 });
});

test('an answer that came late is reported without another request', async () => {
  next.handle('/slow', { ...PAGE, delayMs: 1_500 });
  assert.deepEqual(await counted('shop', () => ask('/slow')), { requests: 1, latency: 1 });
});

test("what legacy rescues is new's failure", async () => {
  next.handle('/page', { status: 500, body: 'broken' });
  assert.deepEqual(await counted('shop', () => ask('/page')), { requests: 1, errors: 1, rescued: 1, latency: 1 });
});

test('an endpoint counts its own', async () => {
  assert.deepEqual(
    await counted('shop', () => Promise.all(['/api/a', '/api/b', '/page'].map((path) => ask(path))), 'api'),
    { requests: 2, latency: 2 },
  );
});

test("a page's report counts once, in its rollout and its flags", async () => {
  const page = await ask('/page');
  const token = /tidegate;desc="([^"]+)"/.exec(page.get('server-timing'))[1];
  await settled(gate);
  const report = () =>
    gate.fetch('/_tidegate/beacon', {
      method: 'POST',
      body: JSON.stringify({ token, metrics: { lcp: 1200 }, js_errors: 2 }),
    });
  const expected = { pages: 1, js_errors: 2, lcp: 1 };
  const banner = await totals('banner');
  assert.deepEqual(
    await counted('shop', async () => {
      for (let n = 0; n < 3; n += 1) assert.equal((await report()).status, 204);
    }),
    expected,
  );
  assert.equal((await totals('banner')).lcp, banner.lcp + 1);
});

test('a hundred users at once are counted one by one', async () => {
  const all = () =>
    Promise.all(Array.from({ length: 100 }, (_, n) => ask('/page', { headers: { 'x-user-id': `user-${n}` } })));
  assert.deepEqual(await counted('shop', all), { requests: 100, latency: 100 });
});

test('visits are counted as sessions, each once', async () => {
  const sessions = async () => {
    const { text } = await gate.fetch('/_tidegate/metrics', { headers: { authorization: `Bearer ${TOKENS.vic}` } });
    return Number(/^tidegate_sessions\{rollout="shop",variant="new"\} (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  const before = await sessions();
  for (const visitor of ['visitor-1', 'visitor-2', 'visitor-3'])
    for (const path of ['/one', '/two']) await ask(path, { headers: { 'x-user-id': visitor } });
  await settled(gate);
  assert.equal((await sessions()) - before, 3);
});
