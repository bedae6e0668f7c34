// Two frontends, legacy and new, on two ports of one process: a page, its files and its API, each with the headers that
// a site behind a framework usually sends. `x-side` names the side; asked for it with `x-echo`, `x-seen` says which headers came.
import { createServer } from 'node:http';

const SAFE = {
  'x-content-type-options': 'nosniff',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-request-id': '5b1f2a0c-6c1f-4b39-9a57-0f8e4a1d2c3b',
};

const PAGE = {
  ...SAFE,
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'private, no-cache',
  vary: 'Accept-Encoding, Cookie',
  etag: 'W/"18f3-9c2b1e7d4a5f"',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'content-security-policy': "default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'",
  'x-powered-by': 'Express',
  'set-cookie': 'csrf=Zk3v8QyR1t; Path=/; HttpOnly; Secure; SameSite=Lax',
};

const FILE = {
  ...SAFE,
  'cache-control': 'public, max-age=31536000, immutable',
  etag: '"5f3a-9c2b1e7d4a5f"',
  'last-modified': 'Wed, 21 Oct 2026 07:28:00 GMT',
  'accept-ranges': 'bytes',
  vary: 'Accept-Encoding',
};

const DATA = {
  ...SAFE,
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'private, no-store',
  vary: 'Accept-Encoding, Cookie',
  'x-powered-by': 'Express',
};

const TYPES = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  png: 'image/png',
  woff2: 'font/woff2',
};
const FILE_BYTES = { js: 12_000, css: 6_000, png: 9_000, woff2: 16_000 };

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
const FILES = Object.fromEntries(Object.entries(FILE_BYTES).map(([kind, bytes]) => [kind, Buffer.alloc(bytes, 'x')]));
const CALL = Buffer.from(
  JSON.stringify({ items: Array.from({ length: 12 }, (_, id) => ({ id, price: `${id}.90`, stock: true })) }),
);

/** What is at a path. */
function found(url, side) {
  const path = url.split('?', 1)[0];
  const kind = path.slice(path.lastIndexOf('.') + 1);
  if (path.includes('/assets/')) return { headers: { ...FILE, 'content-type': TYPES[kind] }, body: FILES[kind] };
  if (path.includes('/api/')) return { headers: DATA, body: CALL };
  return { headers: PAGE, body: PAGES[side] };
}

function serve(own) {
  const server = createServer((request, response) => {
    // GrowthBook's app has one origin, in which the path tells the sides apart.
    const side = request.url.startsWith('/new/') ? 'new' : own;
    const { headers, body } = found(request.url, side);
    const seen = request.headers['x-echo'] && { 'x-seen': Object.keys(request.headers).sort().join(' ') };
    response.writeHead(200, { ...headers, 'x-side': side, ...seen, 'content-length': body.length });
    response.end(body);
  });
  server.keepAliveTimeout = 600_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(/** @type {import('node:net').AddressInfo} */ (server.address()).port));
  });
}

process.send({ legacy: await serve('legacy'), new: await serve('new') });
process.on('disconnect', () => process.exit());
