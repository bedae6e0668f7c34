// A visitor without an id gets one, in a first-party cookie: once, and never where the browser may
// have withheld one that it has.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const NAME = '__Host-tidegate-id';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  await gate.load(
    [
      plan(legacy, next, {
        stage: [
          { name: 'half', percentage: 50, hold: '1h' },
          { name: 'full', percentage: 100 },
        ],
      }),
      plan(legacy, next, { key: 'other', routes: ['/other/*'] }),
    ],
    { shop: '50', other: '50' },
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
 * @param {Record<string, string>} [headers]
 * @param {{ path?: string } & import('./wire.mjs').RequestOptions} [options]
 */
const visit = (headers = DOCUMENT, { path = '/page', ...options } = {}) => gate.fetch(path, { headers, ...options });
const minted = (through) => through.all('set-cookie').filter((cookie) => cookie.startsWith(`${NAME}=`));
const idOf = (cookie) => cookie.slice(NAME.length + 1).split(';')[0];

describe('a minted id', () => {
  test('comes in a cookie that only this host sees, for 400 days', async () => {
    const through = await visit();
    const [cookie, ...more] = minted(through);
    assert.deepEqual(more, []);
    const [pair, ...attributes] = cookie.split(';').map((part) => part.trim());
    assert.match(pair, /^__Host-tidegate-id=[A-Za-z0-9_.-]{16,128}$/);
    assert.deepEqual(attributes.map((text) => text.toLowerCase()).sort(), [
      'httponly',
      'max-age=34560000',
      'path=/',
      'samesite=lax',
      'secure',
    ]);
    assert.equal(through.get('tidegate-reason'), 'bucketed');
  });

  test('decides the very visit for which it was minted', async () => {
    const sides = new Set();
    for (let visitor = 0; visitor < 20; visitor += 1) {
      const first = await visit();
      const [cookie] = minted(first);
      const asked = [
        await visit({ ...DOCUMENT, Cookie: `${NAME}=${idOf(cookie)}` }),
        await visit({ ...asset('script'), Cookie: `a=1; ${NAME}=${idOf(cookie)}` }, { path: '/app.js' }),
      ];
      for (const later of asked) assert.equal(later.get('tidegate-variant'), first.get('tidegate-variant'));
      sides.add(first.get('tidegate-variant'));
    }
    assert.equal(sides.size, 2, 'at 50 % twenty visitors see both sides');
  });

  test('is new for each visitor', async () => {
    const ids = new Set();
    for (let visitor = 0; visitor < 20; visitor += 1) ids.add(idOf(minted(await visit())[0]));
    assert.equal(ids.size, 20);
  });

  test('is kept: no second one is minted over a valid one', async () => {
    const id = idOf(minted(await visit())[0]);
    for (const path of ['/page', '/other/page'])
      assert.deepEqual(minted(await visit({ ...DOCUMENT, Cookie: `${NAME}=${id}` }, { path })), [], path);
  });

  test('replaces one that Tidegate cannot have made', async () => {
    for (const broken of ['', 'x', 'not/valid;', '%00', '\xff\xfe', 'z'.repeat(5000), '<script>']) {
      assert.equal(
        minted(await visit({ ...DOCUMENT, Cookie: `${NAME}=${broken}` })).length,
        1,
        JSON.stringify(broken.slice(0, 20)),
      );
    }
  });

  test("is appended to the frontend's own cookies", async () => {
    const answer = {
      headers: [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2; Path=/'],
      ],
      body: 'text',
    };
    legacy.handle('/page', answer);
    next.handle('/page', answer);
    const cookies = (await visit()).all('set-cookie');
    assert.deepEqual(cookies.slice(0, 2), ['a=1', 'b=2; Path=/']);
    assert.equal(cookies.length, 3);
  });

  test('keeps the response out of shared caches', async () => {
    const answer = { headers: [['Cache-Control', 'public, max-age=600']], body: 'text' };
    legacy.handle('/page', answer);
    next.handle('/page', answer);
    assert.match((await visit()).get('cache-control'), /(^|[ ,])private([ ,]|$)/);
  });

  test('is not for visitors who have an id', async () => {
    assert.deepEqual(minted(await visit({ ...DOCUMENT, ...ANA })), []);
  });
});

