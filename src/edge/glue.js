// What the wasm module asks of the platform. Nothing here decides anything.

/** @import { Env } from '../../types/edge.js' */

/**
 * An answer of our own; `headers` has a `name:value` on each line. The platform makes no 204 with a body.
 * @param {number} status
 * @param {string} contentType
 * @param {string} headers
 * @param {string} body
 */
export function plain(status, contentType, headers, body) {
  const [content, type] = status === 204 ? [null, {}] : [body, { 'content-type': contentType }];
  const answer = new Response(content, { status, headers: { ...type, 'cache-control': 'no-store' } });
  for (const [name, value] of lines(headers)) answer.headers.append(name, value);
  return answer;
}

/**
 * One of the worker's static assets with these headers, or undefined where there is none to be had.
 * @param {Env} env
 * @param {Request} request
 * @param {string} headers
 */
export async function asset(env, request, headers) {
  const found = await env.ASSETS?.fetch(request).catch((error) => console.error(String(error)));
  if (!found || found.status === 404) return undefined;
  const answer = new Response(found.body, found);
  for (const [name, value] of lines(headers)) answer.headers.set(name, value);
  return answer;
}

/** @param {string} headers */
const lines = (headers) =>
  headers
    .split('\n')
    .filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);

/** @param {Request} request */
export function country(request) {
  return request.cf?.country;
}

const COPY_URL = 'https://tidegate.invalid/configuration';

/** The private copy of the configuration in this place's cache, for when KV cannot be read. */
export async function loadCopy() {
  const cache = await caches.open('tidegate');
  return (await cache.match(COPY_URL))?.text();
}

/** @param {string} copy */
export async function saveCopy(copy) {
  const cache = await caches.open('tidegate');
  await cache.put(COPY_URL, new Response(copy, { headers: { 'cache-control': 'max-age=604800' } }));
}

/** @param {Env} env */
export const hasController = (env) => env.CONTROLLER !== undefined;

/**
 * The controller's object, or a relay's, which is one of the same class.
 * @param {Env} env
 * @param {string} [name]
 */
const object = (env, name = 'tidegate') => env.CONTROLLER.get(env.CONTROLLER.idFromName(name));

/**
 * @param {Promise<string>} answer
 * @param {number} ms
 */
async function within(answer, ms) {
  let timer;
  const late = new Promise(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks the controller, and waits for its answer only so long.
 * @param {Env} env
 * @param {'call' | 'flush'} what
 * @param {string} text
 * @param {number} ms
 */
export async function askController(env, what, text, ms) {
  return within(object(env)[what](text), ms);
}

/**
 * The same of a relay.
 * @param {Env} env
 * @param {string} name
 * @param {string} text
 * @param {number} ms
 */
export async function askRelay(env, name, text, ms) {
  return within(object(env, name).relay(name, text), ms);
}

/**
 * Tells a relay what it did not ask for.
 * @param {Env} env
 * @param {string} name
 * @param {string} text
 */
export async function tellRelay(env, name, text) {
  await object(env, name).news(name, text);
}

/**
 * Waits until all promises are settled, but only so long; whether they were.
 * @param {Promise<unknown>[]} promises
 * @param {number} ms
 */
export async function areSettledWithin(promises, ms) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, false)));
  const settled = Promise.allSettled(promises).then(() => true);
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The body of a request or an answer as text, or undefined where it is longer than `bytesMax`.
 * @param {Request | Response} request
 * @param {number} bytesMax
 */
export async function bodyText(request, bytesMax) {
  if (!request.body) return '';
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(await new Blob(chunks).arrayBuffer());
}

/** So long a set of published keys may be, in bytes: a hundred of them. */
const KEYS_BYTES_MAX = 1 << 18;

/**
 * The set of keys that another host publishes.
 * @param {string} url
 */
export async function fetchText(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const text = await bodyText(response, KEYS_BYTES_MAX);
  if (text === undefined) throw new Error(`the answer of ${url} is longer than ${KEYS_BYTES_MAX >> 10} KB`);
  return text;
}

/**
 * A small answer of another host, whole within a time. Redirects are not followed: the secret that goes along is
 * for this host.
 * @param {string} url
 * @param {string | undefined} authorization
 * @param {number} bytesMax
 * @param {number} msMax
 */
