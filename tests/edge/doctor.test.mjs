// `tidegate doctor` in front of the sample shops, with the real worker: each planted fault is found, and alone; on
// healthy shops there is nothing.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startFrontend } from '../frontends/serve.mjs';
import { operator } from './control.mjs';
import { CLI, openGate, TOKENS, writeToml } from './harness.mjs';
import { plan } from './plans.mjs';

const SITEMAP = ['/products', '/about', '/contact']
  .map((path) => `<url><loc>https://shop.example.com${path}</loc></url>`)
  .join('');
/** The status that ends a request to a path that nothing takes. */
const NOWHERE = 404;

/**
 * What goes out of a shop.
 * @typedef {{ status: number, headers: Record<string, string | string[]>, body: string | Buffer }} Answer
 * @typedef {(request: http.IncomingMessage, answer: Answer) => void | Promise<void>} Plant
 */

/**
 * A sample shop behind a server that is as careful as a frontend should be, until something is planted.
 * @param {'legacy' | 'new'} side
 */
async function startShop(side) {
  const shop = await startFrontend(side);
  /** @type {{ url: string, plant: Plant, close: () => Promise<void> }} */
  const own = { url: '', plant: () => {}, close: () => Promise.resolve() };
  const server = http.createServer(async (request, response) => {
    const answer = await asked(shop.url, request);
    // Under its own name it is not to be found by search engines.
    if (request.headers['x-forwarded-host'] === undefined) answer.headers['x-robots-tag'] = 'noindex';
    await own.plant(request, answer);
    delete answer.headers['content-length'];
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  own.url = await listening(server);
  own.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await shop.close();
  };
  return own;
}

/** @param {http.Server} server */
async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
}

/**
 * @param {string} url
 * @param {http.IncomingMessage} request
 * @returns {Promise<Answer>}
 */
async function asked(url, request) {
  if (request.url === '/sitemap.xml') {
    const headers = { 'content-type': 'application/xml' };
    return { status: 200, headers, body: `<urlset>${SITEMAP}</urlset>` };
  }
  const headers = Object.entries(request.headers).filter(([name]) => !['host', 'connection'].includes(name));
  const fetched = await fetch(`${url}${request.url}`, {
    method: request.method,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    redirect: 'manual',
    ...(request.method === 'POST' && { body: '' }),
  });
  /** @type {Record<string, string | string[]>} */
  const own = Object.fromEntries(fetched.headers);
  delete own['content-encoding'];
  delete own['transfer-encoding'];
  if (own['set-cookie'] !== undefined) own['set-cookie'] = fetched.headers.getSetCookie();
  return { status: fetched.status, headers: own, body: Buffer.from(await fetched.arrayBuffer()) };
}

/** @type {Awaited<ReturnType<typeof openGate>>} */
let gate;
/** @type {Record<'legacy' | 'new', Awaited<ReturnType<typeof startShop>>>} */
let shops;
let applied,
  count = 0;

before(async () => {
  shops = { legacy: await startShop('legacy'), new: await startShop('new') };
  gate = await openGate();
  applied = {
    ...plan(shops.legacy, shops.new),
    stage: [
      { name: 'canary', percentage: 10, hold: '1h', gates: ['lcp.p75 < 4s over stage'] },
      { name: 'full', percentage: 100, hold: '1h' },
    ],
  };
  await operator(gate).apply(gate.compiled([applied]));
});
after(async () => {
  await gate?.close();
  await shops?.legacy.close();
  await shops?.new.close();
});

/**
 * Lets the doctor look.
 * @param {{ changes?: object, options?: string[], env?: object }} [how]
 */
async function look({ changes = {}, options = [], env = {} } = {}) {
  const file = writeToml({ ...applied, ...changes }, join(gate.scratch, `doctor-${(count += 1)}.toml`));
  const settings = join(gate.scratch, 'none.toml');
  writeToml({ name: 'another' }, settings);
  const all = ['doctor', file, '--json', ...(options.includes('--config') ? [] : ['--config', settings]), ...options];
  const variables = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana, ...env };
  const { code, stdout, stderr } = await new Promise((resolve) =>
    execFile(CLI, all, { env: variables }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    ),
  );
  const assigned = stdout ? JSON.parse(stdout) : { findings: [] };
  return { code, stderr, ...assigned, codes: assigned.findings.map((own) => own.code) };
}

/**
 * Plants a fault into one side for as long as the doctor looks.
 * @param {'legacy' | 'new'} side
 * @param {Plant} plant
 * @param {Parameters<typeof look>[0]} [how]
 */
async function withPlanted(side, plant, how) {
  shops[side].plant = plant;
  try {
    return await look(how);
  } finally {
    shops[side].plant = () => {};
  }
}

