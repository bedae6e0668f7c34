// A browser's copy of one side never keeps the other side's page alive: whatever it asks with, 304 is
// said only of the copy of the side that is asked. evansd/whitenoise#202, liferay-portal#3692.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, BACK, DOCUMENT, half, idsOn, STARTED } from './plans.mjs';
import { file, startUpstream } from './upstream.mjs';

const JANUARY = 'Mon, 05 Jan 2026 10:00:00 GMT';
const FEBRUARY = 'Mon, 02 Feb 2026 10:00:00 GMT';
const [EVE] = idsOn('legacy').map((id) => ({ 'x-user-id': id }));
/**
 * New in the one state, legacy in the other, and who is there.
 * @type {Record<string, [state: string, id: object, own: string, other: string]>}
 */
const ON = { new: ['running', ANA, 'n', 'l'], legacy: ['rolled', ANA, 'l', 'n'] };

/** @type {Record<string, [headers: Record<string, string>, type: string]>} */
const KINDS = {
  'a page': [DOCUMENT, 'text/html; charset=utf-8'],
  'a frame': [{ ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'same-origin' }, 'text/html'],
  'a page of a client without metadata': [{ Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, 'text/html'],
  'fetched HTML': [asset('empty'), 'text/html'],
  'fetched data': [asset('empty'), 'application/json'],
  'a script': [asset('script'), 'text/javascript'],
  'a style': [asset('style'), 'text/css'],
  'an image': [asset('image'), 'image/png'],
  'a file of a client without metadata': [{ Accept: '*/*' }, 'application/octet-stream'],
};

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
 * Both sides have the file under the same tag, legacy's being the older one.
 * @param {{ etag?: string | null, type?: string, headers?: string[][] }} [changes]
 */
function publish({ etag = '"v1"', type = 'text/html', headers } = {}) {
  legacy.otherwise(file({ etag, modified: JANUARY, type, body: 'the file of legacy', headers }));
  next.otherwise(file({ etag, modified: FEBRUARY, type, body: 'the file of new', headers }));
}

/**
 * @param {string} state
 * @param {object} headers
 * @param {{ id?: object, path?: string } & import('./wire.mjs').RequestOptions} [options]
 */
const ask = (state, headers, { id = ANA, path = 'file', ...options } = {}) =>
  gate.fetch(`/${state}/${path}`, { headers: { ...id, ...headers }, ...options });

function assertWhole(through, side, what = '') {
  assert.equal(through.status, 200, what);
  assert.equal(through.text, `the file of ${side}`, what);
}

function assertConfirmed(through, etag) {
  assert.equal(through.status, 304);
  assert.equal(through.text, '');
  assert.equal(through.get('etag'), etag);
}

describe('once new was left, its copy is not confirmed by legacy', () => {
  const held = {
    'the date': { 'If-Modified-Since': FEBRUARY },
    'the tag': { 'If-None-Match': '"v1~tg-n"' },
    'the tag, made weak on its way': { 'If-None-Match': 'W/"v1~tg-n"' },
    'the tag and the date': { 'If-None-Match': '"v1~tg-n"', 'If-Modified-Since': FEBRUARY },
    'several tags of it': { 'If-None-Match': '"v0~tg-n", W/"v1~tg-n","v2~tg-n"', 'If-Modified-Since': FEBRUARY },
  };
  for (const state of BACK) {
    for (const [kind, [headers, type]] of Object.entries(KINDS)) {
      test(`${state}: ${kind}`, async () => {
        publish({ type });
        for (const [what, conditions] of Object.entries(held)) {
          assertWhole(await ask(state, { ...headers, ...conditions }), 'legacy', what);
        }
      });
    }
  }

  test('for a visitor on legacy while others are on new', async () => {
    publish();
    for (const state of ['running', 'paused']) {
      for (const conditions of Object.values(held))
        assertWhole(await ask(state, { ...DOCUMENT, ...conditions }, { id: EVE }), 'legacy');
    }
  });

  test('nor for a HEAD', async () => {
    publish();
    for (const conditions of Object.values(held))
      assert.equal((await ask('rolled', { ...DOCUMENT, ...conditions }, { method: 'HEAD' })).status, 200);
  });
});

describe("on new, legacy's copy is not confirmed", () => {
  const held = {
    'the date': { 'If-Modified-Since': FEBRUARY },
    'a tag from before the rollout': { 'If-None-Match': '"v1"' },
    'a weak one': { 'If-None-Match': 'W/"v1"' },
    'a tag from before the rollout, and the date': { 'If-None-Match': '"v1"', 'If-Modified-Since': FEBRUARY },
    'the tag': { 'If-None-Match': '"v1~tg-l"' },
    'the tag, made weak on its way': { 'If-None-Match': 'W/"v1~tg-l"', 'If-Modified-Since': FEBRUARY },
    several: { 'If-None-Match': '"v1", "v1~tg-l", W/"v0~tg-l"' },
  };
  for (const state of ['running', 'paused', 'completed']) {
    for (const [kind, [headers, type]] of Object.entries(KINDS)) {
      test(`${state}: ${kind}`, async () => {
        publish({ type });
        for (const [what, conditions] of Object.entries(held)) {
          assertWhole(await ask(state, { ...headers, ...conditions }), 'new', what);
        }
      });
    }
  }
});

describe("the own side's copy is confirmed", () => {
  for (const [side, [state, id, own, other]] of Object.entries(ON)) {
    const held = [
      `"v1~tg-${own}"`,
      `W/"v1~tg-${own}"`,
      `"v0~tg-${own}", "v1~tg-${own}"`,
      `"v1~tg-${other}","v1~tg-${own}"`,
      `"x~tg-${other}", W/"v1~tg-${own}"`,
      ` "v1~tg-${own}" , "v9"`,
      ...(side === 'legacy' ? ['"v1"', 'W/"v1"', '"v0", "v1"', '"v0~tg-n", "v1"'] : []),
    ];
    for (const [kind, [headers, type]] of Object.entries(KINDS)) {
      test(`of ${side}: ${kind}`, async () => {
        publish({ type });
        for (const tag of held) {
          const through = await ask(state, { ...headers, 'If-None-Match': tag }, { id });
          assertConfirmed(through, `"v1~tg-${own}"`);
        }
      });
    }

    test(`of ${side}: with its date beside the tag, and for a HEAD`, async () => {
      publish();
      const conditions = { 'If-None-Match': `"v1~tg-${own}"`, 'If-Modified-Since': FEBRUARY };
      assertConfirmed(await ask(state, { ...DOCUMENT, ...conditions }, { id }), `"v1~tg-${own}"`);
      assertConfirmed(await ask(state, { ...DOCUMENT, ...conditions }, { id, method: 'HEAD' }), `"v1~tg-${own}"`);
    });

    test(`of ${side}: where the side names its file by a weak tag`, async () => {
      publish({ etag: 'W/"v1"' });
      const first = await ask(state, DOCUMENT, { id });
      assert.equal(first.get('etag'), `W/"v1~tg-${own}"`);
      assertConfirmed(
        await ask(state, { ...DOCUMENT, 'If-None-Match': first.get('etag') }, { id }),
        `W/"v1~tg-${own}"`,
      );
    });
  }

  for (const state of Object.keys(STARTED)) {
    test(`${state}: a visitor who comes again`, async () => {
      for (const [kind, [headers, type]] of Object.entries(KINDS)) {
        publish({ type });
        const first = await ask(state, headers);
        const side = first.get('tidegate-variant');
        assert.equal(first.get('etag'), `"v1~tg-${side === 'new' ? 'n' : 'l'}"`, kind);
        assert.equal(first.get('last-modified'), side === 'new' ? FEBRUARY : JANUARY, kind);
        assertConfirmed(
          await ask(state, {
            ...headers,
            'If-None-Match': first.get('etag'),
            'If-Modified-Since': first.get('last-modified'),
          }),
          first.get('etag'),
        );
      }
    });
  }
});

test('a side is asked for its own tags, unwrapped, and for nothing else', async () => {
  publish();
  const sent = async (site, state, tags) => {
    await ask(state, { ...DOCUMENT, 'If-None-Match': tags });
    return site.received.at(-1).get('if-none-match')?.replace(/\s/g, '');
  };
  assert.equal(await sent(next, 'running', '"a~tg-n", "b~tg-l", "c", W/"d~tg-n"'), '"a",W/"d"');
  assert.equal(await sent(next, 'running', '"b~tg-l", "c"'), undefined);
  assert.equal(await sent(legacy, 'rolled', '"a~tg-n", "b~tg-l", "c", W/"d~tg-n"'), '"b","c"');
  assert.equal(await sent(legacy, 'rolled', '"a~tg-n"'), undefined);
});

describe('unusual tags', () => {
  const whole = [
    '""',
    '"a,b"',
    '"v1~tg-n"',
    '"v1~tg-l"',
    'W/"v1~tg-n"',
    '"~tg-n"',
    '"*"',
    '"5f-abc-gzip"',
    `"${'x'.repeat(4000)}"`,
  ];
  for (const etag of whole) {
    test(`«${etag.slice(0, 30)}» are confirmed by their own side, and by no other`, async () => {
      publish({ etag });
      const ofNew = (await ask('running', DOCUMENT)).get('etag');
      assert.equal((await ask('running', { ...DOCUMENT, 'If-None-Match': ofNew })).status, 304);
      assertWhole(await ask('rolled', { ...DOCUMENT, 'If-None-Match': ofNew }), 'legacy');
      const ofLegacy = (await ask('rolled', DOCUMENT)).get('etag');
      assert.notEqual(ofLegacy, ofNew);
      assert.equal((await ask('rolled', { ...DOCUMENT, 'If-None-Match': ofLegacy })).status, 304);
      assertWhole(await ask('running', { ...DOCUMENT, 'If-None-Match': ofLegacy }), 'new');
    });
  }

  for (const etag of ['v1', 'W/v1', "'v1'", '"v1', 'v1"', 'w/"v1"', 'v1~tg-n', 'a"v1"b', '"a, \\"v1"']) {
    test(`«${etag}», which is none, confirms nothing of the other side`, async () => {
      // A server that is easily convinced.
      legacy.otherwise((request) =>
        request.get('if-none-match') === undefined && request.get('if-modified-since') === undefined
          ? { headers: [['ETag', etag]], body: 'the file of legacy' }
          : { status: 304 },
      );
      next.otherwise({
        headers: [
          ['ETag', etag],
          ['Last-Modified', FEBRUARY],
        ],
        body: 'the file of new',
      });
      const first = await ask('running', DOCUMENT);
      assertWhole(first, 'new');
      const held = first.get('etag');
      assertWhole(
        await ask('rolled', {
          ...DOCUMENT,
          ...(held !== undefined && { 'If-None-Match': held }),
          'If-Modified-Since': FEBRUARY,
        }),
        'legacy',
      );
    });
  }
});

describe('what is asked of one copy alone', () => {
  for (const [side, [state, id, own, other]] of Object.entries(ON)) {
    test(`on ${side}: a download goes on only in the copy in which it was begun`, async () => {
      publish({ type: 'application/zip' });
      const resumed = (ifRange) =>
        ask(state, { ...asset('empty'), Range: 'bytes=4-', ...(ifRange && { 'If-Range': ifRange }) }, { id });
      const own206 = await resumed(`"v1~tg-${own}"`);
      assert.deepEqual([own206.status, own206.text, own206.get('etag')], [206, `file of ${side}`, `"v1~tg-${own}"`]);
      assertWhole(await resumed(`"v1~tg-${other}"`), side);
      assert.equal((await resumed()).status, 206);
    });

    test(`on ${side}: a change is made only to the copy that was read`, async () => {
      publish({ type: 'application/json' });
      const put = (tag) => ask(state, { ...asset('empty'), 'If-Match': tag }, { id, method: 'PUT', body: '{}' });
      assert.equal((await put(`"v1~tg-${own}"`)).status, 200);
      assert.equal((await put(`"v1~tg-${other}"`)).status, 412);
      assert.equal((await put(`"v0~tg-${own}"`)).status, 412);
      assert.equal((await put(`"v1~tg-${other}", "v1~tg-${own}"`)).status, 200);
    });

    test(`on ${side}: «*» asks for any copy and stays`, async () => {
      publish();
      for (const name of ['If-None-Match', 'If-Match']) {
        await ask(state, { [name]: '*' }, { id, method: 'PUT', body: 'x' });
        assert.equal((side === 'new' ? next : legacy).received.at(-1).get(name), '*', name);
      }
    });
  }

  test("`If-Unmodified-Since` of the other side's date is not asked", async () => {
    publish();
    await ask('rolled', { 'If-Unmodified-Since': FEBRUARY }, { method: 'PUT', body: 'x' });
    assert.equal(legacy.received.at(-1).get('if-unmodified-since'), undefined);
  });
});

describe('where legacy answers for new', () => {
  test("a rescued page is confirmed by legacy's tag, and never by new's", async () => {
    publish();
    next.otherwise({ status: 503, body: 'down' });
    const rescued = await ask('running', { ...DOCUMENT, 'If-None-Match': '"v1~tg-n"', 'If-Modified-Since': FEBRUARY });
    assertWhole(rescued, 'legacy');
    assert.equal(rescued.get('etag'), '"v1~tg-l"');
    assertConfirmed(await ask('running', { ...DOCUMENT, 'If-None-Match': '"v1~tg-l"' }), '"v1~tg-l"');
  });

  test('so is a file that new does not have', async () => {
    publish({ type: 'text/javascript' });
    next.otherwise({ status: 404, body: 'no' });
    const found = await ask('running', { ...asset('script'), 'If-None-Match': '"v1~tg-n"' }, { path: 'a.js' });
    assertWhole(found, 'legacy');
    assert.equal(found.get('etag'), '"v1~tg-l"');
  });
});

describe('left alone', () => {
  const CONDITIONS = {
    'If-None-Match': '"v1", W/"v0"',
    'If-Modified-Since': FEBRUARY,
    'If-Match': '"v1"',
    'If-Range': '"v1"',
    'If-Unmodified-Since': FEBRUARY,
  };
  for (const [state, why, site] of /** @type {[string, string, () => any][]} */ ([
    ['draft', 'in a draft, in which there has only been one side', () => legacy],
    ['own', 'with `cache = "upstream"`', () => next],
  ])) {
    test(`${why}: conditions and tags`, async () => {
      for (const [headers, type] of Object.values(KINDS)) {
        publish({ type });
        assert.equal((await ask(state, headers)).get('etag'), '"v1"');
        await ask(state, { ...headers, ...CONDITIONS });
        for (const [name, value] of Object.entries(CONDITIONS))
          assert.equal(site().received.at(-1).get(name), value, name);
        assertConfirmed(await ask(state, { ...headers, 'If-None-Match': '"v1"' }), '"v1"');
        assert.equal((await ask(state, { ...headers, 'If-Modified-Since': FEBRUARY })).status, 304);
      }
    });
  }

  test('an answer that has no tag gets none', async () => {
    publish({ etag: null });
    assert.equal((await ask('running', DOCUMENT)).get('etag'), undefined);
    assert.equal((await ask('rolled', DOCUMENT)).get('etag'), undefined);
  });
});
