// What the site shows to its users: a message of the plan reaches the pages that it is for, as an event, once for each
// user, until it is dismissed.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFrontend } from '../frontends/serve.mjs';
import { launch } from './chromium.mjs';
import { openDeployment } from './deployment.mjs';
import { EARLY, LATE } from './shop.mjs';

const KNOWN_MS_MAX = 60_000;

let shops, deployment, browser, context;
before(async () => {
  browser = await launch();
  shops = { legacy: await startFrontend('legacy'), next: await startFrontend('new') };
  deployment = await openDeployment({
    plans: [
      `
key = "checkout"
routes = ["/*"]
upstreams = { legacy = "${shops.legacy.url}", new = "${shops.next.url}" }
identity = { from = ["cookie:uid"] }
groups = { invited = { ids = ["${LATE}"] } }
stage = [{ name = "half", percentage = 50, hold = "1h" }, { name = "full", percentage = 100 }]
[[notice]]
at = "half"
audience = "users"
text = "Try the new checkout\\nYou can go back at any time."
in_app = { to = "legacy", group = "invited", link = "/about?try=new" }
[[notice]]
at = "half"
audience = "users"
text = "The new checkout <b>is here</b>"
in_app = "new"
[[notice]]
at = "rollback"
audience = "users"
text = "We have gone back"
in_app = { to = "all", for = "1d" }
`,
    ],
  });
  await deployment.command('checkout', 'start');
});
afterEach(() => context?.close());
after(async () => {
  await browser?.close();
  await deployment?.close();
  await Promise.all(Object.values(shops ?? {}).map((shop) => shop.close()));
});

/** A browser of a user's own. `listen` is how the site takes messages. */
async function visitor(user, listen = 'void 0') {
  context = await browser.newContext({ baseURL: deployment.origin });
  await context.addCookies([{ name: 'uid', value: user, url: deployment.origin }]);
  await context.addInitScript(`
    window.got = [];
    addEventListener('tidegate:message', (event) => {
      const { dismiss, ...detail } = event.detail;
      window.got.push(detail);
      (${listen});
    });`);
  return context;
}

/** A page that was loaded and has asked for its messages, and those that it got. */
async function messages(path = '/') {
  const page = await context.newPage();
  const [report] = await Promise.all([
    page.waitForResponse((response) => new URL(response.url()).pathname === '/_tidegate/beacon', { timeout: 30_000 }),
    page.goto(path),
  ]);
  if (report.status() === 200)
    await page.waitForFunction(() => window.tidegate.messages.length > 0 || localStorage['tidegate:messages']);
  const got = await page.evaluate(() => window.got);
  return { page, got, status: report.status() };
}

/** Waits until a user's pages have a token of this side, under which they ask. */
async function untilToken(user, side) {
  const deadline = Date.now() + KNOWN_MS_MAX;
  for (;;) {
    const { headers } = await fetch(deployment.origin, { headers: { cookie: `uid=${user}`, accept: 'text/html' } });
    if (headers.get('tidegate-variant') === side && /tidegate;desc=/.test(headers.get('server-timing') ?? '')) return;
    assert.ok(Date.now() < deadline, `pages of ${user} have a token on ${side}`);
    await sleep(50);
  }
}

/** The same as `messages`, once the isolate knows of a message. */
async function untilMessages() {
  const deadline = Date.now() + KNOWN_MS_MAX;
  for (;;) {
    const found = await messages();
    if (found.got.length > 0) return found;
    await found.page.close();
    assert.ok(Date.now() < deadline, 'the message reaches a page');
    await sleep(200);
  }
}

test('a launch reaches a page of new as text, and once', async () => {
  await untilToken(EARLY, 'new');
  await visitor(EARLY);
  const { page, got } = await untilMessages();
  const [{ id, ...message }] = got;
  assert.deepEqual(message, {
    rollout: 'checkout',
    kind: 'launch',
    title: 'The new checkout <b>is here</b>',
    text: '',
  });
  assert.match(id, /^[\w-]{12}$/);
  assert.deepEqual(await page.evaluate(() => window.tidegate.messages.map((own) => own.id)), [id]);
  await page.close();
  const again = await messages('/about');
  assert.deepEqual([again.status, again.got], [200, []], 'it was shown');
});

