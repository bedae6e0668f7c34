// A whole deployment for a browser: the built worker in workerd with its controller, KV, tokens and
// static assets, on a plain HTTP port of this machine.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { workerConfig } from '../../scripts/dev/config.mjs';
import { Miniflare } from '../miniflare.mjs';
import { withStorage } from '../storage.mjs';
import { CRASH, compile, ROOT, workerModules } from './gate.mjs';

/** The operator is `ana`, the viewer is `vic`. */
export const TOKENS = { operator: 'the token of ana', viewer: 'the token of vic' };
const entry = (name, role) => `${name}:${role}:${createHash('sha256').update(TOKENS[role]).digest('hex')}`;
const SECRETS = {
  SIGNING_KEY: 'a key for the tests, 32 bytes or more',
  BEACON_ONE_NETWORK: 'allow',
  ADMIN_TOKENS: `${entry('ana', 'operator')},${entry('vic', 'viewer')}`,
};

/**
 * Starts a deployment with these plans, each in TOML, and resolves with it.
 * - `bindings`: over the worker's own; `{ ADMIN_TOKENS: '' }` closes the API
 * - `storage`: whether there is a way into what the controller has stored (../storage.mjs)
 */
export async function openDeployment({ plans = [], bindings = {}, storage = false } = {}) {
  const logs = [];
  const miniflare = new Miniflare({
    ...workerConfig(join(ROOT, 'wrangler.toml')),
    kvNamespaces: ['ROLLOUTS'],
    name: 'gate',
    modules: storage ? withStorage(workerModules()) : workerModules(),
    bindings: { ...SECRETS, ...bindings },
    cf: false,
    stripCfConnectingIp: false,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    handleRuntimeStdio: (...streams) => {
      for (const stream of streams) createInterface(stream).on('line', (line) => logs.push(line));
    },
  });
  const { origin } = await miniflare.unsafeGetDirectURL('gate');
  const deployment = {
    origin,
    /** The console's page. */
    console: `${origin}/_tidegate/`,
    tokens: TOKENS,
    logs,
    kv: () => miniflare.getKVNamespace('ROLLOUTS'),

    /** Asks the API as the operator, and resolves with the answer's body; throws where it is refused. */
    async api(method, path, body, headers = {}) {
      const response = await fetch(`${origin}/_tidegate/api/${path}`, {
        method,
        headers: { Authorization: `Bearer ${TOKENS.operator}`, 'Content-Type': 'application/json', ...headers },
        body: body && JSON.stringify(body),
      });
      const answer = await response.json();
      if (!response.ok)
        throw Object.assign(new Error(`${method} ${path}: ${response.status} ${answer.detail}`), { problem: answer });
      return answer;
    },

    /** Gives a command that nobody has to have looked for. */
    command: (key, command, fields = {}) =>
      deployment.api(
        'POST',
        `rollouts/${key}/commands`,
        { command, reason: 'for the test', ...fields },
        { 'If-Match': '*' },
      ),

    /** Applies plans, each in TOML. */
    apply: (texts) =>
      deployment.api('PUT', 'plans', {
        rollouts: texts.flatMap((text) => JSON.parse(compile(text)).rollouts),
        reason: 'for the test',
      }),

    async close() {
      await miniflare.dispose();
      assert.deepEqual(
        logs.filter((line) => CRASH.test(line)),
        [],
        'the worker never panics',
      );
    },
  };
  try {
    if (plans.length > 0) await deployment.apply(plans);
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
  return deployment;
}
