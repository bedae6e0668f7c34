// Requests and answers as one text each, and the changes that are asked for applied to them.
// Nothing here decides anything.

import { change, lines, neededLines, readEdits } from './border.js';

/** @import { Env, Gate } from '../../types/edge.js' */
/** @import { Edit } from './border.js' */

/**
 * Applies changes to headers: lines of `-name`, `=name:value` or `+name:value`, or what was read of them.
 * @param {Headers} headers
 * @param {string | Edit[]} edits
 * @param {Headers} [asked] the headers of the client's request
 */
export function apply(headers, edits, asked) {
  change(headers, typeof edits === 'string' ? readEdits(edits.split('\n')) : edits, asked);
}

// The runtime hands the URL over as it was sent, but normalises it when it fetches. Routing by one
// and fetching the other would let `/shop/%2e%2e/admin` pass for `/shop`. Most are plain already.
const PLAIN_URL = /^https?:\/\/[a-z0-9.-]+(?::\d+)?\/[\w\-~!$&()*+,;=:@%?./]*$/;
const ODD_URL = /\/\.|%2e|:443\/|:80\//i;

/**
 * A request's URL, normalised.
 * @param {Request} request
 */
export function urlOf({ url }) {
  return !PLAIN_URL.test(url) || ODD_URL.test(url) ? new URL(url).href : url;
}

/**
 * Path and query of a normalised URL.
 * @param {string} url
 */
export function pathOf(url) {
  const hash = url.indexOf('#');
  return url.slice(url.indexOf('/', url.indexOf('://') + 3), hash < 0 ? undefined : hash);
}

/**
 * Method, URL and headers as one text: a line each, header lines as `name:value`. With a module, those alone that it
 * needs.
 * @param {Request} request
 * @param {string} url
 * @param {Gate} [gate]
 */
export function readRequest({ method, headers }, url, gate) {
  return `${method}\n${url}${gate ? neededLines(gate, headers, true) : lines(headers)}`;
}

/** No headers came in time. */
export class Late extends Error {}

/**
 * A client's request on its way upstream. Its body is sent once; how far that has come tells a client that
 * broke off, or was slow, from an upstream that failed.
 */
export class Upload {
  /** Whether all of the body has been sent, and whether any of it has. */
  isSent = true;
  isBegun = false;
  /**
   * Resolves when the body has been sent, or never will be.
   * @type {Promise<void> | undefined}
   */
  ended;

  /** Whether the client has yet to send. */
  isAwaited = false;

  /** Whether a request that failed now is nobody's failure: its body was on the way. */
  isUnderWay() {
    return !this.isSent && (this.isBegun || this.isAwaited);
  }

  /**
   * The request for another URL with edited headers.
   * @param {string} url
   * @param {Request} request
   * @param {string | Edit[]} edits
   */
  to(url, request, edits) {
    const upstream = this.#hasBody(request) ? this.#withBody(url, request) : new Request(url, request);
    apply(upstream.headers, edits, request.headers);
    return upstream;
  }

  /**
   * Whether a body is to be sent that can be followed: the platform makes no GET or HEAD with one.
   * @param {Request} request
   */
  #hasBody({ body, method }) {
    this.isSent = body === null;
    this.isBegun = body !== null && (method === 'GET' || method === 'HEAD');
    return body !== null && !this.isBegun;
  }

  /**
   * @param {string} url
   * @param {Request} request
   */
  #withBody(url, { method, headers, body, cf }) {
    const length = Number(headers.get('content-length') ?? NaN);
    const { readable, writable } = length >= 0 ? new FixedLengthStream(length) : new IdentityTransformStream();
    this.ended = this.#pump(/** @type {ReadableStream<Uint8Array>} */ (body), writable);
    return new Request(url, { method, headers, body: readable, redirect: 'manual', cf });
  }

  /**
   * The first piece goes by hand: an upstream that cannot be reached never takes it. A client that breaks off
   * before it has begun as well.
   * @param {ReadableStream<Uint8Array>} body
   * @param {WritableStream<Uint8Array>} writable
   */
  async #pump(body, writable) {
    const [reader, writer] = [body.getReader(), writable.getWriter()];
    try {
      this.isAwaited = true;
      const { done, value } = await reader.read();
      this.isAwaited = false;
      if (!done) await writer.write(value);
      this.isBegun = true;
      reader.releaseLock();
      writer.releaseLock();
      await (done ? writable.close() : body.pipeTo(writable));
      this.isSent = true;
    } catch (error) {
      (writable.locked ? writer : writable).abort(error).catch(() => {});
    }
  }
}

/**
 * Sends a request by a service binding or over the network; 0 ms is no limit.
 * @param {Request} upstream
 * @param {Fetcher | '' | undefined} service
 * @param {number} timeoutMs
 * @param {Upload} upload
 */
export function send(upstream, service, timeoutMs, upload) {
  const answered = service ? service.fetch(upstream) : fetch(upstream);
  return timeoutMs > 0 ? inTime(answered, timeoutMs, upload.ended) : answered;
}

/**
 * A race and not an AbortSignal: a signal would cut a slow body too, and costs a second copy of the
 * request. The time runs once the request's own body has been sent: how long that takes is its client's affair.
 * @param {Promise<Response>} answered
 * @param {number} timeoutMs
 * @param {Promise<void> | undefined} uploaded
 * @returns {Promise<Response>}
 */
