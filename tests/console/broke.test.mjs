// What broke, on a rollout whose new side fails: on the screen, on a phone, and once it is rolled back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startUpstream } from '../edge/upstream.mjs';
import { assertFits, eventually, openConsole, shows } from './console.mjs';

const plan = (legacy, next) => `
key = "shop"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = "${next.url}", rescue = false, breaker = false }
identity = { from = ["header:x-user-id"], anonymous = true, same_site = "lax" }
defaults = "none"
stage = [{ name = "half", percentage = 50, hold = "1h", gates = ["error_rate <= legacy", "client_error_rate < legacy"] }, { name = "full", percentage = 100, hold = "1h" }]
`;
const PAGE = { headers: [['Content-Type', 'text/html']], body: '<title>Shop</title><h1>Shop</h1>' };
const VISITORS = 150;

let legacy, next, open;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  legacy.otherwise(PAGE);
  next.otherwise({ status: 502, body: 'no' });
  open = await openConsole({ plans: [plan(legacy, next)] });
  await open.deployment.command('shop', 'start');
  await eventually(async () => {
    await visits();
    const { broke, stages } = await open.deployment.api('GET', 'rollouts/shop');
    assert.ok(broke?.failures[0].new.count >= VISITORS / 4, JSON.stringify(broke));
    assert.equal(stages[0].gates[0].figures[0].shows, 'more');
  });
});
after(async () => {
  await open?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

async function visits() {
  for (let n = 0; n < VISITORS; n += 1) {
    const answer = await fetch(`${open.deployment.origin}/page`, {
      headers: { Accept: 'text/html', 'x-user-id': `user-${n}` },
    });
    await answer.arrayBuffer();
  }
}

const PHONE = { hash: '#/rollouts/shop', viewport: { width: 390, height: 844 } };

test('on a phone what broke comes first, and no number leaves its sign', async () => {
  const page = await open.page('viewer', PHONE);
  await shows(page, '#broke', '5xx');
  assert.match(await page.locator('#broke tbody').innerText(), /502\u00a0×\u00a0\d+/);
  assert.match(await page.locator('#broke tbody').innerText(), /0\u00a0%/);
  const lines = await page
    .locator('#broke tbody b, #broke .broke-times')
    .evaluateAll((all) => all.map((one) => one.getClientRects().length));
  assert.deepEqual(lines, [1, 1, 1]);
  const [broke, stages] = await Promise.all(['broke', 'stages'].map((id) => page.locator(`#${id}`).boundingBox()));
  assert.ok(broke.y + broke.height <= stages.y, JSON.stringify([broke, stages]));
  await assertFits(page, 'what broke, on a phone');
});

test('a plot of evidence says of what, and its interval what is not known', async () => {
  const page = await open.page('viewer', { hash: '#/rollouts/shop' });
  const worse = page.getByRole('group', { name: 'Gate error_rate <= legacy: evidence that new is worse', exact: true });
  const better = page.getByRole('group', { name: 'Gate client_error_rate < legacy: evidence that new is better' });
  const line = (plot) => plot.getByRole('img').getAttribute('aria-label');
  await eventually(async () => assert.match(await line(worse), /The line: fails at \d+\.$/));
  await eventually(async () => assert.match(await line(better), /The line: enough at \d+\.$/));
  const interval = page.getByRole('group', { name: 'error_rate', exact: true });
  await eventually(async () =>
    assert.match(await interval.locator('.plot-legend').innerText(), /at least\s+[\d.]+×\s+at most\s+no bound known/),
  );
  assert.equal(await interval.locator('.plot-key-dashed').count(), 1);
});

test('once it is rolled back it is said until when each side is counted', async () => {
  const page = await open.page('viewer', { hash: '#/rollouts/shop' });
  await shows(page, '#broke', /What new has more of than legacy, in .* of this attempt\./);
  await open.deployment.command('shop', 'rollback');
  await shows(
    page,
    '#broke',
    /What new had more of than legacy, in \d+ minutes? of this attempt before the rollback\./,
  );
});
