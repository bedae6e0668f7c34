// What a page's visitor experiences reaches the metrics of the rollout that gave the page, on its side,
// once; and it decides.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { startFrontend } from '../frontends/serve.mjs';
import { openDeployment } from './deployment.mjs';
import { CHROMIUM, EARLY, FLAGS, LATE } from './shop.mjs';

const BYTES_MAX = 3_000;
const TABS = 6;
/** Fewer than an address may report at once. */
const VIEWS_PER_ADDRESS = 20;
const CSP = "default-src 'none'; script-src 'self'; connect-src 'self'";

const planFor = (key, route, { legacy, next }, more = '') => `
key = "${key}"
routes = ["${route}"]
upstreams = { legacy = "${legacy}", new = "${next}" }
identity = { from = ["header:x-user-id"] }
stage = [{ name = "half", percentage = 50, hold = "1h", gates = ["reporters.used >= 1 over stage"] }]
${more}`;

let browser, deployment, shops, strict, context;
let addresses = 0;
/** Each context has an address of its own, since addresses report a limited number of times. */
const newContext = (headers = {}) => browser.newContext({ baseURL: deployment.origin, extraHTTPHeaders: { 'cf-connecting-ip': `192.0.2.${(addresses += 1)}`, ...headers } });

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  shops = { legacy: await startFrontend('legacy'), next: await startFrontend('new') };
  strict = await startStrict();
  const urls = { legacy: shops.legacy.url, next: shops.next.url };
  const strictUrls = { legacy: strict.url, next: `${strict.url}/new` };
  deployment = await openDeployment({ plans: [
    planFor('checkout', '/*', urls),
    planFor('strict', '/strict/*', strictUrls),
    planFor('draft', '/draft/*', strictUrls),
    'key = "search"\nvalues = { new = "semantic", legacy = "keyword" }\nstage = [{ name = "on", percentage = 100 }]',
    planFor('slow', 'localhost/*', urls, '[[guardrail]]\nwhen = "lcp.p75 > 1.3x legacy"\nthen = "rollback"'),
  ] });
  for (const [key, url] of [['checkout', '/'], ['strict', '/strict/'], ['slow', localhost()]]) {
    await deployment.command(key, 'start');
    await obeyed(new URL(url, deployment.origin));
  }
});
afterEach(() => context?.close());
after(async () => {
  await browser?.close();
  await deployment?.close();
  await Promise.all([shops?.legacy.close(), shops?.next.close(), strict?.close()]);
});

const localhost = () => deployment.origin.replace('127.0.0.1', 'localhost');

/** Waits until a rollout that was started deals out sides. */
async function obeyed(url) {
  const deadline = Date.now() + 15_000;
  while ((await fetch(url, { headers: { 'x-user-id': EARLY } })).headers.get('tidegate-reason') !== 'bucketed') {
    assert.ok(Date.now() < deadline, `${url} is served by its rollout`);
    await sleep(50);
  }
}

/** A page of its own server that allows itself nothing but its own scripts and connections. */
async function startStrict() {
  const server = createServer((_, res) => {
    res.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': CSP }).end('<!doctype html><title>Strict</title><script async src="/_tidegate/beacon.js"></script><h1>Nothing else</h1>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) };
}

/** What the metrics hold of a rollout: by side pages, failed pages, errors, and how many of each measure. */
async function counted(key) {
  const { windows } = await deployment.api('GET', `rollouts/${key}/metrics`);
  const of = (variant) => {
    const sides = windows.flatMap((window) => window.sides).filter((side) => side.variant === variant && side.endpoint === undefined);
    const sum = (read) => sides.reduce((total, side) => total + (read(side) ?? 0), 0);
    const names = new Set(sides.flatMap((side) => Object.keys(side.measures)));
    names.delete('latency');
    return { pages: sum((side) => side.pages), failed: sum((side) => side.failed_pages), errors: sum((side) => side.js_errors), measures: Object.fromEntries([...names].sort().map((name) => [name, sum((side) => side.measures[name]?.count)])) };
  };
  return { legacy: of('legacy'), new: of('new') };
}

/** Waits until a rollout's metrics hold what is expected. */
async function untilCounted(key, holds, what) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const now = await counted(key);
    if (await holds(now)) return now;
    assert.ok(Date.now() < deadline, `${what}; it is ${JSON.stringify(now)}`);
    await sleep(100);
  }
}

/** A page that remembers what it reports, through reloads and all. */
async function open(path, headers) {
  context = await newContext(headers);
  await context.addInitScript(() => {
    const send = navigator.sendBeacon.bind(navigator);
    navigator.sendBeacon = (url, body) => {
      const report = JSON.stringify({ ...JSON.parse(body), isSeen: document.visibilityState === 'visible', at: performance.now() });
      localStorage.setItem('sent', `${localStorage.getItem('sent') ?? ''}${report}\n`);
      return send(url, body);
    };
  });
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  page.on('pageerror', (error) => page.problems.push(error.message));
  await page.goto(path);
  await page.waitForFunction(() => window.tidegate);
  return page;
}

