// The load generator: keep-alive connections with one request in flight on each, over raw sockets,
// so that it takes little of the machine from what it measures.
import { connect } from 'node:net';
import { headers, PATH, USERS } from './request.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');

const requestsTo = (port) =>
  Array.from({ length: USERS }, (_, user) => {
    const lines = Object.entries(headers(user)).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(
      `GET ${PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: keep-alive\r\n${lines.join('')}\r\n`,
    );
  });

/** Whether `bytes` hold a whole response. */
function isComplete(bytes) {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return false;
  const head = bytes.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`not a 200:\n${head}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) return bytes.subarray(-5).equals(Buffer.from('0\r\n\r\n'));
  return bytes.length >= end + HEAD_END.length + Number(length);
}

class Connection {
  #received = null;

  constructor(port, requests) {
    this.requests = requests;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => this.done(error));
    this.socket.on('end', () => this.done(new Error('the worker closed the connection')));
  }

  /** Sends requests, one after the other, until `counter` has none left. */
  run(counter) {
    return new Promise((resolve, reject) => {
      this.done = (error) => (error ? reject(error) : resolve(undefined));
      this.next = () => {
        if (counter.left === 0) return resolve(undefined);
        counter.left -= 1;
        this.socket.write(this.requests[counter.left % USERS]);
      };
      this.next();
    });
  }

  #read(chunk) {
    this.#received = this.#received ? Buffer.concat([this.#received, chunk]) : chunk;
    try {
      if (!isComplete(this.#received)) return;
    } catch (error) {
      return this.done(error);
    }
    this.#received = null;
    this.next();
  }
}

async function round({ port, requests, concurrency }) {
  const prepared = requestsTo(port);
  const counter = { left: requests };
  // New connections for each round: workerd closes those that were idle for 5 s.
  const connections = Array.from({ length: concurrency }, () => new Connection(port, prepared));
  const start = process.hrtime.bigint();
  try {
    await Promise.all(connections.map((connection) => connection.run(counter)));
  } finally {
    for (const { socket } of connections) socket.destroy();
  }
  return Number(process.hrtime.bigint() - start) / 1e3;
}

process.on('message', async (/** @type {{ port: number, requests: number, concurrency: number }} */ message) => {
  try {
    process.send({ micros: await round(message) });
  } catch (error) {
    process.send({ error: error.message });
  }
});
process.on('disconnect', () => process.exit());
