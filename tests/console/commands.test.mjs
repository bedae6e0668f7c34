// Commands: what they foretell, what they ask for, and what happens where the server says no, or says
// nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sentence } from '../../www/text/words.js';
import { dialogOf, eventually, openConsole, shows } from './console.mjs';
import { many } from './plans.mjs';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const day = (inDays) => DAYS[new Date(Date.now() + inDays * 86_400_000).getUTCDay()];
const frozen = `key = "frozen"\nidentity = { from = ["header:x-user-id"] }\nfreeze = ["${day(-1)} 00:00-${day(2)} 00:00 UTC"]\nstage = [{ name = "on", percentage = 5, hold = "1h" }]\n`;

let open;
before(async () => {
  open = await openConsole({ plans: [...many(11), frozen] });
  for (let index = 1; index <= 8; index += 1) await open.deployment.command(`page-0${index}`, 'start');
});
after(() => open?.close());

const at = (key) => ({ hash: `#/rollouts/${key}` });
const stateOf = async (key) => (await open.deployment.api('GET', `rollouts/${key}`)).state;
const lastOf = async (key) => (await open.deployment.api('GET', `rollouts/${key}/history?limit=1`)).entries[0];

test('kill is one key and one confirmation', async () => {
  const page = await open.page('operator', at('page-01'));
  await shows(page, '[data-command=kill]', 'k');
  await page.keyboard.press('k');
  await shows(page, 'dialog', '10 % of users move from new to legacy.');
  await eventually(async () =>
    assert.deepEqual(
      await page.evaluate(() => {
        const { id, value } = /** @type {HTMLInputElement} */ (document.activeElement);
        return [id, value];
      }),
      ['reason', 'Killed in the console: something is wrong with new'],
    ),
  );
  await page.keyboard.press('Enter');
  await shows(page, '.title-line', 'Killed');
  assert.equal((await stateOf('page-01')).killed, true);
  assert.match((await lastOf('page-01')).reason, /Killed in the console/);
  await shows(page, '.percent-large', '0 %');
});

test('Esc leaves everything as it was, and the focus where it was', async () => {
  const page = await open.page('operator', at('page-02'));
  await page.locator('[data-command=kill]').focus();
  await page.keyboard.press('k');
  await dialogOf(page).waitFor();
  await page.keyboard.press('Escape');
  await dialogOf(page).waitFor({ state: 'detached' });
  await eventually(async () =>
    assert.equal(
      await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.command),
      'kill',
    ),
  );
  assert.equal((await stateOf('page-02')).killed, false);
});

test('the kill button is in sight wherever one has scrolled to', async () => {
  const page = await open.page('operator', { ...at('page-02'), viewport: { width: 390, height: 500 } });
  const kill = page.locator('[data-command=kill]');
  await kill.waitFor();
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  const box = await kill.boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 500, JSON.stringify(box));
});

test('pausing takes no typing', async () => {
  const page = await open.page('operator', at('page-03'));
  await page.getByRole('button', { name: 'Pause' }).click();
  await dialogOf(page).getByRole('button', { name: 'Pause' }).click();
  await shows(page, '.title-line', 'Paused');
  await shows(page, '.toast', 'page-03 is paused in canary at 10 %, revision 3.');
});

test('a kill goes without its reason, which follows as a note and hides nothing', async () => {
  const page = await open.page('operator', at('page-10'));
  await shows(page, '[data-command=kill]', 'k');
  await page.keyboard.press('k');
  await page.getByLabel('Reason').fill('');
  await page.keyboard.press('Enter');
  await shows(page, '.title-line', 'Killed');
  assert.equal((await lastOf('page-10')).reason, 'no reason given');
  await page.getByRole('button', { name: 'Add a note' }).click();
  const send = dialogOf(page).getByRole('button', { name: 'Add', exact: true });
  await eventually(async () => assert.equal(await send.getAttribute('aria-disabled'), 'true', 'a note has words'));
  await dialogOf(page).getByLabel('Note').fill('Payments failed');
  await page.keyboard.press('Enter');
  await shows(page, '#history', '“Payments failed”');
  const { command, reason, state } = await lastOf('page-10');
  assert.deepEqual([command, reason, state.killed], [{ command: 'note' }, 'Payments failed', true]);
  await shows(page, '.rollout-head', '“no reason given”');
});

