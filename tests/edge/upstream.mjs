// A stub frontend: it records each request as it came off the wire and answers exactly what the
// test said, header by header.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { fromRaw, pairs, value } from './wire.mjs';

const HEADER_BYTES_MAX = 512 * 1024;

/** @import { AddressInfo } from 'node:net' */
/** @import { Fields, Pairs } from './wire.mjs' */
/**
 * A request as it came off the wire.
 * @typedef {object} Received
 * @property {string} method
 * @property {string} url
 * @property {string} path the URL without its query
 * @property {Pairs} headers
 * @property {(header: string) => string | undefined} [get]
 * @property {boolean} [aborted] the connection went before all of the answer was sent
 * @property {http.IncomingMessage} [stream]
 * @property {Buffer} [body]
 */
/**
 * An answer. `reset` closes the connection without one.
 * @typedef {object} Reply
 * @property {number} [status]
 * @property {string} [statusText]
 * @property {Fields | any[][]} [headers]
 * @property {string | Buffer | AsyncIterable<any> | Iterable<any>} [body] text, bytes or chunks
 * @property {number} [delayMs]
 * @property {boolean} [reset]
 * @property {boolean} [quiet] the body fails on purpose
 */
/** @typedef {import('ws').WebSocket & { closedWith?: { code: number, reason: string } }} EchoSocket */
/** @typedef {((request: Received) => Reply | Promise<Reply>) & { streams?: boolean }} Script */

/**
 * Starts a stub frontend. Unless set otherwise it answers every path with a short page that names
 * the site. `handle(path, answer)` scripts a path (without its query); `answer` is a reply or
 * a function of the recorded request that returns one.
 * @param {string} name
 */
