// The page Rehearse in Chromium: the same lives as the command's, what is wrong with its line, and
// nothing for axe to find.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { COMMAND } from '../../scripts/command.mjs';
import { AXE, launch } from '../browser/chromium.mjs';
import { openDeployment } from '../browser/deployment.mjs';
import { eventually, plain } from './console.mjs';

const STAGED = readFileSync('plans/staged.toml', 'utf8');
const ACTION_MS_MAX = 60_000;
const RUN_MS_MAX = 180_000;

let deployment;
let browser;
let opened = [];

before(async () => {
  deployment = await openDeployment({ plans: [readFileSync('plans/demo.toml', 'utf8')] });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await deployment?.close();
});
afterEach(async () => {
  const all = opened;
  opened = [];
  for (const { page, faults, foreign } of all) {
    await page.context().close();
    assert.deepEqual(faults, [], 'the page has no error');
    assert.deepEqual(foreign, [], 'nothing is asked of another origin');
  }
});

/**
 * The page, signed in. `expected` are errors that a test provokes.
 * @param {{ expected?: RegExp } & import('playwright-core').BrowserContextOptions} [options]
 */
async function rehearse({ expected = /$^/, ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(ACTION_MS_MAX);
  const page = await context.newPage();
  const faults = [];
  const foreign = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on(
    'console',
    (message) =>
      message.type() === 'error' &&
      !/401/.test(message.text()) &&
      !expected.test(message.text()) &&
      faults.push(message.text()),
  );
  page.on(
    'request',
    (request) =>
      !request.url().startsWith(deployment.origin) &&
      !/^(blob|data):/.test(request.url()) &&
      foreign.push(request.url()),
  );
  opened.push({ page, faults, foreign });
  await page.goto(`${deployment.console}#/rehearse`);
  await page.getByLabel('Token').fill(deployment.tokens.operator);
  await page.getByRole('button', { name: 'Sign in' }).click();
  return page;
}

const choose = (page, value) => page.getByLabel('Plan to rehearse').selectOption(value);
const inject = (page, text) => page.getByLabel('The same as text').fill(text);
const run = (page) => page.getByRole('button', { name: /^Run/ }).first().click();

/** What the command says of the same. */
function fate(...words) {
  return JSON.parse(execFileSync(COMMAND, ['simulate', '--json', ...words], { encoding: 'utf8' }).split('\n')[0]);
}

const grouped = (count) => count.toLocaleString('en-GB');

/** What a fate costs, in the sentence of the page. */
function costOf({ subjects_exposed, requests_failed, requests_until_detection }) {
  const failed = requests_failed === 1 ? 'saw 1 error' : `saw ${grouped(requests_failed)} errors`;
  return [
    `${grouped(subjects_exposed)} users`,
    failed,
    requests_until_detection === null ? '' : `after ${grouped(requests_until_detection)} requests to new`,
  ];
}

async function finds(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }),
  );
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`),
    [],
  );
}

test('a failure is injected by form, and the plan goes back as the command says', async () => {
  const page = await rehearse();
  await page.getByText('Choose a plan, add failures').waitFor();
  await finds(page);
  await choose(page, 'ready plans/staged.toml');
  await page.getByLabel('How much').fill('20%');
  await page.getByLabel('After').fill('6h');
  await page.getByRole('button', { name: 'Add the line' }).click();
  // What a click has changed is drawn with the next frame.
  await page.waitForFunction(
    (text) => [...document.querySelectorAll('textarea')].some(({ value }) => value === text),
    'approve everything\nnew.error_rate = 20% from 6h\n',
  );
  await run(page);
  const verdict = page.locator('.fate');
  await verdict.waitFor({ timeout: RUN_MS_MAX });
  const expected = fate(
    'plans/staged.toml',
    '--inject',
    'approve everything',
    '--inject',
    'new.error_rate = 20% from 6h',
  );
  assert.equal(expected.outcome, 'rolled_back');
  let after;
  await eventually(async () => {
    const shown = plain(await verdict.innerText());
    [, after] = /^Rolled back after (.*) at pilot, 5 %/.exec(shown);
    for (const words of [expected.reason.replaceAll('`', '').replace(/^the/, 'The'), ...costOf(expected)])
      assert.ok(shown.includes(words), `${words} in ${shown}`);
  });
  await eventually(async () =>
    assert.equal(
      await page.locator('.life-event', { hasText: 'Rollback by a guardrail' }).locator('.life-event-at').innerText(),
      after,
      'the event has the same time',
    ),
  );
  await eventually(async () =>
    assert.ok((await page.locator('.plot-canvas canvas').count()) >= 4, 'its life is drawn'),
  );
  await eventually(async () => assert.match(await page.locator('.life-events').innerText(), /Rollback by a guardrail/));
  const command = await page.locator('.command code').first().innerText();
  assert.equal(
    command,
    "tidegate simulate plans/staged.toml --inject 'approve everything' --inject 'new.error_rate = 20% from 6h'",
  );
  await finds(page);
});

