// When the new frontend hangs, its users get legacy at once: nobody waits for a time-out once it is known.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const endpoints = { x: 'path:/parts/api/x' };
  await gate.load(
    [
      plan(legacy, next, {}),
      plan(legacy, next, { key: 'parts', routes: ['/parts/*'], endpoints }),
      plan(legacy, next, { key: 'reads', routes: ['/reads/*'], upstreams: { breaker: 'reads' } }),
    ],
    { shop: '100', parts: '100', reads: '100' },
  );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

let visitor = 0;

/**
 * A request of another user each time, and how long it took in milliseconds.
 * @param {string} path
 * @param {object} [options]
 */
async function ask(path, options = {}) {
  visitor += 1;
  const begun = performance.now();
  const answer = await gate.fetch(path, { headers: { 'x-user-id': `user-${visitor}` }, ...options });
  return { answer, tookMs: performance.now() - begun, variant: answer.get('tidegate-variant') };
}

const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];

describe('a new frontend that hangs', () => {
  test('is not waited for after the first second, and POSTs do not fail', async (t) => {
    for (let n = 0; n < 20; n += 1) assert.equal((await ask('/page')).variant, 'new');
    next.handle('/page', { delayMs: 12_000, body: 'late' });
    // What is sent in the first second waits for the whole time-out; nobody waits for it here.
    const waiting = [];
    const begun = performance.now();
    let first;
    do {
      const request = ask('/page');
      waiting.push(request);
      first = await Promise.race([request, new Promise((resolve) => setTimeout(resolve, 20))]);
    } while (!first);
    const openedMs = performance.now() - begun;
    assert.equal(first.variant, 'legacy');
    assert.equal(first.answer.get('tidegate-reason'), 'rescued');
    const times = [];
    for (let n = 0; n < 200; n += 1) {
      const { answer, variant, tookMs } = await ask('/page', n % 10 ? {} : { method: 'POST', body: 'order' });
      assert.deepEqual([answer.status, variant, answer.get('tidegate-reason')], [200, 'legacy', 'rescued']);
      times.push(tookMs);
    }
    const own = [];
    legacy.handle('/elsewhere', { body: 'x' });
    for (let n = 0; n < 200; n += 1) {
      const begun = performance.now();
      await fetch(`${legacy.url}/elsewhere`).then((answer) => answer.text());
      own.push(performance.now() - begun);
    }
    const figures = { openedMs, rescued: percentile(times, 0.99), legacy: percentile(own, 0.99) };
    t.diagnostic(JSON.stringify(figures));
    // A time-out is 10 s: whatever this machine has to do, none of these has waited for one.
    assert.ok(figures.rescued < 1_000, JSON.stringify(figures));
    assert.equal(legacy.seen('/page').filter(({ method }) => method === 'POST').length, 20);
    assert.equal(next.seen('/page').filter(({ method }) => method === 'POST').length, 0, 'nobody orders twice');
    assert.ok(gate.logs.some((line) => line.includes('breaker_open')));
    next.reset();
  });
});

describe('a new frontend of which one part fails', () => {
  test('loses that part alone', async () => {
    next.handle('/parts/api/x', { status: 503, body: 'broken' });
    for (let n = 0; n < 20; n += 1) await ask('/parts/api/x');
    const asked = next.seen('/parts/api/x').length;
    const { variant } = await ask('/parts/api/x');
    assert.deepEqual([variant, next.seen('/parts/api/x').length], ['legacy', asked], 'it is not asked');
    assert.equal((await ask('/parts/page')).variant, 'new');
  });

  test('goes on taking what writes where the plan says so', async () => {
    next.handle('/reads/page', { status: 503, body: 'broken' });
    for (let n = 0; n < 20; n += 1) await ask('/reads/page');
    const asked = next.seen('/reads/page').length;
    const { answer } = await ask('/reads/page', { method: 'POST', body: 'order' });
    assert.deepEqual([answer.status, answer.text], [503, 'broken']);
    assert.equal((await ask('/reads/page')).variant, 'legacy');
    assert.equal(next.seen('/reads/page').length, asked + 1, 'it was asked what writes, and nothing else');
  });
});
