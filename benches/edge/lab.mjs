// What the benchmark stands on: an upstream, a load generator, KV and the controllers in processes of their own, all
// workers in one workerd, and the CPU time of that workerd.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Miniflare } from 'miniflare';
import { kvBinding, startKv } from '../../tests/edge/kv.mjs';

const CONCURRENCY = 8;

const child = (name) =>
  fork(fileURLToPath(new URL(name, import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

/** The time that all threads of a process spent on a CPU; `stat` would count it in steps of 10 ms. */
function cpuMicros(pid) {
  const nanos = readdirSync(`/proc/${pid}/task`).map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanos.reduce((sum, thread) => sum + thread, 0) / 1e3;
}

function workerdPids() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'workerd');
}

const LISTEN = { host: '127.0.0.1', port: 0 };

/** Passes calls on to the controller of its own process. */
const CLERK = `export default {
  async fetch(request, env) {
    const controller = env.CONTROLLER.get(env.CONTROLLER.idFromName('tidegate'));
    const what = new URL(request.url).pathname.slice(1);
    return new Response(await controller[what](await request.text()));
  },
};`;

/** Stands for the binding of a Durable Object that lives in another process. */
const remote = (url) => `export default () => {
  const ask = (what) => async (text) => {
    const response = await fetch(${JSON.stringify(url)} + what, { method: 'POST', body: text });
    if (!response.ok) throw new Error(await response.text());
    return response.text();
  };
  return { idFromName: (name) => name, get: () => ({ flush: ask('flush'), call: ask('call') }) };
};`;

export class Lab {
  /** @type {Awaited<ReturnType<typeof startKv>> | undefined} */
  kv;
  /** @type {import('node:child_process').ChildProcess} */
  upstream;
  /** @type {import('node:child_process').ChildProcess} */
  load;
  /** @type {{ legacy: string, new: string }} */
  origins;
  /** @type {Miniflare | undefined} */
  controllers;
  #view = 0;

  /** `kv`: `outside`, a server in this process, or `inside`, Miniflare's own in the measured workerd. */
  static async open({ kv }) {
    const lab = new Lab();
    if (kv === 'outside') lab.kv = await startKv();
    lab.upstream = child('upstream.mjs');
    const [ports] = await once(lab.upstream, 'message');
    lab.origins = { legacy: `http://127.0.0.1:${ports.legacy}`, new: `http://127.0.0.1:${ports.new}` };
    lab.load = child('load.mjs');
    return lab;
  }

  /**
   * Starts `workers`, `{ name: Miniflare's options }`, each behind a listening socket of its own. With
   * `isControllerOutside`, their Durable Objects run in a workerd of their own, as in production.
   */
  async start(workers, platform, { isControllerOutside = false } = {}) {
    const shared = ({ compatibilityDate, compatibilityFlags }, name, options) => ({
      name,
      compatibilityDate,
      compatibilityFlags,
      ...options,
      ...(this.kv && {
        kvNamespaces: [],
        unsafeBindings: options.kvNamespaces?.map((binding) => kvBinding(binding, this.kv.port)),
      }),
    });
    const known = new Set(workerdPids());
    const wrapped = isControllerOutside ? await this.#startControllers(workers, platform, shared) : {};
    for (const pid of workerdPids()) known.add(pid);
    this.miniflare = new Miniflare({
      cf: false,
      workers: [
        ...Object.entries(workers).map(([name, options]) => ({
          ...shared(platform, name, options),
          ...(wrapped[name] && { durableObjects: {}, wrappedBindings: { CONTROLLER: `remote-${name}` } }),
          // Miniflare's entry worker and its filter for outbound headers are JavaScript workers too:
          // left in, they would raise the price of the pass-through, and so lower every ratio to it.
          unsafeDirectSockets: [LISTEN],
          stripCfConnectingIp: false,
        })),
        ...Object.values(wrapped),
      ],
    });
    await this.miniflare.ready;
    this.workerd = workerdPids().find((pid) => !known.has(pid));
    this.urls = {};
    for (const name of Object.keys(workers)) this.urls[name] = await this.miniflare.unsafeGetDirectURL(name);
  }

  /** The workers that stand for the controllers' bindings, by name of their worker. */
  async #startControllers(workers, platform, shared) {
    const owners = Object.entries(workers).filter(([, { durableObjects }]) => durableObjects?.CONTROLLER);
    if (owners.length === 0) return {};
    this.controllers = new Miniflare({
      cf: false,
      workers: owners.flatMap(([name, options]) => [
        shared(platform, name, options),
        {
          ...shared(platform, `clerk-${name}`, {}),
          modules: [{ type: 'ESModule', path: 'clerk.mjs', contents: CLERK }],
          durableObjects: {
            CONTROLLER: { ...options.durableObjects.CONTROLLER, scriptName: name },
          },
          unsafeDirectSockets: [LISTEN],
        },
      ]),
    });
    await this.controllers.ready;
    const stands = {};
    for (const [name] of owners) {
      const url = (await this.controllers.unsafeGetDirectURL(`clerk-${name}`)).href;
      stands[name] = {
        name: `remote-${name}`,
        modules: [{ type: 'ESModule', path: 'remote.mjs', contents: remote(url) }],
      };
    }
    return stands;
  }

  /** Writes `values` into a worker's KV. */
  async put(name, binding, values) {
    const kv = this.kv ?? (await this.miniflare.getKVNamespace(binding, name));
    for (const [key, value] of Object.entries(values)) await kv.put(key, value);
  }

  /**
   * Sends the documents, or all requests, of so many page views to a worker; the µs of CPU in workerd, and of time,
   * that each request took, and how long half of the answers took at most, and 99 of 100. Every view is another one, and `views` the same for all workers of a round.
   * @param {string} name
   * @param {{ kind: 'documents' | 'views', views: number, requests: number, first?: number }} work
   */
  async measure(name, { kind, views, requests, first = (this.#view += views) }) {
    const before = cpuMicros(this.workerd);
    this.load.send({ port: Number(this.urls[name].port), kind, first, views, concurrency: CONCURRENCY });
    const [{ micros, half, most, error }] = await once(this.load, 'message');
    if (error) throw new Error(`${name}: ${error}`);
    return { cpu: (cpuMicros(this.workerd) - before) / requests, time: micros / requests, half, most };
  }

  /** The CPU that workerd has taken since its start, in ms. */
  cpuMs() {
    return cpuMicros(this.workerd) / 1e3;
  }

  /** What workerd has in memory, in MB. */
  residentMb() {
    const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.workerd}/status`, 'utf8'));
    return Number(pages[1]) / 1024;
  }

  /** Ends the workerd; another one may start. */
  async stop() {
    await this.miniflare?.dispose();
    await this.controllers?.dispose();
    [this.miniflare, this.controllers] = [undefined, undefined];
  }

  async close() {
    this.upstream.disconnect();
    this.load.disconnect();
    await this.stop();
    await this.kv?.close();
  }
}