test('set foretells each percentage that is typed, and warns of what it skips', async () => {
  const page = await open.page('operator', at('page-04'));
  await page.keyboard.press('s');
  const number = page.getByLabel('Percentage of users on new', { exact: true });
  await number.fill('25');
  await shows(page, '.forecast', '15 % of users move from legacy to new');
  await shows(page, '.forecast', 'Skipped: ');
  await number.fill('5');
  await shows(page, '.forecast', '5 % of users move from new to legacy');
  await number.fill('150');
  await shows(page, '.forecast', 'Not possible');
  await number.fill('2.5');
  const send = dialogOf(page).getByRole('button', { name: 'Set', exact: true });
  await eventually(async () =>
    assert.equal(await send.getAttribute('aria-disabled'), 'true', 'there is no reason yet'),
  );
  await page.getByLabel('Reason').fill('A closer look');
  await send.click();
  await shows(page, '.percent-large', '2.5 %');
  assert.equal((await lastOf('page-04')).reason, 'A closer look');
});

test('a rollback can stop on the way, and a resume begins the next attempt in a stage of choice', async () => {
  const page = await open.page('operator', at('page-05'));
  await page.getByRole('button', { name: 'Roll back' }).click();
  await page.getByLabel('A percentage').check();
  await page.getByLabel('Percentage to keep on new', { exact: true }).fill('4');
  await shows(page, '.forecast', '6 % of users move from new to legacy');
  await dialogOf(page).getByRole('button', { name: 'Roll back' }).click();
  await shows(page, '.title-line', 'Rolled back');
  await shows(page, '.percent-large', '4 %');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByLabel('Start the next attempt in').selectOption('full');
  await shows(page, '.forecast', 'This begins attempt 2, in full');
  await page.getByLabel('Reason').fill('Mended');
  await page.keyboard.press('Enter');
  await shows(page, '.percent-large', '100 %');
  assert.equal((await stateOf('page-05')).attempt, 2);
});

test('complete wants the key typed', async () => {
  const page = await open.page('operator', at('page-06'));
  await page.getByRole('button', { name: 'Complete…' }).click();
  await page.getByLabel('Reason').fill('The old page goes away');
  await shows(page, 'dialog', 'Type page-06 to confirm.');
  await page.keyboard.press('Enter');
  assert.equal((await stateOf('page-06')).phase, 'running');
  await page.getByLabel('Type page-06 to confirm').fill('page-06');
  await page.getByLabel('Reason').press('Enter');
  await shows(page, '.title-line', 'Completed');
});

test('where somebody was faster one decides again', async () => {
  const page = await open.page('operator', at('page-07'));
  await page.getByRole('button', { name: 'Advance' }).click();
  await page.getByLabel('Reason').fill('Support is ready');
  // The page does not hear of it before it sends.
  await page.route('**/api/rollouts/page-07', (route) => route.abort());
  await page.route('**/api/rollouts', (route) => route.abort());
  await open.deployment.command('page-07', 'set', { percentage: 20 });
  await dialogOf(page).getByRole('button', { name: 'Advance' }).click();
  await shows(page, 'dialog', 'page-07 is now paused in canary at 20 %, revision 3.');
  assert.equal((await stateOf('page-07')).percentage, 20);
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Decide again' }).click();
  await shows(page, '.forecast', '80 % of users move from legacy to new');
  await eventually(async () => assert.equal(await page.getByLabel('Reason').inputValue(), 'Support is ready'));
  await dialogOf(page).getByRole('button', { name: 'Advance' }).click();
  await shows(page, '.percent-large', '100 %');
});

test('a refusal is reported in the server’s words, with the way out', async () => {
  const page = await open.page('operator', at('page-08'));
  await page.getByRole('button', { name: 'Pause' }).click();
  // Somebody else was faster, which the page does not have: a pause goes for any revision.
  await page.route('**/api/rollouts/page-08', (route) => route.abort());
  await page.route('**/api/rollouts', (route) => route.abort());
  await open.deployment.command('page-08', 'complete');
  const { problem } = await open.deployment.command('page-08', 'pause').catch((error) => error);
  assert.equal(problem.refusal, 'phase');
  await dialogOf(page).getByRole('button', { name: 'Pause' }).click();
  for (const words of [`Not done: ${sentence(problem.detail)}`, sentence(problem.help)])
    await shows(page, '[role=alert]', words);
  assert.equal((await stateOf('page-08')).phase, 'completed');
});

