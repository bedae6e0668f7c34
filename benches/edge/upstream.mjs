// Two frontends, legacy and new, on two ports of one process: a small page with the headers that a
// site behind a framework usually sends.
import { createServer } from 'node:http';

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'private, no-cache',
  vary: 'Accept-Encoding, Cookie',
  etag: 'W/"18f3-9c2b1e7d4a5f"',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'content-security-policy': "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'",
  'x-request-id': '5b1f2a0c-6c1f-4b39-9a57-0f8e4a1d2c3b',
  'x-powered-by': 'Express',
  'set-cookie': 'csrf=Zk3v8QyR1t; Path=/; HttpOnly; Secure; SameSite=Lax',
};

function page(side) {
  const items = Array.from(
    { length: 60 },
    (_, i) =>
      `<li class="item"><a href="/checkout/items/${i}">Item ${i}</a> <span class="price">${i * 3}.90</span></li>`,
  );
  return Buffer.from(`<!doctype html><html lang="en"><head><title>Checkout</title>
<meta name="frontend" content="${side}"><link rel="stylesheet" href="/app.css"></head>
<body><main><h1>Checkout</h1><ul>
${items.join('\n')}
</ul></main></body></html>`);
}

const PAGES = { legacy: page('legacy'), new: page('new') };

function serve(side) {
  const server = createServer((request, response) => {
    // GrowthBook's app has one origin, in which the path tells the sides apart.
    const body = PAGES[request.url.startsWith('/new/') ? 'new' : side];
    response.writeHead(200, { ...HEADERS, 'content-length': body.length });
    response.end(body);
  });
  server.keepAliveTimeout = 600_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port));
  });
}

process.send({ legacy: await serve('legacy'), new: await serve('new') });
process.on('disconnect', () => process.exit());
