// What browsers report moves a rollout only where several networks report it, and only under a token of the
// host that it is sent to.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const REPORTS = 61;
const KEYS = ['alone', 'narrow', 'many', 'open'];
const HOST = 'shop.example.com';

let legacy, next, gate, ana;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  for (const site of [legacy, next])
    site.otherwise(() => ({ headers: [['Content-Type', 'text/html']], body: '<p>a page</p>' }));
  gate = await openGate({ bindings: { BEACON_ONE_NETWORK: '' } });
  ana = operator(gate);
  const stage = [
    { name: 'all', percentage: 100, hold: '1h' },
    { name: 'full', percentage: 100 },
  ];
  const guardrail = [{ when: 'js_error_rate > 2% over 5m', then: 'rollback' }];
  await ana.apply(
    gate.compiled(KEYS.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`], stage, guardrail }))),
  );
  for (const key of KEYS) await ana.orders(key, 'start');
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

let visitors = 0;
/** The token of a new visitor's page. */
function page(key, host = HOST) {
  visitors += 1;
  return until(
    async () => {
      const { get } = await gate.fetch(`/${key}/page`, {
        host,
        headers: { 'x-user-id': `visitor-${visitors}`, ...DOCUMENT },
      });
      return /^(?=.*:new:).*tidegate;desc="([^"]+)"/.exec(get('server-timing') ?? '')?.[1];
    },
    () => `a page of ${key} on new`,
  );
}

const report = (token, address, { host = HOST, headers = {} } = {}) =>
  gate.fetch('/_tidegate/beacon', {
    method: 'POST',
    host,
    body: JSON.stringify({ token, js_errors: 1 }),
    headers: { 'CF-Connecting-IP': address, ...headers },
  });

async function failingPages(key, addressOf) {
  const tokens = [];
  for (let n = 0; n < REPORTS; n += 1) tokens.push(await page(key));
  const statuses = await Promise.all(
    tokens.map((token, n) => report(token, addressOf(n)).then(({ status }) => status)),
  );
  assert.ok(statuses.filter((status) => status === 204).length >= REPORTS - 1, statuses.join(' '));
}

/** What the metrics hold of the pages of new. */
async function sideOf(key) {
  const { windows } = (await ana.get(`rollouts/${key}/metrics`)).body;
  const sides = windows.flatMap(({ sides }) => sides).filter(({ variant }) => variant === 'new');
  return {
    pages: sides.reduce((sum, { pages }) => sum + pages, 0),
    failed: sides.reduce((sum, side) => sum + side.failed_pages, 0),
  };
}

describe('sixty-one failing pages', () => {
  test('of one address or one network of many addresses roll nothing back, of as many networks they do', async () => {
    await failingPages('alone', () => '203.0.113.7');
    await failingPages('narrow', (n) => `198.51.100.${n}`);
    // Rollouts are judged together: who is sent back for reports that came later was judged with these.
    await failingPages('many', (n) => (n % 2 ? `198.18.${n}.1` : `2001:db8:0:${n}::1`));
    await until(
      async () => (await ana.rollout('many')).state.phase === 'rolled_back',
      () => 'the rollback',
    );
    const { pages, failed } = await sideOf('many');
    assert.ok(failed >= pages - 4 && failed > 50, `${failed} of ${pages}`);
    for (const key of ['alone', 'narrow']) {
      const { state } = await ana.rollout(key);
      const side = await sideOf(key);
      assert.ok(side.pages > 0, `pages of ${key} are counted`);
      assert.deepEqual([state.phase, state.percentage], ['running', 100], key);
      if (key === 'alone') assert.equal(side.failed, 0);
    }
  });
});

test("a report of another host's page, or under its token, is refused and counts nothing", async () => {
  const token = await page('open');
  const refused = async (answer, kind) => {
    const { status, json } = await answer;
    assert.deepEqual([status, json().type], [403, `urn:tidegate:problem:${kind}`]);
  };
  await refused(report(token, '192.0.2.1', { host: 'other.example.com' }), 'bad-exposure');
  await refused(report(await page('open', 'other.example.com'), '192.0.2.1'), 'bad-exposure');
  await refused(report(token, '192.0.2.1', { headers: { Origin: 'https://evil.example' } }), 'cross-site');
  await refused(report(token, '192.0.2.1', { headers: { Origin: 'null' } }), 'cross-site');
  await refused(report(token, '192.0.2.1', { headers: { 'Sec-Fetch-Site': 'cross-site' } }), 'cross-site');
  assert.equal(
    (await report(token, '192.0.2.1', { headers: { Origin: `https://${HOST}`, 'Sec-Fetch-Site': 'same-origin' } }))
      .status,
    204,
  );
  await until(
    async () => (await sideOf('open')).pages > 0,
    () => "the page's own report to be counted",
  );
  assert.equal((await sideOf('open')).pages, 1, 'and those before it are not');
});

test('where one network is all there is, it counts in full', async () => {
  await gate.restart({ bindings: { BEACON_ONE_NETWORK: 'allow' }, keepState: true });
  await failingPages('open', () => '203.0.113.9');
  await until(
    async () => (await ana.rollout('open')).state.phase === 'rolled_back',
    () => 'the rollback',
  );
});
