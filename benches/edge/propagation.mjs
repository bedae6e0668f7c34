// How long a change takes from an operator's key press until every isolate with traffic acts on it:
// several isolates in one workerd, each asked ten times a second, over a KV that is well, slow,
// stale or down. A time ends with the last isolate's first answer in the new way, so up to the sampling
// interval of it is this benchmark's own. There are as many isolates as the machine bears; from 17 on they
// report to relays. What goes on with thousands of them, flushes.mjs shows.
import { availableParallelism, freemem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openControlled, operator, traffic } from '../../tests/edge/control.mjs';
import { plan } from '../../tests/edge/plans.mjs';
import { startUpstream } from '../../tests/edge/upstream.mjs';
import { quantile } from './report.mjs';

const HELP = `node benches/edge/propagation.mjs [--quick] [--json] [--isolates N] [--changes N]
  --quick      3 changes of each kind instead of 30
  --json       one JSON object on standard output
  --isolates   how many isolates serve (as many as the machine bears, 64 at most)
  --changes    how many changes of each kind are made under each condition (30)`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    isolates: { type: 'string' },
    changes: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}

/** A worker takes so much memory, and a core answers so many requests a second beside everything else. */
const ISOLATE_BYTES = 100 << 20;
const REQUESTS_PER_CORE = 150;
const borne = Math.min(64, 12 * availableParallelism(), Math.floor(freemem() / 2 / ISOLATE_BYTES));
const ISOLATES = Number(options.isolates ?? Math.max(8, borne));
const ROUNDS = Number(options.changes ?? (options.quick ? 3 : 30));
const GOAL_MS = 2_000;
/** Rollouts that change independently of each other, so that it takes a quarter of the time. */
const LANES = Math.min(4, ROUNDS);
/** Users ask so often, at each isolate and in each lane: ten times a second where the machine bears that. */
const SAMPLE_MS = Math.max(100, (1_000 * ISOLATES * LANES) / (REQUESTS_PER_CORE * availableParallelism()));
/** Longer than the isolates' interval, so that changes meet it at any point. */
const PAUSE_MS_MAX = 1_500;

const CONDITIONS = {
  well: { title: 'KV is well', settings: {} },
  slow: { title: 'KV answers after 2-5 s', settings: { delayMs: 2_000, jitterMs: 3_000 } },
  stale: { title: 'KV reads are up to 60 s old', settings: { staleMs: 60_000 } },
  down: { title: 'KV answers 500', settings: { mode: 'error' } },
};
const CHANGES = {
  kill: { outcome: 'legacy killed' },
  revive: { outcome: 'new bucketed' },
  rollback: { outcome: 'legacy inactive' },
  set: { args: { percentage: 100 }, outcome: 'new bucketed' },
};

/** Makes each change of one lane in turn and adds the times until each isolate acts on it. */
async function run(gate, { key, users }, rounds, times) {
  for (let round = 0; round < rounds; round += 1) {
    for (const [command, { args, outcome }] of Object.entries(CHANGES)) {
      await sleep(Math.random() * PAUSE_MS_MAX);
      const from = performance.now();
      await operator(gate.isolates[Math.floor(Math.random() * ISOLATES)]).orders(key, command, args);
      times[command].push(await users.reaches(outcome, from, 120_000));
      progress();
    }
  }
}

const TOTAL = Object.keys(CONDITIONS).length * Object.keys(CHANGES).length * ROUNDS;
let done = 0;
function progress() {
  done += 1;
  if (process.stderr.isTTY) process.stderr.write(done === TOTAL ? '\r\x1b[K' : `\r${done}/${TOTAL} changes`);
}

/** What a user got out of turn: the changes come in one order, and each is seen once. */
function astray(story) {
  const due = Object.values(CHANGES).map(({ outcome }) => outcome);
  const strays = [];
  let turn = 0;
  for (const outcome of story.slice(story.indexOf('new bucketed') + 1)) {
    if (outcome === due[turn % due.length]) turn += 1;
    else if (outcome !== due[(turn + due.length - 1) % due.length])
      strays.push(`${outcome} instead of ${due[turn % due.length]}`);
  }
  return strays;
}

