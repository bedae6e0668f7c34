// What the page says when something has happened: which guardrail acted, what is in force, what holds
// the next attempt back; and the same on a phone.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { TOKENS } from '../browser/deployment.mjs';
import { eventually, openConsole, shows, signIn } from './console.mjs';

const ALARM_MS_MAX = 90_000;
const plan = (key) => `
key = "${key}"
routes = ["/${key}/*"]
upstreams = { legacy = "http://127.0.0.1:7", new = "http://127.0.0.1:9" }
identity = { from = ["header:x-user-id"], anonymous = true }
signals = { p1 = { kind = "count" } }
after_rollback = ["Cause found"]
stage = [{ name = "canary", percentage = 10, hold = "1h", gates = ["error_rate < 1% over stage"] }, { name = "full", percentage = 100 }]
guardrail = [{ when = "signal.p1 > 0 over 5m", then = "rollback" }, { when = "error_rate > 5% over 5m", then = "rollback" }]
`;
/** One signal is reported by hand, one is asked for where nobody answers, and one comes from a tool that is silent. */
const signalled = plan('signalled').replace(
  'signals = { p1 = { kind = "count" } }',
  'signals = { p1 = { kind = "count" }, cpu = { json = { url = "http://127.0.0.1:9/", at = "/cpu" } }, high = { kind = "gauge" } }\n' +
    'receivers = { alerts = { kind = "alertmanager", token = "secret:ALERTS_TOKEN", heartbeat = "10m", signals = [{ set = "high" }] } }',
);
/** It goes on, and something is wrong with it all the same. */
const observing = plan('observing')
  .replace(
    'then = "rollback" }, {',
    'then = "rollback", mode = "observe" }, { when = "signal.cpu > 90", then = "alert" }, {',
  )
  .replace('p1 = { kind = "count" }', 'p1 = { kind = "count" }, cpu = { kind = "gauge", fresh = "2s" }');
const hashed = (token) => createHash('sha256').update(token).digest('hex');

let open;
before(async () => {
  open = await openConsole({
    plans: [plan('alarmed'), plan('killed'), plan('quiet'), signalled, observing],
    bindings: {
      ADMIN_TOKENS: `operator:operator:${hashed(TOKENS.operator)},vic:viewer:${hashed(TOKENS.viewer)}`,
      ALERTS_TOKEN: 'what Alertmanager sends with each delivery',
    },
  });
  const { api, command } = open.deployment;
  for (const key of ['alarmed', 'killed', 'quiet', 'observing']) await command(key, 'start');
  await command('killed', 'kill');
  await api('POST', 'rollouts/alarmed/signals', { name: 'p1', count: 1 });
  await api('POST', 'rollouts/signalled/signals', { name: 'p1', count: 0 });
  await api('POST', 'rollouts/observing/signals', { name: 'p1', count: 1 });
  await api('POST', 'rollouts/observing/signals', { name: 'cpu', value: 10 });
});
after(() => open?.close());

const at = (key, more) => ({ hash: `#/rollouts/${key}`, ...more });
const badgeOf = (page, condition) => page.locator('.verdict', { hasText: condition }).first().locator('.badge');

test('the guardrail that acted says so, and the header names it in a few words', async () => {
  const page = await open.page('operator', at('alarmed'));
  await page.locator('.title-line', { hasText: 'Rolled back' }).waitFor({ timeout: ALARM_MS_MAX });
  await shows(page, '.last', 'came true.');
  await eventually(async () => assert.equal(await badgeOf(page, 'signal.p1 > 0').innerText(), 'Acted'));
  await eventually(async () => assert.notEqual(await badgeOf(page, 'error_rate > 5%').innerText(), 'Acted'));
  await eventually(async () =>
    assert.match(
      await page.locator('.last').innerText(),
      /^A guardrail rolled it back to 0\u00a0% .*: signal\.p1 > 0 over 5m came true\. Its figures$/,
    ),
  );
  await page.locator('.last').getByRole('link', { name: 'Its figures' }).click();
  await page.waitForFunction(() => document.activeElement.id === 'history-r3');
  const { entries, explanations } = await open.deployment.api('GET', 'rollouts/alarmed/history?limit=1');
  assert.deepEqual(entries[0].cause, { by: 'guardrail', index: 0, condition: 'signal.p1 > 0 over 5m' });
  const [{ reason, figures }] = explanations;
  assert.equal(reason, 'the guardrail `signal.p1 > 0 over 5m` came true');
  await shows(page, '#history-r3', reason);
  await shows(page, '#history', 'the figures are those of r3.');
  await page.locator('#history-r3 summary').click();
  await shows(page, '#history-r3', figures[0]);
});

