// What a warm isolate makes of a KV that changes under it: it obeys what it can read within seconds,
// without a restart, and otherwise goes on with the last good state.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, plan, written } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

/** A snapshot is fresh for 5 s; the rest is for the read on a busy machine. */
const OBEYED_MS_MAX = 60_000;
/** How long a state must stand after a read that must not change it. */
const STANDS_MS = 400;

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const rollout = (key) => plan(legacy, next, { key, routes: [`/${key}/*`] });

/** Opens a gate on these states for the length of `use`. */
async function withGate(states, options, use) {
  const gate = await openGate({ controller: false, ...options });
  const assigned = async (key) => {
    const { get } = await gate.fetch(`/${key}/page`, { headers: ANA });
    return `${get('tidegate-variant')} ${get('tidegate-reason')}`;
  };
  try {
    await gate.load(Object.keys(states).map(rollout), states);
    const obeys = (key, outcome) =>
      until(
        async () => (await assigned(key)) === outcome,
        () => `${key} to become ${outcome}`,
        OBEYED_MS_MAX,
      );
    /** Asserts that `key` stays as it is while `read` is read again, and for a while after. */
    const stands = async (key, outcome, read) => {
      const seen = () => gate.kv.reads.filter((name) => name === read).length;
      const before = seen();
      let stop = Infinity;
      const deadline = performance.now() + OBEYED_MS_MAX;
      await until(
        async () => {
          assert.equal(await assigned(key), outcome, key);
          assert.ok(stop < Infinity || performance.now() < deadline, `${read} is read again`);
          if (stop === Infinity && seen() > before) stop = performance.now() + STANDS_MS;
          return performance.now() > stop;
        },
        () => key,
        2 * OBEYED_MS_MAX,
      );
    };
    await use({ gate, assigned, obeys, stands });
  } finally {
    await gate.close();
  }
}

describe('a warm isolate', { concurrency: true }, () => {
  test('obeys what is written by hand, and ignores what it cannot read', async () => {
    const states = {
      up: '0',
      down: '100',
      off: '100',
      revived: 'off',
      garbage: '100',
      killed: '100',
      newer: written(),
      older: written(),
      gone: written(),
      untouched: '100',
    };
    await withGate(states, {}, async ({ gate, assigned, obeys, stands }) => {
      assert.equal(await assigned('newer'), 'new bucketed');
      await gate.putStage('up', '100');
      await gate.putStage('down', '0');
      await gate.putStage('off', 'off');
      await gate.putStage('revived', '100');
      await gate.putStage('garbage', '150');
      await gate.putStage('newer', written({ revision: 10, percentage: 0, stage: 'canary' }));
      await gate.putStage('older', written({ revision: 8, percentage: 0, stage: 'canary' }));
      await gate.kv.delete('stage/gone');
      await gate.kill('killed');
      await Promise.all([
        obeys('up', 'new bucketed'),
        obeys('down', 'legacy bucketed'),
        obeys('off', 'legacy killed'),
        obeys('revived', 'new bucketed'),
        obeys('newer', 'legacy bucketed'),
        obeys('killed', 'legacy killed'),
        stands('garbage', 'new bucketed', 'stage/garbage'),
        stands('older', 'new bucketed', 'stage/older'),
        stands('gone', 'new bucketed', 'stage/gone'),
        stands('untouched', 'new bucketed', 'stage/untouched'),
      ]);
      await gate.logged(/garbage.*150|150.*garbage/);
    });
  });

  test('goes on without KV, and obeys it again when it is back', async () => {
    await withGate({ shop: '100' }, {}, async ({ gate, obeys, stands }) => {
      gate.kv.mode = 'error';
      await stands('shop', 'new bucketed', 'plans');
      gate.kv.mode = 'ok';
      await gate.putStage('shop', 'off');
      await obeys('shop', 'legacy killed');
    });
  });

  test('does not wait for a KV that hangs', async () => {
    await withGate({ shop: '100' }, {}, async ({ gate, stands, assigned }) => {
      gate.kv.mode = 'hang';
      await stands('shop', 'new bucketed', 'plans');
      // A busy machine may hold up any one request; a KV that is waited for holds up each.
      await until(
        async () => {
          const started = performance.now();
          await assigned('shop');
          return performance.now() - started < 100;
        },
        () => 'a request that is served from memory',
      );
    });
  });

  test("reads Miniflare's own KV namespace as it reads the stub", async () => {
    await withGate({ shop: '100', other: '0' }, { kv: 'miniflare' }, async ({ gate, assigned, obeys }) => {
      assert.equal(await assigned('shop'), 'new bucketed');
      assert.equal(await assigned('other'), 'legacy bucketed');
      await gate.kill('*');
      await obeys('shop', 'legacy killed');
    });
  });
});
