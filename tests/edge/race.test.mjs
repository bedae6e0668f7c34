// Two operators through two isolates and a third hand in KV, all at once, over a KV that is late, stale and fails: no
// accepted command is lost, no edit counts twice, and everybody ends with the same state. Thousands of rounds are a
// law of tests/controller/races.rs, in virtual time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chance, newSeed } from './chance.mjs';
import { assigned, audit, openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const ROUNDS = 160;
const LANES = 4;
const STALE_MS = 3_000;
/** Whose clocks are compared: workerd's and ours, on one machine, but read at different times. */
const CLOCKS_MS = 1_000;

const STAGES = [
  { name: 'canary', percentage: 10, hold: '30d' },
  { name: 'half', percentage: 50, hold: '30d' },
  { name: 'full', percentage: 100, hold: '30d' },
];
/** Weighted by repetition. `set` brings a percentage. */
const COMMANDS = [
  'set',
  'set',
  'set',
  'set',
  'advance',
  'pause',
  'resume',
  'resume',
  'rollback',
  'kill',
  'revive',
  'revive',
  'complete',
  'start',
];
const NEEDS_NO_REVISION = ['kill', 'pause', 'rollback'];

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

/** Everything that happens to one rollout, and what was answered. */
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
    this.people = /** @type {const} */ (['ana', 'ben']).map((name, n) => operator(gate.isolates[n], name));
    this.known = new Map();
    this.sent = new Map();
    this.edits = new Set();
  }

  async round() {
    const { chance: dice } = this;
    /** @type {Promise<unknown>[]} */
    const acts = this.people.filter(() => dice.happens(0.7)).map((who) => this.command(who));
    if (dice.happens(0.2)) acts.push(this.edit());
    if (dice.happens(0.05)) acts.push(this.switch());
    if (dice.happens(0.2)) acts.push(this.look(dice.pick(this.people)));
    if (dice.happens(0.4)) acts.push(assigned(dice.pick(this.gate.isolates), this.key));
    await Promise.all(acts);
  }

  /** Waits for a moment, so that what starts together does not arrive in one order. */
  moment() {
    return sleep(this.chance.below(200));
  }

  async command(who) {
    const { chance: dice, sent } = this;
    const command = dice.pick(COMMANDS);
    const reason = `${who.name} wants ${command}, the ${sent.size + 1}th`;
    const needsNone = NEEDS_NO_REVISION.includes(command) && dice.happens(0.8);
    const revision = needsNone ? undefined : (this.known.get(who) ?? 1);
    const args = { reason, ...(command === 'set' && { percentage: dice.below(101) }) };
    const options = { revision, idempotencyKey: dice.happens(0.3) ? reason : undefined };
    const record = { actor: who.name, command, reason, decidedOn: revision };
    sent.set(reason, record);
    const repeats = options.idempotencyKey !== undefined && dice.happens(0.7);
    await this.moment();
    const answer = await who.command(this.key, command, args, options);
    Object.assign(record, { status: answer.status, body: answer.body, revision: answer.body.entry?.revision });
    this.learn(who, answer.body.rollout ?? answer.body.current);
    if (repeats && answer.status === 200) {
      const again = await who.command(this.key, command, args, options);
      assert.deepEqual(
        [again.status, again.body.entry?.revision],
        [200, record.revision],
        `a repeated ${command}: ${again.text}`,
      );
    }
  }

  learn(who, rollout) {
    if (rollout !== undefined) this.known.set(who, rollout.state.revision);
  }

  async look(who) {
    await this.moment();
    this.learn(who, await who.rollout(this.key));
  }

  /** An edit by hand, of a percentage that nobody sets otherwise. */
  async edit() {
    const percentage = ((((this.edits.size + 1) * 7_919) % 99_000) + 500) / 1_000;
    this.edits.add(percentage);
    await this.moment();
    await this.gate.putStage(this.key, `${percentage}${this.chance.happens(0.3) ? '%' : ''}`);
  }

  /** Kills by a key of its own, or takes that key away. */
  async switch() {
    const isOn = (await this.gate.kv.get(`kill/${this.key}`)) !== null;
    await this.moment();
    if (isOn) await this.gate.kv.delete(`kill/${this.key}`);
    else await this.gate.kill(this.key);
  }

  /** What must hold whatever has happened. */
  verify(entries) {
    this.nothingIsLost(entries);
    this.nothingIsAddedOrDoubled(entries);
    this.nothingRevivesButARevive(entries);
  }

  nothingIsLost(entries) {
    for (const record of this.sent.values()) {
      const { actor, command, reason, decidedOn, status, body, revision } = record;
      assert.ok(status < 500, `a command is answered whatever KV does: ${reason}: ${JSON.stringify(body)}`);
      if (status !== 200) continue;
      const entry = entries[revision - 1];
      assert.deepEqual(
        [entry?.actor, entry?.command.command, entry?.reason],
        [actor, command, reason],
        `revision ${revision} of ${this.key}`,
      );
      if (decidedOn !== undefined)
        assert.equal(revision, decidedOn + 1, `${reason}: it was decided on revision ${decidedOn}`);
    }
  }

  nothingIsAddedOrDoubled(entries) {
    const set = new Set();
    for (const { actor, reason, revision, command } of entries.filter(
      ({ actor: by, revision: number }) => by !== 'ana' || number > 2,
    )) {
      if (actor === 'ana' || actor === 'ben') {
        assert.equal(this.sent.get(reason)?.revision, revision, `${reason}: revision ${revision} is what was answered`);
      } else if (command.command === 'set') {
        assert.equal(actor, 'kv');
        assert.ok(this.edits.has(command.percentage), `${command.percentage} was written into KV`);
        assert.ok(!set.has(command.percentage), `${command.percentage} was adopted twice`);
        set.add(command.percentage);
      }
    }
  }

  nothingRevivesButARevive(entries) {
    let byKey = false;
    entries.forEach(({ actor, command, state, revision, at }, index) => {
      if (command.command === 'kill' && command.key !== undefined) byKey = true;
      const wasKilled = entries[index - 1]?.state.killed ?? false;
      if (!wasKilled || state.killed) return;
      const byNumber = actor === 'kv' && command.command === 'set';
      assert.ok(
        command.command === 'revive' || (byNumber && !byKey),
        `${actor}'s ${command.command} revives ${this.key} at revision ${revision}`,
      );
      assert.ok(
        !byKey || !this.stood(Date.parse(at)),
        `revision ${revision} revives ${this.key} under its standing kill key`,
      );
      byKey = false;
    });
  }

  /** Whether the kill key stood so long around this time that every read must have found it. */
  stood(at) {
    const time = at - performance.timeOrigin;
    const versions = this.gate.kv.versions(`kill/${this.key}`);
    const start = versions.findLast((version) => version.at < time - STALE_MS - CLOCKS_MS);
    return start?.text != null && !versions.some((version) => version.at > start.at && version.at < time + CLOCKS_MS);
  }
}

