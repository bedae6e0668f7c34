// What isolates count, at the controller: each batch once, whatever is sent, how often, in what order and
// when; through crashes; and what is made of it: verdicts, windows, and what Prometheus reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { change, later, past, windowsOf } from '../storage.mjs';
import { chance, newSeed } from './chance.mjs';
import { granted, openControlled, operator } from './control.mjs';
import { TOKENS, until } from './harness.mjs';
import { checked } from './openapi.mjs';
import { plan } from './plans.mjs';

const PROMTOOL = process.env.PROMTOOL ?? 'promtool';
/** What has come in is judged within seconds; the rest is for a busy machine. */
const JUDGED_MS_MAX = 60_000;
const CRASHES = 2;
const ISOLATES = 6;

const minuteNow = () => Math.floor(Date.now() / 60_000);
const [legacy, next] = ['http://127.0.0.1:9', 'http://127.0.0.1:10'];
const rollout = (key, changes = {}) => plan(legacy, next, { key, routes: [`/${key}/*`], ...changes });

/**
 * A part of a batch: requests of one side in one minute.
 * @param {string} key
 * @param {Record<string, any>} [part] the window's minute, revision and subjects, what is compared, and the side's figures
 */
function counted(key, { minute = minuteNow(), revision = 1, variant = 'new', requests = 1, ...more } = {}) {
  const { subjects, compared, ...tally } = more;
  return {
    rollout: key,
    window: { minute, minutes: 1, revision, sides: [{ variant, requests, ...tally }], ...(subjects && { subjects }) },
    ...(compared && { compared }),
  };
}

const batch = (sequence, ...parts) => ({ sequence, counted: parts, reports: [] });

/** Somebody's isolate, which numbers its batches. */
class Isolate {
  #sequence = 0;

  /**
   * @param {import('./control.mjs').Gate} gate
   * @param {string} name
   */
  constructor(gate, name) {
    this.gate = gate;
    this.name = name;
  }

