// What pages report is taken in under the token of the page; whatever else comes is refused, and
// disturbs nobody.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const BURST = 60;

let legacy, next, gate, token;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  next.otherwise(({ path }) =>
    path.endsWith('.css')
      ? { headers: [['Content-Type', 'text/css']], body: 'p {}' }
      : path.endsWith('.js')
        ? { headers: [['Content-Type', 'text/javascript']], body: 'void 0;' }
        : { headers: [['Content-Type', 'text/html']], body: '<p>a page</p>' },
  );
  gate = await openGate({ controller: false });
  await gate.load([plan(legacy, next)], { shop: '100' });
  const page = await gate.fetch('/page', { headers: { ...ANA, ...DOCUMENT } });
  token = /tidegate;desc="([^"]+)"/.exec(page.get('server-timing'))[1];
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

let addresses = 0;
/** Sends a body as a beacon, from an address of its own unless one is named. */
function send(
  body,
  { address = `192.0.2.${(addresses += 1)}`, type = 'text/plain;charset=UTF-8', method = 'POST', ...options } = {},
) {
  const text =
    typeof body === 'object' && !Buffer.isBuffer(body) && !body?.[Symbol.asyncIterator] ? JSON.stringify(body) : body;
  return gate.fetch('/_tidegate/beacon', {
    method,
    body: text,
    headers: { 'Content-Type': type, 'CF-Connecting-IP': address },
    ...options,
  });
}

function assertProblem(through, status, kind) {
  assert.equal(through.status, status, through.text);
  assert.equal(through.get('content-type'), 'application/problem+json');
  assert.deepEqual([through.json().type, through.json().status], [`urn:tidegate:problem:${kind}`, status]);
}

test('a report of a page is taken in, however it is labelled', async () => {
  const body = {
    token,
    metrics: { lcp: 1234.5, cls: 0.02, inp: 80, fcp: 900, ttfb: 120, 'timing.tti': 2300 },
    js_errors: 2,
    events: ['used', 'failure'],
  };
  for (const type of ['text/plain;charset=UTF-8', 'application/json', 'application/octet-stream']) {
    const through = await send(body, { type });
    assert.deepEqual([through.status, through.text, through.get('access-control-allow-origin')], [204, '', undefined]);
  }
});

test('wrong values do not spoil the rest', async () => {
  for (const metrics of [
    { lcp: -1, cls: 'x', inp: null, later: 5 },
    [],
    null,
    'x',
    Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`timing.t${n}`, n])),
  ]) {
    assert.equal((await send({ token, metrics, js_errors: 'many', events: [1, '', 'a b', 'used'] })).status, 204);
  }
});

test('a later screen of the page is taken in, and one that cannot be is refused', async () => {
  for (const view of [0, 1, 200])
    assert.equal(
      (await send({ token, view, metrics: { 'timing.tti': 5 }, events: ['used'] })).status,
      204,
      String(view),
    );
  for (const view of [201, -1, 1.5, '1', null, [1]]) assertProblem(await send({ token, view }), 400, 'malformed');
});

test('what is no report is refused', async () => {
  const bodies = [
    '',
    'nonsense',
    '[]',
    '{}',
    '{"token":5}',
    `{"token":"${token}","metrics":{"lcp":NaN}}`,
    '['.repeat(16_000),
    Buffer.from([0x7b, 0xff, 0xfe]),
  ];
  for (const body of bodies) assertProblem(await send(body), 400, 'malformed');
});

test('a token that was not issued here is refused', async () => {
  for (const forged of [
    '',
    'x.y',
    token.replace(':new:', ':legacy:'),
    token.slice(0, -1),
    `${token}x`,
    token.replace('~shop', '~shop:new:full:1:0:~shop'),
  ]) {
    assertProblem(await send({ token: forged }), 403, 'bad-exposure');
  }
});

test('a long body is refused before it is read', async () => {
  assertProblem(await send({ token, events: ['x'.repeat(20_000)] }), 413, 'too-large');
  assertProblem(await send('x'.repeat(1 << 20)), 413, 'too-large');
  const endless = (async function* () {
    for (;;) yield Buffer.alloc(1 << 14, 'x');
  })();
  const through = await send(endless).catch((error) => error);
  assert.ok(through.status === 413 || ['ECONNRESET', 'EPIPE'].includes(through.code), String(through));
});