const sent = (page) => page.evaluate(() => (localStorage.getItem('sent') ?? '').split('\n').filter(Boolean).map((line) => JSON.parse(line)));
/** Shows another page of the same origin, which hides this one and can tell what it has sent. */
const leave = (page) => page.goto('/_tidegate/health');
/** The window goes out of sight and comes back. */
const glance = (page) => page.evaluate(() => {
  for (const state of ['hidden', 'visible']) {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }
});
const fail = (page) => page.evaluate(() => {
  setTimeout(() => { throw new Error('nobody catches this'); });
  setTimeout(() => Promise.reject(new Error('nor this')));
});

test('the script is at most 3,000 bytes, gzipped, with everything in it', () => {
  const { length } = gzipSync(readFileSync(new URL('../../build/assets/_tidegate/beacon.js', import.meta.url)), { level: 9 });
  assert.ok(length <= BYTES_MAX, `${length} bytes`);
});

test('what a visitor experiences is counted on the side of the page, and only there', async () => {
  const page = await open('/', { 'x-user-id': EARLY });
  assert.deepEqual(await told(page), { rollout: 'checkout', variant: 'new', stage: 'half', rollouts: 1 });
  await page.locator('#show-tides').click();
  await fail(page);
  await page.evaluate(() => {
    tidegate.time('tti', 1_234);
    tidegate.event('used');
  });
  await page.waitForTimeout(300);
  await leave(page);
  const all = { cls: 1, fcp: 1, inp: 1, lcp: 1, 'timing.tti': 1, ttfb: 1 };
  const { legacy } = await untilCounted('checkout', ({ new: { pages, failed, errors, measures } }) => isDeepStrictEqual({ pages, failed, errors, measures }, { pages: 1, failed: 1, errors: 2, measures: all }), 'new has it all once');
  assert.deepEqual(legacy, { pages: 0, failed: 0, errors: 0, measures: {} });
  const used = async () => (await deployment.api('GET', 'rollouts/checkout')).stages[0].gates[0].figures?.[0].value === 1;
  await untilCounted('checkout', used, 'one subject has used it');
  await context.close();

  const other = await open('/', { 'x-user-id': LATE });
  assert.equal((await told(other)).variant, 'legacy');
  await leave(other);
  assert.deepEqual((await sent(other)).filter(({ isSeen, at }) => isSeen && at < 5_000), [], 'going away is one report');
  const now = await untilCounted('checkout', ({ legacy: { pages, measures } }) => pages === 1 && measures.cls === 1, 'legacy has its page');
  assert.deepEqual([now.legacy.failed, now.new.pages, now.new.measures.lcp], [0, 1, 1]);
});

const told = (page) => page.evaluate(() => ({ rollout: tidegate.rollout, variant: tidegate.variant, stage: tidegate.stage, rollouts: tidegate.rollouts.length }));

test('nothing is told twice, however often the page is hidden and comes back', async () => {
  const before = (await counted('checkout')).new.pages;
  const page = await open('/', { 'x-user-id': EARLY });
  await page.locator('#show-tides').click();
  await page.waitForTimeout(300);
  for (let times = 0; times < 3; times += 1) {
    await page.evaluate(() => {
      tidegate.time('tti', 1_234);
      tidegate.event('used');
    });
    await glance(page);
  }
  await page.evaluate(() => { window.isTheSame = true; });
  await leave(page);
  const first = await sent(page);
  await Promise.all([page.waitForURL('**/', { waitUntil: 'commit' }), page.evaluate(() => { history.back(); })]);
  assert.ok(await page.evaluate(() => window.isTheSame), 'the page comes from the cache of pages');
  await page.waitForTimeout(300);
  await glance(page);
  await leave(page);
  const reports = await sent(page);
  assert.deepEqual(reports, first, 'what came back has nothing of its own');
  const names = reports.flatMap(({ metrics, events }) => [...Object.keys(metrics), ...events]);
  assert.deepEqual(names.sort(), ['cls', 'fcp', 'inp', 'lcp', 'timing.tti', 'ttfb', 'used']);
  await untilCounted('checkout', ({ new: { pages, measures } }) => pages === before + 1 && measures.inp === before + 1, 'the view is counted once');
});

test('a page reports soon after its load what is final, and its first errors soon after them', async () => {
  const page = await open('/about', { 'x-user-id': EARLY });
  const reported = (count) => page.waitForFunction((wanted) => (localStorage.getItem('sent') ?? '').split('\n').length > wanted, count, { timeout: 20_000, polling: 200 });
  await reported(1);
  await fail(page);
  await reported(2);
  await fail(page);
  await leave(page);
  const told = (await sent(page)).map(({ metrics, js_errors }) => [Object.keys(metrics).sort().join(), js_errors]);
  assert.deepEqual(told, [['fcp,ttfb', 0], ['', 2], ['cls,lcp', 0]]);
});

