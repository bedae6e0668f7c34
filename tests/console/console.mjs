// A browser in front of a deployment's console, for the tests: it signs in, and watches what the page
// asks for and complains about.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AXE, launch } from '../browser/chromium.mjs';
import { openDeployment } from '../browser/deployment.mjs';

const ACTION_MS_MAX = 60_000;
/** What Chromium itself says of answers that the console handles. */
const OF_ANSWERS =
  /Failed to load resource: (the server responded with a status of|net::ERR_(FAILED|INTERNET_DISCONNECTED))/;

/** A deployment with these plans, and a browser; `close` ends both. */
export async function openConsole(options) {
  const deployment = await openDeployment(options);
  const browser = await launch();
  const opened = [];
  return {
    deployment,
    /** A page of a browser of its own, at `hash`; signed in where a `role` is named. */
    async page(role, { hash = '', ...context } = {}) {
      const page = await newPage(browser, deployment, context);
      opened.push(page);
      await page.goto(deployment.console + hash);
      if (role) await signIn(page, deployment.tokens[role]);
      return page;
    },
    async close() {
      await browser.close();
      await deployment.close();
      for (const page of opened) {
        assert.deepEqual(page.complaints, [], 'the console of the browser says nothing');
        assert.deepEqual(page.foreign, [], 'nothing is asked of another origin');
      }
    },
  };
}

async function newPage(browser, { origin }, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_MS_MAX);
  page.complaints = [];
  page.foreign = [];
  page.on(
    'console',
    (message) =>
      ['error', 'warning'].includes(message.type()) &&
      !OF_ANSWERS.test(message.text()) &&
      page.complaints.push(message.text()),
  );
  page.on('pageerror', (error) => page.complaints.push(error.stack));
  page.on('request', (request) => !request.url().startsWith(`${origin}/`) && page.foreign.push(request.url()));
  return page;
}

export async function signIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

/** Waits until the page shows `text` in what `selector` names. */
export const shows = (page, selector, text) =>
  page.locator(selector, { hasText: text }).filter({ visible: true }).first().waitFor();

/**
 * Resolves once `check` throws nothing. A page is drawn a moment after what it shows has changed, so whatever
 * is read of it is asserted in here.
 * @param {() => Promise<unknown>} check
 */
export async function eventually(check) {
  const deadline = performance.now() + ACTION_MS_MAX;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

/** What a page shows, with the spaces that it was told. */
export const plain = (text) => text.replaceAll('\u00a0', ' ');

/** The open dialog. */
export const dialogOf = (page) => page.locator('dialog[open]');

/** axe finds nothing in what is shown. The page's context needs `bypassCSP`. */
export async function assertAccessible(page, name) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.ok(passes.length > 10, `axe has looked at ${name}`);
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`),
    [],
    `axe, ${name}`,
  );
}

/** The page is not wider than the window. */
export async function assertFits(page, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(over, 0, `${name} is ${over} px too wide`);
}
