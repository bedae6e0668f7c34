// Files of the other side: one that is missing is looked for there, however its side says so and whoever
// asks; a miss is never kept; a service worker never comes from a side that was left.
// sveltejs/kit#16077, decocms/studio#4009, aws-pdk#921, create-react-app#3154, Shopify/hydrogen#3329.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, BACK, DOCUMENT, half, idsOn, STARTED } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const YEAR = ['Cache-Control', 'public, max-age=31536000, immutable'];
const [EVE] = idsOn('legacy').map((id) => ({ 'x-user-id': id }));

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const rollout = (key, changes) => half(legacy, next, { key, routes: [`/${key}/*`], salt: 'p', ...changes });
  await gate.load(
    [...Object.keys(STARTED).map((key) => rollout(key)), rollout('draft'), rollout('own', { cache: 'upstream' })],
    { ...STARTED, own: STARTED.running },
  );
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * @param {string} path
 * @param {object} headers
 * @param {{ id?: object, state?: string } & import('./wire.mjs').RequestOptions} [options]
 */
const ask = (path, headers, { id = ANA, state = 'running', ...options } = {}) =>
  gate.fetch(`/${state}/${path}`, { headers: { ...id, ...headers }, ...options });

const TYPES = {
  js: 'text/javascript',
  mjs: 'application/javascript',
  css: 'text/css',
  json: 'application/json',
  map: 'application/json',
  wasm: 'application/wasm',
  webmanifest: 'application/manifest+json',
  png: 'image/png',
  jpg: 'image/jpeg',
  svg: 'image/svg+xml',
  webp: 'image/webp',
  avif: 'image/avif',
  gif: 'image/gif',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
  woff: 'font/woff',
  ttf: 'font/ttf',
  mp4: 'video/mp4',
  webm: 'video/webm',
  mp3: 'audio/mpeg',
  vtt: 'text/vtt',
};
const typeOf = (path) => TYPES[path.split('.').pop()] ?? 'application/octet-stream';
const found = (path, more = []) => ({ headers: [['Content-Type', typeOf(path)], YEAR, ...more], body: 'the file' });

/** How a side says that it does not have a file. */
const MISSES = {
  404: { status: 404, headers: [['Content-Type', 'text/html'], YEAR], body: 'no such page' },
  '404 without a type': { status: 404, headers: [YEAR], body: '' },
  '403, as S3 does without the right to list': {
    status: 403,
    headers: [['Content-Type', 'application/xml'], YEAR],
    body: '<Error><Code>AccessDenied</Code></Error>',
  },
  410: { status: 410, headers: [['Content-Type', 'text/plain'], YEAR], body: 'gone' },
  'the start page': {
    headers: [['Content-Type', 'text/html; charset=utf-8'], YEAR],
    body: '<!doctype html><title>the app',
  },
  'the start page, in capitals': {
    headers: [['Content-Type', 'Text/HTML;charset=UTF-8'], YEAR],
    body: '<!doctype html><title>the app',
  },
};

/**
 * Who asks for which file.
 * @type {Record<string, [path: string, headers: object]>}
 */
const ASKED = {
  'a script': ['assets/app-1.js', asset('script')],
  'a style': ['assets/app-1.css', asset('style')],
  'a font': ['assets/a.woff2', asset('font')],
  'an image': ['assets/a.png', asset('image')],
  'an image without extension': ['image', asset('image')],
  'a script without extension': ['chunk', asset('script')],
  'a worker': ['w.js', asset('worker')],
  'a shared worker': ['w.js', asset('sharedworker')],
  'an audio worklet': ['w.js', asset('audioworklet')],
  'a paint worklet': ['w.js', asset('paintworklet')],
  'a manifest': ['site.webmanifest', asset('manifest')],
  'a manifest in JSON': ['manifest.json', asset('manifest')],
  'a video': ['a.mp4', asset('video')],
  'a sound': ['a.mp3', asset('audio')],
  'a track': ['a.vtt', asset('track')],
  'fetched data of a build': ['data/build-1.json', asset('empty')],
  'fetched WebAssembly': ['app_bg.wasm', asset('empty')],
  'a fetched chunk': ['assets/chunk.js', asset('empty')],
  ...Object.fromEntries(
    ['js', 'mjs', 'css', 'woff2', 'png', 'svg', 'webp', 'ico', 'wasm', 'mp4', 'webmanifest'].map((extension) => [
      `.${extension}, by a client without metadata`,
      [`assets/a.${extension}`, { Accept: '*/*' }],
    ]),
  ),
  'a script with a query, by a client without metadata': ['assets/a.js?v=1.2', { Accept: '*/*' }],
  'a script by a client that says nothing': ['assets/a.js', {}],
  'an image, by an older Safari': [
    'assets/a.png',
    { Accept: 'image/webp,image/avif,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5' },
  ],
};

