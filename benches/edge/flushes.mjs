// How many isolates one deployment takes: thousands of simulated ones count requests and flush them as
// real ones do, each when it was reported to and to the relay that it was reported; nothing is lost that was
// acknowledged, and a kill comes to all of them. In production each relay has a thread of its own. Here
// the controller, all relays and the worker that carries the flushes share the one thread of workerd, so
// the CPU of a flush is what counts, and the times are this machine's and on the high side.
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
/** Whoever is due is looked for so often. */
const STEP_MS = 20;
/** So many flushes go in one request. */
const CARRIED_MAX = 64;
/** Who was not answered comes again after this long. */
const FAILED_MS = 5_000;
const REACH_MS_MAX = 60_000;

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

/** FNV-1a 64 finished with fmix64, and the bucket that it jumps to: an isolate's relay, as crates/protocol/src/relays.rs has it. */
function leafOf(name, leaves) {
  const mask = (1n << 64n) - 1n;
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask;
  hash ^= hash >> 33n;
  hash = (hash * 0xff51afd7ed558ccdn) & mask;
  hash ^= hash >> 33n;
  hash = (hash * 0xc4ceb9fe1a85ec53n) & mask;
  hash ^= hash >> 33n;
  let [last, next] = [-1, 0];
  while (next < leaves) {
    last = next;
    hash = (hash * 2862933555777941757n + 1n) & mask;
    next = Math.floor((last + 1) * (2 ** 31 / (Number(hash >> 33n) + 1)));
  }
  return last;
}

/**
 * Simulated isolates, which run until they are stopped. Each does as crates/isolate does: it sends a batch again to the
 * same receiver until that has acknowledged it, and asks the controller without one after a failure.
 */
class Fleet {
  stopped = false;
  acknowledged = 0;
  flushes = [];
  failures = [];
  relayed = 0;
  /** The layout that was reported last. */
  layout = { leaves: 0, at: 0 };
  /** When each isolate learned of the revision that is watched. */
  watched = { revision: Infinity, at: [] };

  constructor(gate, count, revision) {
    this.gate = gate;
    this.supply = new Supply();
    const now = performance.now();
    this.isolates = Array.from({ length: count }, (_, n) => ({
      name: `${count}-${n}`,
      sequence: 0,
      open: undefined,
      requests: 0,
      receiver: null,
      hasFailed: false,
      revision,
      turns: 0,
      intervalMs: 1_000,
      counted: now + n * START_MS,
      dueAt: now + n * START_MS,
      begunAt: undefined,
      betweenMs: 1_000,
      leaf: { leaves: -1, name: null },
    }));
    this.running = this.run();
  }

  async run() {
    const carried = new Set();
    while (!this.stopped || carried.size > 0 || this.isolates.some(({ open }) => open)) {
      const now = performance.now();
      const due = this.isolates.filter((own) => own.dueAt <= now && (!this.stopped || own.open));
      for (let from = 0; from < due.length; from += CARRIED_MAX) {
        const together = due.slice(from, from + CARRIED_MAX);
        for (const own of together) own.dueAt = Infinity;
        const carrying = this.carry(together).finally(() => carried.delete(carrying));
        carried.add(carrying);
      }
      await sleep(STEP_MS);
    }
  }

  /** Carries the flushes of several isolates in one request, since theirs would be the client's cost and not the relay's. */
  async carry(isolates) {
    const texts = isolates.map((own) => this.flushOf(own));
    const began = performance.now();
    let answers;
    try {
      answers = await post(this.gate.clerkOrigin, JSON.stringify(texts));
    } catch (error) {
      answers = isolates.map(() => [null, error.message]);
    }
    const ended = performance.now();
    isolates.forEach((own, n) => {
      const [answer, error] = answers[n];
      if (answer === null) {
        this.failures.push(String(error).slice(0, 100));
        own.hasFailed = true;
        own.dueAt = ended + FAILED_MS;
        return;
      }
      this.flushes.push({ at: ended, ms: ended - began, bytes: texts[n][1].length });
      this.take(own, JSON.parse(answer), ended);
      own.dueAt = Math.max(own.dueAt === Infinity ? own.begunAt + own.intervalMs : own.dueAt, ended);
    });
  }

  /** What an isolate sends next, and to whom. */
  flushOf(own) {
    const now = performance.now();
    if (own.begunAt !== undefined) own.betweenMs = now - own.begunAt;
    own.begunAt = now;
    const hasBatch = !own.hasFailed;
    own.hasFailed = false;
    if (own.open === undefined && hasBatch) {
      const wanted = Math.round(((now - own.counted) / 1_000) * RATE);
      const { requests, part } = this.supply.take(wanted, own.revision, Math.floor(Date.now() / 60_000));
      own.counted = now;
      own.sequence += 1;
      Object.assign(own, { requests, receiver: this.relayOf(own) });
      part.window.revision = own.revision;
      own.open = { sequence: own.sequence, counted: [part], reports: [] };
    }
    const flush = {
      v: 3,
      isolate: own.name,
      plans: 1,
      known: [[KEY, own.revision]],
      texts: [],
      kills: [],
      faults: [],
      ...(hasBatch && { batch: own.open }),
    };
    if (hasBatch && own.receiver) this.relayed += 1;
    return [hasBatch ? own.receiver : null, JSON.stringify(flush)];
  }

