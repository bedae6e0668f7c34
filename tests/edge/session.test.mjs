// The console's session, every answer held against the API's document; and the files that browsers load
// from Tidegate itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, PUBLIC_HOST, TOKENS } from './harness.mjs';
import { checked, neverAnswered, SESSION } from './openapi.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const SAME_ORIGIN = { 'Sec-Fetch-Site': 'same-origin', Origin: `https://${PUBLIC_HOST}` };
const JSON_TYPE = { 'Content-Type': 'application/json' };

let legacy, next, gate, api;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate();
  api = checked(gate);
  await operator(api, 'ana').apply([plan(legacy, next)]);
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * @param {string} token
 * @param {Record<string, string>} [headers]
 */
const signIn = (token, headers = SAME_ORIGIN) =>
  api.fetch(SESSION, { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ token }) });
const command = (headers) =>
  api.fetch('/_tidegate/api/rollouts/shop/commands', {
    method: 'POST',
    headers: { ...JSON_TYPE, 'If-Match': '*', ...headers },
    body: '{"command":"set","percentage":10,"reason":"x"}',
  });

/** The cookie that a sign-in leaves. */
async function cookieOf(name) {
  const answer = await signIn(TOKENS[name]);
  assert.equal(answer.status, 200, answer.text);
  return { Cookie: answer.get('set-cookie').split(';')[0] };
}

function problem(answer, status, kind) {
  assert.equal(`${answer.status} ${answer.json().type}`, `${status} urn:tidegate:problem:${kind}`, answer.text);
}

describe('a session', () => {
  test('begins with a token, tells whose it is, and counts as the token', async () => {
    const ana = await cookieOf('ana');
    const { name, role, expires } = (await api.fetch(SESSION, { headers: ana })).json();
    assert.deepEqual([name, role], ['ana', 'operator']);
    assert.ok(Math.abs(Date.parse(expires) - Date.now() - 12 * 3_600_000) < 60_000, expires);
    assert.equal((await api.fetch('/_tidegate/api/rollouts', { headers: ana })).status, 200);
    const done = await command({ ...ana, ...SAME_ORIGIN });
    assert.deepEqual([done.status, done.json().entry.actor], [200, 'ana']);
  });

  test('of a viewer reads and changes nothing', async () => {
    const vic = await cookieOf('vic');
    assert.equal((await api.fetch(SESSION, { headers: vic })).json().role, 'viewer');
    problem(await command({ ...vic, ...SAME_ORIGIN }), 403, 'forbidden');
  });

  test('does not begin without a known token', async () => {
    for (const token of ['', 'wrong', `${TOKENS.ana}x`]) problem(await signIn(token), 401, 'unauthorized');
    for (const body of ['', '{}', '[]', '{"token":1}', '{"token":"x","name":"ana"}'])
      problem(await api.fetch(SESSION, { method: 'POST', headers: JSON_TYPE, body }), 400, 'malformed');
    problem(await api.fetch(SESSION), 401, 'unauthorized');
    problem(
      await api.fetch(SESSION, { headers: { Cookie: '__Secure-tidegate-session=ana~9999999999.AAAA' } }),
      401,
      'unauthorized',
    );
    problem(await api.fetch(SESSION, { method: 'PUT' }), 405, 'method-not-allowed');
  });

  test('does not begin, end or change anything for a page of another site', async () => {
    const ana = await cookieOf('ana');
    for (const foreign of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
      problem(await signIn(TOKENS.ana, foreign), 403, 'cross-site');
      problem(await command({ ...ana, ...foreign }), 403, 'cross-site');
      problem(await api.fetch(SESSION, { method: 'DELETE', headers: { ...ana, ...foreign } }), 403, 'cross-site');
    }
    // A browser sends the cookie by itself, so what proves nothing is refused.
    problem(await command(ana), 403, 'cross-site');
  });

  test('does not begin over plain HTTP, where the browser would drop it', async () => {
    problem(
      await api.fetch(SESSION, {
        method: 'POST',
        scheme: 'http',
        headers: JSON_TYPE,
        body: JSON.stringify({ token: TOKENS.ana }),
      }),
      403,
      'plain-http',
    );
  });

  test('ends in the browser by signing out', async () => {
    const answer = await api.fetch(SESSION, { method: 'DELETE', headers: SAME_ORIGIN });
    assert.equal(answer.status, 204);
  });

  test('never reaches a frontend, by the path of its cookie', async () => {
    const [, ...attributes] = (await signIn(TOKENS.ana)).get('set-cookie').split('; ');
    assert.deepEqual(attributes, ['Path=/_tidegate/', 'Secure', 'HttpOnly', 'SameSite=Strict', 'Max-Age=43200']);
  });

  test('ends with the token, and with the key', async () => {
    const ana = await cookieOf('ana');
    await gate.restart({ bindings: { SIGNING_KEY: 'another key, of 32 bytes or more' } });
    problem(await api.fetch(SESSION, { headers: ana }), 401, 'unauthorized');
    await gate.restart({ bindings: { ADMIN_TOKENS: `ana:operator:${'ab'.repeat(32)}` } });
    problem(await api.fetch(SESSION, { headers: ana }), 401, 'unauthorized');
    await gate.restart({ bindings: { ADMIN_TOKENS: '' } });
    problem(await api.fetch(SESSION, { headers: ana }), 503, 'no-tokens');
    problem(await signIn(TOKENS.ana), 503, 'no-tokens');
    await gate.restart({ bindings: { SIGNING_KEY: 'too short' } });
    problem(await signIn(TOKENS.ana), 503, 'no-signing-key');
    problem(await api.fetch(SESSION, { headers: ana }), 503, 'no-signing-key');
    await gate.restart();
  });
});

