// Both sides are deployed again and again under open pages: each of them still finds the files of its own build.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EARLY, LATE, lazyPart, openPage, openShop, parts } from './shop.mjs';

const DEPLOYS = 10;
let shop;
before(async () => {
  shop = await openShop(50, 'keep_assets = "7d"');
});
after(() => shop?.close());

/** Where the chunk is that a page of this side loads late, and the script that names it. */
async function files({ url }) {
  const html = await (await fetch(`${url}/`)).text();
  const script = /\/assets\/app\.\w+\.js/.exec(html)[0];
  const chunk = /\/assets\/tides\.\w+\.js/.exec(await (await fetch(url + script)).text())[0];
  return { script, chunk };
}

/** Somebody has used all of a build before: what nobody ever asked for cannot have been kept. */
async function pass(user, side) {
  const { script, chunk } = await files(shop.sides[side]);
  for (const path of [script, chunk]) {
    const answer = await fetch(shop.origin + path, { headers: { Cookie: `uid=${user}`, 'Sec-Fetch-Dest': 'script' } });
    assert.equal(answer.status, 200, path);
    await answer.arrayBuffer();
    await shop.kept(`${side}/${new URL(shop.origin).host}${path}`);
  }
  return chunk;
}

test(`after ${DEPLOYS} deployments of both sides no open page misses a chunk`, async () => {
  const open = [];
  const chunks = new Set();
  for (let build = 1; build <= DEPLOYS; build += 1) {
    for (const [user, side] of [
      [EARLY, 'new'],
      [LATE, 'legacy'],
    ]) {
      chunks.add(await pass(user, side));
      const page = await openPage(await shop.visitor(user), '/');
      assert.equal((await parts(page)).document, side);
      open.push({ page, side, build });
    }
    for (const side of Object.values(shop.sides)) side.deploy(build);
  }
  assert.equal(chunks.size, 2 * DEPLOYS, 'each build has a chunk of its own');
  for (const chunk of chunks) {
    const gone = await Promise.all(Object.values(shop.sides).map(async ({ url }) => (await fetch(url + chunk)).status));
    assert.deepEqual(gone, [404, 404], chunk);
  }

  // Half of them before everybody is taken back, and half after.
  const half = open.length / 2;
  for (const [i, { page, side, build }] of open.entries()) {
    if (i === half) await shop.setPercentage(0);
    assert.equal(await lazyPart(page), side, `the chunk of build ${build - 1} of ${side}`);
    assert.deepEqual(page.seen.errors, [], `build ${build - 1} of ${side}`);
    await page.context().close();
  }
});
