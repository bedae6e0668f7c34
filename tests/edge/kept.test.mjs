// Files of builds that are gone: kept where they may be, given where their side has lost them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, asset, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false, buckets: ['ASSETS_KEPT'] });
  const rollout = (key, changes) => plan(legacy, next, { key, routes: [`/${key}/*`], keep_assets: '7d', ...changes });
  await gate.load([rollout('shop'), rollout('old'), plan(legacy, next, { key: 'plain', routes: ['/plain/*'] })], {
    shop: '100',
    old: '0',
    plain: '100',
  });
});
beforeEach(() => {
  for (const side of [legacy, next]) {
    side.reset();
    side.otherwise(GONE);
  }
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

const JS = ['Content-Type', 'text/javascript'];
const file = (body, ...headers) => ({ headers: [JS, ...headers], body });
/** @type {import('./upstream.mjs').Reply} */
const GONE = { status: 404, headers: [['Content-Type', 'text/html']], body: 'own 404' };
const PAGE = { headers: [['Content-Type', 'text/html; charset=utf-8']], body: '<title>the app' };
const ask = (path, headers = {}, dest = 'script') =>
  gate.fetch(path, { headers: { ...ANA, ...(dest === 'document' ? DOCUMENT : asset(dest)), ...headers } });

let count = 0;
/** A path that no test had before, with a hash in it. */
const fresh = (folder = 'shop', kind = 'js') =>
  `/${folder}/chunk-${(++count).toString().padStart(8, 'a1b2c3d4')}.${kind}`;

/** Asks for a file that its side has lost until what was kept of it is given. */
async function given(path, headers) {
  let through;
  await until(
    async () => {
      through = await ask(path, headers);
      return through.get('tidegate-reason') === 'kept';
    },
    () => `${path} to be given: ${through.status} ${through.get('tidegate-reason')}`,
  );
  return through;
}

/** Lets a file pass that is to be kept, and loses it on its side. */
async function lose(path, reply, { side = next, headers = {}, as = GONE } = {}) {
  side.handle(path, reply);
  assert.equal((await ask(path, headers)).status, 200);
  await until(
    () => side.seen(path).length >= 2,
    () => `${path} to be asked for once more`,
  );
  side.handle(path, as);
}

/** Whatever was begun before is done: a file that is kept after it can be had. */
async function settled() {
  const path = fresh();
  await lose(path, file('fence'));
  await given(path);
}

test('a file is kept without a credential, and given where its side has lost it, before the other is asked', async () => {
  for (const as of [GONE, { ...GONE, status: 410 }, PAGE]) {
    const path = fresh();
    const reply = file('of build 1', ['Cache-Control', 'public, max-age=31536000, immutable'], ['ETag', '"v1"']);
    await lose(path, reply, {
      headers: { Cookie: 'session=1', 'If-None-Match': '"x"', Range: 'bytes=0-', 'x-evil': 'x' },
      as,
    });
    const copied = next.seen(path)[1];
    for (const name of ['cookie', 'x-user-id', 'range', 'if-none-match', 'x-evil', 'sec-fetch-dest'])
      assert.equal(copied.get(name), undefined, name);
    assert.equal(copied.get('accept-encoding'), 'identity');
    assert.equal(copied.get('x-forwarded-host'), 'shop.example.com');
    const through = await given(path);
    assert.equal(through.text, 'of build 1');
    assert.equal(through.get('tidegate-reason'), 'kept');
    assert.equal(through.get('tidegate-variant'), 'new');
    assert.equal(through.get('content-type'), 'text/javascript');
    assert.match(through.get('cache-control'), /max-age=31536000, immutable/);
    for (const name of ['tidegate-kept', 'tidegate-kept-at', 'tidegate-stale', 'cf-cache-status'])
      assert.equal(through.get(name), undefined, name);
    legacy.received.length = 0;
    assert.equal((await ask(path)).text, 'of build 1');
    assert.equal(legacy.received.length, 0);
  }
});

test('bytes that are no text come as they were', async () => {
  const path = fresh('shop', 'wasm');
  const bytes = Buffer.from(Array.from({ length: 4_096 }, (_, n) => (n * 7) % 256));
  next.handle(path, { headers: [['Content-Type', 'application/wasm']], body: bytes });
  await ask(path, {}, 'empty');
  await until(() => next.seen(path).length >= 2);
  next.handle(path, GONE);
  let through;
  await until(async () => {
    through = await ask(path, {}, 'empty');
    return through.get('tidegate-reason') === 'kept';
  });
  assert.deepEqual(Buffer.from(through.body), bytes);
});

test('it is kept per side: the other side’s file under the same name has its own bytes', async () => {
  const name = fresh('x').slice(3);
  await lose(`/shop/${name}`, file('new’s'));
  await given(`/shop/${name}`);
  const path = `/old/${name}`;
  await lose(path, file('legacy’s'), { side: legacy });
  assert.equal((await given(path)).text, 'legacy’s');
  assert.equal((await given(`/shop/${name}`)).text, 'new’s');
  // What was kept of one side answers for the other only where that has no such file and never had.
  const mixed = fresh('shop');
  await lose(mixed, file('new’s'));
  legacy.handle(mixed, file('legacy’s'));
  assert.equal((await given(mixed)).text, 'new’s');
});

test('who is on the other side by now gets it, once that has lost it too', async () => {
  const path = fresh('shop');
  await lose(path, file('of new'));
  await given(path);
  const moved = async (percentage, side) => {
    await gate.kv.put('stage/shop', percentage);
    await until(async () => (await ask('/shop/', {}, 'document')).get('tidegate-variant') === side);
  };
  await moved('0.001', 'legacy');
  const through = await ask(path);
  assert.equal(through.text, 'of new');
  assert.deepEqual([through.get('tidegate-reason'), through.get('tidegate-variant')], ['kept', 'new']);
  await moved('100', 'new');
});

describe('what is not kept is not asked for again', () => {
  for (const [what, reply, headers = {}, path = fresh()] of [
    ['that sets a cookie', file('x', ['Set-Cookie', 'a=1'])],
    ['that is private', file('x', ['Cache-Control', 'private, max-age=60'])],
    ['that is not to be stored', file('x', ['Cache-Control', 'no-store'])],
    ['that was asked for with a password', file('x'), { Authorization: 'Basic eDp5' }],
    ['that may change under its name', file('x'), {}, '/shop/app.js'],
    [
      'that people upload',
      { headers: [['Content-Type', 'image/png']], body: 'x' },
      { 'Sec-Fetch-Dest': 'image' },
      fresh('shop', 'png'),
    ],
    ['of a plan that does not ask for it', file('x'), {}, fresh('plain')],
  ]) {
    test(`a file ${what}`, async () => {
      next.handle(path, reply);
      assert.equal((await ask(path, headers)).status, 200);
      await settled();
      assert.equal(next.seen(path).length, 1);
      next.handle(path, GONE);
      assert.equal((await ask(path, headers)).status, 404);
    });
  }

  test('a page in the place of a script', async () => {
    const path = fresh();
    next.handle(path, { ...PAGE, headers: [...PAGE.headers, ['Cache-Control', 'immutable']] });
    await ask(path);
    await settled();
    assert.equal(next.seen(path).length, 1);
  });
});

describe('what turns out not to be for everybody is not kept', () => {
  const only = (reply, otherwise) => (request) => (request.get('cookie') ? reply : otherwise);
  const large = () => 'x'.repeat(64 * 1024);
  /** @type {[string, import('./upstream.mjs').Reply][]} */
  const refusals = [
    ['a page for whoever has no cookie', PAGE],
    ['a redirect to the log-in', { status: 302, headers: [['Location', '/login']] }],
    ['a refusal', { status: 401 }],
    ['a cookie for whoever has none', file('x', ['Set-Cookie', 'a=1'])],
    ['what is private after all', file('x', ['Cache-Control', 'private'])],
    ['what depends on the user', file('x', ['Vary', 'Accept-Encoding, Cookie'])],
    ['what depends on anything', file('x', ['Vary', '*'])],
    ['what is too large by its length', { headers: [JS], body: Buffer.alloc(5 * 1024 * 1024 + 1, 120) }],
    ['what is too large without saying so', { headers: [JS], body: Array.from({ length: 81 }, large) }],
    ['nothing at all', file('')],
  ];
  for (const [what, otherwise] of refusals) {
    test(what, async () => {
      const path = fresh();
      next.handle(path, only(file('mine'), otherwise));
      assert.equal((await ask(path, { Cookie: 'session=1' })).text, 'mine');
      await until(() => next.seen(path).length === 2);
      await settled();
      next.handle(path, GONE);
      const through = await ask(path, { Cookie: 'session=1' });
      assert.deepEqual([through.status, through.text], [404, 'own 404']);
    });
  }
});

test('a page whose build is gone altogether can know it', async () => {
  const path = fresh();
  next.handle(path, GONE);
  legacy.handle(path, GONE);
  const through = await ask(path);
  assert.deepEqual(
    [through.status, through.get('tidegate-stale'), through.get('cache-control')],
    [404, '1', 'no-store'],
  );
  const plain = fresh('plain');
  next.handle(plain, GONE);
  legacy.handle(plain, GONE);
  assert.equal((await ask(plain)).get('tidegate-stale'), undefined, 'no plan asks for it');
  const image = fresh('shop', 'png');
  next.handle(image, GONE);
  legacy.handle(image, GONE);
  assert.equal((await ask(image, {}, 'image')).get('tidegate-stale'), undefined, 'a page lives without it');
});

test('a file that is there is its side’s own, and is looked after once an hour', async () => {
  const path = fresh();
  await lose(path, file('of build 1'), { as: file('of build 2') });
  await settled();
  for (let n = 0; n < 3; n += 1) assert.equal((await ask(path)).text, 'of build 2');
  assert.equal(next.seen(path).length, 5, 'one of them the copy');
});

test('the bucket has what the cache of this place has not, and a copy there ends as well', async () => {
  const path = fresh();
  const name = `kept/shop/new/shop.example.com${path}`;
  await lose(path, file('of build 1', ['Cache-Control', 'immutable']));
  await given(path);
  const bucket = await gate.bucket('ASSETS_KEPT');
  await until(() => bucket.head(name));
  const stored = await bucket.get(name);
  assert.equal(await stored.text(), 'of build 1');
  const { headers, at, until: end } = stored.customMetadata;
  assert.ok(Math.abs(Number(end) - Number(at) - 907_200_000) < 60_000);
  const other = fresh();
  const put = (ends) =>
    bucket.put(`kept/shop/new/shop.example.com${other}`, 'from elsewhere', {
      customMetadata: { headers, at, until: String(ends) },
    });
  next.handle(other, GONE);
  legacy.handle(other, GONE);
  await put(Date.now() - 1_000);
  assert.equal((await ask(other)).status, 404);
  await put(Date.now() + 60_000);
  const through = await ask(other);
  assert.deepEqual([through.text, through.get('tidegate-reason')], ['from elsewhere', 'kept']);
});
