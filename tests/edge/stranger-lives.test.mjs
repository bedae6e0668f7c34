// What new sent does not outlive a rollback in the browser: pages and permanent redirects are kept, but
// asked for again; files keep the lives that their side gave them. symfony#59346, interlock#51.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, DOCUMENT, half, STARTED } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const YEAR = 'public, max-age=31536000, immutable';
const HTML = 'text/html; charset=utf-8';
const FETCHED = asset('empty');
const LATER = 'Fri, 01 Jan 2100 00:00:00 GMT';
/** Words that let a browser show a page without asking. */
const LIVES = /max-age=(?!0\b)|s-maxage|immutable|stale-while-revalidate|stale-if-error|public/i;

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
 * Has both sides answer everything with these headers, and asks.
 * @param {string} state
 * @param {string[][]} headers
 * @param {{ ask?: object, type?: string | null, status?: number, path?: string } & import('./wire.mjs').RequestOptions} [options]
 */
async function answerTo(state, headers, { ask = DOCUMENT, type = HTML, status = 200, path = 'page', ...options } = {}) {
  const answer = { status, headers: [...(type ? [['Content-Type', type]] : []), ...headers], body: 'text' };
  for (const site of [legacy, next]) site.otherwise(answer);
  const through = await gate.fetch(`/${state}/${path}`, { headers: { ...ANA, ...ask }, ...options });
  assert.equal(through.status, status);
  return through;
}

