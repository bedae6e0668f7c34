// What holds for every view and every dialog: axe finds nothing, in both schemes and on a phone, nothing
// is wider than the window, and the first load is small.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, dialogOf, openConsole, shows } from './console.mjs';
import { LONG_KEY, long, many, shop } from './plans.mjs';

const FIRST_LOAD_BYTES_MAX = 100_000;
const LOOKS = [
  { name: 'light', colorScheme: 'light' },
  { name: 'dark', colorScheme: 'dark' },
  { name: 'dark phone', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
];
/** Dialogs, and a rollout that allows them. */
const DIALOGS = {
  shop: ['set', 'pause', 'rollback', 'kill'],
  'page-01': ['start'],
  'page-02': ['complete', 'advance', 'resume'],
  'page-03': ['revive'],
  'page-04': ['resume'],
};

let open;
before(async () => {
  open = await openConsole({ plans: [shop(), long(), ...many(10)] });
  const { command } = open.deployment;
  await command('shop', 'start');
  await command('page-02', 'start');
  await command('page-02', 'pause');
  await command('page-03', 'start');
  await command('page-03', 'kill');
  await command('page-04', 'start');
  await command('page-04', 'rollback');
  await command(LONG_KEY, 'set', { percentage: 40 });
  await command(LONG_KEY, 'resume');
});
after(() => open?.close());

for (const { name: look, ...context } of LOOKS) {
  test(`axe finds nothing: ${look}`, async () => {
    const options = { ...context, bypassCSP: true, reducedMotion: 'reduce' };
    const stranger = await open.page(null, options);
    await assertAccessible(stranger, 'sign-in');
    const page = await open.page('operator', options);
    const check = async (name) => {
      await assertAccessible(page, `${name}, ${look}`);
      await assertFits(page, `${name}, ${look}`);
    };
    await shows(page, '.row', 'page-10');
    await check('the list');
    await page.getByRole('button', { name: 'Kill everything' }).click();
    await check('kill everything');
    await page.keyboard.press('Escape');
    for (const key of ['shop', LONG_KEY, 'page-03', 'page-04', 'nobody-knows-it']) {
      await page.goto(`${open.deployment.console}#/rollouts/${key}`);
      await shows(page, 'h1', key === 'nobody-knows-it' ? 'No such rollout' : key);
      for (const summary of await page.locator('.verdict summary, .meanings summary').filter({ visible: true }).all())
        await summary.click();
      await check(key);
    }
    for (const [key, commands] of Object.entries(DIALOGS)) {
      await page.goto(`${open.deployment.console}#/rollouts/${key}`);
      await shows(page, 'h1', key);
      for (const command of commands) {
        await page.locator(`[data-command=${command}]`).click();
        await shows(page, '.forecast', /move/);
        await check(`${command} of ${key}`);
        await page.keyboard.press('Escape');
        await dialogOf(page).waitFor({ state: 'detached' });
      }
    }
    await page.goto(`${open.deployment.console}#/nothing`);
    await shows(page, 'h1', 'Page not found');
    await check('an address that means nothing');
    await page.goto(`${open.deployment.console}#/rollouts/shop`);
    await shows(page, 'h1', 'shop');
    await page.context().setOffline(true);
    await shows(page, '.contact', 'No connection since');
    await check('lost contact');
  });
}

test('the first load is under 100 kB, compressed', async () => {
  const page = await open.page();
  const sizes = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
  const loaded = [open.deployment.console, ...sizes.filter((url) => !url.includes('/api/'))];
  const { gzipSync } = await import('node:zlib');
  let total = 0;
  for (const url of loaded) total += gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).length;
  assert.ok(loaded.length >= 3, loaded.join(' '));
  assert.ok(total < FIRST_LOAD_BYTES_MAX, `${total} bytes`);
});
