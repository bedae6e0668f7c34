// The suite of cache-tests.fyi against its own server: directly, through a pass-through worker, and
// through Tidegate with `cache = "upstream"`. None of them caches, so half of the suite fails, and in
// the same way each time: what it says of each test, what its client was answered and what its server
// was asked are compared.
//
// No test depends on timing here: the suite's pauses of 3 s are for caches. Two things did make runs
// differ, and are mended where they come from: the server serves one request a connection (origin.mjs),
// and the suite's client runs without connections that outlive a request (client.mjs). Nothing is
// tried twice, and no test is left out but the five that the suite keeps for browsers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openGate } from '../edge/harness.mjs';
import { plan } from '../edge/plans.mjs';
import { runSuite, startOrigin } from './suite.mjs';

const AS = 'https://shop.example.com';
const TESTS = 350;

const HANGS_UP = 'request to <origin>/test/<uuid> failed, reason: socket hang up';
const UNCACHED = 'Response 2 does not come from cache';
const CACHED = 'Response 2 comes from cache';
const TOO_LONG =
  'Invalid response body while trying to fetch <origin>/test/<uuid>: Parse Error: Data after `Connection: close`';

/** Tests whose results differ, and nothing else may: `[directly, through the pass-through, through Tidegate]`. */
const DIFFERENT = {
  // The origin closes the connection instead of answering. The pass-through worker throws, whereupon
  // workerd does likewise; Tidegate answers 502, which the suite takes for an answer of the origin.
  'stale-close': [HANGS_UP, HANGS_UP, UNCACHED],
  'stale-sie-close': [HANGS_UP, HANGS_UP, UNCACHED],
  'stale-sie-503': [HANGS_UP, HANGS_UP, UNCACHED],
  'stale-warning-become': [HANGS_UP, HANGS_UP, UNCACHED],
  'stale-warning-stored': [HANGS_UP, HANGS_UP, UNCACHED],
  'stale-close-must-revalidate': [HANGS_UP, HANGS_UP, CACHED],
  'stale-close-no-cache': [HANGS_UP, HANGS_UP, CACHED],
  'stale-close-proxy-revalidate': [HANGS_UP, HANGS_UP, CACHED],
  'stale-close-s-maxage=2': [HANGS_UP, HANGS_UP, CACHED],
  // The answer names a Transfer-Encoding that does not exist, so for workerd there is none either: the
  // pass-through worker throws and workerd makes that a 500; Tidegate answers 502.
  'headers-store-Transfer-Encoding': [
    UNCACHED,
    'Response 1 status is 500, not 200',
    'Response 1 status is 502, not 200',
  ],
  // Longer than its Content-Length: Node's client refuses it, workerd reads as much as was announced.
  '304-etag-update-response-Content-Length': [
    TOO_LONG,
    'Request 2 should have been conditional, but it was not.',
    'Request 2 should have been conditional, but it was not.',
  ],
  'headers-store-Content-Length': [TOO_LONG, UNCACHED, UNCACHED],
  // workerd answers 501 by itself to a method that it does not know.
  'invalidate-M-SEARCH': ['passes', 'Response 2 status is 501, not 200', 'Response 2 status is 501, not 200'],
  'invalidate-M-SEARCH-cl': ['passes', 'Response 2 status is 501, not 200', 'Response 2 status is 501, not 200'],
  'invalidate-M-SEARCH-failed': [
    'Response 3 does not come from cache',
    'Response 2 status is 501, not 500',
    'Response 2 status is 501, not 500',
  ],
};
/** The tests above that Tidegate itself answers, with its 502. */
const UNANSWERED = Object.keys(DIFFERENT).filter((id) => DIFFERENT[id][1] !== DIFFERENT[id][2]);

/** Headers of hops, which the pass-through worker hands on. */
const OF_HOPS = {
  'headers-omit-headers-listed-in-Connection 1': ['a', 'b'],
  'headers-store-Proxy-Connection 1': ['proxy-connection'],
};

let origin, gate, direct, bare, onNew;
before(async () => {
  origin = await startOrigin();
  gate = await openGate({ controller: false, bare: origin.legacy });
  direct = await runSuite(origin.legacy, { origin });
  bare = await runSuite(gate.bareOrigin, { origin, as: AS });
});
after(async () => {
  await gate?.close();
  origin?.close();
});

/**
 * A run through a rollout from one address of the server to the other.
 * @param {Record<string, string>} state
 * @param {{ rescue?: boolean, cache?: string }} [changes]
 */
async function through(state, { rescue = true, ...changes } = {}) {
  const stage = [
    { name: 'none', percentage: 0, hold: '1h' },
    { name: 'full', percentage: 100, hold: '1h' },
  ];
  await gate.load([plan(origin.legacy, origin.next, { stage, upstreams: { rescue }, ...changes })], state);
  return runSuite(gate.origin, { origin, as: AS });
}

const without = (headers, dropped) => Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped(name)));
const change = (object, how) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, how(value, key)]));

/** Answers without the time and what Tidegate adds. */
const visible = ({ answers }) =>
  change(answers, ({ status, headers }, key) => ({
    status,
    headers: without(
      headers,
      (name) =>
        ['date', 'server-now', 'tidegate-variant', 'tidegate-reason'].includes(name) || OF_HOPS[key]?.includes(name),
    ),
  }));
