// `make bench-edge`: what a request through Tidegate costs in CPU, beside a bare pass-through, the same visible work in
// plain JavaScript, a router written by hand and GrowthBook's edge app, all in one workerd and in front of the same
// upstream. Controllers, KV, upstream and load are in other processes.
//
// Rounds are short, the order of the workers is shuffled in each, and ratios are taken within a round, so a machine
// that slows down for a while slows all of them down. All workers of a round get the same page views.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';
import { chance, newSeed } from '../../tests/edge/chance.mjs';
import { Lab } from './lab.mjs';
import { median, show, summarise } from './report.mjs';
import { document, rest, SHARES, VIEW_REQUESTS } from './request.mjs';
import { WORKERS } from './workers.mjs';

const HELP = `node benches/edge/run.mjs [--quick] [--json] [--kv inside] [--only WORKERS] [--what KIND] [--rounds N] [--flags N]
  --quick   about a minute instead of five
  --json    one JSON object on standard output
  --kv      \`outside\` (default): KV is a server outside the measured process, as in production;
            \`inside\`: Miniflare's, whose work then counts as its readers'
  --only    of floor,router,growthbook,tidegate,before: what to measure beside the pass-through
  --what    documents or views; both, if it is left out
  --rounds  how many
  --flags   so many flags more in Tidegate's plans, each at 50 % (0); what the floor shows then is not compared
  --at-most LIMITS  such as \`documents=3.5,views=2.5\`: ends with 1 where Tidegate costs more than so many times the
            pass-through in all rounds together, and well as soon as it does not
TIDEGATE_BEFORE=FOLDER measures another build of the worker beside this one; several go with \`:\` between them. The
folder of the build itself shows how far apart two of the same are.`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    kv: { type: 'string', default: 'outside' },
    only: { type: 'string' },
    what: { type: 'string' },
    rounds: { type: 'string' },
    flags: { type: 'string', default: '0' },
    'at-most': { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}

const ROUNDS = Number(options.rounds ?? (options.quick ? 8 : 30));
/** By kind of load: the views of a round, and how many requests they are. */
const WORK = {
  documents: { kind: /** @type {const} */ ('documents'), views: 400, requests: 400 },
  views: { kind: /** @type {const} */ ('views'), views: 20, requests: 20 * VIEW_REQUESTS },
};
/** By kind of load: how many times the pass-through Tidegate may cost. */
const LIMITS = Object.fromEntries(
  (options['at-most'] ?? '')
    .split(',')
    .filter(Boolean)
    .map((limit) => [limit.split('=')[0], Number(limit.split('=')[1])]),
);
/** In fewer rounds the least of one may still be chance. */
const ROUNDS_MIN = 4;
const KINDS = options.what ? [options.what] : Object.keys(WORK);
/** Enough for the runtime to have compiled what it compiles. */
const WARM_UPS = options.quick ? 5 : 10;
/** So many views are looked at before anything is measured. */
const VERIFIED = 60;

function chosen() {
  const only = options.only?.split(',') ?? Object.keys(WORKERS);
  const names = Object.keys(WORKERS).filter(
    (name) => name === 'pass' || name === 'control' || only.includes(name.replace(/\d+$/, '')),
  );
  return names.filter((name) => {
    const missing = WORKERS[name].missing?.() ?? [];
    if (missing.length > 0)
      console.error(`${WORKERS[name].title} is left out; build it first, missing: ${missing.join(', ')}`);
    return missing.length === 0;
  });
}

async function ask(lab, name, { path, headers }, cookies = '') {
  const sent = { ...headers, Cookie: headers.Cookie + cookies, 'x-echo': '1' };
  const response = await fetch(new URL(path, lab.urls[name]), { headers: sent });
  return { response, body: await response.text() };
}

/**
 * Nobody wins by failing: both sides are served, whole, with the headers that are due, and what belongs to a page comes
 * from its side. What was seen of the headers: of the answers, and of the requests upstream.
 */
async function verify(lab, name) {
  const sides = { legacy: 0, new: 0 };
  const headers = new Set();
  const fail = (what, body) => {
    throw new Error(`${name} does not answer as it should: ${what}\n${body.slice(0, 300)}`);
  };
  for (let view = 0; view < VERIFIED; view += 1) {
    const page = await ask(lab, name, document(view));
    const side = /name="frontend" content="(\w+)"/.exec(page.body)?.[1];
    const { header } = WORKERS[name];
    if (page.response.status !== 200) fail(`status ${page.response.status}`, page.body);
    if (side === undefined || !page.body.endsWith('</html>')) fail('not the page', page.body);
    if (header && page.response.headers.get(header) !== side) fail(`${header} on the ${side} page`, page.body);
    sides[side] += 1;
    note(headers, 'page', page.response);
    const set = page.response.headers.getSetCookie().map((cookie) => `; ${cookie.split(';', 1)[0]}`);
    if (!header || view % 7 > 0) continue;
    for (const request of rest(view)) {
      const { response, body } = await ask(lab, name, request, set.join(''));
      if (response.status !== 200 || body === '') fail(`status ${response.status} for ${request.path}`, body);
      if (response.headers.get('x-side') !== side) fail(`${request.path} is not of the page's side, ${side}`, body);
      note(headers, request.path.includes('/api/') ? 'call' : 'file', response);
    }
  }
  const share = sides.new / VERIFIED;
  const routes = name !== 'pass' && name !== 'control';
  if (routes ? share < 0.2 || share > 0.8 : share !== 0) fail(`${share} of the pages are new`, '');
  return headers;
}