export async function askSource(url, authorization, bytesMax, msMax) {
  const headers = new Headers({ accept: 'application/json', 'user-agent': 'tidegate' });
  if (authorization !== undefined) headers.set('authorization', authorization);
  // The signal ends the body as well.
  const signal = AbortSignal.timeout(msMax);
  try {
    const response = await fetch(url, { headers, redirect: 'manual', signal });
    const body = await bodyText(response, bytesMax);
    if (body === undefined) throw new Error(`its answer is longer than ${bytesMax >> 10} KB`);
    return { status: response.status, body };
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${msMax / 1000} s`);
    throw error;
  }
}

const ALGORITHMS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
};

/**
 * Whether a text is signed with a key in JSON (JWK); throws where the key is not for the algorithm.
 * @param {string} jwk
 * @param {string} algorithm
 * @param {string} text
 * @param {Uint8Array} signature
 */
export async function isSigned(jwk, algorithm, text, signature) {
  const how = ALGORITHMS[algorithm];
  const key = await crypto.subtle.importKey('jwk', JSON.parse(jwk), how, false, ['verify']);
  return crypto.subtle.verify(how, key, signature, new TextEncoder().encode(text));
}

/**
 * Sends a request of the outbox, follows no redirect, and reads the beginning of the answer, all within `ms`:
 * the status, the headers as JSON, and the text.
 * @param {string} method
 * @param {string} url
 * @param {string} headers pairs, as JSON
 * @param {string} body
 * @param {number} ms
 * @param {number} bytesMax
 */
export async function deliver(method, url, headers, body, ms, bytesMax) {
  return asked(fetch, method, url, headers, body, ms, bytesMax);
}

/**
 * The same, of a service binding where one is named.
 * @param {Env} env
 * @param {string | undefined} service
 * @param {string} method
 * @param {string} url
 * @param {string} headers pairs, as JSON
 * @param {string} body
 * @param {number} ms
 * @param {number} bytesMax
 */
export async function ask(env, service, method, url, headers, body, ms, bytesMax) {
  if (service === undefined) return asked(fetch, method, url, headers, body, ms, bytesMax);
  const bound = /** @type {{ fetch: typeof fetch } | undefined} */ (env[service]);
  if (typeof bound?.fetch !== 'function') throw new Error(`there is no service binding ${service}`);
  return asked((to, how) => bound.fetch(to, how), method, url, headers, body, ms, bytesMax);
}

/**
 * @param {(url: string, request: RequestInit) => Promise<Response>} by
 * @param {string} method
 * @param {string} url
 * @param {string} headers pairs, as JSON
 * @param {string} body
 * @param {number} ms
 * @param {number} bytesMax
 */
async function asked(by, method, url, headers, body, ms, bytesMax) {
  const signal = AbortSignal.timeout(ms);
  const sent = { method, headers: JSON.parse(headers), body: body || undefined, redirect: 'manual', signal };
  const response = await by(url, /** @type {RequestInit} */ (sent)).catch((error) => {
    throw new Error(signal.aborted ? `no answer within ${ms / 1_000} s` : `no answer: ${error.message}`);
  });
  // Whoever has answered has answered, whatever becomes of the body.
  const text = await beginning(response, bytesMax).catch(() => '');
  return [response.status, JSON.stringify([...response.headers]), text];
}

/**
 * @param {Response} response
 * @param {number} bytesMax
 */
async function beginning(response, bytesMax) {
  const chunks = [];
  let length = 0;
  // Leaving the loop cancels the rest.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length >= bytesMax) break;
  }
  return new TextDecoder().decode((await new Blob(chunks).arrayBuffer()).slice(0, bytesMax));
}

/**
 * Sends a mail by a binding; throws `CODE: message` where that refuses.
 * @param {Env} env
 * @param {string} binding
 * @param {string} mail as JSON
 * @param {number} ms
 */
export async function sendMail(env, binding, mail, ms) {
  const bound = /** @type {{ send?: (mail: object) => Promise<unknown> } | undefined} */ (env[binding]);
  if (typeof bound?.send !== 'function') throw new Error(`E_NO_BINDING: ${binding}`);
  let timer;
  const late = new Promise(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`E_SLOW: no answer within ${ms / 1_000} s`)), ms)),
  );
  try {
    await Promise.race([bound.send(JSON.parse(mail)), late]);
  } catch (error) {
    throw new Error(error.message.startsWith('E_') ? error.message : `${error.code ?? 'E_MAIL'}: ${error.message}`);
  } finally {
    clearTimeout(timer);
  }
}
