// The whole thing for a browser test: both sample shops, the built worker in front of them, and
// Chromium. The rollout is `checkout`, for which the design gives the buckets of two users.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFrontend } from '../frontends/serve.mjs';
import { launch } from './chromium.mjs';
import { openGate } from './gate.mjs';

const KEY = 'checkout';
/** Two users and their buckets: at 50 % the early one is on new, the late one on legacy. */
export const EARLY = 'user-1';
export const LATE = 'user-2';
const BUCKETS = { [EARLY]: 46_629, [LATE]: 60_770 };

/** The side that a known user is on at a percentage. */
export const sideOf = (user, percentage) => (BUCKETS[user] < percentage * 1_000 ? 'new' : 'legacy');

const OBEYED_MS_MAX = 60_000;
const ACTION_MS_MAX = 60_000;
const POLL_MS = 50;

const planFor = ({ legacy, new: next }, more) => `
key = "${KEY}"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = "${next.url}" }
identity = { from = ["cookie:uid"], anonymous = true }
${more}
stage = [{ name = "full", percentage = 100, hold = "1h" }]
`;

/** Starts everything, with the rollout at `percentage`; `more` is added to its plan. */
export async function openShop(percentage, more = '') {
  const sides = { legacy: await startFrontend('legacy'), new: await startFrontend('new') };
  const gate = await openGate({ key: KEY, plan: planFor(sides, more), percentage });
  const browser = await launch();

  const assigned = async (user) =>
    (await fetch(`${gate.origin}/about`, { headers: { Cookie: `uid=${user}` } })).headers.get('tidegate-variant');

  return {
    sides,
    origin: gate.origin,

    /** A browser of somebody's own; `user` is a known user's id, else a new visitor. */
    async visitor(user) {
      const context = await browser.newContext({ baseURL: gate.origin });
      context.setDefaultTimeout(ACTION_MS_MAX);
      if (user) await context.addCookies([{ name: 'uid', value: user, url: gate.origin }]);
      return context;
    },

    /** Waits until a file is kept: `SIDE/HOST/PATH`. */
    async kept(path) {
      const deadline = performance.now() + OBEYED_MS_MAX;
      while (!(await gate.isKept(`https://tidegate.invalid/kept/${KEY}/${path}`))) {
        assert.ok(performance.now() < deadline, `${path} is kept within ${OBEYED_MS_MAX} ms`);
        await sleep(POLL_MS);
      }
    },

    /** Writes the percentage as an operator does, and waits until the gate obeys. */
    async setPercentage(next) {
      await gate.setPercentage(next);
      const deadline = performance.now() + OBEYED_MS_MAX;
      for (const user of [EARLY, LATE]) {
        while ((await assigned(user)) !== sideOf(user, next)) {
          assert.ok(performance.now() < deadline, `${next} % is obeyed within ${OBEYED_MS_MAX} ms`);
          await sleep(POLL_MS);
        }
      }
    },

    async close() {
      await browser.close();
      await gate.close();
      await Promise.all(Object.values(sides).map((side) => side.close()));
    },
  };
}

/** Opens a page in `context` that remembers what went wrong and which assets it loaded. */
export async function openPage(context, path) {
  const page = await context.newPage();
  const seen = { errors: [], assets: new Set(), pending: new Set() };
  page.on(
    'console',
    (message) => message.type() === 'error' && seen.errors.push(`${message.text()} ${message.location().url}`),
  );
  page.on('pageerror', (error) => seen.errors.push(error.message));
  page.on('requestfailed', (request) => {
    seen.pending.delete(request.url());
    const reason = request.failure()?.errorText;
    // Leaving a page aborts what it was still loading; a script refused for its status shows as that.
    if (reason !== 'net::ERR_ABORTED') seen.errors.push(`${request.url()}: ${reason}`);
  });
  page.on('request', (request) => seen.pending.add(request.url()));
  page.on('requestfinished', (request) => seen.pending.delete(request.url()));
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (response.status() >= 400) seen.errors.push(`${response.status()} for ${pathname}`);
    if (pathname.startsWith('/assets/')) seen.assets.add(pathname);
  });
  page.seen = seen;
  const response = await page.goto(path);
  assert.equal(response.status(), 200, path);
  return page;
}

/**
 * Clicks as a script does, since a real click waits for frames, which windows in the background get
 * late.
 */
const click = (page, selector) => page.evaluate((css) => document.querySelector(css).click(), selector);

/** Follows a link of the page and waits for the page that it leads to. */
export async function follow(page, path) {
  await Promise.all([page.waitForURL(`**${path}`), click(page, `a[href="${path}"]`)]);
}

/** Which side each part of the loaded page came from, as the parts say themselves. */
export async function parts(page) {
  await page.waitForLoadState('load');
  return page.evaluate(() => {
    const root = document.documentElement;
    const images = [...document.images];
    return {
      document: root.dataset.side,
      script: root.dataset.script,
      style: getComputedStyle(root).getPropertyValue('--side').trim(),
      images: images.every((image) => image.complete && image.naturalWidth > 0) ? root.dataset.side : 'broken',
    };
  });
}

/** Imports the page's lazy chunk by its button, and says which side it came from. */
export async function lazyPart(page) {
  await click(page, '#show-tides');
  return page
    .locator('#tides[data-side]')
    .getAttribute('data-side')
    .catch((error) => {
      assert.fail(`no chunk: ${error.message}\nerrors: ${page.seen.errors}\nunanswered: ${[...page.seen.pending]}`);
    });
}

/** Asserts that all parts of the page, the lazy chunk included, are of one side; returns the side. */
export async function assertOneSide(page) {
  const found = { ...(await parts(page)), lazy: await lazyPart(page) };
  const side = found.document;
  assert.deepEqual(found, { document: side, script: side, style: side, images: side, lazy: side });
  assert.deepEqual(page.seen.errors, []);
  return side;
}

/** The assets that this frontend was asked for, found or not. */
export const assetsAskedOf = (frontend) =>
  new Set(Object.keys(frontend.stats.paths).filter((path) => path.startsWith('/assets/')));
