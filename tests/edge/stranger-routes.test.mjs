// Which requests are a rollout's, and where they go: exceptions, backends that both sides share, and
// frontends that are Workers behind a service binding. workers-sdk#11215, cloudflare-docs#13157.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openControlled, operator } from './control.mjs';
import { openGate, PUBLIC_HOST, until } from './harness.mjs';
import { ANA, asset, DOCUMENT, flag, half, idsOn, STARTED, written } from './plans.mjs';
import { startUpstream, streaming } from './upstream.mjs';

const [EVE] = idsOn('legacy').map((id) => ({ 'x-user-id': id }));

let legacy, next, api, other, fallback, all;
before(async () => {
  all = await Promise.all(['legacy', 'new', 'api', 'other', 'fallback'].map(startUpstream));
  [legacy, next, api, other, fallback] = all;
});
beforeEach(() => all.forEach((site) => site.reset()));
after(() => Promise.all(all.map((site) => site.close())));

const answeredBy = (through) => through.text.split(' ')[0];

describe('a request that a plan excepts', () => {
  const EXCEPT = ['/api/*', 'shop.example.com/x/*', '/exact', '*.preview.example.com/*'];
  const also = () => half(legacy, other, { key: 'also', routes: ['/api/v2/*'] });
  const CASES = [
    ['/api', true],
    ['/api/', true],
    ['/api/orders?a=1', true],
    ['/x/a', true],
    ['/exact', true],
    ['/a/../api/orders', true],
    ['/%2e/api/orders', true],
    ['/', false],
    ['/apis', false],
    ['/API/orders', false],
    ['/exact/a', false],
    ['/a/api/orders', false],
    ['/x', true],
  ];

  describe('goes to the fallback', () => {
    let gate;
    before(async () => {
      gate = await openGate({ controller: false, bindings: { FALLBACK_UPSTREAM: fallback.url } });
      await gate.load([half(legacy, next, { except: EXCEPT }), also()], {
        p: STARTED.running,
        also: written({ stage: 'full' }),
      });
    });
    after(() => gate?.close());

    for (const [path, isExcepted] of CASES) {
      test(`${path} ${isExcepted ? 'does' : 'does not'}`, async () => {
        const through = await gate.fetch(path, { headers: { ...ANA, ...DOCUMENT } });
        assert.deepEqual([through.status, answeredBy(through)], [200, isExcepted ? 'fallback' : 'new']);
      });
    }

    test('on the host that the exception names, and on no other', async () => {
      assert.equal(answeredBy(await gate.fetch('/x/a', { host: 'other.example.com', headers: ANA })), 'new');
      assert.equal(answeredBy(await gate.fetch('/a', { host: 'pr-7.preview.example.com', headers: ANA })), 'fallback');
      assert.equal(answeredBy(await gate.fetch('/a', { host: 'preview.example.com', headers: ANA })), 'new');
    });

    test('unless another rollout routes it', async () => {
      const through = await gate.fetch('/api/v2/orders', { headers: ANA });
      assert.equal(answeredBy(through), 'other');
      assert.equal(other.received.at(-1).get('tidegate-rollout'), 'also');
    });

    test('with its method, body and status, and with nothing said of a rollout', async () => {
      fallback.otherwise({
        status: 422,
        headers: [
          ['ETag', '"v1"'],
          ['Cache-Control', 'public, max-age=60'],
          ['Content-Type', 'text/html'],
        ],
        body: 'no',
      });
      const through = await gate.fetch('/api/orders', {
        method: 'POST',
        body: 'a=1',
        headers: { ...DOCUMENT, Origin: `https://${PUBLIC_HOST}`, Tidegate_Variant: 'evil' },
      });
      const request = fallback.last('/api/orders');
      assert.deepEqual([through.status, request.method, request.body.toString()], [422, 'POST', 'a=1']);
      assert.deepEqual(
        [through.get('etag'), through.get('cache-control'), through.all('set-cookie'), through.get('tidegate-variant')],
        ['"v1"', 'public, max-age=60', [], undefined],
      );
      assert.doesNotMatch(JSON.stringify(request.headers), /evil|tidegate-variant|tidegate-rollout/);
    });
  });

  describe("without a fallback goes to the plan's legacy frontend, untouched", () => {
    let gate;
    before(async () => {
      gate = await openGate({ controller: false });
      await gate.load([half(legacy, next, { except: EXCEPT }), also()], {
        p: STARTED.completed,
        also: written({ stage: 'full' }),
      });
    });
    after(() => gate?.close());

    for (const [path, isExcepted] of CASES) {
      test(`${path} ${isExcepted ? 'does' : 'does not'}`, async () => {
        const through = await gate.fetch(path, { headers: { ...ANA, ...DOCUMENT } });
        assert.deepEqual([through.status, answeredBy(through)], [200, isExcepted ? 'legacy' : 'new']);
        if (isExcepted) assert.equal(through.get('tidegate-reason'), 'unrouted');
      });
    }

    test('with its conditions, caching headers and tags, and without an id', async () => {
      legacy.otherwise((request) =>
        request.get('if-none-match') === '"v1"'
          ? { status: 304, headers: [['ETag', '"v1"']] }
          : {
              headers: [
                ['ETag', '"v1"'],
                ['Cache-Control', 'public, max-age=60'],
                ['Content-Type', 'text/html'],
              ],
              body: 'page',
            },
      );
      const through = await gate.fetch('/api/page', { headers: DOCUMENT });
      assert.deepEqual(
        [through.get('etag'), through.get('cache-control'), through.all('set-cookie')],
        ['"v1"', 'public, max-age=60', []],
      );
      assert.equal(legacy.last('/api/page').get('tidegate-variant'), undefined);
      assert.equal((await gate.fetch('/api/page', { headers: { ...DOCUMENT, 'If-None-Match': '"v1"' } })).status, 304);
    });

    test('and is never rescued by, or looked for at, the other side', async () => {
      legacy.otherwise({ status: 404, body: 'no' });
      assert.equal((await gate.fetch('/api/a.js', { headers: { ...ANA, ...asset('script') } })).status, 404);
      assert.equal(next.received.length, 0);
    });

    test('unless another rollout routes it', async () => {
      assert.equal(answeredBy(await gate.fetch('/api/v2/orders', { headers: ANA })), 'other');
    });
  });
});

