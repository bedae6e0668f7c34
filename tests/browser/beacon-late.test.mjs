// What visitors experience decides: a new frontend whose pages are late is rolled back. It takes minutes of visits, so
// it has a file of its own, whose name comes first: the longest test begins at once, beside the others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFrontend } from '../frontends/serve.mjs';
import { launch } from './chromium.mjs';
import { openDeployment } from './deployment.mjs';

const TABS = 6;
/** Fewer than an address may report at once. */
const VIEWS_PER_ADDRESS = 20;

let browser, deployment, shops;
before(async () => {
  browser = await launch();
  shops = { legacy: await startFrontend('legacy'), next: await startFrontend('new') };
  deployment = await openDeployment({
    plans: [
      `
key = "slow"
routes = ["/*"]
upstreams = { legacy = "${shops.legacy.url}", new = "${shops.next.url}" }
identity = { from = ["header:x-user-id"] }
stage = [{ name = "half", percentage = 50, hold = "1h" }]
[[guardrail]]
when = "lcp.p75 > 1.3x legacy"
then = "rollback"`,
    ],
  });
  await deployment.command('slow', 'start');
});
after(async () => {
  await browser?.close();
  await deployment?.close();
  await Promise.all([shops?.legacy.close(), shops?.next.close()]);
});

/** Its visitor waits for what the page is about: on legacy whatever comes first, on new what is late. */
const seeMain = () =>
  new Promise((resolve) => {
    const isLate = document.documentElement.dataset.side === 'new';
    const seen = (list) =>
      list.getEntries().some(({ startTime }) => !isLate || startTime > 3_000) && setTimeout(resolve, 100);
    new PerformanceObserver(seen).observe({ type: 'largest-contentful-paint', buffered: true });
  });

test('a new frontend whose pages are 3 s late is rolled back for it', { timeout: 600_000 }, async () => {
  shops.next.fail({ lcpMs: 3_000 });
  let visitors = 0,
    addresses = 0,
    isBack = false;
  // What a page sends as it goes carries the headers of the context, not those of the page.
  const visit = async () => {
    while (!isBack) {
      const own = await browser.newContext({
        baseURL: deployment.origin,
        extraHTTPHeaders: { 'cf-connecting-ip': `192.0.2.${(addresses += 1)}` },
      });
      const page = await own.newPage();
      for (let views = 0; views < VIEWS_PER_ADDRESS && !isBack; views += 1) {
        await page.setExtraHTTPHeaders({ 'x-user-id': `visitor-${(visitors += 1)}` });
        await page.goto('/about');
        await page.evaluate(seeMain);
      }
      await own.close();
    }
  };
  const look = async () => {
    while (!isBack) {
      await sleep(500);
      isBack = (await deployment.api('GET', 'rollouts/slow')).state.phase === 'rolled_back';
    }
  };
  await Promise.all([look(), ...Array.from({ length: TABS }, visit)]);
  const {
    entries: [entry],
    explanations: [{ figures }],
  } = await deployment.api('GET', 'rollouts/slow/history?limit=1');
  assert.deepEqual([entry.actor, entry.command.command], ['guardrail', 'rollback']);
  assert.equal(entry.cause.condition, 'lcp.p75 > 1.3x legacy');
  assert.match(figures[0], /^lcp\.p75 is [3-9]\.?\d* s on new/);
});
