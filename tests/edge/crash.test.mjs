// workerd dies in the middle of changes: what was granted is on record, once, and KV learns of it without
// anybody's help. That this holds between any two steps is a law of tests/controller/crashes.rs, in virtual time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chance, newSeed } from './chance.mjs';
import { assigned, audit, openControlled, operator, published } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const CHANGES = 150;
const CRASHES = 3;
const LANES = 8;
/** Of each rollout; the second one waits for the first in the controller. */
const AT_ONCE = 2;
/** A write reaches KV this late, so that most kills find one on its way. */
const WRITE_MS_MAX = 250;
const AGREED_MS_MAX = 30_000;

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

class Lane {
  /**
   * @param {import('./control.mjs').Gate} gate
   * @param {string} key
   * @param {number} seed
   */
  constructor(gate, key, seed) {
    this.gate = gate;
    this.key = key;
    this.chance = chance(seed, key);
    this.ana = operator(gate);
    /** @type {{ reason: string, args: object, revision?: number }[]} */
    this.changes = [];
  }

  /** Sends changes, one after the other, until `isOver`. */
  async run(isOver) {
    while (!isOver()) {
      const reason = `change ${this.changes.length + 1} of ${this.key}`;
      const change = { reason, args: { reason, percentage: this.chance.below(101) } };
      this.changes.push(change);
      await this.send(change).catch((error) => assert.ok(isOver(), `${reason}: ${error.message}`));
    }
  }

  async send(change) {
    const answer = await this.ana.command(this.key, 'set', change.args, { idempotencyKey: change.reason });
    assert.equal(answer.status, 200, answer.text);
    change.revision = answer.body.entry.revision;
  }

  /** The last revision that was answered. */
  get granted() {
    return Math.max(0, ...this.answered.map(({ revision }) => revision));
  }

  get answered() {
    return this.changes.filter(({ revision }) => revision !== undefined);
  }

  /** Whether everything that was answered is on record. */
  verify(entries) {
    for (const { reason, revision } of this.answered)
      assert.equal(entries[revision - 1]?.reason, reason, `revision ${revision} of ${this.key}`);
    const reasons = entries.map((entry) => entry.reason);
    assert.equal(new Set(reasons).size, reasons.length, `no change of ${this.key} counts twice`);
  }
}

/** The milliseconds until KV held the states that the controller holds, while users ask for pages. */
async function agreement(gate, lanes) {
  const back = performance.now();
  const holds = (key, revision) =>
    until(
      async () => {
        await assigned(gate, key);
        return (await published(gate, key))?.revision >= revision;
      },
      () => `KV to hold revision ${revision} of ${key}`,
      AGREED_MS_MAX,
    );
  const reach = async ({ key, ana, granted }) => {
    await holds(key, granted);
    const { state } = await ana.rollout(key);
    await holds(key, state.revision);
    const { at } = gate.kv.versions(`stage/${key}`).find(({ text }) => JSON.parse(text).revision === state.revision);
    return Math.max(0, at - back);
  };
  return Math.max(...(await Promise.all(lanes.map(reach))));
}

test('workerd killed again and again in the middle of changes', async (t) => {
  const seed = newSeed();
  t.diagnostic(`SEED=${seed} repeats the choices`);
  const dice = chance(seed);
  const keys = Array.from({ length: LANES }, (_, n) => `lane-${n}`);
  const gate = await openControlled(keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`] })));
  try {
    const lanes = keys.map((key) => new Lane(gate, key, seed));
    const answered = () => lanes.reduce((sum, lane) => sum + lane.answered.length, 0);
    const agreedAfter = [];
    let [unanswered, unpublished] = [0, 0];
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      Object.assign(gate.kv, { jitterMs: WRITE_MS_MAX, chance: chance(seed, `kv ${crash}`) });
      let over = false;
      const running = lanes.flatMap((lane) => Array.from({ length: AT_ONCE }, () => lane.run(() => over)));
      await until(
        () => answered() >= (CHANGES / CRASHES) * crash - dice.below(10),
        () => 'changes to be made',
        60_000,
      );
      await sleep(dice.below(50));
      over = true;
      gate.kv.jitterMs = 0;
      await gate.crash();
      await Promise.all(running);
      for (const lane of lanes) unpublished += Number((await published(gate, lane.key)).revision < lane.granted);

      agreedAfter.push(await agreement(gate, lanes));
      const open = lanes.flatMap((lane) =>
        lane.changes.filter(({ revision }) => revision === undefined).map((change) => ({ lane, change })),
      );
      unanswered += open.length;
      for (const lane of lanes) lane.verify(await lane.ana.history(lane.key));
      await Promise.all(open.map(({ lane, change }) => lane.send(change)));
    }
    agreedAfter.sort((a, b) => a - b);
    t.diagnostic(
      `${answered()} changes, ${unanswered} of them asked again after ${CRASHES} crashes; KV lacked a granted one ${unpublished} times`,
    );
    t.diagnostic(
      `KV agreed after ${agreedAfter[Math.floor(CRASHES / 2)].toFixed(0)} ms (median), ${agreedAfter.at(-1).toFixed(0)} ms at most`,
    );
    assert.ok(answered() >= CHANGES - 10);
    assert.ok(unanswered > 0 && unpublished > 0, 'the crashes met changes and writes under way');
    for (const lane of lanes) lane.verify(await audit(gate, lane.key));
  } finally {
    await gate.close();
  }
});
