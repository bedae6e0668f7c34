// The console behind Cloudflare Access: whoever Access lets in is signed in without a token, by name; and when its
// session ends, the console says so, and what to do.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { openConsole, shows } from './console.mjs';
import { shop } from './plans.mjs';

const AUDIENCE = 'a'.repeat(64);
const HOUR_S = 3_600;
const HEADER = 'Cf-Access-Jwt-Assertion';
const LOGIN = 'https://example.cloudflareaccess.com/cdn-cgi/access/login';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

let server, team, open;
before(async () => {
  const keys = [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'r' }];
  server = createServer((_, response) => response.end(JSON.stringify({ keys })));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  team = `http://127.0.0.1:${server.address().port}`;
  open = await openConsole({
    plans: [shop()],
    bindings: {
      ACCESS_TEAM: team,
      ACCESS_AUD: AUDIENCE,
      ACCESS_ROLES: 'ana@example.com:operator, @example.com:viewer',
    },
  });
});
after(async () => {
  await open?.close();
  await new Promise((resolve) => server.close(resolve));
});

/** A JWT as Access sends it along. */
function token(email) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: team, aud: [AUDIENCE], exp: now + HOUR_S, nbf: now - 60, email, type: 'app' };
  const signed = `${base64url({ alg: 'RS256', kid: 'r' })}.${base64url(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), rsa.privateKey).toString('base64url')}`;
}

const come = (email, hash = '') => open.page(undefined, { hash, extraHTTPHeaders: { [HEADER]: token(email) } });

test('whoever Access lets in is signed in without a token, under their name', async () => {
  const page = await come('ana@example.com');
  await shows(page, '.who-is', 'ana@example.com operator');
  await shows(page, 'h1', 'Rollouts');
  assert.equal(await page.getByLabel('Token').count(), 0, 'no token is asked for');
  const viewer = await come('ben@example.com');
  await shows(viewer, '.who-is', 'ben@example.com viewer');
});

test('what an operator does stands in the history under that person', async () => {
  const page = await come('ana@example.com', '#/rollouts/shop');
  await shows(page, '.who-is', 'ana@example.com operator');
  await shows(page, '[data-command=kill]', 'k');
  await page.keyboard.press('k');
  await page.locator('dialog').getByLabel('Reason').fill('a look at the figures');
  await page.keyboard.press('Enter');
  await shows(page, '.title-line', 'Killed');
  const { entries } = await open.deployment.api('GET', 'rollouts/shop/history?limit=1');
  assert.deepEqual([entries[0].actor, entries[0].reason], ['ana@example.com', 'a look at the figures']);
  await shows(page, 'main', 'a look at the figures');
  await shows(page, 'main', 'ana@example.com');
});

for (const [name, answer] of Object.entries({
  'a way to its login': { status: 302, headers: { Location: LOGIN } },
  'status 401 and a page': { status: 401, contentType: 'text/html', body: '<h1>Sign in</h1>' },
  'status 403 and a page': { status: 403, contentType: 'text/html', body: '<h1>Forbidden</h1>' },
}))
  test(`when its session has ended, and Access answers with ${name}, the console says what to do`, async () => {
    const page = await come('ana@example.com', '#/rollouts/shop');
    await shows(page, '.who-is', 'ana@example.com operator');
    await page.route('**/_tidegate/api/**', (route) => route.fulfill(answer));
    await shows(page, '[role=status]', 'Your sign-in at Cloudflare Access');
    await shows(page, '[role=status]', 'to continue with shop');
    assert.equal(await page.getByText('cannot be reached').count(), 0, 'nor is it called unreachable');
    // Access would ask at this navigation; here it lets one through at once.
    await page.unroute('**/_tidegate/api/**');
    await page.getByRole('button', { name: 'Sign in again' }).click();
    await shows(page, '.who-is', 'ana@example.com operator');
    assert.match(page.url(), /#\/rollouts\/shop$/, 'one comes back to the same place');
  });
