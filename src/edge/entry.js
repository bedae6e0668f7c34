// The worker's entry: asks the wasm module what to do, does it, and outlives the module.
//
// worker-build's own entry wraps each request in two Proxies, an eighth of the CPU that a bare
// proxy takes. What it does for a module like ours is done in module.js.

import { bytes, readEdits, shapeOf } from './border.js';
import {
  answer,
  bound,
  discard,
  Late,
  pathOf,
  readRequest,
  readResponse,
  send,
  Upload,
  urlOf,
  watched,
} from './http.js';
import { keep, recall } from './kept.js';
import { module, noteTrap } from './module.js';
import { copied, spareBody } from './shadow.js';

export { Controller } from './controller.js';

/** @type {ExportedHandler<Env>} */
export default {
  async fetch(request, env, context) {
    let url;
    try {
      url = urlOf(request);
    } catch {
      return sentence(400, 'unreadable', 'The request could not be read.');
    }
    try {
      const answer = await serve(module(), url, request, env, context);
      tellCounts(env, context);
      return answer;
    } catch (error) {
      noteTrap('proxy', error);
      return withoutGate(request, env);
    }
  },
};

/** @import { Env, Gate } from '../../types/edge.js' */
/** @import { Edit } from './border.js' */

const KV_DUE = 1,
  CONTROLLER_DUE = 2;

/**
 * @param {Gate} gate
 * @param {string} url
 * @param {Request} request
 * @param {Env} env
 * @param {ExecutionContext} context
 * @returns {Promise<Response>}
 */
async function serve(gate, url, request, env, context) {
  let step = gate.start(bytes(readRequest(request, url, gate)), request, env, false, Date.now());
  if (step?.startsWith('own')) return gate.fetch(new Request(step.slice(4) || url, request), env);
  if (step === 'wait') {
    const waitUntil = (promise) => context.waitUntil(promise.catch(() => {}));
    // All of it: only what is read now says what is needed.
    const text = readRequest(request, url);
    await gate.prepare(env, bytes(text), request, waitUntil);
    step = gate.start(bytes(text), request, env, true, Date.now());
  }
  const first = stepOf(gate, step, pathOf(url));
  const due = gate.workDue(Date.now());
  if (due & KV_DUE) context.waitUntil(gate.refresh(env));
  if (due & CONTROLLER_DUE) context.waitUntil(gate.flush(env));
  return follow(gate, first, request, env, context);
}

/**
 * Behind an answer: what was counted of it is reported, unless that is under way.
 * @param {Env} env
 * @param {ExecutionContext} context
 */
function tellCounts(env, context) {
  try {
    const gate = module();
    if (gate.countsDue(Date.now())) context.waitUntil(gate.flush(env));
  } catch (error) {
    noteTrap('counts', error);
  }
}

/**
 * The words of a step up to its last one, which may hold line feeds.
 * @param {string} step
 * @param {number} count
 */
function words(step, count) {
  const words = [];
  let at = 0;
  for (let n = 1; n < count; n += 1) {
    const end = step.indexOf('\n', at);
    words.push(step.slice(at, end < 0 ? undefined : end));
    at = end < 0 ? step.length : end + 1;
  }
  words.push(step.slice(at));
  return words;
}

/**
 * What is to be done next: a step's kind, its text where that is none of the two that every request takes, and what is
 * done beside it.
 * @typedef {{ kind: string, text: string, number: number, ask?: Ask, answer?: Answer, aside?: string }} Step
 * @typedef {{ url: string, service: string, timeoutMs: number, edits: string | Edit[] }} Ask
 * @typedef {{ which: string, watchMs: number, edits: string | Edit[] }} Answer
 */

/**
 * Reads a step, at once: what the module has named by numbers stands until it names the next one.
 * @param {Gate} gate
 * @param {string | undefined} text
 * @param {string} path
 * @returns {Step}
 */
function stepOf(gate, text, path) {
  if (text === undefined) return shaped(gate, path);
  const end = text.indexOf('\n');
  const kind = text.slice(0, end);
  if (kind === 'spare' || kind === 'copy') return { ...stepOf(gate, text.slice(end + 1), path), aside: kind };
  if (kind === 'ask') {
    const [, id, timeoutMs, service, url, edits] = words(text, 6);
    return { kind, text, number: Number(id), ask: { url, service, timeoutMs: Number(timeoutMs), edits } };
  }
  if (kind === 'answer' || kind === 'keep') {
    const [, id, watchMs, which, edits] = words(text, 5);
    return { kind, text, number: Number(id), answer: { which, watchMs: Number(watchMs), edits } };
  }
  return { kind, text, number: 0 };
}

