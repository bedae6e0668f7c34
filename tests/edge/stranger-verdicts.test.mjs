// The judge and a stranger's release: what users meet is measured under its own name, a release that
// refuses everybody is sent back by itself, and one client alone cannot send a healthy one back.
// fluxcd/flagger#8, linkerd2#3528, cloud-run-release-manager#42.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { DOCUMENT, half, idsOn } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { visitors } from './visitors.mjs';

/** Long enough for a few loops of 10 s on a busy machine. */
const PATIENCE_MS = 240_000;
/** So many healthy requests to new are counted and evaluated after those of one client, of whom there are 64. */
const LATER = 150;
const LIMIT_MS = 1_000;
const PAGE = { headers: [['Content-Type', 'text/html']], body: '<!doctype html><title>page</title>' };

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const rollout = (key, changes = {}) => half(legacy, next, { key, salt: 'p', routes: [`/${key}/*`], ...changes });
const phase = async (gate, key) => (await operator(gate).rollout(key)).state.phase;
const reaches = (gate, key, wanted) =>
  until(
    async () => (await phase(gate, key)) === wanted,
    () => `${key} to be ${wanted}`,
    PATIENCE_MS,
  );

describe('what users meet has a name of its own', () => {
  const KEY = 'p';
  const NAMES = [
    'client_error_rate',
    'status.403_rate',
    'status.404_rate',
    'timeout_rate',
    'abandoned_rate',
    'error_rate',
  ];
  const COUNT = 60;
  let gate, figures;
  before(async () => {
    for (const site of [legacy, next]) site.otherwise(PAGE);
    gate = await openControlled([
      rollout(KEY, {
        defaults: 'none',
        // A breaker would keep most of these from new.
        upstreams: { timeout: `${LIMIT_MS}ms`, breaker: false },
        guardrail: NAMES.map((name) => ({ when: `${name} > 99% over 5m`, then: 'alert' })),
      }),
    ]);
    await until(
      async () =>
        (await gate.fetch(`/${KEY}/warm`, { headers: { 'x-user-id': 'ana' } })).get('tidegate-variant') === 'new',
      () => 'the rollout to run',
    );
    figures = async () =>
      Object.fromEntries(
        (await operator(gate).rollout(KEY)).guardrails.map(({ when, figures: [figure] = [] }) => [
          when.split(' ')[0],
          figure,
        ]),
      );
  });
  after(() => gate?.close());

  test('client errors, single statuses, answers that are late, and those who give up', async () => {
    const ids = idsOn('new', 5 * COUNT);
    const all = (path, options = () => ({})) =>
      Promise.all(
        ids
          .splice(0, COUNT)
          .map((id) =>
            gate
              .fetch(`/${KEY}${path}`, { headers: { ...DOCUMENT, 'x-user-id': id }, ...options() })
              .catch(() => undefined),
          ),
      );
    next.handle(`/${KEY}/403`, { status: 403, body: 'no' });
    next.handle(`/${KEY}/404`, { status: 404, body: 'no' });
    next.handle(`/${KEY}/late`, { ...PAGE, delayMs: 2 * LIMIT_MS });
    next.handle(`/${KEY}/hang`, { ...PAGE, delayMs: 2 * LIMIT_MS });
    await all('/page');
    await all('/403');
    await all('/404');
    await all('/late');
    await all('/hang', () => ({ afterMs: LIMIT_MS / 2 }));
    const expected = {
      client_error_rate: 0.4,
      'status.403_rate': 0.2,
      'status.404_rate': 0.2,
      timeout_rate: 0.2,
      abandoned_rate: 0.2,
      error_rate: 0.2,
    };
    // Isolates report as they count, so figures before the last report are of a part only.
    let shown;
    const isAsExpected = ([name, value]) =>
      shown[name]?.observations >= 4.6 * COUNT && Math.abs(shown[name].value - value) < 0.06;
    await until(
      async () => {
        shown = await figures();
        return Object.entries(expected).every(isAsExpected);
      },
      () => `${JSON.stringify(shown)} to be about ${JSON.stringify(expected)}`,
      PATIENCE_MS,
    );
  });
});