describe('a file that its own side does not have comes from the other', () => {
  for (const [what, [path, headers]] of Object.entries(ASKED)) {
    test(what, async () => {
      const [name] = path.split('?');
      for (const [how, miss] of Object.entries(MISSES)) {
        next.handle(`/running/${name}`, miss);
        legacy.handle(`/running/${name}`, found(name));
        const forAna = await ask(path, headers);
        assert.deepEqual(
          [forAna.status, forAna.text, forAna.get('tidegate-reason'), forAna.get('tidegate-variant')],
          [200, 'the file', 'skew', 'legacy'],
          `new says ${how}`,
        );
        assert.equal(forAna.get('content-type'), typeOf(name));
        legacy.handle(`/rolled/${name}`, miss);
        next.handle(`/rolled/${name}`, found(name));
        const back = await ask(path, headers, { state: 'rolled' });
        assert.deepEqual(
          [back.status, back.text, back.get('tidegate-reason')],
          [200, 'the file', 'skew'],
          `legacy says ${how} after a rollback`,
        );
      }
    });
  }

  test('for a visitor on legacy too', async () => {
    legacy.handle('/running/a.js', MISSES['404']);
    next.handle('/running/a.js', found('a.js'));
    assert.equal((await ask('a.js', asset('script'), { id: EVE })).text, 'the file');
  });

  test('with HEAD too', async () => {
    next.handle('/running/a.js', { ...MISSES['404'], body: '' });
    legacy.handle('/running/a.js', found('a.js'));
    assert.equal((await ask('a.js', asset('script'), { method: 'HEAD' })).status, 200);
  });

  for (const [name, dest] of [
    ['a.mp4', 'video'],
    ['a.mp3', 'audio'],
    ['a.vtt', 'track'],
  ]) {
    test(`${dest}: a part of it, where only a part is asked for`, async () => {
      const part = {
        status: 206,
        headers: [
          ['Content-Type', typeOf(name)],
          ['Content-Range', 'bytes 4-7/8'],
        ],
        body: 'file',
      };
      next.handle(`/running/${name}`, MISSES['404']);
      legacy.handle(`/running/${name}`, part);
      const through = await ask(name, { ...asset(dest), Range: 'bytes=4-' });
      assert.deepEqual([through.status, through.text, through.get('content-range')], [206, 'file', 'bytes 4-7/8']);
      assert.equal(legacy.last(`/running/${name}`).get('range'), 'bytes=4-');
      next.handle(`/running/${name}`, part);
      legacy.received.length = 0;
      assert.equal((await ask(name, { ...asset(dest), Range: 'bytes=4-' })).status, 206);
      assert.equal(legacy.received.length, 0, 'a part that is there is not looked for elsewhere');
    });
  }
});

describe("a miss on both sides is the own side's, and is not kept", () => {
  for (const [how, miss] of Object.entries(MISSES)) {
    test(how, async () => {
      next.otherwise(miss);
      for (const other of Object.values(MISSES)) {
        legacy.otherwise({ ...other, body: "the other side's" });
        for (const [path, headers] of /** @type {[string, object][]} */ ([
          ['assets/app-1.js', asset('script')],
          ['assets/a.css', asset('style')],
          ['a.png', asset('image')],
          ['assets/a.js', { Accept: '*/*' }],
          ['data/1.json', asset('empty')],
        ])) {
          const through = await ask(path, headers);
          assert.deepEqual(
            [through.status, through.text, through.get('tidegate-variant')],
            [miss.status ?? 200, miss.body, 'new'],
            path,
          );
          assert.match(through.get('cache-control'), /no-store/, path);
          assert.doesNotMatch(through.get('cache-control'), /immutable|max-age=3/, path);
        }
      }
    });
  }

  for (const state of Object.keys(STARTED)) {
    test(`${state}: with a life of a year`, async () => {
      for (const site of [legacy, next]) site.otherwise(MISSES['404']);
      const through = await ask('assets/app-1.js', asset('script'), { state });
      assert.equal(through.status, 404);
      assert.match(through.get('cache-control'), /no-store/);
    });
  }

  test('nor while the other side fails', async () => {
    next.otherwise(MISSES['404']);
    for (const failure of [
      { status: 503, headers: [YEAR] },
      { reset: true },
      { status: 302, headers: [['Location', '/login'], YEAR] },
    ]) {
      legacy.otherwise(failure);
      const through = await ask('assets/app-1.js', asset('script'));
      assert.deepEqual([through.status, through.text], [404, 'no such page']);
      assert.match(through.get('cache-control'), /no-store/);
    }
  });
});

