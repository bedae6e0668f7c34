// The percentage changes under open pages: what they still have to load, they get.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertOneSide, EARLY, LATE, lazyPart, openPage, openShop, parts, sideOf } from './shop.mjs';

let shop, imageOf;
before(async () => {
  shop = await openShop(50);
  imageOf = { legacy: await buoy(shop.sides.legacy), new: await buoy(shop.sides.new) };
});
after(() => shop?.close());

test('pages loaded before a change still find their images and chunks after it', async () => {
  assert.notEqual(imageOf.legacy, imageOf.new);
  for (const [percentage, early, late] of [
    [0, 'new', 'legacy'],
    [100, 'legacy', 'legacy'],
    [50, 'new', 'new'],
  ]) {
    const open = await Promise.all([EARLY, LATE].map(async (user) => openPage(await shop.visitor(user), '/')));
    const wanderer = wander();
    await shop.setPercentage(percentage);
    await wanderer.stop();

    for (const [i, side] of [early, late].entries()) {
      const where = `a page of ${side} after the change to ${percentage} %`;
      assert.equal((await parts(open[i])).document, side, where);
      assert.ok(await loadsImage(open[i], imageOf[side]), `the image of ${where}`);
      assert.equal(await lazyPart(open[i]), side, `the lazy chunk of ${where}`);
      assert.deepEqual(open[i].seen.errors, [], where);
      await open[i].reload();
      assert.equal(await assertOneSide(open[i]), sideOf([EARLY, LATE][i], percentage), `reloaded: ${where}`);
      await open[i].context().close();
    }
  }
});

/** Goes from page to page until stopped; every page must come whole, whatever side it is of. */
function wander() {
  let stopped = false;
  const walk = (async () => {
    const context = await shop.visitor(EARLY);
    const page = await openPage(context, '/');
    for (let i = 0; !stopped; i += 1) {
      await assertOneSide(page);
      await page.goto(['/products', '/about', '/'][i % 3]);
    }
    await context.close();
  })();
  return {
    stop() {
      stopped = true;
      return walk;
    },
  };
}

/** An image that the home page does not load. */
async function buoy({ url }) {
  const html = await (await fetch(`${url}/products`)).text();
  return /\/assets\/buoy\.\w+\.svg/.exec(html)[0];
}

function loadsImage(page, path) {
  return page.evaluate(
    (src) =>
      new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(image.naturalWidth > 0);
        image.onerror = () => resolve(false);
        image.src = src;
      }),
    path,
  );
}
