// Nobody changes sides in the middle of a visit.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
const plans = () => [plan(legacy, next, { sticky_moves: 'visit' })];
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

const ask = (headers) => gate.fetch('/cart', { headers: { ...ANA, ...headers } });
const sideOf = (answer) => [answer.get('tidegate-variant'), answer.get('tidegate-reason')];

test('a visit that began before a step ends on its side, and the next one has the other', async () => {
  await gate.load(plans(), { shop: '0.001' });
  assert.equal((await ask(asset('script'))).get('set-cookie'), undefined, 'assets begin none');
  const first = await ask(DOCUMENT);
  assert.deepEqual(sideOf(first), ['legacy', 'bucketed']);
  assert.match(
    first.get('set-cookie'),
    /^__Host-tidegate-visit-shop=.*; Secure; HttpOnly; SameSite=Lax; Max-Age=1800$/,
  );
  assert.match(first.get('cache-control') ?? '', /private/);
  const Cookie = first.get('set-cookie').split(';')[0];
  const again = await ask({ ...DOCUMENT, Cookie });
  assert.equal(again.get('set-cookie'), undefined, 'once in five minutes');

  // A second later: what began in the second of the step has begun after it.
  const begun = Number(Cookie.split('~')[2]);
  while (Date.now() < (begun + 2) * 1_000) await ask({ ...DOCUMENT, Cookie });
  await gate.load(plans(), { shop: '100' });
  assert.deepEqual(sideOf(await ask({ ...DOCUMENT, Cookie })), ['legacy', 'visit']);
  assert.deepEqual(sideOf(await ask(DOCUMENT)), ['new', 'bucketed'], 'without it');
  assert.deepEqual(sideOf(await ask({ ...DOCUMENT, Cookie: Cookie.replace('legacy', 'new') })), ['new', 'bucketed']);
  await gate.load(plans(), { shop: 'off' });
  assert.deepEqual(sideOf(await ask({ ...DOCUMENT, Cookie })), ['legacy', 'killed']);
});
