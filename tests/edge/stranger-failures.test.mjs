// What counts as a failure: what a plan says, alike on both sides; never what a client does wrong or
// gives up; and pages that begin well and end badly do. Flagger#8, envoyproxy/gateway#2611,
// cloud-in-a-bottle#218, TryGhost/Ghost#12519, cloud-run-release-manager#42.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { openControlled, operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { marker, settled } from './marker.mjs';
import { ANA, asset, DOCUMENT, half, idsOn, STARTED } from './plans.mjs';
import { startUpstream, streaming } from './upstream.mjs';
import { sha256 } from './wire.mjs';

const SIDES = ['new', 'legacy'];
const LIMIT_MS = 1_500;
const LATE_MS = 2_200;
/** For a page to be given up as stalled or crawling, and reported. */
const STALLED_MS_MAX = 90_000;
const HTML = ['Content-Type', 'text/html; charset=utf-8'];
const PAGE = { headers: [HTML], body: '<!doctype html><title>page</title>' };

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
beforeEach(() => wellAgain());
after(() => Promise.all([legacy.close(), next.close()]));

function wellAgain() {
  for (const site of [legacy, next]) {
    site.reset();
    site.otherwise(PAGE);
  }
}

/** Waits until these rollouts have visitors on new, and for those to be counted. */
async function ready(gate, ...keys) {
  wellAgain();
  for (const key of keys)
    await until(
      async () => (await gate.fetch(`/${key}/warm`, { headers: ANA })).get('tidegate-variant') === 'new',
      () => `${key} to run`,
    );
  await settled(gate);
}

/** A rollout of one prefix that nobody rolls back while its figures are looked at. */
const rollout = (key, changes = {}) =>
  half(legacy, next, { key, salt: 'p', routes: [`/${key}/*`], defaults: 'none', ...changes });

/** People whom no test has met before, by side, as headers: a failure counts once a subject and minute. */
const crowd = { new: idsOn('new', 2_000), legacy: idsOn('legacy', 2_000) };
const people = (side, count = 1) => crowd[side].splice(0, count).map((id) => ({ 'x-user-id': id, ...DOCUMENT }));

/** What was counted of both sides in all: `{ new: { requests, errors, rescued, latency }, legacy: … }`. */
async function totals(gate, key) {
  const { windows } = (await operator(gate).get(`rollouts/${key}/metrics`)).body;
  const of = (variant) => {
    const own = windows
      .flatMap(({ sides: all }) => all)
      .filter((side) => side.variant === variant && side.endpoint === undefined);
    const sum = (name) => own.reduce((total, side) => total + (side[name] ?? 0), 0);
    return {
      requests: sum('requests'),
      errors: sum('errors'),
      rescued: sum('rescued'),
      latency: own.reduce((total, { measures }) => total + (measures?.latency?.count ?? 0), 0),
    };
  };
  return { new: of('new'), legacy: of('legacy') };
}

const less = (later, before) =>
  Object.fromEntries(
    SIDES.map((side) => [
      side,
      Object.fromEntries(Object.entries(later[side]).map(([name, count]) => [name, count - before[side][name]])),
    ]),
  );

/** How much more there is of both sides some time after `act`. */
async function counted(gate, key, act) {
  const before = await totals(gate, key);
  await act();
  await settled(gate);
  return less(await totals(gate, key), before);
}

/** The same requests of new people on either side: `ask(headers, side)` each, all at once. */
const fromBoth = (count, ask) =>
  Promise.all(SIDES.flatMap((side) => people(side, count).map((headers) => ask(headers, side))));
const errors = (added) => [added.new.errors, added.legacy.errors];
const requests = (added) => [added.new.requests, added.legacy.requests];

