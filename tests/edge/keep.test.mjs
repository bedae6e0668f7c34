// Who has used new stays there when the percentage goes down.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { asset, bucket, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

/** An id whose bucket lies in this range. */
function idIn(from, to) {
  for (let n = 0; ; n += 1) {
    const at = bucket('shop', `user-${n}`);
    if (at >= from && at < to) return `user-${n}`;
  }
}
const INSIDE = idIn(0, 10_000);
const LEFT = idIn(20_000, 50_000);
const OTHER = idIn(20_000, 50_000 - 1);
const ABOVE = idIn(60_000, 100_000);

let legacy, next, gate;
const plans = (changes) => [plan(legacy, next, { keep: 'used', ...changes })];
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

const ask = (id, Cookie, dest = DOCUMENT) =>
  gate.fetch('/cart', { headers: { 'x-user-id': id, ...dest, ...(Cookie && { Cookie }) } });
const sideOf = (answer) => `${answer.get('tidegate-variant')} ${answer.get('tidegate-reason')}`;
const set = (percentage, changes) => gate.load(plans(changes), { shop: percentage });
const step = (percentage) => gate.kv.put('stage/shop', percentage);
const obeyed = (id, side) =>
  until(
    async () => sideOf(await ask(id)) === side,
    () => `${id} on ${side}`,
  );

test('who has used new keeps it on a step down, and a rollback to 0 % and a kill are above that', async () => {
  await set('50');
  assert.equal((await ask(LEFT, undefined, asset('script'))).get('set-cookie'), undefined, 'a file is no use');
  assert.equal((await ask(ABOVE)).get('set-cookie'), undefined, 'legacy is no use of new');
  const first = await ask(LEFT);
  assert.equal(sideOf(first), 'new bucketed');
  assert.match(
    first.get('set-cookie'),
    /^__Host-tidegate-used-shop=shop~\d+~\d+~shop\.example\.com\.[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000$/,
  );
  assert.match(first.get('cache-control') ?? '', /private/);
  const Cookie = first.get('set-cookie').split(';')[0];
  assert.equal((await ask(LEFT, Cookie)).get('set-cookie'), undefined, 'once');

  await step('10');
  await obeyed(LEFT, 'legacy stepped_down');
  assert.equal(sideOf(await ask(LEFT, Cookie)), 'new stepped_down');
  assert.equal(sideOf(await ask(LEFT, Cookie, asset('script'))), 'new stepped_down', 'with the files of its pages');
  assert.equal(sideOf(await ask(INSIDE)), 'new bucketed');
  assert.equal(sideOf(await ask(ABOVE, Cookie)), 'legacy bucketed', 'another user of this browser');
  if (OTHER !== LEFT) assert.equal(sideOf(await ask(OTHER, Cookie)), 'legacy stepped_down');
  const forged = Cookie.replace(/~(\d+)~shop\.example/, '~99999999999~shop.example');
  assert.equal(sideOf(await ask(LEFT, forged)), 'legacy stepped_down');

  await step('off');
  await obeyed(INSIDE, 'legacy killed');
  assert.equal(sideOf(await ask(LEFT, Cookie)), 'legacy killed');
  await step('0');
  await obeyed(INSIDE, 'legacy bucketed');
  assert.equal(sideOf(await ask(LEFT, Cookie)), 'legacy bucketed', '0 % is nobody');
  // A second later: what was used in the second in which the percentage left 0 would count.
  const used = Number(Cookie.split('~')[2]);
  await until(() => Date.now() >= (used + 2) * 1_000);
  await step('50');
  await obeyed(INSIDE, 'new bucketed');
  const again = await ask(LEFT, Cookie);
  assert.ok(again.get('set-cookie'), 'what was used before 0 % counts no more');
  await step('10');
  await obeyed(LEFT, 'legacy stepped_down');
  assert.equal(sideOf(await ask(LEFT, Cookie)), 'legacy stepped_down');
  assert.equal(sideOf(await ask(LEFT, again.get('set-cookie').split(';')[0])), 'new stepped_down');
});

test('what legacy answered in the place of new is no use of it', async () => {
  await step('0');
  await obeyed(INSIDE, 'legacy bucketed');
  await step('50');
  await obeyed(INSIDE, 'new bucketed');
  next.handle('/cart', { status: 503 });
  const rescued = await ask(LEFT);
  assert.deepEqual([sideOf(rescued), rescued.get('set-cookie')], ['legacy rescued', undefined]);
  next.reset();
});
