// Starts the built worker in real workerd, behind a listening socket of its own (Miniflare's entry
// worker is not in the way), next to `bare`: a pass-through worker in JavaScript that shows what the
// platform alone does to a request and a response. The sockets take full URLs, as a proxy's do, so
// that the worker sees `https://shop.example.com/…` without any TLS; `plainOrigin` is one for clients
// that cannot do that, such as the command.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { COMMAND } from '../../scripts/command.mjs';
import { workerConfig } from '../../scripts/dev/config.mjs';
import { Log, LogLevel, Miniflare } from '../miniflare.mjs';
import { withStorage } from '../storage.mjs';
import { kvBinding, startKv } from './kv.mjs';
import { withTrouble } from './trouble.mjs';
import { fetchRaw, open } from './wire.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILD = process.env.TIDEGATE_BUILD ?? join(ROOT, 'build/worker');
export const CLI = COMMAND;

/** The host that browsers see; the upstreams have others. */
export const PUBLIC_HOST = 'shop.example.com';
const PUBLIC = /** @type {const} */ ({ scheme: 'https', host: PUBLIC_HOST });

/** Who may use the API, and their tokens: two operators and a viewer. */
export const TOKENS = { ana: 'the token of ana', ben: 'the token of ben', vic: 'the token of vic' };
const ROLES = { ana: 'operator', ben: 'operator', vic: 'viewer' };
const adminTokens = Object.entries(TOKENS)
  .map(([name, token]) => `${name}:${ROLES[name]}:${createHash('sha256').update(token).digest('hex')}`)
  .join(',');
// Whoever reports here comes from one machine; networks.test.mjs has those who come from many.
const SECRETS = {
  SIGNING_KEY: 'a key for the tests, 32 bytes or more',
  ADMIN_TOKENS: adminTokens,
  BEACON_ONE_NETWORK: 'allow',
};

const BARE = `export default {
  fetch(request, env) {
    const url = new URL(request.url), target = new URL(env.TARGET);
    url.protocol = target.protocol;
    url.host = target.host;
    return fetch(new Request(url, request));
  },
};`;

/** Tells the controller what an isolate would, or a relay; many at once where the body is a list of `[relay, text]`. */
const CLERK = `export default {
  async fetch(request, env) {
    const object = (name) => env.CONTROLLER.get(env.CONTROLLER.idFromName(name));
    const flush = (relay, text) => (relay ? object(relay).relay(relay, text) : object('tidegate').flush(text));
    const text = await request.text();
    if (!text.startsWith('[')) return new Response(await flush(request.headers.get('tidegate-relay'), text));
    const answers = JSON.parse(text).map(([relay, text]) =>
      flush(relay, text).then((answer) => [answer], (error) => [null, error.message]));
    return Response.json(await Promise.all(answers));
  },
};`;

/** @import { RequestOptions } from './wire.mjs' */
/** @typedef {Awaited<ReturnType<typeof startKv>>} StubKv */
/**
 * What a gate keeps its configuration in; the stub alone can misbehave.
 * @typedef {Partial<StubKv> & Pick<StubKv, 'put' | 'get' | 'delete' | 'clear'> & { attach?(get: () => Promise<any>): void }} Kv
 */
/**
 * @typedef {object} GateOptions
 * @property {Record<string, any>} [bindings] added to the worker's environment
 * @property {'stub' | 'miniflare'} [kv] kv.mjs, or Miniflare's own store
 * @property {string} [bare] where the pass-through worker sends its requests
 * @property {boolean} [controller] whether there is one; without it the worker is led through KV alone
 * @property {number} [isolates] so many workers, each with a memory of its own; the first one owns the controller
 * @property {boolean} [storage] whether there is a way into what the controller has stored (../storage.mjs)
 * @property {boolean} [trouble] whether the binding TROUBLE may break something (trouble.mjs)
 * @property {Record<string, { port: number }>} [services] service bindings by name, each to the port of a stub frontend
 * @property {string[]} [buckets] the names of R2 buckets
 * @property {Record<string, any>[]} [email] `send_email` bindings, as in wrangler.toml; what they send is in `gate.mails`
 */