  /**
   * Sends a batch under the next number, or under `sequence`; resolves with the answer.
   * @param {any[]} parts
   * @param {{ sequence?: number, reports?: any[], v?: number }} [more]
   */
  answerTo(parts, { sequence = this.#sequence + 1, reports = [], ...flush } = {}) {
    this.#sequence = Math.max(sequence, this.#sequence);
    return this.gate.flush({ isolate: this.name, batch: { sequence, counted: parts, reports }, ...flush });
  }

  /**
   * The same; resolves with what is acknowledged.
   * @param {any[]} parts
   * @param {{ sequence?: number, reports?: any[], v?: number }} [more]
   */
  async send(parts, more) {
    return (await this.answerTo(parts, more)).acknowledged;
  }
}

let isolates = 0;
const isolate = (gate) => new Isolate(gate, `isolate-${(isolates += 1)}`);

const measured = async (api, key, since = '2h') => granted(await api.get(`rollouts/${key}/metrics?since=${since}`));
const side = (window, variant = 'new') =>
  window.sides.find((own) => own.variant === variant && own.endpoint === undefined);

/**
 * Everything that was counted of a side, by the windows.
 * @param {any} api
 * @param {string} key
 * @param {string} [name]
 * @param {{ variant?: string, since?: string }} [of]
 */
async function sum(api, key, name = 'requests', { variant = 'new', since } = {}) {
  const { windows } = await measured(api, key, since);
  return windows.reduce((total, window) => total + (side(window, variant)?.[name] ?? 0), 0);
}

describe('a batch', () => {
  let gate, vic;
  const key = 'counted';
  before(async () => {
    gate = await openControlled([rollout(key), rollout('other')]);
    vic = operator(checked(gate), 'vic');
  });
  after(() => gate?.close());

  /** How many requests are added by `act`. */
  async function added(act, of = key) {
    const before = await sum(vic, of);
    await act();
    return (await sum(vic, of)) - before;
  }

  test('counts once, however often it comes and in whatever order', async () => {
    const one = isolate(gate);
    assert.equal(
      await added(async () => {
        assert.equal(await one.send([counted(key, { requests: 5 })]), 1);
        assert.equal(await one.send([counted(key, { requests: 5 })], { sequence: 1 }), 1);
        assert.equal(await one.send([counted(key, { requests: 7 })], { sequence: 4 }), 4);
        assert.equal(await one.send([counted(key, { requests: 100 })], { sequence: 3 }), 4);
        assert.equal(await one.send([counted(key, { requests: 100 })], { sequence: 0 }), 4);
      }),
      12,
    );
  });

  test('counts once, sent many times at once', async () => {
    const one = isolate(gate);
    assert.equal(
      await added(() =>
        Promise.all(Array.from({ length: 20 }, () => one.send([counted(key, { requests: 3 })], { sequence: 1 }))),
      ),
      3,
    );
  });

  test('of another isolate counts too', async () => {
    assert.equal(
      await added(() =>
        Promise.all(
          [isolate(gate), isolate(gate), isolate(gate)].map((one) => one.send([counted(key, { requests: 2 })])),
        ),
      ),
      6,
    );
  });

  test('counts at its minute, or now where that cannot be', async () => {
    const now = minuteNow();
    const at = async (minute) => {
      const windows = Object.fromEntries(
        (await measured(vic, key)).windows.map((window) => [
          Date.parse(window.at) / 60_000,
          side(window)?.requests ?? 0,
        ]),
      );
      return windows[minute] ?? 0;
    };
    const before = await at(now - 30);
    await isolate(gate).send([counted(key, { minute: now - 30, requests: 4 })]);
    assert.equal((await at(now - 30)) - before, 4);
    for (const minute of [now + 3, now + 1_000_000, now - 180, 0, Number.MAX_SAFE_INTEGER]) {
      assert.equal(
        await added(() => isolate(gate).send([counted(key, { minute, requests: 4 })])),
        4,
        `minute ${minute}`,
      );
      const { windows } = await measured(vic, key);
      assert.ok(
        windows.every(
          (window) => Date.parse(window.at) <= Date.now() && Date.parse(window.at) >= Date.now() - 7_260_000,
        ),
        JSON.stringify(windows.map((window) => window.at)),
      );
    }
  });

  /** What no isolate can have counted, or no release writes. */
  const DAMAGED = [
    { requests: -1 },
    { requests: 1.5 },
    { requests: '7' },
    { requests: 2 ** 60 },
    { requests: 1e300 },
    { requests: null, errors: -3 },
    { minute: -1 },
    { minute: 'now' },
    { variant: 'blue' },
    { sketches: { latency: '5 -1' } },
    { sketches: { latency: 'x' } },
    { sketches: { latency: '99999999 1' } },
    { subjects: '-4' },
    { compared: { trials: [{ of: 'errors', variant: 'new', slices: '100 1 1' }] } },
    { compared: { trials: [{ of: 'errors', variant: 'new', slices: '1 -1 1' }] } },
  ];

  test('that is damaged counts nothing, is refused, and is logged', async () => {
    const one = isolate(gate);
    for (const wrong of DAMAGED) {
      const sent = [counted(key, { requests: 9 }), counted(key, wrong)];
      const answer = await one.answerTo(sent, { v: 2, sequence: 1 });
      assert.equal(answer.acknowledged, 0, JSON.stringify(wrong));
      assert.equal(answer.refused?.sequence, 1, JSON.stringify(wrong));
      assert.match(answer.refused.why, /./);
    }
    await gate.logged(/batch_refused/);
    // Nothing of any of them is counted, and the number is still free for one that can be read.
    assert.equal(await added(() => one.send([counted(key, { requests: 9 })], { sequence: 1 })), 9);
    assert.equal(await added(() => one.send([counted(key, { requests: 9 })], { sequence: 1 })), 0);
  });

  test('of a release that knows no refusals is acknowledged, and its loss is shown', async () => {
    const one = isolate(gate);
    for (const [index, wrong] of DAMAGED.entries()) {
      const sent = [counted(key, { requests: 9 }), counted(key, wrong)];
      assert.equal(await added(async () => assert.equal(await one.send(sent), index + 1)), 0, JSON.stringify(wrong));
    }
    assert.equal(await added(() => one.send([counted(key, { requests: 9 })])), 9);
    await gate.logged(/counts_lost/);
    const { faults } = granted(await vic.get('rollouts'));
    assert.match(faults.find(({ subject }) => subject === 'counts')?.message ?? '', /a batch was lost/);
  });

  test('of a later release counts as far as it is known', async () => {
    const later = {
      requests: 5,
      retried: 3,
      sketches: { warmth: '1 2', latency: '3 1' },
      compared: { trials: [{ of: 'retries', bins: '1' }], shadow: true },
    };
    const one = isolate(gate);
    assert.equal(
      await added(async () => {
        const answer = await one.answerTo([counted(key, later)], { v: 99 });
        assert.deepEqual([answer.acknowledged, answer.refused], [1, undefined]);
      }),
      5,
    );
  });

  test('whose text is no number at all is refused alone', async () => {
    for (const [index, text] of ['NaN', 'Infinity', '1e999', '-0.5'].entries()) {
      const body = JSON.stringify({
        isolate: `text-${index}`,
        plans: 0,
        known: [],
        texts: [],
        kills: [],
        faults: [],
        batch: batch(1, counted(key, { requests: '?' })),
      }).replace('"?"', text);
      const { status } = await gate.tell(body);
      assert.ok([200, 500].includes(status), `${text}: ${status}`);
    }
    assert.equal(await added(() => isolate(gate).send([counted(key, { requests: 2 })])), 2);
  });

  test('counts only what can be, and the rest of it all the same', async () => {
    assert.equal(
      await added(() =>
        isolate(gate).send([
          counted('unheard-of', { requests: 5 }),
          counted(key, { revision: 999, requests: 5 }),
          counted(key, { requests: 2 ** 33 }),
          counted(key, { requests: 6 }),
        ]),
      ),
      6,
    );
    await gate.logged(/counts_dropped/);
  });

  test('that is too large to be stored is acknowledged and counts nothing', async () => {
    const buckets = Array.from({ length: 600 }, (_, n) => `${n - 230} 12345`).join(' ');
    const sketches = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`timing.t${n}`, buckets]));
    const large = Array.from({ length: 12 }, (_, n) => counted(key, { minute: minuteNow() - n, sketches }));
    assert.equal(await added(async () => assert.equal(await isolate(gate).send(large), 1)), 0);
  });

  test('is known after a restart and after a crash', async () => {
    const one = isolate(gate);
    await one.send([counted(key, { requests: 8 })]);
    const before = await sum(vic, key);
    await gate.crash();
    assert.equal(await sum(vic, key), before);
    assert.equal(await one.send([counted(key, { requests: 8 })], { sequence: 1 }), 1);
    await gate.restart({ keepState: true });
    assert.equal(await one.send([counted(key, { requests: 8 })], { sequence: 1 }), 1);
    assert.equal(await sum(vic, key), before);
    assert.equal(await one.send([counted(key, { requests: 1 })]), 2);
    assert.equal(await sum(vic, key), before + 1);
  });

  test('goes with its rollout', async () => {
    await isolate(gate).send([counted('other', { requests: 8 })]);
    assert.equal(await sum(vic, 'other'), 8);
    const ana = operator(gate);
    await ana.orders('other', 'rollback');
    await ana.apply(gate.compiled([rollout(key)]), { prune: true });
    await ana.apply(gate.compiled([rollout(key), rollout('other')]));
    assert.equal(await sum(vic, 'other'), 0);
  });
});