describe('a backend that both sides share', () => {
  const rules = () => [
    { match: '/api/*', upstream: api.url },
    { match: '/based/*', upstream: `${api.url}/v1` },
  ];
  let gate;
  before(async () => {
    gate = await openGate({ controller: false });
    await gate.load(
      [half(legacy, next, { path: rules() }), flag('banner', { values: { new: 'blue', legacy: 'grey' } })],
      { p: STARTED.running, banner: written() },
    );
  });
  after(() => gate?.close());

  for (const [side, id] of /** @type {[string, object][]} */ ([
    ['new', ANA],
    ['legacy', EVE],
  ])) {
    test(`answers those on ${side}, and knows where they are`, async () => {
      for (const [path, headers, method] of /** @type {[string, object, string][]} */ ([
        ['/api/orders?a=1', asset('empty'), 'GET'],
        ['/api/orders', asset('empty'), 'POST'],
        ['/api/page', DOCUMENT, 'GET'],
      ])) {
        const through = await gate.fetch(path, {
          method,
          headers: { ...id, ...headers },
          ...(method === 'POST' && { body: 'a=1' }),
        });
        assert.deepEqual([through.status, answeredBy(through), through.get('tidegate-variant')], [200, 'api', side]);
        const request = api.received.at(-1);
        assert.deepEqual(
          [
            request.url,
            request.method,
            request.get('tidegate-variant'),
            request.get('tidegate-rollout'),
            request.get('x-forwarded-host'),
          ],
          [path, method, side, 'p', PUBLIC_HOST],
        );
        assert.equal(request.get('tidegate-flags'), 'banner=blue');
        assert.equal(request.get('host'), new URL(api.url).host);
      }
      assert.equal(legacy.received.length + next.received.length, 0);
    });

    test(`is not replaced for those on ${side} when it fails or lacks a file`, async () => {
      for (const [answer, path, headers, status] of /** @type {[any, string, object, number][]} */ ([
        [{ status: 503, body: 'down' }, '/api/x', DOCUMENT, 503],
        [{ status: 404, body: 'no' }, '/api/a.js', asset('script'), 404],
        [{ status: 403, body: 'no' }, '/api/a.js', asset('script'), 403],
      ])) {
        api.otherwise(answer);
        const through = await gate.fetch(path, { headers: { ...id, ...headers } });
        assert.deepEqual([through.status, through.text], [status, answer.body]);
      }
      api.otherwise({ reset: true });
      assert.equal((await gate.fetch('/api/x', { headers: { ...id, ...DOCUMENT } })).status, 502);
      assert.equal(legacy.received.length + next.received.length, 0);
    });
  }

  test("may have a base path, and its redirects and cookies come out as the site's", async () => {
    await gate.fetch('/based/a?b=1', { headers: ANA });
    assert.equal(api.received.at(-1).url, '/v1/based/a?b=1');
    for (const location of ['/v1/based/b', `${api.url}/v1/based/b`, `${api.url.replace('http', 'https')}/v1/based/b`]) {
      api.otherwise({
        status: 302,
        headers: [
          ['Location', location],
          ['Set-Cookie', 'a=1; Path=/v1/based'],
        ],
      });
      const through = await gate.fetch('/based/a', { headers: ANA });
      assert.equal(
        new URL(through.get('location'), `https://${PUBLIC_HOST}`).href,
        `https://${PUBLIC_HOST}/based/b`,
        location,
      );
      assert.match(through.get('set-cookie'), /Path=\/based$/);
    }
  });

  test('answers nothing else', async () => {
    for (const path of ['/', '/apis', '/a/api/b', '/based-on'])
      assert.equal(answeredBy(await gate.fetch(path, { headers: { ...ANA, ...DOCUMENT } })), 'new', path);
    assert.equal(api.received.length, 0);
  });

  test('is asked as before once the rollout has been rolled back, killed or completed, and in a draft', async () => {
    const own = await openGate({ controller: false });
    try {
      const keys = [...Object.keys(STARTED), 'draft'];
      await own.load(
        keys.map((key) =>
          half(legacy, next, {
            key,
            salt: 'p',
            routes: [`/${key}/*`],
            path: [{ match: `/${key}/api/*`, upstream: api.url }],
          }),
        ),
        STARTED,
      );
      for (const key of keys)
        assert.equal(
          answeredBy(await own.fetch(`/${key}/api/x`, { headers: { ...ANA, ...asset('empty') } })),
          'api',
          key,
        );
    } finally {
      await own.close();
    }
  });

  test('is measured for each side', async () => {
    const own = await openControlled([half(legacy, next, { path: rules(), defaults: 'none' })]);
    try {
      let answered = 0;
      await until(
        async () => {
          const variant = (await own.fetch('/warm', { headers: ANA })).get('tidegate-variant');
          answered += Number(variant !== undefined && variant !== null);
          return variant === 'new';
        },
        () => 'the rollout to run',
      );
      const sums = async () => {
        const { windows } = (await operator(own).get('rollouts/p/metrics')).body;
        return ['new', 'legacy'].flatMap((variant) =>
          ['requests', 'errors'].map((name) =>
            windows
              .flatMap(({ sides }) => sides)
              .filter((side) => side.variant === variant)
              .reduce((total, side) => total + side[name], 0),
          ),
        );
      };
      const earlier = await until(
        async () => {
          const found = await sums();
          return found[0] + found[2] >= answered && found;
        },
        () => 'what was asked so far to be counted',
      );
      api.otherwise({ status: 503 });
      for (const id of [...idsOn('new', 4), ...idsOn('legacy', 3)])
        await own.fetch('/api/x', { headers: { 'x-user-id': id, ...asset('empty') } });
      let added;
      await until(
        async () => {
          // Isolates tell what they have counted behind their answers.
          await own.fetch('/_tidegate/health');
          added = (await sums()).map((count, index) => count - earlier[index]);
          return added[0] + added[2] >= 7;
        },
        () => `each side's requests to be counted, and not ${added}`,
      );
      assert.deepEqual(added, [4, 4, 3, 3]);
    } finally {
      await own.close();
    }
  });
});