/**
 * Starts workerd with the worker and resolves with a gate.
 * @param {GateOptions} [options]
 */
export async function openGate({
  bindings = {},
  kv: kind = 'stub',
  bare = 'http://127.0.0.1:9',
  isolates = 1,
  controller = true,
  storage = false,
  trouble = false,
  services = {},
  buckets = [],
  email = [],
} = {}) {
  const scratch = mkdtempSync(join(tmpdir(), 'tidegate-edge-'));
  const kv = kind === 'stub' ? await startKv() : miniflareKv();
  const parts = { bindings, bare, isolates, controller, storage, trouble, services, buckets, email };
  const gate = new Gate({ scratch, kv, ...parts });
  await gate.restart();
  return gate;
}

/** Keeps what Miniflare's `send_email` logs. */
class MailLog extends Log {
  constructor(mails) {
    super(LogLevel.INFO);
    this.mails = mails;
  }

  log(text) {
    if (text.includes('send_email binding called')) this.mails.push(text);
  }
}

class Gate {
  #mf;
  #revision = 0;
  #generation = 0;

  /** @type {string[]} */
  logs = [];
  /** @type {string[]} */
  crashes = [];
  origin = '';
  bareOrigin = '';
  plainOrigin = '';
  clerkOrigin = '';

  /** @param {Required<Omit<GateOptions, 'kv'>> & { scratch: string, kv: Kv }} parts */
  /** What Miniflare says of each mail: its head, and the files that hold its texts. */
  mails = [];

  constructor({ scratch, kv, bindings, bare, isolates, controller, storage, trouble, services, buckets, email }) {
    this.buckets = buckets;
    this.email = email;
    this.hasController = controller;
    this.hasStorage = storage;
    this.hasTrouble = trouble;
    this.build = BUILD;
    this.scratch = scratch;
    this.kv = kv;
    this.bindings = bindings;
    this.bareTarget = bare;
    this.serviceBindings = Object.fromEntries(
      Object.entries(services).map(([name, { port }]) => [
        name,
        { external: { address: `127.0.0.1:${port}`, http: {} } },
      ]),
    );
    this.isolates = Array.from({ length: isolates }, (_, n) => new Isolate(n === 0 ? 'gate' : `gate${n}`));
  }

