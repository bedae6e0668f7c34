// The KV key `plans` as people, scripts and accidents leave it: the site stays, a fault is shown, and the
// controller writes its own set back.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { change } from '../storage.mjs';
import { ADOPTED_MS, assigned, granted, openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const KEYS = ['shop', 'cart'];

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const plans = () => KEYS.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`] }));
const held = async (gate) => {
  try {
    return JSON.parse(await gate.kv.get('plans'));
  } catch {
    return undefined;
  }
};
/** Waits until the plans have been read anew, by every reader that reads them as visitors come: two of them. */
const readAgain = async (gate) => {
  const reads = () => gate.kv.reads.filter((key) => key === 'plans').length;
  const enough = reads() + 3;
  await until(
    async () => reads() >= enough,
    () => 'the plans to be read again',
    ADOPTED_MS,
  );
};
const set = (revision, rollouts) => JSON.stringify({ v: 1, revision: 'N', rollouts }).replace('"N"', String(revision));

/** Visitors of every rollout, from now on until `stop`, which resolves with what they got, each once. */
function visitors(gate) {
  const outcomes = new Set();
  let stopped = false;
  const going = (async () => {
    while (!stopped) {
      for (const key of KEYS) {
        const { status, get } = await gate.fetch(`/${key}/page`, { headers: { 'x-user-id': 'ana' } });
        outcomes.add(`${status} ${get('tidegate-variant')} ${get('tidegate-reason')}`);
      }
      await sleep(50);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await going;
      return [...outcomes];
    },
  };
}

describe('a set of plans by hand', () => {
  const SETS = {
    'without rollouts, under a high revision': (revision) => set(revision + 1_000, []),
    'without rollouts, under the revision that stands there': (revision) => set(revision, []),
    'without rollouts, under a low revision': () => set(1, []),
    'with a rollout that has no key': (revision) => set(revision + 1_000, [{ description: 'whose is this?' }]),
    'with one of two rollouts': (revision, rollouts) => set(revision + 1_000, rollouts.slice(0, 1)),
    'that is cut off': (revision, rollouts) => set(revision + 1_000, rollouts).slice(0, 300),
    'that is empty': () => '',
    'under a revision that nobody can count on from': (_, rollouts) => set('9223372036854775807', rollouts),
  };
  for (const [name, made] of Object.entries(SETS)) {
    test(`${name} takes nothing away, shows as a fault, and is written over`, async () => {
      const gate = await openControlled(plans(), { percentage: 100 });
      try {
        const ana = operator(gate);
        const before = await until(
          async () => {
            const found = await held(gate);
            return found?.rollouts.length === KEYS.length && found;
          },
          () => 'the plans in KV',
          ADOPTED_MS,
        );
        for (const key of KEYS)
          await until(
            async () => (await assigned(gate, key)) === 'new bucketed',
            () => `${key} to be new`,
            ADOPTED_MS,
          );
        const going = visitors(gate);
        const bad = made(before.revision, before.rollouts);
        await gate.kv.put('plans', bad);
        const healed = await until(
          async () => {
            granted(await ana.get('rollouts'));
            const found = await held(gate);
            return (await gate.kv.get('plans')) !== bad && found?.rollouts.length === KEYS.length && found;
          },
          () => `the plans to be written back over ${bad.slice(0, 80)}`,
          ADOPTED_MS,
        );
        assert.deepEqual(healed.rollouts.map(({ key }) => key).sort(), [...KEYS].sort());
        if (!name.includes('low revision')) {
          assert.ok(healed.revision > before.revision, 'under a greater revision');
          const { faults } = granted(await ana.get('rollouts'));
          assert.ok(
            faults.some(({ subject, message }) => /^plans/.test(subject) && /KV key `plans`/.test(message)),
            JSON.stringify(faults),
          );
        }
        // What was read before the set was written back is served until it is read again.
        await readAgain(gate);
        assert.deepEqual(await going.stop(), ['200 new bucketed'], 'nobody notices');
        await ana.orders('shop', 'kill');
        await until(
          async () => (await assigned(gate, 'shop')) === 'legacy killed',
          () => 'the kill',
          ADOPTED_MS,
        );
      } finally {
        await gate.close();
      }
    });
  }

  test('is nothing to a cold isolate, which asks the controller', async () => {
    const gate = await openControlled(plans(), { percentage: 100 });
    try {
      await until(
        () => held(gate),
        () => 'the plans in KV',
        ADOPTED_MS,
      );
      for (const bad of ['', set(999_999, []), set('9223372036854775807', []), set(999_999, [{}])]) {
        await gate.kv.put('plans', bad);
        await gate.restart({ keepState: true });
        const seen = new Set();
        await until(
          async () => {
            const { status, get } = await gate.fetch('/cart/page', { headers: { 'x-user-id': 'ana' } });
            seen.add(status);
            return get('tidegate-reason') === 'bucketed';
          },
          () => 'the configuration',
          20_000,
        );
        assert.ok(!seen.has(404), `${bad}: ${[...seen]}`);
      }
    } finally {
      await gate.close();
    }
  });
});

describe('a stored plan that the controller cannot read', () => {
  const later = "json_set(plan, '$.advance', 'as a later version does')";
  const DAMAGES = {
    'since it is of a later version': [
      [`UPDATE rollouts SET plan = ${later} WHERE key = 'shop'`],
      [`UPDATE plans SET plan = ${later} WHERE rollout = 'shop'`],
    ],
    'since all copies of it are damaged': [
      ["UPDATE rollouts SET plan = substr(plan, 1, 40) WHERE key = 'shop'"],
      ["UPDATE plans SET plan = 'x' WHERE rollout = 'shop'"],
    ],
    'and whose state cannot be read either': [
      ["UPDATE rollouts SET plan = '', record = '{}' WHERE key = 'shop'"],
      ["DELETE FROM plans WHERE rollout = 'shop'"],
    ],
  };
  for (const [name, damage] of Object.entries(DAMAGES)) {
    test(`${name} leaves the rollout with its state, its history and its kill switch`, async () => {
      const gate = await openControlled(plans(), { percentage: 100, storage: true });
      try {
        const ana = operator(gate);
        for (const key of KEYS)
          await until(
            async () => (await assigned(gate, key)) === 'new bucketed',
            () => `${key} to be new`,
            ADOPTED_MS,
          );
        const before = await ana.rollout('shop');
        const going = visitors(gate);
        await change(gate.plainOrigin, ...damage);
        const rollout = await ana.rollout('shop');
        assert.deepEqual(rollout.state, before.state);
        assert.match(rollout.faults[0].message, /cannot be read.*tidegate apply/);
        assert.deepEqual(
          rollout.commands.filter((command) => ['advance', 'complete', 'set', 'start'].includes(command)),
          [],
        );
        assert.ok(rollout.commands.includes('kill'), rollout.commands.join());
        const refused = await ana.command('shop', 'set', { percentage: 10 });
        assert.deepEqual([refused.status, refused.body.refusal], [409, 'unread-plan'], refused.text);
        assert.equal((await ana.history('shop')).at(-1).command.command, 'set');
        // Another rollout's change publishes all plans.
        await ana.apply([plan(legacy, next, { key: 'more', routes: ['/more/*'] })]);
        await until(
          async () => (await held(gate))?.rollouts.some(({ key }) => key === 'more'),
          () => 'the plans in KV',
          ADOPTED_MS,
        );
        await readAgain(gate);
        assert.deepEqual(await going.stop(), ['200 new bucketed'], 'nobody notices');
        await ana.orders('shop', 'kill');
        await until(
          async () => (await assigned(gate, 'shop')) === 'legacy killed',
          () => 'the kill',
          ADOPTED_MS,
        );
        await ana.orders('shop', 'revive');
        await ana.apply(gate.compiled(plans()));
        const mended = await ana.rollout('shop');
        assert.deepEqual([mended.faults, mended.state.percentage, mended.commands.includes('set')], [[], 100, true]);
        await until(
          async () => (await assigned(gate, 'shop')) === 'new bucketed',
          () => 'the rollout to go on',
          ADOPTED_MS,
        );
      } finally {
        await gate.close();
      }
    });
  }

  test('but for fields of a later version goes on, and keeps them', async () => {
    const gate = await openControlled(plans(), { percentage: 100, storage: true });
    try {
      const ana = operator(gate);
      await change(gate.plainOrigin, [
        "UPDATE rollouts SET plan = json_set(plan, '$.of_a_later_version', 7, '$.stage[0].other', json('[1]')) WHERE key = 'shop'",
      ]);
      const { faults, commands } = await ana.rollout('shop');
      assert.deepEqual([faults, commands.includes('set')], [[], true]);
      await ana.orders('shop', 'set', { percentage: 50 });
      assert.match(
        granted(await ana.get('plans'))
          .rollouts.map(JSON.stringify)
          .join(),
        /"of_a_later_version":7/,
      );
    } finally {
      await gate.close();
    }
  });

  test('is restored where its copy can be read', async () => {
    const gate = await openControlled(plans(), { percentage: 100, storage: true });
    try {
      await change(gate.plainOrigin, ["UPDATE rollouts SET plan = substr(plan, 1, 40) WHERE key = 'shop'"]);
      const { faults, commands } = await operator(gate).rollout('shop');
      assert.deepEqual([faults, commands.includes('set')], [[], true]);
    } finally {
      await gate.close();
    }
  });
});