/**
 * @param {Gate} gate
 * @param {string} path
 * @returns {Step}
 */
function shaped(gate, path) {
  const shape = shapeOf(gate);
  const { kind, edits } = shape;
  const step = { kind, text: '', number: gate.number() };
  if (kind === 'ask') {
    const { base, service, timeoutMs } = shape;
    return { ...step, ask: { url: base + path, service, timeoutMs, edits } };
  }
  const { which, watchMs, hasOwn } = shape;
  const own = hasOwn ? readEdits(gate.own().split('\n')) : [];
  return { ...step, answer: { which, watchMs, edits: hasOwn ? [...edits, ...own] : edits } };
}

/**
 * Does one step after the other; the last one makes the response.
 * @param {Gate} gate
 * @param {Step} step
 * @param {Request} request
 * @param {Env} env
 * @param {ExecutionContext} context
 * @returns {Promise<Response>}
 */
async function follow(gate, step, request, env, context) {
  let last, before, kept, number, spare;
  let isCopied = false;
  const upload = new Upload();
  // A client that leaves takes its request with it, so what it leaves behind is noted here and now.
  let isOpen = true;
  request.signal?.addEventListener('abort', () => {
    try {
      if (isOpen && number) gate.left(number, upload.isSent, Date.now());
    } catch (error) {
      noteTrap('left', error);
    }
    isOpen = false;
  });
  for (;;) {
    const { text } = step;
    if (step.aside === 'spare') spare = spareBody(request);
    isCopied ||= step.aside === 'copy';
    switch (step.kind) {
      case 'ask': {
        const { url, service, timeoutMs, edits } = /** @type {Ask} */ (step.ask);
        number = step.number;
        before = last;
        let error;
        try {
          last = await send(upload.to(url, request, edits), service && bound(env, service), timeoutMs, upload);
        } catch (caught) {
          last = undefined;
          error = caught;
        }
        if (!isOpen) return last ?? sentence(499, 'left', 'The client has left.');
        const next = last
          ? gate.answered(number, bytes(readResponse(last, request.url, gate)), Date.now())
          : gate.failed(number, reasonOf(error, upload), error?.message ?? String(error), Date.now());
        step = stepOf(gate, next, '');
        break;
      }
      case 'recall': {
        const [, id, key] = words(text, 3);
        number = Number(id);
        kept = await recall(key, env);
        if (!isOpen) return kept ?? sentence(499, 'left', 'The client has left.');
        const next = kept
          ? gate.answered(number, bytes(readResponse(kept, request.url, gate)), Date.now())
          : gate.failed(number, 'absent', 'nothing was kept', Date.now());
        step = stepOf(gate, next, '');
        break;
      }
      case 'keep':
      case 'answer': {
        isOpen = false;
        const { which, watchMs, edits } = /** @type {Answer} */ (step.answer);
        if (step.kind === 'keep') context.waitUntil(keep(gate, step.number, env));
        // The module names an answer that has come.
        let taken = /** @type {Response} */ (chosen(which, last, before, kept));
        if (isCopied) taken = copied(gate, taken, step.number, request, spare, env, context);
        return edited(gate, taken, edits, step.number, watchMs, context);
      }
      case 'untouched':
        isOpen = false;
        return (
          chosen(words(text, 2)[1], last, before, kept) ??
          sentence(502, 'no_config', 'The site did not answer. Please try again.')
        );
      case 'unregister': {
        isOpen = false;
        discardAll(last, before);
        const [, reason, script] = words(text, 3);
        return unregistering(reason, script, request.method);
      }
      default: {
        isOpen = false;
        discardAll(last, before);
        const [, status, reason, said] = words(text, 4);
        return sentence(Number(status), reason, said);
      }
    }
  }
}

/**
 * @param {unknown} error
 * @param {Upload} upload
 */
function reasonOf(error, upload) {
  if (upload.isUnderWay()) return 'unsent';
  return error instanceof Late ? 'timeout' : 'unreachable';
}