  /**
   * Replaces workerd: an isolate with nothing in memory, and with nothing stored either unless
   * `keepState`. KV keeps what it holds. `build` is the folder of the worker, if that is to be another one.
   * @param {{ bindings?: Record<string, any>, keepState?: boolean, build?: string }} [options]
   */
  async restart({ bindings = this.bindings, keepState = false, build = this.build } = {}) {
    this.bindings = bindings;
    this.build = build;
    if (!keepState) this.#generation += 1;
    this.logs.length = 0;
    const options = this.#options();
    await this.#start(options);
    const origin = async (worker) => (await this.#mf.unsafeGetDirectURL(worker)).origin;
    for (const isolate of this.isolates) isolate.origin = await origin(isolate.name);
    this.origin = this.isolates[0].origin;
    this.bareOrigin = await origin('bare');
    this.plainOrigin = await origin('door');
    if (this.hasController) this.clerkOrigin = await origin('clerk');
    this.kv.attach?.(() => this.#mf.getKVNamespace('ROLLOUTS', 'gate'));
  }

  /** Miniflare restarts workerd on the ports that it had, which somebody else may have got in between. */
  async #start(options) {
    try {
      if (this.#mf === undefined) this.#mf = new Miniflare(options);
      else await this.#mf.setOptions(options);
      await this.#mf.ready;
    } catch (error) {
      if (error.code !== 'ERR_ADDRESS_IN_USE') throw error;
      await this.#mf.dispose().catch(() => {});
      this.#mf = new Miniflare(options);
    }
  }

  /**
   * Kills workerd in the middle of whatever it does, and starts it again on what is on the disk; KV
   * goes on meanwhile. Resolves when it serves.
   */
  async crash() {
    const pid = workerdPid();
    process.kill(pid, 'SIGKILL');
    await until(
      () => isGone(pid),
      () => 'workerd to be gone',
    );
    await this.restart({ keepState: true });
    await until(
      () =>
        this.fetch('/_tidegate/health').then(
          ({ status }) => status === 200,
          () => false,
        ),
      () => 'workerd to serve again',
      20_000,
    );
  }

  #state() {
    return join(this.scratch, `state-${this.#generation}`);
  }

  #options() {
    const { compatibilityDate, compatibilityFlags, durableObjects, assets } = workerConfig(join(ROOT, 'wrangler.toml'));
    const shared = {
      compatibilityDate,
      compatibilityFlags,
      stripCfConnectingIp: false,
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0, proxy: true }],
    };
    const ownKv = this.kv.port !== undefined;
    const built = workerModules(this.build);
    const modules = this.hasStorage ? withStorage(built) : this.hasTrouble ? withTrouble(built) : built;
    return {
      cf: false,
      ...(this.email.length > 0 && { log: new MailLog(this.mails) }),
      defaultPersistRoot: this.#state(),
      kvPersist: join(this.scratch, 'kv'),
      handleRuntimeStdio: (out, err) => {
        for (const stream of [out, err]) createInterface(stream).on('line', (line) => this.#log(line));
      },
      workers: [
        ...this.isolates.map(({ name }) => ({
          ...shared,
          name,
          modules,
          assets,
          durableObjects: this.hasController ? ofController(durableObjects, name) : {},
          bindings: { ...SECRETS, ...this.bindings },
          serviceBindings: this.serviceBindings,
          r2Buckets: this.buckets,
          ...(this.email.length > 0 && { email: { send_email: this.email } }),
          ...(ownKv ? { unsafeBindings: [kvBinding('ROLLOUTS', this.kv.port)] } : { kvNamespaces: ['ROLLOUTS'] }),
        })),
        {
          ...shared,
          name: 'bare',
          modules: [{ type: 'ESModule', path: 'bare.mjs', contents: BARE }],
          bindings: { TARGET: this.bareTarget },
        },
        ...(this.hasController
          ? [
              {
                ...shared,
                name: 'clerk',
                modules: [{ type: 'ESModule', path: 'clerk.mjs', contents: CLERK }],
                durableObjects: ofController(durableObjects, 'clerk'),
              },
            ]
          : []),
        {
          name: 'door',
          modules: [{ type: 'ESModule', path: 'door.mjs', contents: 'export default {};' }],
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0, serviceName: 'gate' }],
        },
      ],
    };
  }

  /**
   * A request through the worker; `cf` sets the platform's facts, such as `{ country: 'DE' }`.
   * @param {string} path
   * @param {RequestOptions} [options]
   */
  fetch(path, options) {
    return this.isolates[0].fetch(path, options);
  }
  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   */
  open(path, options) {
    return this.isolates[0].open(path, options);
  }
  /**
   * The same request through the pass-through worker.
   * @param {string} path
   * @param {RequestOptions} [options]
   */
  bare(path, options) {
    return fetchRaw(this.bareOrigin, path, { ...PUBLIC, ...options });
  }

  /** A bucket of the worker. */
  bucket(name) {
    return this.#mf.getR2Bucket(name, 'gate');
  }

  /**
   * Tells the controller what an isolate would, and resolves with its answer.
   * @param {{ v?: number, isolate?: string, plans?: number, known?: any[], texts?: any[], kills?: any[], faults?: any[], lists?: any, batch?: any }} [flush]
   * @param {string} [relay] the relay that is reported instead
   */
  async flush(
    { v, isolate = 'i', plans = 0, known = [], texts = [], kills = [], faults = [], lists, batch } = {},
    relay,
  ) {
    const { status, text } = await this.tell(
      JSON.stringify({ v, isolate, plans, known, texts, kills, faults, lists, batch }),
      relay,
    );
    assert.equal(status, 200, text);
    return JSON.parse(text);
  }

  /**
   * The same with whatever text.
   * @param {string} body
   * @param {string} [relay]
   */
  tell(body, relay) {
    const headers = relay ? { 'tidegate-relay': relay } : {};
    return fetchRaw(this.clerkOrigin, '/', { ...PUBLIC, method: 'POST', headers, body });
  }

  /**
   * A WebSocket through the worker, connected.
   * @param {string} path
   * @param {{ headers?: Record<string, string>, protocols?: string[] }} [options]
   */
  async socket(path, { headers = {}, protocols = [] } = {}) {
    const finishRequest = (request) => {
      request.path = `https://${PUBLIC_HOST}${path}`;
      request.end();
    };
    const ws = new WebSocket(this.origin.replace('http', 'ws'), protocols, {
      headers: { Host: PUBLIC_HOST, ...headers },
      finishRequest,
    });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    return ws;
  }

  /**
   * Writes plans under the next revision, through `tidegate compile` where it is built.
   * @param {any[]} plans
   * @param {{ revision?: number }} [options]
   */
  async putPlans(plans, { revision = this.#revision + 1 } = {}) {
    this.#revision = Math.max(this.#revision, revision);
    await this.kv.put('plans', JSON.stringify({ v: 1, revision, rollouts: this.compiled(plans) }));
  }

  /**
   * Plans as `tidegate compile` prints them; as they are where the command is not built.
   * @param {any[]} plans
   */
  compiled(plans) {
    if (!existsSync(CLI)) return plans;
    const files = plans.map((plan, i) => writeToml(plan, join(this.scratch, `plan-${i}.toml`)));
    return JSON.parse(execFileSync(CLI, ['compile', ...files], { encoding: 'utf8' })).rollouts;
  }

  /**
   * Writes `stage/KEY` as an operator would by hand: a text, or a state as JSON.
   * @param {string} key
   * @param {string | object} state
   */
  async putStage(key, state) {
    await this.kv.put(`stage/${key}`, typeof state === 'string' ? state : JSON.stringify(state));
  }

  /** @param {string} key */
  async kill(key) {
    await this.kv.put(`kill/${key}`, 'on');
  }

  /**
   * Replaces everything in KV and starts an isolate on it, which has read its configuration unless
   * `cold`. `stages` is `{ KEY: state }`.
   * @param {any[]} plans
   * @param {Record<string, string | object>} [stages]
   * @param {{ bindings?: Record<string, any>, cold?: boolean }} [options]
   */
  async load(plans, stages = {}, { bindings, cold = false } = {}) {
    await this.kv.clear();
    await this.putPlans(plans);
    for (const [key, state] of Object.entries(stages)) await this.putStage(key, state);
    await this.restart({ bindings });
    // A cold request waits for KV for 200 ms at most, which a busy machine may well exceed.
    if (!cold) for (const { routes = [] } of plans) if (routes[0]) await this.#warm(routes[0]);
  }

  #warm(route) {
    const [, host, path] = /^([^/]*)(.*)$/.exec(route);
    const options = {
      method: 'HEAD',
      headers: { 'x-user-id': 'warm' },
      host: host.replace('*', 'warm') || PUBLIC_HOST,
    };
    const isWarm = async () =>
      (await this.fetch(path.replace('*', 'warm'), options)).get('tidegate-reason') !== 'no_config';
    return until(isWarm, () => `${route} to be configured`, 20_000);
  }

  #log(line) {
    this.logs.push(line);
    if (/panicked at|RuntimeError|unreachable executed/.test(line)) this.crashes.push(line);
  }

  /**
   * Waits for a line that the worker logged since its last start.
   * @param {RegExp} pattern
   */
  logged(pattern) {
    return until(
      () => this.logs.find((line) => pattern.test(line)),
      () => `${pattern} in the log:\n${this.logs.join('\n')}`,
    );
  }

  /** The memory of workerd, in bytes. */
  residentBytes() {
    const status = readFileSync(`/proc/${workerdPid()}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) * 1024;
  }

  /** The CPU that workerd has used so far, in milliseconds: Linux counts in hundredths of a second. */
  cpuMs() {
    const [user, system] = readFileSync(`/proc/${workerdPid()}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
    return (Number(user) + Number(system)) * 10;
  }

  async close() {
    await this.#mf.dispose();
    await this.kv.close?.();
    rmSync(this.scratch, { recursive: true, force: true });
    assert.deepEqual(this.crashes, [], 'the worker never panics');
  }
}

