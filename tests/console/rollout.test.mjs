// A rollout's page: where it stands, live; what it says where something is wrong.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertFits, dialogOf, eventually, openConsole, shows } from './console.mjs';
import { LONG_KEY, long, many, quick, shop } from './plans.mjs';

let open;
before(async () => {
  open = await openConsole({ plans: [shop(), quick(), long(), ...many(2)] });
});
after(() => open?.close());

const at = (key) => ({ hash: `#/rollouts/${key}` });

test('an automatic advance appears without reloading, and is reported to screen readers', async () => {
  const page = await open.page('operator', at('quick'));
  await page.evaluate(() => {
    globalThis.isSamePage = true;
  });
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await dialogOf(page).getByLabel('Reason').fill('Signed off');
  await dialogOf(page).getByRole('button', { name: 'Start' }).click();
  await shows(page, '.percent-large', '10 %');
  await shows(page, '.percent-large', '50 %');
  await shows(page, '.rung[data-kind=current]', 'half');
  await shows(page, '#announcer', 'quick is running in half at 50 %.');
  await eventually(async () => assert.equal(await page.evaluate(() => globalThis.isSamePage), true));
});

test('the checklist is ticked with a reason, which the history keeps', async () => {
  await open.deployment.command('shop', 'start');
  const page = await open.page('operator', at('shop'));
  await shows(page, '#checklist', '0 of 2 done');
  await shows(page, '.blockers', 'Not approved yet: Rollback tested');
  await page.getByRole('button', { name: 'Approve: Rollback tested' }).click();
  await shows(page, 'dialog', 'Rollback tested');
  await page.keyboard.type('Seen on staging');
  await page.keyboard.press('Enter');
  await shows(page, '#checklist', '1 of 2 done');
  await shows(page, '[data-done=true]', 'ana');
  const { entries } = await open.deployment.api('GET', 'rollouts/shop/history');
  assert.equal(entries[0].reason, 'Seen on staging');
});

test('guardrails are reported in sentences, with their figures on demand', async () => {
  const page = await open.page('viewer', at('shop'));
  const row = page.locator('.verdict', { hasText: 'error_rate > legacy' }).first();
  await row.getByText('Not enough data').waitFor();
  await row.locator('summary').click();
  await row.getByRole('rowheader', { name: 'Evidence that new is worse' }).waitFor();
  await page.waitForTimeout(2_500);
  await eventually(async () =>
    assert.equal(await row.locator('details').evaluate((node) => node.open), true, 'it stays open through updates'),
  );
});

test('of thirty stages the ladder shows those around the current one, and the others on demand', async () => {
  await open.deployment.command(LONG_KEY, 'set', { percentage: 40 });
  const page = await open.page('viewer', at(LONG_KEY));
  await shows(page, '.rung[data-kind=current]', 'step-12');
  await eventually(async () => assert.equal(await page.locator('.rung[data-kind]').count(), 6));
  await page.getByRole('button', { name: /Show 10 stages before/ }).click();
  // A 'set' of a draft has jumped over them: none was passed.
  await eventually(async () => assert.equal(await page.locator('.rung[data-kind=skipped]').count(), 11));
  assert.equal(await page.locator('.rung[data-kind=done]').count(), 0);
  await shows(page, '.rung[data-kind=skipped]', 'skipped');
  await assertFits(page, 'the long one');
  await page.setViewportSize({ width: 320, height: 700 });
  await assertFits(page, 'the long one on a small phone');
});

test('an unreadable key in KV has its own screen part, with the way out', async () => {
  const kv = await open.deployment.kv();
  const good = await kv.get('stage/page-01');
  const page = await open.page('operator', at('page-01'));
  await kv.put('stage/page-01', '150');
  await shows(page, '.fault', 'stage/page-01');
  await shows(page, '.fault', 'wrangler kv key delete');
  await kv.put('stage/page-01', good);
});

test('a kill key in KV says that only deleting it ends the kill', async () => {
  const kv = await open.deployment.kv();
  const page = await open.page('operator', at('page-01'));
  await kv.put('kill/page-01', 'on');
  await shows(page, '.fault', 'Only deleting it ends the kill');
  await shows(page, '.title-line', 'Killed');
  await eventually(async () =>
    assert.equal(await page.locator('[data-command=revive]').getAttribute('aria-disabled'), 'true'),
  );
  await shows(page, '.commands-held', 'Revive: the KV key `kill/page-01` kills the rollout.');
  await kv.delete('kill/page-01');
});

test('a key that nobody knows has its own screen', async () => {
  const page = await open.page('viewer', at('chekout'));
  await shows(page, 'h1', 'No such rollout');
  await shows(page, 'main', 'chekout');
  await page.getByRole('link', { name: 'All rollouts' }).click();
  await shows(page, 'h1', 'Rollouts');
});

test('a rollout that disappears says so, and offers no commands any more', async () => {
  const page = await open.page('operator', at('page-02'));
  await shows(page, 'h1', 'page-02');
  const { rollouts } = await open.deployment.api('GET', 'plans');
  await open.deployment
    .api('PUT', 'plans', { rollouts: rollouts.filter(({ key }) => key === 'shop'), prune: true, reason: 'tidy' })
    .catch(() => removeAllButStarted(rollouts));
  await shows(page, '.note', 'page-02 is no longer here.');
  await eventually(async () => assert.equal(await page.locator('button[data-command]:visible').count(), 0));
});

/** What has subjects on new cannot be pruned. */
const removeAllButStarted = (rollouts) =>
  open.deployment.api('PUT', 'plans', {
    rollouts: rollouts.filter(({ key }) => key !== 'page-02'),
    prune: true,
    reason: 'tidy',
  });
