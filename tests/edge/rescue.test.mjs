// When the new frontend fails on a GET or HEAD, the legacy one answers instead, and nobody sees the
// failure.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openGate } from './harness.mjs';
import { ANA, completed, DOCUMENT, plan } from './plans.mjs';
import { deadUrl, startUpstream } from './upstream.mjs';

const TIMEOUT_MS = 400;

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  const dead = await deadUrl();
  gate = await openGate({ controller: false });
  const upstreams = { timeout: `${TIMEOUT_MS}ms` };
  await gate.load(
    [
      plan(legacy, next, { upstreams, cache: 'upstream' }),
      plan(legacy, next, { key: 'bare', routes: ['/bare/*'], upstreams: { ...upstreams, rescue: false } }),
      plan(legacy, next, { key: 'done', routes: ['/done/*'], upstreams }),
      plan(legacy, next, {
        key: 'until',
        routes: ['/until/*'],
        upstreams: { ...upstreams, rescue: 'until_completed' },
      }),
      plan(legacy, next, {
        key: 'ended',
        routes: ['/ended/*'],
        upstreams: { ...upstreams, rescue: 'until_completed' },
      }),
      plan(legacy, next, { key: 'old', routes: ['/old/*'], upstreams }),
      plan(legacy, dead, { key: 'dead', routes: ['/dead/*'], upstreams }),
      plan(dead, dead.replace('127.0.0.1', 'localhost'), { key: 'gone', routes: ['/gone/*'], upstreams }),
    ],
    {
      shop: '100',
      bare: '100',
      done: completed(),
      until: '100',
      ended: completed(),
      old: '0',
      dead: '100',
      gone: '100',
    },
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
 * @param {Omit<import('./wire.mjs').RequestOptions, 'headers'> & { headers?: object }} [options]
 */
const ask = (path, { headers, ...options } = {}) => gate.fetch(path, { headers: { ...ANA, ...headers }, ...options });

function assertRescued(through, body) {
  assert.equal(through.status, 200);
  assert.equal(through.text, body);
  assert.equal(through.get('tidegate-variant'), 'legacy');
  assert.equal(through.get('tidegate-reason'), 'rescued');
}

const FAILURES = {
  'answers 500': { status: 500, body: 'broken' },
  'answers 502': { status: 502, body: 'broken' },
  'answers 503': {
    status: 503,
    headers: [
      ['Retry-After', '9'],
      ['Set-Cookie', 'broken=1'],
    ],
    body: 'x'.repeat(200_000),
  },
  'answers 599': { status: 599, body: 'broken' },
  'closes the connection': { reset: true },
  'takes too long': { delayMs: TIMEOUT_MS * 3, body: 'late' },
};

describe('a GET is answered by legacy when new', () => {
  for (const [name, failure] of Object.entries(FAILURES)) {
    test(name, async () => {
      next.handle('/page', failure);
      const through = await ask('/page?a=1', { headers: { ...DOCUMENT, 'x-own': 'kept', Cookie: 'a=1' } });
      assertRescued(through, 'legacy /page?a=1');
      assert.deepEqual(through.all('set-cookie'), [], 'nothing of the failed answer is left');
      assert.equal(through.get('retry-after'), undefined);
      assert.equal(next.seen('/page').length, 1);
      const request = legacy.last('/page');
      assert.deepEqual(
        ['tidegate-variant', 'tidegate-rollout', 'x-own', 'cookie'].map((header) => request.get(header)),
        ['legacy', 'shop', 'kept', 'a=1'],
      );
    });
  }

  test('cannot be connected to', async () => assertRescued(await ask('/dead/page'), 'legacy /dead/page'));

  for (const [name, failure] of Object.entries(FAILURES)) {
    test(`${name} once the rollout has completed`, async () => {
      next.handle('/done/page', failure);
      assertRescued(await ask('/done/page', { headers: DOCUMENT }), 'legacy /done/page');
      assert.deepEqual([next.received.length, legacy.received.length], [1, 1]);
    });
  }

  test('fails while a rollout runs that ends rescue with itself', async () => {
    next.handle('/until/page', { status: 503, body: 'new says no' });
    assertRescued(await ask('/until/page'), 'legacy /until/page');
  });
});

test('a HEAD is rescued too', async () => {
  next.handle('/page', { status: 503 });
  const through = await ask('/page', { method: 'HEAD' });
  assert.equal(through.status, 200);
  assert.equal(through.get('tidegate-reason'), 'rescued');
  assert.equal(legacy.last('/page').method, 'HEAD');
});

test('a rescued page carries no token that would count it for new', async () => {
  next.handle('/page', { status: 503 });
  const through = await ask('/page', { headers: DOCUMENT });
  assert.doesNotMatch(through.get('server-timing') ?? '', /tidegate/);
});

describe('nothing is asked of legacy', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    test(`for a ${method}`, async () => {
      next.handle('/page', { status: 503, statusText: 'Overloaded', body: 'new says no' });
      const through = await ask('/page', { method, body: 'a=1' });
      assert.deepEqual([through.status, through.statusText, through.text], [503, 'Overloaded', 'new says no']);
      assert.equal(through.get('tidegate-variant'), 'new');
      assert.equal(legacy.received.length, 0);
      assert.equal(next.received.length, 1);
    });
  }

  test('for a POST that never reaches new', async () => {
    const through = await ask('/dead/page', { method: 'POST', body: 'a=1' });
    assert.ok([502, 503, 504].includes(through.status), String(through.status));
    assert.match(through.get('content-type'), /^text\/plain/);
    assert.equal(legacy.received.length, 0);
  });

  test('for a GET with a body', async () => {
    next.handle('/page', { status: 503, body: 'new says no' });
    const through = await ask('/page', { body: 'a=1' });
    assert.equal(through.text, 'new says no');
    assert.equal(legacy.received.length, 0);
  });

  test('where new says that the request is wrong', async () => {
    for (const status of [400, 401, 403, 404, 429, 499]) {
      next.handle('/page', { status, body: 'new says no' });
      assert.equal((await ask('/page')).text, 'new says no');
    }
    assert.equal(legacy.received.length, 0);
  });

  test('where the plan says `rescue = false`', async () => {
    next.handle('/bare/page', { status: 503, body: 'new says no' });
    const through = await ask('/bare/page');
    assert.deepEqual([through.status, through.text, through.get('tidegate-variant')], [503, 'new says no', 'new']);
    next.handle('/bare/page', { reset: true });
    assert.ok([502, 503, 504].includes((await ask('/bare/page')).status));
    assert.equal(legacy.received.length, 0);
  });

  test('once a rollout has completed whose plan says `rescue = "until_completed"`', async () => {
    next.handle('/ended/page', { status: 503, body: 'new says no' });
    const through = await ask('/ended/page');
    assert.deepEqual(
      [through.status, through.text, through.get('tidegate-variant'), through.get('tidegate-reason')],
      [503, 'new says no', 'new', 'completed'],
    );
    next.handle('/ended/page', { reset: true });
    assert.equal((await ask('/ended/page')).status, 502);
    assert.equal(legacy.received.length, 0);
  });
});