test('a plan of the deployment runs by keyboard, with another seed and fewer requests', async () => {
  const page = await rehearse();
  await page.locator('option[value="deployed demo"]').waitFor({ state: 'attached' });
  await choose(page, 'deployed demo');
  await inject(page, 'new.error_rate = 30% from quarter+10s');
  await page.getByLabel('Seed', { exact: true }).fill('7');
  await page.getByLabel('Requests an hour').fill('60000');
  await page.keyboard.press('Control+Enter');
  await page.locator('.fate').waitFor();
  const expected = fate(
    'plans/demo.toml',
    '--seed',
    '7',
    '--requests-per-hour',
    '60000',
    '--inject',
    'new.error_rate = 30% from quarter+10s',
  );
  await eventually(async () => {
    const shown = await page.locator('.fate').innerText();
    for (const words of costOf(expected)) assert.ok(shown.includes(words), `${words} in ${shown}`);
  });
  await eventually(async () =>
    assert.match(
      await page.locator('.command code').first().innerText(),
      /demo\.json .*--requests-per-hour 60000 --seed 7$/,
    ),
  );
});

test('a run asked for while the simulation still loads begins when it is there, once', async () => {
  const page = await rehearse();
  let arrive;
  const arrived = new Promise((resolve) => {
    arrive = resolve;
  });
  await page.context().route('**/*.wasm', async (route) => {
    await arrived;
    await route.continue();
  });
  await page.reload();
  await choose(page, 'ready plans/demo.toml');
  await page.getByText('Loading the simulation…', { exact: true }).first().waitFor();
  // Where the focus is after the sign-in.
  await page.getByRole('heading', { level: 1 }).focus();
  await page.keyboard.press('Control+Enter');
  await page.keyboard.press('Control+Enter');
  assert.equal(await page.locator('.fate').count(), 0);
  arrive();
  await page.locator('.fate').waitFor();
  const expected = fate('plans/demo.toml', '--inject', 'approve everything');
  await eventually(async () => {
    const shown = await page.locator('.fate').innerText();
    for (const words of costOf(expected)) assert.ok(shown.includes(words), `${words} in ${shown}`);
  });
});

test('many seeds tell how often, with an interval', async () => {
  const page = await rehearse();
  await choose(page, 'ready plans/demo.toml');
  await page.getByRole('button', { name: 'Outage in canary' }).click();
  await run(page);
  await page.getByRole('button', { name: 'Run 100 seeds' }).click();
  await page.getByText('100 runs', { exact: true }).first().waitFor({ timeout: RUN_MS_MAX });
  await eventually(async () =>
    assert.match(
      await page.locator('.rates').innerText(),
      /Rolled back\s+\d+\u00a0%, with an interval of 95\u00a0% from [\d.]+\u00a0% to [\d.]+\u00a0%/,
    ),
  );
  await finds(page);
});

