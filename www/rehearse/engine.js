// The workers: one that checks and runs, and some more for many runs. The wasm is fetched and compiled
// once, when the page opens.

import script from 'worker:./worker.js';
import wasm from '../../build/rehearse/rehearse_bg.wasm';

/** More than these, and a laptop has nothing left for its people. */
const WORKERS_MAX = 4;

const here = (file) => new URL(file, import.meta.url);
/** Nothing but the worker's own script may be started. */
const policy = globalThis.trustedTypes?.createPolicy('tidegate', {
  createScriptURL(url) {
    if (url !== here(script).href) throw new TypeError(`${url} is not the worker's script`);
    return url;
  },
});

async function compile() {
  const answer = await fetch(here(wasm), { credentials: 'same-origin' }).catch(() => null);
  if (!answer) throw new Error('the simulation cannot be fetched: the deployment cannot be reached');
  if (!answer.ok) throw new Error(`the simulation cannot be fetched: the answer has status ${answer.status}`);
  return WebAssembly.compile(await answer.arrayBuffer());
}

function spawn(module) {
  const url = here(script).href;
  const worker = new Worker(policy ? policy.createScriptURL(url) : url);
  const open = new Map();
  let last = 0;
  const failAll = (problem) => {
    for (const job of open.values()) job.reject(new Error(problem));
    open.clear();
  };
  worker.addEventListener('message', ({ data: { id, news, answer, problem } }) => {
    const job = open.get(id);
    if (news) return job?.onNews(news);
    open.delete(id);
    if (problem === undefined) job?.resolve(answer);
    else job?.reject(new Error(problem));
  });
  worker.addEventListener('error', (event) => failAll(event.message || 'the worker cannot be started'));

  const ask = (job, asked = {}, onNews = () => {}) => {
    last += 1;
    const id = last;
    const answer = new Promise((resolve, reject) => open.set(id, { resolve, reject, onNews }));
    worker.postMessage({ id, job, ...asked });
    return { answer, stop: () => worker.postMessage({ job: 'stop', of: id }) };
  };
  const end = () => {
    worker.terminate();
    failAll('stopped');
  };
  return { ask, end, loaded: ask('load', { module }).answer };
}

/** `open()` rejects where the simulation cannot be loaded; it may be tried again. */
export async function open() {
  const module = await compile();
  const first = spawn(module);
  await first.loaded;
  return {
    check: (asked) => first.ask('check', asked).answer,
    summary: (fates) => first.ask('summary', { fates }).answer,
    /** → `{ answer, stop }`; `onNews({ progress, tracks, events })` is called with what is new. */
    run: (asked, onNews) => first.ask('run', asked, onNews),
    many: (asked, count, onFates) => many(module, asked, count, onFates),
  };
}

/** Runs with the seeds from the one asked for on, over some workers. → `{ answer, stop }` */
function many(module, asked, count, onFates) {
  const wanted = Math.min(count, WORKERS_MAX, Math.max(1, (navigator.hardwareConcurrency ?? 2) - 1));
  const workers = Array.from({ length: wanted }, () => spawn(module));
  let next = 0;
  let isStopped = false;
  async function work(worker) {
    while (next < count && !isStopped) {
      const seed = asked.settings.seed + next;
      next += 1;
      onFates(await worker.ask('live', { ...asked, settings: { ...asked.settings, seed } }).answer);
    }
  }
  const stop = () => {
    isStopped = true;
    for (const worker of workers) worker.end();
  };
  const answer = Promise.all(workers.map(work)).finally(stop);
  return { answer: answer.catch((error) => (isStopped ? undefined : Promise.reject(error))), stop };
}
