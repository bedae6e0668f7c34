// A JWT is verified or ignored: an id from one that is not is no id.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const KEY = 'the key of the tests, of thirty-two bytes or more';
const base64url = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const HOUR_S = 3_600;

/**
 * @param {object} claims
 * @param {{ key?: import('node:crypto').BinaryLike, header?: object }} [options]
 */
function token(claims, { key = KEY, header = { alg: 'HS256', typ: 'JWT' } } = {}) {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

let legacy, next, gate;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({ controller: false, bindings: { SESSION_KEY: KEY } });
  await gate.load(
    [
      plan(legacy, next, {
        identity: {
          from: ['jwt:session.sub', 'jwt:bearer.user.id'],
          anonymous: false,
          jwt: {
            session: { secret: 'secret:SESSION_KEY', issuer: 'https://id.example' },
            bearer: { from: 'header:authorization', secret: 'secret:SESSION_KEY' },
          },
        },
        groups: { web: { match: 'jwt:session.team = web' } },
        stage: [
          { name: 'internal', percentage: 0, groups: ['web'], hold: '1h' },
          { name: 'full', percentage: 100 },
        ],
      }),
    ],
    { shop: '100' },
  );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const soon = Math.floor(Date.now() / 1000) + HOUR_S;
const CLAIMS = { sub: 'user-1', iss: 'https://id.example', exp: soon };

async function reason(headers) {
  return (await gate.fetch('/page', { headers })).get('tidegate-reason');
}

describe('an id from a JWT', () => {
  test('in a cookie counts when the token is verified', async () => {
    assert.equal(await reason({ Cookie: `session=${token(CLAIMS)}` }), 'bucketed');
  });
  test('in a bearer header counts, from a deeper claim too', async () => {
    assert.equal(await reason({ Authorization: `Bearer ${token({ user: { id: 'user-1' }, exp: soon })}` }), 'bucketed');
  });
  test('steers groups', async () => {
    assert.equal(await reason({ Cookie: `session=${token({ ...CLAIMS, team: 'web' })}` }), 'group');
  });
  test('counts when the token is expired, so that its end moves nobody', async () => {
    for (const exp of [soon - 2 * HOUR_S, soon - 2_000 * HOUR_S]) {
      assert.equal(await reason({ Cookie: `session=${token({ ...CLAIMS, exp })}` }), 'bucketed');
      assert.equal(await reason({ Authorization: `Bearer ${token({ user: { id: 'user-1' }, exp })}` }), 'bucketed');
    }
  });
  test('steers no groups when the token is expired', async () => {
    assert.equal(
      await reason({ Cookie: `session=${token({ ...CLAIMS, team: 'web', exp: soon - 2 * HOUR_S })}` }),
      'bucketed',
    );
  });
  for (const [what, forged] of Object.entries({
    'signed with another key': token(CLAIMS, { key: 'x' }),
    'not signed': `${base64url({ alg: 'none' })}.${base64url(CLAIMS)}.`,
    'expired and signed with another key': token({ ...CLAIMS, exp: soon - 2 * HOUR_S }, { key: 'x' }),
    'expired and of another issuer': token({ ...CLAIMS, iss: 'https://evil.example', exp: soon - 2 * HOUR_S }),
    'of another issuer': token({ ...CLAIMS, iss: 'https://evil.example' }),
    'no token at all': 'user-1',
  })) {
    test(`does not count when the token is ${what}`, async () => {
      assert.equal(await reason({ Cookie: `session=${forged}` }), 'unidentified');
    });
  }
});

describe('an id from a JWT with published keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = [
    { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'r' },
    { ...ec.publicKey.export({ format: 'jwk' }), kid: 'e' },
  ];
  let server,
    reads = 0,
    published;

  before(async () => {
    server = createServer((_, response) => {
      reads += 1;
      response.end(JSON.stringify({ keys }));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    published = await openGate({ controller: false });
    const jwks = `http://127.0.0.1:${server.address().port}/jwks.json`;
    await published.load(
      [plan(legacy, next, { identity: { from: ['jwt:session.sub'], jwt: { session: { jwks } } } })],
      { shop: '100' },
    );
  });
  after(async () => {
    await published?.close();
    server.close();
  });

  const issued = (alg, kid, privateKey, claims = { sub: 'user-1', exp: soon }) => {
    const signed = `${base64url({ alg, kid })}.${base64url(claims)}`;
    const key = alg === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' } : privateKey;
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  };
  const reasonOf = async (session) =>
    (await published.fetch('/page', { headers: { Cookie: `session=${session}` } })).get('tidegate-reason');

  test('counts when RS256 or ES256 proves it', async () => {
    assert.equal(await reasonOf(issued('RS256', 'r', rsa.privateKey)), 'bucketed');
    assert.equal(await reasonOf(issued('ES256', 'e', ec.privateKey)), 'bucketed');
    assert.equal(reads, 1, 'the keys are read once');
  });
  test('counts when it is expired, so that its end moves nobody', async () => {
    for (const [alg, kid, { privateKey }] of /** @type {const} */ ([
      ['RS256', 'r', rsa],
      ['ES256', 'e', ec],
    ])) {
      assert.equal(await reasonOf(issued(alg, kid, privateKey, { sub: 'user-1', exp: soon - 2 * HOUR_S })), 'bucketed');
    }
  });
  test('does not count when another key has signed it, expired or not, or it names a key that is not there', async () => {
    assert.equal(await reasonOf(issued('RS256', 'r', stranger.privateKey)), 'unidentified');
    assert.equal(await reasonOf(issued('RS256', 'e', rsa.privateKey)), 'unidentified');
    assert.equal(await reasonOf(issued('RS256', 'x', rsa.privateKey)), 'unidentified');
    assert.equal(
      await reasonOf(issued('RS256', 'r', stranger.privateKey, { sub: 'user-1', exp: soon - 2 * HOUR_S })),
      'unidentified',
    );
  });
  test('cannot be made from the published key with HS256', async () => {
    const confused = token(
      { sub: 'user-1', exp: soon },
      { key: rsa.publicKey.export({ type: 'spki', format: 'pem' }), header: { alg: 'HS256', kid: 'r' } },
    );
    assert.equal(await reasonOf(confused), 'unidentified');
  });
});
