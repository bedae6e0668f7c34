// One page view, as a browser makes it: the page, what it refers to and is not in the visitor's cache,
// what its script asks for, and a report under the page's exposure token. Waiting is measured here; the
// line and the device, which this machine does not have, are the visitor's own.
import http from 'node:http';

const BEACON = '/_tidegate/beacon';
const KINDS = { js: 'script', css: 'style', svg: 'image' };

/** Opens connections to the port. `request` resolves with `{ status, headers, text, ttfbMs }`, status 0 where nobody answers. */
export function client(port, socketsMax) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: socketsMax });
  /**
   * @param {{ id: string, address: string }} visitor
   * @param {string} path
   * @param {{ headers?: Record<string, string>, body?: string }} [options]
   */
  const request = (visitor, path, { headers = {}, body } = {}) =>
    new Promise((resolve) => {
      const start = performance.now();
      const from = { cookie: `uid=${visitor.id}`, 'cf-connecting-ip': visitor.address };
      const sent = http.request({
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        agent,
        headers: { ...from, ...headers },
      });
      const nobody = () => resolve({ status: 0, headers: {}, text: '' });
      // A connection that was closed while it was idle is nobody's fault: browsers open another one.
      sent.once('error', (/** @type {NodeJS.ErrnoException} */ { code }) =>
        sent.reusedSocket && code === 'ECONNRESET' ? resolve(request(visitor, path, { headers, body })) : nobody(),
      );
      sent.once('response', (response) => {
        const ttfbMs = performance.now() - start;
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk)).once('error', nobody);
        response.once('end', () =>
          resolve({
            status: response.statusCode,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
            ttfbMs,
          }),
        );
      });
      sent.end(body);
    });
  return { request, close: () => agent.destroy() };
}

/**
 * Loads a page for a visitor `{ id, address, lineMs, deviceMs, cache }` and resolves with what a report
 * says of it; `undefined` where there is no page. `reported` gets each answer.
 */
export async function load(client, visitor, path, reported) {
  const start = performance.now();
  const sinceStart = () => performance.now() - start + visitor.lineMs;
  const ask = async (url, headers) => {
    const answer = await client.request(visitor, url, { headers });
    reported(answer);
    return answer;
  };
  const page = await ask(path, { accept: 'text/html', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' });
  if (page.status !== 200) return undefined;

  const loaded = await Promise.all(
    referred(page.text, visitor.cache).map(async (url) => {
      const { status } = await ask(url, {
        'sec-fetch-dest': KINDS[url.split('.').at(-1)],
        'sec-fetch-mode': 'no-cors',
      });
      if (status === 200) visitor.cache.add(url);
      return { url, status };
    }),
  );
  const firstPaintMs = sinceStart() + visitor.deviceMs;
  if (page.text.includes('data-stock'))
    await ask('/api/stock', { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' });

  const thrower = /\/assets\/throws\.[^"]+/.exec(page.text)?.[0];
  const hasThrown =
    thrower !== undefined &&
    (visitor.cache.has(thrower) || loaded.some(({ url, status }) => url === thrower && status === 200));
  const lateMs = Number(/data-lcp-ms="(\d+)"/.exec(page.text)?.[1] ?? 0);
  return {
    token: /(?:^|, )tidegate;desc="([^"]+)"/.exec(page.headers['server-timing'])?.[1],
    metrics: { ttfb: page.ttfbMs + visitor.lineMs, fcp: firstPaintMs, lcp: firstPaintMs + lateMs },
    js_errors: hasThrown ? 1 : 0,
  };
}

/** Reports a view as the beacon does; resolves with whether it was taken. A page without a token reports nothing. */
export async function report(client, visitor, view) {
  if (view.token === undefined) return false;
  const { status } = await client.request(visitor, BEACON, {
    body: JSON.stringify(view),
    headers: { 'content-type': 'text/plain;charset=UTF-8' },
  });
  return status === 204;
}

/** The assets that a page names and a cache does not have. */
function referred(html, cache) {
  const urls = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, url]) => url);
  return [...new Set(urls)].filter((url) => !cache.has(url));
}