test('a page that is prerendered and never shown reports nothing', async () => {
  context = await newContext({ 'x-user-id': EARLY });
  await context.addInitScript(() => {
    Object.defineProperty(Document.prototype, 'prerendering', { get: () => !window.isShown, configurable: true });
    navigator.sendBeacon = (_, body) => localStorage.setItem('sent', body) ?? true;
  });
  const page = await context.newPage();
  await page.goto('/');
  await page.waitForFunction(() => window.tidegate?.rollout);
  await page.evaluate(() => tidegate.event('used'));
  await glance(page);
  assert.equal(await page.evaluate(() => localStorage.getItem('sent')), null);
  await page.evaluate(() => {
    window.isShown = true;
    document.dispatchEvent(new Event('prerenderingchange', { bubbles: true }));
  });
  await glance(page);
  assert.deepEqual(await page.evaluate(() => JSON.parse(localStorage.getItem('sent')).events), ['used']);
});

test('names and times that cannot be are left out, and nothing is thrown', async () => {
  const page = await open('/about', { 'x-user-id': EARLY });
  await page.evaluate(() => {
    for (const name of ['', ' ', 'a b', 'é', '__proto__', 'x'.repeat(101), Symbol('x'), null, {}, 5n]) {
      tidegate.event(name);
      tidegate.time(name, 5);
    }
    for (const ms of [NaN, Infinity, '5', null, undefined, {}, Symbol('x'), 5n]) tidegate.time('wrong', ms);
    for (let n = 0; n < 100; n += 1) {
      tidegate.time(`t${n}`, n);
      tidegate.event(`e${n}`);
    }
  });
  await glance(page);
  const [{ metrics, events }] = await sent(page);
  assert.deepEqual([page.problems, metrics['timing.t0'], metrics['timing.wrong'] ?? null], [[], 0, null]);
  assert.ok(Object.keys(metrics).length <= 32 && events.length <= 16, JSON.stringify({ metrics, events }));
});

test('a page that its rollout does not give reports nothing, and may call what it likes', async () => {
  const page = await open('/draft/page', { 'x-user-id': EARLY });
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.evaluate(() => {
    tidegate.time('tti', 5);
    tidegate.event('used');
  });
  await fail(page);
  await glance(page);
  await leave(page);
  assert.deepEqual([await sent(page), asked], [[], ['/_tidegate/health']]);
});

test('a page that allows only its own scripts and connections can report', async () => {
  const page = await open('/strict/page', { 'x-user-id': EARLY });
  await leave(page);
  await untilCounted('strict', ({ legacy: { pages, measures } }) => pages === 1 && measures.fcp === 1, 'the page is counted');
  assert.deepEqual(page.problems, []);
});

test('a page with flags tells of all its rollouts, and its own comes first', async () => {
  await deployment.command('search', 'start');
  await untilCounted('search', () => fetch(deployment.origin, { headers: { 'x-user-id': EARLY, accept: 'text/html' } }).then((answer) => answer.headers.get('server-timing')?.includes('~search:')), 'the flag is on');
  const page = await open('/', { 'x-user-id': EARLY });
  const [first, ...rest] = await page.evaluate(() => tidegate.rollouts);
  assert.deepEqual([first.rollout, rest], ['checkout', [{ rollout: 'search', variant: 'new', stage: 'on' }]]);
  await leave(page);
  await untilCounted('search', ({ new: { pages } }) => pages === 1, 'the flag is counted');
});

/** Its visitor waits for what the page is about: on legacy whatever comes first, on new what is late. */
const seeMain = () => new Promise((resolve) => {
  const isLate = document.documentElement.dataset.side === 'new';
  const seen = (list) => list.getEntries().some(({ startTime }) => !isLate || startTime > 3_000) && setTimeout(resolve, 100);
  new PerformanceObserver(seen).observe({ type: 'largest-contentful-paint', buffered: true });
});

test('a new frontend whose pages are 3 s late is rolled back for it', { timeout: 240_000 }, async () => {
  shops.next.fail({ lcpMs: 3_000 });
  let visitors = 0, isBack = false;
  // What a page sends as it goes carries the headers of the context, not those of the page.
  const visit = async () => {
    while (!isBack) {
      const own = await newContext();
      const page = await own.newPage();
      for (let views = 0; views < VIEWS_PER_ADDRESS && !isBack; views += 1) {
        await page.setExtraHTTPHeaders({ 'x-user-id': `visitor-${(visitors += 1)}` });
        await page.goto(`${localhost()}/about`);
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
  const { entries: [entry] } = await deployment.api('GET', 'rollouts/slow/history?limit=1');
  assert.deepEqual([entry.actor, entry.command.command], ['guardrail', 'rollback']);
  assert.match(entry.reason, /^the guardrail `lcp\.p75 > 1\.3x legacy` has come true: lcp\.p75 is [3-9]\.?\d* s on new/);
});