describe('a file on a side that is down comes from the other only if it is that file', () => {
  const DOWN = { status: 503, headers: [['Retry-After', '1']], body: 'new is down' };
  for (const [how, miss] of Object.entries(MISSES)) {
    test(`legacy says ${how}`, async () => {
      next.otherwise(DOWN);
      legacy.otherwise(miss);
      for (const [path, headers] of /** @type {[string, object][]} */ ([
        ['assets/app-1.js', asset('script')],
        ['a.css', asset('style')],
        ['a.js', { Accept: '*/*' }],
        ['w.js', asset('worker')],
      ])) {
        const through = await ask(path, headers);
        assert.deepEqual([through.status, through.text], [503, 'new is down'], path);
        assert.doesNotMatch(through.get('cache-control') ?? '', /immutable|max-age=3/, path);
      }
    });
  }

  test('where new does not answer at all, the error is not kept either', async () => {
    next.otherwise({ reset: true });
    legacy.otherwise(MISSES['the start page']);
    const through = await ask('assets/app-1.js', asset('script'));
    assert.ok(through.status >= 400, String(through.status));
    assert.doesNotMatch(through.get('cache-control') ?? '', /immutable|max-age=3/);
  });

  test('and it is rescued where legacy has it', async () => {
    next.otherwise(DOWN);
    legacy.otherwise(found('a.js'));
    const through = await ask('assets/a.js', asset('script'));
    assert.deepEqual([through.status, through.text, through.get('tidegate-reason')], [200, 'the file', 'rescued']);
  });

  test('a page is rescued all the same, with whatever legacy says of it', async () => {
    next.otherwise(DOWN);
    legacy.otherwise(MISSES['404']);
    assert.equal((await ask('page', DOCUMENT)).status, 404);
  });
});

