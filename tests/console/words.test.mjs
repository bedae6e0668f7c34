// What the console says, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownOf } from '../../www/state/shown.js';
import { reasonsOf, reasonText } from '../../www/text/commands.js';
import { count, evidence, evidenceShare, figure, percent, plural } from '../../www/text/numbers.js';
import { cost, headline } from '../../www/text/rehearse.js';
import { healthOf, nextOf, rank, verdictOf, warningsOf } from '../../www/text/rollout.js';
import { ago, duration, time, until } from '../../www/text/time.js';
import { listed, sentence } from '../../www/text/words.js';

const NOW = Date.parse('2026-12-02T14:00:00Z');

test('percentages show what counts of them', () => {
  assert.equal(percent(25), '25 %');
  assert.equal(percent(0.001), '0.001 %');
  assert.equal(percent(0.1 + 0.2), '0.3 %');
  assert.equal(count(12_345), '12,345');
  assert.equal(plural(1, 'gate'), '1 gate');
  assert.equal(plural(2, 'gate'), '2 gates');
});

test('times are written in two units, in UTC, and with their day only where it is another', () => {
  assert.equal(duration(8_400), '8 s');
  assert.equal(duration(200_000), '3 min 20 s');
  assert.equal(duration(3_600_000), '1 h');
  assert.equal(duration(2 * 86_400_000 + 3 * 3_600_000), '2 d 3 h');
  assert.equal(until(NOW + 22_000, NOW), 'in 22 s');
  assert.equal(until(NOW - 1, NOW), 'now');
  assert.equal(ago(NOW - 2_000, NOW), 'just now');
  assert.equal(ago(NOW - 300_000, NOW), '5 min ago');
  assert.equal(time('2026-12-02T09:05:00Z', NOW), '09:05 UTC');
  assert.equal(time('2026-12-04T09:05:00Z', NOW), 'Fri 4 Dec 09:05 UTC');
  assert.equal(time('2027-01-04T09:05:00Z', NOW), 'Mon 4 Jan 2027 09:05 UTC');
});

test('sentences leave the names of metrics as they are', () => {
  assert.equal(sentence('error_rate is 2 %'), 'error_rate is 2 %.');
  assert.equal(sentence('lcp.p75 over 5m: nothing'), 'lcp.p75 over 5m: nothing.');
  assert.equal(sentence('one gate is inconclusive'), 'One gate is inconclusive.');
  assert.equal(sentence('gathered last at 2026-11-21T09:35:12.739Z'), 'Gathered last at 2026-11-21 09:35:12 UTC.');
  assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
});

test('figures have the unit of their metric', () => {
  assert.equal(figure('error_rate', 0.0123), '1.23 %');
  assert.equal(figure('latency.p95@api', 420.4), '420 ms');
  assert.equal(figure('lcp.p75', 1_840), '1.84 s');
  assert.equal(figure('cls.p75', 0.021), '0.021');
  assert.equal(figure('signal.p1', 3), '3');
  assert.equal(figure('error_rate', null), '–');
});

test('evidence is reported on a log scale, however large', () => {
  assert.equal(evidence(3.217), '3.22');
  assert.equal(evidence(12_400_000), '1.2e7');
  assert.equal(evidence(0.001), '0.001', 'the end of an axis is not zero');
  assert.equal(evidence(null), 'more than a number can hold');
  assert.equal(evidenceShare(10, 100), 0.5);
  assert.equal(evidenceShare(0.3, 100), 0);
  assert.equal(evidenceShare(null, 100), 1);
});

const state = (changes) => ({
  phase: 'running',
  killed: false,
  attempt: 1,
  stage: 'canary',
  percentage: 10,
  groups: ['team'],
  ...changes,
});