test('a running rollout with something wrong says so beside its state, and needs attention', async () => {
  const page = await open.page('viewer', at('observing'));
  const words = ['Running', 'Measuring stopped', 'Would have rolled back'];
  const head = page.locator('.title-line .badge');
  await eventually(async () => assert.deepEqual(await head.allInnerTexts(), words));
  await eventually(async () =>
    assert.deepEqual(await head.evaluateAll((all) => all.map(({ dataset }) => dataset.tone)), ['good', 'warn', 'warn']),
  );
  await page.getByRole('link', { name: 'Rollouts', exact: true }).first().click();
  const attention = page.getByRole('region', { name: /^Needs attention/ });
  await attention.getByRole('link', { name: 'observing' }).waitFor();
  await eventually(async () =>
    assert.deepEqual(
      await attention
        .locator('.row', { hasText: 'observing' })
        .locator('.row-phase .badge, .row-title .badge')
        .allInnerTexts(),
      words,
    ),
  );
  await page
    .getByRole('region', { name: /^Running/ })
    .getByRole('link', { name: 'quiet' })
    .waitFor();
});

test('what is wrong comes before all else on a phone, and before what is watched on a desk', async () => {
  const page = await open.page('viewer', at('observing'));
  await shows(page, '#problems .verdict', 'measuring_stopped');
  const boxes = async () => {
    const all = ['problems', 'stages', 'explain', 'papers', 'verdicts'].map((id) =>
      page.locator(`#${id}`).boundingBox(),
    );
    const [problems, ...others] = await Promise.all(all);
    return { problems, others };
  };
  await eventually(async () => {
    const { problems, others } = await boxes();
    const [stages, , , verdicts] = others;
    assert.ok(problems.y === stages.y && problems.x > stages.x, JSON.stringify([problems, stages]));
    assert.ok(
      problems.y + problems.height <= verdicts.y && problems.x === verdicts.x,
      JSON.stringify([problems, verdicts]),
    );
  });
  await page.setViewportSize({ width: 390, height: 844 });
  await eventually(async () => {
    const { problems, others } = await boxes();
    for (const other of others) assert.ok(problems.y + problems.height <= other.y, JSON.stringify([problems, other]));
  });
  assert.deepEqual(
    await page.locator('.columns > .column > section').evaluateAll((all) => all.slice(0, 3).map(({ id }) => id)),
    ['broke', 'problems', 'stages'],
  );
});

test('a signal says what it is, where it comes from, and what is wrong with that', async () => {
  const page = await open.page('viewer', at('signalled'));
  const row = (name) => page.locator('#signals .signal', { has: page.locator(`code:text-is("${name}")`) });
  await eventually(async () => assert.match(await row('p1').innerText(), /^p1\s+0 counted\s+(just now|\d+ \w+ ago)$/));
  await eventually(async () =>
    assert.match(await row('cpu').innerText(), /^cpu\s+–\s+never reported, from JSON\s+It cannot be asked: /),
  );
  assert.match(await row('high').innerText(), /^high\s+–\s+never reported, from alerts$/);
  assert.match(await row('/_tidegate/in/alerts').innerText(), /alertmanager, nothing has arrived, expected every 10m$/);
  await shows(page, '.fault[aria-label="Fault: receiver/alerts"]', 'No delivery has arrived');
  await shows(page, '.fault[aria-label="Fault: signal/cpu"]', 'has no value');
});

test('after a rollback the ladder shows what is in force, and where it came from', async () => {
  const page = await open.page('viewer', at('alarmed'));
  const [force, left] = ['current', 'left'].map((kind) => page.locator(`.rung[data-kind=${kind}]`));
  await shows(page, '.rung[data-kind=current]', 'Rolled back');
  await eventually(async () =>
    assert.match(await force.innerText(), /0\u00a0%[\s\S]*it came from canary; 0\u00a0% on new/),
  );
  await eventually(async () => assert.match(await left.innerText(), /canary[\s\S]*was in force before/));
  await eventually(async () => assert.equal(await left.getAttribute('aria-current'), null));
});

