// Sends the copy of a request to new, behind the answer that its visitor gets, and reads of both what is compared.
// Nothing here decides anything, and nothing of new's answer goes anywhere but to be compared.

import { apply, bound, discard, Late, readResponse, send, Upload } from './http.js';
import { noteTrap } from './module.js';

/** @import { Env, Gate } from '../../types/edge.js' */

/** Headers and body of a copy each have so long, whatever becomes of them. */
const READ_MS_MAX = 10_000;
/** A page that took longer leaves no time to ask for what it loads. */
const ASSETS_BEFORE_MS = 10_000;

/**
 * The answer that the visitor gets; behind it the copy goes to new.
 * @param {Gate} gate
 * @param {Response} response legacy's answer
 * @param {number} number
 * @param {Request} request
 * @param {Promise<ArrayBuffer | undefined> | undefined} spare the request's own body, where it has one
 * @param {Env} env
 * @param {ExecutionContext} context
 */
export function copied(gate, response, number, request, spare, env, context) {
  const [bytes, , , timeoutMs, service, url, ...edits] = gate.copy(number).split('\n');
  if (url === undefined) return response;
  const bytesMax = Number(bytes);
  let passed = response,
    half;
  if (bytesMax > 0 && response.body !== null) {
    const [body, other] = response.body.tee();
    passed = new Response(body, response);
    half = other;
  }
  const asked = { service, url, edits: edits.join('\n'), timeoutMs: Number(timeoutMs), bytesMax };
  const done = compared(gate, number, request, spare, asked, half, env);
  context.waitUntil(done.catch((error) => noteTrap('shadow', error)));
  return passed;
}

/** @typedef {{ service: string, url: string, edits: string, timeoutMs: number, bytesMax: number }} Asked */

/**
 * @param {Gate} gate
 * @param {number} number
 * @param {Request} request
 * @param {Promise<ArrayBuffer | undefined> | undefined} spare
 * @param {Asked} asked
 * @param {ReadableStream<Uint8Array> | undefined} half of legacy's body
 * @param {Env} env
 */
async function compared(gate, number, request, spare, asked, half, env) {
  // It is read at once: what nobody reads of a divided body is spare in memory.
  const legacy = read(half, asked.bytesMax);
  const body = await spare;
  const begun = Date.now();
  let answer,
    why = '',
    response;
  try {
    // A request of its own, without the visitor's signal: who leaves takes no copy along.
    const { method, headers, cf } = request;
    const copy = new Request(asked.url, { method, headers, body, redirect: 'manual', cf });
    apply(copy.headers, asked.edits);
    response = await send(copy, asked.service && bound(env, asked.service), asked.timeoutMs, new Upload());
    answer = readResponse(response, request.url);
  } catch (error) {
    why = error instanceof Late ? 'timeout' : 'unreachable';
  }
  const tookMs = Date.now() - begun;
  if (response && asked.bytesMax === 0) discard(response);
  const own = await read(asked.bytesMax > 0 ? response?.body : undefined, asked.bytesMax);
  const old = await legacy;
  const isInTime = Date.now() - begun < ASSETS_BEFORE_MS;
  const wanted =
    answer !== undefined && own.bytes && isInTime
      ? gate.assetsBeside(number, answer, own.bytes, own.isWhole, Date.now())
      : '';
  const assets = wanted && (await answeredOf(wanted, env));
  gate.copied(number, answer, why, tookMs, old.bytes, old.isWhole, own.bytes, own.isWhole, assets, Date.now());
}

/**
 * What is answered of each asset: status and type, a line each; an empty one where nothing came.
 * @param {string} wanted
 * @param {Env} env
 */
async function answeredOf(wanted, env) {
  const [service, timeoutMs, urls, ...edits] = wanted.split('\n');
  const answers = urls.split(' ').map(async (url) => {
    const asked = new Request(url, { redirect: 'manual' });
    apply(asked.headers, edits.join('\n'));
    const response = await send(asked, service && bound(env, service), Number(timeoutMs), new Upload());
    discard(response);
    return `${response.status} ${response.headers.get('content-type') ?? ''}`;
  });
  const lines = (await Promise.allSettled(answers)).map((own) => (own.status === 'fulfilled' ? own.value : ''));
  return lines.join('\n');
}

/**
 * The first bytes of a body; nothing where it breaks off or takes too long.
 * @param {ReadableStream<Uint8Array> | null | undefined} body
 * @param {number} bytesMax
 * @returns {Promise<{ bytes?: Uint8Array, isWhole: boolean }>}
 */
async function read(body, bytesMax) {
  if (!body) return { bytes: body === null ? new Uint8Array() : undefined, isWhole: body === null };
  const reader = body.getReader();
  const pieces = [];
  let length = 0,
    isWhole = false,
    timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), READ_MS_MAX);
  });
  try {
    while (length < bytesMax) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) {
        isWhole = true;
        break;
      }
      pieces.push(value);
      length += value.byteLength;
    }
  } catch {
    return { isWhole: false };
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
  const bytes = new Uint8Array(Math.min(length, bytesMax));
  let at = 0;
  for (const piece of pieces) {
    const rest = piece.subarray(0, bytes.length - at);
    bytes.set(rest, at);
    at += rest.length;
  }
  return { bytes, isWhole };
}

/**
 * The body of a request that is copied, while its other half goes to legacy.
 * @param {Request} request
 * @returns {Promise<ArrayBuffer | undefined> | undefined}
 */
export function spareBody(request) {
  if (request.body === null) return undefined;
  return request
    .clone()
    .arrayBuffer()
    .catch(() => undefined);
}
