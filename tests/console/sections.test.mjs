// The console's plots, history, flags and explanations, in Chromium in front of the real worker: what
// is on the screen is what the API says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { measured } from '../../www/text/numbers.js';
import { AXE, launch } from '../browser/chromium.mjs';
import { openDeployment } from '../browser/deployment.mjs';
import { startFrontend } from '../frontends/serve.mjs';
import { eventually, plain } from './console.mjs';

const WAIT_MS_MAX = 60_000;
const VISITORS = 120;

const shopPlan = (legacy, next) => `
key = "shop"
routes = ["/*"]
upstreams = { legacy = "${legacy.url}", new = "${next.url}" }
identity = { from = ["header:x-user-id"], anonymous = true }
endpoints = { api = "path:/api/*" }
stage = [{ name = "half", percentage = 50, hold = "1h" }, { name = "full", percentage = 100 }]
guardrail = [{ when = "error_rate > 60% over 5m", then = "alert" }, { when = "error_rate > legacy", then = "alert" }]
`;
const flagPlan = (key, percentage) => `
key = "${key}"
description = "The flag ${key}"
identity = { from = ["header:x-user-id"], anonymous = true }
stage = [{ name = "some", percentage = ${percentage}, hold = "1h" }]
`;

let legacy, next, gate, browser, page;
const problems = [];

before(async () => {
  [legacy, next] = await Promise.all([startFrontend('legacy'), startFrontend('new')]);
  gate = await openDeployment({ plans: [shopPlan(legacy, next), flagPlan('alpha', 75), flagPlan('beta', 5)] });
  browser = await launch();
  page = await browser.newPage();
  page.setDefaultTimeout(WAIT_MS_MAX);
  page.on(
    'console',
    (message) =>
      message.type() === 'error' && !message.location().url.endsWith('/session') && problems.push(message.text()),
  );
  page.on('pageerror', (error) => problems.push(error.message));
  page.on(
    'request',
    (request) => !request.url().startsWith(gate.origin) && problems.push(`asked for ${request.url()}`),
  );
  await page.goto(gate.console);
  await page.getByLabel('Token').fill(gate.tokens.operator);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Rollouts' }).waitFor();
});

after(async () => {
  await browser?.close();
  await gate?.close();
  await Promise.all([legacy, next].map((side) => side?.close()));
});

/** Visitors, each with an id of their own. Resolves with the exposure tokens of their pages. */
async function visit(path) {
  const tokens = { legacy: [], new: [] };
  for (let index = 0; index < VISITORS; index += 1) {
    const response = await fetch(`${gate.origin}${path}`, {
      headers: { Accept: 'text/html', 'x-user-id': `visitor-${index}` },
    });
    await response.arrayBuffer();
    const token = /tidegate;desc="([^"]+)"/.exec(response.headers.get('server-timing') ?? '')?.[1];
    if (token) tokens[response.headers.get('tidegate-variant')].push(token);
  }
  return tokens;
}

const metrics = (more = '') => gate.api('GET', `rollouts/shop/metrics?since=2h${more}`);
const requestsOf = ({ windows }) =>
  windows.flatMap(({ sides }) => sides).reduce((sum, { requests }) => sum + requests, 0);

/** The API's answer once it counts so many requests. */
async function counted(requests) {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const answer = await metrics();
    if (requestsOf(answer) >= requests) return answer;
    assert.ok(performance.now() < deadline, `${requests} requests are counted; so far ${requestsOf(answer)}`);
    await sleep(200);
  }
}

/** What the API counts in each minute, as the plot's table ought to have it: `[new, legacy]`. */
function expected({ windows }, unit, value) {
  const minutes = new Map();
  for (const { at, sides } of windows) {
    const sums = minutes.get(at) ?? { new: {}, legacy: {} };
    for (const side of sides)
      for (const name of ['requests', 'errors'])
        sums[side.variant][name] = (sums[side.variant][name] ?? 0) + side[name];
    minutes.set(at, sums);
  }
  return [...minutes]
    .sort()
    .reverse()
    .map(([, sums]) => ['new', 'legacy'].map((side) => measured(unit, value(sums[side]))));
}

