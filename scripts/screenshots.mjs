// The README's pictures, taken of the demo while it runs: the list, the rollout on its way (wide, dark,
// on a phone), rolled back with its reason and its plots, and a rehearsal. In the environment: PORT
// (8787), CHROMIUM.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { tell } from './demo/story.mjs';
import { watch } from './demo/watch.mjs';
import { portOf, site, token } from './dev/site.mjs';
import { openVisitors } from './dev/visitors.mjs';

const FOLDER = 'docs/images';
const BYTES_MAX = 200_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const WIDE = { width: 1_280, height: 900 };
const LOW = { width: 1_280, height: 400 };
const PHONE = { width: 390, height: 844 };
/** In this stage the plots have something to show. */
const MIDWAY = 50;

const looks = new EventTarget();
const here = site({
  port: portOf(process.env),
  plan: 'scripts/demo/plan.toml',
  reason: 'make screenshots',
  tokens: { operator: token(), viewer: token() },
  state: '.wrangler/screenshots',
  isFresh: true,
  command: 'make screenshots',
  log: 'worker.log',
});
/** @type {{ close(): unknown }[]} */
const open = [here];
let seen = {};

try {
  await take();
} finally {
  for (const one of open.reverse()) await one.close();
}
process.exit();

async function take() {
  mkdirSync(FOLDER, { recursive: true });
  await here.start();
  const visitors = openVisitors({ port: portOf(process.env), visitors: 1_000, rate: 60 });
  const watching = watch(here, visitors, (look) => {
    seen = look;
    looks.dispatchEvent(new Event('look'));
  });
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
  });
  open.push(visitors, watching, browser);

  let isMidway = false;
  const story = tell({
    site: here,
    isOver: () => false,
    breakNew: ({ switches }) => here.next.fail(switches),
    async nextLook() {
      do await once(looks, 'look');
      while (!seen.rollout);
      if (!isMidway && seen.rollout.percentage === MIDWAY) {
        isMidway = true;
        await midway(browser);
      }
      return seen;
    },
  });
  await story;
  const page = await signedIn(browser, { viewport: WIDE });
  await openRollout(page);
  await picture(page, 'rolled-back');
  await page.locator('#plots').evaluate((section) => section.scrollIntoView());
  await picture(page, 'plots');
  await page.getByRole('link', { name: 'Rehearse' }).click();
  await rehearse(page);
  await picture(page, 'rehearse');
}

/** The rollout on its way, in each form. */
async function midway(browser) {
  const page = await signedIn(browser, { viewport: WIDE });
  await page.getByRole('link', { name: here.key, exact: true }).waitFor();
  await page.setViewportSize(LOW);
  await picture(page, 'list');
  await page.setViewportSize(WIDE);
  await openRollout(page);
  await picture(page, 'rollout');
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture(page, 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(PHONE);
  await picture(page, 'phone');
  await page.context().close();
}

async function signedIn(browser, options) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(`${here.origin}/_tidegate/`);
  await page.getByLabel('Token').fill(here.tokens.operator);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Rollouts', level: 1 }).waitFor();
  return page;
}

async function openRollout(page) {
  await page.getByRole('link', { name: here.key, exact: true }).click();
  await page.getByRole('heading', { name: here.key, level: 1 }).waitFor();
  await page.waitForLoadState('networkidle').catch(() => {});
}

/** Lives the demo's plan through, with a failure in its second half. */
async function rehearse(page) {
  await page.getByRole('heading', { name: 'Rehearse', level: 1 }).waitFor();
  await page.getByLabel('Plan to rehearse').selectOption(`deployed ${here.key}`);
  await page.getByLabel('The same as text').fill('new.error_rate = 5% from half+5s');
  await page.getByRole('button', { name: /^Run/ }).first().click();
  await page
    .getByText(/rolled back/i)
    .first()
    .waitFor();
}

async function picture(page, name) {
  // Plots are drawn a frame after their figures have come.
  await page.waitForTimeout(2_500);
  const { length } = await page.screenshot({ path: `${FOLDER}/${name}.png` });
  if (length > BYTES_MAX) throw new Error(`${name}.png has ${length} bytes; at most ${BYTES_MAX} are wanted`);
  console.log(`${FOLDER}/${name}.png  ${Math.round(length / 1_000)} kB`);
}