describe('a report', () => {
  let gate,
    vic,
    nonces = 0;
  const key = 'seen';
  before(async () => {
    gate = await openControlled([rollout(key)]);
    vic = operator(gate, 'vic');
  });
  after(() => gate?.close());

  const nonce = () => (nonces += 1).toString(16).padStart(32, '0');
  const report = (changes = {}) => ({
    rollout: key,
    revision: 1,
    minute: minuteNow(),
    variant: 'new',
    nonce: nonce(),
    subject: 12_345,
    slice: 7,
    is_view: true,
    js_errors: 0,
    ...changes,
  });
  const send = (...reports) => isolate(gate).send([], { reports });
  const lcp = { measures: { lcp: 200 } };

  async function added(act) {
    const figures = async () => {
      const { windows } = await measured(vic, key);
      const of = (pick) => windows.reduce((total, window) => total + (pick(side(window)) ?? 0), 0);
      return [
        of((own) => own.pages),
        of((own) => own.js_errors),
        of((own) => own.measures.lcp?.count),
        of((own) => own.measures.inp?.count),
      ];
    };
    const before = await figures();
    await act();
    return (await figures()).map((figure, index) => figure - before[index]);
  }

  test('counts once for each metric, in one batch or in several', async () => {
    // A page has one token, of one minute, however long the test takes.
    const own = { nonce: nonce(), minute: minuteNow() };
    assert.deepEqual(
      await added(() =>
        send(report({ ...own, ...lcp }), report({ ...own, ...lcp }), report({ ...own, measures: { inp: 100 } })),
      ),
      [1, 0, 1, 1],
    );
    assert.deepEqual(await added(() => send(report({ ...own, ...lcp, js_errors: 2 }))), [0, 2, 0, 0]);
    assert.deepEqual(await added(() => send(report({ ...own, ...lcp, js_errors: 9 }))), [0, 0, 0, 0]);
    await gate.crash();
    assert.deepEqual(await added(() => send(report({ ...own, ...lcp, js_errors: 9 }))), [0, 0, 0, 0]);
    assert.deepEqual(await added(() => send(report(lcp))), [1, 0, 1, 0]);
  });

  test('of a page that is too old, or not yet there, is dropped', async () => {
    const now = minuteNow();
    assert.deepEqual(
      await added(() =>
        send(
          report({ minute: now - 14 * 60 }),
          report({ minute: now + 60 }),
          report({ nonce: 'short' }),
          report({ minute: now - 60 }),
        ),
      ),
      [1, 0, 0, 0],
    );
  });

  test('cannot fill the memory with names', async () => {
    const own = { nonce: nonce(), minute: minuteNow() };
    for (let part = 0; part < 20; part += 1) {
      await send(
        report({
          ...own,
          events: Array.from({ length: 30 }, (_, n) => `event-${part}-${n}-with-a-rather-long-name`),
        }),
      );
    }
    assert.deepEqual(await added(() => send(report({ ...own, ...lcp }))), [0, 0, 1, 0]);
  });
});

