// A change reaches all isolates that have traffic, and KV in the end, whatever KV does meanwhile.
// `benches/edge/propagation.mjs` measures how fast; here it only has to happen in bounded time.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ADOPTED_MS, assigned, audit, openControlled, operator, published, traffic } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const ISOLATES = 4;
/** Far less than the minute for which KV may read stale; how fast it is, the benchmark says. */
const REACHED_MS_MAX = 20_000;
/**
 * What an operator does, and what users get then.
 * @type {[command: string, args: object, outcome: string][]}
 */
const CHANGES = [
  ['kill', {}, 'legacy killed'],
  ['revive', {}, 'new bucketed'],
  ['rollback', {}, 'legacy inactive'],
  ['set', { percentage: 100 }, 'new bucketed'],
];
const CONDITIONS = {
  'is down': { mode: 'error' },
  'does not answer': { mode: 'hang' },
  'reads stale': { staleMs: 60_000 },
};

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const open = (changes, options) => openControlled([plan(legacy, next, { routes: ['/shop/*'], ...changes })], options);
const catchesUp = (gate, revision, timeoutMs) =>
  until(
    async () => (await published(gate, 'shop'))?.revision === revision,
    () => `KV to hold revision ${revision}`,
    timeoutMs,
  );

describe('whatever KV does,', { concurrency: true }, () => {
  describe('a command through any isolate', { concurrency: false }, () => {
    let gate, users;
    before(async () => {
      gate = await open({}, { percentage: 100, isolates: ISOLATES });
      users = traffic(gate, 'shop');
      await users.reaches('new bucketed');
    });
    after(async () => {
      await users?.stop();
      await gate?.close();
    });

    for (const [condition, settings] of Object.entries(CONDITIONS)) {
      test(`reaches every isolate while it ${condition}`, async (t) => {
        Object.assign(gate.kv, settings);
        const { turns } = users;
        for (const [n, [command, args, outcome]] of CHANGES.entries()) {
          const from = performance.now();
          await operator(gate.isolates[n % ISOLATES]).orders('shop', command, args);
          const times = await users.reaches(outcome, from);
          t.diagnostic(`${command}: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
          assert.ok(Math.max(...times) < REACHED_MS_MAX, `${command} reaches all`);
        }
        assert.equal(users.turns - turns, CHANGES.length * ISOLATES, 'nobody gets an old state again');
        Object.assign(gate.kv, { mode: 'ok', staleMs: 0 });
        await catchesUp(gate, (await operator(gate).rollout('shop')).state.revision, ADOPTED_MS);
      });
    }

    test('is on record', async () => {
      await audit(gate, 'shop');
    });
  });

  test('the schedule keeps its times, and KV learns of it, though nobody asks', async () => {
    const HOLD_MS = 2_000;
    const LATE_MS_MAX = 20_000;
    const stage = ['first', 'second', 'third', 'last'].map((name, n) => ({
      name,
      percentage: 10 + 30 * n,
      hold: n < 3 ? `${HOLD_MS / 1_000}s` : '30d',
    }));
    const gate = await open({ stage, defaults: 'none' });
    try {
      gate.kv.mode = 'hang';
      await sleep(4 * HOLD_MS);
      gate.kv.mode = 'ok';
      const last = 5;
      await catchesUp(gate, last, ADOPTED_MS);
      const entries = await operator(gate).history('shop');
      assert.deepEqual(
        entries.map(({ command }) => command.command),
        ['apply', 'start', 'advance', 'advance', 'advance'],
      );
      const times = entries.map(({ at }) => Date.parse(at));
      for (const index of [2, 3, 4]) {
        const lateMs = times[index] - times[index - 1] - HOLD_MS;
        assert.ok(lateMs >= 0 && lateMs < LATE_MS_MAX, `revision ${index + 1} is ${lateMs} ms late`);
      }
      await audit(gate, 'shop');
    } finally {
      await gate.close();
    }
  });

  test('a write that it carries out late, after the next one, does not stand', async (t) => {
    const gate = await open({}, { percentage: 100 });
    try {
      const ana = operator(gate);
      await catchesUp(gate, 3, ADOPTED_MS);
      // Later than any client waits, and only just before it answers.
      Object.assign(gate.kv, { delayMs: 12_500, chance: { next: () => 0.97, happens: () => false } });
      const late = await ana.orders('shop', 'set', { percentage: 10 });
      await sleep(3_000);
      gate.kv.delayMs = 0;
      const { entry } = await ana.orders('shop', 'kill');
      const held = () => gate.kv.versions('stage/shop').map(({ text }) => JSON.parse(text).revision);
      const holds = (isSo, what) =>
        until(
          async () => {
            await assigned(gate, 'shop');
            return isSo(held());
          },
          () => `${what} in KV, which held ${held()}`,
          ADOPTED_MS,
        );
      await holds((revisions) => revisions.includes(late.entry.revision), 'the late write');
      t.diagnostic(`KV held the revisions ${held()} up to the late write`);
      await holds((revisions) => revisions.at(-1) === entry.revision, `revision ${entry.revision} in the end`);
      await audit(gate, 'shop');
    } finally {
      await gate.close();
    }
  });
});
