// A page carries a token of what its visitor was given, in Server-Timing, and nothing else does.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, DOCUMENT, flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const PAGE = { headers: [['Content-Type', 'text/html; charset=utf-8']], body: '<p>a page</p>' };

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  await gate.load(
    [
      plan(legacy, next, { endpoints: { cart: 'path:/cart/*' } }),
      plan(legacy, next, { key: 'shared', routes: ['/shared/*'], cache: 'upstream' }),
      plan(legacy, next, { key: 'dead', routes: ['/dead/*'] }),
      flag('banner'),
    ],
    { shop: '100', shared: '100', dead: '100', banner: '0' },
  );
});
beforeEach(() => {
  for (const site of [legacy, next]) {
    site.reset();
    site.otherwise(PAGE);
  }
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * @param {string} path
 * @param {Record<string, string>} [headers]
 * @param {import('./wire.mjs').RequestOptions} [options]
 */
const ask = (path, headers = DOCUMENT, options = {}) =>
  gate.fetch(path, { headers: { ...ANA, ...headers }, ...options });

/** What a page is reported: `[rollout, variant, stage, revision, subject, endpoints]` for each exposure. */
function exposures(through) {
  const token = /tidegate;desc="([^"]+)"/.exec(through.get('server-timing'))?.[1];
  return token
    ?.slice(0, token.lastIndexOf('.'))
    .split('~')
    .slice(3)
    .map((exposure) => exposure.split(':'));
}
const given = (through) => exposures(through)?.map((fields) => fields.slice(0, 3).join(' '));

describe('a page has a token', () => {
  test('that names what its visitor was given', async () => {
    const through = await ask('/cart/full');
    assert.deepEqual(given(through), ['shop new full', 'banner legacy canary']);
    assert.equal(exposures(through)[0].at(-1), 'cart');
    assert.match(through.get('cache-control'), /private/);
  });

  test('whether it fills a window or a frame, and for clients that only accept pages', async () => {
    for (const headers of [{ ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe' }, { Accept: 'text/html' }])
      assert.ok(given(await ask('/page', headers)));
    assert.ok(given(await ask('/page', DOCUMENT, { method: 'POST', body: 'a=b' })));
  });

  test("next to the frontend's own timings", async () => {
    next.handle('/page', {
      ...PAGE,
      headers: [...PAGE.headers, ['Server-Timing', 'db;dur=5'], ['Server-Timing', 'cache;desc="hit"']],
    });
    const through = await ask('/page');
    assert.match(through.get('server-timing'), /^db;dur=5, cache;desc="hit", tidegate;desc=/);
  });

  test('of its own, in which the user cannot be recognised', async () => {
    const [first, second] = [exposures(await ask('/page')), exposures(await ask('/page'))];
    assert.notEqual(first[0][4], second[0][4]);
    const views = await Promise.all(
      Array.from({ length: 20 }, () => ask('/page').then(({ get }) => get('server-timing'))),
    );
    assert.equal(new Set(views.map((view) => view.split('~')[2])).size, 20);
  });
});

describe('there is no token', () => {
  test('on what a page is made of', async () => {
    for (const dest of ['script', 'image', 'empty', 'font'])
      assert.equal(given(await ask('/page', asset(dest))), undefined, dest);
  });

  test('on answers that show no page', async () => {
    next.handle('/json', { headers: [['Content-Type', 'application/json']], body: '{}' });
    next.handle('/away', {
      status: 302,
      headers: [
        ['Location', '/page'],
        ['Content-Type', 'text/html'],
      ],
      body: 'away',
    });
    for (const path of ['/json', '/away']) assert.equal(given(await ask(path)), undefined, path);
    assert.equal(given(await ask('/page', DOCUMENT, { method: 'HEAD' })), undefined);
  });

  test("on a page that legacy shows in new's place", async () => {
    next.handle('/page', { status: 500, ...PAGE });
    const through = await ask('/page');
    assert.deepEqual([through.get('tidegate-reason'), given(through)], ['rescued', undefined]);
  });

  test('where shared caches may keep the page', async () => assert.equal(given(await ask('/shared/page')), undefined));
});

test('a killed rollout gives no exposure, its flags still do', async () => {
  await gate.kill('dead');
  await gate.restart();
  const through = await ask('/dead/page');
  assert.deepEqual([through.get('tidegate-reason'), given(through)], ['killed', ['banner legacy canary']]);
});

test('without a SIGNING_KEY nothing is signed', async () => {
  for (const SIGNING_KEY of ['', 'short']) {
    await gate.restart({ bindings: { SIGNING_KEY } });
    const through = await ask('/page');
    assert.deepEqual([through.status, given(through)], [200, undefined]);
  }
});
