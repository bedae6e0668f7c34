// Signing in with Cloudflare Access: the JWT that it sends along, verified with keys that a server here publishes.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, TOKENS, until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const AUDIENCE = 'a'.repeat(64);
const HOUR_S = 3_600;
const now = Math.floor(Date.now() / 1000);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const younger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = ({ publicKey }, kid) => ({ ...publicKey.export({ format: 'jwk' }), kid });
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const SAME_ORIGIN = { Origin: 'https://shop.example.com', 'Sec-Fetch-Site': 'same-origin' };

let legacy, next, server, gate, team, claims;
let keys = [jwk(rsa, 'r'), jwk(ec, 'e')];
let reads = 0;
const asked = [];

before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  server = createServer((request, response) => {
    reads += 1;
    asked.push(request.url);
    response.end(JSON.stringify({ keys }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  team = `http://127.0.0.1:${server.address().port}`;
  claims = { iss: team, aud: [AUDIENCE], exp: now + HOUR_S, nbf: now - 60, email: 'ana@example.com', type: 'app' };
  gate = await openGate({
    bindings: {
      ACCESS_TEAM: team,
      ACCESS_AUD: AUDIENCE,
      ACCESS_ROLES:
        'ana@example.com:operator, @example.com:viewer, group:release:operator/qa-lead, service:c1.access:operator',
    },
  });
  await operator(gate).apply(gate.compiled([plan(legacy, next)]));
});
after(async () => {
  await gate?.close();
  await new Promise((resolve) => server.close(resolve));
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * A JWT of the team with RS256, or signed otherwise.
 * @param {Record<string, any>} [own] other claims
 * @param {{ header?: Record<string, any>, by?: typeof rsa }} [how]
 */
function token(own = {}, { header = { alg: 'RS256', kid: 'r' }, by = rsa } = {}) {
  const signed = `${base64url(header)}.${base64url({ ...claims, ...own })}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), by.privateKey).toString('base64url')}`;
}

/**
 * Asks the API, with a JWT as Access sends it along.
 * @param {string} path
 * @param {{ assertion?: string, method?: string, headers?: Record<string, string>, body?: object }} [options]
 */
function ask(path, { assertion, method = 'GET', headers = {}, body } = {}) {
  return gate.fetch(`/_tidegate/api/${path}`, {
    method,
    headers: {
      ...(assertion && { 'Cf-Access-Jwt-Assertion': assertion }),
      'Content-Type': 'application/json',
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

const who = async (assertion, headers) => (await ask('session', { assertion, headers })).text;
const refusals = () => gate.logs.filter((line) => line.includes('access_refused'));

describe('a sign-in by Cloudflare Access', () => {
  test('says who asks, what they may do, and where it is ended', async () => {
    const { status, text } = await ask('session', { assertion: token() });
    assert.equal(status, 200, text);
    assert.deepEqual(JSON.parse(text), {
      name: 'ana@example.com',
      role: 'operator',
      expires: new Date((now + HOUR_S) * 1_000).toISOString().replace('.000Z', 'Z'),
      sign_out: '/cdn-cgi/access/logout',
    });
    assert.equal(asked[0], '/cdn-cgi/access/certs');
  });

  test('counts with ES256, by a domain, a group, and for a service', async () => {
    const header = { alg: 'ES256', kid: 'e' };
    const text = `${base64url(header)}.${base64url({ ...claims, email: 'ben@example.com' })}`;
    const signature = sign('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
    assert.match(await who(`${text}.${signature.toString('base64url')}`), /"ben@example.com","role":"viewer"/);
    assert.match(
      await who(token({ email: 'eve@other.example', custom: { groups: ['release'] } })),
      /"eve@other.example","role":"operator"/,
    );
    assert.match(await who(token({ email: undefined, common_name: 'c1.access' })), /"c1.access","role":"operator"/);
  });

  test('reads the keys once for many', async () => {
    const before = reads;
    for (let n = 0; n < 20; n += 1) await who(token({ identity_nonce: String(n) }));
    assert.ok(reads - before <= 1, `${reads - before} reads`);
  });

  test('is refused with its reason in the log, whatever other reason was written a moment ago', async () => {
    const why = {
      'its `aud` has none of ACCESS_AUD': { aud: ['b'.repeat(64)] },
      'its `iss` is not the team of ACCESS_TEAM': { iss: 'https://other.example' },
      'it has no `exp`': { exp: undefined },
    };
    for (const own of Object.values(why)) await who(token(own));
    for (const reason of Object.keys(why))
      await until(
        () => refusals().some((line) => line.includes(reason)),
        () => `the log with: ${reason}`,
      );
  });

  test('is a name in the history', async () => {
    const noted = await ask('rollouts/shop/commands', {
      assertion: token(),
      method: 'POST',
      headers: { ...SAME_ORIGIN, 'If-Match': '*' },
      body: { command: 'note', reason: 'looked at it' },
    });
    assert.equal(noted.status, 200, noted.text);
    const { text } = await ask('rollouts/shop/history', { assertion: token() });
    assert.ok(
      JSON.parse(text).entries.some(({ actor }) => actor === 'ana@example.com'),
      text,
    );
  });

  test('is the header that Access adds, and not the cookie that any client can send', async () => {
    const headers = { Cookie: `CF_Authorization=${token()}` };
    const { status, text } = await ask('session', { headers });
    assert.equal(status, 401, text);
    assert.match(await who(token(), headers), /"ana@example.com"/, 'beside the header it does no harm');
  });

  test('is worth nothing to the page of another site', async () => {
    const change = (headers) =>
      ask('rollouts/shop/commands', { assertion: token(), method: 'POST', headers, body: { command: 'kill' } });
    for (const headers of [
      {},
      { Origin: 'https://evil.example' },
      { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
      { Origin: 'null' },
    ]) {
      const { status, text } = await change(headers);
      assert.equal(status, 403, JSON.stringify(headers));
      assert.match(text, /cross-site/);
    }
    assert.match(await who(token(), { 'Sec-Fetch-Site': 'cross-site' }), /cross-site/);
    const { text } = await ask('rollouts/shop', { assertion: token() });
    assert.equal(JSON.parse(text).state.killed, false, 'nothing was killed');
  });

  test('without a role may nothing, and says so', async () => {
    const { status, text } = await ask('session', { assertion: token({ email: 'eve@other.example' }) });
    assert.equal(status, 403, text);
    assert.match(text, /urn:tidegate:problem:no-role/);
  });

  test('comes after a token, and after a session', async () => {
    const headers = { Authorization: `Bearer ${TOKENS.vic}` };
    assert.match(await who(token(), headers), /"vic"/);
  });

  test('is looked at for the console alone: the page says that there is one', async () => {
    const page = await gate.fetch('/_tidegate/', { headers: { 'Cf-Access-Jwt-Assertion': token() } });
    assert.equal(page.get('server-timing'), 'access');
    assert.equal((await gate.fetch('/_tidegate/')).get('server-timing'), undefined);
  });
});

describe('a JWT that does not count is refused with one answer', () => {
  /** @type {Record<string, [() => string, string]>} */
  const BAD = {
    'not signed at all': [
      () => `${base64url({ alg: 'none' })}.${base64url(claims)}.`,
      'not signed with RS256 or ES256',
    ],
    'signed by HMAC with the public key': [
      () => {
        const signed = `${base64url({ alg: 'HS256', kid: 'r' })}.${base64url(claims)}`;
        const key = rsa.publicKey.export({ format: 'pem', type: 'spki' });
        return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
      },
      'not signed with RS256 or ES256',
    ],
    "signed with a stranger's key": [() => token({}, { by: stranger }), 'its signature is wrong'],
    'of a key that is not published': [
      () => token({}, { by: stranger, header: { alg: 'RS256', kid: 'x' } }),
      'a key that is not published',
    ],
    'of RSA under the name of the other key': [
      () => token({}, { header: { alg: 'ES256', kid: 'e' } }),
      'its signature is wrong',
    ],
    'changed after it was signed': [
      () => token().replace(/\.[^.]+\./, `.${base64url({ ...claims, email: 'ben@example.com' })}.`),
      'its signature is wrong',
    ],
    'of another team': [() => token({ iss: 'https://evil.cloudflareaccess.com' }), 'not the team of ACCESS_TEAM'],
    'for another application': [() => token({ aud: ['b'.repeat(64)] }), 'none of ACCESS_AUD'],
    expired: [() => token({ exp: now - HOUR_S }), 'it has expired'],
    'not valid yet': [() => token({ nbf: now + HOUR_S }), 'its `nbf` has not come'],
    'without an end': [() => token({ exp: undefined }), 'it has no `exp`'],
    'with an extension that must be known': [
      () => token({}, { header: { alg: 'RS256', kid: 'r', crit: ['x'] } }),
      'it is no JWT',
    ],
    'about nobody': [() => token({ email: undefined }), 'neither an `email` nor a `common_name`'],
    'no JWT': [() => 'ana@example.com', 'it is no JWT'],
    'far too long': [() => `${'a'.repeat(20_000)}.b.c`, 'it is no JWT'],
  };
  for (const [what, [make]] of Object.entries(BAD)) {
    test(what, async () => {
      const { status, text } = await ask('session', { assertion: make() });
      assert.equal(status, 401, text);
      const { type, detail } = JSON.parse(text);
      assert.equal(type, 'urn:tidegate:problem:access-refused');
      assert.equal(detail, 'the sign-in by Cloudflare Access does not count here');
    });
  }
  // A warning about the same header is written once a minute, whatever its reason is.
  test('the log names a reason, and nobody', async () => {
    await until(
      () => refusals().length > 0,
      () => 'a line in the log',
    );
    const reasons = ['no entry of ACCESS_ROLES', ...Object.values(BAD).map(([, why]) => why)];
    for (const line of refusals()) {
      assert.ok(
        reasons.some((why) => line.includes(why)),
        line,
      );
      assert.ok(!line.includes('@'), line);
    }
  });
});

describe('keys that change', () => {
  test('are read again for one that is new', async () => {
    keys = [jwk(younger, 'y')];
    await until(
      async () =>
        (
          await ask('session', {
            assertion: token({ sub: String(Math.random()) }, { by: younger, header: { alg: 'RS256', kid: 'y' } }),
          })
        ).status === 200,
      () => 'the new key to count',
      20_000,
    );
  });
});

describe('settings that cannot be read', () => {
  test('close this way in and leave tokens as they are', async () => {
    await gate.restart({ bindings: { ...gate.bindings, ACCESS_ROLES: 'ana@example.com:root' } });
    assert.equal((await ask('session', { assertion: token() })).status, 401);
    assert.match(await who(undefined, { Authorization: `Bearer ${TOKENS.ana}` }), /"ana"/);
    assert.ok(
      gate.logs.some((line) => line.includes('access_unusable') && line.includes('entry 1 has a role')),
      gate.logs.join('\n'),
    );
  });
});