describe('by itself, without a word in the plan', () => {
  const REFUSED = { status: 403, headers: [['Content-Type', 'text/plain']], body: 'no' };
  const MISSING = { status: 404, headers: [['Content-Type', 'text/html']], body: 'no' };
  const KEYS = {
    missing: [PAGE, MISSING],
    refused: [PAGE, REFUSED],
    down: [PAGE, { status: 503, body: 'down' }],
    alike: [MISSING, MISSING],
  };
  let gate;
  const crowds = [];
  before(async () => {
    for (const [key, [ofLegacy, ofNew]] of Object.entries(KEYS)) {
      legacy.handle(`/${key}/page`, ofLegacy);
      next.handle(`/${key}/page`, ofNew);
    }
    gate = await openControlled(Object.keys(KEYS).map((key) => rollout(key)));
    for (const key of Object.keys(KEYS)) crowds.push(visitors(gate, { perSecond: 40, path: `/${key}/page` }));
  });
  after(async () => {
    await Promise.all(crowds.map((crowd) => crowd.stop()));
    await gate?.close();
  });

  for (const [key, what] of [
    ['missing', '404'],
    ['refused', '403'],
    ['down', '503'],
  ]) {
    test(`a release that says ${what} to everybody is rolled back`, async () => {
      await reaches(gate, key, 'rolled_back');
      assert.equal((await operator(gate).history(key)).at(-1).actor, 'guardrail');
    });
  }

  test('and one that says 404 where legacy does too is not', async () => {
    await reaches(gate, 'missing', 'rolled_back');
    assert.equal(await phase(gate, 'alike'), 'running');
  });
});

describe('one client with 64 failures does not send a healthy release back', { concurrency: true }, () => {
  const CLIENTS = {
    'who is known': { headers: () => ({ 'x-user-id': idsOn('new')[0], ...DOCUMENT }) },
    'who sends forms': { headers: () => ({ 'x-user-id': idsOn('new')[0] }), options: { method: 'POST', body: 'a=1' } },
    'who is nobody': {
      headers: () => ({ Accept: '*/*', 'User-Agent': 'curl/8.9', 'CF-Connecting-IP': '203.0.113.7' }),
      changes: { percentage: 100 },
    },
  };
  for (const [index, [who, { headers, options = {}, changes = {} }]] of Object.entries(CLIENTS).entries()) {
    test(who, async () => {
      const key = `k${index}`;
      next.handle(`/${key}/fail`, { status: 500, body: 'broken' });
      legacy.handle(`/${key}/fail`, { status: 500, body: 'broken' });
      for (const site of [legacy, next]) site.handle(`/${key}/page`, PAGE);
      const gate = await openControlled(
        [
          rollout(key, {
            guardrail: [{ when: 'error_rate > 5% over 5m', then: 'rollback' }],
            upstreams: { rescue: false },
          }),
        ],
        changes,
      );
      const crowd = visitors(gate, { perSecond: 20, path: `/${key}/page` });
      const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
      try {
        await until(
          async () => crowd.sides().new > 20,
          () => 'healthy visitors',
          PATIENCE_MS,
        );
        await Promise.all(
          Array.from({ length: 64 }, () => gate.fetch(`/${key}/fail`, { headers: headers(), agent, ...options })),
        );
        // Counts come in order: an evaluation that has seen what came later has seen all of that client's.
        const observed = async () => (await operator(gate).rollout(key)).guardrails[0].figures?.[0]?.observations ?? 0;
        const before = await observed();
        await until(
          async () => (await observed()) >= before + LATER || (await phase(gate, key)) === 'rolled_back',
          () => 'an evaluation of what came later',
          PATIENCE_MS,
        );
        assert.equal((await phase(gate, key)) === 'rolled_back', false, 'the release is left alone');
        // A real outage is another matter.
        next.handle(`/${key}/page`, { status: 500, body: 'broken' });
        await reaches(gate, key, 'rolled_back');
      } finally {
        agent.destroy();
        await crowd.stop();
        await gate.close();
      }
    });
  }
});