describe('rules of a path', { concurrency: false }, () => {
  const KEY = 'p';
  let gate;
  before(async () => {
    gate = await openControlled([
      marker(legacy, next),
      rollout(KEY, {
        // Each test fails in its own way, and none of them is to meet the breaker that another has opened.
        upstreams: { timeout: `${LIMIT_MS}ms`, breaker: false },
        path: [
          { match: `/${KEY}/poll/*`, timeout: '20s' },
          { match: `/${KEY}/verify`, timeout: '20s', rescue: false },
          { match: `/${KEY}/strict/*`, rescue: false, timeout: `${LIMIT_MS}ms` },
          { match: `/${KEY}/probe`, measure: false },
          { match: `/${KEY}/files/*`, failure: ['5xx', '404'] },
          { match: `/${KEY}/odd/*`, failure: ['429'] },
          { match: `/${KEY}/patient/*`, failure: ['5xx'] },
          { match: `/${KEY}/old/*`, side: 'legacy' },
          { match: `/${KEY}/pay/*`, side: 'new' },
        ],
      }),
    ]);
    await ready(gate, KEY);
  });
  after(() => gate?.close());

  const get =
    (path, options = {}) =>
    (headers) =>
      gate.fetch(`/${KEY}${path}`, { headers, ...options });

  test('an answer that is late on both sides is no error of new alone', async () => {
    for (const site of [legacy, next]) site.handle(`/${KEY}/slow`, { ...PAGE, delayMs: LATE_MS });
    const added = await counted(gate, KEY, () => fromBoth(5, get('/slow')));
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [5, 5],
        [5, 5],
      ],
    );
  });

  test('a long poll with a limit of its own is an error of nobody, and is not asked twice', async () => {
    for (const site of [legacy, next]) site.handle(`/${KEY}/poll/1`, { ...PAGE, body: site.name, delayMs: LATE_MS });
    const added = await counted(gate, KEY, async () => {
      for (const { text } of await Promise.all(people('new', 5).map(get('/poll/1')))) assert.equal(text, 'new');
      assert.equal(legacy.seen(`/${KEY}/poll/1`).length, 0);
      for (const { text } of await Promise.all(people('legacy', 5).map(get('/poll/1')))) assert.equal(text, 'legacy');
    });
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [5, 5],
        [0, 0],
      ],
    );
  });

  test('a late answer alone is no failure where the path says so', async () => {
    for (const site of [legacy, next]) site.handle(`/${KEY}/patient/1`, { ...PAGE, delayMs: LATE_MS });
    const added = await counted(gate, KEY, () => Promise.all(people('legacy', 3).map(get('/patient/1'))));
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [0, 3],
        [0, 0],
      ],
    );
  });

  test('a link that may be used once is used once', async () => {
    let uses = 0;
    for (const site of [legacy, next]) {
      site.handle(`/${KEY}/verify`, () => {
        uses += 1;
        return {
          ...(uses === 1 ? { status: 200, body: 'welcome' } : { status: 410, body: 'used up' }),
          delayMs: LATE_MS,
        };
      });
    }
    const [ben] = people('new');
    const added = await counted(gate, KEY, async () => {
      const through = await get('/verify?t=1')(ben);
      assert.deepEqual([through.status, through.text, uses], [200, 'welcome', 1]);
      next.handle(`/${KEY}/verify`, { status: 503, body: 'not now' });
      assert.deepEqual([(await get('/verify?t=1')(ben)).text, legacy.received.length], ['not now', 0]);
    });
    assert.deepEqual([requests(added), errors(added), added.new.rescued], [[2, 0], [1, 0], 0]);
  });

  test('a path without rescue says 504 when new is late and 502 when it is gone, and asks nobody else', async () => {
    next.handle(`/${KEY}/strict/late`, { ...PAGE, delayMs: LATE_MS });
    next.handle(`/${KEY}/strict/gone`, { reset: true });
    const added = await counted(gate, KEY, async () => {
      for (const [path, status] of /** @type {[string, number][]} */ ([
        ['late', 504],
        ['gone', 502],
      ])) {
        const through = await get(`/strict/${path}`)(people('new')[0]);
        assert.equal(through.status, status, path);
        assert.match(through.get('content-type'), /^text\/plain/);
      }
    });
    assert.deepEqual([errors(added), legacy.received.length], [[2, 0], 0]);
  });

  test('a path that is not measured adds nothing', async () => {
    next.handle(`/${KEY}/probe`, { status: 500 });
    const added = await counted(gate, KEY, () => fromBoth(3, get('/probe')));
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [0, 0],
        [0, 0],
      ],
    );
  });

  test('a status is a failure where the path says so, on both sides, and elsewhere not', async () => {
    for (const site of [legacy, next])
      for (const path of ['files/a', 'page']) site.handle(`/${KEY}/${path}`, { status: 404, body: 'no' });
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/files/a')))), [3, 3]);
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/page')))), [0, 0]);
  });

  test('a set of failures takes the place of the default, but no answer at all is always one', async () => {
    for (const site of [legacy, next]) {
      site.handle(`/${KEY}/odd/503`, { status: 503, body: 'no' });
      site.handle(`/${KEY}/odd/429`, { status: 429, body: 'no' });
      site.handle(`/${KEY}/odd/gone`, { reset: true });
    }
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/odd/503')))), [0, 0]);
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/odd/429')))), [3, 3]);
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/odd/gone')))), [3, 3]);
  });

  test('a path may be pinned to a side, whoever asks', async () => {
    for (const headers of [
      ...people('new'),
      ...people('legacy'),
      DOCUMENT,
      { ...DOCUMENT, 'Sec-Fetch-Site': 'cross-site' },
    ]) {
      for (const method of ['GET', 'POST']) {
        const options = { method, headers, ...(method === 'POST' && { body: 'PaRes=1' }) };
        assert.equal((await gate.fetch(`/${KEY}/old/a`, options)).get('tidegate-variant'), 'legacy');
        assert.equal((await gate.fetch(`/${KEY}/pay/a`, options)).get('tidegate-variant'), 'new');
      }
    }
  });

  test('a redirect to the address that was asked for is a failure of its side', async () => {
    for (const site of [legacy, next])
      site.handle(`/${KEY}/again`, (request) => ({ status: 301, headers: [['Location', request.url]] }));
    assert.deepEqual(errors(await counted(gate, KEY, () => fromBoth(3, get('/again')))), [3, 3]);
  });

  test("what legacy lacks too rescues nothing: it is new's failure", async () => {
    next.handle(`/${KEY}/a.js`, { status: 503 });
    legacy.handle(`/${KEY}/a.js`, { status: 404 });
    const added = await counted(gate, KEY, () =>
      Promise.all(people('new', 3).map((headers) => get('/a.js')({ ...headers, ...asset('script') }))),
    );
    assert.deepEqual([added.new.errors, added.new.rescued], [3, 0]);
  });
});

