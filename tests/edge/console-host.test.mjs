// Who may operate: the console on a host of its own, sign-ins that are limited, requests of Tidegate's own
// that go nowhere else, and a kill while the controller hangs.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, PUBLIC_HOST, TOKENS, until } from './harness.mjs';
import { checked, neverSeen, SESSION } from './openapi.mjs';
import { ANA, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const OPS = 'ops.example.com';
const KILLED_MS_MAX = 20_000;
const JSON_TYPE = { 'Content-Type': 'application/json' };

let legacy, next, gate;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({ trouble: true, bindings: { CONSOLE_HOST: OPS, FALLBACK_UPSTREAM: legacy.url } });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const bearer = (name) => ({ Authorization: `Bearer ${TOKENS[name]}` });
const onConsole = { fetch: (path, options) => gate.fetch(path, { host: OPS, ...options }) };
const signIn = (token, { host = OPS, address = '192.0.2.1', headers = {} } = {}) =>
  checked(gate).fetch(SESSION, {
    method: 'POST',
    host,
    headers: { ...JSON_TYPE, 'CF-Connecting-IP': address, ...headers },
    body: JSON.stringify({ token }),
  });
const ofTidegate = (frontend) => frontend.received.filter(({ path }) => path.startsWith('/_tidegate'));

describe('with CONSOLE_HOST', () => {
  before(async () => {
    await operator(onConsole).apply([plan(legacy, next)]);
  });

  test('console, API, sessions and metrics answer there', async () => {
    assert.equal((await operator(onConsole).get('rollouts')).status, 200);
    assert.equal((await onConsole.fetch('/_tidegate/metrics', { headers: bearer('vic') })).status, 200);
    assert.match((await onConsole.fetch('/_tidegate/')).get('content-security-policy'), /default-src 'none'/);
    assert.equal((await signIn(TOKENS.ana)).status, 200);
  });

  test('and are not found on any other host, without a word of where they are', async () => {
    const paths = [
      '/_tidegate',
      '/_tidegate/',
      '/_tidegate/api/rollouts',
      '/_tidegate/api/openapi.json',
      '/_tidegate/metrics',
      '/_tidegate/icon.svg',
      '/_tidegate/none',
      SESSION,
    ];
    for (const host of [PUBLIC_HOST, 'other.example.org', `x.${OPS}`]) {
      for (const path of paths) {
        const { status, text, headers } = await gate.fetch(path, { host, headers: bearer('ana') });
        assert.deepEqual([status, text], [404, 'Not found.\n'], `${host}${path}`);
        assert.ok(!JSON.stringify(headers).includes('ops'), `${host}${path}`);
      }
      assert.equal(
        (
          await gate.fetch(SESSION, {
            method: 'POST',
            host,
            headers: JSON_TYPE,
            body: JSON.stringify({ token: TOKENS.ana }),
          })
        ).status,
        404,
      );
    }
  });

  test('health and the beacon answer everywhere', async () => {
    for (const host of [PUBLIC_HOST, OPS]) {
      assert.equal((await gate.fetch('/_tidegate/health', { host })).status, 200);
      assert.equal((await gate.fetch('/_tidegate/beacon.js', { host })).status, 200);
      assert.equal((await gate.fetch('/_tidegate/beacon', { host, method: 'POST', body: '{}' })).status, 400);
    }
  });

  test('nothing else is on its host, whatever the routes say', async () => {
    await until(
      async () => (await gate.fetch('/page', { headers: ANA })).get('tidegate-variant') === 'legacy',
      () => 'the site to be served',
    );
    const asked = legacy.received.length + next.received.length;
    for (const path of ['/page', '/favicon.ico', '/robots.txt'])
      assert.equal((await onConsole.fetch(path, { headers: { ...ANA, ...DOCUMENT } })).status, 404);
    const root = await onConsole.fetch('/');
    assert.deepEqual([root.status, root.get('location')], [308, '/_tidegate/']);
    assert.equal(legacy.received.length + next.received.length, asked);
  });

  test('a plan whose route names it is refused', async () => {
    const answer = await operator(onConsole).ask('PUT', 'plans', {
      rollouts: [plan(legacy, next, { key: 'ops', routes: [`${OPS}/x/*`] })],
    });
    assert.deepEqual(
      [answer.status, answer.body.type, answer.body.faults[0].path],
      [422, 'urn:tidegate:problem:invalid-plans', 'routes'],
      answer.text,
    );
    assert.match(answer.body.detail, /ops\.example\.com\/x\/\*.*CONSOLE_HOST/);
  });

  test('a preview is for a host of the site', async () => {
    const ana = operator(onConsole);
    const wanted = { variant: 'new', for: '1h' };
    const none = await ana.ask('POST', 'rollouts/shop/previews', wanted);
    assert.deepEqual([none.status, none.body.faults[0].path], [400, 'host'], none.text);
    await ana.apply([plan(legacy, next, { key: 'named', routes: [`${PUBLIC_HOST}/named/*`] })]);
    const { body } = await ana.ask('POST', 'rollouts/named/previews', wanted);
    assert.equal(body.host, PUBLIC_HOST);
    const opened = await gate.fetch(body.url.slice(`https://${PUBLIC_HOST}`.length));
    assert.equal(opened.status, 303);
  });

  test('that is no host nothing is open, and the log says why', async () => {
    await gate.restart({ bindings: { CONSOLE_HOST: 'ops.example.com/console' }, keepState: true });
    for (const host of [PUBLIC_HOST, OPS])
      assert.equal((await gate.fetch('/_tidegate/api/rollouts', { host, headers: bearer('ana') })).status, 404);
    await gate.logged(/console_host_unusable/);
    await gate.restart({ bindings: { CONSOLE_HOST: OPS, FALLBACK_UPSTREAM: legacy.url }, keepState: true });
  });
});

describe('a sign-in', () => {
  test('fails ten times a minute from one address, however many come at once', async () => {
    const tries = await Promise.all(
      Array.from({ length: 100 }, (_, n) => signIn(`guess ${n}`, { address: '192.0.2.7' })),
    );
    const [guessed, refused] = [401, 429].map((status) => tries.filter((answer) => answer.status === status));
    assert.ok(
      guessed.length >= 10 && guessed.length <= 12 && guessed.length + refused.length === 100,
      `${guessed.length} of 100`,
    );
    for (const answer of refused)
      assert.ok(Number(answer.get('retry-after')) >= 1 && Number(answer.get('retry-after')) <= 6, answer.text);
    assert.equal(
      (await signIn(TOKENS.ana, { address: '192.0.2.7' })).status,
      429,
      'a right guess is not assigned either',
    );
    assert.equal((await signIn(TOKENS.ana, { address: '192.0.2.8' })).status, 200, 'nobody else waits');
    assert.ok(!neverSeen().includes('too-many'));
  });

  test('that is right is not counted', async () => {
    for (let n = 0; n < 30; n += 1) assert.equal((await signIn(TOKENS.ana, { address: '192.0.2.9' })).status, 200);
  });

  test('counts among cookies of its name that others have set', async () => {
    const cookie = (await signIn(TOKENS.ana)).get('set-cookie').split(';')[0];
    const [name] = cookie.split('=');
    for (const other of ['x', 'ana~9999999999.AAAA']) {
      const { status, text } = await checked(gate).fetch(SESSION, {
        host: OPS,
        headers: { Cookie: `${name}=${other}; ${cookie}` },
      });
      assert.equal(status, 200, text);
    }
  });
});

test('null is not a field that is absent', async () => {
  const ana = operator({ fetch: (path, options) => checked(gate).fetch(path, { host: OPS, ...options }) });
  const before = (await ana.rollout('shop')).state.revision;
  for (const body of [
    { command: 'kill', reason: 'x', dry_run: null },
    { command: 'rollback', to: null, reason: 'x' },
    { command: 'resume', stage: null, reason: 'x' },
  ]) {
    const answer = await ana.ask('POST', 'rollouts/shop/commands', body, { 'If-Match': '*' });
    assert.deepEqual([answer.status, answer.body.faults[0].message], [400, 'null is no value here'], answer.text);
  }
  for (const body of [
    { rollouts: [], dry_run: null },
    { rollouts: [], prune: null },
    { rollouts: [{ ...plan(legacy, next), description: null }] },
  ]) {
    const answer = await ana.ask('PUT', 'plans', body);
    assert.equal(answer.status, 400, answer.text);
  }
  const preview = await ana.ask('POST', 'rollouts/shop/previews', { variant: 'new', for: '1h', host: null });
  assert.deepEqual([preview.status, preview.body.faults[0].path], [400, 'host']);
  assert.equal((await ana.rollout('shop')).state.revision, before, 'nothing was carried out');
});

describe('while something is wrong', () => {
  afterEach(() => gate.restart({ bindings: { CONSOLE_HOST: OPS, FALLBACK_UPSTREAM: legacy.url }, keepState: true }));

  test('a kill that the controller does not answer says soon which way is left', async () => {
    await gate.restart({ bindings: { CONSOLE_HOST: OPS, TROUBLE: 'hang' }, keepState: true });
    const ana = operator({ fetch: (path, options) => checked(gate).fetch(path, { host: OPS, ...options }) });
    for (const key of ['shop', '*']) {
      const begun = performance.now();
      const answer = await ana.command(key, 'kill');
      const ms = performance.now() - begun;
      assert.deepEqual([answer.status, answer.body.type], [503, 'urn:tidegate:problem:unavailable'], answer.text);
      assert.ok(ms < KILLED_MS_MAX, `${ms.toFixed(0)} ms`);
      assert.ok(
        answer.body.help.includes(`npx wrangler kv key put --remote --binding ROLLOUTS 'kill/${key}' on`),
        answer.body.help,
      );
    }
  });

  test("after a trap what is Tidegate's own never goes to FALLBACK_UPSTREAM", async () => {
    await gate.restart({
      bindings: { CONSOLE_HOST: OPS, FALLBACK_UPSTREAM: legacy.url, TROUBLE: 'trap' },
      keepState: true,
    });
    const asked = legacy.received.length;
    for (const [path, host] of [
      ['/_tidegate/api/rollouts', OPS],
      ['/_tidegate/api/rollouts', PUBLIC_HOST],
      ['/_tidegate', PUBLIC_HOST],
      [SESSION, OPS],
      ['/page', OPS],
    ]) {
      const { status, get } = await gate.fetch(path, {
        host,
        headers: { ...bearer('ana'), Cookie: '__Secure-tidegate-session=x' },
      });
      assert.deepEqual(
        [status, get('tidegate-reason'), get('retry-after')],
        [503, 'restarting', '1'],
        `${host}${path}`,
      );
    }
    assert.equal(legacy.received.length, asked);
    assert.equal((await gate.fetch('/page', { headers: ANA })).text, 'legacy /page', 'the site goes on');
    assert.deepEqual(ofTidegate(legacy), []);
  });
});
