// The suite's own server on a port of its own choice, printed once it listens. It serves one request a
// connection: some of its answers are longer than their Content-Length says, or framed by a
// Transfer-Encoding that does not exist, and what is left of them would be read as the start of another
// test's answer by whoever keeps the connection.
import http from 'node:http';

const { createServer } = http;
http.createServer = (handler) =>
  createServer((request, response) => {
    response.shouldKeepAlive = false;
    handler(request, response);
  });
Object.assign(process.env, { npm_config_protocol: 'http', npm_config_port: '0', npm_config_pidfile: '/dev/null' });
await import('http-cache-tests/server/server.mjs');
