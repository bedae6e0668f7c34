// Copies of what legacy answers go to new behind the visitor's back: nobody waits, nothing of them comes back, and what
// differs is found.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { ANA, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const STAGES = [
  {
    name: 'dark',
    percentage: 0,
    hold: '1s',
    gates: [
      'shadow.mismatch_rate < 10% over stage min 5',
      'shadow.error_rate < 10% over stage min 5',
      'shadow.latency.p50 < 5s over stage min 5',
    ],
  },
  { name: 'full', percentage: 100, hold: '1h' },
];
const SHADOW = { share: 100, max_rps: 100, compare: { json_ignore: ['/time'] } };
const html = (body, headers = []) => ({ headers: [['Content-Type', 'text/html'], ...headers], body });
const json = (value) => ({ headers: [['Content-Type', 'application/json']], body: JSON.stringify(value) });

let legacy, next;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
});
after(() => Promise.all([legacy?.close(), next?.close()]));
beforeEach(() => [legacy, next].forEach((site) => site.reset()));

const mirrored = (changes = {}) => plan(legacy, next, { stage: STAGES, shadow: SHADOW, ...changes });
const copies = (path) => next.seen(path).filter((request) => request.get('tidegate-shadow') === '1');
const arrived = (path, count = 1) =>
  until(
    () => copies(path).length >= count,
    () => `${count} copies of ${path}, of which ${copies(path).length} came`,
  );