export async function startUpstream(name) {
  /** @type {Map<string, Reply | Script>} */
  const scripted = new Map();
  /** @type {Received[]} */
  const received = [];
  /** @type {Script} */
  const page = (request) => ({
    headers: [
      ['Content-Type', 'text/plain'],
      ['x-site', name],
    ],
    body: `${name} ${request.url}`,
  });
  /** @type {Reply | Script} */
  let otherwise = page;

  const server = http.createServer({ maxHeaderSize: HEADER_BYTES_MAX, keepAlive: true }, async (req, res) => {
    const headers = fromRaw(req.rawHeaders);
    /** @type {Received} */
    const request = {
      method: req.method,
      url: req.url,
      path: req.url.split('?')[0],
      headers,
      get: (header) => value(headers, header),
      aborted: false,
    };
    received.push(request);
    res.on('close', () => {
      request.aborted = !res.writableFinished;
    });
    const script = scripted.get(request.path) ?? otherwise;
    // A script that wants the body as it arrives says so with `streams`; the others get all of it.
    request.stream = req;
    if (!('streams' in script)) request.body = await collect(req).catch(() => undefined);
    const answer = typeof script === 'function' ? await script(request) : script;
    await send(res, answer).catch((error) => {
      if (!answer.quiet) console.error(`${name} could not answer ${req.url}:`, error);
      res.destroy();
    });
  });
  server.on('connection', (socket) => socket.setNoDelay(true));

  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] });
  server.on('upgrade', (req, socket, head) => {
    received.push({ method: req.method, url: req.url, headers: fromRaw(req.rawHeaders), path: req.url.split('?')[0] });
    sockets.handleUpgrade(req, socket, head, (/** @type {EchoSocket} */ ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }));
      ws.on('close', (code, reason) => {
        ws.closedWith = { code, reason: reason.toString() };
      });
    });
  });

  const port = await listen(server);
  return {
    name,
    port,
    url: `http://127.0.0.1:${port}`,
    received,
    sockets: /** @type {Set<EchoSocket>} */ (sockets.clients),
    /**
     * @param {string} path
     * @param {Reply | Script} answer
     */
    handle(path, answer) {
      scripted.set(path, answer);
    },
    /** @param {Reply | Script} [answer] */
    otherwise(answer) {
      otherwise = answer ?? page;
    },
    /**
     * The requests for one path, in order.
     * @param {string} path
     */
    seen: (path) => received.filter((request) => request.path === path),
    /** @param {string} path */
    last(path) {
      return this.seen(path).at(-1);
    },
    reset() {
      scripted.clear();
      received.length = 0;
      otherwise = page;
    },
    async close() {
      for (const ws of sockets.clients) ws.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Lets a server listen on a free port, and resolves with that.
 * @param {http.Server} server
 * @returns {Promise<number>}
 */
async function listen(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return /** @type {AddressInfo} */ (server.address()).port;
}

/** The URL of a port on which nothing listens. */
export async function deadUrl() {
  const server = http.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/**
 * A script that serves a file as file servers do: with its ETag and date, 304 where the client has it,
 * 412 where it has another one, and a range where it asks for one.
 * @param {{ etag?: string | null, modified?: string, type?: string, body: string, headers?: any[][] }} what
 * @returns {Script}
 */
export function file({ etag, modified, type = 'text/html', body, headers = [] }) {
  const own = [
    ...(etag == null ? [] : [['ETag', etag]]),
    ...(modified === undefined ? [] : [['Last-Modified', modified]]),
    ...headers,
  ];
  const bytes = Buffer.from(body);
  return (request) => {
    const names = (list) => list === '*' || tags(list).some((tag) => opaque(tag) === opaque(etag ?? ''));
    const [match, noneMatch, since] = ['if-match', 'if-none-match', 'if-modified-since'].map(request.get);
    if (match !== undefined && !(match === '*' || tags(match).includes(etag)))
      return { status: 412, headers: own, body: 'another one' };
    if (
      noneMatch !== undefined
        ? names(noneMatch)
        : since !== undefined && modified !== undefined && Date.parse(modified) <= Date.parse(since)
    ) {
      return { status: 304, headers: own };
    }
    const [range, ifRange] = ['range', 'if-range'].map(request.get);
    const from = /^bytes=(\d+)-$/.exec(range ?? '')?.[1];
    if (from !== undefined && (ifRange === undefined || ifRange === etag || ifRange === modified)) {
      return {
        status: 206,
        headers: [
          ['Content-Type', type],
          ['Content-Range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`],
          ...own,
        ],
        body: bytes.subarray(Number(from)),
      };
    }
    return { headers: [['Content-Type', type], ...own], body: bytes };
  };
}

const tags = (list) => list.match(/(W\/)?"[^"]*"|[^\s,]+/g) ?? [];
const opaque = (tag) => tag.replace(/^W\//, '');

/**
 * Marks a script that reads `request.stream` itself.
 * @param {(request: Received) => Reply | Promise<Reply>} script
 * @returns {Script}
 */
export const streaming = (script) => Object.assign(script, { streams: true });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * @param {http.ServerResponse} res
 * @param {Reply} reply
 */
async function send(res, { status = 200, statusText = '', headers, body = '', delayMs = 0, reset = false }) {
  if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
  if (reset) return res.destroy();
  const list = pairs(headers);
  const whole = typeof body === 'string' || Buffer.isBuffer(body);
  const bodiless = status === 204 || status === 304;
  if (
    whole &&
    !bodiless &&
    value(list, 'content-length') === undefined &&
    value(list, 'transfer-encoding') === undefined
  ) {
    list.push(['Content-Length', String(Buffer.byteLength(body))]);
  }
  res.sendDate = false;
  res.writeHead(status, statusText || http.STATUS_CODES[status] || 'Custom', list.flat());
  // As bytes: Node encodes the headers like the text that it sends along with them.
  if (whole) return void res.end(Buffer.from(body));
  res.flushHeaders();
  for await (const chunk of body) {
    if (res.destroyed) return;
    if (!res.write(chunk)) await new Promise((resolve) => res.once('drain', resolve).once('close', resolve));
  }
  res.end();
}