/**
 * A service worker's script that unregisters it, whatever its scope was.
 * @param {string} reason
 * @param {string} script
 * @param {string} method
 */
function unregistering(reason, script, method) {
  const headers = {
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'no-store',
    'service-worker-allowed': '/',
    'tidegate-reason': reason,
  };
  return new Response(method === 'HEAD' ? null : script, { headers });
}

/** @param {(Response | undefined)[]} answers */
const discardAll = (...answers) => answers.forEach((answer) => answer && discard(answer));

/**
 * The answer that is passed on; the others are released.
 * @param {string} which
 * @param {Response | undefined} last
 * @param {Response | undefined} before
 * @param {Response | undefined} kept
 */
function chosen(which, last, before, kept) {
  const taken = which === 'last' ? last : which === 'before' ? before : kept;
  for (const other of [last, before, kept]) if (other && other !== taken) discard(other);
  return taken;
}

/**
 * The answer with its edits, or as it is where the runtime refuses to copy it. A page is read a second time
 * beside its reader, to see that it ends as it should and what is in it.
 * @param {Gate} gate
 * @param {Response} response
 * @param {string | Edit[]} edits
 * @param {number} number
 * @param {number} watchMs
 * @param {ExecutionContext} context
 */
function edited(gate, response, edits, number, watchMs, context) {
  if (watchMs > 0 && response.body === null) gate.bodiless(number, response.status, Date.now());
  if (watchMs === 0 || response.body === null) return marked(response, edits, response.body);
  const [body, copy] = response.body.tee();
  context.waitUntil(
    watched(copy, response, watchMs)
      .then(({ isWhole, page }) => gate.ended(number, isWhole, page, Date.now()))
      .catch((error) => noteTrap('page', error)),
  );
  return marked(response, edits, body);
}

/**
 * @param {Response} response
 * @param {string | Edit[]} edits
 * @param {ReadableStream | null} body
 */
function marked(response, edits, body) {
  try {
    return answer(response, edits, body);
  } catch {
    return body === response.body ? response : new Response(body, response);
  }
}

/**
 * Whether an address is under `/_tidegate/`, or on the console's own host; the module's rules are not to be had.
 * @param {URL} url
 * @param {Env} env
 */
function isOwn({ pathname, host, hostname }, env) {
  const own = String(env.CONSOLE_HOST ?? '')
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
  return /^\/_tidegate(\/|$)/.test(pathname) || own === host || own === hostname;
}

/**
 * @param {number} status
 * @param {string} reason
 * @param {string} text
 * @param {Record<string, string>} [more] headers
 */
function sentence(status, reason, text, more = {}) {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'tidegate-reason': reason,
    ...more,
  };
  return new Response(`${text}\n`, { status, headers });
}

/**
 * The user's request never fails because of Tidegate, not even of its crash. What is Tidegate's own goes
 * nowhere else: it brings tokens and sessions.
 * @param {Request} request
 * @param {Env} env
 */
function withoutGate(request, env) {
  if (isOwn(new URL(request.url), env))
    return sentence(503, 'restarting', 'Tidegate starts anew. Please try again.', { 'retry-after': '1' });
  if (!env.FALLBACK_UPSTREAM || request.bodyUsed)
    return sentence(503, 'no_config', 'The site is not available. Please try again.');
  const { pathname, search, host, protocol } = new URL(request.url);
  const upstream = new Request(env.FALLBACK_UPSTREAM.replace(/\/$/, '') + pathname + search, request);
  // Here, without the module's rules, whatever only a proxy may say is taken away.
  const claims =
    /^(tidegate-|x-forwarded|x-original-|x-rewrite-url$|forwarded$|x-real-ip$|true-client-ip$|x-client-ip$|x-cluster-client-ip$|client-ip$|x-host$|x-http-host-override$|x-url-scheme$|x-scheme$|front-end-https$)/;
  for (const name of [...upstream.headers.keys()].filter((name) => claims.test(name.replaceAll('_', '-'))))
    upstream.headers.delete(name);
  upstream.headers.set('x-forwarded-for', request.headers.get('cf-connecting-ip') ?? '');
  upstream.headers.set('x-forwarded-host', host);
  upstream.headers.set('x-forwarded-proto', protocol.slice(0, -1));
  return fetch(upstream);
}
