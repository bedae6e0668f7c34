// The built worker in workerd, on a plain HTTP port of this machine, which browsers trust as they
// trust HTTPS. (The gate of tests/edge takes a proxy's requests.)
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { COMMAND } from '../../scripts/command.mjs';
import { workerConfig } from '../../scripts/dev/config.mjs';
import { Miniflare } from '../miniflare.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILD = process.env.TIDEGATE_BUILD ?? join(ROOT, 'build/worker');
export const CRASH = /panicked at|RuntimeError|unreachable executed/;

/** Starts the gate with a plan (TOML) and a percentage for the rollout `key`. */
export async function openGate({ key, plan, percentage }) {
  const logs = [];
  const miniflare = new Miniflare({
    ...workerConfig(join(ROOT, 'wrangler.toml')),
    kvNamespaces: ['ROLLOUTS'],
    // Led through KV alone: a controller takes the same number within two minutes for an echo.
    durableObjects: {},
    name: 'gate',
    modules: workerModules(),
    bindings: { SIGNING_KEY: 'a key for the tests, 32 bytes or more' },
    cf: false,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    handleRuntimeStdio: (...streams) => {
      for (const stream of streams) createInterface(stream).on('line', (line) => logs.push(line));
    },
  });
  const kv = await miniflare.getKVNamespace('ROLLOUTS');
  await kv.put('plans', compile(plan));
  await kv.put(`stage/${key}`, String(percentage));
  const { origin } = await miniflare.unsafeGetDirectURL('gate');

  return {
    origin,
    /** Whether a file is in the worker's cache. */
    async isKept(key) {
      const cache = await (await miniflare.getCaches()).open('tidegate-kept');
      const found = await cache.match(key);
      await found?.arrayBuffer();
      return found !== undefined;
    },
    setPercentage: (next) => kv.put(`stage/${key}`, String(next)),
    async close() {
      await miniflare.dispose();
      assert.deepEqual(
        logs.filter((line) => CRASH.test(line)),
        [],
        'the worker never panics',
      );
    },
  };
}

export function workerModules() {
  const entry = join(BUILD, 'index.js');
  assert.ok(existsSync(entry), `there is no worker at ${entry}: build it first (make build)`);
  const wasm = readdirSync(BUILD).filter((name) => name.endsWith('.wasm'));
  return [
    { type: 'ESModule', path: 'index.js', contents: readFileSync(entry, 'utf8') },
    ...wasm.map((name) => ({ type: 'CompiledWasm', path: name, contents: readFileSync(join(BUILD, name)) })),
  ];
}

/** The plan as the KV key `plans` holds it. */
export function compile(plan) {
  const scratch = mkdtempSync(join(tmpdir(), 'tidegate-browser-'));
  try {
    writeFileSync(join(scratch, 'plan.toml'), plan);
    return execFileSync(COMMAND, ['compile', join(scratch, 'plan.toml')], { encoding: 'utf8' });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
