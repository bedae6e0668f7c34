// New visitors at 50 %: each sees one side, whole, from the first request on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertOneSide, assetsAskedOf, follow, openPage, openShop } from './shop.mjs';

const VISITORS = 12;
const VISITORS_MAX = 48;
const COOKIE_DAYS = 400;

let shop;
before(async () => {
  shop = await openShop(50);
});
after(() => shop?.close());

test('a new visitor gets page, script, style, images and lazy chunk from one side, and stays there', async () => {
  const assets = { legacy: new Set(), new: new Set() };
  let visitors = 0;
  // Twelve may all fall on one side, once in 2048 runs; then some more come.
  while (visitors < VISITORS || (visitors < VISITORS_MAX && !(assets.legacy.size && assets.new.size))) {
    const visits = await Promise.all([visit(), visit(), visit(), visit()]);
    visitors += visits.length;
    for (const { side, loaded } of visits) for (const path of loaded) assets[side].add(path);
  }
  assert.ok(assets.legacy.size > 0 && assets.new.size > 0, 'both sides have visitors');
  // The gate would have mended a mixture by asking the other side: nothing was to be mended.
  assert.deepEqual(assetsAskedOf(shop.sides.legacy), assets.legacy);
  assert.deepEqual(assetsAskedOf(shop.sides.new), assets.new);
});

/** A first visit, reloads and further pages; returns the side and the assets. */
async function visit() {
  const context = await shop.visitor();
  const page = await openPage(context, '/');
  const side = await assertOneSide(page);
  const stays = async (where) => assert.equal(await assertOneSide(page), side, where);
  await page.reload();
  await stays('after a reload');
  await follow(page, '/products/boots');
  await stays('on a product page');
  assert.equal(await page.evaluate(async () => (await (await fetch('/api/stock')).json()).side), side, 'the API');
  const loaded = page.seen.assets;
  await context.close();
  return { side, loaded };
}

test('a visitor is given an id once, in a cookie that only this host can read and no script', async () => {
  const context = await shop.visitor();
  const given = [];
  context.on('response', async (response) => {
    for (const { name, value } of await response.headersArray()) {
      if (name.toLowerCase() === 'set-cookie' && value.startsWith('__Host-tidegate-id='))
        given.push(new URL(response.url()).pathname);
    }
  });
  const idCookie = async () => (await context.cookies()).find(({ name }) => name === '__Host-tidegate-id');

  const page = await openPage(context, '/');
  const first = await idCookie();
  assert.ok(first, 'the browser keeps the cookie');
  const { value, expires, ...rest } = first;
  assert.ok(value.length >= 16, value);
  assert.deepEqual(rest, {
    name: '__Host-tidegate-id',
    domain: '127.0.0.1',
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: 'Lax',
  });
  const days = (expires - Date.now() / 1_000) / 86_400;
  assert.ok(days > COOKIE_DAYS - 1 && days <= COOKIE_DAYS, `${days} days`);
  assert.doesNotMatch(await page.evaluate(() => document.cookie), /tidegate/);

  await page.reload();
  await follow(page, '/about');
  assert.deepEqual(await idCookie(), first);
  assert.deepEqual(given, ['/']);
  await context.close();
});