  relayOf(own) {
    if (own.leaf.leaves !== this.layout.leaves) {
      const { leaves } = this.layout;
      own.leaf = { leaves, name: leaves > 0 ? `relay-1-${leafOf(own.name, leaves)}` : null };
    }
    return own.leaf.name;
  }

  take(own, answer, now) {
    own.turns += 1;
    own.intervalMs = answer.interval_ms;
    if (answer.layout?.at > this.layout.at) this.layout = answer.layout;
    for (const { state } of answer.states.filter(({ key }) => key === KEY)) {
      const { revision } = JSON.parse(state);
      if (revision <= own.revision) continue;
      own.revision = revision;
      if (revision === this.watched.revision) this.watched.at.push(now);
      // A kill is confirmed at once.
      own.dueAt = now;
    }
    if (own.open && answer.acknowledged >= own.open.sequence) {
      this.acknowledged += own.requests;
      own.open = undefined;
    }
  }

  /** How long it takes from an operator's command until the last isolate knows of it, and until half of them do. */
  async reach(command) {
    const ana = operator(this.gate);
    const revision = (await ana.rollout(KEY)).state.revision + 1;
    this.watched = { revision, at: [] };
    const from = performance.now();
    await ana.orders(KEY, command);
    const deadline = from + REACH_MS_MAX;
    while (this.watched.at.length < this.isolates.length && performance.now() < deadline) await sleep(STEP_MS);
    const times = this.watched.at.map((at) => at - from);
    return {
      isolates: times.length,
      median_ms: quantile(times, 0.5),
      p99_ms: quantile(times, 0.99),
      max_ms: Math.max(...times),
    };
  }

  get intervalMs() {
    return quantile(
      this.isolates.map((own) => own.betweenMs),
      0.5,
    );
  }

  async stop() {
    this.stopped = true;
    await this.running;
  }
}

async function measure(gate, count, revision) {
  const fleet = new Fleet(gate, count, revision);
  while (fleet.isolates.some(({ turns }) => turns < TURNS_TO_SETTLE)) await sleep(500);
  fleet.flushes.length = 0;
  fleet.failures.length = 0;
  const [from, cpuMs] = [performance.now(), gate.cpuMs()];
  await sleep(SECONDS * 1_000);
  const flushes = fleet.flushes.slice();
  const cost = (gate.cpuMs() - cpuMs) / flushes.length;
  const seconds = (performance.now() - from) / 1_000;
  const { intervalMs } = fleet;
  const kill = await fleet.reach('kill');
  const revive = await fleet.reach('revive');
  const { leaves } = fleet.layout;
  await fleet.stop();
  const ms = flushes.map((flush) => flush.ms);
  return {
    isolates: count,
    relays: leaves,
    interval_ms: intervalMs,
    flushes_per_s: flushes.length / seconds,
    requests_per_s: count * RATE,
    cpu_ms_per_flush: cost,
    kb_per_flush: flushes.reduce((sum, flush) => sum + flush.bytes, 0) / flushes.length / 1_000,
    answer_ms: { median: quantile(ms, 0.5), p99: quantile(ms, 0.99) },
    kill,
    revive,
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
    `One deployment under simulated isolates that serve ${RATE} requests/s each, for ${SECONDS} s each`,
    '',
    [
      'isolates',
      'relays',
      'interval s',
      'flushes/s',
      'requests/s',
      'KB/flush',
      'CPU ms',
      'answer ms',
      'p99 ms',
      'kill ms',
      'last ms',
      'failures',
      'lost',
      'twice',
    ]
      .map((name) => name.padStart(10))
      .join(' '),
    ...rows.map((row) =>
      [
        cell(row.isolates),
        cell(row.relays),
        cell(row.interval_ms / 1_000, 1),
        cell(row.flushes_per_s),
        cell(row.requests_per_s),
        cell(row.kb_per_flush, 1),
        cell(row.cpu_ms_per_flush, 2),
        cell(row.answer_ms.median),
        cell(row.answer_ms.p99),
        cell(row.kill.median_ms),
        cell(row.kill.max_ms),
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
    const rows = [];
    let before = await counts(gate);
    for (const count of options.isolates.split(',').map(Number)) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${count} isolates`);
      const { state } = await operator(gate, 'vic').rollout(KEY);
      const row = await measure(gate, count, state.revision);
      // What relays have acknowledged comes to the controller within seconds.
      for (let tries = 0; tries < 30 && (await counts(gate)) < before + row.acknowledged; tries += 1) await sleep(500);
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
