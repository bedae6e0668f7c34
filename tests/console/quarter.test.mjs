// A rollout with ninety days behind it: its page opens as any other does, and shows them all.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFrontend } from '../frontends/serve.mjs';
import { change, past, windowsOf } from '../storage.mjs';
import { openConsole, shows } from './console.mjs';

const DAYS = 89;
const VISITORS = 240;
const CHANGES = 60;
const WAIT_MS_MAX = 120_000;
/** What a browser is asked to take in for ninety days, in bytes. */
const ANSWER_MAX = 4_000_000;

const planFor = (legacy, next) => `
key = "shop"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = "${next.url}" }
identity = { from = ["header:x-user-id"] }
endpoints = { cart = "path:/cart", goods = "path:/goods/*", api = "path:/api/*" }
stage = [{ name = "half", percentage = 50, hold = "1h" }, { name = "full", percentage = 100 }]
guardrail = [{ when = "error_rate > 60% over 30d", then = "alert" }, { when = "latency.p95 > 9s over 7d", then = "alert" }, { when = "error_rate@cart > 60%", then = "alert" }]
`;

let open, legacy, next;
before(async () => {
  [legacy, next] = await Promise.all([startFrontend('legacy'), startFrontend('new')]);
  open = await openConsole({ plans: [planFor(legacy, next)], storage: true });
  const { api, origin, command } = open.deployment;
  await command('shop', 'start');
  await until(async () => (await visit(0)) !== undefined, 'pages with a token');
  for (let visitor = 0; visitor < VISITORS; visitor += 1) await report(await visit(visitor), visitor);
  const counted = async () =>
    (await api('GET', 'rollouts/shop/metrics')).windows
      .flatMap(({ sides }) => sides)
      .reduce((sum, { pages }) => sum + pages, 0);
  await until(async () => (await counted()) === VISITORS, 'every page to be counted');
  await change(origin);
  await until(async () => (await windowsOf(origin, 1)).loaded > 0, 'a minute that is stored');
  await change(origin, ...past('shop', DAYS));
  await until(async () => (await windowsOf(origin, 60)).loaded < 100, 'the hours to become days');
  for (let index = 0; index < CHANGES; index += 1) await command('shop', index % 2 ? 'resume' : 'pause');
});
after(async () => {
  await open?.close();
  await Promise.all([legacy, next].map((side) => side?.close()));
});

/** Opens a page as this visitor, and resolves with its token. */
async function visit(visitor) {
  const path = ['/', '/cart', '/goods/1'][visitor % 3];
  const response = await fetch(open.deployment.origin + path, {
    headers: { 'x-user-id': `visitor-${visitor}`, 'sec-fetch-dest': 'document' },
  });
  await response.text();
  return /tidegate;desc="([^"]+)"/.exec(response.headers.get('server-timing') ?? '')?.[1];
}

/** What the visitor's browser reports, in milliseconds that differ from one to the next. */
async function report(token, visitor) {
  const metrics = {
    lcp: 900 + visitor * 4,
    fcp: 500 + visitor * 3,
    cls: visitor / 2_000,
    inp: 40 + visitor,
    ttfb: 60 + visitor,
  };
  const response = await fetch(`${open.deployment.origin}/_tidegate/beacon`, {
    method: 'POST',
    body: JSON.stringify({ token, metrics }),
    headers: { 'cf-connecting-ip': `192.0.2.${visitor % 250}` },
  });
  assert.equal(response.status, 204);
}

async function until(probe, what) {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (!(await probe())) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await sleep(250);
  }
}

test('the controller answers for ninety days at once, and little is loaded for it', async (context) => {
  const { api, origin } = open.deployment;
  const loading = performance.now();
  await change(origin);
  const asking = performance.now();
  const answer = await api('GET', 'rollouts/shop/metrics?since=90d');
  context.diagnostic(
    `loaded in ${Math.round(asking - loading)} ms, ninety days answered in ${Math.round(performance.now() - asking)} ms`,
  );
  assert.deepEqual(answer.endpoints, ['cart', 'goods', 'api']);
  assert.ok(answer.windows.length > DAYS * 24, `${answer.windows.length} windows`);
  const size = JSON.stringify(answer).length;
  assert.ok(size < ANSWER_MAX, `${size} bytes`);
  const cart = await api('GET', 'rollouts/shop/metrics?since=90d&endpoint=cart');
  const requestsOf = ({ windows }) => windows[100].sides.reduce((sum, { requests }) => sum + requests, 0);
  assert.ok(
    requestsOf(cart) > 0 && requestsOf(cart) < requestsOf(answer),
    `${requestsOf(cart)} of ${requestsOf(answer)}`,
  );
  const { loaded } = await windowsOf(origin, 1440);
  assert.ok(loaded >= DAYS - 4, `${loaded} days are loaded`);
});

test('its page opens as any other does, and shows ninety days', async (context) => {
  const page = await open.page('viewer');
  await shows(page, '.row', 'shop');
  const opening = performance.now();
  await page.evaluate(() => {
    location.hash = '#/rollouts/shop';
  });
  await shows(page, 'h1', 'shop');
  await page.locator('#plots canvas').first().waitFor();
  const choosing = performance.now();
  await page.locator('#plots').getByText('90 days').click();
  const plot = page.locator('#plots .plots-cell').first();
  await plot.getByRole('button', { name: 'Table' }).click();
  await plot.getByText(/The latest 120 of 2,?1\d\d times/).waitFor();
  context.diagnostic(
    `opened with plots in ${Math.round(choosing - opening)} ms, ninety days in ${Math.round(performance.now() - choosing)} ms`,
  );
});