test('a command that is not possible says why and until when, once for those with the same reason', () => {
  const not_now = [
    {
      command: 'start',
      refusal: 'frozen',
      reason: 'change freeze',
      at: '2026-12-04T00:00:00Z',
      waits: true,
    },
    { command: 'advance', refusal: 'killed', reason: 'the rollout is killed', waits: true },
    { command: 'complete', refusal: 'killed', reason: 'the rollout is killed', waits: true, confirmable: true },
    { command: 'resume', refusal: 'phase', reason: 'the rollout has not been started', waits: false },
  ];
  const reasons = reasonsOf({ not_now });
  assert.deepEqual(
    reasons.map((reason) => reasonText(reason, NOW)),
    ['Start: change freeze, until Fri 4 Dec 00:00 UTC (in 1 d 10 h).', 'Advance and Complete: the rollout is killed.'],
  );
  assert.deepEqual(
    reasons.map(({ isConfirmable }) => isConfirmable),
    [false, true],
  );
  assert.deepEqual(reasonsOf({}), [], 'an older deployment tells nothing');
  assert.equal(
    nextOf(rollout({ phase: 'draft' }, { not_now }), NOW),
    'waits to be started, possible in 1 d 10 h (Fri 4 Dec 00:00 UTC)',
  );
});

const rollout = (live, changes) => ({
  state: state(live),
  percentage: 10,
  faults: [],
  guardrails: [],
  stages: [{ name: 'canary' }],
  ...changes,
});

