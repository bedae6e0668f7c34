// What crosses into the module: a worker that hands over only the headers that are needed sends, answers and counts
// like one that hands over all of them. (crates/isolate/tests/border.rs holds the machine to the same law, with changes
// in mid-flight; here are the runtime's own headers, and the JavaScript that leaves some out.)
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chance, newSeed } from './chance.mjs';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { marker, settled } from './marker.mjs';
import { flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const STAGING = fileURLToPath(new URL('../../target/staging/edge/', import.meta.url));
const REQUESTS = 150;
const SEED = newSeed();

const ASKED = {
  Accept: ['*/*', 'text/html,*/*;q=0.8'],
  'Accept-Language': ['en', 'de'],
  'CF-Connecting-IP': ['192.0.2.1', '2001:db8::1'],
  'Client-IP': ['9.9.9.9'],
  Connection: ['keep-alive', 'X-Trace', 'keep-alive, x-trace'],
  Cookie: ['uid=ben; theme=dark', 'theme=dark; uid=cy', 'partner=yes; uid=dan'],
  Forwarded: ['for=1'],
  'If-Modified-Since': ['Wed, 21 Oct 2026 07:28:00 GMT'],
  'If-None-Match': ['"a~tg-l"', '"a~tg-n", W/"b"'],
  Origin: ['https://shop.example.com', 'https://evil.example'],
  Range: ['bytes=0-1'],
  Referer: ['https://shop.example.com/x', 'https://other.example/'],
  'Sec-Fetch-Dest': ['document', 'script', 'empty', 'image'],
  'Sec-Fetch-Site': ['same-origin', 'cross-site'],
  'Tidegate-Variant': ['new'],
  TE: ['trailers'],
  'User-Agent': ['Mozilla/5.0 Firefox/130', 'Googlebot/2.1', 'probe/1'],
  'X-Department': ['sales', 'legal'],
  'X-Forwarded-For': ['1.1.1.1'],
  'X-Original-URL': ['/admin'],
  'X-Probe': ['yes'],
  'X-Real-IP': ['1.1.1.1'],
  'X-Request-Id': ['1', '2'],
  'X-Trace': ['1'],
  X_Custom: ['1'],
  X_Forwarded_Host: ['evil'],
};
const ANSWERED = {
  'Access-Control-Allow-Origin': ['*'],
  'Alt-Svc': ['h3=":443"'],
  'Cache-Control': ['public, max-age=60', 'private, no-store', 's-maxage=2'],
  'CDN-Cache-Control': ['max-age=9'],
  Connection: ['x-secret'],
  'Content-Type': ['text/html; charset=utf-8', 'text/css', 'application/json'],
  ETag: ['"a"', 'W/"b"', 'odd'],
  Expires: ['0'],
  Link: ['</a.css>; rel=preload'],
  Location: ['/elsewhere', '#x'],
  'Proxy-Connection': ['close'],
  Server: ['nginx'],
  'Set-Cookie': ['a=1; Path=/'],
  Vary: ['Cookie'],
  'X-Build': ['7'],
  'X-Secret': ['1'],
};
const PATHS = ['/page', '/app.js?v=1', '/basket?x=/y', '/%2e/odd/./x', '/api/items'];

let legacy, next, gate, whole;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate();
  whole = await builtWhole();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
  if (whole) rmSync(whole, { recursive: true });
});

/** The same worker, but that it leaves no header out. */
async function builtWhole() {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-whole-'));
  const source = readFileSync(join(STAGING, 'border.js'), 'utf8');
  const contents = source.replace('if (need === 0) return;', '');
  assert.notEqual(contents, source, 'where headers are left out');
  await build({
    entryPoints: [join(STAGING, 'entry.js')],
    bundle: true,
    format: 'esm',
    external: ['./index_bg.wasm', 'cloudflare:*'],
    logLevel: 'error',
    outfile: join(folder, 'index.js'),
    plugins: [
      { name: 'whole', setup: ({ onLoad }) => onLoad({ filter: /border\.js$/ }, () => ({ contents, loader: 'js' })) },
    ],
  });
  cpSync(join(gate.build, 'index_bg.wasm'), join(folder, 'index_bg.wasm'));
  return folder;
}

