// Which request gets which answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { changeCart, cookie, readCart } from './cart.mjs';
import { notFound, pageFor, slowPage, wrap } from './pages.mjs';
import { entity, json, plain, redirect, send } from './reply.mjs';

const BODY_BYTES_MAX = 1024 * 1024;
const SLOW_LINES = 20;
const SLOW_LINE_MS = 300;
const FOREVER = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/** The site's request handler. */
export function routes(site, failing) {
  const byName = {
    'GET /api/stock': stock,
    'POST /api/echo': echo,
    'POST /cart': changeCartAndShow,
    'POST /contact': thank,
    'GET /old-products': (_, __, res) => redirect(res, 302, `${site.url}/products`),
    'GET /shop': (_, __, res) => redirect(res, 302, '/products'),
    'GET /slow': slow,
    'GET /files/catalogue.bin': download,
    'GET /_tidegate/beacon.js': noBeacon,
  };

  return async function answer(req, res) {
    const url = new URL(req.url, site.url);
    if (url.pathname.startsWith('/__')) return control(url, req, res);
    const { stats } = failing;
    stats.requests += 1;
    stats.paths[url.pathname] = (stats.paths[url.pathname] ?? 0) + 1;
    if (await failing.strike(req, res)) return;

    const method = req.method === 'HEAD' ? 'GET' : req.method;
    const named = byName[`${method} ${url.pathname}`];
    if (named) return named(site, req, res, url);
    if (method !== 'GET') return plain(res, 405, `${req.method} is not possible here`, { Allow: 'GET, HEAD' });
    if (url.pathname.startsWith('/assets/')) return asset(req, res, url);
    return document(req, res, pageFor(site, req, url));
  };

  function asset(req, res, url) {
    const found = site.assets.get(url.pathname);
    if (!found) return plain(res, 404, `The ${site.side} frontend has no ${url.pathname}`);
    send(req, res, found, { headers: FOREVER });
  }

  function document(req, res, page) {
    const html = failing.breakPage(wrap(site, req, page ?? notFound(site)), site.thrower);
    send(req, res, entity(html, 'text/html; charset=utf-8'), {
      status: page ? 200 : 404,
      headers: documentHeaders(req),
    });
  }

  function documentHeaders(req) {
    const visits = Number.parseInt(cookie(req, 'visits'), 10) || 0;
    return {
      'Cache-Control': 'no-cache',
      'Last-Modified': site.modified,
      'Set-Cookie': [
        `visits=${visits + 1}; Path=/; SameSite=Lax; Max-Age=604800`,
        `last-side=${site.side}; Path=/; SameSite=Lax`,
      ],
    };
  }

  /** Not through a gate: whoever breaks a side must name it. */
  async function control(url, req, res) {
    if (req.headers['x-forwarded-host'] !== undefined) return plain(res, 404, 'Ask the frontend itself');
    if (url.pathname === '/__stats') return json(res, 200, { ...failing.stats, failing: failing.switches });
    if (`${req.method} ${url.pathname}` !== 'POST /__fail') return plain(res, 404, 'POST /__fail or GET /__stats');
    try {
      failing.set(JSON.parse((await read(req)) || '{}'));
    } catch (error) {
      return json(res, 400, { error: error.message });
    }
    json(res, 200, failing.switches);
  }

  /** Writes a list line by line, as a page does that waits for a slow database. */
  async function slow(_, req, res) {
    const [before, after] = wrap(site, req, slowPage(site)).split('<!-- lines -->');
    res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
    res.write(before);
    for (let line = 1; line <= SLOW_LINES && !res.closed; line += 1) {
      res.write(`<li>Crate ${line} of ${SLOW_LINES} is on board</li>\n`);
      await sleep(SLOW_LINE_MS, undefined, { ref: false });
    }
    res.end(after);
  }
}

/** Who is reached directly has nobody to report to, which is no fault of the page. */
function noBeacon(_, __, res) {
  res.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8', 'Cache-Control': 'no-store' }).end();
}

function stock({ side, goods }, _req, res) {
  const minute = Math.floor(Date.now() / 60_000);
  const items = Object.fromEntries(goods.map(({ id, price }) => [id, ((minute + price * 7) % 23) + 1]));
  json(res, 200, { side, items });
}

async function echo({ side }, req, res) {
  json(res, 200, { side, headers: req.headers, body: await read(req) });
}

async function changeCartAndShow({ goods }, req, res) {
  const form = new URLSearchParams(await read(req));
  res.setHeader('Set-Cookie', changeCart(readCart(req, goods), form));
  redirect(res, 303, '/cart');
}

async function thank(_, req, res) {
  const name = new URLSearchParams(await read(req)).get('name') ?? '';
  redirect(res, 303, `/contact/thanks?${new URLSearchParams({ name })}`);
}

function download({ side, catalogue, modified }, req, res) {
  const headers = {
    'Cache-Control': 'no-cache',
    'Content-Disposition': `attachment; filename="harbour-supply-${side}.bin"`,
    'Last-Modified': modified,
  };
  send(req, res, catalogue, { headers, ranges: true });
}

async function read(req) {
  const chunks = [];
  let length = 0;
  for await (const chunk of req) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new Error('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
