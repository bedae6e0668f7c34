// What is reported before and after a change: what the schedule makes of it at once, what a completion ends,
// why a command is not possible and when it will be, and how far a kill has come.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { operator, traffic } from './control.mjs';
import { CLI, openGate, TOKENS, until } from './harness.mjs';
import { checked } from './openapi.mjs';
import { flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const DAY_MS = 86_400_000;
const day = (ms) => DAYS[new Date(ms).getUTCDay()];
/** A freeze from yesterday to the day after tomorrow. */
const FROZEN = [`${day(Date.now() - DAY_MS)} 00:00-${day(Date.now() + 2 * DAY_MS)} 00:00 UTC`];
const MIDNIGHT = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + 2 * DAY_MS).toISOString().replace('.000Z', 'Z');

let legacy, next, gate, ana;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({ isolates: 2 });
  ana = operator(checked(gate));
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const refusedOf = ({ status, body, text }) => assert.equal(status, 409, text) ?? body;
const notNow = (view, command) => view.not_now.find((own) => own.command === command);

describe('a command that is not possible', () => {
  test('is reported with its reason, and with the time where that alone stands in the way', async () => {
    await ana.apply([
      flag('frozen', { freeze: FROZEN }),
      flag('checked', { freeze: FROZEN, checklist: ['Signed off'] }),
    ]);
    const start = notNow(await ana.rollout('frozen'), 'start');
    assert.deepEqual([start.refusal, start.at, start.waits], ['frozen', MIDNIGHT, true]);
    assert.match(start.reason, /freeze/);
    const { at, reason } = notNow(await ana.rollout('checked'), 'start');
    assert.equal(at, undefined);
    assert.match(reason, /Signed off.*freeze/);
    assert.deepEqual(
      (await ana.rollout('checked')).blocked.map(({ by }) => by),
      ['draft', 'checklist', 'freeze'],
    );
  });

  test('is none that would be accepted', async () => {
    const { commands, not_now: others } = await ana.rollout('checked');
    assert.deepEqual([...commands, ...others.map(({ command }) => command)].sort(), [
      'advance',
      'approve',
      'complete',
      'kill',
      'pause',
      'resume',
      'revive',
      'rollback',
      'set',
      'start',
    ]);
  });
});

describe('a dry run', () => {
  test('follows the schedule to where it next waits', async () => {
    await ana.apply([
      flag('held', {
        stage: [
          { name: 'a', percentage: 0, hold: '1s', checklist: ['Looked at'] },
          { name: 'b', percentage: 5, hold: '1h' },
        ],
      }),
    ]);
    const { then, waits } = await ana.orders('held', 'start', { dry_run: true });
    assert.deepEqual([then, waits.map(({ by }) => by)], [[], ['hold', 'checklist']]);
    await ana.orders('held', 'start');
    await until(
      async () => (await ana.rollout('held')).blocked.every(({ by }) => by !== 'hold'),
      () => 'the hold to be over',
    );
    const tried = await ana.orders('held', 'approve', { item: 'Looked at', dry_run: true });
    assert.deepEqual(tried.then, [{ command: 'advance', stage: 'b', percentage: 5, phase: 'running' }]);
    assert.deepEqual([tried.moves.to, tried.waits.map(({ by }) => by)], [5, ['hold']]);
    const done = await ana.orders('held', 'approve', { item: 'Looked at' });
    assert.deepEqual(done.then, tried.then);
    assert.equal((await ana.rollout('held')).state.stage, 'b', 'so it comes');
  });
});

describe('a completion', () => {
  test('that is advised against wants the key, and says what ends', async () => {
    await ana.apply([
      plan(legacy, next, {
        key: 'ending',
        routes: ['/ending/*'],
        holdout: 5,
        upstreams: { rescue: 'until_completed' },
        after_rollback: ['Cause found'],
      }),
    ]);
    await ana.orders('ending', 'start');
    assert.deepEqual(
      (await ana.orders('ending', 'complete', { dry_run: true })).ends.map(({ what }) => what),
      ['rescue', 'skew', 'holdout', 'comparisons'],
    );
    await ana.orders('ending', 'rollback');
    const problem = refusedOf(await ana.command('ending', 'complete'));
    assert.deepEqual(
      [problem.refusal, problem.confirm, problem.ends.map(({ what }) => what).slice(0, 3)],
      ['checklist', 'ending', ['rescue', 'skew', 'holdout']],
    );
    assert.equal(notNow(problem.current, 'complete').confirmable, true);
    assert.equal(refusedOf(await ana.command('ending', 'complete', { confirm: 'shop' })).refusal, 'other-key');
    const { rollout, entry } = await ana.orders('ending', 'complete', { confirm: 'ending' });
    assert.equal(rollout.state.phase, 'completed');
    assert.deepEqual(entry.command, { command: 'complete', confirm: 'ending' });
  });
});

describe('a kill', () => {
  test('is followed to every isolate, and the command says when none serves new', async () => {
    await ana.apply([plan(legacy, next, { key: 'killed', routes: ['/killed/*'] })]);
    await ana.orders('killed', 'start');
    await ana.orders('killed', 'set', { percentage: 100 });
    const users = traffic(gate, 'killed');
    try {
      await users.reaches('new bucketed');
      assert.equal((await ana.rollout('killed')).reach, undefined);
      const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
      const { stdout, stderr } = await promisify(execFile)(CLI, ['kill', 'killed', '--yes', '--reason', 'a test'], {
        env,
      });
      assert.match(stdout, /killed \(was paused/);
      assert.match(stderr, /✓ 0 requests to new for [3-9]s, confirmed by all \d isolates seen in the last minute/);
      assert.deepEqual(
        users.stories().map((story) => story.at(-1)),
        users.stories().map(() => 'legacy killed'),
      );
      const { reach } = await ana.rollout('killed');
      assert.ok(reach.isolates >= 2 && reach.behind === 0 && reach.quiet_ms >= 3_000, JSON.stringify(reach));
    } finally {
      await users.stop();
    }
    await ana.orders('killed', 'revive');
    assert.equal((await ana.rollout('killed')).reach, undefined);
  });

  test('of which an isolate without requests has not assigned that it knows, is no success', async () => {
    const [busy, idle] = gate.isolates;
    await ana.orders('killed', 'set', { percentage: 100 });
    for (const isolate of [busy, idle]) await isolate.fetch('/killed/page');
    await until(
      async () => (await ana.orders('killed', 'kill')).rollout.reach.isolates >= 2,
      () => 'both isolates to report',
    );
    const { reach } = await ana.rollout('killed');
    assert.ok(reach.behind > 0 && reach.quiet_ms === undefined, JSON.stringify(reach));
    await until(
      async () => {
        await Promise.all([busy, idle].map((isolate) => isolate.fetch('/killed/page')));
        return (await ana.rollout('killed')).reach.behind === 0;
      },
      () => 'both to tell, once they have requests',
    );
  });
});
