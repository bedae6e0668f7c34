// The new frontend fails at 100 %: everybody still gets every page, from legacy.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertOneSide, openPage, openShop } from './shop.mjs';

const PAGES = ['/', '/products', '/products/rope', '/cart', '/contact/thanks'];

let shop;
before(async () => {
  shop = await openShop(100);
});
after(() => shop?.close());

test('every page comes from legacy, whole, while new answers 500, cuts connections or is gone', async () => {
  const context = await shop.visitor();
  const page = await openPage(context, '/');
  assert.equal(await assertOneSide(page), 'new');

  shop.sides.new.fail({ rate: 1 });
  await allFrom(page, 'legacy', 'new answers 500');
  shop.sides.new.fail({ off: true });
  await allFrom(page, 'legacy', 'new cuts connections');
  shop.sides.new.fail({});
  // A breaker has opened meanwhile, and lets a request through every few seconds.
  const isBack = async () => (await page.goto('/')).headers()['tidegate-variant'] === 'new';
  for (const end = Date.now() + 60_000; !(await isBack()); ) assert.ok(Date.now() < end, 'new is not asked again');
  await allFrom(page, 'new', 'new is well again');
  await shop.sides.new.close();
  await allFrom(page, 'legacy', 'new is stopped');
  await context.close();
});

async function allFrom(page, side, when) {
  for (const path of PAGES) {
    const response = await page.goto(path);
    assert.equal(response.status(), 200, `${path} while ${when}`);
    assert.equal(response.headers()['tidegate-variant'], side, `${path} while ${when}`);
    assert.equal(await assertOneSide(page), side, `${path} while ${when}`);
  }
}
