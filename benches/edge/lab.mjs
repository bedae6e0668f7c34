// What the benchmark stands on: an upstream and a load generator in processes of their own, all
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

function workerdPid() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'workerd');
}

export class Lab {
  /** @type {Awaited<ReturnType<typeof startKv>> | undefined} */
  kv;
  /** @type {import('node:child_process').ChildProcess} */
  upstream;
  /** @type {import('node:child_process').ChildProcess} */
  load;
  /** @type {{ legacy: string, new: string }} */
  origins;

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

  /** Starts `workers`, `{ name: Miniflare's options }`, each behind a listening socket of its own. */
  async start(workers, { compatibilityDate, compatibilityFlags }) {
    this.miniflare = new Miniflare({
      cf: false,
      workers: Object.entries(workers).map(([name, options]) => ({
        name,
        compatibilityDate,
        compatibilityFlags,
        ...options,
        ...(this.kv && {
          kvNamespaces: [],
          unsafeBindings: options.kvNamespaces?.map((binding) => kvBinding(binding, this.kv.port)),
        }),
        // Miniflare's entry worker and its filter for outbound headers are JavaScript workers too:
        // left in, they would raise the price of the pass-through, and so lower every ratio to it.
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        stripCfConnectingIp: false,
      })),
    });
    await this.miniflare.ready;
    this.workerd = workerdPid();
    this.urls = {};
    for (const name of Object.keys(workers)) this.urls[name] = await this.miniflare.unsafeGetDirectURL(name);
  }

  /** Writes `values` into a worker's KV. */
  async put(name, binding, values) {
    const kv = this.kv ?? (await this.miniflare.getKVNamespace(binding, name));
    for (const [key, value] of Object.entries(values)) await kv.put(key, value);
  }

  /** Sends `requests` to a worker; the µs of CPU in workerd, and of time, that one took. */
  async measure(name, requests) {
    const before = cpuMicros(this.workerd);
    this.load.send({ port: Number(this.urls[name].port), requests, concurrency: CONCURRENCY });
    const [{ micros, error }] = await once(this.load, 'message');
    if (error) throw new Error(`${name}: ${error}`);
    return { cpu: (cpuMicros(this.workerd) - before) / requests, time: micros / requests };
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
    this.miniflare = undefined;
  }

  async close() {
    this.upstream.disconnect();
    this.load.disconnect();
    await this.stop();
    await this.kv?.close();
  }
}
