// The judge in operation: real traffic through real workerd, plans of seconds, and a new frontend that
// is well, fails, is slow, or is gone.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { chance } from './chance.mjs';
import { audit, openControlled, operator } from './control.mjs';
import { CLI, TOKENS, until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { visitors } from './visitors.mjs';

/** Long enough for a loop of 10 s on a busy machine. */
const PATIENCE_MS = 180_000;

const STAGES = [
  { name: 'first', percentage: 1, hold: '3s' },
  {
    name: 'quarter',
    percentage: 25,
    hold: '3s',
    gates: ['error_rate < 2% over stage min 20', 'latency.p95 < 2s over stage min 20'],
  },
  { name: 'half', percentage: 50, hold: '3s', gates: ['error_rate < 2% over stage min 20'] },
  { name: 'full', percentage: 100, hold: '3s', gates: ['error_rate < 2% over stage min 20'] },
];
const GUARDRAILS = [
  { when: 'error_rate > legacy', then: 'rollback', severity: 'critical' },
  { when: 'latency.p75 > 1.3x legacy', then: 'rollback' },
  { when: 'rescued > 20 over 5m', then: 'rollback' },
];

/** A page that takes so long, and fails so often: from a seed, so that each run meets the same. */
const page =
  ({ ms = 0, errors = 0 } = {}, dice = chance(1, 'page')) =>
  async () => {
    // Real pages differ; two that take exactly as long would lie on a bucket's edge together.
    await sleep(ms * (0.8 + 0.4 * dice.next()));
    return dice.happens(errors)
      ? { status: 500, body: 'broken' }
      : { headers: [['Content-Type', 'text/html']], body: '<!doctype html><title>page</title>' };
  };

describe('the judge in operation', { concurrency: false }, () => {
  let legacy, next;
  before(async () => {
    [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  });
  after(() => Promise.all([legacy.close(), next.close()]));

  /** Runs `act` with a rollout and its visitors; the history is audited at the end. */
  async function rollout(changes, act, options = {}) {
    const gate = await openControlled(
      [plan(legacy, next, { stage: STAGES, guardrail: GUARDRAILS, upstreams: { timeout: '2s' }, ...changes })],
      options,
    );
    const crowd = visitors(gate);
    try {
      await act({ gate, crowd, ana: operator(gate), key: 'shop' });
      await audit(gate, 'shop');
    } finally {
      await crowd.stop();
      await gate.close();
    }
  }

  /** The rollout, once it is in this phase. */
  async function reaches(ana, phase) {
    let rollout;
    const isThere = async () => {
      rollout = await ana.rollout('shop');
      return rollout.state.phase === phase;
    };
    await until(isThere, () => `${phase}: ${JSON.stringify(rollout, null, 1)}`, PATIENCE_MS);
    return rollout;
  }

  test('a healthy frontend goes from 1 % to everybody alone', async () => {
    [legacy, next].forEach((site) => site.otherwise(page({ errors: 0.002 })));
    await rollout({}, async ({ ana, crowd }) => {
      await reaches(ana, 'completed');
      const entries = await ana.history('shop');
      assert.deepEqual(
        entries.map(({ command }) => command.command),
        ['apply', 'start', 'advance', 'advance', 'advance', 'complete'],
      );
      assert.ok(entries.slice(2).every(({ actor }) => actor === 'schedule'));
      assert.match(
        entries[3].figures[0],
        /^error_rate is [\d.]+ % in the last (minute|5 minutes|hour)( \(\d+ requests? rescued\))?; [\d.]+ % over stage, of [\d,]+ requests; target: below 2 %$/,
      );
      assert.ok(crowd.sides().new > 0);
    });
  });

  test('one that answers 500 to one in twenty is rolled back, and everything says why with figures', async () => {
    legacy.otherwise(page({ errors: 0.002 }));
    next.otherwise(page({ errors: 0.05 }));
    await rollout(
      { upstreams: { rescue: false }, stage: [{ name: 'half', percentage: 50, hold: '1h' }] },
      async ({ gate, ana }) => {
        await reaches(ana, 'rolled_back');
        const last = (await ana.history('shop')).at(-1);
        assert.equal(last.actor, 'guardrail');
        assert.deepEqual(last.cause, { by: 'guardrail', index: 0, condition: 'error_rate > legacy' });
        assert.equal(last.reason, 'the guardrail `error_rate > legacy` came true');
        // The built-in guardrail on client errors is the third that is compared with legacy.
        assert.match(
          last.figures[0],
          /^error_rate is [\d.]+ % on new vs [\d.]+ % on legacy .*evidence that it is more than legacy's: [\w\d,. ]+ \(threshold [\d,]+\), from [\d,]+ vs [\d,]+ exposures; significant$/,
        );
        const { observations, observations_legacy: ofLegacy, exposures } = last.measured[0];
        assert.ok(observations > 0 && ofLegacy > 0 && exposures.new > 0 && exposures.legacy > 0);
        const run = promisify(execFile);
        const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.vic };
        const { stdout } = await run(CLI, ['history', 'shop'], { env });
        assert.match(stdout, /guardrail[\s\S]*error_rate/);
        assert.match(
          (await run(CLI, ['status', 'shop'], { env })).stdout,
          // By then another evaluation may have found that new has no traffic any more, which is no ✗.
          /rolled back to 0 %[\s\S]*error_rate > legacy → rollback/,
        );
        assert.ok(
          gate.logs.some((line) => /error_rate > legacy/.test(JSON.stringify(line))),
          'the log says why',
        );
        const metrics = await gate.fetch('/_tidegate/metrics', { headers: { Authorization: `Bearer ${TOKENS.vic}` } });
        assert.match(metrics.text, /tidegate_phase\{[^}]*phase="rolled_back"[^}]*\} 1/);
        assert.match(metrics.text, /tidegate_errors_total\{[^}]*variant="new"[^}]*\} [1-9]/);
      },
    );
  });

  test('one that is only slower by 40 % trips the latency guardrail', async () => {
    legacy.otherwise(page({ ms: 250 }));
    next.otherwise(page({ ms: 350 }));
    await rollout({ stage: [{ name: 'half', percentage: 50, hold: '1h' }] }, async ({ ana }) => {
      await reaches(ana, 'rolled_back');
      const { cause, figures } = (await ana.history('shop')).at(-1);
      assert.equal(cause.condition, 'latency.p75 > 1.3x legacy');
      assert.match(figures[0], /^latency\.p75 is \d+/);
    });
  });

  test('with the new frontend gone users see no error, and it is rolled back all the same', async () => {
    legacy.otherwise(page());
    next.otherwise({ reset: true, quiet: true });
    await rollout({ stage: [{ name: 'half', percentage: 50, hold: '1h' }] }, async ({ ana, crowd }) => {
      const rolledBack = await reaches(ana, 'rolled_back');
      assert.equal(crowd.failed(), 0);
      assert.ok(
        ['error_rate > legacy', 'rescued > 20 over 5m'].some((when) =>
          rolledBack.guardrails.some((guardrail) => guardrail.when === when),
        ),
      );
    });
  });
});