const some = (random, pool, share) =>
  Object.entries(pool)
    .filter(() => random.happens(share))
    .map(([name, values]) => [name, random.pick(values)]);

/** What is nobody's doing: it differs from one run to the next. */
const OWN = /^(date|server-timing|host|keep-alive|connection)$/i;
const kept = (headers) =>
  headers
    .filter(([name]) => !OWN.test(name))
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    .sort();

/** What a site and its visitors see of so many requests, and what is counted of them. */
async function life() {
  for (const site of [legacy, next]) site.reset();
  const ana = operator(gate);
  const upstreams = { new: { url: next.url, version: 'header:x-build' }, timeout: '10s' };
  const shop = plan(legacy, next, {
    upstreams,
    identity: { from: ['header:x-user-id', 'cookie:uid'] },
    robots: { also: ['header:x-probe = yes'] },
    groups: { sales: { match: 'header:x-department = sales' }, partners: { match: 'cookie:partner = yes' } },
    exclude: ['partners'],
    endpoints: { basket: 'path:/basket' },
    defaults: 'none',
  });
  await ana.apply(gate.compiled([marker(legacy, next), shop, flag('banner')]));
  for (const key of ['marker', 'banner', 'shop']) {
    await ana.orders(key, 'start');
    await ana.orders(key, 'set', { percentage: key === 'banner' ? 100 : 50 });
  }
  await until(
    async () => {
      const response = await gate.fetch('/page', { headers: { 'x-user-id': 'ana' } });
      const sent = [legacy, next].map((site) => site.last('/page')?.get('tidegate-flags'));
      return response.get('tidegate-reason') === 'bucketed' && sent.includes('banner=new');
    },
    () => 'the isolate to have learned all of it',
  );
  await settled(gate);
  const random = chance(SEED);
  const seen = [];
  for (let n = 0; n < REQUESTS; n += 1) {
    const answer = {
      status: random.pick([200, 200, 200, 301, 304, 404, 500]),
      headers: some(random, ANSWERED, random.next()),
      body: 'text',
    };
    if ([304].includes(answer.status)) delete answer.body;
    const headers = [...some(random, ASKED, random.next()), ['X-User-Id', `user-${random.below(40)}`]];
    const method = random.pick(['GET', 'GET', 'GET', 'HEAD', 'POST']);
    const path = random.pick(PATHS);
    for (const site of [legacy, next]) {
      site.reset();
      site.otherwise(answer);
    }
    const response = await gate.fetch(path, { method, headers });
    const asked = [legacy, next].flatMap(({ name, received }) =>
      received.map((request) => ({ name, method: request.method, url: request.url, headers: kept(request.headers) })),
    );
    seen.push({
      n,
      method,
      path,
      sent: kept(headers),
      asked,
      status: response.status,
      answered: kept(response.headers),
    });
  }
  return { seen, counted: await counted() };
}

/** What both sides were counted as, everywhere and at the endpoint, once all of it has come. */
async function counted() {
  await settled(gate);
  const { windows } = (await operator(gate).get('rollouts/shop/metrics')).body;
  const sums = {};
  for (const { variant, endpoint = '', ...figures } of windows.flatMap(({ sides }) => sides))
    for (const what of ['requests', 'errors', 'client_errors', 'rescued']) {
      const name = `${variant} ${endpoint} ${what}`;
      sums[name] = (sums[name] ?? 0) + (figures[what] ?? 0);
    }
  return sums;
}

test(`only what is needed crosses, and nothing else changes (SEED=${SEED})`, async () => {
  const own = await life();
  await gate.kv.clear();
  await gate.restart({ build: whole });
  const all = await life();
  for (const [n, one] of own.seen.entries()) assert.deepEqual(one, all.seen[n]);
  assert.deepEqual(own.counted, all.counted);
  assert.ok(
    own.seen.some(({ asked }) => asked.length === 2),
    'no request was rescued',
  );
});
