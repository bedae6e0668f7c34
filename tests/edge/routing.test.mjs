// Which rollout takes a request, and what happens to one that none takes.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, fallback, gate;
before(async () => {
  [legacy, next, fallback] = await Promise.all(['legacy', 'new', 'fallback'].map(startUpstream));
  gate = await openGate({ controller: false });
  const rollout = (key, ...routes) => plan(legacy, next, { key, routes });
  await gate.load(
    [
      rollout('everywhere', '/checkout/*'),
      rollout('here', 'shop.example.com/checkout/*'),
      rollout('deep', 'shop.example.com/checkout/pay/*'),
      rollout('exact', 'shop.example.com/checkout/pay/card'),
      rollout('under', '*.example.com/checkout/*'),
      plan(`${legacy.url}/apps/shop`, `${next.url}/v2`, { key: 'based', routes: ['/based/*'] }),
    ],
    Object.fromEntries(['everywhere', 'here', 'deep', 'exact', 'under', 'based'].map((key) => [key, '100'])),
    { bindings: { FALLBACK_UPSTREAM: fallback.url } },
  );
});
beforeEach(() => [legacy, next, fallback].forEach((site) => site.reset()));
after(async () => {
  await gate?.close();
  await Promise.all([legacy, next, fallback].map((site) => site.close()));
});

const ask = (path, options) => gate.fetch(path, { headers: ANA, ...options });

describe('the most specific route takes a request', () => {
  const cases = [
    ['shop.example.com', '/checkout', 'here'],
    ['shop.example.com', '/checkout/', 'here'],
    ['shop.example.com', '/checkout/a/b?c', 'here'],
    ['SHOP.example.com:8443', '/checkout/a', 'here'],
    ['shop.example.com', '/checkout/pay', 'deep'],
    ['shop.example.com', '/checkout/pay/sepa', 'deep'],
    ['shop.example.com', '/checkout/pay/card', 'exact'],
    ['shop.example.com', '/checkout/pay/card/', 'deep'],
    ['other.example.com', '/checkout/a', 'under'],
    ['a.b.example.com', '/checkout/a', 'under'],
    ['example.com', '/checkout/a', 'everywhere'],
    ['elsewhere.example', '/checkout/pay/card', 'everywhere'],
  ];
  for (const [host, path, key] of cases) {
    test(`${host}${path} → ${key}`, async () => {
      assert.equal((await ask(path, { host })).status, 200);
      assert.equal(next.received.at(-1).get('tidegate-rollout'), key);
    });
  }
});

describe('a path is read as the frontend will read it', () => {
  // workerd hands the worker the URL as the client wrote it and normalises it only on the way out.
  test('so none gets around a route', async () => {
    for (const path of [
      '/elsewhere/../checkout/pay',
      '/elsewhere/%2e%2e/checkout/pay',
      '/elsewhere/.%2E/checkout/pay',
      '/checkout\\pay',
      '/./checkout/%2e/pay',
    ]) {
      await ask(path);
      assert.equal(next.received.at(-1)?.url, '/checkout/pay', path);
      assert.equal(next.received.at(-1).get('tidegate-rollout'), 'deep', path);
      next.reset();
    }
  });

  test('so none leads through one route to what lies elsewhere', async () => {
    for (const path of ['/checkout/../admin', '/checkout/%2e%2e/admin', '/checkout/a\\..\\..\\admin']) {
      assert.equal((await ask(path)).text, 'fallback /admin', path);
    }
    assert.equal(next.received.length, 0);
  });

  test('so none leads out of a base path', async () => {
    for (const path of ['/based/../../secret', '/based/%2e%2e/%2e%2e/secret', '/based\\..\\..\\secret']) {
      assert.equal((await ask(path)).text, 'fallback /secret', path);
    }
    assert.equal(next.received.length, 0);
  });

  test("so none leads to a frontend from Tidegate's own", async () => {
    for (const path of ['/checkout/../_tidegate/health', '/checkout/%2e%2e/_tidegate/health'])
      assert.match((await ask(path)).get('content-type'), /^application\/json/, path);
    assert.equal(next.received.length, 0);
  });
});

describe('a request that no route takes', () => {
  for (const path of ['/', '/checkouts', '/Checkout/a', '/_tidegat/health']) {
    test(`${path} goes to the fallback, with nothing said of a rollout`, async () => {
      const through = await ask(path, {
        headers: { ...ANA, 'tidegate-rollout': 'evil', 'X-Forwarded-For': '6.6.6.6' },
      });
      assert.equal(through.text, `fallback ${path}`);
      const request = fallback.last(path);
      assert.equal(request.get('tidegate-rollout'), undefined);
      assert.doesNotMatch(request.get('x-forwarded-for') ?? '', /6\.6\.6\.6/);
      assert.equal(request.get('x-forwarded-host'), 'shop.example.com');
      assert.equal(through.get('tidegate-variant'), undefined);
      assert.deepEqual(through.all('set-cookie'), []);
    });
  }

  test('keeps its method, body and status', async () => {
    fallback.handle('/form', { status: 422, statusText: 'Odd', body: 'no' });
    const through = await ask('/form', { method: 'POST', body: 'a=1' });
    assert.deepEqual(
      [through.status, through.statusText, fallback.last('/form').method, fallback.last('/form').body.toString()],
      [422, 'Odd', 'POST', 'a=1'],
    );
  });
});

describe('a frontend under a base path', () => {
  test('is asked below it', async () => {
    await ask('/based/a%2Fb?c=1');
    assert.equal(next.received.at(-1).url, '/v2/based/a%2Fb?c=1');
    assert.equal(next.received.at(-1).get('tidegate-rollout'), 'based');
  });

  test('has its redirects named as the browser knows them', async () => {
    next.handle('/v2/based/a', { status: 302, headers: [['Location', `${next.url}/v2/based/b?c=1`]] });
    assert.equal((await ask('/based/a')).get('location'), 'https://shop.example.com/based/b?c=1');
  });
});

describe("paths under /_tidegate/ are Tidegate's on every host", () => {
  test('health answers with the build and the age of the snapshot', async () => {
    for (const host of ['shop.example.com', 'elsewhere.example']) {
      const through = await ask('/_tidegate/health', { host });
      assert.equal(through.status, 200);
      assert.match(through.get('content-type'), /^application\/json/);
      assert.match(through.get('cache-control') ?? '', /no-store/);
      assert.equal(typeof through.json(), 'object');
    }
  });

  test('an unknown one is not found, and reaches no frontend', async () => {
    const through = await ask('/_tidegate/nothing');
    assert.ok([401, 404, 503].includes(through.status), String(through.status));
    assert.equal(legacy.received.length + next.received.length + fallback.received.length, 0);
  });
});

test('without a fallback, a request that no route takes is not found', async () => {
  await gate.restart({ bindings: {} });
  const through = await until(
    async () => {
      const answer = await ask('/');
      return answer.get('tidegate-reason') !== 'no_config' && answer;
    },
    () => 'the configuration',
  );
  assert.equal(through.status, 404);
  assert.match(through.get('content-type'), /^text\/plain/);
  assert.equal((await ask('/checkout/a')).status, 200);
});