describe("a path's side before the start", () => {
  test('is legacy: a pin counts once the rollout is active', async () => {
    const gate = await openGate({ controller: false });
    try {
      await gate.load([rollout('p', { path: [{ match: '/p/pay/*', side: 'new' }] })], {});
      assert.equal((await gate.fetch('/p/pay/a', { headers: ANA })).get('tidegate-variant'), 'legacy');
    } finally {
      await gate.close();
    }
  });
});

describe('robots, preflights and manifests are not measured', () => {
  test('on either side', async () => {
    const gate = await openControlled([marker(legacy, next), rollout('p')]);
    try {
      await ready(gate, 'p');
      for (const site of [legacy, next]) site.otherwise({ status: 500 });
      const added = await counted(gate, 'p', async () => {
        for (let n = 0; n < 5; n += 1) {
          await gate.fetch('/p/', {
            headers: {
              ...DOCUMENT,
              'User-Agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
            },
          });
          await gate.fetch('/p/x', {
            method: 'OPTIONS',
            headers: { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'PUT' },
          });
          await gate.fetch('/p/site.webmanifest', { headers: asset('manifest') });
        }
      });
      assert.deepEqual(
        [requests(added), errors(added)],
        [
          [0, 0],
          [0, 0],
        ],
      );
    } finally {
      await gate.close();
    }
  });
});

