// A plan of nothing but routes, upstreams and stages: whatever is wrong with new, it is rolled back and says
// why; what is well completes, and what nobody comes to waits.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chance } from './chance.mjs';
import { openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { DOCUMENT } from './plans.mjs';
import { deadUrl, startUpstream } from './upstream.mjs';
import { visitors } from './visitors.mjs';

/** For all of them at once, on a busy machine. */
const PATIENCE_MS = 180_000;
const HTML = ['Content-Type', 'text/html; charset=utf-8'];
const PAGE = { headers: [HTML], body: '<!doctype html><title>page</title><p>text' };
const STAGES = [
  { name: 'quarter', percentage: 25, hold: '2s' },
  { name: 'half', percentage: 50, hold: '2s' },
  { name: 'full', percentage: 100, hold: '2s' },
];

const dice = chance(1, 'careless');
/** What new does instead of its page, and what is said of that. */
const FAULTS = {
  errors: {
    says: 'error_rate > legacy',
    answer: () => (dice.happens(0.3) ? { status: 500, body: 'broken' } : PAGE),
  },
  missing: { says: 'client_error_rate > legacy', answer: { status: 404, headers: [HTML], body: '<p>not found' } },
  down: { says: 'error_rate > legacy' },
  hanging: { says: 'error_rate > legacy', answer: () => sleep(20_000, PAGE) },
  loop: {
    says: 'error_rate > legacy',
    answer: ({ url, get }) => ({ status: 302, headers: [['Location', `http://${get('host')}${url}`]] }),
  },
  blank: { says: 'error_rate > legacy', answer: { headers: [HTML], body: '' } },
};
const KEYS = [...Object.keys(FAULTS), 'well'];

describe('a plan that says nothing of what could go wrong', { concurrency: false }, () => {
  let legacy, next, gate, ana, crowds;
  before(async () => {
    [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
    [legacy, next].forEach((site) => site.otherwise(PAGE));
    for (const [key, { answer }] of Object.entries(FAULTS)) if (answer) next.handle(`/${key}/page`, answer);
    const nowhere = await deadUrl();
    const rollout = (key) => ({
      key,
      routes: [`/${key}/*`],
      identity: { from: ['header:x-user-id'] },
      upstreams: { legacy: legacy.url, new: key === 'down' ? nowhere : next.url, timeout: '3s' },
      stage: STAGES,
    });
    gate = await openControlled([...KEYS, 'deserted'].map(rollout));
    ana = operator(gate);
    crowds = KEYS.map((key) => visitors(gate, { count: 400, perSecond: 25, path: `/${key}/page`, headers: DOCUMENT }));
  });
  after(async () => {
    await Promise.all((crowds ?? []).map((crowd) => crowd.stop()));
    await gate?.close();
    await Promise.all([legacy, next].map((site) => site.close()));
  });

  /** The rollout, once it is in this phase. */
  async function reaches(key, phase) {
    let rollout;
    await until(
      async () => (rollout = await ana.rollout(key)).state.phase === phase,
      () => `${key} to be ${phase}: ${JSON.stringify(rollout, null, 1)}`,
      PATIENCE_MS,
    );
    return rollout;
  }

  for (const [key, { says }] of Object.entries(FAULTS)) {
    test(`${key}: it is rolled back, with the figures of now`, async () => {
      await reaches(key, 'rolled_back');
      const { actor, cause, figures } = (await ana.history(key)).at(-1);
      assert.equal(actor, 'guardrail');
      assert.equal(cause.condition, says);
      assert.match(figures[0], /rate is [\d.]+ % on new vs [\d.]+ % on legacy in the last (minute|5 minutes)/);
    });
  }

  test('well: it completes', async () => {
    await reaches('well', 'completed');
  });

  test('deserted: it waits, and says for what', async () => {
    const { state, stages, blocked } = await ana.rollout('deserted');
    assert.deepEqual([state.phase, state.stage], ['running', 'quarter']);
    assert.deepEqual(
      stages[0].gates.map(({ condition, built_in: isBuiltIn, verdict }) => [condition, isBuiltIn, verdict]),
      [
        ['error_rate <= legacy', true, 'inconclusive'],
        ['client_error_rate <= legacy', true, 'inconclusive'],
      ],
    );
    assert.deepEqual(
      blocked.map(({ text }) => text),
      ['waiting for data: `error_rate <= legacy`, `client_error_rate <= legacy`'],
    );
  });
});
