// Two small shops that sell the same goods: `legacy` and `new`, as two frontends behind a gate
// would be. Run one with `node tests/frontends/serve.mjs legacy 8801`.
import http from 'node:http';
import { pathToFileURL } from 'node:url';
import { WebSocketServer } from 'ws';
import { faults } from './faults.mjs';
import { routes } from './routes.mjs';
import { loadSite } from './site.mjs';

/** Longer than a gate keeps a connection idle: one that it uses as it is closed is a failed request. */
const IDLE_MS_MAX = 300_000;

export const SIDES = ['legacy', 'new'];

/**
 * Starts one side and resolves with `{ url, port, stats, fail(switches), deploy(build), close() }`.
 * `fail` is what `POST /__fail` does (faults.mjs).
 */
export async function startFrontend(side, { port = 0, host = '127.0.0.1', log = false } = {}) {
  if (!SIDES.includes(side)) throw new TypeError(`a side is one of ${SIDES.join(', ')}, not ${side}`);
  const stats = { side, requests: 0, failed: 0, sockets: 0, paths: {} };
  const failing = faults(stats);
  const site = loadSite(side);
  const server = http.createServer({ keepAliveTimeout: IDLE_MS_MAX });
  await listen(server, port, host);
  const { port: taken } = /** @type {import('node:net').AddressInfo} */ (server.address());
  site.url = `http://${host}:${taken}`;

  const answer = routes(site, failing);
  server.on('request', (req, res) => {
    if (log) logLine(side, req, res);
    answer(req, res).catch((error) => {
      if (log) console.error(error);
      res.destroy();
    });
  });
  const sockets = echoSockets(server, side, stats, failing);

  return {
    url: site.url,
    port: taken,
    stats,
    fail: failing.set,
    /** Puts another build in the place of this one: its files are gone. */
    deploy: (build) => Object.assign(site, loadSite(side, build)),
    close() {
      for (const ws of sockets.clients) ws.terminate();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      return closed;
    },
  };
}

function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

/** A WebSocket at `/ws` that says who it is, and then repeats what it hears. */
function echoSockets(server, side, stats, failing) {
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => {
    if (failing.switches.off || req.url.split('?')[0] !== '/ws') return socket.destroy();
    sockets.handleUpgrade(req, socket, head, (ws) => {
      stats.sockets += 1;
      ws.send(JSON.stringify({ side, text: `This is the ${side} harbour office.` }));
      ws.on('message', (data) => ws.send(JSON.stringify({ side, text: data.toString() })));
    });
  });
  return sockets;
}

function logLine(side, req, res) {
  const start = performance.now();
  res.on('close', () => {
    const status = res.writableFinished ? res.statusCode : 'cut off';
    console.log(`${side.padEnd(6)} ${req.method} ${req.url} ${status} ${Math.round(performance.now() - start)} ms`);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [side, port = '0'] = process.argv.slice(2);
  if (!SIDES.includes(side) || !/^\d+$/.test(port)) {
    console.error('usage: node tests/frontends/serve.mjs legacy|new [PORT]');
    process.exit(2);
  }
  startFrontend(side, { port: Number(port), log: true }).then(
    ({ url }) => console.log(`${side} at ${url}`),
    (error) => {
      console.error(error.code === 'EADDRINUSE' ? `port ${port} is in use` : error.message);
      process.exit(1);
    },
  );
}