describe('an id is minted', () => {
  const cross = { 'Sec-Fetch-Site': 'cross-site' };
  const yes = {
    'for a page that a client without Sec-Fetch headers asks for': { Accept: DOCUMENT.Accept },
    'for a page by a link from another site': { ...DOCUMENT, ...cross },
    'for a frame in a page of the same site': {
      ...DOCUMENT,
      'Sec-Fetch-Dest': 'iframe',
      'Sec-Fetch-Site': 'same-site',
    },
  };
  for (const [name, headers] of Object.entries(yes)) {
    test(name, async () => assert.equal(minted(await visit(headers)).length, 1));
  }
});

describe('no id is minted, and the network and the browser decide', () => {
  const no = {
    'for a client that sends no Sec-Fetch headers and asks for no page': {},
    'for a part of a page of the same origin': asset('script'),
    'for a part of a page of the same site': { ...asset('image'), 'Sec-Fetch-Site': 'same-site' },
    'for a fetch of the same origin': { ...asset('empty'), 'Sec-Fetch-Mode': 'cors' },
  };
  for (const [index, [name, headers]] of Object.entries(no).entries()) {
    test(name, async () => {
      const sides = new Set();
      for (let client = 0; client < 20; client += 1) {
        const from = { 'CF-Connecting-IP': `198.51.${index}.${client}`, 'User-Agent': 'Mozilla/5.0' };
        const asked = [];
        for (const path of ['/page', '/page', '/other/page'])
          asked.push(await visit({ ...headers, ...from }, { path }));
        for (const through of asked) {
          assert.deepEqual(minted(through), []);
          assert.equal(through.get('tidegate-reason'), 'bucketed');
        }
        assert.equal(
          asked[1].get('tidegate-variant'),
          asked[0].get('tidegate-variant'),
          'the same client meets the same side',
        );
        sides.add(asked[0].get('tidegate-variant'));
      }
      assert.equal(sides.size, 2, 'at 50 % twenty networks see both sides');
    });
  }
});

describe('no id is minted', () => {
  const cross = { 'Sec-Fetch-Site': 'cross-site' };
  /** @type {Record<string, [Record<string, string>, object?]>} */
  const no = {
    "for a part of another site's page": [{ ...asset('image'), ...cross }],
    "for another site's fetch": [
      { ...asset('empty'), ...cross, 'Sec-Fetch-Mode': 'cors', Origin: 'https://elsewhere.example' },
    ],
    "for a frame in another site's page": [{ ...DOCUMENT, ...cross, 'Sec-Fetch-Dest': 'iframe' }],
    'over plain HTTP, where browsers refuse the cookie': [DOCUMENT, { scheme: 'http' }],
    'for a form that another site posts': [
      { ...DOCUMENT, ...cross },
      { method: 'POST', body: 'a=1' },
    ],
  };
  for (const [name, [headers, options]] of Object.entries(no)) {
    test(name, async () => {
      const through = await visit(headers, options);
      assert.deepEqual(minted(through), []);
      assert.equal(through.get('tidegate-reason'), 'unidentified');
      assert.equal(through.get('tidegate-variant'), 'legacy');
    });
  }

  test('but one is over plain HTTP on this machine, where they take it', async () => {
    assert.equal(minted(await visit(DOCUMENT, { scheme: 'http', host: 'localhost:8787' })).length, 1);
  });

  test('but one that is sent along is used', async () => {
    const id = idOf(minted(await visit())[0]);
    const through = await visit({ ...asset('image'), ...cross, Cookie: `${NAME}=${id}` });
    assert.equal(through.get('tidegate-reason'), 'bucketed');
  });
});

test('with a domain in the plan the id is shared among its hosts', async () => {
  await gate.load([plan(legacy, next, { identity: { anonymous: true, domain: 'example.com' } })], { shop: '50' });
  const [cookie] = (await visit()).all('set-cookie');
  assert.match(cookie, /^__Secure-tidegate-id=/);
  assert.match(cookie, /; *Domain=example\.com(;|$)/i);
  const again = await visit({ ...DOCUMENT, Cookie: cookie.split(';')[0] });
  assert.deepEqual(again.all('set-cookie'), []);
});
