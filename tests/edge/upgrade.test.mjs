// A release starts on what the release before stored and published (tests/fixtures): its rollouts go on in
// the stage that they were in, with their history, counts and evidence, and are judged. Where an earlier
// build lies under TIDEGATE_OLD_BUILD, it starts on what this one has left, too.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { change, select } from '../storage.mjs';
import { granted, operator } from './control.mjs';
import { openGate, until } from './harness.mjs';

/** The folder of the worker of the release before, to which a deployment may be taken back. */
const OLD_BUILD = process.env.TIDEGATE_OLD_BUILD;
const JUDGED_MS_MAX = 30_000;
const minuteNow = () => Math.floor(Date.now() / 60_000);

const fixture = (name) =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/release-1/${name}.json`, import.meta.url)), 'utf8'));

/** The statements that store the rows of a fixture, which is made as young as the clock wants. */
function restoring(storage) {
  const lastMinute = Math.max(...storage.windows.map(({ minute }) => minute));
  const age = minuteNow() - lastMinute;
  const insert = (table, row) => {
    const columns = Object.keys(row);
    const places = columns.map(() => '?').join(', ');
    return [`INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${places})`, ...Object.values(row)];
  };
  const rows = Object.entries(storage).flatMap(([table, list]) => list.map((row) => insert(table, row)));
  return [
    ...rows,
    ["UPDATE windows SET minute = minute + ?1, data = json_set(data, '$.minute', minute + CAST(?1 AS INTEGER))", age],
    ['UPDATE signal_minutes SET minute = minute + ?1, last_at = last_at + ?1 * 60000', age],
    ['UPDATE isolates SET at = at + ? * 60000', age],
    ['UPDATE batches SET at = at + ? * 60000', age],
  ];
}

/** A gate that starts on a fixture. */
async function openOn(storage, kv) {
  const gate = await openGate({ storage: true });
  // The tables are made when the controller first loads.
  granted(await operator(gate).get('rollouts'));
  for (const [key, text] of Object.entries(kv)) await gate.kv.put(key, text);
  await change(gate.plainOrigin, ...restoring(storage));
  return gate;
}

const requestsIn = (total) =>
  JSON.parse(total.data)
    .sides.filter(({ endpoint }) => endpoint === undefined)
    .reduce((sum, { requests = 0 }) => sum + requests, 0);

describe('on the database and the KV of the release before', () => {
  const storage = fixture('storage');
  const kv = fixture('kv');
  const before = JSON.parse(kv['stage/shop']);

  test('a rollout in mid-stage goes on, with its history, counts and evidence', async (t) => {
    const gate = await openOn(storage, kv);
    t.after(() => gate.close());
    const ana = operator(gate);
    const shown = await ana.rollout('shop');
    // Channels were only declared by the release before. Now they send, and one without its secret says so.
    const isOfChannel = ({ subject, message }) => subject.startsWith('channel/') && message.includes('is not set');
    assert.deepEqual(
      shown.faults.filter((fault) => !isOfChannel(fault)),
      [],
    );
    const { revision, phase, stage, percentage, groups, since } = shown.state;
    assert.deepEqual(
      { revision, phase, stage, percentage, groups, since },
      Object.fromEntries(
        ['revision', 'phase', 'stage', 'percentage', 'groups', 'since'].map((name) => [name, before[name]]),
      ),
    );
    const stored = storage.history.filter(({ rollout }) => rollout === 'shop').map(({ entry }) => JSON.parse(entry));
    // The API says in words beside each entry what was done, and what came of it.
    const asStored = ({ done, outcome, ...entry }) => {
      assert.ok(done && outcome, entry.hash);
      return entry;
    };
    assert.deepEqual((await ana.history('shop')).map(asStored), stored);
    const { messages } = granted(await ana.get('rollouts/shop/messages'));
    for (const { message } of storage.messages) {
      const own = JSON.parse(message);
      assert.ok(
        messages.some((shown) => shown.at === own.at && shown.text === own.text),
        message,
      );
    }

    // What stood in the log alone is counted too, once.
    const logged = storage.batches.flatMap(({ text }) => JSON.parse(text).counted);
    const inLog = logged
      .filter(({ rollout }) => rollout === 'shop')
      .reduce((sum, { window }) => sum + requestsIn({ data: JSON.stringify(window) }), 0);
    const atCheckpoint = requestsIn(storage.totals.find(({ rollout }) => rollout === 'shop'));
    assert.ok(inLog > 0 && atCheckpoint > 0);
    const total = async () => {
      const [row] = await select(gate.plainOrigin, "SELECT data FROM totals WHERE rollout = 'shop'");
      return requestsIn(row);
    };
    await until(
      async () => (await total()) === atCheckpoint + inLog,
      () => `${atCheckpoint + inLog} requests`,
      JUDGED_MS_MAX,
    );

    // A verdict that was reached is kept, and its evidence grows from where it was.
    const judged = await until(
      async () => {
        const { guardrails } = await ana.rollout('shop');
        const own = guardrails.find(({ when }) => when === 'error_rate > 1.5x legacy');
        return own?.verdict === 'pass' && own;
      },
      () => 'a verdict',
      JUDGED_MS_MAX,
    );
    assert.ok(judged.figures[0].observations > 0, JSON.stringify(judged));
    const evidence = (state) =>
      JSON.parse(state).gatherings.find(({ question }) => question === 'error_rate > 1.5x legacy').comparison;
    const old = evidence(storage.judges.find(({ rollout }) => rollout === 'shop').state);
    const [{ state }] = await select(gate.plainOrigin, "SELECT state FROM judges WHERE rollout = 'shop'");
    assert.ok(evidence(state).seen.legacy.length >= old.seen.legacy.length, state);

    // And people command it as ever.
    const { rollout } = await ana.orders('shop', 'set', { percentage: 60 });
    assert.deepEqual([rollout.state.revision, rollout.state.percentage], [before.revision + 1, 60]);
  });

  test('messages of isolates and of the controller are understood', async (t) => {
    const gate = await openOn(storage, kv);
    t.after(() => gate.close());
    const sent = fixture('flushes').map(({ flush }) => JSON.parse(flush));
    const last = sent.findLast(({ batch }) => batch !== undefined);
    const answer = await gate.flush({
      ...last,
      isolate: 'of the release before',
      batch: { ...last.batch, sequence: 1 },
    });
    assert.deepEqual([answer.acknowledged, answer.refused], [1, undefined]);
    const behind = await gate.flush({ ...last, isolate: 'cold', plans: 0, known: null, batch: undefined });
    assert.deepEqual(behind.states.map(({ key }) => key).sort(), ['banner', 'shop']);
    assert.equal(behind.plans, kv.plans, 'the plans are passed on as they were stored');
  });

  const skip = OLD_BUILD === undefined && 'no TIDEGATE_OLD_BUILD; tests/fixtures.rs compares what is written';
  test('the release before goes on with what this one leaves', { skip }, async (t) => {
    const gate = await openOn(storage, kv);
    t.after(() => gate.close());
    const ana = operator(gate);
    await ana.orders('shop', 'set', { percentage: 60 });
    const { state } = await ana.rollout('shop');
    const batch = { ...fixture('flushes').findLast(({ flush }) => flush.includes('"batch"')) };
    const counted = JSON.parse(batch.flush).batch;
    assert.equal((await gate.flush({ v: 2, isolate: 'new', batch: { ...counted, sequence: 1 } })).acknowledged, 1);
    await until(
      async () => (await select(gate.plainOrigin, 'SELECT COUNT(*) AS count FROM batches'))[0].count === 0,
      () => 'a checkpoint',
      JUDGED_MS_MAX,
    );
    await gate.restart({ keepState: true, build: OLD_BUILD });
    const shown = await ana.rollout('shop');
    assert.deepEqual([shown.state, shown.faults], [state, []]);
    assert.deepEqual(granted(await ana.get('rollouts')).faults, []);
    const flush = { v: 2, isolate: 'new', batch: { ...counted, sequence: 2 } };
    assert.equal((await gate.flush(flush)).acknowledged, 2);
    assert.ok(!gate.logs.some((line) => /unreadable|damaged/.test(line)), gate.logs.join('\n'));
    assert.equal((await ana.orders('shop', 'pause')).rollout.state.revision, state.revision + 1);
  });
});