describe('what a client does', { concurrency: false }, () => {
  const KEY = 'p';
  let gate;
  before(async () => {
    gate = await openControlled([marker(legacy, next), rollout(KEY, { upstreams: { timeout: '10s' } })], {
      bare: next.url,
    });
    await ready(gate, KEY);
  });
  after(() => gate?.close());

  /** Sends a request and goes away after so long. */
  const leaves =
    (path, afterMs, options = {}) =>
    (headers) =>
      gate.fetch(`/${KEY}${path}`, { headers, afterMs, ...options }).then(
        () => assert.fail('an answer came'),
        () => undefined,
      );
  /** An upload of so many bytes, announced in full, of which the last never comes. */
  const broken = (length) => ({
    method: 'POST',
    body: (async function* () {
      yield Buffer.alloc(length / 2);
      await sleep(60_000, undefined, { ref: false });
    })(),
  });

  test('who gives up before the answer is a request, and an error of nobody', async () => {
    for (const site of [legacy, next]) site.handle(`/${KEY}/hang`, { ...PAGE, delayMs: 2_000 });
    const before = await totals(gate, KEY);
    await fromBoth(5, leaves('/hang', 300));
    // A client that leaves may take the report with it that its request was to send; the next one is sent later.
    let added;
    const areAll = () => SIDES.every((side) => added[side].requests >= 5);
    await until(
      async () => {
        added = less(await totals(gate, KEY), before);
        return areAll();
      },
      () => 'those who gave up to be counted',
    );
    await settled(gate);
    added = less(await totals(gate, KEY), before);
    assert.deepEqual([requests(added), errors(added), added.new.rescued], [[5, 5], [0, 0], 0]);
    assert.equal(legacy.seen(`/${KEY}/hang`).length, 5, 'nobody is rescued who has left');
  });

  test('nor is an upstream at fault that fails after its client has gone', async () => {
    for (const site of [legacy, next]) site.handle(`/${KEY}/fails`, { reset: true, delayMs: 800 });
    const added = await counted(gate, KEY, async () => {
      await fromBoth(5, leaves('/fails', 250));
      await sleep(800);
    });
    assert.deepEqual(errors(added), [0, 0]);
  });

  for (const [how, length] of [
    ['of known length', 100_000],
    ['chunked', undefined],
  ]) {
    test(`an upload that is broken off, ${how}, is an error of nobody`, async () => {
      const added = await counted(gate, KEY, async () => {
        for (let round = 0; round < 8; round += 1) {
          await fromBoth(4, (headers) =>
            leaves(
              '/upload',
              150,
              broken(100_000),
            )({ ...headers, ...(length && { 'Content-Length': String(length) }) }),
          );
        }
        await settled(gate);
      });
      assert.deepEqual(errors(added), [0, 0]);
    });
  }

  test('an upload that is broken off by one client, 64 times, is an error of nobody', async () => {
    const [eve] = people('new');
    const added = await counted(gate, KEY, async () => {
      await Promise.all(
        Array.from({ length: 64 }, () => leaves('/upload', 300, broken(10_000))({ ...eve, 'Content-Length': '10000' })),
      );
      await settled(gate);
    });
    assert.deepEqual(errors(added), [0, 0]);
  });

  test('an upload of four bytes in four seconds is no slow answer', async () => {
    const slowly = () => ({
      method: 'POST',
      body: (async function* () {
        for (const byte of 'slow') {
          yield Buffer.from(byte);
          await sleep(1_000);
        }
      })(),
    });
    const added = await counted(gate, KEY, async () => {
      const answers = await fromBoth(5, (headers) => gate.fetch(`/${KEY}/upload`, { headers, ...slowly() }));
      for (const { status } of answers) assert.equal(status, 200);
      assert.equal(next.last(`/${KEY}/upload`).body.toString(), 'slow');
    });
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [5, 5],
        [0, 0],
      ],
    );
    assert.deepEqual([added.new.latency, added.legacy.latency], [0, 0]);
  });

  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'QUERY']) {
    test(`${method} with a chunked body passes as it does without the gate, and is an error of nobody`, async () => {
      const sent = (headers) => ({
        method,
        headers,
        body: (async function* () {
          yield Buffer.from('first ');
          yield Buffer.from('last');
        })(),
      });
      const bare = await gate.bare(`/${KEY}/chunked`, sent(DOCUMENT));
      const bodyOf = () => next.last(`/${KEY}/chunked`).body?.toString();
      const seen = bodyOf();
      const added = await counted(gate, KEY, async () => {
        for (const headers of people('new', 5)) {
          const through = await gate.fetch(`/${KEY}/chunked`, sent(headers));
          assert.deepEqual([through.status, through.get('tidegate-variant')], [bare.status, 'new']);
          assert.equal(bodyOf(), seen);
        }
      });
      assert.deepEqual(errors(added), [0, 0]);
    });
  }

  test('who leaves in the middle of a page breaks nothing off', async () => {
    for (const site of [legacy, next]) {
      site.handle(`/${KEY}/long`, () => ({
        quiet: true,
        headers: [HTML],
        body: (async function* () {
          for (let n = 0; n < 20; n += 1) {
            yield Buffer.from(`<p>${n}`);
            await sleep(100);
          }
        })(),
      }));
    }
    const added = await counted(gate, KEY, () =>
      fromBoth(4, async (headers) => {
        const { stream } = await gate.open(`/${KEY}/long`, { headers });
        stream.on('error', () => undefined);
        await new Promise((resolve) => stream.once('data', resolve));
        stream.destroy();
      }),
    );
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [4, 4],
        [0, 0],
      ],
    );
  });
});