const plot = (title) => page.getByRole('group', { name: title, exact: true });

/** The rows of a plot's table, the newest first, without their times. */
async function rowsOf(title) {
  const button = plot(title).getByRole('button', { name: `Table of ${title}` });
  if ((await button.getAttribute('aria-expanded')) === 'false') await button.click();
  return plot(title)
    .locator('tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent.replaceAll('\u00a0', ' '))),
    );
}

async function until(what, check) {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const failure = await check().then(
      () => null,
      (error) => error,
    );
    if (!failure) return;
    if (performance.now() > deadline) throw new Error(`${what}: ${failure.message}`, { cause: failure });
    await sleep(200);
  }
}

async function assertAccessible() {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    [],
  );
}

test('flags have a table that buttons sort', async () => {
  const table = page.getByRole('region', { name: 'Flags', exact: true }).getByRole('table');
  const keys = () => table.locator('tbody th a').allTextContents();
  await until('both flags are there', async () => assert.deepEqual(await keys(), ['alpha', 'beta']));
  await gate.command('beta', 'start');
  await until('beta gets its share without a reload', async () =>
    assert.match(await table.getByRole('row', { name: /beta/ }).innerText(), /5\u00a0%.*Running/s),
  );
  await table.getByRole('button', { name: 'Who gets new' }).click();
  await until('the table says how it is sorted', async () =>
    assert.equal(
      await table.getByRole('columnheader', { name: 'Who gets new' }).getAttribute('aria-sort'),
      'ascending',
    ),
  );
  await table.getByRole('button', { name: 'Who gets new' }).click();
  await until('the largest share comes first', async () => assert.deepEqual(await keys(), ['beta', 'alpha']));
  await page.getByLabel('Filter flags').fill('ALPHA');
  await until('only alpha is left', async () => assert.deepEqual(await keys(), ['alpha']));
  await page.getByLabel('Filter flags').fill('');
  await assertAccessible();
});

test('before there is anything to plot, the page says why', async () => {
  await page.goto(`${gate.console}#/rollouts/shop`);
  await page
    .locator('#plots')
    .getByText(/has not started/)
    .waitFor();
  await assertAccessible();
});

test('the plots have the API’s numbers', async () => {
  await gate.command('shop', 'start');
  await until('new is served', async () => assert.match((await visit('/')).new.join(), /shop/));
  next.fail({ rate: 0.5 });
  await visit('/api/stock');
  await visit('/');
  next.fail({});
  const answer = await counted(3 * VISITORS);
  const errors = expected(answer, 'share', ({ errors: part = 0, requests = 0 }) =>
    requests > 0 ? part / requests : null,
  );
  assert.ok(
    errors.some(([value]) => value !== '0 %' && value !== '–'),
    'some requests of new have failed',
  );
  await until('the table has the rates', async () => assert.deepEqual(await rowsOf('Errors'), errors));
  await until('the threshold is reported', async () =>
    assert.match(
      await plot('Errors')
        .locator('[role=img]')
        .getAttribute('aria-label')
        .catch(() => ''),
      /alerts at 60 %/,
    ),
  );
  const [[latest]] = errors;
  await plot('Errors').getByRole('button', { name: /Table/ }).click();
  await eventually(async () =>
    assert.equal(plain(await plot('Errors').locator('.plot-legend b').first().textContent()), latest),
  );
  await eventually(async () =>
    assert.ok((await plot('Errors').locator('canvas').boundingBox()).width > 200, 'the plot is drawn'),
  );
  await until('evidence is plotted', () => plot('error_rate > legacy').waitFor());
  await page.locator('#plots').getByText('/_tidegate/beacon.js').waitFor();
});