// Between any two steps of the controller: tests/controller/crashes.rs, in virtual time.
test('a crash loses nothing that was acknowledged and counts nothing twice', async (t) => {
  const seed = newSeed();
  t.diagnostic(`SEED=${seed} repeats the choices`);
  const dice = chance(seed);
  const key = 'crashing';
  const gate = await openControlled([rollout(key)]);
  try {
    const vic = operator(gate, 'vic');
    /** @type {{ name: string, sequence: number, sent: number, acknowledged: number, open?: ReturnType<typeof batch> }[]} */
    const lanes = Array.from({ length: ISOLATES }, (_, n) => ({
      name: `lane-${n}`,
      sequence: 0,
      sent: 0,
      acknowledged: 0,
    }));
    let [total, again] = [0, 0];
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      let over = false;
      const run = async (lane) => {
        while (!over) {
          if (lane.open === undefined) {
            lane.sequence += 1;
            lane.open = batch(
              lane.sequence,
              counted(key, { requests: 1 + dice.below(9), minute: minuteNow() - dice.below(50) }),
            );
          } else again += 1;
          const answer = await gate
            .flush({ isolate: lane.name, batch: lane.open })
            .catch((error) => assert.ok(over, error.message));
          if (!(answer?.acknowledged >= lane.sequence)) continue;
          total += lane.open.counted[0].window.sides[0].requests;
          lane.open = undefined;
        }
      };
      const running = lanes.map(run);
      const sent = () => lanes.reduce((all, lane) => all + lane.sequence, 0);
      const enough = sent() + 40 + dice.below(80);
      await until(
        async () => sent() >= enough,
        () => 'batches to be sent',
      );
      over = true;
      await gate.crash();
      await Promise.all(running);
      const open = lanes.filter((lane) => lane.open !== undefined);
      for (const lane of open) {
        await gate.flush({ isolate: lane.name, batch: lane.open });
        total += lane.open.counted[0].window.sides[0].requests;
        lane.open = undefined;
        again += 1;
      }
      assert.equal(await sum(vic, key), total, `after crash ${crash}`);
    }
    t.diagnostic(
      `${lanes.reduce((all, lane) => all + lane.sequence, 0)} batches, ${again} of them sent again after ${CRASHES} crashes`,
    );
  } finally {
    await gate.close();
  }
});

