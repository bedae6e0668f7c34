// Everything on this machine: both sample shops, and the worker with its controller in workerd, under a
// plan. Needs what `make build` leaves.
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { startFrontend } from '../../tests/frontends/serve.mjs';
import { COMMAND } from '../command.mjs';
import { compiledPlan } from './plan.mjs';
import { startWorker } from './worker.mjs';

const READY_MS_MAX = 120_000;
const NEEDED = ['wrangler.toml', 'build/worker/index.js', 'build/assets/_tidegate/beacon.js', COMMAND];

/** The port in the environment; it and the two after it are used. */
export function portOf({ PORT = '8787' }) {
  const port = Number(PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_533) throw new Error(`PORT=${PORT} is not a port`);
  return port;
}

/** A new token, unless there is one. One of 16 bytes can be guessed by nobody either, and fits a line. */
export const token = (given, bytes = 32) => given || `tg_${randomBytes(bytes).toString('base64url')}`;

/**
 * A site that is not running yet.
 * - `port`: the gate's; the shops take the two after it, or others where those are taken
 * - `plan`: the file of its plan; `reason`: what the history says of it
 * - `tokens`: `{ operator, viewer }`
 * - `state`: the folder of what it keeps; `isFresh` empties it first
 * - `command`: how it was started, for advice
 * - `log`: the file in `state` that takes what the worker says; without it the terminal does
 * @param {object} options
 * @param {number} options.port
 * @param {string} options.plan
 * @param {string} options.reason
 * @param {{ operator: string, viewer: string }} options.tokens
 * @param {string} options.state
 * @param {boolean} options.isFresh
 * @param {string} options.command
 * @param {string} [options.log]
 */
export function site({ port, plan, reason, tokens, state, isFresh, command, log }) {
  const running = [];
  /** The revisions that commands from here have made. */
  const own = new Set();
  let isClosed = false;

  const here = {
    origin: `http://localhost:${port}`,
    tokens,

    /** Starts all of it; resolves once the plan is in force. */
    async start() {
      const missing = [...NEEDED, plan].find((path) => !existsSync(path));
      if (missing) throw new Error(`there is no ${missing} here: run \`make build\` first, in the project's folder`);
      await assertFree(port, command);
      if (isFresh) rmSync(state, { recursive: true, force: true });
      here.legacy = await frontend('legacy', port + 1);
      here.next = await frontend('new', port + 2);
      running.push(
        await startWorker(
          port,
          { ADMIN_TOKENS: adminTokens(tokens), SIGNING_KEY: signingKey(state), BEACON_ONE_NETWORK: 'allow' },
          { state, ...(log && logTo(`${state}/${log}`)) },
        ),
      );
      await answering(`${here.origin}/_tidegate/health`);
      if (isClosed) return;
      const rollouts = await inForce(compiledPlan(plan, here.legacy.url, here.next.url));
      await here.ask('PUT', 'plans', { rollouts, reason }).catch((error) => {
        throw new Error(
          `the plan cannot be applied: ${error.message}\nFRESH=1 ${command} forgets what earlier runs have left`,
        );
      });
    },

    /** Asks the worker's API as the operator. */
    async ask(method, path, body, more = {}) {
      const headers = { Authorization: `Bearer ${tokens.operator}`, 'Content-Type': 'application/json', ...more };
      const response = await fetch(`http://127.0.0.1:${port}/_tidegate/api/${path}`, {
        method,
        headers,
        body: body && JSON.stringify(body),
      });
      const answer = await response.json();
      if (!response.ok) throw new Error([answer.detail, answer.help].filter(Boolean).join('\n'));
      return answer;
    },

    /** Gives the rollout a command, whatever its revision. */
    async command(command) {
      const answer = await here.ask('POST', `rollouts/${here.key}/commands`, command, { 'If-Match': '*' });
      own.add(answer.entry.revision);
      return answer;
    },

    /** Whether a revision was made from here, by nobody else. */
    isOwn: (revision) => own.has(revision),

    /** The console's address that signs in as the operator. */
    get signIn() {
      return `${here.origin}/_tidegate/#/sign-in?token=${encodeURIComponent(tokens.operator)}`;
    },

    close() {
      isClosed = true;
      return Promise.all(running.map((one) => one.close()));
    },
  };

  /** The plan of the file where that is new or was changed; else what is in force of it, as somebody has applied it. */
  async function inForce(rollouts) {
    here.key = rollouts[0].key;
    const applied = `${state}/plan.sha256`;
    const hash = createHash('sha256').update(readFileSync(plan)).digest('hex');
    const isSame = existsSync(applied) && readFileSync(applied, 'utf8') === hash;
    writeFileSync(applied, hash);
    const known = isSame ? (await here.ask('GET', 'plans')).rollouts : [];
    const kept = known.filter(({ key }) => rollouts.some((own) => own.key === key));
    if (kept.length === 0) return rollouts;
    return kept.map((own) =>
      own.upstreams ? { ...own, upstreams: { ...own.upstreams, legacy: here.legacy.url, new: here.next.url } } : own,
    );
  }

  async function frontend(side, wanted) {
    const shop = await startFrontend(side, { port: wanted }).catch((error) => {
      if (error.code !== 'EADDRINUSE') throw error;
      return startFrontend(side);
    });
    running.push(shop);
    return shop;
  }

  async function answering(url) {
    const deadline = Date.now() + READY_MS_MAX;
    let last = 'nothing';
    while (!isClosed) {
      const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((error) => ({
        status: error.cause?.code ?? error.name,
      }));
      if (response.status === 200) return;
      last = response.status;
      if (Date.now() > deadline) throw new Error(`${url} did not become ready: ${last}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return here;
}

async function assertFree(port, command) {
  const probe = await startFrontend('legacy', { port }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is in use; try PORT=${port + 10} ${command}`);
  });
  await probe.close();
}

function adminTokens(tokens) {
  return Object.entries(tokens)
    .map(([role, text]) => `${role}:${role}:${createHash('sha256').update(text).digest('hex')}`)
    .join(',');
}

function logTo(file) {
  const stream = createWriteStream(file, { flags: 'a' });
  return { out: stream, err: stream };
}

/** The same key at each start, so that preview links and open pages live on. */
function signingKey(state) {
  const file = `${state}/signing-key`;
  if (!existsSync(file)) {
    mkdirSync(state, { recursive: true });
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
  }
  return readFileSync(file, 'utf8');
}