test('an invitation reaches the group that is on legacy, with its link, on each page until it is dismissed', async () => {
  await visitor(LATE, 'event.preventDefault()');
  const first = await untilMessages();
  const [{ id, ...message }] = first.got;
  assert.deepEqual(message, {
    rollout: 'checkout',
    kind: 'preview',
    title: 'Try the new checkout',
    text: 'You can go back at any time.',
    link: '/about?try=new',
  });
  await first.page.close();
  const second = await messages('/about');
  assert.deepEqual(
    second.got.map((own) => own.id),
    [id],
  );
  await second.page.evaluate(() => window.tidegate.messages[0].dismiss());
  assert.deepEqual((await messages()).got, []);
  // Another user at the same browser has not seen what they would get.
  await context.clearCookies();
  await context.addCookies([{ name: 'uid', value: EARLY, url: deployment.origin }]);
  const other = await messages();
  assert.deepEqual(
    other.got.map(({ kind }) => kind),
    ['launch'],
  );
});

test('nobody else on legacy is invited, and a page without a listener goes on', async () => {
  // Its bucket is over the half, and no group has it.
  await visitor('user-8');
  const side = (await fetch(`${deployment.origin}/about`, { headers: { cookie: 'uid=user-8' } })).headers.get(
    'tidegate-variant',
  );
  const { got, status } = await messages();
  assert.deepEqual(
    got.map(({ kind }) => kind),
    side === 'legacy' ? [] : ['launch'],
  );
  assert.equal(status, side === 'legacy' ? 204 : 200);
});

test('a forged answer, a repeated one and a forged question do no harm', async () => {
  await visitor(EARLY);
  const body = {
    messages: [
      { id: 'a', rollout: 'checkout', kind: 'launch', title: 'One', text: '', link: 'javascript:alert(1)' },
      { id: 'a', rollout: 'checkout', kind: 'launch', title: 'One', text: '' },
      { id: 'b', rollout: 'checkout', kind: 'launch', title: { html: '<b>' }, text: '' },
      null,
    ],
  };
  await context.route('**/_tidegate/beacon', (route) => route.fulfill({ json: body }));
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto('/');
  await page.waitForFunction(() => window.got.length > 0, undefined, { timeout: 30_000 });
  assert.deepEqual(await page.evaluate(() => window.got), [
    { id: 'a', rollout: 'checkout', kind: 'launch', title: 'One', text: '' },
  ]);
  assert.deepEqual(problems, []);
  const forged = await fetch(`${deployment.origin}/_tidegate/beacon`, {
    method: 'POST',
    body: JSON.stringify({ token: '1~1~a~checkout:new:half:1:0:.x', messages: true }),
  });
  assert.equal(forged.status, 403);
});

test('after a rollback an incident reaches everybody, and what such pages report counts nowhere', async () => {
  await deployment.command('checkout', 'rollback');
  await untilToken(EARLY, 'legacy');
  await visitor(EARLY);
  const { got, page } = await untilMessages();
  assert.deepEqual(
    got.map(({ kind, title }) => [kind, title]),
    [['incident', 'We have gone back']],
  );
  assert.deepEqual(await page.evaluate(() => [window.tidegate.rollouts, document.documentElement.dataset.side]), [
    [],
    'legacy',
  ]);
  const { windows } = await deployment.api('GET', 'rollouts/checkout/metrics');
  const { state } = await deployment.api('GET', 'rollouts/checkout');
  const pages = windows
    .filter(({ revision }) => revision === state.revision)
    .flatMap(({ sides }) => sides)
    .map((side) => side.pages);
  assert.ok(
    pages.every((count) => count === 0),
    JSON.stringify(pages),
  );
});