test('what holds Resume back is said beside the commands, and leads to the checklist', async () => {
  const page = await open.page('operator', at('alarmed'));
  await shows(page, '.commands-held', 'Resume and Complete: not approved yet: Cause found.');
  const resume = page.getByRole('button', { name: 'Resume', exact: true });
  await eventually(async () => assert.equal(await resume.getAttribute('aria-disabled'), 'true'));
  await eventually(async () =>
    assert.match(
      await page.locator(`#${await resume.getAttribute('aria-describedby')}`).innerText(),
      /not approved yet: Cause found/,
    ),
  );
  await resume.click({ force: true });
  await eventually(async () =>
    assert.equal(await page.locator('dialog[open]').count(), 0, 'a button that is disabled opens nothing'),
  );
  const address = page.url();
  await page.getByRole('link', { name: 'To the checklist' }).click();
  await eventually(async () => assert.equal(await page.evaluate(() => document.activeElement.id), 'checklist'));
  assert.equal(page.url(), address);
  await open.deployment.command('alarmed', 'approve', { item: 'Cause found' });
  await page.locator('[data-command=resume]:not([aria-disabled])').waitFor();
  await shows(page, '.commands-held', 'Complete: the rollout is rolled back.');
  await shows(page, '.history-item', 'Cause found');
  await shows(page, '.last', 'A guardrail rolled it back');
  await badgeOf(page, 'signal.p1').getByText('Acted').waitFor();
});

test('what happened is there again whenever one comes back', async () => {
  const page = await open.page('operator', at('alarmed'));
  await shows(page, '.last', 'A guardrail rolled it back');
  await page.getByRole('link', { name: 'Rollouts', exact: true }).first().click();
  await page.getByRole('link', { name: 'alarmed', exact: true }).click();
  await shows(page, '.last', 'A guardrail rolled it back');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, open.deployment.tokens.operator);
  await shows(page, '.last', 'A guardrail rolled it back');
});

test('the gates of a killed rollout are not in force', async () => {
  const page = await open.page('operator', at('killed'));
  await shows(page, '.title-line', 'Killed');
  await eventually(async () =>
    assert.equal(await badgeOf(page, 'error_rate < 1% over stage').innerText(), 'Not in force'),
  );
  await shows(page, '.rung[data-kind=current]', 'in force instead of canary');
  await shows(page, '.rung[data-kind=left]', 'was in force before the kill');
});

test('a guardrail without a verdict is no fault, and its words are explained', async () => {
  const page = await open.page('operator', at('quiet'));
  const row = page.locator('.verdict', { hasText: 'error_rate > 5%' });
  await row.getByText('Not enough data').waitFor();
  assert.equal(await row.getAttribute('data-verdict'), 'inconclusive');
  await page.getByText('What the words mean').focus();
  await page.keyboard.press('Enter');
  await shows(page, '.meanings', 'This is no fault');
  await page.getByRole('link', { name: 'Rollouts', exact: true }).first().click();
  await shows(page, '.row', 'quiet');
  await eventually(async () =>
    assert.doesNotMatch(await page.locator('.row', { hasText: 'quiet' }).innerText(), /inconclusive|verdict/i),
  );
});

test('Explain without an id says what is missing', async () => {
  const page = await open.page('operator', at('quiet'));
  await page.getByRole('button', { name: 'Explain' }).click();
  await shows(page, '.explain-problem', 'Type the id of a user first.');
  await eventually(async () => assert.equal(await page.evaluate(() => document.activeElement.id), 'explain-id'));
});

test('a token named for its role is named once', async () => {
  const page = await open.page('operator');
  await shows(page, '.who-is', 'operator');
  await eventually(async () =>
    assert.equal((await page.locator('.who-is').innerText()).replace('Signed in as', '').trim(), 'operator'),
  );
});

test('on a phone every section is one key away', async () => {
  const page = await open.page('operator', at('quiet', { viewport: { width: 390, height: 844 } }));
  const jumps = page.getByRole('navigation', { name: 'On this page' });
  await jumps.waitFor();
  await eventually(async () =>
    assert.deepEqual(
      await jumps.getByRole('link').allInnerTexts(),
      ['Stages', 'Explain a user', 'Papers', 'Guardrails and gates', 'Signals', 'New vs legacy', 'History'],
      'those that have something to say',
    ),
  );
  await jumps.getByRole('link', { name: 'History' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'history');
  const { y } = await page.getByRole('heading', { name: 'History' }).boundingBox();
  const bar = await jumps.boundingBox();
  assert.ok(y >= bar.y + bar.height && y < 844, `${y} is under the list, whose end is at ${bar.y + bar.height}`);
});
