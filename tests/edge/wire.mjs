// An HTTP client that reports what was on the wire and adds nothing of its own to the request
// beyond Host and the body's framing. Header values are bytes, written as Latin-1 text: `utf8()`
// turns text into the bytes that a browser would send.

import { createHash } from 'node:crypto';
import http from 'node:http';
import { Readable } from 'node:stream';

const HEADER_BYTES_MAX = 512 * 1024;

/** @typedef {[name: string, value: string][]} Pairs */
/** @typedef {Pairs | Record<string, any>} Fields headers as pairs, which may repeat a name, or as a plain object */
/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {Fields | any[][]} [headers]
 * @property {'http' | 'https'} [scheme] with one, the request names its URL in full, as requests to a proxy do
 * @property {string} [host]
 * @property {any} [body] text, bytes, or an async iterable, which is sent chunked
 * @property {object} [cf] the platform's facts
 * @property {AbortSignal} [signal]
 * @property {http.Agent | false} [agent]
 * @property {number} [afterMs] when the client goes
 */

/**
 * A response whose headers are there.
 * @typedef {object} Response
 * @property {number} status
 * @property {string} statusText
 * @property {Pairs} headers
 * @property {() => Pairs} trailers
 * @property {http.IncomingMessage} stream
 */

/** The bytes of `text` in UTF-8, as a header value. */
export const utf8 = (text) => Buffer.from(text, 'utf8').toString('latin1');

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * A list of its own of `[name, value]` pairs, from pairs or from a plain object.
 * @param {Fields | any[][]} [headers]
 * @returns {Pairs}
 */
export const pairs = (headers = {}) =>
  Array.isArray(headers) ? /** @type {Pairs} */ ([...headers]) : Object.entries(headers);

/**
 * Node's flat `rawHeaders` as pairs.
 * @param {string[]} flat
 */
export function fromRaw(flat) {
  /** @type {Pairs} */
  const out = [];
  for (let i = 0; i < flat.length; i += 2) out.push([flat[i], flat[i + 1]]);
  return out;
}

/**
 * Every value of a header, in order.
 * @param {Pairs} headers
 * @param {string} name
 */
export const values = (headers, name) =>
  headers.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);

/**
 * The one value of a header, `undefined` where it is absent; two of it are joined.
 * @param {Pairs} headers
 * @param {string} name
 */
export function value(headers, name) {
  const all = values(headers, name);
  return all.length === 0 ? undefined : all.join(', ');
}

/**
 * Sends a request and resolves with the response once its headers are there: `{ status, statusText,
 * headers, stream }`. `body` is text, bytes, or an async iterable, which is sent chunked. With a
 * `scheme` the request names its URL in full, as requests to a proxy do. A client that goes `afterMs` resets
 * its connection, as a browser does over HTTP/2; workerd does not see one that merely sends no more.
 * @param {string} origin
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Response>}
 */
export function open(origin, path, options = {}) {
  const { method = 'GET', headers, scheme, body, cf, signal, agent = false, afterMs } = options;
  const { hostname, port } = new URL(origin);
  const host = options.host ?? `${hostname}:${port}`;
  const target = scheme === undefined ? path : `${scheme}://${host}${path}`;
  /** @type {Pairs} */
  const list = [['Host', host], ...pairs(headers)];
  if (cf !== undefined) list.push(['MF-CF-Blob', JSON.stringify(cf)]);
  const streamed = body != null && typeof body !== 'string' && !Buffer.isBuffer(body);
  const framed = ['content-length', 'transfer-encoding'].some((n) => value(list, n) !== undefined);
  if (streamed && !framed) list.push(['Transfer-Encoding', 'chunked']);
  if (body != null && !streamed && !framed) list.push(['Content-Length', String(Buffer.byteLength(body))]);
  // Node would announce a chunked body for a POST that has none.
  const bodiless = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].includes(method);
  if (body == null && !framed && !bodiless) list.push(['Content-Length', '0']);
  return new Promise((resolve, reject) => {
    const request = http.request({
      hostname,
      port,
      path: target,
      method,
      signal,
      agent,
      maxHeaderSize: HEADER_BYTES_MAX,
      headers: list.flat(),
    });
    request.on('error', reject);
    if (afterMs !== undefined) setTimeout(() => request.socket?.resetAndDestroy(), afterMs);
    request.on('response', (stream) =>
      resolve({
        status: stream.statusCode,
        statusText: stream.statusMessage,
        headers: fromRaw(stream.rawHeaders),
        trailers: () => fromRaw(stream.rawTrailers),
        stream,
      }),
    );
    if (streamed) Readable.from(body, { objectMode: false }).on('error', reject).pipe(request);
    else request.end(body == null ? undefined : Buffer.from(body));
  });
}

/**
 * Sends a request and reads the whole response, without decoding its body.
 * @param {string} origin
 * @param {string} path
 * @param {RequestOptions} [options]
 */
export async function fetchRaw(origin, path, options) {
  const response = await open(origin, path, options);
  const chunks = [];
  for await (const chunk of response.stream) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return {
    ...response,
    body,
    text: body.toString('utf8'),
    json: () => JSON.parse(body.toString('utf8')),
    /** @param {string} name */
    get: (name) => value(response.headers, name),
    /** @param {string} name */
    all: (name) => values(response.headers, name),
  };
}