describe('led through KV', () => {
  let gate;
  before(async () => {
    gate = await openGate({ controller: false });
    await gate.load(
      [
        mirrored(),
        mirrored({ key: 'posts', routes: ['/posts/*'], shadow: { ...SHADOW, paths: '/posts/search' } }),
        mirrored({ key: 'bare', routes: ['/bare/*'], shadow: { ...SHADOW, credentials: false } }),
        mirrored({ key: 'slow', routes: ['/slow/*'], shadow: { ...SHADOW, max_rps: 3 } }),
        plan(legacy, next, { key: 'alone', routes: ['/alone/*'] }),
        mirrored({
          key: 'open',
          routes: ['/open/*'],
          stage: [
            { name: 'half', percentage: 50, hold: '1h', shadow: 100 },
            { name: 'full', percentage: 100, hold: '1h' },
          ],
        }),
      ],
      { open: '50', shop: '0', posts: '0', bare: '0', slow: '0', alone: '10' },
    );
  });
  after(() => gate?.close());
  const ask = (path, options = {}) =>
    gate.fetch(path, { ...options, headers: { ...ANA, ...DOCUMENT, ...options.headers } });

  test("a copy carries what new's own request would, and nothing of its answer comes back", async () => {
    next.handle(
      '/page',
      html('<p>new', [
        ['Set-Cookie', 'own=1'],
        ['x-secret', 'new'],
      ]),
    );
    const page = await ask('/page?q=1', { headers: { Cookie: 'session=a', Authorization: 'Basic YTpi' } });
    assert.equal(page.text, 'legacy /page?q=1');
    assert.equal(page.get('tidegate-variant'), 'legacy');
    assert.equal(page.get('set-cookie'), undefined);
    assert.equal(page.get('x-secret'), undefined);
    await arrived('/page');
    const [copy] = copies('/page');
    assert.equal(copy.url, '/page?q=1');
    assert.equal(copy.get('cookie'), 'session=a');
    assert.equal(copy.get('authorization'), 'Basic YTpi');
    assert.equal(copy.get('tidegate-variant'), 'new');
    assert.equal(copy.get('tidegate-rollout'), 'shop');
    assert.equal(copy.get('tidegate-stage'), 'dark');
    assert.equal(copy.get('x-forwarded-host'), 'shop.example.com');
    assert.equal(legacy.seen('/page')[0].get('tidegate-shadow'), undefined);
  });

  test('a visitor cannot send a copy, nor is a plan without shadow copied', async () => {
    await ask('/alone/a', { headers: { 'tidegate-shadow': '1' } });
    assert.equal(legacy.last('/alone/a').get('tidegate-shadow'), undefined);
    await ask('/after');
    await arrived('/after');
    assert.equal(next.seen('/alone/a').length, 0);
  });

  test('credentials stay behind where the plan says so', async () => {
    await ask('/bare/a', { headers: { Cookie: 'session=a', Authorization: 'Basic YTpi' } });
    await arrived('/bare/a');
    assert.deepEqual(
      ['cookie', 'authorization'].map((name) => copies('/bare/a')[0].get(name)),
      [undefined, undefined],
    );
  });

  test('nobody waits while new hangs', async () => {
    let answerNew;
    const hanging = new Promise((resolve) => {
      answerNew = resolve;
    });
    next.handle('/hangs', async () => {
      await hanging;
      return html('late');
    });
    legacy.handle('/hangs', html(`<title>A</title>${'x'.repeat(600_000)}`));
    // More than may be under way at once, each of them whole, while no copy has been answered.
    for (let n = 0; n < 24; n += 1) {
      const page = await ask('/hangs');
      assert.equal(page.text.length, 600_000 + '<title>A</title>'.length);
    }
    const waiting = copies('/hangs').length;
    assert.ok(waiting >= 1 && waiting <= 16, `${waiting} copies are under way`);
    answerNew();
    await until(
      async () => {
        await ask('/hangs-no-more');
        return copies('/hangs-no-more').length > 0;
      },
      () => 'copies to go again',
    );
  });

  test('what may change something is copied only where the plan names it, with its body', async () => {
    const post = (path) => ask(path, { method: 'POST', body: 'q=shoe', headers: { 'Content-Type': 'text/plain' } });
    await post('/buy');
    await post('/posts/buy');
    await ask('/posts/part', { headers: { Range: 'bytes=0-1' } });
    await ask('/posts/known', { headers: { 'If-None-Match': '"a"' } });
    await post('/posts/search');
    await arrived('/posts/search');
    assert.equal(copies('/posts/search')[0].body.toString(), 'q=shoe');
    assert.equal(copies('/posts/search')[0].method, 'POST');
    assert.equal(legacy.last('/posts/search').body.toString(), 'q=shoe');
    for (const path of ['/buy', '/posts/buy', '/posts/part', '/posts/known']) {
      assert.equal(legacy.seen(path).length, 1, path);
      assert.equal(next.seen(path).length, 0, path);
    }
  });

  test('there is a budget', async () => {
    const begun = Date.now();
    await Promise.all(Array.from({ length: 60 }, () => ask('/slow/a')));
    await arrived('/slow/a');
    await ask('/slow/b');
    const most = 3 + Math.ceil(((Date.now() - begun) / 1_000) * 3);
    assert.ok(copies('/slow/a').length <= most, `${copies('/slow/a').length} of at most ${most}`);
  });

  test('a body is passed on byte for byte, and what legacy fails is not copied', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 251));
    legacy.handle('/data', { headers: [['Content-Type', 'application/json']], body: bytes });
    const data = await ask('/data');
    assert.deepEqual(data.body, bytes);
    legacy.handle('/fails', { status: 500, body: 'no' });
    assert.equal((await ask('/fails')).status, 500);
    await ask('/then');
    await arrived('/then');
    assert.equal(next.seen('/fails').length, 0);
  });

  test('what a page of new loads is asked for as nobody in particular, and little of it', async () => {
    const assets = ['/parts/a.js', '/parts/b.css', '/parts/c.js', '/parts/d.js'];
    const loads = assets.map((path) =>
      path.endsWith('css') ? `<link rel=stylesheet href=${path}>` : `<script src=${path}></script>`,
    );
    legacy.handle('/loads', html('<title>A</title>'));
    next.handle('/loads', html(`<title>A</title>${loads.join('')}<script src=https://cdn.example/x.js></script>`));
    for (const path of assets) next.handle(path, { headers: [['Content-Type', 'text/javascript']], body: 'x' });
    await ask('/loads', { headers: { Cookie: 'session=a' } });
    const seen = () => assets.flatMap((path) => next.seen(path));
    await until(
      () => seen().length >= 2,
      () => `two assets, of which ${seen().length} were asked for`,
    );
    for (const asked of seen())
      assert.deepEqual(
        ['tidegate-shadow', 'cookie', 'x-user-id', 'tidegate-variant'].map((name) => asked.get(name)),
        ['1', undefined, undefined, 'new'],
      );
    await ask('/loads');
    await arrived('/loads', 2);
    await until(
      () => seen().length >= 4,
      () => `the other two, of ${seen().length}`,
    );
    await ask('/loads');
    await arrived('/loads', 3);
    await ask('/after-loads');
    await arrived('/after-loads');
    assert.equal(seen().length, 4, 'what is there is not asked for again');
    assert.equal(assets.flatMap((path) => legacy.seen(path)).length, 0);
  });

  test('a new that is left alone gets no copies either', async () => {
    const down = (path) => next.handle(path, { status: 503, body: 'down' });
    ['/open/a', '/open/b'].forEach(down);
    const visit = (n, path = '/open/a') => gate.fetch(path, { headers: { ...DOCUMENT, 'x-user-id': `user-${n}` } });
    // Half of the users are on new, and find out.
    for (let n = 0; n < 100; n += 1) await visit(n);
    const asked = next.received.length;
    const sides = new Set();
    for (let n = 0; n < 40; n += 1) sides.add((await visit(n, '/open/b')).get('tidegate-reason'));
    assert.deepEqual([...sides].sort(), ['bucketed', 'rescued'], 'both sides have users');
    assert.equal(next.received.length, asked, 'neither requests nor copies');
    await ask('/after-that');
    await arrived('/after-that');
  });

  test('nothing is copied once it is killed', async () => {
    await ask('/before');
    await arrived('/before');
    await gate.load([mirrored(), plan(legacy, next, { key: 'alone', routes: ['/alone/*'] })], {
      shop: 'off',
      alone: '10',
    });
    await until(
      async () => (await ask('/killed')).get('tidegate-reason') === 'killed',
      () => 'the kill to arrive',
    );
    const before = next.received.length;
    for (let n = 0; n < 5; n += 1) await ask('/killed-for-good');
    assert.equal(next.received.length, before);
  });
});