test('only POST is taken', async () => {
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const through = await send(undefined, { method });
    assertProblem(through, 405, 'method-not-allowed');
    assert.equal(through.get('allow'), 'POST');
  }
});

describe('an address that reports too often', () => {
  const many = (address, count) =>
    Promise.all(Array.from({ length: count }, () => send({ token }, { address }).then(({ status }) => status)));
  const taken = (statuses) => statuses.filter((status) => status === 204).length;

  test('is reported, and nobody else is', async () => {
    const statuses = await many('203.0.113.1', BURST * 2);
    assert.ok(taken(statuses) >= BURST && taken(statuses) < BURST * 1.5, `${taken(statuses)} taken`);
    assertProblem(await send({ token }, { address: '203.0.113.1' }), 429, 'too-many');
    assert.equal((await send({ token }, { address: '203.0.113.2' })).status, 204);
  });

  test('is a network of IPv6', async () => {
    const statuses = await Promise.all(
      Array.from({ length: BURST * 2 }, (_, n) =>
        send({ token }, { address: `2001:db8::${n.toString(16)}` }).then(({ status }) => status),
      ),
    );
    assert.ok(taken(statuses) < BURST * 1.5, `${taken(statuses)} taken`);
  });
});

describe("the paths under a name of the operator's", () => {
  const restarted = async (BEACON_PATH) => {
    await gate.restart({ bindings: { BEACON_PATH } });
    await gate.load([plan(legacy, next)], { shop: '100' });
  };
  const script = (path, options = {}) => gate.fetch(path, { headers: { ...ANA }, ...options });
  const report = (path) =>
    gate.fetch(path, {
      method: 'POST',
      body: JSON.stringify({ token }),
      headers: { 'CF-Connecting-IP': `192.0.2.${(addresses += 1)}` },
    });
  after(() => restarted(''));

  test('answer besides the standard ones, on every host', async () => {
    await restarted('/assets/m');
    for (const [path, options] of /** @type {[string, object?][]} */ ([
      ['/_tidegate/beacon.js'],
      ['/assets/m.js'],
      ['/assets/m.js?v=2'],
      ['/assets/m.js', { host: 'other.example.org' }],
    ])) {
      const through = await script(path, options);
      assert.deepEqual(
        [through.status, through.get('cache-control')],
        [200, 'public, max-age=3600, stale-while-revalidate=86400'],
        path,
      );
      assert.match(through.get('content-type'), /javascript/);
      assert.match(through.text, /tidegate/);
    }
    assert.equal((await script('/assets/m.js', { method: 'HEAD' })).status, 200);
    for (const path of ['/_tidegate/beacon', '/assets/m', '/assets/m?x=1'])
      assert.equal((await report(path)).status, 204, path);
    assertProblem(await script('/assets/m'), 405, 'method-not-allowed');
  });

  test('are all that is taken of the site', async () => {
    for (const path of ['/assets/m/', '/assets/m.css', '/assets/main.js', '/assets']) {
      assert.equal((await script(path)).get('tidegate-variant'), 'new', path);
    }
  });

  test('are ignored where they cannot be, and the log says why', async () => {
    for (const [path, why] of [
      ['assets/m', 'does not start with'],
      ['/assets/', 'an empty name'],
      ['/_tidegate/m', 'belongs to Tidegate'],
      ['/assets/m.js', 'goes without'],
    ]) {
      await restarted(path);
      assert.equal(
        (await script(`/${path.replace(/^\//, '')}.js`)).get('tidegate-variant') ?? 'own',
        path.startsWith('/_tidegate') ? 'own' : 'new',
        path,
      );
      assert.equal((await script('/_tidegate/beacon.js')).status, 200);
      await gate.logged(new RegExp(`beacon_path_unusable.*${why}`));
    }
  });
});

test('pages are served all the while', async () => {
  assert.equal((await gate.fetch('/page', { headers: { ...ANA, ...DOCUMENT } })).status, 200);
});

test('without a SIGNING_KEY no report can be believed', async () => {
  await gate.restart({ bindings: { SIGNING_KEY: '' } });
  assertProblem(await send({ token }), 503, 'no-signing-key');
});