const isPage = (answer) => /html/.test(String(answer.headers['content-type']));
/** Puts something at the end of a page's head. */
const inHead = (html) => (_, answer) => {
  if (isPage(answer)) answer.body = String(answer.body).replace('</head>', `${html}</head>`);
};
const withHeader = (name, value) => (_, answer) => {
  if (isPage(answer)) answer.headers[name] = value;
};

test('nothing is found on healthy shops, with a few requests to each host', async () => {
  const { code, findings, requests, stderr } = await look();
  assert.deepEqual(findings, []);
  assert.equal(code, 0, stderr);
  assert.ok(requests > 10 && requests < 60, `${requests} requests`);
  assert.match(stderr, /both sides beside each other/, 'progress goes to standard error');
});

test('hashed files are kept, so `keep_assets` says nothing', async () => {
  assert.deepEqual((await look({ changes: { keep_assets: '7d' } })).findings, []);
});

test('without a plan it takes those in force', async () => {
  const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
  shops.new.plant = withHeader('set-cookie', 'a=1; Domain=other.example');
  const assigned = await new Promise((resolve) =>
    execFile(CLI, ['doctor', '--config', join(gate.scratch, 'none.toml')], { env }, (error, stdout) =>
      resolve({ code: error?.code, stdout }),
    ),
  );
  shops.new.plant = () => {};
  assert.equal(assigned.code, 1);
  assert.match(assigned.stdout, /✗ the cookie `a` is for other\.example/);
  assert.match(assigned.stdout, /why {3}\S/);
  assert.match(assigned.stdout, /mend {2}\S/);
});