const directives = (through) =>
  (through.get('cache-control') ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter(Boolean);

function assertAskedAgain(through, what = '') {
  const assigned = directives(through);
  const shown = `${what}: ${assigned}`;
  assert.doesNotMatch(assigned.join(), LIVES, shown);
  assert.ok(assigned.includes('no-store') || (assigned.includes('no-cache') && assigned.includes('private')), shown);
}

/** What frontends say of their pages. */
const SENT = {
  'max-age': [['Cache-Control', 'max-age=600']],
  'public, max-age': [['Cache-Control', 'public, max-age=600']],
  'private, max-age': [['Cache-Control', 'private, max-age=600']],
  's-maxage': [['Cache-Control', 's-maxage=86400, max-age=60']],
  'stale-while-revalidate': [['Cache-Control', 'max-age=0, stale-while-revalidate=86400']],
  'stale-if-error': [['Cache-Control', 'max-age=60, stale-if-error=86400']],
  'a year, immutable': [['Cache-Control', YEAR]],
  capitals: [['Cache-Control', 'PUBLIC, Max-Age=600, Immutable']],
  'two headers': [
    ['Cache-Control', 'public'],
    ['Cache-Control', 'max-age=600'],
  ],
  quoted: [['Cache-Control', 'max-age="600"']],
  'a field named by private': [['Cache-Control', 'private="set-cookie", max-age=600']],
  'no-cache of one field only': [['Cache-Control', 'no-cache="set-cookie", max-age=600']],
  Expires: [['Expires', LATER]],
  'Expires and max-age': [
    ['Expires', LATER],
    ['Cache-Control', 'max-age=600'],
  ],
  'a date, from which browsers guess': [['Last-Modified', 'Mon, 05 Jan 2015 10:00:00 GMT']],
  nothing: [],
  'an empty header': [['Cache-Control', '']],
  'must-revalidate': [['Cache-Control', 'max-age=600, must-revalidate']],
};

describe('a page is asked for again, whatever its side says', () => {
  for (const state of Object.keys(STARTED)) {
    test(state, async () => {
      for (const [what, headers] of Object.entries(SENT)) assertAskedAgain(await answerTo(state, headers), what);
    });
  }

  /** @type {Record<string, [ask: object, options: any]>} */
  const asked = {
    'in a frame': [{ ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'same-origin' }, {}],
    'by a client without metadata': [{ Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, {}],
    'fetched by a script': [FETCHED, {}],
    'fetched, in capitals': [FETCHED, { type: 'TEXT/HTML' }],
    'fetched by a client without metadata': [{ Accept: '*/*' }, {}],
    'with HEAD': [DOCUMENT, { method: 'HEAD' }],
    'in XHTML': [DOCUMENT, { type: 'application/xhtml+xml' }],
    'that says that there is none': [DOCUMENT, { status: 404 }],
    'that says that it has gone': [DOCUMENT, { status: 410 }],
    'that leads elsewhere for now': [DOCUMENT, { status: 302, more: [['Location', '/elsewhere']] }],
    'that leads elsewhere with 307': [DOCUMENT, { status: 307, more: [['Location', '/elsewhere']] }],
  };
  for (const [what, [ask, { more = [], ...options }]] of Object.entries(asked)) {
    test(what, async () => {
      for (const state of ['running', 'rolled', 'completed'])
        assertAskedAgain(await answerTo(state, [['Cache-Control', YEAR], ...more], { ask, ...options }), state);
    });
  }

  test('that must not be stored at all stays so', async () => {
    for (const sent of ['no-store', 'no-cache, no-store, must-revalidate', 'private, no-store']) {
      assert.ok(directives(await answerTo('running', [['Cache-Control', sent]])).includes('no-store'), sent);
    }
  });

  test('that was rescued too', async () => {
    legacy.otherwise({
      headers: [
        ['Content-Type', HTML],
        ['Cache-Control', YEAR],
      ],
      body: 'text',
    });
    next.otherwise({ status: 503 });
    const through = await gate.fetch('/running/page', { headers: { ...ANA, ...DOCUMENT } });
    assert.equal(through.get('tidegate-reason'), 'rescued');
    assertAskedAgain(through);
  });

  test('and 304 renews no life', async () => {
    const sent = [
      ['ETag', '"v1"'],
      ['Cache-Control', YEAR],
      ['Expires', LATER],
    ];
    assertAskedAgain(
      await answerTo('running', sent, { status: 304, type: null, ask: { ...DOCUMENT, 'If-None-Match': '"v1~tg-n"' } }),
    );
    assertAskedAgain(
      await answerTo('rolled', sent, { status: 304, type: null, ask: { ...DOCUMENT, 'If-None-Match': '"v1~tg-l"' } }),
    );
  });
});

describe('a permanent redirect is asked for again', () => {
  for (const status of [301, 308]) {
    for (const state of Object.keys(STARTED)) {
      test(`${status}, ${state}`, async () => {
        for (const sent of [[], [['Cache-Control', YEAR]], [['Expires', LATER]], [['Cache-Control', 'max-age=600']]]) {
          for (const ask of /** @type {Record<string, string>[]} */ ([
            DOCUMENT,
            FETCHED,
            asset('script'),
            asset('image'),
            { Accept: '*/*' },
          ])) {
            assertAskedAgain(
              await answerTo(state, [['Location', '/basket'], ...sent], { status, ask, type: null }),
              ask['Sec-Fetch-Dest'],
            );
          }
        }
      });
    }

    test(`${status} of a POST`, async () => {
      assertAskedAgain(
        await answerTo(
          'running',
          [
            ['Location', '/basket'],
            ['Cache-Control', YEAR],
          ],
          { status, method: 'POST', body: 'a=1' },
        ),
      );
    });
  }
});

describe('what is no page keeps its life, in the browser alone', () => {
  /** @type {Record<string, [ask: object, type: string, path: string]>} */
  const kept = {
    'a script': [asset('script'), 'text/javascript', 'app-1.js'],
    'a style': [asset('style'), 'text/css', 'app-1.css'],
    'a font': [asset('font'), 'font/woff2', 'a.woff2'],
    'an image': [asset('image'), 'image/avif', 'a.avif'],
    'a video': [asset('video'), 'video/mp4', 'a.mp4'],
    'a worker': [asset('worker'), 'text/javascript', 'w.js'],
    data: [FETCHED, 'application/json', 'api/stock'],
    'data of another kind': [FETCHED, 'application/vnd.api+json', 'api/stock'],
    'a file of a client without metadata': [{ Accept: '*/*' }, 'text/javascript', 'app-1.js'],
  };
  for (const [what, [ask, type, path]] of Object.entries(kept)) {
    test(what, async () => {
      for (const state of Object.keys(STARTED)) {
        const year = directives(await answerTo(state, [['Cache-Control', YEAR]], { ask, type, path }));
        assert.deepEqual(year.sort(), ['immutable', 'max-age=31536000', 'private'], state);
        const minute = directives(
          await answerTo(state, [['Cache-Control', 'private, max-age=60']], { ask, type, path }),
        );
        assert.deepEqual(minute.sort(), ['max-age=60', 'private'], state);
        const dated = await answerTo(state, [['Expires', LATER]], { ask, type, path });
        assert.equal(dated.get('expires'), LATER);
        assert.ok(!directives(dated).includes('no-cache'), state);
      }
    });
  }
});

describe('left alone', () => {
  for (const [state, why] of [
    ['draft', 'in a draft'],
    ['own', 'with `cache = "upstream"`'],
  ]) {
    test(`${why}: pages, redirects and files`, async () => {
      for (const sent of [YEAR, 'public, max-age=600', 's-maxage=60', 'private, max-age=60', 'no-cache']) {
        assert.equal((await answerTo(state, [['Cache-Control', sent]])).get('cache-control'), sent);
        assert.equal(
          (
            await answerTo(
              state,
              [
                ['Cache-Control', sent],
                ['Location', '/to'],
              ],
              { status: 308 },
            )
          ).get('cache-control'),
          sent,
        );
        assert.equal(
          (await answerTo(state, [['Cache-Control', sent]], { ask: asset('script'), type: 'text/javascript' })).get(
            'cache-control',
          ),
          sent,
        );
      }
      assert.equal((await answerTo(state, [['Expires', LATER]])).get('expires'), LATER);
    });
  }
});