describe('with a controller', () => {
  let gate, ana;
  before(async () => {
    // What is asked before the test is copied too.
    legacy.otherwise(html('<title>Shop</title><h1>Shop</h1>'));
    next.otherwise(html('<title>Shop</title><h1>Shop</h1>'));
    gate = await openGate();
    ana = operator(gate);
    await ana.apply(gate.compiled([mirrored()]));
    await ana.orders('shop', 'start');
    await until(
      async () => (await gate.fetch('/warm', { headers: ANA })).get('tidegate-reason') === 'bucketed',
      () => 'the rollout to run',
    );
    // A test begins with other answers, and a copy that comes after that would differ.
    await arrived('/warm');
  });
  after(() => gate?.close());
  const ask = (path, visitor = 'ana') => gate.fetch(path, { headers: { ...DOCUMENT, 'x-user-id': visitor } });
  const shadow = async () => (await ana.rollout('shop')).shadow;

  test('what differs is found, counted and shown, and a gate waits for it', async () => {
    legacy.handle('/title', html('<title>Old</title>'));
    next.handle('/title', html('<title>New</title>'));
    legacy.handle('/status/4711', html('there'));
    next.handle('/status/4711', { status: 404, body: 'gone' });
    legacy.handle('/to', { status: 302, headers: [['Location', '/a']] });
    next.handle('/to', { status: 302, headers: [['Location', `${next.url}/b`]] });
    legacy.handle('/same', { status: 302, headers: [['Location', `${legacy.url}/a`]] });
    next.handle('/same', { status: 301, headers: [['Location', '/a']] });
    legacy.handle('/json', json({ time: 1, items: [{ price: 1 }] }));
    next.handle('/json', json({ time: 'now', items: [{ price: '1' }] }));
    legacy.handle('/equal', json({ time: 1, items: [{ price: 1 }] }));
    next.handle('/equal', json({ time: 'now', items: [{ price: 2 }, { price: 3 }] }));
    next.handle('/reset', { reset: true });
    legacy.handle('/lacks', html('<title>A</title>'));
    next.handle('/lacks', html('<title>A</title><script src=/build/lost.js></script>'));
    next.handle('/build/lost.js', { status: 404, body: 'gone' });
    const differing = {
      '/title': 'title',
      '/status/*': 'status',
      '/to': 'redirect',
      '/json': 'json',
      '/reset': 'no_answer',
      '/lacks': 'assets',
    };
    for (const path of ['/title', '/status/4711?mail=a@b.c', '/to', '/same', '/json', '/equal', '/reset', '/lacks'])
      await ask(path);
    let shown;
    await until(
      async () => {
        shown = await shadow();
        return shown.samples.length >= Object.keys(differing).length;
      },
      () => `samples: ${JSON.stringify(shown)}`,
    );
    const { samples, mismatch_rate: mismatches, error_rate: errors } = shown;
    assert.deepEqual(Object.fromEntries(samples.map(({ path, differences }) => [path, differences.join()])), differing);
    const of = (path) => samples.find((sample) => sample.path === path);
    assert.equal(of('/json').place, '/items/*/price');
    assert.equal(of('/lacks').place, '/build/lost.js');
    assert.deepEqual(of('/status/*').legacy, { status: 200, type: 'text/html' });
    assert.equal(of('/status/*').new.status, 404);
    assert.notEqual(of('/title').legacy.title, of('/title').new.title);
    assert.ok(!JSON.stringify(samples).includes('4711') && !JSON.stringify(samples).includes('a@b.c'));
    assert.ok(mismatches > 0.1 && errors > 0 && errors < mismatches, `${mismatches}, ${errors}`);

    // The hold of a second is long over; the gate on mismatches alone keeps it.
    const { state, stages } = await ana.rollout('shop');
    assert.equal(state.stage, 'dark');
    let gates;
    await until(
      async () => {
        ({ gates } = (await ana.rollout('shop')).stages[0]);
        return gates[0].verdict === 'fail';
      },
      () => `the gate to fail: ${JSON.stringify(gates)}`,
    );
    assert.equal(stages[0].gates.length, 3);

    // None of it is a request of new, or somebody who was there.
    const { windows } = (await ana.get('rollouts/shop/metrics')).body;
    const sides = windows.flatMap(({ sides }) => sides).filter(({ variant }) => variant === 'new');
    assert.ok(sides.some(({ shadowed }) => shadowed > 0));
    assert.ok(sides.every(({ requests, errors, pages }) => requests + errors + pages === 0));
    assert.ok(windows.every(({ subjects }) => (subjects?.new ?? 0) === 0));
    const { text } = await gate.fetch('/_tidegate/metrics', {
      headers: { Authorization: 'Bearer the token of ana' },
    });
    assert.match(text, /tidegate_shadow_mismatches_total\{rollout="shop",variant="new"\} 6\n/);
  });

  test('once copies agree, the gate passes and the stage is left', async () => {
    // In figures of the stage what has differed before fades.
    let [number, view] = [0, null];
    await until(
      async () => {
        await Promise.all(Array.from({ length: 12 }, () => ask(`/page-${(number += 1)}`, `user-${number}`)));
        view = await ana.rollout('shop');
        return view.state.stage === 'full';
      },
      () => `the stage to be left: ${JSON.stringify(view.stages[0].gates)}`,
      90_000,
    );
  });
});
