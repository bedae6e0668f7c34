// What broke, from a request that fails and a page that reports an error to what an operator reads of a rollback.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { operator } from './control.mjs';
import { CLI, openGate, TOKENS, until } from './harness.mjs';
import { DOCUMENT, idsOn, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const PAGE = { headers: [['Content-Type', 'text/html']], body: '<p>a page</p>' };
const KEY = 'shop';
/** A second rollout, on whose new side pages and requests of Safari alone fail. */
const TOLD = 'told';
const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15';
const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

let legacy, next, gate, ana;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  legacy.otherwise(() => PAGE);
  next.otherwise(({ path, get }) => {
    const isSafari = get('user-agent') === SAFARI;
    const fails = path.startsWith('/api/') || (path.startsWith('/told/cart') && isSafari);
    return fails ? { status: 502, body: 'broken' } : PAGE;
  });
  gate = await openGate({ bindings: { BEACON_ONE_NETWORK: '' } });
  ana = operator(gate);
  await ana.apply(
    gate.compiled([
      plan(legacy, next, {
        key: KEY,
        endpoints: { api: 'path:/api/*' },
        defaults: 'none',
        stage: [{ name: 'half', percentage: 50, hold: '1h' }],
        guardrail: [{ when: 'errors >= 60 over 5m min 1', then: 'rollback' }],
        problem: [{ on: 'srm', then: 'show' }],
      }),
      plan(legacy, next, {
        key: TOLD,
        routes: ['/told/*'],
        defaults: 'none',
        dimensions: ['browser', 'country', 'header:x-tier'],
        path: [{ match: '/told/*', breaker: false }],
        stage: [{ name: 'half', percentage: 50, hold: '1h' }],
        problem: [{ on: 'srm', then: 'show' }],
      }),
    ]),
  );
  await ana.orders(KEY, 'start');
  await ana.orders(TOLD, 'start');
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const ask = (path, id, headers = {}) => gate.fetch(path, { headers: { 'x-user-id': id, ...headers } });

/** The token of a page that this user gets of this side. */
const page = (id, side) =>
  until(
    async () => {
      const { get } = await ask('/page', id, DOCUMENT);
      return get('tidegate-variant') === side && /tidegate;desc="([^"]+)"/.exec(get('server-timing') ?? '')?.[1];
    },
    () => `a page of ${side}`,
  );

const report = (token, n, errors) =>
  gate.fetch('/_tidegate/beacon', {
    method: 'POST',
    body: JSON.stringify({ token, js_errors: errors.length, errors }),
    headers: { 'CF-Connecting-IP': `198.18.${n}.1` },
  });

test('a rollback says which failures, which error of pages and how many users, in the history, the API and the command', async () => {
  const [onNew, onLegacy] = [idsOn('new', 20, KEY), idsOn('legacy', 20, KEY)];
  const error = (build, user) => ({
    name: 'TypeError',
    message: `cannot load '${user}' of order 42`,
    frame: `at loadCart (https://shop.example.com/assets/app.${build}.js:1:99)`,
  });
  let n = 0;
  for (const [ids, side] of [
    [onNew, 'new'],
    [onLegacy, 'legacy'],
  ])
    for (const id of ids) {
      n += 1;
      const errors = side === 'new' ? [error(`3f2a9c1${n % 10}`, id)] : [];
      const { status } = await report(await page(id, side), n, errors);
      assert.equal(status, 204);
    }
  await until(
    async () => (await ana.rollout(KEY)).broke?.scripts?.length > 0,
    () => 'the errors of pages',
  );
  for (let round = 0; round < 4; round += 1) for (const id of [...onNew, ...onLegacy]) await ask('/api/cart', id);
  await until(
    async () => (await ana.rollout(KEY)).state.phase === 'rolled_back',
    () => 'the rollback',
  );
  const view = await ana.rollout(KEY);
  const [api] = view.broke.failures;
  assert.deepEqual([api.class, api.endpoint, api.path, api.legacy.count], ['5xx', 'api', '/api/*', 0]);
  assert.ok(api.new.count >= 60 && api.statuses[0][0] === 502, JSON.stringify(api));
  const [script] = view.broke.scripts;
  assert.equal(script.fingerprint, "TypeError: cannot load '…' of order <n> at app.js, in loadCart");
  assert.ok(script.new.count >= 10 && script.legacy.count === 0 && script.first_on_new > 0, JSON.stringify(script));
  assert.deepEqual(view.broke.failing, { about: 20, from: 20, to: 20 });

  const { entries, explanations } = (await ana.get(`rollouts/${KEY}/history`)).body;
  const entry = entries.find(({ actor }) => actor === 'guardrail');
  assert.equal(entry.broke.failures[0].endpoint, 'api');
  assert.ok(explanations[0].figures.some((figure) => figure.startsWith('5xx at api (/api/*): ')));

  const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
  const { stdout } = await promisify(execFile)(CLI, ['status', KEY], { env });
  assert.match(stdout, /What broke\s+5xx at api \(\/api\/\*\): \d+ of \d+ requests on new, 0 of \d+ on legacy/);
  assert.match(stdout, /20 users of new had a failed request, rescued ones included/);
  assert.ok(!JSON.stringify([view, entries]).includes(onNew[0]), 'nobody is named');
});

test('what fails for one browser alone is told with its name, and nothing that only one user sends', async () => {
  const [onNew, onLegacy] = [idsOn('new', 30, TOLD), idsOn('legacy', 30, TOLD)];
  const asked = (id, agent, more = {}) => ask('/told/cart', id, { 'user-agent': agent, 'x-tier': 'gold', ...more });
  await until(
    async () => (await asked(onNew[0], CHROME)).get('tidegate-variant') === 'new',
    () => 'the start',
  );
  for (let round = 0; round < 4; round += 1)
    for (const id of [...onNew, ...onLegacy])
      for (const agent of [SAFARI, CHROME]) await asked(id, agent, agent === SAFARI ? {} : { 'x-tier': `only ${id}` });
  const found = await until(
    async () => (await ana.rollout(TOLD)).broke?.stands_out?.find(({ new: own }) => own.count >= 120),
    () => 'the browser that stands out',
  );
  assert.deepEqual([found.trouble, found.dimension, found.value], ['failures', 'browser', 'Safari']);
  assert.deepEqual([found.new, found.others.count, found.legacy.count], [{ count: 120, of: 120 }, 0, 0]);
  const view = await ana.rollout(TOLD);
  const sentence = view.what_broke.find((text) => text.startsWith('browser Safari stands out: 100 % (120 of 120) '));
  assert.ok(sentence, JSON.stringify(view.what_broke));
  assert.ok(!JSON.stringify(view).includes('only user'), 'a value that one user alone sends is not told');
  const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
  const { stdout } = await promisify(execFile)(CLI, ['status', TOLD], { env });
  assert.match(
    stdout.replace(/\s+/g, ' '),
    /browser Safari stands out: 100 % \(120 of 120\) of its requests failed on new/,
  );
});
