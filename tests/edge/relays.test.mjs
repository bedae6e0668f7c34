// Relays in real workerd: isolates report to them where the controller says so, their counts arrive once whatever dies,
// and a kill comes to all of them at once. Their laws are native tests (tests/controller/).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { change, select } from '../storage.mjs';
import { openControlled, operator, traffic } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const KEY = 'shop';
const ISOLATES = 3;
/** Four relays that isolates report to, under two, which report to the controller. */
const LAYOUT = { leaves: 4, fan: 2 };

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const open = (options) => openControlled([plan(legacy, next, { key: KEY })], { percentage: 100, ...options });

/** The controller decides on a layout by the number of isolates, of which there are not enough here. */
async function layOut(gate, { leaves, fan }) {
  const at = Date.now();
  const rows = { relays: leaves, relays_fan: fan, relays_at: at };
  await change(
    gate.plainOrigin,
    ...Object.entries(rows).map(([name, value]) => [
      'INSERT OR REPLACE INTO deployment (name, value) VALUES (?, ?)',
      name,
      value,
    ]),
  );
  return { leaves, fan, at };
}

async function counted(gate) {
  const { body } = await operator(gate, 'vic').get(`rollouts/${KEY}/metrics`);
  return body.windows.flatMap(({ sides }) => sides).reduce((sum, side) => sum + side.requests, 0);
}

const batch = (sequence, requests, revision) => ({
  sequence,
  counted: [
    {
      rollout: KEY,
      window: {
        minute: Math.floor(Date.now() / 60_000),
        minutes: 1,
        revision,
        sides: [{ variant: 'new', requests }],
      },
    },
  ],
  reports: [],
});

describe('isolates that know relays', () => {
  let gate, users;
  before(async () => {
    gate = await open({ isolates: ISOLATES, storage: true });
    users = traffic(gate, KEY);
    await users.reaches('new bucketed');
    await layOut(gate, LAYOUT);
  });
  after(async () => {
    await users?.stop();
    await gate?.close();
  });

  test('report to them, by whom the counts come to the controller', async () => {
    const relays = () => select(gate.plainOrigin, "SELECT isolate FROM isolates WHERE isolate LIKE 'relay-%'");
    await until(
      async () => (await relays()).length > 0,
      () => 'a relay to report',
    );
    // Those of the level between: whom the others report to.
    const names = (await relays()).map(({ isolate }) => isolate);
    await until(
      async () => (await relays()).some(({ isolate }) => isolate.startsWith('relay-2-')),
      () => `a relay of the second level to report, beside ${names}`,
    );
    const before = await counted(gate);
    await until(
      async () => (await counted(gate)) > before + 20,
      () => 'counts to come',
    );
  });

  test('know of a kill, and the operator knows that they do', async () => {
    const ana = operator(gate);
    for (const [command, outcome] of [
      ['kill', 'legacy killed'],
      ['revive', 'new bucketed'],
    ]) {
      await ana.orders(KEY, command);
      await users.reaches(outcome);
    }
    await ana.orders(KEY, 'kill');
    await until(
      async () => {
        const { reach } = await ana.rollout(KEY);
        return reach?.behind === 0 && reach.isolates >= ISOLATES;
      },
      () => 'every isolate to have confirmed the kill',
    );
    await ana.orders(KEY, 'revive');
    await users.reaches('new bucketed');
  });

  test('go back to the controller when it wants none', async () => {
    await layOut(gate, { leaves: 0, fan: 2 });
    const direct = "SELECT COUNT(*) AS count FROM isolates WHERE isolate NOT LIKE 'relay-%' AND at > ?";
    const since = Date.now();
    await until(
      async () => (await select(gate.plainOrigin, direct, since))[0].count >= ISOLATES,
      () => 'all isolates to report to the controller',
    );
  });
});

describe('a batch that a relay has taken', () => {
  let gate, revision;
  before(async () => {
    gate = await open();
    revision = (await operator(gate, 'vic').rollout(KEY)).state.revision;
  });
  after(() => gate?.close());

  /** Sends a batch again until it is acknowledged, as an isolate does. */
  async function brings(relay, isolate, sequence, requests) {
    const own = batch(sequence, requests, revision);
    await until(
      () =>
        gate.flush({ v: 3, isolate, batch: own }, relay).then(
          (answer) => answer.acknowledged >= sequence,
          () => false,
        ),
      () => `${relay} to acknowledge batch ${sequence} of ${isolate}`,
    );
  }

  test('counts once, although workerd is killed as soon as it is acknowledged', async () => {
    let sent = 0;
    for (let round = 1; round <= 3; round += 1) {
      await Promise.all(
        ['relay-1-0', 'relay-1-1'].map((relay, n) => brings(relay, `isolate-${n}`, round, 100 * round + n)),
      );
      sent += 200 * round + 1;
      await gate.crash();
    }
    // The relay is woken by its alarm, or by whoever comes next.
    await Promise.all(['relay-1-0', 'relay-1-1'].map((relay) => gate.flush({ v: 3, isolate: 'other' }, relay)));
    await until(
      async () => (await counted(gate)) >= sent,
      () => `${sent} requests to be counted`,
    );
    // What comes again is acknowledged again, and counts no more: whatever came behind it would be counted by now.
    await Promise.all(['relay-1-0', 'relay-1-1'].map((relay, n) => brings(relay, `isolate-${n}`, 1, 1)));
    await brings('relay-1-0', 'isolate-0', 4, 1_000);
    await brings('relay-1-1', 'isolate-1', 4, 1_000);
    await until(
      async () => (await counted(gate)) >= sent + 2_000,
      () => 'the batches behind it to be counted',
    );
    assert.equal(await counted(gate), sent + 2_000);
  });

  test('and one of the release before is counted by the controller, and assigned nothing of relays', async () => {
    const earlier = await counted(gate);
    const answer = await gate.flush({ v: 2, isolate: 'earlier', batch: batch(1, 7, revision) });
    assert.equal(answer.acknowledged, 1);
    assert.equal(answer.layout, undefined);
    assert.equal(await counted(gate), earlier + 7);
  });
});
