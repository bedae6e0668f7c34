// Everything on this machine: both sample frontends, KV with the demo's plan, and the worker in
// `wrangler dev`. Needs what `make build` leaves. PORT says where the gate listens (8787).
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startFrontend } from '../tests/frontends/serve.mjs';
import { startWrangler } from './dev/wrangler.mjs';

const PORT = Number(process.env.PORT ?? 8787);
const PERCENTAGE = 10;
const READY_MS_MAX = 120_000;
const SEED = fileURLToPath(new URL('./dev/seed.mjs', import.meta.url));
const NEEDED = ['wrangler.toml', 'build/index.js', 'target/release/tidegate', 'plans/demo.toml'];

const running = [];
let stopping;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0));
start().catch((error) => stop(1, error.message));

async function start() {
  if (!Number.isInteger(PORT) || PORT < 1 || PORT > 65_533) throw new Error(`PORT=${process.env.PORT} is not a port`);
  const missing = NEEDED.find((path) => !existsSync(path));
  if (missing) throw new Error(`there is no ${missing} here: run \`make build\` first, in the project's folder`);

  await assertFree(PORT);
  const legacy = await frontend('legacy', PORT + 1);
  const next = await frontend('new', PORT + 2);
  const wrangler = startWrangler(PORT);
  running.push(wrangler);
  wrangler.ended.then((code) => stop(1, `wrangler ended by itself (${code}); what it said is above`));
  const key = await seed(legacy.url, next.url);
  await answering(`http://127.0.0.1:${PORT}/_tidegate/health`);
  if (!stopping) console.log(howTo(key, legacy, next));
}

/** Starts a frontend on the wanted port, or on any where that one is taken. */
async function frontend(side, wanted) {
  const site = await startFrontend(side, { port: wanted }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return startFrontend(side);
  });
  running.push(site);
  return site;
}

async function assertFree(port) {
  const probe = await startFrontend('legacy', { port }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is in use; try PORT=${port + 10} make dev`);
  });
  await probe.close();
}

/** Resolves with the key of the rollout that the local KV now holds. */
function seed(legacy, next) {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [SEED, legacy, next, String(PERCENTAGE)], (error, stdout, stderr) => {
      if (error) reject(new Error(`the demo's plan cannot be put into KV\n${stderr.trim()}`));
      else resolve(stdout.trim());
    });
    running.push({ close: () => child.kill() });
  });
}

async function answering(url) {
  const deadline = Date.now() + READY_MS_MAX;
  let last = 'nothing';
  while (!stopping) {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((error) => ({ status: error.cause?.code ?? error.name }));
    if (response.status === 200) return;
    last = response.status;
    if (Date.now() > deadline) throw new Error(`${url} did not become ready: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function howTo(key, legacy, next) {
  const gate = `localhost:${PORT}`;
  const kv = (verb, rest) => `npx wrangler kv key ${verb} --local --binding ROLLOUTS ${rest}`;
  return `
  Tidegate   http://${gate}     ${PERCENTAGE} % on new
  legacy     ${legacy.url}
  new        ${next.url}

  See a side     curl -s -H 'x-user-id: user-1' ${gate}/api/stock
  Move it        ${kv('put', `stage/${key} 25`)}
  Kill switch    ${kv('put', `kill/${key} on`)}
  Revive         ${kv('delete', `kill/${key}`)}
  Break new      curl -d '{"rate":0.5}' ${next.url}/__fail     ({} mends it)

  Changes show within seconds. Ctrl-C stops everything.
`;
}

async function stop(code, reason) {
  if (stopping) return;
  stopping = true;
  if (reason) console.error(`dev: ${reason}`);
  await Promise.all(running.map((one) => one.close()));
  process.exit(code);
}
