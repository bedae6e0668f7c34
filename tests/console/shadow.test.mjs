// The console's section of shadow traffic and the column of new's versions, in Chromium in front of the real worker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startUpstream } from '../edge/upstream.mjs';
import { assertAccessible, assertFits, eventually, openConsole } from './console.mjs';

const BUILDS = ['v1.8.0', 'v1.9.0'];
const shop = (legacy, next) => `
key = "shop"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = { url = "${next.url}", version = "header:x-build" } }
identity = { from = ["header:x-user-id"], anonymous = true, same_site = "lax" }
shadow = { share = "100%", max_rps = 100 }
stage = [
  { name = "dark", percentage = 0, hold = "1h", gates = ["shadow.mismatch_rate < 1% over stage", "shadow.error_rate < 1% over stage"] },
  { name = "half", percentage = 50, hold = "1h" },
  { name = "full", percentage = 100, hold = "1h" },
]
guardrail = [{ when = "shadow.error_rate > 50% over 1h", then = "alert" }]
`;
const html = (body, build) => ({
  headers: [['Content-Type', 'text/html'], ...(build ? [['x-build', build]] : [])],
  body,
});

let legacy, next, console_, page;
before(async () => {
  [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  legacy.otherwise(html('<title>Shop</title><h1>Shop</h1>'));
  next.otherwise(html('<title>Shop</title><h1>Shop</h1>', BUILDS[0]));
  console_ = await openConsole({ plans: [shop(legacy, next)] });
  await console_.deployment.command('shop', 'start');
  page = await console_.page('operator', { hash: '#/rollouts/shop', bypassCSP: true });
});
after(async () => {
  await console_?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

const visit = async (path, visitor) => {
  const answer = await fetch(`${console_.deployment.origin}${path}`, {
    headers: { Accept: 'text/html', 'x-user-id': visitor },
  });
  await answer.arrayBuffer();
};
const view = () => console_.deployment.api('GET', 'rollouts/shop');
const section = () => page.getByRole('region', { name: 'Shadow traffic', exact: true });

test('what copies have shown is on the screen as the API has it, with samples and without bodies', async () => {
  legacy.handle('/account/4711', html('<title>Account of Ana</title>'));
  next.handle('/account/4711', html('<title>Sign in</title>', BUILDS[0]));
  next.handle('/broken', { status: 500, body: 'no' });
  await eventually(async () => {
    await visit('/account/4711', 'ana');
    await visit('/broken', 'ben');
    for (let n = 0; n < 10; n += 1) await visit('/page', `user-${n}`);
    const { shadow } = await view();
    assert.ok(shadow.copies >= 12 && shadow.samples.length >= 2, JSON.stringify(shadow));
  });
  await eventually(async () => {
    const text = await section().innerText();
    assert.match(text, /100\u00a0% of the requests on legacy are copied to new/);
    assert.match(text, /\d+ copies since the stage began/);
    assert.match(text, /Answered otherwise\s+\d/);
    assert.match(text, /Failed on new\s+\d/);
    assert.match(text, /Answers that differ/);
    assert.match(text, /\/account\/\*[\s\S]*title/);
    assert.match(text, /\/broken[\s\S]*status[\s\S]*legacy 200 text\/html, new 500/);
    assert.doesNotMatch(text, /4711|Ana|Sign in/);
  });
  await assertAccessible(page, 'shadow traffic');
  await assertFits(page, 'shadow traffic');
  if (process.env.SCREENSHOTS) await section().screenshot({ path: `${process.env.SCREENSHOTS}/shadow.png` });
});

test("a plot's table has the version of new for each figure", async () => {
  const { deployment } = console_;
  await deployment.command('shop', 'set', { percentage: 50 });
  for (const build of BUILDS) {
    next.otherwise(html('<title>Shop</title><h1>Shop</h1>', build));
    await eventually(async () => {
      for (let n = 0; n < 10; n += 1) await visit('/page', `user-${n}`);
      const { state } = await view();
      assert.equal(state.version, build);
    });
  }
  await eventually(async () => {
    // The isolate counts under the new version once it has learned of it.
    for (let n = 0; n < 20; n += 1) await visit('/page', `user-${n}`);
    const { windows } = await deployment.api('GET', 'rollouts/shop/metrics?since=2h');
    assert.ok(windows.some(({ version, sides }) => version === BUILDS[1] && sides.length > 0));
  });
  const plot = page.getByRole('group', { name: 'Requests per minute', exact: true });
  await plot.getByRole('button', { name: 'Table of Requests per minute' }).click();
  await eventually(async () => {
    const heads = await plot.locator('thead th').allTextContents();
    assert.equal(heads.at(-1), 'Version of new');
    const last = await plot
      .locator('tbody tr')
      .evaluateAll((rows) => rows.map((row) => row.lastElementChild.textContent));
    assert.ok(
      last.some((text) => text.includes(BUILDS[1])),
      JSON.stringify(last),
    );
  });
  await assertAccessible(page, 'the table with versions');
  if (process.env.SCREENSHOTS) {
    await sleep(300);
    await plot.screenshot({ path: `${process.env.SCREENSHOTS}/versions.png` });
  }
});
