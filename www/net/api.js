// Asks the API. Whatever happens, the answer has the same shape; a network failure is a problem like
// any other, with status 0.

/** @import { Problem } from '../state/events.js' */
/**
 * What became of a request. `body` is there where it is `ok`, `problem` where it is not.
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {number} status 0 where there was no answer
 * @property {any} [body] what the API's description says of the path
 * @property {string | null} [etag]
 * @property {Problem} [problem]
 * @property {boolean} [isAborted] the caller did not want it any more
 */

const TIMEOUT_MS = 8_000;

/**
 * @param {string} method
 * @param {string} path under `/_tidegate/api/`
 * @param {{ body?: unknown, ifMatch?: string, idempotencyKey?: string, signal?: AbortSignal, timeoutMs?: number }} [options]
 * @returns {Promise<Answer>}
 */
export async function request(method, path, options = {}) {
  const { body, ifMatch, idempotencyKey, signal, timeoutMs = TIMEOUT_MS } = options;
  const limit = limited(signal, timeoutMs);
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
  try {
    const response = await fetch(`api/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'manual',
      signal: limit.signal,
    });
    return await read(response);
  } catch {
    if (signal?.aborted) return { ok: false, status: 0, isAborted: true, problem: UNREACHABLE };
    return { ok: false, status: 0, problem: limit.isOver() ? SILENT : UNREACHABLE };
  } finally {
    limit.end();
  }
}

/**
 * A signal that ends with the caller's, or when the time is over.
 * @param {AbortSignal | undefined} signal
 * @param {number} timeoutMs
 */
function limited(signal, timeoutMs) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    abort();
  }, timeoutMs);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return {
    signal: controller.signal,
    isOver: () => isOver,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

/**
 * The last word of a problem's type, by which one decides.
 * @param {Problem} [problem]
 */
export const kindOf = (problem) => problem?.type?.split(':').at(-1) ?? '';

/** @type {Problem} */
const UNREACHABLE = {
  type: 'urn:tidegate:problem:unreachable',
  title: 'Not reachable',
  status: 0,
  detail: 'the deployment cannot be reached from this browser',
  help: 'check the network connection; the site itself goes on without the console',
};

/** @type {Problem} */
const SILENT = {
  ...UNREACHABLE,
  title: 'No answer',
  detail: `the deployment has not answered within ${TIMEOUT_MS / 1_000} s`,
};

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function read(response) {
  const text = await response.text();
  const parsed = parse(text);
  if (isAskedToSignIn(response, parsed)) return { ok: false, status: ACCESS_ENDED.status, problem: ACCESS_ENDED };
  const answer = { ok: response.ok, status: response.status, etag: response.headers.get('etag') };
  if (response.ok && (parsed !== undefined || text === '')) return { ...answer, body: parsed ?? null };
  return { ...answer, ok: false, problem: parsed?.detail ? parsed : unreadable(response) };
}

/** @param {string} text */
function parse(text) {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether something in front of Tidegate wants a sign-in before it lets anything through: the API itself redirects
 * nowhere, and its refusals are JSON.
 * @param {Response} response
 * @param {any} parsed
 */
const isAskedToSignIn = (response, parsed) =>
  response.type === 'opaqueredirect' || ([401, 403].includes(response.status) && !parsed?.detail);

/** The problems that end a session; those that only a new sign-in at Cloudflare Access mends. */
export const OF_ACCESS = ['access-ended', 'access-refused'];

/** @type {Problem} */
const ACCESS_ENDED = {
  type: 'urn:tidegate:problem:access-ended',
  title: 'Sign in again',
  status: 401,
  detail: 'what stands in front of Tidegate, such as Cloudflare Access, asks for a sign-in; nothing was done',
  help: 'load this page again: you are asked to sign in, and come back here',
};

/** @param {Response} response */
const unreadable = ({ status }) => ({
  type: 'urn:tidegate:problem:unreadable',
  title: 'An answer that is none',
  status,
  detail: `something between this browser and Tidegate has answered with status ${status}`,
  help: 'if it stays so, look at what stands in front of the worker',
});
