// `make bench-cold`: from the start of a workerd to its first answer, beside a bare pass-through's, and what it
// has in memory once it is warm.
//
// Each run is a workerd of its own. The runs are interleaved, and differences are taken within a round, so a machine
// that slows down for a while slows all of them down. CPU time tells more than time where others work beside it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';
import { Lab } from './lab.mjs';
import { median, quantile } from './report.mjs';
import { document } from './request.mjs';
import { CLI, WORKERS } from './workers.mjs';

const HELP = `node benches/edge/cold.mjs [--rounds 15] [--rollouts 100] [--json]
  --rounds    how many starts of each
  --rollouts  how many rollouts beside three the memory is measured with; 0: it is not measured
TIDEGATE_BEFORE=FOLDER measures another build of the worker beside this one.`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    rollouts: { type: 'string', default: '100' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}
const ROUNDS = Number(options.rounds);
const ROLLOUTS = Number(options.rollouts);
/** Enough for the runtime to have compiled what it compiles, and for every rollout to have been read. */
const WARM_UP = /** @type {const} */ ({ kind: 'documents', views: 3_000, requests: 3_000 });
const PAGE = document(1);
const MEMORY_ROUNDS = 3;
const TRIES_MAX = 10;
const SETTLED_MS = 3_000;

const wrangler = readConfig({ config: fileURLToPath(new URL('../../wrangler.toml', import.meta.url)) });
const platform = {
  compatibilityDate: wrangler.compatibility_date,
  compatibilityFlags: wrangler.compatibility_flags,
};
const names = ['pass', 'tidegate', ...Object.keys(WORKERS).filter((name) => name.startsWith('before'))];