describe('a page that begins well', { concurrency: false }, () => {
  const KEY = 'p';
  const FIRST = Buffer.from(`<!doctype html><title>page</title>${'<p>text'.repeat(200)}`);
  let gate;
  before(async () => {
    gate = await openControlled([
      marker(legacy, next),
      rollout(KEY),
      rollout('lenient', { failure: ['5xx', 'timeout'] }),
    ]);
    await ready(gate, KEY, 'lenient');
  });
  after(() => gate?.close());

  /** Sends these bytes, then does `end`: nothing more. */
  const broken =
    ({ type = HTML, first = FIRST, headers = [], end }) =>
    () => ({
      quiet: true,
      headers: [type, ...headers],
      body: (async function* () {
        yield first;
        await sleep(50);
        await end();
      })(),
    });
  const breaksOff = async () => {
    throw new Error('broken off on purpose');
  };

  /** Reads what comes until it ends, somehow, or until `over`. */
  async function read(path, headers, over) {
    const { status, stream } = await gate.open(path, { headers });
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
    const ended = new Promise((resolve) => stream.once('close', resolve));
    await Promise.race([ended, over ?? ended]);
    stream.destroy();
    return { status, body: Buffer.concat(chunks) };
  }
  const both = (answer, path = 'page', key = KEY) => {
    for (const site of [legacy, next]) site.handle(`/${key}/${path}`, answer);
    return counted(gate, key, async () => {
      for (const { status, body } of await fromBoth(4, (headers) => read(`/${key}/${path}`, headers))) {
        assert.equal(status, 200);
        assert.ok(body.subarray(0, FIRST.length).equals(FIRST) || path !== 'page', 'what came is passed on');
      }
    });
  };

  test('and breaks off is a failure of its side', async () => {
    const added = await both(broken({ end: breaksOff }));
    assert.deepEqual(
      [requests(added), errors(added)],
      [
        [4, 4],
        [4, 4],
      ],
    );
  });

  test('and ends before its announced length is one', async () => {
    assert.deepEqual(
      errors(await both(broken({ headers: [['Content-Length', String(2 * FIRST.length)]], end: breaksOff }))),
      [4, 4],
    );
  });

  test('and breaks off compressed is one', async () => {
    const first = gzipSync(FIRST).subarray(0, 60);
    assert.deepEqual(
      errors(await both(broken({ first, headers: [['Content-Encoding', 'gzip']], end: breaksOff }), 'compressed')),
      [4, 4],
    );
  });

  test('and is blank is one, and what loads or says anything is none', async () => {
    for (const [path, body] of Object.entries({
      nothing: '',
      spaces: ' \r\n\t ',
      frame: '<!DOCTYPE html>\n<html lang="en"><head></head>\n<body class="app"><!-- nothing --></body></html>',
    })) {
      assert.deepEqual(errors(await both({ headers: [HTML], body }, path)), [4, 4], path);
    }
    for (const [path, body] of Object.entries({
      word: '<html><body>ok</body></html>',
      shell: '<!doctype html><div id="root"></div>',
      script: '<!doctype html><html><head><script src="/app.js"></script></head><body></body></html>',
      refresh: '<html><head><meta http-equiv="refresh" content="0;url=/"></head></html>',
      long: ' '.repeat(4_000),
    })) {
      assert.deepEqual(errors(await both({ headers: [HTML], body }, path)), [0, 0], path);
    }
  });

  test('and ends well is none, in whatever form', async () => {
    for (const [path, answer] of Object.entries({
      plain: { headers: [HTML], body: FIRST },
      chunked: broken({ end: async () => undefined }),
      gzip: { headers: [HTML, ['Content-Encoding', 'gzip']], body: gzipSync(FIRST) },
    })) {
      assert.deepEqual(errors(await both(answer, path)), [0, 0], path);
    }
  });

  test('but is no page is left alone: data and files are not watched', async () => {
    for (const type of ['application/json', 'text/event-stream', 'text/javascript', 'application/octet-stream']) {
      assert.deepEqual(
        errors(await both(broken({ type: ['Content-Type', type], end: breaksOff }), 'data')),
        [0, 0],
        type,
      );
    }
  });

  test('and breaks off is no failure where the plan does not say so', async () => {
    assert.deepEqual(errors(await both(broken({ end: breaksOff }), 'page', 'lenient')), [0, 0]);
  });

  const ENDLESS = {
    stalls: broken({ end: () => sleep(3 * STALLED_MS_MAX, undefined, { ref: false }) }),
    crawls: () => ({
      quiet: true,
      headers: [HTML],
      body: (async function* () {
        yield FIRST;
        for (;;) {
          await sleep(1_000, undefined, { ref: false });
          yield Buffer.from('.');
        }
      })(),
    }),
  };
  for (const [how, answer] of Object.entries(ENDLESS)) {
    test(`and then ${how} is a failure of its side`, { timeout: 2 * STALLED_MS_MAX }, async () => {
      for (const site of [legacy, next]) site.handle(`/${KEY}/${how}`, answer);
      const before = await totals(gate, KEY);
      let stop;
      const over = new Promise((resolve) => {
        stop = resolve;
      });
      const reading = fromBoth(3, (headers) => read(`/${KEY}/${how}`, headers, over));
      try {
        await until(
          async () => errors(less(await totals(gate, KEY), before)).join() === '3,3',
          () => `three pages of each side to be counted that ${how}`,
          STALLED_MS_MAX,
        );
      } finally {
        stop();
        await reading;
      }
    });
  }

  test('is passed on byte for byte, compressed or not, with its length', async () => {
    const text = Buffer.from(Array.from({ length: 20_000 }, (_, n) => `<p>${n}</p>`).join(''));
    for (const [encoding, body] of /** @type {[string | undefined, Buffer][]} */ ([
      [undefined, text],
      ['gzip', gzipSync(text)],
      ['br', brotliCompressSync(text)],
      ['zstd', Buffer.from('28b52ffd2003190000616263', 'hex')],
      ['x-own', text],
    ])) {
      const sent = { headers: [HTML, ...(encoding ? [['Content-Encoding', encoding]] : [])], body };
      for (const site of [legacy, next]) site.handle(`/${KEY}/whole`, sent);
      for (const through of await fromBoth(1, (headers) =>
        gate.fetch(`/${KEY}/whole`, { headers: { ...headers, 'Accept-Encoding': 'gzip, br, zstd' } }),
      )) {
        assert.equal(sha256(through.body), sha256(body), encoding);
        assert.deepEqual(
          [through.get('content-encoding'), through.get('content-length')],
          [encoding, String(body.length)],
        );
      }
    }
  });

  test('comes as it is sent, not at its end', { timeout: 60_000 }, async () => {
    let seen;
    const isSeen = new Promise((resolve) => {
      seen = resolve;
    });
    next.handle(`/${KEY}/stream`, () => ({
      headers: [HTML],
      body: (async function* () {
        yield Buffer.from('<p>first');
        await isSeen;
        yield Buffer.from('<p>last');
      })(),
    }));
    const { stream } = await gate.open(`/${KEY}/stream`, { headers: people('new')[0] });
    await new Promise((resolve) => stream.once('data', resolve));
    seen();
    stream.resume();
  });
});

