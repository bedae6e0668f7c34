// The load generator: keep-alive connections with one request in flight on each, over raw sockets,
// so that it takes little of the machine from what it measures.
import { connect } from 'node:net';
import { quantile } from './report.mjs';
import { document, rest } from './request.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');

const bytesOf = ({ path, headers }, port, cookies) => {
  const lines = Object.entries(headers).map(
    ([name, value]) => `${name}: ${name === 'Cookie' ? value + cookies : value}\r\n`,
  );
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: keep-alive\r\n${lines.join('')}\r\n`,
  );
};

/** The head of a response, once all of it is there. */
function headOf(bytes) {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`not a 200:\n${head}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const isWhole =
    length === undefined
      ? bytes.subarray(-5).equals(Buffer.from('0\r\n\r\n'))
      : bytes.length >= end + HEAD_END.length + Number(length);
  return isWhole ? head : undefined;
}

/** The cookies that an answer sets, as its browser sends them from then on. */
function cookiesSet(head) {
  const set = [...head.matchAll(/\r\nset-cookie: ([^;\r]*)/gi)].map(([, pair]) => `; ${pair}`);
  return set.join('');
}

class Connection {
  #received = null;
  /** How long each answer took, in µs. */
  times = [];
  /** @type {(head: string) => void} */
  resolve;
  /** @type {(error: Error) => void} */
  reject;

  constructor(port) {
    this.port = port;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => this.reject?.(error));
    this.socket.on('end', () => this.reject?.(new Error('the worker closed the connection')));
  }

  /** Sends a request; the head of its answer, once the whole answer is there. */
  ask(request, cookies = '') {
    const start = process.hrtime.bigint();
    return new Promise((resolve, reject) => {
      const done = (head) => {
        this.times.push(Number(process.hrtime.bigint() - start) / 1e3);
        resolve(head);
      };
      Object.assign(this, { resolve: done, reject });
      this.socket.write(bytesOf(request, this.port, cookies));
    });
  }

  #read(chunk) {
    this.#received = this.#received ? Buffer.concat([this.#received, chunk]) : chunk;
    try {
      const head = headOf(this.#received);
      if (head === undefined) return;
      this.#received = null;
      this.resolve(head);
    } catch (error) {
      this.reject(error);
    }
  }
}

const WAYS = {
  /** A document, and nothing else. */
  documents: (connection, view) => connection.ask(document(view)),
  /** A document, and then, as the same browser, what belongs to it. */
  async views(connection, view) {
    const cookies = cookiesSet(await connection.ask(document(view)));
    for (const request of rest(view)) await connection.ask(request, cookies);
  },
};

/** Sends what `kind` says for so many views, the first of which has the number `first`. */
async function round({ port, kind, first, views, concurrency }) {
  let next = first;
  // New connections for each round: workerd closes those that were idle for 5 s.
  const connections = Array.from({ length: concurrency }, () => new Connection(port));
  const start = process.hrtime.bigint();
  const run = async (connection) => {
    while (next < first + views) await WAYS[kind](connection, next++);
  };
  try {
    await Promise.all(connections.map(run));
  } finally {
    for (const { socket } of connections) socket.destroy();
  }
  const micros = Number(process.hrtime.bigint() - start) / 1e3;
  const times = connections.flatMap((connection) => connection.times);
  return { micros, half: quantile(times, 0.5), most: quantile(times, 0.99) };
}

process.on('message', async (/** @type {Parameters<typeof round>[0]} */ message) => {
  try {
    process.send(await round(message));
  } catch (error) {
    process.send({ error: error.message });
  }
});
process.on('disconnect', () => process.exit());