test('rounds of two operators and edits by hand', async (t) => {
  const seed = newSeed();
  t.diagnostic(`SEED=${seed} repeats the choices`);
  const keys = Array.from({ length: LANES }, (_, n) => `lane-${n}`);
  const gate = await openControlled(
    keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`], stage: STAGES })),
    { isolates: 3 },
  );
  try {
    Object.assign(gate.kv, { staleMs: STALE_MS, jitterMs: 200, failRate: 0.05, chance: chance(seed, 'kv') });
    const lanes = keys.map((key) => new Lane(gate, key, seed));
    await Promise.all(
      lanes.map(async (lane) => {
        for (let round = 0; round < ROUNDS / LANES; round += 1) await lane.round();
      }),
    );

    Object.assign(gate.kv, { staleMs: 0, jitterMs: 0, failRate: 0 });
    const figures = await Promise.all(
      lanes.map(async (lane) => {
        const isKilled = (await gate.kv.get(`kill/${lane.key}`)) !== null;
        for (const isolate of isKilled ? gate.isolates : []) {
          await until(
            async () => (await assigned(isolate, lane.key)) === 'legacy killed',
            () => `${isolate.name} to obey the kill key of ${lane.key}`,
          );
        }
        const entries = await audit(gate, lane.key);
        lane.verify(entries);
        const sent = [...lane.sent.values()];
        const count = (status) => sent.filter((record) => record.status === status).length;
        return [
          count(200),
          count(412),
          count(409),
          entries.filter(({ actor }) => actor === 'kv').length,
          lane.edits.size,
        ];
      }),
    );
    const [accepted, stale, refused, adopted, edits] = figures.reduce((sums, lane) =>
      sums.map((sum, i) => sum + lane[i]),
    );
    t.diagnostic(
      `${accepted} commands accepted, ${stale} stale, ${refused} refused; ${edits} edits by hand, ${adopted} entries of them and of kill keys`,
    );
    assert.ok(accepted > 20 && stale > 5 && adopted > 2, 'the race was one');
  } finally {
    await gate.close();
  }
});