test('each operation of a session has been answered', () =>
  assert.deepEqual(
    neverAnswered().filter((name) => name.endsWith(SESSION)),
    [],
  ));

describe('the files', () => {
  test('are the console, under a policy that lets it load nothing but itself', async () => {
    const page = await gate.fetch('/_tidegate/');
    assert.deepEqual(
      [page.status, page.get('content-type').split(';')[0], page.get('cache-control')],
      [200, 'text/html', 'no-cache'],
    );
    assert.match(page.get('content-security-policy'), /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
    assert.deepEqual(
      [page.get('x-content-type-options'), page.get('x-frame-options'), page.get('referrer-policy')],
      ['nosniff', 'DENY', 'no-referrer'],
    );
    const names = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name);
    assert.ok(names.length >= 3, page.text);
    for (const name of names) {
      const file = await gate.fetch(`/_tidegate/${name}`);
      assert.equal(file.status, 200, name);
      assert.match(file.get('cache-control'), /-[A-Z0-9]{8}\.\w+$/.test(name) ? /immutable/ : /^no-cache$/);
    }
  });

  test('are found from the path without its slash, and by HEAD', async () => {
    const { status, get } = await gate.fetch('/_tidegate');
    assert.deepEqual([status, get('location')], [308, '/_tidegate/']);
    const head = await gate.fetch('/_tidegate/', { method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
  });

  test('are not read again while they are the same', async () => {
    const etag = (await gate.fetch('/_tidegate/')).get('etag');
    assert.equal((await gate.fetch('/_tidegate/', { headers: { 'If-None-Match': etag } })).status, 304);
  });

  test('hold the script of the beacon, kept for an hour', async () => {
    const script = await gate.fetch('/_tidegate/beacon.js');
    assert.deepEqual(
      [script.status, script.get('content-type').split(';')[0], script.get('content-security-policy')],
      [200, 'text/javascript', undefined],
    );
    assert.match(script.get('cache-control'), /^public, max-age=3600/);
  });

  test('are no more than these', async () => {
    for (const path of ['/_tidegate/none.js', '/_tidegate/api/main.js', '/_tidegate/a/b.js'])
      problem(
        await gate.fetch(path),
        path.includes('/api/') ? 401 : 404,
        path.includes('/api/') ? 'unauthorized' : 'not-found',
      );
    problem(await gate.fetch('/_tidegate/', { method: 'POST' }), 404, 'not-found');
  });
});
