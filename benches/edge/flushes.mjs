// How many isolates one controller takes: thousands of simulated ones count requests and flush them as
// real ones do, each when it was told to, and nothing is lost that was acknowledged. The simulated
// isolates are clients of a worker beside the controller in the same workerd, whose one thread they
// share, so the figures are this machine's and on the low side.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openControlled, operator } from '../../tests/edge/control.mjs';
import { plan } from '../../tests/edge/plans.mjs';
import { quantile } from './report.mjs';

const HELP = `node benches/edge/flushes.mjs [--quick] [--json] [--isolates N,N,…] [--rate N] [--seconds N]
  --quick      5 s for each number of isolates
  --json       one JSON object on standard output
  --isolates   how many isolates there are (100,1000,4000)
  --rate       requests that each of them serves in a second (20)
  --seconds    how long each number is measured, once its intervals have settled (20)`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    isolates: { type: 'string', default: '100,1000,4000' },
    rate: { type: 'string', default: '20' },
    seconds: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}

const RATE = Number(options.rate);
const SECONDS = Number(options.seconds ?? (options.quick ? 5 : 20));
const KEY = 'shop';
const PERCENTAGE = 10;
/** Sockets to workerd; an isolate has one flush under way at a time. */
const SOCKETS_MAX = 256;
const TIMEOUT_MS = 30_000;
/** Isolates start one after the other, as traffic finds them. */
const START_MS = 8;
/** Intervals follow from measured costs; so often each isolate comes before it is measured. */
const TURNS_TO_SETTLE = 3;

const agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

function post(origin, body) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const request = http.request(
      {
        hostname,
        port,
        agent,
        method: 'POST',
        path: 'https://shop.example.com/',
        timeout: TIMEOUT_MS,
        headers: { Host: 'shop.example.com', 'Content-Length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (part) => (text += part))
          .on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text))));
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer')));
    // workerd closes sockets that were idle for seconds, maybe just as one is used again.
    request.on('error', (/** @type {NodeJS.ErrnoException} */ error) =>
      request.reusedSocket && error.code === 'ECONNRESET' ? resolve(post(origin, body)) : reject(error),
    );
    request.end(body);
  });
}

/** What an isolate has counted of so many requests: both sides, latencies, subjects, slices. */
function counted(requests, revision, minute) {
  const sides = { new: [], legacy: [] };
  const subjects = [];
  for (let n = 0; n < requests; n += 1) {
    const hash = Math.floor(Math.random() * 2 ** 50);
    const isNew = Math.random() * 100 < PERCENTAGE;
    sides[isNew ? 'new' : 'legacy'].push({
      slice: hash % 100,
      bin: 100 + Math.floor(20 * (Math.random() + Math.random())),
      failed: Math.random() < 0.01,
    });
    subjects.push(hash * 4 + (isNew ? 3 : 1));
  }
  const rows = (list, key) => Object.entries(Object.groupBy?.(list, key) ?? group(list, key));
  const shown = (variant) => ({
    variant,
    requests: sides[variant].length,
    errors: sides[variant].filter((own) => own.failed).length,
    sketches: {
      latency: rows(sides[variant], (own) => own.bin)
        .map(([bin, own]) => `${bin} ${own.length}`)
        .join(' '),
    },
  });
  const trials = (variant) => ({
    of: 'errors',
    variant,
    slices: rows(sides[variant], (own) => own.slice)
      .map(([slice, own]) => `${slice} ${own.length} ${own.filter((one) => one.failed).length}`)
      .join(' '),
  });
  const values = (variant) => ({
    of: 'latency',
    variant,
    buckets: sides[variant].map((own) => `${own.slice} ${own.bin} 1`).join(' '),
  });
  const variants = ['legacy', 'new'].filter((variant) => sides[variant].length > 0);
  return {
    rollout: KEY,
    window: {
      minute,
      minutes: 1,
      revision,
      sides: variants.map(shown),
      subjects: subjects.sort((a, b) => a - b).join(' '),
    },
    compared: { trials: variants.map(trials), values: variants.map(values) },
  };
}

function group(list, key) {
  const groups = {};
  for (const one of list) (groups[key(one)] ??= []).push(one);
  return groups;
}

/** To make up what was counted costs more than to count it: a few of each size are enough. */
class Supply {
  #ready = new Map();

  /** About so many requests as an isolate counts them, and how many they are. */
  take(wanted, revision, minute) {
    const requests = Math.max(1, Number(wanted.toPrecision(wanted < 100 ? 1 : 2)));
    const ready = this.#ready.get(requests) ?? [];
    this.#ready.set(requests, ready);
    if (ready.length < 8) ready.push(counted(requests, revision, minute));
    const { window, ...part } = ready[Math.floor(Math.random() * ready.length)];
    return { requests, part: { ...part, window: { ...window, minute } } };
  }
}

/** Simulated isolates, which run until they are stopped. */
class Fleet {
  stopped = false;
  acknowledged = 0;
  flushes = [];
  failures = [];

  constructor(gate, count, revision) {
    this.gate = gate;
    this.count = count;
    this.revision = revision;
    this.supply = new Supply();
    this.intervals = new Float64Array(count).fill(1_000);
    this.turns = new Uint32Array(count);
    this.running = Array.from({ length: count }, (_, n) => this.run(n, n * START_MS));
  }

