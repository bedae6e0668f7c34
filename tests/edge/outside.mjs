// The way to a gate as the public site, whose address is known before the gate is.
import http from 'node:http';

/** @param {() => string} originOf the gate's own address, once it is there */
export async function startOutside(originOf) {
  const server = http.createServer((request, response) => {
    const { host: _, ...headers } = request.headers;
    // A connection that was kept may be closed by workerd just as it is used again.
    const forwarded = http.request(`${originOf()}${request.url}`, { headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    forwarded.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