function note(headers, what, response) {
  for (const [header, value] of response.headers) {
    headers.add(`${what} ${header}`);
    if (header === 'x-seen') for (const seen of value.split(' ')) headers.add(`${what} upstream ${seen}`);
  }
}

/** The floor is one only if it shows what Tidegate shows. */
function compare(seen) {
  if (!seen.floor || !seen.tidegate) return;
  const lacking = (one, other) => [...one].filter((header) => !other.has(header));
  const off = [...lacking(seen.floor, seen.tidegate), ...lacking(seen.tidegate, seen.floor)];
  if (off.length > 0) throw new Error(`Tidegate and the floor do not show the same headers: ${off.join(', ')}`);
}

function progress(done, total) {
  if (!process.stderr.isTTY) return;
  const width = 40;
  const filled = Math.round((done / total) * width);
  process.stderr.write(
    done === total ? '\r\x1b[K' : `\r[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`,
  );
}

async function measure(lab, names, work, order) {
  const total = names.length * (ROUNDS + WARM_UPS);
  let done = 0;
  const step = async (name, first) => {
    const figures = await lab.measure(name, { ...work, first });
    progress((done += 1), total);
    return figures;
  };
  for (const name of names) for (let n = 0; n < WARM_UPS; n += 1) await step(name, n * work.views);
  const rounds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of order(names)) rounds[name].push(await step(name, (WARM_UPS + round) * work.views));
    if (round + 1 >= ROUNDS_MIN && lowRatio(rounds) <= LIMITS[work.kind]) break;
  }
  return { ...summarise(WORKERS, work.kind, rounds, work.requests), low_ratio: lowRatio(rounds) };
}

/**
 * How many times the pass-through Tidegate costs, the more favourable of two estimates: of the rounds that took least,
 * since whatever else the machine does only adds, and the median over the rounds, which no single lucky one decides.
 * @param {Record<string, { cpu: number }[]>} rounds
 */
function lowRatio({ pass, control, tidegate = [] }) {
  const least = (rounds) => Math.min(...rounds.map(({ cpu }) => cpu));
  const each = tidegate.map(({ cpu }, round) => (2 * cpu) / (pass[round].cpu + control[round].cpu));
  return Math.min(least(tidegate) / least([...pass, ...control]), median(each));
}

async function main() {
  const names = chosen();
  const random = chance(newSeed());
  const order = (all) =>
    all
      .map((name) => ({ name, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ name }) => name);
  const lab = await Lab.open({ kv: options.kv });
  try {
    const wrangler = readConfig({ config: fileURLToPath(new URL('../../wrangler.toml', import.meta.url)) });
    const workers = {};
    for (const name of names) workers[name] = await WORKERS[name].options({ origins: lab.origins, wrangler });
    const platform = {
      compatibilityDate: wrangler.compatibility_date,
      compatibilityFlags: wrangler.compatibility_flags,
    };
    await lab.start(workers, platform, { isControllerOutside: options.kv === 'outside' });
    const seen = {};
    for (const name of names) {
      await WORKERS[name].seed?.((binding, values) => lab.put(name, binding, values), lab.urls[name], {
        origins: lab.origins,
        flags: Number(options.flags),
      });
      seen[name] = await verify(lab, name);
    }
    compare(seen);
    const summaries = [];
    for (const kind of KINDS) summaries.push(await measure(lab, names, WORK[kind], order));
    if (options.json) console.log(JSON.stringify({ kv: options.kv, kinds: summaries }));
    else
      console.log(
        [
          ...summaries.map(show),
          `${SHARES}. Ratios are medians over the rounds. The two pass-throughs are the same worker: how far apart\nthey are is the noise of this machine.`,
        ].join('\n\n'),
      );
    judge(summaries);
    if (!names.includes('tidegate') && !options.only) process.exitCode = 1;
  } finally {
    await lab.close();
  }
}

/** Whether the limits are kept. */
function judge(summaries) {
  for (const { kind, low_ratio: ratio } of summaries.filter(({ kind }) => kind in LIMITS)) {
    const isKept = ratio <= LIMITS[kind];
    console.log(
      `${kind}: ${ratio.toFixed(2)} times the pass-through; at most ${LIMITS[kind]} are allowed: ${isKept ? 'kept' : 'EXCEEDED'}`,
    );
    if (!isKept) process.exitCode = 1;
  }
}

await main();
