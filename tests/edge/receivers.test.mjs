// Signals from elsewhere: a real Prometheus is asked, and a real Alertmanager delivers; what a receiver takes and what
// it refuses; tokens that report and do nothing else.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, TOKENS, until } from './harness.mjs';
import { startExporter, startMonitoring } from './monitoring.mjs';
import { checked } from './openapi.mjs';
import { flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const TOKEN = 'the token of the alerts, 32 bytes';
const REPORTER = 'the token of the ticket system';
/** Prometheus scrapes, judges and sends each second or two, and is asked every 10 s; the rest is for a busy machine. */
const ARRIVES_MS_MAX = 120_000;

const reporter = `desk:reporter/*/p1:${createHash('sha256').update(REPORTER).digest('hex')}`;

const ALERTS = {
  kind: 'alertmanager',
  token: 'secret:ALERTS_TOKEN',
  heartbeat: '30s',
  signals: [
    { match: { alertname: 'DbCpuHigh' }, set: 'db_cpu_high' },
    { match: { severity: 'p1' }, count: 'p1' },
  ],
};
const SIGNALS = {
  db_cpu_high: { kind: 'gauge' },
  p1: { kind: 'count' },
  db_cpu: { fresh: '40s', prometheus: { url: 'secret:PROM_URL', query: 'max(db_cpu)', every: '10s' } },
};

let legacy, next, gate, api, ana;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({
    bindings: { REPORTER_TOKENS: reporter, ALERTS_TOKEN: TOKEN, PROM_URL: 'http://127.0.0.1:9' },
  });
  api = checked(gate);
  ana = operator(api, 'ana');
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/** @type {(name: string, body: any, options?: { token?: string, through?: any } & import('./wire.mjs').RequestOptions) => Promise<any>} */
const deliver = (name, body, { token = TOKEN, through = gate, ...options } = {}) =>
  through.fetch(`/_tidegate/in/${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...options,
  });
const alert = (status, changes = {}) => ({
  version: '4',
  status,
  alerts: [
    {
      status,
      labels: { alertname: 'DbCpuHigh', severity: 'p1' },
      startsAt: '2026-11-01T09:00:00Z',
      endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : '2026-11-01T09:30:00Z',
      fingerprint: 'c6eadffa33fcdf37',
      ...changes,
    },
  ],
});
const signal = async (key, name) => (await ana.rollout(key)).signals.find((own) => own.name === name);

test('a delivery is taken with the secret alone, and refused with a reason', async () => {
  await ana.apply([plan(legacy, next, { signals: SIGNALS, receivers: { alerts: ALERTS } })]);
  const taken = await deliver('alerts', alert('firing'), { through: api });
  assert.equal(taken.status, 202, taken.text);
  assert.deepEqual(taken.json(), {
    receiver: 'alerts',
    rollouts: [{ rollout: 'shop', alerts: 1, new: 1, signals: ['p1', 'db_cpu_high'] }],
  });
  for (const [expected, answer] of [
    ['401 unauthorized', await deliver('alerts', alert('firing'), { token: 'a token of somebody else' })],
    ['401 unauthorized', await deliver('alerts', alert('firing'), { token: '' })],
    ['404 unknown-receiver', await deliver('nobody', alert('firing'))],
    ['404 unknown-receiver', await deliver('', alert('firing'))],
    ['413 too-large', await deliver('alerts', { ...alert('firing'), padding: 'x'.repeat(256 * 1024) })],
    ['400 malformed', await deliver('alerts', 'nonsense')],
    ['400 malformed', await deliver('alerts', '{"alerts":7}')],
    ['405 method-not-allowed', await gate.fetch('/_tidegate/in/alerts')],
  ])
    assert.equal(`${answer.status} ${answer.json().type.split(':').at(-1)}`, expected, answer.text);
  const basic = `Basic ${Buffer.from(`anybody:${TOKEN}`).toString('base64')}`;
  const byPassword = await deliver('alerts', alert('firing'), { headers: { Authorization: basic } });
  assert.equal(byPassword.json().rollouts[0].new, 0, 'the same alert again');
  // What is under 256 KB is taken, whatever else is in it.
  const large = await deliver('alerts', { ...alert('firing'), padding: 'x'.repeat(250 * 1024) });
  assert.equal(large.status, 202, large.text);
  const { receivers } = await ana.rollout('shop');
  assert.deepEqual(
    receivers.map(({ name, kind, path, firing }) => ({ name, kind, path, firing })),
    [{ name: 'alerts', kind: 'alertmanager', path: '/_tidegate/in/alerts', firing: 1 }],
  );
});

test('what was counted is counted once, also after the controller has died', async () => {
  const before = await signal('shop', 'db_cpu_high');
  assert.equal(before.value, 1);
  await gate.crash();
  const again = await deliver('alerts', alert('firing'));
  assert.equal(again.json().rollouts[0].new, 0, again.text);
  const other = await deliver('alerts', alert('firing', { startsAt: '2026-11-01T10:00:00Z' }));
  assert.equal(other.json().rollouts[0].new, 1, other.text);
  const late = await deliver('alerts', alert('resolved'));
  assert.equal(late.json().rollouts[0].new, 0, 'the end of the one before');
  const over = await deliver('alerts', alert('resolved', { endsAt: '2026-11-01T10:30:00Z' }));
  assert.equal(over.json().rollouts[0].new, 1, over.text);
  assert.equal((await signal('shop', 'db_cpu_high')).value, 0);
});

test('a receiver of several rollouts delivers to each whose secret proves it', async () => {
  const other = { ...ALERTS, token: 'secret:OTHER_TOKEN' };
  const signals = { db_cpu_high: { kind: 'gauge' }, p1: { kind: 'count' } };
  await ana.apply([
    flag('one', { signals, receivers: { shared: ALERTS } }),
    flag('two', { signals, receivers: { shared: ALERTS } }),
    flag('three', { signals, receivers: { shared: other } }),
  ]);
  const shared = await deliver('shared', alert('firing'));
  assert.deepEqual(
    shared.json().rollouts.map(({ rollout }) => rollout),
    ['one', 'two'],
    shared.text,
  );
  // The third one's secret is not set: nobody can prove anything to it, and a fault says so.
  await ana.apply([flag('three', { signals, receivers: { alone: other } })]);
  const unset = await deliver('alone', alert('firing'));
  assert.equal(`${unset.status} ${unset.json().type}`, '503 urn:tidegate:problem:no-secret', unset.text);
  await gate.logged(/secret_unset.*OTHER_TOKEN/);
});

test('a reporter reports its signal and does nothing else', async () => {
  const desk = (method, path, body) =>
    gate.fetch(`/_tidegate/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${REPORTER}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
  const reported = await desk('POST', 'rollouts/one/signals', { name: 'p1', count: 2 });
  assert.equal(reported.status, 202, reported.text);
  for (const [method, path, body] of [
    ['POST', 'rollouts/one/signals', { name: 'db_cpu_high', value: 0 }],
    ['GET', 'rollouts', undefined],
    ['GET', 'rollouts/one', undefined],
    ['GET', 'openapi.json', undefined],
    ['POST', 'rollouts/one/commands', { command: 'kill' }],
    ['POST', 'rollouts/*/commands', { command: 'kill' }],
    ['PUT', 'plans', { rollouts: [] }],
    ['GET', 'session', undefined],
    ['POST', 'session', { token: REPORTER }],
  ]) {
    const { status, text } = await desk(method, path, body);
    assert.equal(status, 403, `${method} ${path}: ${text}`);
    assert.match(JSON.parse(text).detail, /the token of desk may (report the signal p1|not report)/);
  }
  const exposition = await gate.fetch('/_tidegate/metrics', { headers: { Authorization: `Bearer ${REPORTER}` } });
  assert.equal(exposition.status, 403, exposition.text);
});

