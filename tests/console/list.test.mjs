// The list of rollouts: none, many, faults, and the kill of everything.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertFits, dialogOf, eventually, openConsole, shows } from './console.mjs';
import { LONG_KEY, long, many } from './plans.mjs';

let open;
before(async () => {
  open = await openConsole();
});
after(() => open?.close());

const names = (page) => page.locator('.row-name a').allTextContents();

test('an empty list says how to begin, and fills by itself', async () => {
  const page = await open.page('operator');
  await shows(page, '.empty', 'tidegate apply PLAN');
  await page.getByRole('link', { name: 'rehearse it' }).waitFor();
  await open.deployment.apply([long(), ...many(49)]);
  await shows(page, '.row-name a', 'page-01');
});

test('fifty rollouts stand in the order in which they need attention', async () => {
  const { command } = open.deployment;
  await command('page-09', 'start');
  await command('page-08', 'start');
  await command('page-08', 'pause');
  await command('page-07', 'start');
  await command('page-07', 'rollback');
  await command('page-06', 'kill');
  const page = await open.page('operator');
  await shows(page, '.row', 'page-49');
  assert.deepEqual((await names(page)).slice(0, 4), ['page-06', 'page-07', 'page-08', 'page-09']);
  assert.equal((await names(page)).length, 50);
  await shows(page, '.row', 'Rolled back');
  await assertFits(page, 'the list');
  await page.setViewportSize({ width: 320, height: 700 });
  await assertFits(page, 'the list on a small phone');
});

test('the filter finds by name and description, and keeps what is typed', async () => {
  const page = await open.page('operator');
  const field = page.getByLabel('Filter rollouts');
  // It appears with the rollouts; what is hidden takes no keys.
  await field.waitFor();
  await field.pressSequentially('resellers');
  await shows(page, 'main', '1 of 50 rollouts');
  assert.deepEqual(await names(page), [LONG_KEY]);
  await page.waitForTimeout(2_500);
  await eventually(async () => assert.equal(await field.inputValue(), 'resellers'));
  await eventually(async () => assert.equal(await field.evaluate((node) => node === document.activeElement), true));
  await field.fill('nothing like it');
  await shows(page, 'main', 'No rollout matches');
});

test('a fault of the deployment stands on top', async () => {
  const kv = await open.deployment.kv();
  const good = await kv.get('plans');
  const page = await open.page('operator');
  await kv.put('plans', 'not a plan');
  await fetch(open.deployment.origin);
  await shows(page, '.note', 'plans');
  await kv.put('plans', good);
});

test('everything is killed with one click and one confirmation, and revived again', async () => {
  const page = await open.page('operator');
  await page.getByRole('button', { name: 'Kill everything' }).click();
  await shows(page, 'dialog', 'users on new');
  await dialogOf(page).getByRole('button', { name: 'Kill everything' }).click();
  await shows(page, '.toast', 'rollouts killed');
  const { rollouts } = await open.deployment.api('GET', 'rollouts');
  assert.ok(rollouts.every(({ state }) => state.killed));
  await page.getByRole('button', { name: 'Revive all' }).click();
  await dialogOf(page).getByLabel('Reason').fill('It was the network');
  await page.keyboard.press('Enter');
  await shows(page, '.toast', 'rollouts revived');
});