describe('with time', () => {
  let gate, vic;
  const key = 'old';
  before(async () => {
    gate = await openControlled(
      [rollout(key, { guardrail: [{ when: 'errors > 1000 over attempt', then: 'rollback' }] })],
      { percentage: 10, storage: true },
    );
    vic = operator(checked(gate), 'vic');
  });
  after(() => gate?.close());

  const observed = async () => (await vic.rollout(key)).guardrails[0].figures[0].observations;
  const stored = (minutes) => windowsOf(gate.plainOrigin, minutes);
  const age = (minutes) => change(gate.plainOrigin, ...later(minutes));

  test('minutes become part of their hours, once, and stay for plots', async () => {
    const {
      state: { revision },
    } = await vic.rollout(key);
    const now = minuteNow();
    const subjects = Array.from({ length: 50 }, (_, n) => n * 2 ** 40 * 4 + 1).join(' ');
    for (const minute of [now - 50, now - 20, now])
      await isolate(gate).send([
        counted(key, { minute, revision, requests: 100, subjects, sketches: { latency: '100 100' } }),
      ]);
    // What is loaded is checkpointed at once.
    await gate.crash();
    await until(
      async () => (await observed()) === 300,
      () => 'a look',
      JUDGED_MS_MAX,
    );
    await age(180);
    await until(
      async () => (await stored(1)).loaded === 0,
      () => 'the minutes to become hours',
      JUDGED_MS_MAX,
    );
    for (const again of ['not', 'once', 'twice']) {
      const minutes = (await measured(vic, key, '6h')).windows;
      assert.deepEqual(
        minutes.map(({ subjects }) => subjects.legacy),
        [50, 50, 50],
        `loaded ${again}`,
      );
      assert.equal(await sum(vic, key, 'requests', { since: '6h' }), 300, `loaded ${again}`);
      assert.equal(await sum(vic, key, 'requests', { since: '72h' }), 300, `loaded ${again}`);
      await gate.crash();
    }
    const hours = (await measured(vic, key, '72h')).windows;
    assert.deepEqual(
      hours.reduce((most, { subjects: { legacy } }) => Math.max(most, legacy), 0),
      50,
    );
  });

  test('hours become part of their days, once, and stay for plots', async () => {
    const before = (await measured(vic, key, '90d')).windows;
    await age(4 * 24 * 60);
    await until(
      async () => (await stored(60)).loaded === 0,
      () => 'the hours to become days',
      JUDGED_MS_MAX,
    );
    const days = await stored(1440);
    assert.ok(days.count === days.loaded && [1, 2].includes(days.count), 'of one day, or of two around midnight');
    assert.equal(await observed(), 300, 'they are judged as before');
    const shown = (windows) =>
      windows.map(({ revision, percentage, sides, subjects }) => ({ revision, percentage, sides, subjects }));
    for (const again of ['not', 'once']) {
      assert.deepEqual(shown((await measured(vic, key, '90d')).windows), shown(before), `loaded ${again}`);
      await gate.crash();
    }
    assert.equal((await measured(vic, key, '2d')).windows.length, 0, 'the minutes are gone');
  });

  test('what is older than 90 days goes', async () => {
    await age(91 * 24 * 60);
    await until(
      async () => (await sum(vic, key, 'requests', { since: '90d' })) === 0,
      () => 'the hours to go',
      JUDGED_MS_MAX,
    );
    await until(
      async () => (await stored(1440)).count === 0,
      () => 'the days to go',
      JUDGED_MS_MAX,
    );
  });

  test('what was logged and never checkpointed counts where it came in', async () => {
    const {
      state: { revision },
    } = await vic.rollout(key);
    await isolate(gate).send([counted(key, { revision, requests: 7 })]);
    await age(30);
    const windows = (await measured(vic, key)).windows.filter(
      (window) => Date.parse(window.at) < Date.now() - 25 * 60_000,
    );
    assert.ok(
      windows.some((window) => side(window)?.requests === 7),
      JSON.stringify(windows),
    );
  });

  test('months of hours are loaded as days, and those of an earlier attempt not at all', async () => {
    await until(
      async () => (await stored(1)).loaded > 0,
      () => 'a checkpoint',
      JUDGED_MS_MAX,
    );
    await change(gate.plainOrigin, ...past(key, 89));
    await until(
      async () => (await stored(60)).loaded <= 3 * 24 + 1,
      () => 'the hours to become days',
      JUDGED_MS_MAX,
    );
    const days = (await stored(1440)).loaded;
    assert.ok(days >= 85 && days <= 88, `${days} days`);
    const { windows } = await measured(vic, key, '90d');
    assert.ok(windows.length > 89 * 24 - 2, `${windows.length} windows`);
    assert.ok(
      windows.every((window) => side(window)?.requests === 7 && window.percentage === 10),
      JSON.stringify(windows.find((window) => side(window)?.requests !== 7)),
    );
    const ana = operator(checked(gate));
    await ana.orders(key, 'rollback');
    await ana.orders(key, 'resume', { stage: 'full' });
    await age(2 * 24 * 60);
    await until(
      async () => (await stored(60)).loaded === 0,
      () => 'what is of no use to be put away',
      JUDGED_MS_MAX,
    );
    assert.ok((await measured(vic, key, '90d')).windows.length > 87 * 24 - 2, 'it stays for plots');
  });
});