test('what needs attention comes first', () => {
  const failing = [{ verdict: 'pass' }, { verdict: 'fail' }];
  const order = [
    rollout({ killed: true }),
    rollout({ phase: 'rolled_back' }),
    rollout({}, { guardrails: failing }),
    rollout({ phase: 'paused' }),
    rollout(),
    rollout({ phase: 'draft' }),
    rollout({ phase: 'completed' }),
  ];
  assert.deepEqual(order.map(rank), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(rank(rollout({}, { faults: [{}] })), 2);
  assert.equal(healthOf(rollout({}, { guardrails: failing })).word, 'Tripped');
  assert.equal(
    healthOf(rollout({}, { guardrails: [{ verdict: 'pass' }, { verdict: 'inconclusive' }] })),
    null,
    'no verdict is no news',
  );
  assert.equal(healthOf(rollout({}, { guardrails: [{ verdict: 'pass' }] })).word, 'Clear');
});

test('what is wrong with a running rollout is named in a few words, and asks for attention', () => {
  const problems = [
    { on: 'srm', what: 'users are not split as the percentage says', is_found: false },
    { on: 'no_traffic', what: 'no requests arrive', is_found: true },
    { on: 'from_a_later_version', what: 'something else', is_found: true },
  ];
  const observer = { mode: 'observe', acts: 'would have rolled back', verdict: 'pass' };
  const guardrails = [observer, { ...observer, observed_at: '2026-12-02T13:00:00Z' }];
  const found = (live, changes) => warningsOf(rollout(live, changes)).map(({ word, tone }) => `${word} ${tone}`);
  assert.deepEqual(found({}, { problems, guardrails }), [
    'No traffic warn',
    'something else warn',
    'Would have rolled back warn',
  ]);
  assert.deepEqual(found({}, { problems: problems.slice(0, 1), guardrails: [observer] }), []);
  assert.deepEqual(found({ killed: true }, { problems, guardrails }), [], 'a kill is above all of it');
  assert.deepEqual(found({}, {}), [], 'an older deployment tells nothing');
  for (const changes of [{ problems }, { guardrails }]) assert.equal(rank(rollout({}, changes)), 3);
});

test('evidence is of what a gate asks for, or of the contrary', () => {
  /** @type {any[]} */
  const all = [
    ['gate', '<=', 'more', 'worse'],
    ['gate', '<', 'less', 'better'],
    ['gate', '<', 'more', 'worse'],
    ['gate', '>=', 'less', 'worse'],
    ['gate', '>', 'more', 'better'],
    ['guardrail', '>', 'more', 'worse'],
    ['guardrail', '<', 'less', 'worse'],
    ['guardrail', '>', 'doubled', 'worse'],
    ['ratio', '=', 'more', null],
    ['gate', '<=', undefined, null],
  ];
  for (const [kind, op, shows, said] of all) assert.equal(shownOf(kind, { op, shows }), said, `${kind} ${op} ${shows}`);
});

test('a verdict is named by what it is of', () => {
  const words = (kind) =>
    /** @type {const} */ (['pass', 'fail', 'inconclusive']).map((verdict) => verdictOf(kind, { verdict }).word);
  assert.deepEqual(words('guardrail'), ['Clear', 'Tripped', 'Not enough data']);
  assert.deepEqual(words('gate'), ['Met', 'Not met', 'Not enough data']);
  assert.equal(verdictOf('guardrail', { verdict: 'inconclusive', hasActed: true }).word, 'Acted');
  assert.equal(verdictOf('gate', { isOff: true }).word, 'Not in force');
  const through = verdictOf('gate', { verdict: 'pass', let_through: true });
  assert.deepEqual([through.word, through.tone], ['Let through', 'warn'], 'undecided is not met');
});

test('the end of a rehearsal has the time of its event, and its errors are those of users', () => {
  const fate = {
    outcome: 'rolled_back',
    stage: 'half',
    percentage: 0,
    at_hours: 0.49,
    reason: 'it came true',
    subjects_exposed: 363,
    requests_failed: 3,
    requests_rescued: 22,
    requests_until_detection: 487,
    hours_until_detection: 0.17,
    alerts: 0,
  };
  const outline = { stages: [{ name: 'half', percentage: 50 }] };
  const events = [
    { at_ms: 1_000, text: 'it began' },
    { at_ms: 1_780_000, text: 'it came true' },
  ];
  assert.equal(headline(fate, outline, events), 'Rolled back after 29 min 40 s at half, 50 %');
  assert.equal(
    cost(fate),
    '363 users had seen new. They saw 3 errors before the rollback; 22 more requests were rescued by legacy. The failure was detected about 10 min after it began, after 487 requests to new.',
  );
  assert.equal(
    cost({ ...fate, outcome: 'completed', requests_failed: 0, requests_rescued: 0, requests_until_detection: null }),
    '363 users saw new. They saw 0 errors.',
  );
});

test('what comes next is said with its time and its condition', () => {
  const next = { command: 'advance', text: 'advances to full (100 %)', stage: 'full', percentage: 100 };
  assert.equal(nextOf(rollout({}, { next }), NOW), 'advances to full (100 %) as soon as nothing blocks it');
  assert.equal(
    nextOf(rollout({}, { next: { ...next, at: '2026-12-02T14:04:00Z' } }), NOW),
    'advances to full (100 %) in 4 min (14:04 UTC)',
  );
  const condition = '2 gates pass';
  assert.equal(
    nextOf(rollout({}, { next: { ...next, condition } }), NOW),
    'advances to full (100 %) as soon as 2 gates pass',
  );
  assert.equal(
    nextOf(rollout({}, { next: { ...next, condition, earliest: '2026-12-02T14:04:00Z' } }), NOW),
    'advances to full (100 %) in 4 min (14:04 UTC) if 2 gates pass',
  );
  const stages = [{ name: 'canary', percentage: 1 }];
  assert.equal(
    nextOf(rollout({ phase: 'rolled_back' }, { stages }), NOW),
    'stays until it is resumed (attempt 2, from 1 %)',
  );
  const checklist = { of: 'rollback', items: [{ item: 'Cause found' }] };
  assert.equal(
    nextOf(rollout({ phase: 'rolled_back' }, { stages, checklist }), NOW),
    'approve 1 item, then resume (attempt 2, from 1 %)',
  );
  assert.equal(
    nextOf(rollout({ killed: true }, { kill_key: 'kill/shop' }), NOW),
    'stays killed until the key in KV is deleted',
  );
});