/** One of the workers. */
class Isolate {
  origin = '';

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   */
  fetch(path, options) {
    return fetchRaw(this.origin, path, { ...PUBLIC, ...options });
  }
  /**
   * @param {string} path
   * @param {RequestOptions} [options]
   */
  open(path, options) {
    return open(this.origin, path, { ...PUBLIC, ...options });
  }
}

/** The first pause between two probes, and the longest. */
const [PAUSE_MS, PAUSE_MS_MAX] = [30, 250];

/**
 * Polls until `probe` returns something truthy, and returns that. What has been waited for for long is asked for less
 * often, at most a twentieth of that later: a probe costs workerd as much as a visitor does.
 * @template T
 * @param {() => T | Promise<T>} probe
 * @param {() => string} [what]
 * @param {number} [timeoutMs]
 * @returns {Promise<T>}
 */
export async function until(probe, what = () => 'the condition', timeoutMs = 60_000) {
  const started = Date.now();
  for (;;) {
    const found = await probe();
    if (found) return found;
    const waitedMs = Date.now() - started;
    if (waitedMs > timeoutMs)
      throw new assert.AssertionError({ message: `waited ${timeoutMs} ms in vain for ${what()}` });
    await sleep(Math.min(Math.max(PAUSE_MS, waitedMs / 20), PAUSE_MS_MAX));
  }
}