test('a plan with errors shows each with its line, and does not run', async () => {
  const page = await rehearse();
  await choose(page, 'own plan.toml');
  const area = page.getByLabel('The plan, in TOML or as JSON');
  const text = STAGED.replace(/^percentage = 5 /m, 'percentage = "five" ').replace(/^gates /m, 'gatez ');
  await area.fill(text);
  await page.getByText(/^\d+ errors/).waitFor();
  await inject(page, 'pause at noon\n');
  const lines = text.split('\n');
  const rows = page.locator('#rehearse-plan .fault-row');
  let shown;
  await eventually(async () => {
    shown = await rows.allInnerTexts();
    assert.ok(shown.length >= 2, shown.join('\n'));
    for (const wanted of ['percentage = "five"', 'gatez ']) {
      const line = lines.findIndex((own) => own.includes(wanted)) + 1;
      assert.ok(line > 0 && shown.some((row) => row.includes(`Line ${line}, `)), `line ${line}: ${shown.join('\n')}`);
    }
  });
  await rows.first().getByRole('button').click();
  await eventually(async () => {
    const [start, end] = await area.evaluate((own) => [own.selectionStart, own.selectionEnd]);
    assert.ok(
      shown[0].includes(`Line ${text.slice(0, start).split('\n').length}, `) && end > start,
      'the button leads there',
    );
  });
  await page.getByText(/^Mend \d+ errors? in the plan/).waitFor();
  await page.keyboard.press('Control+Enter');
  await eventually(async () => assert.equal(await page.locator('.fate').count(), 0));
  await finds(page);
});

test('a scenario with errors shows each with its line and the way out', async () => {
  const page = await rehearse();
  await choose(page, 'ready plans/demo.toml');
  await inject(page, 'new.eror_rate = 2%\npause at noon\n');
  await page.getByText('did you mean error_rate?', { exact: false }).first().waitFor();
  await eventually(async () => {
    const rows = await page.locator('#rehearse-scenario .fault-row').allInnerTexts();
    assert.match(rows.join('\n'), /Line 1, column 1[\s\S]*Line 2, column 10/);
  });
  await page.getByRole('button', { name: 'Remove: pause at noon' }).click();
  await page.getByText('Line 2, column 10').waitFor({ state: 'detached' });
  await eventually(async () =>
    assert.equal(await page.getByLabel('The same as text').inputValue(), 'new.eror_rate = 2%\n'),
  );
});

test('a run can be stopped', async () => {
  const page = await rehearse();
  await choose(page, 'ready plans/staged.toml');
  await page.getByLabel('Requests an hour').fill('60000');
  await run(page);
  await page.getByText(/simulated, in/).waitFor();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByText(/^Stopped: /).waitFor();
});

test('a simulation that cannot be loaded says so, and can be loaded again', async () => {
  const page = await rehearse({ expected: /Failed to load resource/ });
  await page.context().route('**/*.wasm', (route) => route.fulfill({ status: 503 }));
  await page.reload();
  await page.getByText('The simulation could not be loaded.', { exact: true }).first().waitFor();
  await finds(page);
  await page.context().unroute('**/*.wasm');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Choose a plan, add failures').waitFor();
});

test('it holds on a phone and in the dark', async () => {
  const page = await rehearse({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    colorScheme: 'dark',
    reducedMotion: 'reduce',
  });
  await choose(page, 'ready plans/staged.toml');
  await page.getByRole('button', { name: '5 % errors from 6 h' }).click();
  await run(page);
  await page.locator('.fate').waitFor({ timeout: RUN_MS_MAX });
  await eventually(async () =>
    assert.ok(
      await page.locator('.fate').evaluate((node) => node.getBoundingClientRect().top < innerHeight),
      'what became of it is in sight',
    ),
  );
  const button = page.getByRole('button', { name: 'Run', exact: true });
  await page.evaluate(() => scrollTo(0, 0));
  const { y, height } = await button.boundingBox();
  assert.ok(y >= 0 && y + height <= 844, 'the button is in reach');
  await eventually(async () => assert.equal(await button.innerText(), 'Run', 'without a key'));
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= screen, `${wide} px on ${screen}`);
  await finds(page);
});