describe('a frontend that is a Worker behind a service binding', () => {
  let gate;
  before(async () => {
    gate = await openGate({ controller: false, services: { NEW: next, OLD: legacy } });
    await gate.load(
      [
        half(legacy.url, 'service:NEW'),
        half('service:OLD', 'service:NEW', { key: 'both', salt: 'p', routes: ['both.example.com/*'] }),
        half(legacy.url, 'service:NOWHERE', { key: 'gone', salt: 'p', routes: ['gone.example.com/*'] }),
        half('service:NOWHERE', next.url, { key: 'lost', salt: 'p', routes: ['lost.example.com/*'] }),
      ],
      Object.fromEntries(['p', 'both', 'gone', 'lost'].map((key) => [key, STARTED.running])),
    );
  });
  after(() => gate?.close());

  test('is asked for what the browser asked, with the site and the side', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PROPFIND']) {
      const through = await gate.fetch('/a%2Fb?c=1', {
        method,
        headers: { ...ANA, 'x-own': 'kept' },
        ...(method !== 'GET' && { body: 'a=1' }),
      });
      assert.deepEqual(
        [through.status, through.text, through.get('tidegate-variant')],
        [200, 'new /a%2Fb?c=1', 'new'],
        method,
      );
      const request = next.last('/a%2Fb');
      assert.deepEqual(
        [
          request.method,
          request.body.toString(),
          request.get('x-own'),
          request.get('tidegate-variant'),
          request.get('x-forwarded-host'),
          request.get('x-forwarded-proto'),
        ],
        [method, method === 'GET' ? '' : 'a=1', 'kept', 'new', PUBLIC_HOST, 'https'],
      );
    }
  });

  test('may be legacy too', async () => {
    for (const [id, side] of /** @type {[object, string][]} */ ([
      [ANA, 'new'],
      [EVE, 'legacy'],
    ])) {
      const through = await gate.fetch('/page', { host: 'both.example.com', headers: { ...id, ...DOCUMENT } });
      assert.deepEqual([answeredBy(through), through.get('tidegate-variant')], [side, side]);
    }
  });

  test('is rescued when it fails, and files that it lacks come from the other side', async () => {
    for (const failure of [{ status: 500, body: 'Error 1101' }, { reset: true }]) {
      next.handle('/page', failure);
      const through = await gate.fetch('/page', { headers: { ...ANA, ...DOCUMENT } });
      assert.deepEqual([answeredBy(through), through.get('tidegate-reason')], ['legacy', 'rescued']);
    }
    next.handle('/a.js', { status: 404 });
    legacy.handle('/a.js', { headers: [['Content-Type', 'text/javascript']], body: 'the file' });
    assert.deepEqual((await gate.fetch('/a.js', { headers: { ...ANA, ...asset('script') } })).text, 'the file');
  });

  test('answers with redirects unfollowed, cookies in their order, and bodies as they come', async () => {
    next.handle('/from', {
      status: 302,
      headers: [
        ['Location', '/to'],
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ],
    });
    const redirect = await gate.fetch('/from', { headers: ANA });
    assert.deepEqual(
      [redirect.status, redirect.get('location'), redirect.all('set-cookie')],
      [302, '/to', ['a=1', 'b=2']],
    );
    let seen;
    const isSeen = new Promise((resolve) => {
      seen = resolve;
    });
    next.handle('/stream', () => ({
      headers: [['Content-Type', 'text/html']],
      body: (async function* () {
        yield Buffer.from('first');
        await isSeen;
        yield Buffer.from('last');
      })(),
    }));
    const { stream } = await gate.open('/stream', { headers: ANA });
    await new Promise((resolve) => stream.once('data', resolve));
    seen();
    stream.resume();
  });

  test('gets an upload as it comes', { timeout: 60_000 }, async () => {
    let arrived;
    const begun = new Promise((resolve) => {
      arrived = resolve;
    });
    next.handle(
      '/upload',
      streaming(async ({ stream }) => {
        let body = '';
        for await (const chunk of stream) {
          body += chunk;
          arrived();
        }
        return { body };
      }),
    );
    const through = await gate.fetch('/upload', {
      method: 'POST',
      headers: ANA,
      body: (async function* () {
        yield Buffer.from('first');
        await begun;
        yield Buffer.from('last');
      })(),
    });
    assert.equal(through.text, 'firstlast');
  });

  test('that is bound by no such name is a frontend that does not answer', async () => {
    const rescued = await gate.fetch('/page', { host: 'gone.example.com', headers: { ...ANA, ...DOCUMENT } });
    assert.deepEqual([answeredBy(rescued), rescued.get('tidegate-reason')], ['legacy', 'rescued']);
    assert.equal(
      (await gate.fetch('/page', { host: 'gone.example.com', method: 'POST', body: 'a=1', headers: ANA })).status,
      502,
    );
    assert.equal(
      (await gate.fetch('/page', { host: 'lost.example.com', headers: { ...EVE, ...DOCUMENT } })).status,
      502,
    );
  });
});
