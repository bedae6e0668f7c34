// What people do in a shop, through the gate, on either side. The address bar stays on the gate.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EARLY, LATE, openPage, openShop } from './shop.mjs';

let shop;
before(async () => {
  shop = await openShop(50);
});
after(() => shop?.close());

for (const [side, user] of [
  ['legacy', LATE],
  ['new', EARLY],
]) {
  describe(`on the ${side} side`, () => {
    let context;
    before(async () => {
      context = await shop.visitor(user);
    });
    after(() => context?.close());

    /** Asserts where the page is, whose it is, and that nothing went wrong on the way. */
    async function assertAt(page, path) {
      assert.equal(page.url(), shop.origin + path);
      assert.equal(await page.locator('html').getAttribute('data-side'), side);
      assert.deepEqual(page.seen.errors, []);
    }

    test('a WebSocket carries messages both ways', async () => {
      const page = await openPage(context, '/contact');
      const lines = page.locator(`#radio-log li[data-side="${side}"]`);
      await lines.first().waitFor();
      await page.fill('#radio [name=message]', 'ahoy ⚓');
      await page.click('#radio button');
      assert.equal(await lines.nth(1).textContent(), `${side}: ahoy ⚓`);
      assert.equal(shop.sides[side].stats.sockets, 1);
      await page.close();
    });

    test('a posted form leads to the page that its redirect names', async () => {
      const page = await openPage(context, '/contact');
      await page.fill('#contact [name=name]', 'Zoë');
      await page.click('#contact button');
      await page.locator('h1', { hasText: 'Zoë' }).waitFor();
      await assertAt(page, '/contact/thanks?name=Zo%C3%AB');
      await page.close();
    });

    test('redirects, absolute to the upstream and relative, stay on the gate', async () => {
      const page = await openPage(context, '/old-products');
      await assertAt(page, '/products');
      await page.goto('/shop');
      await assertAt(page, '/products');
      await page.close();
    });

    test('the cart, a cookie, is filled and emptied', async () => {
      const page = await openPage(context, '/products/lantern');
      await page.click('button[name=add]');
      await page.locator('#total', { hasText: '£42' }).waitFor();
      await assertAt(page, '/cart');
      assert.equal(await page.locator('[data-cart-count]').textContent(), '1');
      await page.click('button[name=empty]');
      await page.locator('#total').waitFor({ state: 'detached' });
      await assertAt(page, '/cart');
      await page.close();
    });

    test('a slow page shows up line by line', async () => {
      const page = await context.newPage();
      await page.goto('/slow', { waitUntil: 'commit' });
      const lines = page.locator('#lines li');
      await lines.nth(2).waitFor();
      assert.ok((await lines.count()) < 20, 'lines show before the last has been sent');
      await page.close();
    });

    test('a download is whole, and a part of it is the same part', async () => {
      const page = await openPage(context, '/about');
      const { whole, status, range, same } = await page.evaluate(async () => {
        const url = '/files/catalogue.bin';
        const all = new Uint8Array(await (await fetch(url)).arrayBuffer());
        const part = await fetch(url, { headers: { Range: 'bytes=1000-1999' } });
        const bytes = new Uint8Array(await part.arrayBuffer());
        return {
          whole: all.length,
          status: part.status,
          range: part.headers.get('content-range'),
          same: bytes.length === 1000 && bytes.every((byte, i) => byte === all[1000 + i]),
        };
      });
      assert.deepEqual(
        { whole, status, range, same },
        { whole: 3145728, status: 206, range: 'bytes 1000-1999/3145728', same: true },
      );
      await page.close();
    });
  });
}
