// A KV namespace under the test's control. workerd's own KV client talks to it over HTTP, exactly as
// it talks to Miniflare's store; unlike that one, it can fail, hang, be late, read stale, and tell what
// was read and written.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chance, newSeed } from './chance.mjs';

/** @import { AddressInfo } from 'node:net' */

/** The Miniflare binding that makes `name` a KV namespace kept by the server on `port`. */
export const kvBinding = (name, port) => ({
  name,
  type: 'kv',
  plugin: { package: fileURLToPath(import.meta.url), name: 'stub-kv' },
  options: { port },
});

/** What Miniflare loads from this file: it binds a namespace to a server outside workerd. */
export const plugins = {
  'stub-kv': {
    options: { parse: (options) => options },
    async getBindings(bindings = []) {
      return bindings.map(({ name, options }) => ({ name, kvNamespace: { name: `stub-kv:${options.port}` } }));
    },
    async getNodeBindings() {
      return {};
    },
    async getServices({ options: bindings = [] }) {
      return bindings.map(({ options }) => ({
        name: `stub-kv:${options.port}`,
        external: { address: `127.0.0.1:${options.port}`, http: {} },
      }));
    },
  },
};

/** @type {{ mode: 'ok' | 'error' | 'hang', delayMs: number, jitterMs: number, failRate: number, staleMs: number }} */
const WELL = { mode: 'ok', delayMs: 0, jitterMs: 0, failRate: 0, staleMs: 0 };

/**
 * Starts the server. What it returns is the namespace as a test sees it, at once and exactly; what
 * workers meet is set on it:
 * - `mode`: `ok`, `error` (each request is answered with 500) or `hang` (none is answered)
 * - `delayMs`: each answer comes this late, and up to `jitterMs` more, at random
 * - `failRate`: this share is answered with 500; half of the writes among them happen all the same
 * - `staleMs`: each read finds what the key held at a random moment between so long ago and now
 * - `chance`: where the randomness comes from (chance.mjs)
 * - `port`: where it listens
 */
export async function startKv() {
  const store = new Map();
  const reads = [];
  const set = (key, bytes) => void store.set(key, [...(store.get(key) ?? []), { at: performance.now(), bytes }]);
  const now = (key) => store.get(key)?.at(-1).bytes ?? null;
  const kv = {
    ...WELL,
    port: 0,
    /** @returns {Promise<unknown>} */
    close: async () => undefined,
    chance: chance(newSeed()),
    reads,
    async put(key, text) {
      set(key, Buffer.from(text));
    },
    async delete(key) {
      set(key, null);
    },
    async get(key) {
      return now(key)?.toString() ?? null;
    },
    async clear() {
      store.clear();
      Object.assign(kv, WELL);
    },
    /** Everything that a key held, from old to new: `{ at (of performance.now()), text }`, with a null text where it was deleted. */
    versions: (key) => (store.get(key) ?? []).map(({ at, bytes }) => ({ at, text: bytes?.toString() ?? null })),
  };

  /** What a worker reads. */
  const read = (key) => {
    if (kv.staleMs === 0) return now(key);
    const moment = performance.now() - kv.chance.next() * kv.staleMs;
    return store.get(key)?.findLast(({ at }) => at <= moment)?.bytes ?? null;
  };

  const readers = {
    /** Many keys at once. */
    bulk(res, { keys, type }) {
      const found = (key) => {
        const text = read(key)?.toString() ?? null;
        return text !== null && type === 'json' ? JSON.parse(text) : text;
      };
      res.end(JSON.stringify(Object.fromEntries(keys.map((key) => [key, found(key)]))));
    },
    list(res, prefix) {
      const keys = [...store.keys()].filter((key) => key.startsWith(prefix) && read(key) !== null).sort();
      res.end(JSON.stringify({ keys: keys.map((name) => ({ name })), list_complete: true, cacheStatus: null }));
    },
    one(res, key) {
      const found = read(key);
      if (found === null) res.writeHead(404).end('Not Found');
      else res.end(found);
    },
  };

  /** Notes what a request reads, and returns what answers it. */
  const reader = (req, key, url, body) => {
    const [noted, answer] =
      req.method === 'POST' && key === 'bulk/get'
        ? [JSON.parse(body).keys, (res) => readers.bulk(res, JSON.parse(body))]
        : key === ''
          ? [
              [`${url.searchParams.get('prefix') ?? ''}...`],
              (res) => readers.list(res, url.searchParams.get('prefix') ?? ''),
            ]
          : [[key], (res) => readers.one(res, key)];
    reads.push(...noted);
    return answer;
  };

  const server = http.createServer(async (req, res) => {
    const url = new URL(req.url, 'http://kv');
    const key = decodeURIComponent(url.pathname.slice(1));
    // A worker that is killed while it sends takes its request with it.
    const body = await req.toArray().then(Buffer.concat, () => undefined);
    if (body === undefined) return;
    const isWrite = req.method === 'PUT' || req.method === 'DELETE';
    const { mode, delayMs, jitterMs } = kv;
    const answer = isWrite ? (to) => to.end() : reader(req, key, url, body);
    const fails = mode === 'error' || (kv.failRate > 0 && kv.chance.happens(kv.failRate));
    const lateMs = delayMs + jitterMs * kv.chance.next();
    // A write happens somewhere between the request and its answer.
    const beforeMs = isWrite ? lateMs * kv.chance.next() : lateMs;
    if (beforeMs > 0) await sleep(beforeMs, undefined, { ref: false });
    // A write goes down with the worker that sent it.
    if (mode === 'hang' || req.socket.destroyed) return;
    if (isWrite && (!fails || (mode === 'ok' && kv.chance.happens(0.5)))) set(key, req.method === 'PUT' ? body : null);
    if (lateMs > beforeMs) await sleep(lateMs - beforeMs, undefined, { ref: false });
    if (fails) res.writeHead(500).end('the store is down');
    else answer(res);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  kv.port = /** @type {AddressInfo} */ (server.address()).port;
  kv.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return kv;
}
