// Signing in, and each way in which it can fail.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tokenIn } from '../../www/net/session.js';
import { eventually, openConsole, shows, signIn } from './console.mjs';
import { quick, shop } from './plans.mjs';

let open;
before(async () => {
  open = await openConsole({ plans: [shop(), quick()] });
});
after(() => open?.close());

test('a token signs in, says who one is, and is kept nowhere', async () => {
  const page = await open.page('operator');
  await shows(page, '.who-is', 'ana operator');
  await eventually(async () => assert.equal(await page.evaluate(() => document.cookie), ''));
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(!kept.includes(open.deployment.tokens.operator), kept);
  await page.reload();
  await shows(page, '.who-is', 'ana operator');
});

test('a link with the token signs in on this machine, and the token leaves the address at once', async () => {
  const { tokens, console: address } = open.deployment;
  const link = (token) => `#/sign-in?token=${encodeURIComponent(token)}`;
  const page = await open.page(undefined, { hash: link(tokens.operator) });
  await shows(page, '.who-is', 'ana operator');
  assert.equal(page.url(), address);
  await page.evaluate((hash) => {
    location.hash = hash;
  }, link(tokens.viewer));
  await shows(page, '.who-is', 'vic viewer');
  assert.equal(page.url(), address);
  await page.goBack();
  assert.equal(page.url(), address, 'nor is it on the way back');
  const other = await open.page(undefined, { hash: link('not a token') });
  await shows(other, '[role=alert]', 'Unknown token.');
  assert.equal(other.url(), address);
});

test('on any other host such a link signs nobody in, and loses its token all the same', () => {
  const hash = '#/sign-in?token=tg_%61';
  for (const hostname of ['localhost', '127.0.0.1', '[::1]', 'shop.localhost'])
    assert.equal(tokenIn({ hash, hostname }), 'tg_a', hostname);
  for (const hostname of ['shop.example.com', 'localhost.example.com', '10.0.0.1'])
    assert.equal(tokenIn({ hash, hostname }), '', hostname);
  assert.equal(tokenIn({ hash: '#/rollouts/demo', hostname: 'localhost' }), null);
});

test('a wrong token is refused as such, and another one can be tried at once', async () => {
  const page = await open.page();
  await page.getByLabel('Token').fill('not a token');
  await page.keyboard.press('Enter');
  await shows(page, '[role=alert]', 'Unknown token.');
  await signIn(page, open.deployment.tokens.operator);
  await shows(page, 'h1', 'Rollouts');
});

test('the token’s field hides it, and neither fills in nor corrects', async () => {
  const page = await open.page();
  const field = page.getByLabel('Token');
  await eventually(async () =>
    assert.deepEqual(
      await field.evaluate(({ type, autocomplete, spellcheck }) => ({ type, autocomplete, spellcheck })),
      {
        type: 'password',
        autocomplete: 'off',
        spellcheck: false,
      },
    ),
  );
});

test('an ended session asks to sign in, and goes on where one was', async () => {
  const page = await open.page('operator', { hash: '#/rollouts/shop' });
  await shows(page, 'h1', 'shop');
  await page.context().clearCookies();
  await shows(page, '.sign-in', 'Your session has ended. Sign in to continue with shop.');
  await signIn(page, open.deployment.tokens.operator);
  await shows(page, 'h1', 'shop');
});

test('signing out ends the session for good', async () => {
  const page = await open.page('operator');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await shows(page, 'h1', 'Sign in');
  await page.reload();
  await shows(page, 'h1', 'Sign in');
  assert.equal((await page.context().cookies(open.deployment.console)).length, 0);
});

test('a viewer sees no commands, and why', async () => {
  const page = await open.page('viewer', { hash: '#/rollouts/shop' });
  await shows(page, '.commands', 'Read-only access for vic');
  await eventually(async () => assert.equal(await page.locator('button[data-command]:visible').count(), 0));
  await page.keyboard.press('k');
  await eventually(async () => assert.equal(await page.locator('dialog[open]').count(), 0));
  await page.goto(open.deployment.console);
  await shows(page, 'h1', 'Rollouts');
  await eventually(async () =>
    assert.equal(await page.getByRole('button', { name: 'Kill everything' }).isVisible(), false),
  );
});

test('without tokens or without a key it says what to set', async () => {
  for (const [bindings, said] of [
    [{ ADMIN_TOKENS: '' }, 'No tokens are configured'],
    [{ SIGNING_KEY: '' }, 'no SIGNING_KEY'],
  ]) {
    const closed = await openConsole({ bindings });
    try {
      const page = await closed.page();
      await page.getByLabel('Token').fill(closed.deployment.tokens.operator);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await shows(page, '[role=alert]', said);
      await shows(page, '[role=alert]', 'wrangler secret put');
    } finally {
      await closed.close();
    }
  }
});

test('a deployment that cannot be reached is reported as such', async () => {
  const page = await open.page();
  await page.context().setOffline(true);
  await page.getByLabel('Token').fill('anything');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await shows(page, '[role=alert]', 'cannot be reached');
});