/** The benchmark's plans and so many rollouts more, each with a path of its own; and their states. */
function configuration(lab, more) {
  const text = readFileSync(new URL('plan.toml', import.meta.url), 'utf8');
  const first = text.split('[[rollout]]')[1];
  const copies = Array.from({ length: more }, (_, n) => first.replaceAll('checkout', `checkout-${n}`));
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  try {
    const file = join(folder, 'plan.toml');
    writeFileSync(file, [text, ...copies].join('\n[[rollout]]'));
    const plans = execFileSync(CLI, ['compile', file], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .replaceAll('http://legacy.invalid', lab.origins.legacy)
      .replaceAll('http://new.invalid', lab.origins.new);
    return { plans, ...Object.fromEntries(JSON.parse(plans).rollouts.map(({ key }) => [`stage/${key}`, '50'])) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The controller is another object, elsewhere: without it the process does an isolate's work alone. */
const ALONE = { durableObjects: {} };

/** A workerd with one worker, from its start to its first answer: the milliseconds, and those of CPU in it. */
async function coldStart(lab, name, values) {
  const worker = { ...(await WORKERS[name].options({ origins: lab.origins, wrangler })), ...ALONE };
  if (name !== 'pass') for (const [key, value] of Object.entries(values)) await lab.kv.put(key, value);
  for (let tries = 1; ; tries += 1) {
    const begun = performance.now();
    await lab.start({ [name]: worker }, platform);
    const response = await fetch(new URL(PAGE.path, lab.urls[name]), { headers: PAGE.headers });
    const body = await response.text();
    const took = { ms: performance.now() - begun, cpu: lab.cpuMs() };
    await lab.stop();
    // A machine that is too busy lets KV be late, and then the answer is another one.
    const isLate = WORKERS[name].header && response.headers.get('tidegate-reason') !== 'bucketed';
    if (!isLate && response.status === 200 && body.endsWith('</html>')) return took;
    if (tries === TRIES_MAX) throw new Error(`${name} does not answer as it should: ${response.status} ${body}`);
  }
}

/** What a warm workerd has in memory, in MB. */
async function memory(lab, name, values, changes = {}) {
  const worker = { ...(await WORKERS[name].options({ origins: lab.origins, wrangler })), ...changes };
  for (const [key, value] of Object.entries(values)) await lab.kv.put(key, value);
  await lab.start({ [name]: worker }, platform);
  for (const key of Object.keys(values).filter((key) => key.startsWith('stage/')))
    await (await fetch(new URL(`/${key.slice(6)}/basket`, lab.urls[name]), { headers: PAGE.headers })).text();
  await lab.measure(name, WARM_UP);
  // The controller evaluates and stores in between.
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  await lab.measure(name, WARM_UP);
  const mb = lab.residentMb();
  await lab.stop();
  return mb;
}

const lab = await Lab.open({ kv: 'outside' });
try {
  const few = configuration(lab, 0);
  const starts = Object.fromEntries(names.map((name) => [name, []]));
  await coldStart(lab, 'pass', few);
  for (let round = 0; round < ROUNDS; round += 1)
    for (let i = 0; i < names.length; i += 1) {
      const name = names[(round + i) % names.length];
      starts[name].push(await coldStart(lab, name, few));
    }
  const beyond = (name, what) => starts[name].map((own, round) => own[what] - starts.pass[round][what]);
  const cold = names.map((name) => ({
    worker: WORKERS[name].title,
    ms: median(starts[name].map(({ ms }) => ms)),
    cpu_ms: median(starts[name].map(({ cpu }) => cpu)),
    beyond_ms: median(beyond(name, 'ms')),
    beyond_cpu_ms: median(beyond(name, 'cpu')),
    beyond_cpu_quartiles: [quantile(beyond(name, 'cpu'), 0.25), quantile(beyond(name, 'cpu'), 0.75)],
  }));

  const many = ROLLOUTS > 0 ? configuration(lab, ROLLOUTS) : {};
  const cases = [
    { what: 'pass-through', name: 'pass', values: {}, changes: {} },
    { what: 'isolate, 3 rollouts', name: 'tidegate', values: few, changes: ALONE },
    { what: `isolate, ${3 + ROLLOUTS} rollouts`, name: 'tidegate', values: many, changes: ALONE },
    { what: 'isolate and controller, 3 rollouts', name: 'tidegate', values: few, changes: {} },
    { what: `isolate and controller, ${3 + ROLLOUTS} rollouts`, name: 'tidegate', values: many, changes: {} },
  ]
    .filter(() => ROLLOUTS > 0)
    .map((own) => ({ ...own, mbs: [] }));
  for (let round = 0; round < MEMORY_ROUNDS; round += 1)
    for (const { name, values, changes, mbs } of cases) mbs.push(await memory(lab, name, values, changes));
  const held = cases.map(({ what, mbs }) => ({ what, mb: median(mbs), range: [Math.min(...mbs), Math.max(...mbs)] }));

  const figures = { rounds: ROUNDS, cold, memory: held };
  console.log(options.json ? JSON.stringify(figures) : show(figures));
} finally {
  await lab.close();
}

function show({ rounds, cold, memory: held }) {
  const cell = (value, digits = 0) => value.toFixed(digits).padStart(9);
  return [
    `From the start of a workerd to its first answer: medians of ${rounds} interleaved starts each`,
    '',
    `${''.padEnd(18)}${'ms'.padStart(9)}${'CPU ms'.padStart(9)}${'beyond'.padStart(9)}${'CPU'.padStart(9)}   middle half`,
    ...cold.map(
      (row) =>
        `${row.worker.padEnd(18)}${cell(row.ms)}${cell(row.cpu_ms)}${cell(row.beyond_ms)}${cell(row.beyond_cpu_ms)}   ${row.beyond_cpu_quartiles.map((ms) => ms.toFixed(0)).join('-')}`,
    ),
    ...(held.length > 0 ? ['', `What a warm workerd has in memory: medians of ${MEMORY_ROUNDS}`, ''] : []),
    ...held.map(
      ({ what, mb, range }) => `${what.padEnd(40)}${cell(mb, 1)} MB   ${range.map((one) => one.toFixed(1)).join('-')}`,
    ),
  ].join('\n');
}