test('an endpoint is looked at alone', async () => {
  await page.getByLabel('Endpoint').selectOption('api');
  const { windows } = await metrics('&endpoint=api');
  const sides = windows.flatMap((window) => window.sides);
  const rates = ['new', 'legacy']
    .map((variant) => sides.filter((side) => side.variant === variant))
    .map((of) =>
      measured(
        'share',
        of.reduce((sum, { errors }) => sum + errors, 0) / of.reduce((sum, { requests }) => sum + requests, 0),
      ),
    );
  await until('the table has the endpoint’s rate', async () =>
    assert.ok(
      (await rowsOf('Errors')).some((row) => row.join() === rates.join()),
      rates.join(),
    ),
  );
  await page.getByLabel('Endpoint').selectOption('');
});

test('what pages report has plots of its own', async () => {
  const tokens = await visit('/');
  for (const [side, lcp] of [
    ['new', 3_000],
    ['legacy', 1_000],
  ]) {
    for (const [index, token] of tokens[side].slice(0, 20).entries()) {
      const headers = { 'CF-Connecting-IP': `203.0.113.${index + (side === 'new' ? 0 : 100)}` };
      const taken = await fetch(`${gate.origin}/_tidegate/beacon`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ token, metrics: { lcp }, js_errors: 0 }),
      });
      assert.equal(taken.status, 204);
    }
  }
  const title = 'Largest contentful paint, LCP p75';
  await plot(title).waitFor();
  await until('both sides’ LCP is right to 2 %', async () => {
    const values = (await rowsOf(title))
      .at(0)
      .map((text) => Number(text.replace(' s', '')) * 1_000)
      .map((value, index) => value / [3_000, 1_000][index]);
    assert.ok(
      values.every((ratio) => Math.abs(ratio - 1) < 0.03),
      String(values),
    );
  });
  await assertAccessible();
});

test('new entries of the history appear at the top, and each has a link', async () => {
  const history = page.locator('#history');
  await history.getByText('ana started it').waitFor();
  const { entry } = await gate.command('shop', 'set', { percentage: 25, reason: 'A quarter is enough' });
  await history.getByText('“A quarter is enough”').waitFor();
  const first = history.locator('.history-change').first();
  await eventually(async () =>
    assert.match(
      await first.innerText(),
      /ana set it to 25\u00a0%.*running in half at 50\u00a0% → paused in half at 25\u00a0%/s,
    ),
  );
  await history.getByRole('button', { name: 'Alerts' }).click();
  await until('changes are gone', async () => assert.equal(await history.getByText('ana started it').count(), 0));
  await history.getByRole('button', { name: 'Changes' }).click();
  await history.getByRole('link', { name: new RegExp(`^r${entry.revision}\\b.*link to this entry`) }).click();
  await until('the entry has the focus', async () =>
    assert.equal(await page.evaluate(() => document.activeElement.id), `history-r${entry.revision}`),
  );
});

test('a subject’s side is explained, and again when it changes', async () => {
  const said = page.locator('#explain').getByRole('status');
  const { bucket } = await gate.api('GET', 'assign?rollout=shop&id=user-1');
  await page.locator('#explain-id').fill('user-1');
  await page.keyboard.press('Enter');
  await until('their place is reported', async () =>
    assert.match(await said.innerText(), new RegExp(`“user-1” gets (new|legacy): bucket ${bucket / 1_000}\u00a0%`)),
  );
  await gate.command('shop', 'kill');
  await until('the kill is reported', async () =>
    assert.match(await said.innerText(), /gets legacy: the rollout is killed/),
  );
  await gate.command('shop', 'revive');
  await assertAccessible();
});

test('on a phone nothing is wider than the screen', async () => {
  await page.setViewportSize({ width: 320, height: 720 });
  const wide = () =>
    page.evaluate(() =>
      document.documentElement.scrollWidth <= innerWidth
        ? []
        : [...document.querySelectorAll('main *')]
            .filter((node) => node.getBoundingClientRect().right > innerWidth)
            .map((node) => node.outerHTML.slice(0, 100)),
    );
  await until('it all fits', async () => assert.deepEqual(await wide(), []));
  for (const range of ['30 min', '7 days', '90 days']) {
    await page.getByText(range, { exact: true }).click();
    await until('the plots are there', () => plot('Errors').waitFor());
  }
});

test('all that without a word on the browser’s console and without another origin', () =>
  assert.deepEqual(problems, []));
