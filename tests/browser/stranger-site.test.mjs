// What a browser keeps of new is not in the way once new was left: redirects, pages and service workers.
// symfony/symfony#59346, etianen/django-historylinks#3, evansd/whitenoise#202.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { STARTED } from '../edge/plans.mjs';
import { file, startUpstream } from '../edge/upstream.mjs';
import { launch } from './chromium.mjs';
import { openGate } from './gate.mjs';

const OBEYED_MS_MAX = 60_000;
const ACTION_MS_MAX = 60_000;
/** For a browser to look for a newer worker, to install it, and for that one to leave. */
const REPLACED_MS_MAX = 60_000;
/** A page that reloads itself for ever does so many times in this. */
const LOOPED_MS = 6_000;
const HTML = ['Content-Type', 'text/html; charset=utf-8'];
const SCRIPT = ['Content-Type', 'text/javascript'];

const html = (title, script = '') =>
  `<!doctype html><title>${title}</title><link rel="icon" href="data:,"><h1>${title}</h1>${script && `<script>${script}</script>`}`;
const pageOf = (title, headers = []) => ({ headers: [HTML, ...headers], body: html(title) });

let legacy, next, gate, browser, context;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({
    key: 'p',
    percentage: 0,
    plan: `
key = "p"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = "${next.url}" }
identity = { from = ["cookie:uid"], anonymous = true }
groups = { team = { ids = ["ana"] } }
stage = [{ name = "half", percentage = 50, groups = ["team"], hold = "1h" }, { name = "full", percentage = 100 }]
`,
  });
  browser = await launch();
});
beforeEach(async () => {
  for (const site of [legacy, next]) site.reset();
  await context?.close();
  context = await browser.newContext({ baseURL: gate.origin });
  context.setDefaultTimeout(ACTION_MS_MAX);
  await context.addCookies([{ name: 'uid', value: 'ana', url: gate.origin }]);
  await become('running', 'new group');
});
after(async () => {
  await browser?.close();
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/** Writes the state, and waits until ana gets this assignment. */
async function become(state, outcome) {
  await gate.setPercentage(STARTED[state]);
  const deadline = performance.now() + OBEYED_MS_MAX;
  for (;;) {
    const { headers } = await fetch(`${gate.origin}/become`, { headers: { Cookie: 'uid=ana' } });
    if (`${headers.get('tidegate-variant')} ${headers.get('tidegate-reason')}` === outcome) break;
    assert.ok(performance.now() < deadline, `${state} is obeyed within ${OBEYED_MS_MAX} ms`);
    await sleep(50);
  }
  for (const site of [legacy, next]) site.received.length = 0;
}
const LEFT = { killed: 'legacy killed', rolled: 'legacy inactive' };

/** Opens an address in a window of its own, as a visitor does who comes again; not as a reload. */
async function title(path) {
  const page = await context.newPage();
  try {
    await page.goto(path);
    return await page.title();
  } finally {
    await page.close();
  }
}

for (const [state, outcome] of Object.entries(LEFT)) {
  describe(`once the rollout is ${state}, the browser no longer knows`, () => {
    for (const status of [301, 308]) {
      test(`a ${status} of new, which legacy has the other way round`, async () => {
        next.handle('/cart', { status, headers: [['Location', '/basket']] });
        next.handle('/basket', pageOf('the basket of new'));
        assert.equal(await title('/cart'), 'the basket of new');
        legacy.handle('/cart', pageOf('the cart of legacy'));
        legacy.handle('/basket', { status, headers: [['Location', '/cart']] });
        await become(state, outcome);
        for (const path of ['/cart', '/basket', '/cart']) assert.equal(await title(path), 'the cart of legacy');
      });
    }

    test('a page of new that might have been kept for ten minutes', async () => {
      for (const [path, headers] of Object.entries({
        '/': [['Cache-Control', 'max-age=600']],
        '/year': [['Cache-Control', 'public, max-age=31536000, immutable']],
        '/dated': [['Expires', 'Fri, 01 Jan 2100 00:00:00 GMT']],
        '/guessed': [['Last-Modified', 'Mon, 05 Jan 2015 10:00:00 GMT']],
      })) {
        next.handle(path, pageOf('the page of new', headers));
        legacy.handle(path, pageOf('the page of legacy', headers));
      }
      for (const path of ['/', '/year', '/dated', '/guessed']) assert.equal(await title(path), 'the page of new');
      await become(state, outcome);
      for (const path of ['/', '/year', '/dated', '/guessed'])
        assert.equal(await title(path), 'the page of legacy', path);
    });

    test('a page of new that legacy calls unchanged, since its own is older', async () => {
      for (const [path, etag] of [
        ['/dated', undefined],
        ['/tagged', '"v1"'],
      ]) {
        next.handle(path, file({ etag, modified: 'Mon, 02 Feb 2026 10:00:00 GMT', body: html('the page of new') }));
        legacy.handle(
          path,
          file({ etag, modified: 'Mon, 05 Jan 2026 10:00:00 GMT', body: html('the page of legacy') }),
        );
        assert.equal(await title(path), 'the page of new');
      }
      await become(state, outcome);
      for (const path of ['/dated', '/tagged']) assert.equal(await title(path), 'the page of legacy', path);
    });

    test('fetched HTML of new', async () => {
      for (const site of [legacy, next]) {
        site.handle('/', pageOf(site.name));
        site.handle('/fragment', { headers: [HTML, ['Cache-Control', 'max-age=600']], body: `<p>${site.name}` });
      }
      const fragment = async () => {
        const page = await context.newPage();
        await page.goto('/');
        return page.evaluate(async () => (await fetch('/fragment')).text()).finally(() => page.close());
      };
      assert.equal(await fragment(), '<p>new');
      await become(state, outcome);
      assert.equal(await fragment(), '<p>legacy');
    });
  });
}

test('pages are kept all the same, and confirmed cheaply; files are not asked for again', async () => {
  next.handle(
    '/',
    file({
      etag: '"v1"',
      body: html('the page of new', 'document.documentElement.dataset.at = "page"; </script><script src="/app-1.js">'),
    }),
  );
  next.handle('/app-1.js', {
    headers: [SCRIPT, ['Cache-Control', 'public, max-age=31536000, immutable'], ['ETag', '"v1"']],
    body: 'window.loaded = true;',
  });
  for (let visit = 0; visit < 3; visit += 1) assert.equal(await title('/'), 'the page of new');
  assert.deepEqual(
    next.seen('/').map((request) => request.get('if-none-match')),
    [undefined, '"v1"', '"v1"'],
  );
  assert.equal(next.seen('/app-1.js').length, 1);
});

describe('a service worker', () => {
  const REGISTERS = 'navigator.serviceWorker.register("/sw.js").catch((error) => { window.refused = error.message; });';
  /** Serves its own shell for every page, as those of single-page apps do. */
  const SHELL = `
    self.addEventListener('install', () => self.skipWaiting());
    self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
    self.addEventListener('fetch', (event) => {
      if (event.request.mode === 'navigate') event.respondWith(new Response(${JSON.stringify(html('the shell of new'))}, { headers: { 'Content-Type': 'text/html' } }));
    });`;

  const waitForTitle = (page, expected) =>
    page.waitForFunction((wanted) => document.title === wanted, expected, { timeout: REPLACED_MS_MAX, polling: 200 });

  for (const [state, outcome] of Object.entries(LEFT)) {
    test(`of new is gone once the rollout is ${state}, and its pages come from legacy`, async () => {
      next.handle('/', { headers: [HTML], body: html('the page of new', REGISTERS) });
      next.handle('/sw.js', { headers: [SCRIPT, ['Cache-Control', 'max-age=31536000, immutable']], body: SHELL });
      legacy.handle('/', pageOf('the page of legacy'));
      legacy.handle('/sw.js', { status: 404, headers: [HTML], body: html('not here') });

      const page = await context.newPage();
      await page.goto('/');
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
      assert.equal(await title('/'), 'the shell of new', 'the worker serves its shell');
      await become(state, outcome);
      await page.goto('/');
      await waitForTitle(page, 'the page of legacy');
      assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
      assert.equal(await title('/'), 'the page of legacy');
      // It stays so, and reloads no more.
      const seen = legacy.seen('/').length;
      await sleep(LOOPED_MS / 2);
      assert.equal(legacy.seen('/').length, seen);
      await page.close();
    });
  }

  test('that a page registers without its side having one makes no page reload for ever', async () => {
    for (const site of [legacy, next]) {
      site.handle('/', { headers: [HTML], body: html(`the page of ${site.name}`, REGISTERS) });
      site.handle('/sw.js', { status: 404, headers: [HTML], body: html('not here') });
    }
    for (const [side, prepare] of [
      [next, () => undefined],
      [legacy, () => become('rolled', LEFT.rolled)],
    ]) {
      await prepare();
      const page = await context.newPage();
      await page.goto('/');
      await sleep(LOOPED_MS);
      const loads = side.seen('/').length;
      assert.ok(loads >= 1 && loads <= 3, `${side.name} was loaded ${loads} times`);
      assert.equal(await page.title(), `the page of ${side.name}`);
      await page.close();
    }
  });

  test('that both sides have goes on without a break', async () => {
    for (const site of [legacy, next]) {
      site.handle('/', { headers: [HTML], body: html(`the page of ${site.name}`, REGISTERS) });
      site.handle('/sw.js', {
        headers: [SCRIPT],
        body: `self.site = '${site.name}'; self.addEventListener('install', () => self.skipWaiting());`,
      });
    }
    const page = await context.newPage();
    await page.goto('/');
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await become('rolled', LEFT.rolled);
    await page.goto('/');
    await sleep(LOOPED_MS / 2);
    assert.equal(await page.title(), 'the page of legacy');
    assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 1);
    assert.equal(legacy.seen('/').length, 1);
    await page.close();
  });
});
