// Everything on this machine: both sample frontends, and the worker with its controller in
// workerd, the demo's plan applied. Needs what `make build` leaves. In the environment: PORT
// says where the gate listens (8787); TIDEGATE_TOKEN and TIDEGATE_VIEWER_TOKEN set the tokens;
// FRESH=1 forgets what earlier runs have left.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { startFrontend } from '../tests/frontends/serve.mjs';
import { demoPlans } from './dev/demo.mjs';
import { STATE, startWorker } from './dev/worker.mjs';

const PORT = Number(process.env.PORT ?? 8787);
const READY_MS_MAX = 120_000;
const KEY_FILE = `${STATE}/signing-key`;
const TOKENS = {
  operator: process.env.TIDEGATE_TOKEN || `tg_${randomBytes(32).toString('base64url')}`,
  viewer: process.env.TIDEGATE_VIEWER_TOKEN || `tg_${randomBytes(32).toString('base64url')}`,
};
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
  if (process.env.FRESH) rmSync(STATE, { recursive: true, force: true });
  running.push(await startWorker(PORT, { ADMIN_TOKENS: adminTokens(), SIGNING_KEY: signingKey() }));
  await answering(`http://127.0.0.1:${PORT}/_tidegate/health`);
  if (stopping) return;
  const rollouts = demoPlans(legacy.url, next.url);
  await ask('PUT', 'plans', { rollouts, reason: 'make dev' });
  const { key, state } = await ask('GET', `rollouts/${rollouts[0].key}`);
  if (!stopping) console.log(howTo(key, state, legacy, next));
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

function adminTokens() {
  const entry = (name, role) => `${name}:${role}:${createHash('sha256').update(TOKENS[role]).digest('hex')}`;
  return `${entry('operator', 'operator')},${entry('viewer', 'viewer')}`;
}

/** The same key at each start, so that preview links and open pages live on. */
function signingKey() {
  if (!existsSync(KEY_FILE)) {
    mkdirSync(STATE, { recursive: true });
    writeFileSync(KEY_FILE, randomBytes(32).toString('base64url'), { mode: 0o600 });
  }
  return readFileSync(KEY_FILE, 'utf8');
}

/** Asks the worker's API as the operator. */
async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${TOKENS.operator}`, 'Content-Type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${PORT}/_tidegate/api/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`the demo's plan cannot be applied: ${answer.detail}\n${answer.help ?? ''}\nFRESH=1 make dev forgets what earlier runs have left`);
  return answer;
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

function howTo(key, state, legacy, next) {
  const gate = `localhost:${PORT}`;
  const url = PORT === 8787 ? '' : ` TIDEGATE_URL=http://${gate}`;
  const where = state.phase === 'draft' ? 'not started' : `${state.phase} at ${state.percentage} % in stage ${state.stage}${state.killed ? ', killed' : ''}`;
  return `
  Tidegate   http://${gate}     the rollout \`${key}\` is ${where}
  legacy     ${legacy.url}
  new        ${next.url}

  In a second terminal, in this folder:

    export TIDEGATE_TOKEN=${TOKENS.operator}${url}
    alias tidegate=target/release/tidegate

    tidegate status ${key}
    tidegate start ${key}             advance, set ${key} 25, pause, resume, rollback, kill, revive, complete
    tidegate watch ${key}             live
    curl -si -H 'x-user-id: user-1' ${gate}/api/stock | grep tidegate

  Visitors       make traffic                          in a third one
  By KV          npx wrangler kv key put --local --binding ROLLOUTS stage/${key} 25
  Break new      curl -d '{"rate":0.5}' ${next.url}/__fail     ({} mends it)
  A viewer's     TIDEGATE_TOKEN=${TOKENS.viewer}

  What happens here is kept for the next time; FRESH=1 make dev forgets it. Ctrl-C stops everything.
`;
}

async function stop(code, reason) {
  if (stopping) return;
  stopping = true;
  if (reason) console.error(`dev: ${reason}`);
  await Promise.all(running.map((one) => one.close()));
  process.exit(code);
}
