// Files of builds that are gone: in the cache of this place and, where the worker has one, in a bucket.
// What is kept and what it is good for, the module says (crates/protocol/src/kept.rs).

import { apply, bound, discard, readResponse } from './http.js';

/** @import { Env, Gate } from '../../types/edge.js' */

const CACHE = 'tidegate-kept';
/** The names in the bucket begin behind this. */
const BASE = 'https://tidegate.invalid/';
const HEADERS = 'tidegate-kept';
const AT = 'tidegate-kept-at';
/** The copy of a file may take so long. */
const COPY_MS_MAX = 10_000;

/** @param {Env} env */
const bucketOf = ({ ASSETS_KEPT: bucket }) =>
  typeof bucket?.get === 'function' && typeof bucket.put === 'function' ? bucket : undefined;

/**
 * What was kept under a URL. Nothing is wrong with nothing, and whatever fails is nothing.
 * @param {string} key
 * @param {Env} env
 */
export async function recall(key, env) {
  try {
    const cached = await (await caches.open(CACHE)).match(key);
    if (cached) return revived(cached.body, cached.headers.get(HEADERS));
    const stored = await bucketOf(env)?.get(key.slice(BASE.length));
    const { until, headers } = stored?.customMetadata ?? {};
    if (stored && Number(until) > Date.now()) return revived(stored.body, headers);
  } catch (error) {
    console.error(JSON.stringify({ tidegate: 'kept_unread', subject: key, message: String(error) }));
  }
  return undefined;
}

/**
 * @param {ReadableStream | null} body
 * @param {string | null | undefined} lines
 */
function revived(body, lines) {
  const answer = new Response(body);
  answer.headers.delete('content-type');
  for (const line of decodeURIComponent(lines ?? '')
    .split('\n')
    .filter(Boolean))
    answer.headers.append(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1));
  return answer;
}

/**
 * Behind an answer: asks for its file once more, as nobody in particular, and keeps it, unless there is a young copy.
 * @param {Gate} gate
 * @param {number} number
 * @param {Env} env
 */
export async function keep(gate, number, env) {
  let subject = '';
  try {
    const text = gate.copying(number);
    if (text === '') return;
    const [key, lifeS, freshS, bytesMax, service, url, ...edits] = text.split('\n');
    subject = key;
    if (Date.now() - (await keptAt(key, env)) < Number(freshS) * 1_000) return;
    const asked = new Request(url, { redirect: 'manual', signal: AbortSignal.timeout(COPY_MS_MAX) });
    apply(asked.headers, edits.join('\n'));
    const answer = await (service ? bound(env, service).fetch(asked) : fetch(asked));
    const headers = gate.headersToKeep(readResponse(answer, url));
    if (headers === undefined) return discard(answer);
    const file = await bytesOf(answer, Number(bytesMax));
    if (file) await put(key, file, encodeURIComponent(headers), Number(lifeS), env);
  } catch (error) {
    console.error(JSON.stringify({ tidegate: 'not_kept', subject, message: String(error) }));
  }
}

/**
 * When a copy was made, in milliseconds since 1970; 0 for none.
 * @param {string} key
 * @param {Env} env
 */
async function keptAt(key, env) {
  const cached = await (await caches.open(CACHE)).match(key);
  if (cached) {
    discard(cached);
    return Number(cached.headers.get(AT));
  }
  const stored = await bucketOf(env)?.head(key.slice(BASE.length));
  return Number(stored?.customMetadata?.at ?? 0);
}

/**
 * All of an answer's body; undefined where it is longer than `bytesMax` or empty.
 * @param {Response} answer
 * @param {number} bytesMax
 */
async function bytesOf(answer, bytesMax) {
  const chunks = [];
  let length = 0;
  // Leaving the loop cancels the rest.
  for await (const chunk of answer.body ?? []) {
    length += chunk.byteLength;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return length > 0 ? new Blob(chunks).arrayBuffer() : undefined;
}

/**
 * @param {string} key
 * @param {ArrayBuffer} file
 * @param {string} headers
 * @param {number} lifeS
 * @param {Env} env
 */
async function put(key, file, headers, lifeS, env) {
  const at = String(Date.now());
  const until = String(Date.now() + lifeS * 1_000);
  const copy = new Response(file, { headers: { 'cache-control': `max-age=${lifeS}`, [HEADERS]: headers, [AT]: at } });
  const cached = caches.open(CACHE).then((cache) => cache.put(key, copy));
  const stored = bucketOf(env)?.put(key.slice(BASE.length), file, { customMetadata: { at, until, headers } });
  await Promise.all([cached, stored]);
}