/** What the server was asked, without what Tidegate adds and the server's own name. */
const received = ({ asked }) =>
  change(asked, (requests) =>
    requests.map(({ method, headers }) => ({
      method,
      headers: without(headers, (name) => name === 'host' || /^(tidegate|x-forwarded)-/.test(name)),
    })),
  );

function assertSame(run, side) {
  const different = Object.entries(run.results)
    .map(([id, result]) => [id, [direct.results[id], bare.results[id], result]])
    .filter(([, all]) => new Set(all).size > 1);
  assert.deepEqual(Object.fromEntries(different), sorted(DIFFERENT));

  const expected = visible(bare);
  const seen = visible(run);
  for (const id of UNANSWERED) {
    const [key] = [`${id} 2`, `${id} 1`].filter((key) => seen[key]?.status === 502);
    assert.ok(key !== undefined, `${id} is answered with 502`);
    delete seen[key];
    delete expected[key];
  }
  assert.deepEqual(seen, expected);
  assert.deepEqual(received(run), received(bare));
  assert.deepEqual(sides(run), [side]);
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The sides that answered. workerd's own answers name none. */
function sides({ answers }) {
  const marks = Object.values(answers)
    .map(({ headers }) => headers['tidegate-variant'])
    .filter((mark) => mark !== undefined);
  assert.ok(marks.length > 600, `${marks.length} answers name their side`);
  return [...new Set(marks)];
}

test('the suite runs to its end, directly and through the pass-through', () => {
  for (const { results } of [direct, bare]) assert.equal(Object.keys(results).length, TESTS);
});

test('a draft changes nothing', async () => assertSame(await through({}, { cache: 'upstream' }), 'legacy'));

test('a rollout with everybody on legacy changes nothing', async () =>
  assertSame(await through({ shop: '0' }, { cache: 'upstream' }), 'legacy'));

test('a rollout with everybody on new changes nothing', async () => {
  onNew = await through({ shop: '100' }, { cache: 'upstream', rescue: false });
  assertSame(onNew, 'new');
});

test('a rescue asks once more where new failed, and nowhere else', async () => {
  const rescued = await through({ shop: '100' }, { cache: 'upstream' });
  const entriesOf = ({ asked }, id) => asked[id].map(({ method, headers }) => [method, headers['req-num']]);
  for (const [id, result] of Object.entries(rescued.results)) {
    // A status that HTTP does not have is a failure too.
    const failed = (method, number) => method === 'GET' && onNew.answers[`${id} ${number}`]?.status >= 500;
    const entries = entriesOf(onNew, id);
    const expected = entries.flatMap(([method, number]) =>
      Array.from({ length: failed(method, number) ? 2 : 1 }, () => [method, number]),
    );
    assert.deepEqual(entriesOf(rescued, id), expected, id);
    // Legacy is the same server here and fails likewise, so new's own answer stands; the suite notices what was
    // asked twice when it asks again.
    const isNoticed = entries.slice(0, -1).some((entry) => failed(...entry));
    assert.equal(result, isNoticed ? 'retry' : onNew.results[id], id);
  }
  assert.deepEqual(sides(rescued), ['new']);
});

// A status over 599 leaves as 502 and names the one that it stands for. Besides, by design the default policy
// changes three things, which fail those tests that look at them:
// - `Cache-Control` gains `private` and loses what shared caches alone read (`public`, `s-maxage`), and
//   so goes `Surrogate-Control`: «Response 1 header Cache-Control is "max-age=3600, private", not …»
// - an ETag carries its side, one without quotes too: «Response 1 header ETag is "\"abcdef~tg-n\"", not "\"abcdef\""»
// - conditions that do not carry it stay behind: «Request 1 If-None-Match header not present.»
test('the default cache policy changes caching headers and conditions, and nothing else', async () => {
  const run = await through({ shop: '100' }, { rescue: false });
  const untagged = (text) => text.replaceAll(/~tg-n(?="|$)/g, '');
  const conditions = ['if-none-match', 'if-modified-since'];
  const policies = ['cache-control', 'surrogate-control', 'cdn-cache-control'];

  const asked = (all) =>
    change(received(all), (requests) =>
      requests.map(({ method, headers }) => ({
        method,
        headers: without(headers, (name) => conditions.includes(name)),
      })),
    );
  assert.deepEqual(asked(run), asked(onNew));
  const askedFor = (key) => {
    const [id, number] = key.split(' ');
    return onNew.asked[id][number - 1];
  };
  const isConditional = (key) => conditions.some((name) => askedFor(key)?.headers[name] !== undefined);
  const answered = (all) =>
    change(visible(all), ({ status, headers: { 'tidegate-status': own, ...headers } }, key) => ({
      status: isConditional(key) ? 'either' : Number(own ?? status),
      headers: isConditional(key)
        ? {}
        : change(
            without(headers, (name) => policies.includes(name)),
            untagged,
          ),
    }));
  assert.deepEqual(answered(run), answered(onNew));

  for (const [key, { status, headers }] of Object.entries(run.answers)) {
    const directives = (headers['cache-control'] ?? '').toLowerCase();
    const isExplicit = onNew.answers[key]?.headers['cache-control'] !== undefined;
    const isStorable = (status === 200 && askedFor(key)?.method === 'GET') || (status < 600 && isExplicit);
    if (isStorable) assert.match(directives, /\bprivate\b|\bno-store\b/, key);
    assert.doesNotMatch(directives, /\bpublic\b|\bs-maxage\b/, key);
    assert.equal(headers['surrogate-control'], undefined, key);
  }
});