describe('the other side is not asked', () => {
  /** @type {Record<string, [path: string, headers: object, answer: any]>} */
  const not = {
    'for a page that is not there': ['page', DOCUMENT, MISSES['404']],
    'for a page that one may not see': ['page', DOCUMENT, MISSES['403, as S3 does without the right to list']],
    'for a page in a frame': ['page', { ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe' }, MISSES['404']],
    'for a page whose address ends like a file': ['docs/app.js', DOCUMENT, MISSES['404']],
    'for data of the API': ['api/orders/7', asset('empty'), MISSES['404']],
    'for data that one may not see': [
      'api/orders/7',
      asset('empty'),
      { status: 403, headers: [['Content-Type', 'application/json']], body: '{}' },
    ],
    'for HTML that is fetched': ['fragment', asset('empty'), MISSES['the start page']],
    'for HTML that is fetched by name': ['fragment.html', asset('empty'), MISSES['the start page']],
    'for what a client without metadata asks without extension': ['thing', { Accept: '*/*' }, MISSES['404']],
    'for a version in a path': ['api/v1.2', { Accept: '*/*' }, MISSES['404']],
    'for a file that is there': ['a.js', asset('script'), found('a.js')],
    'for a file that the browser has': ['a.js', asset('script'), { status: 304 }],
    'for a file that one must pay for': ['a.js', asset('script'), { status: 402, body: 'pay' }],
    'for a file behind a log-in': [
      'a.js',
      asset('script'),
      { status: 401, headers: [['WWW-Authenticate', 'Basic']], body: 'who?' },
    ],
    'for a file that has moved': ['a.js', asset('script'), { status: 302, headers: [['Location', '/b.js']] }],
  };
  for (const [what, [path, headers, answer]] of Object.entries(not)) {
    test(what, async () => {
      next.otherwise(answer);
      const through = await ask(path, headers);
      assert.deepEqual([through.status, through.text], [answer.status ?? 200, answer.body ?? '']);
      assert.equal(legacy.received.length, 0);
    });
  }

  test('for a POST', async () => {
    next.otherwise(MISSES['404']);
    assert.equal((await ask('a.js', asset('script'), { method: 'POST', body: 'x' })).status, 404);
    assert.equal(legacy.received.length, 0);
  });
});

describe('a web manifest, which browsers fetch without cookies', () => {
  const PLAIN = { ...asset('manifest'), 'Sec-Fetch-Mode': 'cors' };

  test('is no subject: nothing is minted', async () => {
    for (const site of [legacy, next]) site.otherwise(found('site.webmanifest'));
    for (let visit = 0; visit < 20; visit += 1) {
      const through = await ask('site.webmanifest', PLAIN, { id: {} });
      assert.deepEqual([through.status, through.all('set-cookie')], [200, []]);
    }
  });

  for (const [has, lacks] of [
    ['new', 'legacy'],
    ['legacy', 'new'],
  ]) {
    test(`is found where only ${has} has it`, async () => {
      const sites = { legacy, new: next };
      sites[has].otherwise(found('site.webmanifest'));
      sites[lacks].otherwise(MISSES['the start page']);
      for (let visit = 0; visit < 10; visit += 1) {
        const through = await ask('site.webmanifest', PLAIN, { id: {} });
        assert.deepEqual([through.status, through.text], [200, 'the file']);
      }
    });
  }
});

describe('a service worker', () => {
  const SCRIPT = {
    headers: [['Content-Type', 'text/javascript'], ['Service-Worker-Allowed', '/'], YEAR],
    body: 'self.addEventListener("fetch", () => {});',
  };
  const ASKS = {
    'by a browser of today': { ...asset('serviceworker'), 'Sec-Fetch-Mode': 'same-origin', 'Service-Worker': 'script' },
    'by its destination alone': { 'Sec-Fetch-Dest': 'serviceworker', Accept: '*/*' },
    'by a browser without metadata': { 'Service-Worker': 'script', Accept: '*/*' },
  };

  function assertUnregisters(through, what) {
    assert.equal(through.status, 200, what);
    assert.match(through.get('content-type'), /^text\/javascript/, what);
    assert.match(through.text, /\.unregister\(\)/, what);
    assert.doesNotMatch(through.get('cache-control') ?? '', /max-age=[1-9]|immutable/, what);
    assert.deepEqual(through.all('set-cookie'), []);
    new Function(`return async () => {${through.text}\n}`);
  }

  for (const [by, headers] of Object.entries(ASKS)) {
    test(`asked for ${by}: the side in force lacks it, so it is taken down`, async () => {
      for (const [how, miss] of Object.entries(MISSES)) {
        legacy.otherwise(miss);
        next.otherwise(SCRIPT);
        for (const state of BACK) {
          next.received.length = 0;
          assertUnregisters(await ask('sw.js', headers, { state }), `${state}: legacy says ${how}`);
          assert.equal(next.received.length, 0, 'new is not asked');
        }
        assertUnregisters(await ask('sw.js', headers, { id: EVE }), `on legacy, beside new: ${how}`);
        legacy.otherwise(SCRIPT);
        next.otherwise(miss);
        legacy.received.length = 0;
        for (const state of ['running', 'paused', 'completed'])
          assertUnregisters(await ask('sw.js', headers, { state }), `${state}: new says ${how}`);
        assert.equal(legacy.received.length, 0, 'legacy is not asked');
      }
    });

    test(`asked for ${by}: the own side's is left alone`, async () => {
      const other = { ...SCRIPT, body: "the other side's" };
      for (const state of Object.keys(STARTED)) {
        legacy.otherwise(BACK.includes(state) ? SCRIPT : other);
        next.otherwise(BACK.includes(state) ? other : SCRIPT);
        const through = await ask('sw.js', headers, { state });
        assert.deepEqual(
          [through.status, through.text, through.get('service-worker-allowed')],
          [200, SCRIPT.body, '/'],
          state,
        );
      }
    });
  }

  test('under any name', async () => {
    legacy.otherwise(MISSES['404']);
    for (const path of [
      'service-worker.js',
      'firebase-messaging-sw.js',
      'ngsw-worker.js',
      'assets/worker',
      'sw.js?v=2',
    ])
      assertUnregisters(await ask(path, ASKS['by a browser of today'], { state: 'rolled' }), path);
  });

  test('is not taken down because its side is down for a moment, nor comes from the other then', async () => {
    legacy.otherwise(SCRIPT);
    for (const failure of [{ status: 503, body: 'down' }, { reset: true }]) {
      next.otherwise(failure);
      for (const headers of Object.values(ASKS)) {
        const through = await ask('sw.js', headers);
        assert.ok(through.status >= 500, String(through.status));
      }
    }
  });

  test('is neither looked for nor taken down in a draft', async () => {
    legacy.otherwise(MISSES['404']);
    next.otherwise(SCRIPT);
    assert.equal((await ask('sw.js', ASKS['by a browser of today'], { state: 'draft' })).status, 404);
    assert.equal(next.received.length, 0);
  });

  test('a script of the same name that is no service worker comes from the other side as any does', async () => {
    legacy.otherwise(MISSES['404']);
    next.otherwise(SCRIPT);
    assert.equal((await ask('sw.js', asset('script'), { state: 'rolled' })).text, SCRIPT.body);
  });
});
