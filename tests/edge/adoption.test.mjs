// What people write into KV by hand is obeyed by the edge at once, and adopted by the controller
// once: with an entry in the history, under the actor `kv`, and a whole state back in KV.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ADOPTED_MS, assigned, audit, granted, openControlled, operator, published } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { completed, plan, written } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

/** An isolate's word about a fault counts for a minute after it last reported. */
const REPORTED_MS = 60_000;

/** So many reads of a key must leave a settled rollout as it is. */
const LOOKS = 6;
/** How late KV may be read in the test of that. */
const STALE_MS = 10_000;
/** How long an isolate may go on with what it read before. */
const OBEYED_MS_MAX = 60_000;

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

/** Opens a gate whose rollouts are all set to 100 %, for the length of `use`. */
async function withGate(keys, options, use) {
  const gate = await openControlled(
    keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`] })),
    { percentage: 100, ...options },
  );
  const ana = operator(gate);
  const obeys = (key, outcome) =>
    until(
      async () => (await assigned(gate, key)) === outcome,
      () => `${key} to become ${outcome}`,
      OBEYED_MS_MAX,
    );
  const byHand = async (key) => (await ana.history(key)).filter(({ actor }) => actor === 'kv');
  /** Waits, as users go on asking, for the newest entry by hand to be a command that matches; the entry. */
  const adopts = async (key, command, count = 1) => {
    const entries = await until(
      async () => {
        await assigned(gate, key);
        const found = await byHand(key);
        return found.length >= count && found;
      },
      () => `${key} to be adopted`,
      ADOPTED_MS,
    );
    assert.equal(entries.length, count, `${key} is adopted as often as it was edited`);
    const entry = entries.at(-1);
    for (const [field, value] of Object.entries(command))
      assert.deepEqual(entry.command[field], value, `${field} of ${key}`);
    return entry;
  };
  /** Waits for KV to hold that entry's state as a whole. */
  const restores = (key, { state }) =>
    until(
      async () => {
        const whole = await published(gate, key);
        return whole?.revision === state.revision && whole;
      },
      () => `the whole state of ${key} in KV`,
      ADOPTED_MS,
    );
  /** Has the state read a number of times, by everybody who reads it. */
  const looks = async (key, count = LOOKS) => {
    const seen = () => gate.kv.reads.filter((read) => read === `stage/${key}`).length;
    const enough = seen() + count;
    await until(
      async () => {
        await Promise.all([ana.rollout(key), assigned(gate, key)]);
        return seen() >= enough;
      },
      () => `stage/${key} to be read`,
      2 * ADOPTED_MS,
    );
  };
  try {
    for (const key of keys) await obeys(key, 'new bucketed');
    await use({ gate, ana, obeys, byHand, adopts, restores, looks });
  } finally {
    await gate.close();
  }
}

describe('by hand in KV,', { concurrency: true }, () => {
  describe('an edit', { concurrency: true }, () => {
    const EDITS = {
      number: {
        text: '0',
        outcome: 'legacy bucketed',
        command: { command: 'set', percentage: 0 },
        state: { phase: 'paused', percentage: 0 },
      },
      percent: {
        text: '2.5%',
        outcome: 'legacy bucketed',
        command: { command: 'set', percentage: 2.5 },
        state: { phase: 'paused', percentage: 2.5 },
      },
      off: {
        text: 'off',
        outcome: 'legacy killed',
        command: { command: 'kill' },
        state: { killed: true, percentage: 100 },
      },
    };

    test('is obeyed, adopted once, and written back as a whole', async () => {
      await withGate(Object.keys(EDITS), {}, async ({ gate, ana, obeys, adopts, restores, looks, byHand }) => {
        for (const [key, { text }] of Object.entries(EDITS)) await gate.putStage(key, text);
        await Promise.all(
          Object.entries(EDITS).map(async ([key, { text, outcome, command, state }]) => {
            await obeys(key, outcome);
            const entry = await adopts(key, command);
            const whole = await restores(key, entry);
            assert.equal(whole.kv?.text, text, 'the state says which text it was made of');
            for (const [field, value] of Object.entries(state))
              assert.deepEqual((await ana.rollout(key)).state[field], value, `${field} of ${key}`);
            assert.equal(await assigned(gate, key), outcome);
            await looks(key);
            assert.equal((await byHand(key)).length, 1, `${key} is adopted once`);
            await audit(gate, key);
          }),
        );
      });
    });

    test('may be the whole state with another percentage', async () => {
      await withGate(['shop'], {}, async ({ gate, obeys, adopts, restores, looks, byHand }) => {
        const before = await until(
          () => published(gate, 'shop'),
          () => 'the state in KV',
        );
        await gate.putStage('shop', { ...before, percentage: 3 });
        await obeys('shop', 'legacy bucketed');
        const entry = await adopts('shop', { command: 'set', percentage: 3 });
        assert.equal(entry.revision, before.revision + 1);
        await restores('shop', entry);
        await looks('shop');
        assert.equal((await byHand('shop')).length, 1);
        await audit(gate, 'shop');
      });
    });

    test('may be a whole state again and again, without making the next one longer', async () => {
      await withGate(['shop'], {}, async ({ gate, adopts, restores }) => {
        let whole = await until(
          () => published(gate, 'shop'),
          () => 'the state in KV',
        );
        for (let count = 1; count <= 5; count += 1) {
          await gate.putStage('shop', { ...whole, percentage: count });
          whole = await restores('shop', await adopts('shop', { command: 'set', percentage: count }, count));
        }
        assert.ok((await gate.kv.get('stage/shop')).length < 2_000, 'the state is as long as before');
        await audit(gate, 'shop');
      });
    });

    test('is not written over unread while reads still miss the new key', async () => {
      await withGate(['shop'], {}, async ({ gate, ana, adopts }) => {
        await until(
          () => published(gate, 'shop'),
          () => 'the state in KV',
        );
        // Each read is as old as it may be.
        Object.assign(gate.kv, { staleMs: STALE_MS, chance: { next: () => 0.99, happens: () => false } });
        await gate.putStage('shop', '0');
        const counts = until(
          async () => (await ana.rollout('shop')).state.percentage === 0,
          () => 'the edit to count',
          ADOPTED_MS,
        );
        await Promise.all([counts, adopts('shop', { command: 'set', percentage: 0 })]);
      });
    });

    test('that cannot be read is not obeyed, and shows as a fault until it is gone', async () => {
      await withGate(['shop'], {}, async ({ gate, ana, obeys, byHand, looks }) => {
        const fault = async () =>
          (await ana.rollout('shop')).faults.find(({ subject, message }) =>
            `${subject} ${message}`.includes('ten percent'),
          );
        await gate.putStage('shop', 'ten percent');
        const { subject, message, at } = await until(fault, () => 'the fault', ADOPTED_MS);
        assert.match(subject, /shop/);
        assert.ok(message.length > 0 && !Number.isNaN(Date.parse(at)));
        await looks('shop');
        assert.equal(await assigned(gate, 'shop'), 'new bucketed');
        assert.deepEqual(await byHand('shop'), []);
        await ana.orders('shop', 'set', { percentage: 0 });
        await obeys('shop', 'legacy bucketed');
        await until(
          async () => (await fault()) === undefined,
          () => 'the fault to be gone',
          ADOPTED_MS + REPORTED_MS,
        );
        await audit(gate, 'shop');
      });
    });
  });

  describe('a kill key', { concurrency: true }, () => {
    test('is obeyed, recorded, and cannot be revived while the key stands', async () => {
      await withGate(['shop'], { isolates: 2 }, async ({ gate, ana, obeys, adopts, byHand, looks }) => {
        const sleeper = gate.isolates[1];
        await gate.kill('shop');
        await obeys('shop', 'legacy killed');
        await until(
          async () => (await assigned(sleeper, 'shop')) === 'legacy killed',
          () => 'the other isolate to obey',
          OBEYED_MS_MAX,
        );
        const { state } = await adopts('shop', { command: 'kill', key: 'kill/shop' });
        assert.equal(state.killed, true);
        const { kill_key: key, percentage, commands } = await ana.rollout('shop');
        assert.deepEqual([key, percentage, commands.includes('revive')], ['kill/shop', 0, false]);

        const refused = await ana.command('shop', 'revive');
        assert.deepEqual([refused.status, refused.body.refusal], [409, 'kill-key']);
        assert.match(`${refused.body.detail} ${refused.body.help}`, /kill\/shop/);

        await gate.kv.delete('kill/shop');
        await until(
          async () => (await ana.command('shop', 'revive')).status === 200,
          () => 'a revive after the key is gone',
          ADOPTED_MS,
        );
        await obeys('shop', 'new bucketed');
        await until(
          async () => (await assigned(sleeper, 'shop')) === 'new bucketed',
          () => 'the other isolate to wake',
          OBEYED_MS_MAX,
        );
        await looks('shop');
        assert.equal(await assigned(gate, 'shop'), 'new bucketed', 'it stays revived');
        assert.deepEqual(
          (await byHand('shop')).map(({ command }) => command.command),
          ['kill'],
          'the key counts once',
        );
        await audit(gate, 'shop');
      });
    });

    test('survives everything that is published while it stands', async () => {
      await withGate(['shop'], {}, async ({ gate, ana, obeys, adopts, restores }) => {
        await gate.kill('shop');
        await obeys('shop', 'legacy killed');
        await adopts('shop', { command: 'kill', key: 'kill/shop' });
        assert.equal((await ana.command('shop', 'advance')).body.refusal, 'killed');
        for (const [command, args] of /** @type {[string, object?][]} */ ([
          ['set', { percentage: 10 }],
          ['pause'],
          ['rollback'],
          ['kill'],
          ['set', { percentage: 100 }],
        ])) {
          const { entry } = await ana.orders('shop', command, args);
          assert.equal(entry.state.killed, true, `still killed after ${command}`);
          await restores('shop', entry);
          assert.equal(await assigned(gate, 'shop'), 'legacy killed', command);
        }
        await gate.putStage('shop', '100');
        await adopts('shop', { command: 'set', percentage: 100 }, 2);
        assert.equal(await assigned(gate, 'shop'), 'legacy killed', 'a bare number does not end it');
        assert.equal(await gate.kv.get('kill/shop'), 'on', 'only people write that key');
        await audit(gate, 'shop');
      });
    });

    test('may name every rollout', async () => {
      await withGate(['one', 'two'], {}, async ({ gate, ana, obeys, adopts }) => {
        await gate.kill('*');
        for (const key of ['one', 'two']) {
          await obeys(key, 'legacy killed');
          await adopts(key, { command: 'kill', key: 'kill/*' });
          assert.equal((await ana.rollout(key)).kill_key, 'kill/*');
        }
        const refused = async () =>
          granted(await ana.command('*', 'revive'))
            .refused.map(({ rollout }) => rollout)
            .sort();
        assert.deepEqual(await refused(), ['one', 'two']);
        await gate.kv.delete('kill/*');
        await until(
          async () => (await refused()).length === 0,
          () => 'a revive after the key is gone',
          ADOPTED_MS,
        );
        for (const key of ['one', 'two']) await obeys(key, 'new bucketed');
      });
    });
  });

  test('a deployment that was led through KV goes on as it was when it gets a controller', async () => {
    const gate = await openGate({ controller: false });
    try {
      const keys = ['bare', 'done', 'back', 'draft'];
      await gate.load(
        keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`] })),
        {
          bare: '100',
          done: completed({ revision: 41 }),
          back: written({ revision: 7, phase: 'rolled_back', percentage: 0, stage: 'canary' }),
        },
      );
      const sides = () => Promise.all(keys.map((key) => assigned(gate, key)));
      const before = await sides();
      assert.deepEqual(before, ['new bucketed', 'new completed', 'legacy inactive', 'legacy inactive']);
      gate.hasController = true;
      await gate.restart();
      const ana = operator(gate);
      const known = await until(
        async () => {
          const outcomes = await sides();
          assert.ok(
            outcomes.every((outcome, index) => outcome === before[index] || outcome.endsWith('no_config')),
            outcomes.join(),
          );
          const { rollouts } = granted(await ana.get('rollouts'));
          return rollouts.length === keys.length && rollouts;
        },
        () => 'the controller to adopt the plans',
        ADOPTED_MS,
      );
      const states = Object.fromEntries(
        known.map(({ key, state }) => [key, [state.phase, state.percentage, state.revision > 7]]),
      );
      assert.deepEqual(states, {
        bare: ['paused', 100, false],
        done: ['completed', 100, true],
        back: ['rolled_back', 0, true],
        draft: ['draft', 0, false],
      });
      for (let times = 0; times < 20; times += 1) assert.deepEqual(await sides(), before);
      for (const key of keys) await audit(gate, key);
    } finally {
      await gate.close();
    }
  });
});
