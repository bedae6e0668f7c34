// The messages: what waits and why, a channel that fails, a test of it, and sending again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, eventually, openConsole, shows } from './console.mjs';
import { many } from './plans.mjs';

const KEY = 'page-01';

let open;
before(async () => {
  open = await openConsole();
  const [plan] = many(1);
  // Nobody has set the secret: what cannot be sent waits, and says why.
  await open.deployment.apply([`${plan}\n[channels.chat]\nslack = "secret:CHAT_URL_THAT_NOBODY_SET"\n`]);
  await open.deployment.command(KEY, 'start');
});
after(() => open?.close());

test('a message that cannot be sent waits, with what it failed over, and its channel is shown as failing', async () => {
  const page = await open.page('operator', { hash: '#/outbox', bypassCSP: true });
  await shows(page, '.outbox-item', 'chat');
  await shows(page, '.outbox-error', 'the secret CHAT_URL_THAT_NOBODY_SET is not set');
  await shows(page, '.badge', 'Failing');
  await shows(page, '.badge', 'Next try');
  await assertFits(page, 'the messages');
  await assertAccessible(page, 'the messages');
  await page.setViewportSize({ width: 320, height: 700 });
  await assertFits(page, 'the messages on a small phone');
});

test('an operator sends again and tests a channel, a viewer only looks', async () => {
  const page = await open.page('operator', { hash: '#/outbox' });
  await page.getByRole('button', { name: 'Send a test to chat' }).click();
  await shows(page, '.toast', 'chat did not take the test message: the secret CHAT_URL_THAT_NOBODY_SET is not set');
  await page.getByRole('button', { name: 'Send all again' }).click();
  await shows(page, '.toast', 'on the way again');
  const viewer = await open.page('viewer', { hash: '#/outbox' });
  await shows(viewer, '.outbox-item', 'chat');
  await eventually(async () => assert.equal(await viewer.getByRole('button', { name: /again|test/ }).count(), 0));
});

test('the rollout shows the channel as a fault', async () => {
  const page = await open.page('operator', { hash: `#/rollouts/${KEY}` });
  await shows(page, 'main', 'for chat: the secret CHAT_URL_THAT_NOBODY_SET is not set');
});