describe("an upstream's own time-out", { concurrency: false }, () => {
  let gate;
  before(async () => {
    gate = await openGate({ controller: false });
    const timed = (site) => ({ url: site.url, timeout: `${LIMIT_MS}ms` });
    await gate.load(
      [
        rollout('both', { upstreams: { legacy: timed(legacy), new: timed(next) } }),
        rollout('strict', { upstreams: { legacy: timed(legacy), new: timed(next), rescue: false } }),
        rollout('path', { path: [{ match: '/path/report', timeout: `${LIMIT_MS}ms` }] }),
      ],
      { both: STARTED.running, strict: STARTED.running, path: STARTED.running },
    );
  });
  after(() => gate?.close());

  const EVE = { 'x-user-id': idsOn('legacy')[0] };
  const late = (path) => [legacy, next].forEach((site) => site.handle(path, { ...PAGE, delayMs: LATE_MS }));
  function assertSaid(through, status) {
    assert.equal(through.status, status);
    assert.match(through.get('content-type'), /^text\/plain/);
    assert.ok(through.text.length > 10, 'in a sentence');
  }

  test('bounds legacy', async () => {
    late('/both/slow');
    for (const options of [{}, { method: 'POST', body: 'a=1' }, { method: 'HEAD' }]) {
      const through = await gate.fetch('/both/slow', { headers: EVE, ...options });
      if (options.method === 'HEAD') assert.equal(through.status, 504);
      else assertSaid(through, 504);
    }
    assert.equal(next.received.length, 0);
  });

  test('bounds a POST to new, which is not rescued', async () => {
    late('/both/slow');
    assertSaid(await gate.fetch('/both/slow', { headers: ANA, method: 'POST', body: 'a=1' }), 504);
    assert.equal(legacy.received.length, 0);
  });

  test('has a GET of new rescued', async () => {
    next.handle('/both/slow', { ...PAGE, delayMs: LATE_MS });
    assert.equal((await gate.fetch('/both/slow', { headers: ANA })).get('tidegate-reason'), 'rescued');
  });

  test('says 504 without rescue, and 502 where no answer comes', async () => {
    late('/strict/slow');
    for (const id of [ANA, EVE]) assertSaid(await gate.fetch('/strict/slow', { headers: id }), 504);
    for (const site of [legacy, next]) site.handle('/strict/gone', { reset: true });
    for (const id of [ANA, EVE]) assertSaid(await gate.fetch('/strict/gone', { headers: id }), 502);
  });

  test("may be a path's: a report that takes longer is given up", async () => {
    late('/path/report');
    assertSaid(await gate.fetch('/path/report', { headers: EVE }), 504);
  });

  test('is off by default: legacy and POSTs take as long as they take', async () => {
    late('/path/slow');
    for (const options of [{ headers: EVE }, { headers: ANA, method: 'POST', body: 'a=1' }])
      assert.equal((await gate.fetch('/path/slow', options)).status, 200);
  });

  test('ends with the headers: a slow body is not cut', async () => {
    for (const site of [legacy, next]) {
      site.handle('/both/body', () => ({
        headers: [['Content-Type', 'text/plain']],
        body: (async function* () {
          yield Buffer.from('first ');
          await sleep(LATE_MS);
          yield Buffer.from('last');
        })(),
      }));
    }
    for (const id of [ANA, EVE]) assert.equal((await gate.fetch('/both/body', { headers: id })).text, 'first last');
  });

  test('lets an answer through that comes before the upload has ended', async () => {
    next.handle(
      '/both/early',
      streaming(async () => ({ status: 413, body: 'too big' })),
    );
    assert.equal(
      (await gate.fetch('/both/early', { headers: ANA, method: 'POST', body: Buffer.alloc(300_000) })).status,
      413,
    );
  });
});
