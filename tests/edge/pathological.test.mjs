// Plans that are made to be read slowly, as large as they may be: kills that are sent at the same time wait
// for none of them. What counts is the time of workerd itself, so that a busy machine changes nothing: all
// that it does between a kill and its answer, whoever asked for it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

/** How much work a kill may wait for, whatever the controller is given to read. */
const KILL_MS_MAX = 1_000;
/** The longest body that the API takes for plans. */
const BODY_BYTES_MAX = 1 << 20;

let legacy, next, gate;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openControlled([plan(legacy, next)], { percentage: 100 });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const range = (count, made) => Array.from({ length: count }, (_, n) => made(n));
const table = (count, made) => Object.fromEntries(range(count, made));
const STAGE = { name: 'full', percentage: 100, hold: '1h' };
const flag = (changes) => [{ key: 'slow', stage: [STAGE], ...changes }];
const WINDOW = 'Mon-Sun 00:00-23:59 UTC';

const SHAPES = {
  'unknown groups': flag({
    stage: [{ ...STAGE, groups: range(10_000, (n) => `a-group-with-no-name-${n}`) }],
    groups: table(1_000, (n) => [`a-group-with-a-name-${n}`, { ids: ['a'] }]),
  }),
  'routes, exceptions and paths': [
    {
      ...plan('https://l.example', 'https://n.example'),
      key: 'slow',
      routes: range(10_000, (n) => `*.h${n}.example.com/a/b/c/*`),
      except: range(100, (n) => `*.x${n}.example.com/a/b/c/${n}/*`),
      path: range(200, (n) => ({ match: range(75, (m) => `/z/${n}-${m}/*`) })),
    },
  ],
  gates: flag({
    stage: range(100, (n) => ({
      name: `s${n}`,
      percentage: 1,
      gates: range(50, (m) => `signal.s${n}-${m} = 0 and eror_rat > 1%`),
    })),
  }),
  guardrails: flag({
    guardrail: range(500, (n) => ({
      when: `signal.s${n} > 1`,
      then: 'alert',
      stages: range(100, (m) => `st${n}-${m}`),
    })),
  }),
  windows: flag({
    freeze: range(100, () => WINDOW),
    stage: range(100, (n) => ({ name: `s${n}`, percentage: 1, enter: range(100, () => WINDOW) })),
  }),
  ids: flag({ groups: { team: { ids: range(80_000, (n) => `${n}`) } }, stage: [{ ...STAGE, groups: ['team'] }] }),
  rollouts: range(1_000, (n) => ({
    key: `slow-${n}`,
    after: range(60, (m) => `slow-${(n + m) % 1_000}`),
    stage: [STAGE],
  })),
  'good rollouts': range(900, (n) => ({ key: `slow-${n}`, description: 'x'.repeat(600), stage: [STAGE] })),
  'unknown fields': flag(table(900, (n) => [`field${n}`, range(80, (m) => ({ a: m }))])),
};

for (const [name, rollouts] of Object.entries(SHAPES)) {
  test(`a kill does not wait for ${name}`, async (context) => {
    const ana = operator(gate);
    const body = { rollouts, dry_run: true };
    assert.ok(JSON.stringify(body).length < BODY_BYTES_MAX, `${JSON.stringify(body).length} bytes`);
    let status;
    const read = ana.ask('PUT', 'plans', body).then((answer) => {
      ({ status } = answer);
    });
    const waits = [];
    while (status === undefined) {
      const begun = gate.cpuMs();
      await ana.orders('shop', 'kill');
      waits.push(gate.cpuMs() - begun);
    }
    await read;
    context.diagnostic(
      `${JSON.stringify(body).length} bytes answered with ${status}; of ${waits.length} kills, the slowest waited for ${Math.max(...waits)} ms of work`,
    );
    assert.ok([200, 422].includes(status), `${status}`);
    assert.ok(Math.max(...waits) < KILL_MS_MAX, `a kill waited for ${Math.max(...waits)} ms`);
  });
}

test('what is longer than any plan is refused before the controller sees it', async () => {
  const { status, body } = await operator(gate).ask('PUT', 'plans', {
    rollouts: [],
    reason: 'x'.repeat(BODY_BYTES_MAX),
  });
  assert.deepEqual([status, body.type], [413, 'urn:tidegate:problem:too-large']);
});

test('a value of `plans` that is longer than what is read is a fault, and holds nobody up', async () => {
  const ana = operator(gate);
  await gate.kv.put(
    'plans',
    JSON.stringify({ v: 1, revision: 1_000, rollouts: [{ key: 'x', description: 'x'.repeat(5 << 20) }] }),
  );
  await until(
    async () => (await ana.get('rollouts')).body.faults.some(({ message }) => message.includes('bytes')),
    () => 'the fault',
    45_000,
  );
  const begun = gate.cpuMs();
  await ana.orders('shop', 'kill');
  assert.ok(gate.cpuMs() - begun < KILL_MS_MAX);
});