const summarise = (ms) => ({
  min_ms: Math.min(...ms),
  median_ms: quantile(ms, 0.5),
  p95_ms: quantile(ms, 0.95),
  max_ms: Math.max(...ms),
  share_within_goal: ms.filter((time) => time <= GOAL_MS).length / ms.length,
});

/** `times` holds, for each change made, the times of all isolates. */
const figures = (kv, change, times) => ({
  kv,
  change,
  changes: times.length,
  last_isolate: summarise(times.map((each) => Math.max(...each))),
  any_isolate: summarise(times.flat()),
});

function show({ rows, strays }) {
  const ms = (value) => value.toFixed(0).padStart(8);
  const lines = [
    `Milliseconds from a command until all of ${ISOLATES} isolates act on it, asked every ${SAMPLE_MS.toFixed(0)} ms; ${ROUNDS} changes of each kind`,
    '',
    `${'KV'.padEnd(30)}${'change'.padEnd(10)}${['min', 'median', 'p95', 'max'].map((name) => name.padStart(8)).join('')}   within 2 s`,
    ...rows.map(
      ({ kv, change, last_isolate: last }) =>
        `${CONDITIONS[kv].title.padEnd(30)}${change.padEnd(10)}` +
        [last.min_ms, last.median_ms, last.p95_ms, last.max_ms].map(ms).join('') +
        `${(last.share_within_goal * 100).toFixed(1).padStart(10)} %`,
    ),
    '',
    strays.length === 0
      ? 'Nobody was reported anything else in between.'
      : `Users also got ${strays.length} other answers: ${[...new Set(strays)].join('; ')}`,
  ];
  for (const kind of ['kill', 'revive']) {
    const shares = rows.filter(({ change }) => change === kind).map(({ last_isolate: last }) => last.share_within_goal);
    const share = shares.reduce((sum, each) => sum + each, 0) / shares.length;
    lines.push(
      `${kind}: ${(share * 100).toFixed(1)} % reach every isolate within 2 s; goal: all: ${share === 1 ? 'met' : 'MISSED'}`,
    );
  }
  return lines.join('\n');
}

async function main() {
  const [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  const keys = Array.from({ length: LANES }, (_, n) => `lane-${n}`);
  const gate = await openControlled(
    keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`] })),
    { percentage: 100, isolates: ISOLATES },
  );
  const lanes = keys.map((key) => ({ key, users: traffic(gate, key, { everyMs: SAMPLE_MS }) }));
  try {
    for (const { users } of lanes) await users.reaches('new bucketed');
    const rows = [];
    for (const [condition, { settings }] of Object.entries(CONDITIONS)) {
      Object.assign(gate.kv, { mode: 'ok', delayMs: 0, jitterMs: 0, staleMs: 0, ...settings });
      for (const upstream of [legacy, next]) upstream.reset();
      const times = Object.fromEntries(Object.keys(CHANGES).map((kind) => [kind, []]));
      await Promise.all(lanes.map((lane, n) => run(gate, lane, Math.floor((ROUNDS + n) / LANES), times)));
      rows.push(...Object.keys(CHANGES).map((kind) => figures(condition, kind, times[kind])));
    }
    const strays = lanes.flatMap(({ users }) => users.stories()).flatMap(astray);
    console.log(
      options.json
        ? JSON.stringify({ isolates: ISOLATES, sample_ms: SAMPLE_MS, goal_ms: GOAL_MS, strays, rows })
        : show({ rows, strays }),
    );
  } finally {
    for (const { users } of lanes) await users.stop();
    await gate.close();
    await Promise.all([legacy.close(), next.close()]);
  }
}

await main();