test('where the answer is lost it says that nobody knows, and the second try is done once', async () => {
  const page = await open.page('operator', at('page-02'));
  await page.getByRole('button', { name: 'Pause' }).click();
  const keys = [];
  let isFirst = true;
  await page.route('**/commands', async (route) => {
    if (JSON.parse(route.request().postData()).dry_run) return route.continue();
    keys.push(route.request().headers()['idempotency-key']);
    if (!isFirst) return route.continue();
    isFirst = false;
    await route.fetch();
    return route.abort();
  });
  await dialogOf(page).getByRole('button', { name: 'Pause' }).click();
  await shows(page, '[role=alert]', 'It is unknown whether it was done.');
  await dialogOf(page).getByRole('button', { name: 'Try again' }).click();
  await shows(page, '.title-line', 'Paused');
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.equal((await stateOf('page-02')).revision, 3, 'it was done once');
});

test('the list of keys opens with ?', async () => {
  const page = await open.page('operator', at('page-09'));
  await shows(page, 'h1', 'page-09');
  await page.keyboard.press('?');
  await shows(page, 'dialog', 'Kill: all traffic to legacy');
});

test('a key that is pressed before the rollout is there counts once it is', async () => {
  const page = await open.page('operator');
  let answer;
  const held = new Promise((resolve) => {
    answer = resolve;
  });
  await page.route('**/api/rollouts/page-09', async (route) => {
    await held;
    await route.continue();
  });
  await page.evaluate(() => {
    location.hash = '#/rollouts/page-09';
  });
  await shows(page, 'main', 'Loading…');
  await page.keyboard.press('p');
  await page.keyboard.press('k');
  answer();
  await shows(page, 'dialog', 'Kill page-09');
});

test('a kill whose answer is lost names the way that needs no console', async () => {
  const page = await open.page('operator', at('page-09'));
  await shows(page, 'h1', 'page-09');
  await page.route('**/commands', (route) => route.abort());
  await page.keyboard.press('k');
  await dialogOf(page).getByRole('button', { name: 'Kill' }).click();
  await shows(page, '[role=alert]', "wrangler kv key put --remote --binding ROLLOUTS 'kill/page-09' on");
});

test('a draft in a freeze has a Start that says why not, and when', async () => {
  const page = await open.page('operator', at('frozen'));
  const start = page.getByRole('button', { name: 'Start', exact: true });
  await start.waitFor();
  await eventually(async () => assert.equal(await start.getAttribute('aria-disabled'), 'true'));
  const why = page.locator(`#${await start.getAttribute('aria-describedby')}`);
  await eventually(async () =>
    assert.match(await why.innerText(), new RegExp(`^Start: change freeze, until ${day(2)} .* 00:00 UTC \\(in \\d+ d`)),
  );
  await start.click({ force: true });
  await eventually(async () => assert.equal(await dialogOf(page).count(), 0));
  await shows(page, '.fact-large', 'Waits to be started, possible in');
});

test('completing after a rollback says what speaks against it and what ends, and wants the key', async () => {
  await open.deployment.command('page-11', 'start');
  await open.deployment.command('page-11', 'rollback');
  const page = await open.page('operator', at('page-11'));
  await shows(page, '.commands-held', 'Complete: the rollout is rolled back.');
  await page.getByRole('button', { name: 'Complete anyway…' }).click();
  await shows(page, '.forecast', 'Not possible: The rollout is rolled back.');
  await shows(page, '.forecast', 'Comparisons end');
  await page.getByLabel('Reason').fill('Legacy is switched off');
  await page.getByLabel('Type page-11 to confirm').fill('page-11');
  await shows(page, '.forecast', 'Done all the same: the rollout is rolled back.');
  await page.getByLabel('Reason').press('Enter');
  await shows(page, '.title-line', 'Completed');
  assert.deepEqual((await lastOf('page-11')).command, { command: 'complete', confirm: 'page-11' });
});

test('the header of a killed rollout says how far the kill has come', async () => {
  const page = await open.page('operator', at('page-01'));
  await shows(page, '.reach', /isolate|0 requests to new/);
});
