// Versions of new in real workerd: a redeploy in the middle of a stage, a rolling deploy of two builds at once, and a
// step back that is held against the version wanted. The version of a file is in etag.test.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { startOutside } from './outside.mjs';
import { idsOn, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const LONG_MS = 180_000;
const USERS = idsOn('new', 3, 'shop');

let legacy, next, gate, outside, ana;
/** The builds that new's machines are at, and legacy's; each answer is from another machine. */
let builds = ['v1'],
  asked = 0,
  legacyBuild = 'old';
const page = (build) => ({
  headers: [
    ['Content-Type', 'text/html'],
    ['X-Build', build],
  ],
  body: '<title>Shop</title>',
});

before(async () => {
  [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  next.otherwise(() => page(builds[(asked += 1) % builds.length]));
  legacy.otherwise(() => page(legacyBuild));
  outside = await startOutside(() => gate.plainOrigin);
  gate = await openGate({ bindings: { PUBLIC_ORIGIN: outside.origin } });
  ana = operator(gate);
});
after(async () => {
  await gate?.close();
  outside?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

/** Users ask for pages until something is so. */
const whileAsking = (probe, what) =>
  until(
    async () => {
      for (const id of USERS) await gate.fetch('/page', { headers: { 'x-user-id': id } });
      return probe();
    },
    () => what,
    LONG_MS,
  );

const withVersion = (version) => ({
  ...plan(legacy, next, { upstreams: { new: { url: next.url, version } } }),
  defaults: 'none',
  stage: [
    { name: 'half', percentage: 50, hold: '1h' },
    { name: 'full', percentage: 100, hold: '1h' },
  ],
});
const deployed = async () => (await ana.history('shop')).filter(({ command }) => command.version);
const verification = async (after) => {
  const { body } = await ana.get('rollouts/shop/messages');
  return body.messages.find(({ kind, at }) => kind === 'verification' && Date.parse(at) >= after);
};

test('a header that changes in the middle of a stage is an entry, and the bake time begins anew', async () => {
  await ana.apply(gate.compiled([withVersion('header:x-build')]));
  await ana.orders('shop', 'start');
  const first = await whileAsking(async () => (await deployed())[0], 'the first version to be noted');
  assert.deepEqual([first.command.version, first.actor], ['v1', 'schedule']);
  const { hold } = await ana.rollout('shop');
  const since = (rollout) => Date.now() - rollout.hold.elapsed_ms;
  const started = since({ hold });

  builds = ['v1', 'v2'];
  const both = await whileAsking(async () => {
    const rollout = await ana.rollout('shop');
    return rollout.versions?.length === 2 && rollout;
  }, 'both versions to be seen');
  assert.deepEqual([...both.versions].sort(), ['v1', 'v2']);
  assert.equal(both.state.version, 'v1');
  assert.equal((await deployed()).length, 1, 'while two answer, nothing is begun anew');

  builds = ['v2'];
  const second = await whileAsking(async () => (await deployed())[1], 'the second version to be noted');
  assert.equal(second.command.version, 'v2');
  const rollout = await ana.rollout('shop');
  assert.equal(rollout.state.version, 'v2');
  assert.ok(since(rollout) > started + 20_000, `the bake time goes on: ${JSON.stringify(rollout.hold)}`);
  await whileAsking(async () => {
    const { body } = await ana.get('rollouts/shop/metrics');
    return body.windows.some(({ version }) => version === 'v2');
  }, 'windows with their version');
});

test('a step back that leaves users on new is held against the version wanted', async () => {
  builds = ['v1', 'v2'];
  await whileAsking(async () => (await ana.rollout('shop')).versions?.length === 2, 'both versions to be seen');
  const began = Date.now();
  await ana.orders('shop', 'rollback', { to: 49.9 });
  const mixed = await whileAsking(() => verification(began), 'the step back to be verified');
  assert.match(mixed.text, /^not as it should be: .*new is v\d and v\d, and v2 is wanted/);
});

test('a rollback to legacy whose pages are still new’s is not as it should be', async () => {
  builds = ['v2'];
  legacyBuild = 'v2';
  const began = Date.now();
  await ana.orders('shop', 'rollback');
  const stale = await whileAsking(() => verification(began), 'the rollback to be verified');
  assert.match(
    stale.text,
    /^not as it should be: a new visitor gets legacy \(.*\), status 200, version v2, which is new's/,
  );
  legacyBuild = 'old';
});