test('a slow body is not cut: the timeout ends with the headers', async () => {
  next.handle('/page', () => ({
    body: (async function* () {
      yield Buffer.from('first ');
      await sleep(TIMEOUT_MS * 2);
      yield Buffer.from('last');
    })(),
  }));
  const through = await ask('/page');
  assert.equal(through.text, 'first last');
  assert.equal(through.get('tidegate-variant'), 'new');
});

test('a WebSocket stays open beyond the timeout', async () => {
  const ws = await gate.socket('/socket', { headers: ANA });
  await sleep(TIMEOUT_MS * 2);
  ws.send('still there');
  const [data] = await once(ws, 'message');
  assert.equal(data.toString(), 'still there');
  ws.terminate();
});

test('an upload may take longer than the timeout', async () => {
  const through = await ask('/page', {
    method: 'POST',
    body: (async function* () {
      yield Buffer.from('first ');
      await sleep(TIMEOUT_MS * 2);
      yield Buffer.from('last');
    })(),
  });
  assert.equal(through.status, 200);
  assert.equal(next.last('/page').body.toString(), 'first last');
});

test("legacy's own failures are legacy's: new is not asked", async () => {
  legacy.handle('/old/page', { status: 503, body: 'legacy says no' });
  const through = await ask('/old/page');
  assert.deepEqual([through.status, through.text], [503, 'legacy says no']);
  legacy.handle('/old/page', { reset: true });
  assert.ok([502, 503, 504].includes((await ask('/old/page')).status));
  assert.equal(next.received.length, 0);
});

test('where both fail the browser gets an error, and the next request is served', async () => {
  next.handle('/page', { status: 503, body: 'new says no' });
  legacy.handle('/page', { status: 500, body: 'legacy says no' });
  const through = await ask('/page');
  assert.ok(through.status >= 500);
  assert.match(through.text, /says no$/);
  assert.ok([502, 503, 504].includes((await ask('/gone/page')).status));
  assert.equal((await ask('/other')).status, 200);
});