describe('what is counted is judged', () => {
  let gate, ana;
  const guardrail = [{ when: 'error_rate > 5% over 5m', then: 'rollback' }];
  before(async () => {
    gate = await openControlled(
      [
        rollout('failing', { guardrail }),
        rollout('healthy', { guardrail, signals: { p1: { kind: 'count' }, load: { kind: 'gauge' } } }),
      ],
      { percentage: 10 },
    );
    ana = operator(checked(gate));
  });
  after(() => gate?.close());

  test('a guardrail rolls back, with its figures, and the isolate that brought them is reported', async () => {
    const { state } = await ana.rollout('failing');
    const one = isolate(gate);
    await one.send([counted('failing', { revision: state.revision, requests: 200, errors: 40 })]);
    const answer = await until(
      async () => {
        const { states } = await gate.flush({ isolate: one.name, known: [['failing', state.revision]] });
        return states.find(({ key }) => key === 'failing');
      },
      () => 'the rollback',
      JUDGED_MS_MAX,
    );
    assert.equal(JSON.parse(answer.state).phase, 'rolled_back');
    const entry = (await ana.history('failing')).at(-1);
    assert.equal(`${entry.actor} ${entry.command.command}`, 'guardrail rollback');
    assert.match(entry.figures[0], /^error_rate is 20 %/);
    const shown = await ana.rollout('failing');
    assert.equal(shown.percentage, 0);
  });

  test('a guardrail that is well says so, with its figures', async () => {
    const { state } = await ana.rollout('healthy');
    await isolate(gate).send([counted('healthy', { revision: state.revision, requests: 200, errors: 1 })]);
    const {
      guardrails: [shown],
    } = await until(
      async () => {
        const body = await ana.rollout('healthy');
        return body.guardrails[0].verdict === 'pass' && body;
      },
      () => 'a verdict',
      JUDGED_MS_MAX,
    );
    assert.equal(shown.figures[0].value, 0.005);
    assert.equal(shown.figures[0].observations, 200);
    assert.equal(shown.figures[0].bound, 0.05);
    assert.ok(shown.since && shown.text.length > 5, JSON.stringify(shown));
  });

  test('a verdict outlives a crash', async () => {
    const before = (await ana.rollout('healthy')).guardrails[0];
    await gate.crash();
    await until(
      async () => (await ana.rollout('healthy')).guardrails[0].verdict === 'pass',
      () => 'the verdict',
      JUDGED_MS_MAX,
    );
    const again = (await ana.rollout('healthy')).guardrails[0];
    assert.deepEqual(again.figures[0].observations, before.figures[0].observations);
    assert.equal((await ana.rollout('failing')).state.phase, 'rolled_back');
  });

  test('whom a command would move is known', async () => {
    const { state } = await ana.rollout('healthy');
    // Flag bits below the hash: new, comparable.
    const subjects = Array.from({ length: 200 }, (_, n) => String((n * 2 ** 40 + n) * 4 + (n % 10 === 0 ? 3 : 1))).join(
      ' ',
    );
    await isolate(gate).send([counted('healthy', { revision: state.revision, subjects })]);
    const {
      body: { moves },
    } = await ana.command('healthy', 'set', { percentage: 25, dry_run: true });
    assert.deepEqual(moves, { from: 10, to: 25, direction: 'new', share: 15, subjects: 30, basis: 'percentage' });
    const { windows } = await measured(ana, 'healthy');
    assert.deepEqual(windows.at(-1).subjects, { legacy: 180, new: 20 });
    assert.equal(windows.at(-1).percentage, 10);
  });

  test('faults that isolates report are shown where they belong', async () => {
    await gate.flush({
      isolate: 'faulty',
      faults: [
        ['stage/healthy', 'it says `abc`'],
        ['plans', 'no JSON'],
        ['stage/healthy', 'it says `abc`'],
        ['', 'x'.repeat(5_000)],
      ],
    });
    const { faults } = await ana.rollout('healthy');
    assert.deepEqual(
      faults.map(({ subject, message }) => [subject, message]),
      [['stage/healthy', 'it says `abc`']],
    );
    const list = granted(await ana.get('rollouts'));
    assert.ok(
      list.faults.some(({ subject, message }) => subject === 'plans' && message === 'no JSON'),
      JSON.stringify(list.faults),
    );
    assert.ok(list.faults.every(({ message }) => message.length <= 300));
  });

  test('metrics are refused where they are asked for wrongly', async () => {
    for (const since of ['yesterday', '91d', '-2h', '', '1970-01-01T00:00:00Z']) {
      const { status, body } = await ana.get(`rollouts/healthy/metrics?since=${since}`);
      assert.equal(`${status} ${body.type}`, '400 urn:tidegate:problem:malformed', since);
    }
    assert.equal((await ana.get('rollouts/unknown/metrics')).status, 404);
    assert.equal((await ana.ask('POST', 'rollouts/healthy/metrics', {})).status, 405);
    const { status, body } = await ana.get('rollouts/healthy/metrics?endpoint=nowhere');
    assert.deepEqual([status, body.detail], [400, '`endpoint=nowhere`: the plan has no endpoint of this name']);
    for (const since of [
      '1s',
      '90d',
      '49h',
      new Date(Date.now() - 1_000).toISOString(),
      new Date(Date.now() + 86_400_000).toISOString(),
    ])
      granted(await ana.get(`rollouts/healthy/metrics?since=${since}`));
  });

  test('hours add up to the same as minutes', async () => {
    const now = minuteNow();
    const {
      state: { revision },
    } = await ana.rollout('healthy');
    for (const minute of [now - 59, now - 30, now - 1])
      await isolate(gate).send([
        counted('healthy', { revision, minute, requests: 10, sketches: { latency: '100 5 120 5' } }),
      ]);
    const [minutes, hours] = [await sum(ana, 'healthy'), await sum(ana, 'healthy', 'requests', { since: '72h' })];
    assert.equal(minutes, hours);
    const { windows } = await measured(ana, 'healthy', '72h');
    assert.ok(
      windows.every((window) => window.minutes === 60 && Date.parse(window.at) % 3_600_000 === 0),
      JSON.stringify(windows.map((window) => window.at)),
    );
    const latency = side((await measured(ana, 'healthy')).windows.find((window) => side(window)?.measures.latency))
      .measures.latency;
    assert.ok(latency.count === 10 && latency.p50 < latency.p95, JSON.stringify(latency));
  });

  describe('Prometheus', () => {
    const expose = async () => {
      const { status, get, text } = await checked(gate).fetch('/_tidegate/metrics', {
        headers: { Authorization: `Bearer ${TOKENS.vic}` },
      });
      assert.equal(status, 200, text);
      assert.equal(get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      return text;
    };
    const value = (text, sample) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${sample} `))
          ?.slice(sample.length + 1),
      );

    test('promtool has nothing to say against it', async (t) => {
      const installed = spawnSync(fileURLToPath(new URL('../../scripts/promtool.sh', import.meta.url)), {
        encoding: 'utf8',
      });
      for (const [name, count] of /** @type {[string, object][]} */ ([
        ['p1', { count: 3 }],
        ['load', { value: 0.7 }],
      ]))
        await ana.ask('POST', 'rollouts/healthy/signals', { name, ...count });
      const reason = 'they said "why?"\nC:\\new ü';
      await ana.orders('healthy', 'pause', { reason });
      const report = {
        rollout: 'healthy',
        revision: 1,
        minute: minuteNow(),
        variant: 'new',
        nonce: 'a'.repeat(32),
        subject: 1,
        is_view: true,
        js_errors: 2,
        measures: { lcp: 190, cls: -60, 'timing.tti': 170 },
      };
      await isolate(gate).send([counted('healthy', { requests: 3, errors: 1, sketches: { latency: '100 3' } })], {
        reports: [report],
      });
      const text = await expose();
      assert.ok(text.includes(`reason="they said \\"why?\\"\\nC:\\\\new ü"`), text);
      assert.equal(value(text, 'tidegate_signal{rollout="healthy",signal="load"}'), 0.7);
      assert.equal(value(text, 'tidegate_phase{rollout="healthy",phase="paused"}'), 1);
      assert.equal(value(text, 'tidegate_percentage{rollout="healthy"}'), 10);
      assert.equal(value(text, 'tidegate_requests_total{rollout="healthy",variant="new"}'), await sum(ana, 'healthy'));
      assert.equal(value(text, 'tidegate_javascript_errors_total{rollout="healthy",variant="new"}'), 2);
      assert.equal(value(text, 'tidegate_web_vital_seconds_count{rollout="healthy",variant="new",vital="lcp"}'), 1);
      assert.ok(value(text, 'tidegate_isolates') > 3);
      if (installed.status !== 0) return t.skip(installed.stderr);
      const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: text, encoding: 'utf8' });
      assert.deepEqual([status, stdout, stderr], [0, '', ''], text);
    });

    test('counters go on through attempts, crashes and removed stages', async () => {
      const total = async () => value(await expose(), 'tidegate_requests_total{rollout="failing",variant="new"}');
      const before = await total();
      await ana.orders('failing', 'resume');
      assert.equal(await total(), before);
      await gate.crash();
      assert.equal(await total(), before);
      const {
        state: { revision },
      } = await ana.rollout('failing');
      await isolate(gate).send([counted('failing', { revision, requests: 4 })]);
      assert.equal(await total(), before + 4);
    });

    test('needs a token, and only looks', async () => {
      const bare = (options) => checked(gate).fetch('/_tidegate/metrics', options);
      assert.equal((await bare({})).status, 401);
      const head = await bare({ method: 'HEAD', headers: { Authorization: `Bearer ${TOKENS.vic}` } });
      assert.deepEqual([head.status, head.text], [200, '']);
      assert.equal((await bare({ method: 'POST', headers: { Authorization: `Bearer ${TOKENS.ana}` } })).status, 405);
    });
  });
});
