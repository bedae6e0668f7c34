// Requests and answers as one text each, and the changes that are asked for applied to them.
// Nothing here decides anything.

/**
 * Applies changes to headers: lines of `-name`, `=name:value` or `+name:value`.
 * @param {Headers} headers
 * @param {string} edits
 */
export function apply(headers, edits) {
  for (const edit of edits.split('\n')) {
    const colon = edit.indexOf(':');
    if (edit[0] === '=') headers.set(edit.slice(1, colon), edit.slice(colon + 1));
    else if (edit[0] === '-') headers.delete(edit.slice(1));
    else if (edit[0] === '+') headers.append(edit.slice(1, colon), edit.slice(colon + 1));
  }
}

// The runtime hands the URL over as it was sent, but normalises it when it fetches. Routing by one
// and fetching the other would let `/shop/%2e%2e/admin` pass for `/shop`. Most are plain already.
const PLAIN_URL = /^https?:\/\/[a-z0-9.-]+(?::\d+)?\/[\w\-~!$&()*+,;=:@%?./]*$/;
const ODD_URL = /\/\.|%2e|:443\/|:80\//i;

/**
 * Method, URL and headers as one text: a line each, header lines as `name:value`.
 * @param {Request} request
 */
export function readRequest(request) {
  let { url } = request;
  if (!PLAIN_URL.test(url) || ODD_URL.test(url)) url = new URL(url).href;
  let text = `${request.method}\n${url}`;
  for (const [name, value] of request.headers) text += `\n${name}:${value}`;
  return text;
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
   * @param {string} edits
   */
  to(url, request, edits) {
    const upstream = this.#hasBody(request) ? this.#withBody(url, request) : new Request(url, request);
    apply(upstream.headers, edits);
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
  let timer,
    isSettled = false;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    const start = () => {
      if (isSettled) return;
      timer = setTimeout(() => {
        reject(new Late(`no headers within ${timeoutMs} ms`));
        answered.then(discard, () => {});
      }, timeoutMs);
    };
    if (uploaded) uploaded.then(start);
    else start();
  });
  return Promise.race([answered, late]).finally(() => {
    isSettled = true;
    clearTimeout(timer);
  });
}

/**
 * What the rules need of an answer to a public URL, a line each: its status, where it redirects to, its headers.
 * @param {Response} response
 * @param {string} url
 */
export function readResponse(response, url) {
  const { status, headers } = response;
  const location = status >= 301 && status <= 308 ? headers.get('location') : null;
  let text = `${status}\n${location === null ? '' : (URL.parse(location, url)?.href ?? '')}`;
  for (const [name, value] of headers) text += `\n${name}:${value}`;
  return text;
}

/**
 * The answer with edited headers and, where it is watched, one half of its body; the bytes stay as they are.
 * @param {Response} response
 * @param {string} edits
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

const READ_BYTES = 65_536;

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
 * Reads a body to its end; whether that comes within so many milliseconds, and the text of a short one.
 * @param {ReadableStream<Uint8Array>} body
 * @param {number} withinMs
 * @returns {Promise<{ isWhole: boolean, page?: string }>}
 */
export async function watched(body, withinMs) {
  const reader = readerOf(body);
  const first = new Uint8Array(SHORT_BYTES_MAX);
  let timer,
    isLate = false;
  const late = new Promise((resolve) => (timer = setTimeout(() => resolve((isLate = true)), withinMs)));
  // As much as is there, and no more: whoever waits for more here keeps the visitor waiting too.
  const read = async () => {
    let isShort = true;
    let buffer = new ArrayBuffer(READ_BYTES);
    for (let length = 0; length < WATCHED_BYTES_MAX && !isLate; ) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return isShort ? new TextDecoder('latin1').decode(first.subarray(0, length)) : undefined;
      isShort &&= length + value.byteLength <= SHORT_BYTES_MAX;
      if (isShort) first.set(value, length);
      length += value.byteLength;
      const used = /** @type {ArrayBuffer} */ (value.buffer);
      buffer = used.byteLength === READ_BYTES ? used : new ArrayBuffer(READ_BYTES);
    }
  };
  const reading = read();
  try {
    const page = await Promise.race([reading, late]);
    return isLate ? { isWhole: false } : { isWhole: true, page: /** @type {string | undefined} */ (page) };
  } catch {
    return { isWhole: false };
  } finally {
    clearTimeout(timer);
    reading.catch(() => {});
    reader.cancel().catch(() => {});
  }
}

/**
 * Lets go of an answer that nobody will read.
 * @param {Response} response
 */
export function discard(response) {
  response.body?.cancel().catch(() => {});
}
