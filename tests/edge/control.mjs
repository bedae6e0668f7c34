// The control API as an operator uses it, and a rollout's history as an auditor reads it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { CLI, openGate, TOKENS, until } from './harness.mjs';

const PAGE_ENTRIES = 1_000;
/** The controller looks at KV on its alarm at the latest, and that is due within 30 s. */
export const ADOPTED_MS = 120_000;

/** @import { GateOptions } from './harness.mjs' */
/** @typedef {Awaited<ReturnType<typeof openGate>>} Gate */
/** @typedef {Gate['isolates'][number]} Isolate */
/** @typedef {{ revision?: number | string, idempotencyKey?: string }} CommandOptions `*` is any revision */

/**
 * Somebody with a token who asks `through` a gate or one of its isolates. An answer is `{ status,
 * revision, body, get }`: the ETag as a number, and the body out of its JSON.
 * @param {Pick<Gate, 'fetch'>} through
 * @param {keyof typeof TOKENS} [name]
 */
export function operator(through, name = 'ana') {
  const ask = async (method, path, body, headers = {}) => {
    const response = await through.fetch(`/_tidegate/api/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${TOKENS[name]}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const { status, get, text } = response;
    const etag = /^"(\d+)"$/.exec(get('etag') ?? '')?.[1];
    return {
      status,
      get,
      text,
      revision: etag === undefined ? undefined : Number(etag),
      body: /json/.test(get('content-type') ?? '') ? response.json() : undefined,
    };
  };

  return {
    name,
    ask,
    get: (path) => ask('GET', path),
    rollout: async (key) => granted(await ask('GET', `rollouts/${key}`)),

    /**
     * Sends a command decided on `revision`; `args` takes the reason too.
     * @param {string} key
     * @param {string} command
     * @param {Record<string, any>} [args]
     * @param {CommandOptions} [options]
     */
    command(
      key,
      command,
      { reason = `${name} tests ${command}`, ...args } = {},
      { revision = '*', idempotencyKey } = {},
    ) {
      return ask(
        'POST',
        `rollouts/${key}/commands`,
        { command, reason, ...args },
        {
          ...(revision !== undefined && { 'If-Match': revision === '*' ? '*' : `"${revision}"` }),
          ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }),
        },
      );
    },

    /**
     * The same, of which nothing else than success is expected: `{ rollout, entry, moves }`.
     * @param {string} key
     * @param {string} command
     * @param {Record<string, any>} [args]
     * @param {CommandOptions} [options]
     */
    async orders(key, command, args, options) {
      return granted(await this.command(key, command, args, options));
    },

    /** Plans as `tidegate compile` prints them. */
    apply: async (rollouts, options = {}) =>
      granted(await ask('PUT', 'plans', { rollouts, reason: `${name} applies`, ...options })),

    /** Every entry, from the first to the last, with the server's words for what led to it. */
    async history(key) {
      const entries = [];
      for (let before; before !== null; ) {
        const page = granted(
          await ask(
            'GET',
            `rollouts/${key}/history?limit=${PAGE_ENTRIES}${before === undefined ? '' : `&before=${before}`}`,
          ),
        );
        const explained = new Map(page.explanations.map((one) => [one.revision, one]));
        entries.push(...page.entries.map((entry) => ({ ...entry, ...explained.get(entry.revision) })));
        before = page.before;
      }
      return entries.reverse();
    },
  };
}

/** The body of an answer that grants what was asked. */
export function granted({ status, body, text }) {
  assert.equal(status, 200, text);
  return body;
}

/**
 * Opens a gate whose controller holds these plans, each of their rollouts started and set to `percentage`.
 * @param {any[]} plans
 * @param {GateOptions & { percentage?: number }} [options]
 */
export async function openControlled(plans, { percentage, ...options } = {}) {
  const gate = await openGate(options);
  try {
    const ana = operator(gate);
    await ana.apply(gate.compiled(plans));
    for (const { key } of plans) {
      await ana.orders(key, 'start');
      if (percentage !== undefined) await ana.orders(key, 'set', { percentage });
    }
    return gate;
  } catch (error) {
    await gate.close().catch(() => undefined);
    throw error;
  }
}

/**
 * What an isolate tells a user: `new bucketed`, `legacy killed`.
 * @param {Pick<Isolate, 'fetch'>} isolate
 * @param {string} key
 * @param {{ id?: string, agent?: http.Agent }} [user]
 */
export async function assigned(isolate, key, { id = 'ana', agent } = {}) {
  const { get } = await isolate.fetch(`/${key}/page`, { headers: { 'x-user-id': id }, agent });
  return `${get('tidegate-variant')} ${get('tidegate-reason')}`;
}

/**
 * The live state in KV; undefined while it is no whole one.
 * @param {Gate} gate
 * @param {string} key
 */
export async function published(gate, key) {
  try {
    const state = JSON.parse(await gate.kv.get(`stage/${key}`));
    return state?.sum === undefined ? undefined : state;
  } catch {
    return undefined;
  }
}

/**
 * Asserts what holds of every history: revisions without gap or double, a KV that ends at the
 * last entry, a state that is that entry's, and a replay that finds nothing. Returns the entries.
 * @param {Gate} gate
 * @param {string} key
 */
export async function audit(gate, key) {
  const ana = operator(gate);
  let rollout;
  const { state } = await until(
    async () => {
      rollout = await ana.rollout(key);
      return (
        rollout.published.is_current && (await published(gate, key))?.revision === rollout.state.revision && rollout
      );
    },
    () =>
      `KV to hold the state of ${key}: ${JSON.stringify({ published: rollout.published, state: rollout.state, faults: rollout.faults, held: gate.kv.versions?.(`stage/${key}`).slice(-3) })}`,
    ADOPTED_MS,
  );
  const entries = await ana.history(key);
  assert.deepEqual(
    entries.map(({ revision }) => revision),
    entries.map((_, index) => entries[0].revision + index),
    `the revisions of ${key}`,
  );
  assert.deepEqual(entries.at(-1).state, state, `the state of ${key}`);
  await replay(gate, key);
  return entries;
}

/** Lets the command replay a history against its hashes and states. */
async function replay(gate, key) {
  const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.vic };
  const run = promisify(execFile)(CLI, ['history', key, '--verify', '--json'], { env, maxBuffer: 1 << 26 });
  await run.catch(({ code, stdout, stderr }) =>
    assert.fail(`tidegate history ${key} --verify ended with ${code}: ${stderr}${stdout.slice(-500)}`),
  );
}

/**
 * Users of one rollout at every isolate, each asking every `everyMs`. `reaches` resolves when all of
 * them get `outcome`, with the milliseconds since `from` after which each was, for good.
 * @param {Gate} gate
 * @param {string} key
 * @param {{ everyMs?: number }} [options]
 */
export function traffic(gate, key, { everyMs = 100 } = {}) {
  const agent = new http.Agent({ keepAlive: true });
  const users = gate.isolates.map((isolate) => ({ isolate, outcome: undefined, since: 0, story: [] }));
  let stopped = false;
  const ask = async (user) => {
    while (!stopped) {
      const started = performance.now();
      const outcome = await assigned(user.isolate, key, { agent }).catch((error) => error.message);
      if (outcome !== user.outcome) {
        Object.assign(user, { outcome, since: performance.now() });
        user.story.push(outcome);
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs - (performance.now() - started)));
    }
  };
  const asking = users.map(ask);
  return {
    /** How often users got something else than the time before, in all. */
    get turns() {
      return users.reduce((sum, { story }) => sum + story.length, 0);
    },
    /** What each was reported, each time that it was something else. */
    stories: () => users.map(({ story }) => story),
    async reaches(outcome, from = performance.now(), timeoutMs = 60_000) {
      const show = () =>
        `every isolate to say ${outcome} of ${key}, they say ${users.map((user) => user.outcome).join(', ')}`;
      await until(() => users.every((user) => user.outcome === outcome), show, timeoutMs);
      return users.map(({ since }) => Math.max(0, since - from));
    },
    async stop() {
      stopped = true;
      await Promise.all(asking);
      agent.destroy();
    },
  };
}
