// A KV namespace under the test's control. workerd's own KV client talks to it over HTTP, exactly as
// it talks to Miniflare's store; unlike that one, it can fail, hang, and tell what was read.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The Miniflare binding that makes `name` a KV namespace kept by the server on `port`. */
export const kvBinding = (name, port) => ({
  name, type: 'kv', plugin: { package: fileURLToPath(import.meta.url), name: 'stub-kv' }, options: { port },
});

/** What Miniflare loads from this file: it binds a namespace to a server outside workerd. */
export const plugins = {
  'stub-kv': {
    options: { parse: (options) => options },
    async getBindings(bindings = []) {
      return bindings.map(({ name, options }) => ({ name, kvNamespace: { name: `stub-kv:${options.port}` } }));
    },
    async getNodeBindings() { return {}; },
    async getServices({ options: bindings = [] }) {
      return bindings.map(({ options }) => ({
        name: `stub-kv:${options.port}`,
        external: { address: `127.0.0.1:${options.port}`, http: {} },
      }));
    },
  },
};

/**
 * Starts the server. `mode` is `ok`, `error` (each read answers 500) or `hang` (none answers), and
 * every answer comes `delayMs` late.
 */
export async function startKv() {
  const store = new Map();
  const reads = [];
  const kv = {
    mode: 'ok',
    delayMs: 0,
    reads,
    async put(key, text) { store.set(key, Buffer.from(text)); },
    async delete(key) { store.delete(key); },
    async get(key) { return store.get(key)?.toString() ?? null; },
    async clear() { store.clear(); Object.assign(kv, { mode: 'ok', delayMs: 0 }); },
  };

  const server = http.createServer(async (req, res) => {
    const url = new URL(req.url, 'http://kv');
    const key = decodeURIComponent(url.pathname.slice(1));
    const body = Buffer.concat(await req.toArray());
    if (kv.delayMs > 0) await sleep(kv.delayMs);
    const isBulk = req.method === 'POST' && key === 'bulk/get';
    if (kv.mode !== 'ok') {
      reads.push(...(isBulk ? JSON.parse(body).keys : [key]));
      if (kv.mode === 'error') res.writeHead(500).end('the store is down');
      return;
    }
    if (req.method === 'PUT') {
      store.set(key, body);
      return void res.end();
    }
    if (req.method === 'DELETE') {
      store.delete(key);
      return void res.end();
    }
    if (isBulk) {
      const { keys, type } = JSON.parse(body);
      reads.push(...keys);
      const read = (k) => {
        const text = store.get(k)?.toString() ?? null;
        return text !== null && type === 'json' ? JSON.parse(text) : text;
      };
      return void res.end(JSON.stringify(Object.fromEntries(keys.map((k) => [k, read(k)]))));
    }
    if (key === '') {
      const prefix = url.searchParams.get('prefix') ?? '';
      reads.push(`${prefix}...`);
      const keys = [...store.keys()].filter((name) => name.startsWith(prefix)).sort().map((name) => ({ name }));
      return void res.end(JSON.stringify({ keys, list_complete: true, cacheStatus: null }));
    }
    reads.push(key);
    const found = store.get(key);
    if (found === undefined) return void res.writeHead(404).end('Not Found');
    res.end(found);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  kv.port = server.address().port;
  kv.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return kv;
}