describe('a planted fault is found, and nothing else', () => {
  /** @type {Record<string, ['legacy' | 'new', Plant] | ['legacy' | 'new', Plant, Parameters<typeof look>[0]]>} */
  const planted = {
    'upstream-fails': ['new', (request, answer) => void (request.url === '/' && (answer.status = 503))],
    'redirect-to-public': [
      'new',
      (request, answer) => {
        if (request.url !== '/') return;
        const host = request.headers['x-forwarded-host'];
        if (host) Object.assign(answer, { status: 301, headers: { location: `https://${host}/` }, body: '' });
      },
    ],
    'host-refused': [
      'legacy',
      (request, answer) => void (request.headers['x-forwarded-host'] && request.url === '/' && (answer.status = 400)),
    ],
    'origin-refused': [
      'new',
      (request, answer) => {
        if (request.method === 'POST') answer.status = request.headers.origin === shops.new.url ? NOWHERE : 403;
      },
    ],
    'cookie-refused': ['new', withHeader('set-cookie', 'session=1; Domain=app.example; Path=/')],
    'shared-page-with-cookie': ['legacy', withHeader('cache-control', 'public, max-age=300')],
    'long-lived-page': ['new', withHeader('cache-control', 'private, max-age=31536000')],
    'csp-beacon': ['new', withHeader('content-security-policy', "default-src 'self'; connect-src 'none'")],
    'mixed-content': ['new', inHead('<script src="http://cdn.example/x.js"></script>')],
    'link-past-gate': [
      'new',
      (_, answer) => {
        if (isPage(answer))
          answer.body = String(answer.body).replace('<main>', `<main><a href="${shops.new.url}/cart">Cart</a>`);
      },
    ],
    'keep-assets': [
      'new',
      ({ url = '' }, answer) => {
        if (isPage(answer))
          answer.body = String(answer.body).replace(/(\/assets\/[\w-]+)\.[0-9a-f]{8}\.(js|css)/g, '$1.$2');
        const [, kind] = /^\/assets\/[\w-]+\.(js|css)$/.exec(url) ?? [];
        if (kind === undefined) return;
        const type = kind === 'css' ? 'text/css' : 'text/javascript';
        Object.assign(answer, { status: 200, headers: { 'content-type': type }, body: '/* no hash */' });
      },
      { changes: { keep_assets: '7d' } },
    ],
    noindex: ['new', inHead('<meta name="robots" content="noindex">')],
    title: [
      'new',
      (_, answer) => {
        if (isPage(answer)) answer.body = String(answer.body).replace(/<title>[^<]*/, '<title>Create App');
      },
    ],
    'service-worker': [
      'legacy',
      (request, answer) => {
        if (request.url === '/sw.js')
          Object.assign(answer, { status: 200, headers: { 'content-type': 'text/javascript' }, body: '// worker' });
      },
    ],
    'page-missing': ['new', (request, answer) => void (request.url === '/about' && (answer.status = 404))],
    'vary-origin': [
      'new',
      (request, answer) => {
        if (request.url?.startsWith('/assets/') && request.headers.origin)
          Object.assign(answer.headers, { 'access-control-allow-origin': request.headers.origin, vary: 'Accept' });
      },
    ],
    'asset-missing': ['new', (request, answer) => void (request.url?.startsWith('/assets/') && (answer.status = 404))],
    'upstream-indexed': ['new', (_, answer) => void delete answer.headers['x-robots-tag']],
    'upstream-slow': [
      'new',
      async (request) => {
        if (request.headers['x-forwarded-host'] && request.url === '/')
          await new Promise((resolve) => setTimeout(resolve, 400));
      },
      { changes: { upstreams: () => ({ legacy: shops.legacy.url, new: shops.new.url, timeout: '300ms' }) } },
    ],
    'redirect-loop': [
      'legacy',
      (request, answer) => {
        if (request.headers['tidegate-variant'] === undefined) return;
        if (request.url === '/' || request.url === '/en')
          Object.assign(answer, { status: 302, headers: { location: request.url === '/' ? '/en' : '/' }, body: '' });
      },
    ],
  };
  for (const [code, [side, plant, how]] of Object.entries(planted))
    test(code, async () => {
      const upstreams = /** @type {any} */ (how?.changes)?.upstreams?.();
      const found = await withPlanted(side, plant, upstreams ? { changes: { upstreams } } : how);
      assert.deepEqual([...new Set(found.codes)], [code], JSON.stringify(found.findings, null, 1));
      assert.equal(found.code, 1);
      for (const { what, why, help, at } of found.findings) assert.ok(what && why && help && at);
    });

  test('an upstream that is not there', async () => {
    const { codes } = await look({ changes: { upstreams: { legacy: shops.legacy.url, new: 'http://127.0.0.1:9' } } });
    assert.deepEqual(codes, ['upstream-unreachable']);
  });

  test('upstream-open: an upstream that answers under a name of the internet', async () => {
    // The name leads nowhere here, so a proxy takes the doctor there, as one of a company's network would.
    const proxy = http.createServer();
    proxy.on('connect', (request, socket, head) => {
      const known = request.url === 'new.shop.example:80';
      const to = known ? new URL(shops.new.url) : undefined;
      if (to === undefined) return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      const through = net.connect(Number(to.port), to.hostname, () => {
        socket.write('HTTP/1.1 200 Connected\r\n\r\n');
        if (head.length > 0) through.write(head);
        through.pipe(socket).pipe(through);
      });
      for (const end of [socket, through]) end.on('error', () => [socket, through].forEach((own) => own.destroy()));
    });
    const url = await listening(proxy);
    const { codes, findings } = await look({
      changes: { upstreams: { legacy: shops.legacy.url, new: 'http://new.shop.example' } },
      env: { HTTP_PROXY: url, http_proxy: url, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
    });
    proxy.closeAllConnections();
    proxy.close();
    assert.deepEqual(codes, ['upstream-open'], JSON.stringify(findings, null, 1));
    assert.equal(findings[0].at, 'http://new.shop.example/');
  });

  test('a public host that does not lead to the worker', async () => {
    const { codes } = await look({ options: ['--public', shops.legacy.url] });
    assert.deepEqual(codes, ['route-misses-worker']);
  });

  test('a cache in front of the worker', async () => {
    const kept = new Map();
    const cache = http.createServer(async (request, response) => {
      const known = kept.get(request.url);
      const answer = known ?? (await asked(gate.plainOrigin, request));
      if (known) answer.headers.age = '7';
      else if (isPage(answer)) kept.set(request.url, answer);
      delete answer.headers['content-length'];
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    const url = await listening(cache);
    const { codes } = await look({ options: ['--public', url] });
    cache.closeAllConnections();
    cache.close();
    assert.deepEqual(codes, ['cache-in-front']);
  });

  test('a token that the deployment does not know', async () => {
    const { codes } = await look({ env: { TIDEGATE_TOKEN: 'tg_wrong' } });
    assert.deepEqual(codes, ['token-refused']);
  });

  test('an API that is not there', async () => {
    const { codes } = await look({
      env: { TIDEGATE_URL: 'http://127.0.0.1:9' },
      options: ['--public', gate.plainOrigin],
    });
    assert.deepEqual(codes, ['api-unreachable']);
  });

  test('workers_dev', async () => {
    const settings = writeToml({ name: 'tidegate', workers_dev: true }, join(gate.scratch, 'worker.toml'));
    const { codes } = await look({ options: ['--config', settings] });
    assert.deepEqual(codes, ['workers-dev', 'no-controller']);
  });
});