  /** One isolate: it counts while it waits, and sends a batch again until it is acknowledged. */
  async run(n, delayMs) {
    const name = `${this.count}-${n}`;
    let [sequence, open, requests, last] = [0, undefined, 0, performance.now()];
    await sleep(delayMs);
    while (!this.stopped || open !== undefined) {
      if (open === undefined) {
        const now = performance.now();
        const made = this.supply.take(
          Math.round(((now - last) / 1_000) * RATE),
          this.revision,
          Math.floor(Date.now() / 60_000),
        );
        requests = made.requests;
        last = now;
        sequence += 1;
        open = { sequence, counted: [made.part], reports: [] };
      }
      const body = JSON.stringify({
        isolate: name,
        plans: 1,
        known: [[KEY, this.revision]],
        texts: [],
        kills: [],
        faults: [],
        batch: open,
      });
      const began = performance.now();
      try {
        const answer = await post(this.gate.clerkOrigin, body);
        this.flushes.push({ at: performance.now(), ms: performance.now() - began, bytes: body.length });
        this.intervals[n] = answer.interval_ms;
        this.turns[n] += 1;
        if (answer.acknowledged >= sequence) {
          this.acknowledged += requests;
          open = undefined;
        }
      } catch (error) {
        this.failures.push(error.message.slice(0, 100));
        await sleep(1_000);
      }
      if (!this.stopped) await sleep(this.intervals[n] - (performance.now() - began));
    }
  }

  get intervalMs() {
    return quantile([...this.intervals], 0.5);
  }

  async stop() {
    this.stopped = true;
    await Promise.all(this.running);
  }
}

async function measure(gate, count, revision) {
  const fleet = new Fleet(gate, count, revision);
  while (fleet.turns.some((turns) => turns < TURNS_TO_SETTLE)) await sleep(500);
  fleet.flushes.length = 0;
  const [from, cpuMs] = [performance.now(), gate.cpuMs()];
  await sleep(SECONDS * 1_000);
  const cost = (gate.cpuMs() - cpuMs) / fleet.flushes.length;
  const seconds = (performance.now() - from) / 1_000;
  const flushes = fleet.flushes.slice();
  const { intervalMs } = fleet;
  await fleet.stop();
  const ms = flushes.map((flush) => flush.ms);
  return {
    isolates: count,
    interval_ms: intervalMs,
    flushes_per_s: flushes.length / seconds,
    requests_per_s: count * RATE,
    cpu_ms_per_flush: cost,
    kb_per_flush: flushes.reduce((sum, flush) => sum + flush.bytes, 0) / flushes.length / 1_000,
    answer_ms: { median: quantile(ms, 0.5), p99: quantile(ms, 0.99) },
    failures: fleet.failures.length,
    faults: [...new Set(fleet.failures)],
    acknowledged: fleet.acknowledged,
  };
}

async function counts(gate) {
  const { body } = await operator(gate, 'vic').get(`rollouts/${KEY}/metrics`);
  return body.windows.flatMap((window) => window.sides).reduce((sum, side) => sum + side.requests, 0);
}

function show(rows) {
  const cell = (value, digits = 0) => value.toFixed(digits).padStart(10);
  return [
    `One controller under simulated isolates that serve ${RATE} requests/s each, for ${SECONDS} s each`,
    '',
    [
      'isolates',
      'interval s',
      'flushes/s',
      'requests/s',
      'KB/flush',
      'CPU ms',
      'answer ms',
      'p99 ms',
      'failures',
      'lost',
      'twice',
    ]
      .map((name) => name.padStart(10))
      .join(' '),
    ...rows.map((row) =>
      [
        cell(row.isolates),
        cell(row.interval_ms / 1_000, 1),
        cell(row.flushes_per_s),
        cell(row.requests_per_s),
        cell(row.kb_per_flush, 1),
        cell(row.cpu_ms_per_flush, 2),
        cell(row.answer_ms.median),
        cell(row.answer_ms.p99),
        cell(row.failures),
        cell(row.lost),
        cell(row.twice),
      ].join(' '),
    ),
    ...rows.flatMap((row) => row.faults).map((fault) => `failure: ${fault}`),
    '',
    `Counts that were acknowledged: ${rows.reduce((sum, row) => sum + row.acknowledged, 0)}; goal: none lost, none twice: ${rows.every((row) => row.lost === 0 && row.twice === 0) ? 'met' : 'MISSED'}`,
  ].join('\n');
}

async function main() {
  const [legacy, next] = ['http://127.0.0.1:9', 'http://127.0.0.1:10'];
  const guardrail = [
    { when: 'error_rate > 50% over 5m', then: 'rollback' },
    { when: 'error_rate > 1.5x legacy', then: 'alert' },
    { when: 'latency.p95 > 1.5x legacy', then: 'alert' },
  ];
  const gate = await openControlled([plan(legacy, next, { key: KEY, guardrail })], { percentage: PERCENTAGE });
  try {
    const {
      state: { revision },
    } = await operator(gate, 'vic').rollout(KEY);
    const rows = [];
    let before = await counts(gate);
    for (const count of options.isolates.split(',').map(Number)) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${count} isolates`);
      const row = await measure(gate, count, revision);
      const after = await counts(gate);
      const off = after - before - row.acknowledged;
      rows.push({ ...row, lost: Math.max(0, -off), twice: Math.max(0, off) });
      before = after;
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    console.log(options.json ? JSON.stringify({ rate: RATE, seconds: SECONDS, rows }) : show(rows));
    if (rows.some((row) => row.lost + row.twice > 0)) process.exitCode = 1;
  } finally {
    await gate.close();
    agent.destroy();
  }
}

await main();
