// Who the subject of a request is: the first source of the plan that is present and not empty,
// trimmed and otherwise as received.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { utf8 } from './wire.mjs';

/** In this group and so on new; everyone else is on legacy. */
const TEAM = ['ana', 'Ben%20B', 'josé', '😀', 'a=b', 'two words', '0'];

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const teams = {
    groups: { team: { ids: TEAM } },
    stage: [
      { name: 'internal', percentage: 0, groups: ['team'], hold: '1h' },
      { name: 'full', percentage: 100 },
    ],
  };
  await gate.load([plan(legacy, next, teams)], { shop: '0' });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const ask = (headers) => gate.fetch('/page', { headers });
async function isNew(headers) {
  const { status, text, get } = await ask(headers);
  assert.equal(status, 200);
  assert.equal(text.split(' ')[0], get('tidegate-variant'), 'the variant assigned is the side that answered');
  return get('tidegate-variant') === 'new';
}

describe('the subject', () => {
  test('comes from the first source that has one', async () => {
    assert.equal(await isNew({ 'x-user-id': 'ana' }), true);
    assert.equal(await isNew({ Cookie: 'uid=ana' }), true);
    assert.equal(await isNew({ 'x-user-id': 'ana', Cookie: 'uid=eve' }), true);
    assert.equal(await isNew({ 'x-user-id': 'eve', Cookie: 'uid=ana' }), false);
  });

  test('comes from the next source where the first is empty', async () => {
    assert.equal(await isNew({ 'x-user-id': '', Cookie: 'uid=ana' }), true);
    assert.equal(await isNew({ 'x-user-id': '   ', Cookie: 'uid=ana' }), true);
  });

  test('is trimmed', async () => {
    assert.equal(await isNew({ 'x-user-id': '  ana\t ' }), true);
    assert.equal(await isNew({ Cookie: 'uid= ana ; b=1' }), true);
    assert.equal(await isNew({ 'x-user-id': 'two words' }), true);
  });

  test('keeps its case and its percent-escapes', async () => {
    assert.equal(await isNew({ 'x-user-id': 'Ben%20B' }), true);
    assert.equal(await isNew({ Cookie: 'uid=Ben%20B' }), true);
    for (const other of ['ben%20b', 'Ben B', 'Ben%2520B', 'Ben+B'])
      assert.equal(await isNew({ 'x-user-id': other }), false, other);
    assert.equal(await isNew({ 'x-user-id': 'Ana' }), false);
  });

  test('may be any text', async () => {
    for (const id of ['josé', '😀']) {
      assert.equal(await isNew({ 'x-user-id': utf8(id) }), true, `${id} in a header`);
      assert.equal(await isNew({ Cookie: `uid=${utf8(id)}` }), true, `${id} in a cookie`);
    }
    assert.equal(await isNew({ 'x-user-id': '0' }), true);
  });

  test('is found among other cookies, by its exact name', async () => {
    assert.equal(await isNew({ Cookie: 'a=1; uid=ana; b=2' }), true);
    assert.equal(await isNew({ Cookie: 'a=1;uid=ana' }), true);
    assert.equal(await isNew({ Cookie: 'uid=a=b' }), true);
    for (const cookies of ['xuid=ana', 'uidx=ana', 'UID=ana', 'a=uid=ana', 'uid', 'uid=', '=ana', ';;;'])
      assert.equal(await isNew({ Cookie: cookies }), false, cookies);
  });

  test('may be 10 kB long, or no UTF-8, and nothing breaks', async () => {
    const long = 'x'.repeat(10_000);
    for (const headers of [
      { 'x-user-id': long },
      { Cookie: `uid=${long}` },
      { 'x-user-id': '\xff\xfe' },
      { Cookie: 'uid=\xff\xfe\xc3' },
      { Cookie: '\xff\xfe=\xff; uid=ana' },
    ]) {
      const sides = [await isNew(headers), await isNew(headers)];
      assert.equal(sides[0], sides[1], 'the same side each time');
    }
    assert.equal(await isNew({ Cookie: '\xff\xfe=\xff; uid=ana' }), true, 'the cookie beside the broken one is read');
  });
});

test('without an id, and with none to be minted, a visitor is unidentified', async () => {
  const strict = plan(legacy, next, { identity: { from: ['header:x-user-id'], anonymous: false } });
  await gate.load([strict], { shop: '100' });
  for (const headers of [
    DOCUMENT,
    { ...DOCUMENT, 'x-user-id': ' ' },
    { ...DOCUMENT, Cookie: '__Host-tidegate-id=0123456789abcdef0123456789abcdef' },
  ]) {
    const through = await ask(headers);
    assert.equal(through.get('tidegate-reason'), 'unidentified');
    assert.equal(through.get('tidegate-variant'), 'legacy');
    assert.deepEqual(through.all('set-cookie'), []);
  }
});
