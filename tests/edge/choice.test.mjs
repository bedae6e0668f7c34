// People choose their side by a link or a form, without JavaScript.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from './harness.mjs';
import { ANA, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const both = { choice: 'both' };
  await gate.load(
    [
      plan(legacy, next, both),
      plan(legacy, next, { key: 'out', routes: ['/out/*'], choice: 'out' }),
      plan(legacy, next, { key: 'off', routes: ['/off/*'], ...both }),
    ],
    { shop: '0.001', out: '100', off: 'off' },
  );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

const SAME = { 'Sec-Fetch-Site': 'same-origin' };
const choose = (query, headers = {}, options = {}) =>
  gate.fetch(`/_tidegate/choose?${query}`, { headers: { ...SAME, ...headers }, ...options });
const cookieOf = (answer) => answer.get('set-cookie')?.split(';')[0];
const side = async (path, Cookie) => {
  const answer = await gate.fetch(path, { headers: { ...DOCUMENT, ...ANA, ...(Cookie ? { Cookie } : {}) } });
  return [answer.get('tidegate-variant'), answer.get('tidegate-reason')];
};

describe('who may choose', () => {
  test('goes to new and back, and comes back to the page', async () => {
    assert.deepEqual(await side('/cart'), ['legacy', 'bucketed']);
    const asked = await choose('rollout=shop&side=new', { Referer: `https://${PUBLIC_HOST}/cart?a=1` });
    assert.deepEqual([asked.status, asked.get('location')], [303, '/cart?a=1']);
    const cookie = cookieOf(asked);
    assert.deepEqual(await side('/cart', cookie), ['new', 'chosen']);
    const body = 'rollout=shop&side=legacy&to=/cart';
    const back = await choose(
      '',
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      {
        method: 'POST',
        body,
      },
    );
    assert.deepEqual([back.status, back.get('location')], [303, '/cart']);
    assert.deepEqual(await side('/cart', cookieOf(back)), ['legacy', 'chosen']);
    const ended = await choose('rollout=shop&side=none');
    assert.match(ended.get('set-cookie'), /Max-Age=0/);
  });

  test('goes nowhere else, and no other site chooses', async () => {
    const away = await choose('rollout=shop&side=new&to=https://evil.example/');
    assert.equal(away.get('location'), '/');
    const asked = await choose('rollout=shop&side=new', { 'Sec-Fetch-Site': 'cross-site' });
    assert.deepEqual([asked.status, asked.get('set-cookie')], [200, undefined]);
    assert.match(asked.text, /<form method="post"/);
  });

  test('has what the plan allows, and a kill above it', async () => {
    assert.equal((await choose('rollout=out&side=new')).status, 403);
    const out = cookieOf(await choose('rollout=out&side=legacy'));
    assert.deepEqual(await side('/out/a', out), ['legacy', 'chosen']);
    assert.deepEqual(await side('/out/a'), ['new', 'bucketed']);
    const into = cookieOf(await choose('rollout=off&side=new'));
    assert.deepEqual(await side('/off/a', into), ['legacy', 'killed']);
    assert.equal((await choose('rollout=nope&side=new')).status, 404);
    assert.deepEqual(await side('/out/a', out.replace('legacy', 'new')), ['new', 'bucketed'], 'forged');
  });
});