function workerModules(build) {
  const path = join(build, 'index.js');
  assert.ok(existsSync(path), `there is no worker at ${path}: build it first (make build)`);
  const wasm = readdirSync(build).filter((name) => name.endsWith('.wasm'));
  return [
    { type: 'ESModule', path: 'index.js', contents: readFileSync(path, 'utf8') },
    ...wasm.map((name) => ({ type: 'CompiledWasm', path: name, contents: readFileSync(join(build, name)) })),
  ];
}

/**
 * Miniflare's own store behind the stub's interface.
 * @returns {Kv}
 */
function miniflareKv() {
  let namespace;
  const put = [];
  return {
    attach(get) {
      namespace = get;
    },
    async put(key, text) {
      put.push(key);
      await (await namespace()).put(key, text);
    },
    async get(key) {
      return (await namespace()).get(key);
    },
    async delete(key) {
      await (await namespace()).delete(key);
    },
    async clear() {
      for (const key of put.splice(0)) await (await namespace()).delete(key);
    },
  };
}

/** The objects that a worker binds: those that the script exports, all living in the first worker. */
function ofController(objects, worker) {
  return Object.fromEntries(
    Object.entries(objects).map(([binding, object]) => [
      binding,
      worker === 'gate' ? object : { ...object, scriptName: 'gate' },
    ]),
  );
}

function workerdPid() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const pids = children.filter((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'workerd');
  assert.equal(pids.length, 1, 'one workerd is a child of this process');
  return Number(pids[0]);
}

/** Whether a child has ended; a zombie has. */
const isGone = (pid) => !existsSync(`/proc/${pid}/stat`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** Writes a plan as TOML and returns the file's name. */
export function writeToml(plan, file) {
  writeFileSync(
    file,
    Object.entries(plan)
      .map(([key, field]) => `${key} = ${inline(field)}\n`)
      .join(''),
  );
  return file;
}

/** A value in TOML, on one line. */
function inline(field) {
  if (Array.isArray(field)) return `[${field.map(inline).join(', ')}]`;
  if (typeof field !== 'object') return JSON.stringify(field);
  return `{ ${Object.entries(field)
    .map(([key, inner]) => `${JSON.stringify(key)} = ${inline(inner)}`)
    .join(', ')} }`;
}
