// `make bench`: what a request through Tidegate costs in CPU, beside a bare pass-through, a router
// written by hand and GrowthBook's edge app, all in one workerd and in front of the same upstream.
//
// Rounds are short and interleaved, and ratios are taken within a round, so a machine that slows
// down for a while slows all of them down.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';
import { Lab } from './lab.mjs';
import { show, summarise } from './report.mjs';
import { headers, PATH, USERS } from './request.mjs';
import { WORKERS } from './workers.mjs';

const HELP = `node benches/edge/run.mjs [--quick] [--json] [--kv inside] [--only WORKERS]
  --quick   about 30 s instead of two minutes
  --json    one JSON object on standard output
  --kv      \`outside\` (default): KV is a server outside the measured process, as in production;
            \`inside\`: Miniflare's, whose work then counts as its readers'
  --only    of router,growthbook,tidegate,before: what to measure beside the pass-through
TIDEGATE_BEFORE=FOLDER measures another build of the worker beside this one; several go with \`:\` between them.`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    kv: { type: 'string', default: 'outside' },
    only: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}

const ROUNDS = options.quick ? 10 : 36;
const REQUESTS = options.quick ? 600 : 1_200;
const WARM_UP = options.quick ? 2_000 : 5_000;

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

/** Nobody wins by failing: both sides are served, whole, with the headers that are due. */
async function verify(lab, name) {
  const seen = { legacy: 0, new: 0 };
  for (let user = 0; user < USERS; user += 1) {
    const response = await fetch(new URL(PATH, lab.urls[name]), { headers: headers(user) });
    const body = await response.text();
    const side = /name="frontend" content="(\w+)"/.exec(body)?.[1];
    const header = WORKERS[name].header;
    const fault =
      (response.status !== 200 && `status ${response.status}`) ||
      ((side === undefined || !body.endsWith('</html>')) && 'not the page') ||
      (header &&
        response.headers.get(header) !== side &&
        `${header}: ${response.headers.get(header)} on the ${side} page`);
    if (fault) throw new Error(`${name} does not answer as it should: ${fault}\n${body.slice(0, 300)}`);
    seen[side] += 1;
  }
  const share = seen.new / USERS;
  const routes = name !== 'pass' && name !== 'control';
  if (routes ? share < 0.35 || share > 0.65 : share !== 0)
    throw new Error(`${name} sends ${share} of the users to the new side`);
}

function progress(done, total) {
  if (!process.stderr.isTTY) return;
  const width = 40;
  const filled = Math.round((done / total) * width);
  process.stderr.write(
    done === total ? '\r\x1b[K' : `\r[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`,
  );
}

async function main() {
  const names = chosen();
  const lab = await Lab.open({ kv: options.kv });
  try {
    const wrangler = readConfig({ config: fileURLToPath(new URL('../../wrangler.toml', import.meta.url)) });
    const workers = {};
    for (const name of names) workers[name] = await WORKERS[name].options({ origins: lab.origins, wrangler });
    await lab.start(workers, {
      compatibilityDate: wrangler.compatibility_date,
      compatibilityFlags: wrangler.compatibility_flags,
    });
    for (const name of names) {
      await WORKERS[name].seed?.((binding, values) => lab.put(name, binding, values), lab.urls[name], lab);
      await verify(lab, name);
    }

    const total = names.length * (ROUNDS + 1);
    let done = 0;
    const step = async (name, requests) => {
      const figures = await lab.measure(name, requests);
      progress((done += 1), total);
      return figures;
    };
    for (const name of names) await step(name, WARM_UP);
    const rounds = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each round starts with another worker, so that none always follows the same neighbour's garbage.
      for (let i = 0; i < names.length; i += 1) {
        const name = names[(round + i) % names.length];
        rounds[name].push(await step(name, REQUESTS));
      }
    }
    const summary = summarise(WORKERS, rounds, { requests: REQUESTS, kv: options.kv });
    console.log(options.json ? JSON.stringify(summary) : show(summary));
    if (!names.includes('tidegate') && !options.only) process.exitCode = 1;
  } finally {
    await lab.close();
  }
}

await main();