describe('with a Prometheus and an Alertmanager', () => {
  let exporter, monitoring;
  before(async () => {
    exporter = await startExporter('db_cpu', 0.5);
    monitoring = await startMonitoring({
      exporter,
      webhook: `${gate.plainOrigin}/_tidegate/in/alerts`,
      token: TOKEN,
      rules: [
        { alert: 'Watchdog', expr: 'vector(1)' },
        { alert: 'DbCpuHigh', expr: 'db_cpu > 0.9', labels: { severity: 'p1' } },
      ],
    });
    await gate.restart({ bindings: { ...gate.bindings, PROM_URL: monitoring.prometheus.url } });
    await gate.kv.clear();
    await ana.apply([
      plan(legacy, next, {
        signals: SIGNALS,
        receivers: { alerts: ALERTS },
        guardrail: [{ when: 'signal.db_cpu_high >= 1', then: 'rollback' }],
      }),
      // It goes on when the other one is rolled back, and says how its gates are.
      flag('audit', {
        signals: SIGNALS,
        receivers: { alerts: ALERTS },
        stage: [
          {
            name: 'canary',
            percentage: 10,
            hold: '30d',
            gates: ['signal.db_cpu < 80%', 'signal.db_cpu_high = 0', 'signal.p1 = 1 over attempt'],
          },
          { name: 'full', percentage: 100, hold: '1h' },
        ],
      }),
    ]);
    await ana.orders('shop', 'start');
    await ana.orders('audit', 'start');
  });
  after(async () => {
    await monitoring?.close();
    await exporter?.close();
  });

  const gates = async () =>
    (await ana.rollout('audit')).stages[0].gates
      .filter((own) => !own.built_in)
      .map(({ verdict, figures }) => ({ verdict, value: figures?.[0]?.value }));
  const eventually = (probe, what) => until(probe, () => what, ARRIVES_MS_MAX);
  /** What Prometheus would read of the source of `db_cpu`. */
  const isUp = async () => {
    const { text } = await gate.fetch('/_tidegate/metrics', { headers: { Authorization: `Bearer ${TOKENS.ana}` } });
    return /tidegate_source_up\{rollout="audit",signal="db_cpu"\} (\d)/.exec(text)?.[1];
  };

  test('Prometheus is asked, and whoever delivers and has nothing to say means that nothing fires', async () => {
    await eventually(async () => {
      const [cpu, high] = await gates();
      return cpu.verdict === 'pass' && cpu.value === 0.5 && high.verdict === 'pass' && high.value === 0;
    }, 'both gates to pass');
    const found = await signal('audit', 'db_cpu');
    assert.equal(`${found.source} ${found.value} ${found.error}`, 'prometheus 0.5 undefined');
    assert.deepEqual((await ana.rollout('audit')).faults, []);
    assert.equal(await isUp(), '1');
  });

  test('an alert that fires rolls back, counts once however often it is sent, and is 0 again once it is over', async () => {
    exporter.value = 0.95;
    const { entry } = await eventually(async () => {
      const { entries } = (await ana.get('rollouts/shop/history')).body;
      const entry = entries.find((own) => own.state.phase === 'rolled_back');
      return entry && { entry };
    }, 'the rollback');
    assert.equal(`${entry.actor} ${entry.command.command}`, 'guardrail rollback');
    assert.match(JSON.stringify(entry), /signal\.db_cpu_high/);
    await eventually(async () => (await gates())[0].value === 0.95, 'the query to see it');
    // It is sent again every few seconds.
    const lastAt = async () => (await ana.rollout('audit')).receivers[0].last_at;
    for (let n = 0; n < 3; n += 1) {
      const at = await lastAt();
      await eventually(async () => (await lastAt()) !== at, 'another delivery');
    }
    await eventually(async () => (await gates())[2].value === 1, 'the alert to be counted once');
    exporter.value = 0.4;
    await eventually(async () => (await signal('audit', 'db_cpu_high')).value === 0, 'the alert to be over');
    await eventually(async () => (await gates()).every(({ verdict }) => verdict === 'pass'), 'all gates to pass');
    assert.equal((await gates())[2].value, 1);
  });

  test('a query that finds nothing is unknown at once, and no pass', async () => {
    exporter.value = NaN;
    await eventually(async () => (await gates())[0].verdict === 'inconclusive', 'the gate to be inconclusive');
    const found = await signal('audit', 'db_cpu');
    assert.match(found.error, /^the query finds nothing$/);
    exporter.value = 0.3;
    await eventually(async () => (await gates())[0].verdict === 'pass', 'the gate to pass again');
  });

  test('where both are gone, nothing passes, and faults say so', async () => {
    await Promise.all([monitoring.prometheus.stop(), monitoring.alertmanager.stop()]);
    await eventually(
      async () => (await gates()).every(({ verdict }) => verdict === 'inconclusive'),
      'all gates to be inconclusive',
    );
    const { faults, blocked } = await ana.rollout('audit');
    const said = faults.map(({ subject, message }) => `${subject}: ${message}`).sort();
    assert.equal(said.length, 2, said.join('\n'));
    assert.match(said[0], /^receiver\/alerts: no delivery has arrived at .* for longer than its heartbeat of 30s$/);
    assert.match(said[1], /^signal\/db_cpu: the source of `db_cpu` has no value: it cannot be asked: /);
    assert.ok(!said[1].includes('127.0.0.1'), 'the address is a secret');
    assert.ok(blocked.length > 0);
    assert.equal(await isUp(), '0');
  });
});
