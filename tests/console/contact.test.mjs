// Contact that is lost and comes back: old figures are never shown as new.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, openConsole, shows } from './console.mjs';
import { many } from './plans.mjs';

let open;
before(async () => {
  open = await openConsole({ plans: many(2) });
  await open.deployment.command('page-01', 'start');
});
after(() => open?.close());

test('lost contact is said, with its age, and ends by itself', async () => {
  const page = await open.page('operator', { hash: '#/rollouts/page-01' });
  await shows(page, '.percent-large', '10 %');
  await page.context().setOffline(true);
  await shows(page, '.contact', 'No connection since');
  await shows(page, '.age', 'as of ');
  await eventually(async () => assert.equal(await page.locator('main[data-stale]').count(), 1));
  await open.deployment.command('page-01', 'set', { percentage: 33 });
  await page.context().setOffline(false);
  await shows(page, '.percent-large', '33 %');
  await page.locator('.contact').waitFor({ state: 'hidden' });
  await eventually(async () => assert.equal(await page.locator('main[data-stale]').count(), 0));
});

test('a controller that does not answer is reported in the server’s words', async () => {
  const page = await open.page('operator');
  await shows(page, '.row', 'page-02');
  const problem = {
    type: 'urn:tidegate:problem:unavailable',
    title: 'The controller does not answer',
    status: 503,
    detail: 'no answer within 10 s',
    help: 'in an emergency put `kill/KEY` into KV',
  };
  await page.route('**/api/rollouts', (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
  );
  await shows(page, '.contact', 'No answer within 10 s.');
  await shows(page, '.contact', 'kill/KEY');
});

test('an answer that does not come within 8 s counts as lost', async () => {
  const page = await open.page('operator', { hash: '#/rollouts/page-01' });
  await shows(page, 'h1', 'page-01');
  await page.route('**/api/rollouts/page-01', () => {});
  await shows(page, '.contact', 'has not answered within 8 s');
});

test('a page out of sight asks nothing, and everything when it is back', async () => {
  const page = await open.page('operator', { hash: '#/rollouts/page-01' });
  await shows(page, 'h1', 'page-01');
  const setHidden = (isHidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  await setHidden(true);
  await page.waitForTimeout(500);
  let asked = 0;
  page.on('request', () => {
    asked += 1;
  });
  await page.waitForTimeout(3_000);
  assert.equal(asked, 0);
  await setHidden(false);
  await page.waitForResponse('**/api/rollouts/page-01');
});
