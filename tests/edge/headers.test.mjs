// Which headers Tidegate takes away, sets and never believes.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from './harness.mjs';
import { ANA, flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { value, values } from './wire.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  await gate.load(
    [
      plan(legacy, next, { key: 'old', routes: ['/old/*'] }),
      plan(legacy, next),
      flag('banner', { values: { new: 'blue', legacy: 'grey' } }),
      flag('search'),
    ],
    { old: '0', shop: '100', banner: '100', search: '0' },
  );
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const ask = (path, headers = [], options = {}) =>
  gate.fetch(path, { headers: [...Object.entries(ANA), ...headers], ...options });
const names = (headers) => headers.map(([name]) => name.toLowerCase());

describe('hop-by-hop', () => {
  const HOP = [
    ['Keep-Alive', 'timeout=9'],
    ['Proxy-Connection', 'keep-alive'],
    ['TE', 'trailers'],
    ['X-Hop', '1'],
    ['X-Other-Hop', '2'],
  ];

  test('request headers stay behind, with those that Connection names', async () => {
    await ask('/page', [
      ['Connection', 'x-hop, X-OTHER-HOP'],
      ...HOP,
      ['Proxy-Authorization', 'Basic x'],
      ['X-Stays', '1'],
    ]);
    const seen = names(next.last('/page').headers);
    for (const [name] of [...HOP, ['Proxy-Authorization']]) assert.ok(!seen.includes(name.toLowerCase()), name);
    assert.ok(seen.includes('x-stays'));
  });

  test('response headers stay behind, with those that Connection names', async () => {
    next.handle('/page', { headers: [['Connection', 'x-hop, X-OTHER-HOP'], ...HOP, ['X-Stays', '1']], body: 'text' });
    const seen = names((await ask('/page')).headers);
    for (const [name] of HOP) assert.ok(!seen.includes(name.toLowerCase()), name);
    assert.ok(seen.includes('x-stays'));
  });

  test('names in Connection cannot take away what Tidegate sets', async () => {
    await ask('/page', [
      ['Connection', 'tidegate-variant, x-forwarded-for, host'],
      ['CF-Connecting-IP', '203.0.113.7'],
    ]);
    const request = next.last('/page');
    assert.equal(request.get('tidegate-variant'), 'new');
    assert.equal(request.get('x-forwarded-for'), '203.0.113.7');
  });
});

describe('X-Forwarded-*', () => {
  const SPOOFED = [
    ['X-Forwarded-For', '6.6.6.6'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Proto', 'gopher'],
  ];

  test('say what the platform and the URL say, once each', async () => {
    await ask('/page', [['CF-Connecting-IP', '203.0.113.7'], ...SPOOFED, ['x-forwarded-for', '7.7.7.7']]);
    const { headers } = next.last('/page');
    assert.deepEqual(values(headers, 'x-forwarded-for'), ['203.0.113.7']);
    assert.deepEqual(values(headers, 'x-forwarded-host'), [PUBLIC_HOST]);
    assert.deepEqual(values(headers, 'x-forwarded-proto'), ['https']);
  });

  test("are never the client's, even where the platform names no address", async () => {
    await ask('/page', SPOOFED);
    assert.doesNotMatch(next.last('/page').get('x-forwarded-for') ?? '', /6\.6\.6\.6/);
  });

  test('name the host with its port, and plain HTTP as such', async () => {
    await ask('/page', [], { scheme: 'http', host: 'shop.example.com:8080' });
    assert.equal(next.last('/page').get('x-forwarded-host'), 'shop.example.com:8080');
    assert.equal(next.last('/page').get('x-forwarded-proto'), 'http');
  });

  test("leave Host to be the frontend's own", async () => {
    await ask('/page');
    assert.equal(next.last('/page').get('host'), new URL(next.url).host);
  });
});

describe('tidegate-*', () => {
  test('inbound headers of any such name are stripped', async () => {
    await ask('/page', [
      ['tidegate-variant', 'legacy'],
      ['Tidegate-Rollout', 'evil'],
      ['TIDEGATE-STAGE', 'evil'],
      ['tidegate-flags', 'banner=evil'],
      ['tidegate-admin', '1'],
      ['tidegate-', '2'],
    ]);
    const { headers } = next.last('/page');
    assert.doesNotMatch(JSON.stringify(headers), /evil/);
    assert.equal(value(headers, 'tidegate-variant'), 'new');
    for (const name of ['tidegate-admin', 'tidegate-']) assert.equal(value(headers, name), undefined);
  });

  test('tell the frontend its variant, the rollout and the stage', async () => {
    await ask('/page');
    await ask('/old/page');
    const tell = (request) =>
      ['tidegate-variant', 'tidegate-rollout', 'tidegate-stage'].map((name) => request.get(name));
    assert.deepEqual(tell(next.last('/page')), ['new', 'shop', 'full']);
    assert.deepEqual(tell(legacy.last('/old/page')), ['legacy', 'old', 'canary']);
  });

  test("tell the frontend the flags: the plan's values, else the variant", async () => {
    await ask('/page');
    assert.deepEqual(next.last('/page').get('tidegate-flags').split(', ').sort(), ['banner=blue', 'search=legacy']);
  });

  test('tell the browser its variant and the reason, and no more than that', async () => {
    const through = await ask('/page');
    assert.equal(through.get('tidegate-variant'), 'new');
    assert.equal(through.get('tidegate-reason'), 'bucketed');
    const assigned = names(through.headers).filter((name) => name.startsWith('tidegate-'));
    assert.deepEqual(assigned.sort(), ['tidegate-reason', 'tidegate-variant']);
  });

  test('from a frontend do not reach the browser', async () => {
    next.handle('/page', {
      headers: [
        ['tidegate-variant', 'legacy'],
        ['tidegate-reason', 'because'],
        ['X-Stays', '1'],
      ],
      body: 'text',
    });
    const through = await ask('/page');
    assert.equal(through.get('tidegate-variant'), 'new');
    assert.equal(through.get('tidegate-reason'), 'bucketed');
    assert.equal(through.get('x-stays'), '1');
  });
});

test('a frontend keeps its own Server-Timing', async () => {
  next.handle('/page', {
    headers: [
      ['Server-Timing', 'db;dur=53'],
      ['Content-Type', 'text/html'],
    ],
    body: '<p>',
  });
  assert.match((await ask('/page', [['Sec-Fetch-Dest', 'document']])).get('server-timing'), /db;dur=53/);
});