function inTime(answered, timeoutMs, uploaded) {
  return new Promise((resolve, reject) => {
    let timer,
      isSettled = false,
      isLate = false;
    const start = () => {
      if (isSettled) return;
      timer = setTimeout(() => {
        isLate = true;
        reject(new Late(`no headers within ${timeoutMs} ms`));
      }, timeoutMs);
    };
    const settle = () => {
      isSettled = true;
      clearTimeout(timer);
    };
    answered.then(
      (response) => {
        if (isLate) return discard(response);
        settle();
        resolve(response);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
    if (uploaded) uploaded.then(start);
    else start();
  });
}

/**
 * An answer to a public URL, a line each: its status, where it redirects to, its headers. With a module, those alone
 * that it needs.
 * @param {Response} response
 * @param {string} url
 * @param {Gate} [gate]
 */
export function readResponse(response, url, gate) {
  const { status, headers } = response;
  const location = status >= 301 && status <= 308 ? headers.get('location') : null;
  const target = location === null ? '' : (URL.parse(location, url)?.href ?? '');
  return `${status}\n${target}${gate ? neededLines(gate, headers, false) : lines(headers)}`;
}

/**
 * The answer with edited headers and, where it is watched, one half of its body; the bytes stay as they are.
 * @param {Response} response
 * @param {string | Edit[]} edits
 * @param {ReadableStream | null} [body]
 */
export function answer(response, edits, body = response.body) {
  // No answer can be made with a status that HTTP does not have; its clients treat it as a 5xx all the same.
  const own =
    response.status > 599
      ? new Response(body, { status: 502, headers: response.headers })
      : new Response(body, response);
  apply(own.headers, edits);
  return own;
}

/** Where a page says no length, so much of it is watched. */
const WATCHED_BYTES_MAX = 1_048_576;

/** So much is read at once. */
const READ_BYTES = 16_384;

/**
 * What pages were read into, for the next ones: to make a buffer costs as much as to read a page.
 * @type {ArrayBuffer[]}
 */
const buffers = [];
const BUFFERS_MAX = 16;

/**
 * A reader that takes a buffer of ours, which a stream made in JavaScript cannot: then one that ignores it.
 * @param {ReadableStream<Uint8Array>} body
 */
function readerOf(body) {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return body.getReader();
  }
}

/** So long a body is handed over whole. */
const SHORT_BYTES_MAX = 2_048;

/**
 * How many bytes there are to be read of an answer's body; `NaN` where its headers do not say.
 * @param {Response} response
 */
function lengthOf({ headers }) {
  return headers.get('content-encoding') === null ? Number(headers.get('content-length') ?? NaN) : NaN;
}

/**
 * Reads a copy of an answer's body to its end; whether that comes within so many milliseconds, and the text of a
 * short one.
 * @param {ReadableStream<Uint8Array>} body
 * @param {Response} response
 * @param {number} withinMs
 * @returns {Promise<{ isWhole: boolean, page?: string }>}
 */
export async function watched(body, response, withinMs) {
  const reader = readerOf(body);
  const state = { isLate: false };
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => {
      state.isLate = true;
      resolve(undefined);
    }, withinMs);
  });
  const reading = read(reader, lengthOf(response), state);
  try {
    const page = await Promise.race([reading, late]);
    return state.isLate ? { isWhole: false } : { isWhole: true, page: /** @type {string | undefined} */ (page) };
  } catch {
    return { isWhole: false };
  } finally {
    clearTimeout(timer);
    reading.catch(() => {});
    reader.cancel().catch(() => {});
  }
}

/**
 * The text of a short body, once it has ended. As much is read as is there, and no more: whoever waits for more
 * here keeps the visitor waiting too.
 * @param {ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {number} bytes how many there are to be, or `NaN`
 * @param {{ isLate: boolean }} state
 */
async function read(reader, bytes, state) {
  let short = '';
  let isShort = !(bytes > SHORT_BYTES_MAX);
  // A reader that ignores it gives pieces that are others' as well.
  const isOurs = reader instanceof ReadableStreamBYOBReader;
  /** @type {ArrayBuffer | undefined} */
  let buffer = (isOurs && buffers.pop()) || new ArrayBuffer(READ_BYTES);
  // The last read is spared where the length is known.
  for (let length = 0; length < WATCHED_BYTES_MAX && length !== bytes && !state.isLate; ) {
    const { done, value } = await reader.read(new Uint8Array(buffer ?? new ArrayBuffer(READ_BYTES)));
    // A read takes the buffer away, and gives it back under another name, but not always with the end.
    const used = /** @type {ArrayBuffer | undefined} */ (value?.buffer);
    buffer = isOurs && used?.byteLength === READ_BYTES ? used : undefined;
    if (done) break;
    length += value.byteLength;
    isShort &&= length <= SHORT_BYTES_MAX;
    if (isShort) short += latin1(value);
  }
  if (buffer !== undefined && isOurs && buffers.length < BUFFERS_MAX) buffers.push(buffer);
  return isShort ? short : undefined;
}

/** @param {Uint8Array} bytes */
const latin1 = (bytes) => new TextDecoder('latin1').decode(bytes);

/**
 * The service that is bound under a name.
 * @param {Env} env
 * @param {string} name
 */
export function bound(env, name) {
  const service = /** @type {Partial<Fetcher> | undefined} */ (env[name]);
  if (typeof service?.fetch !== 'function') throw new Error(`the worker has no service binding ${name}`);
  return /** @type {Fetcher} */ (service);
}

/**
 * Lets go of an answer that nobody will read.
 * @param {Response} response
 */
export function discard(response) {
  response.body?.cancel().catch(() => {});
}
