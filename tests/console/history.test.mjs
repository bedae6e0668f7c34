// The history as one timeline, and an assignment in words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as explain from '../../www/state/explain.js';
import { hasOlder, initial, olderOf, reduce as reduceHistory, timelineOf } from '../../www/state/history.js';

const time = (minute, day = 2) => `2026-12-0${day}T10:${String(minute).padStart(2, '0')}:00Z`;
/** @returns {any} */
const entry = (revision, at, command = 'advance') => ({
  revision,
  at,
  actor: 'ana',
  command: { command },
  reason: 'why',
  outcome: `running in s${revision}`,
});
const message = (at, kind = 'alert') => ({ at, kind, to: ['chat'], text: `${kind} of ${at}` });

/**
 * Events here have of each what the law under test is about.
 * @type {(history: typeof initial, event: any) => typeof initial}
 */
const reduce = reduceHistory;

const opened = reduce(initial, { type: 'route', view: 'rollout', key: 'demo' });
const after = (...events) =>
  events.reduce((history, event) => reduce(history, { key: 'demo', before: null, ...event }), opened);
const ids = (history) =>
  timelineOf(history).map(({ day, items }) => [
    day,
    ...items.map(({ entry: change, message: said }) => (change ? `r${change.revision}` : said.kind)),
  ]);

test('entries and messages are one timeline, newest first, by day', () => {
  const history = after(
    { type: 'history', items: [entry(3, time(9)), entry(2, time(5)), entry(1, time(1, 1))] },
    { type: 'messages', items: [message(time(7)), message(time(2, 1), 'checkin')] },
  );
  assert.deepEqual(ids(history), [
    ['2026-12-02', 'r3', 'alert', 'r2'],
    ['2026-12-01', 'checkin', 'r1'],
  ]);
  const from = (item) => ('from' in item ? item.from : undefined);
  assert.equal(from(timelineOf(history)[0].items[0]), 'running in s2');
  assert.equal(from(timelineOf(history)[1].items.at(-1)), null, 'before the first there is nothing');
});

test('a change stands above the alert of the same moment, which led to it', () => {
  assert.deepEqual(
    ids(
      after(
        { type: 'history', items: [entry(2, time(5), 'rollback')] },
        { type: 'messages', items: [message(time(5))] },
      ),
    ),
    [['2026-12-02', 'r2', 'alert']],
  );
});

test('an alert of the guardrail that made a change does not repeat its figures, unless it stands alone', () => {
  const change = { ...entry(2, time(5), 'rollback'), cause: { by: 'guardrail', index: 1, condition: 'lcp.p75 > 4s' } };
  const history = after(
    { type: 'history', items: [change] },
    {
      type: 'messages',
      items: [
        { ...message(time(5)), guardrail: 1 },
        { ...message(time(5)), guardrail: 0 },
        { ...message(time(4)), guardrail: 1 },
      ],
    },
  );
  const shown = (filter) =>
    timelineOf(reduce(history, { type: 'filterHistory', filter }))
      .flatMap(({ items }) => items)
      .filter((item) => item.message)
      .map((item) => item.shown);
  assert.deepEqual(shown('all'), [2, undefined, undefined]);
  assert.deepEqual(shown('alerts'), [undefined, undefined, undefined]);
});

test('moments are compared as such, not as texts', () => {
  const at = (fraction) => `2026-12-02T10:00:24${fraction}Z`;
  assert.deepEqual(
    ids(
      after(
        { type: 'history', items: [entry(3, at('.65')), entry(2, at('.6')), entry(1, at(''))] },
        { type: 'messages', items: [] },
      ),
    ),
    [['2026-12-02', 'r3', 'r2', 'r1']],
  );
});

test('nothing is shown of a time of which only one kind is known', () => {
  const history = after(
    { type: 'history', items: [entry(9, time(9)), entry(8, time(8))], before: 8 },
    { type: 'messages', items: [message(time(10)), message(time(1))] },
  );
  assert.deepEqual(ids(history), [['2026-12-02', 'alert', 'r9', 'r8']]);
  assert.equal(hasOlder(history), true);
  assert.deepEqual(olderOf(history), [['entries', 8]]);
  const more = reduce(history, {
    type: 'history',
    key: 'demo',
    items: [entry(7, time(0))],
    before: null,
    isOlder: true,
  });
  assert.deepEqual(ids(more), [['2026-12-02', 'alert', 'r9', 'r8', 'alert', 'r7']]);
  assert.equal(hasOlder(more), false);
});

test('new entries join what is known; a page that does not reach it replaces it', () => {
  const known = after({ type: 'history', items: [entry(2, time(2)), entry(1, time(1))] });
  const joined = reduce(known, {
    type: 'history',
    key: 'demo',
    items: [entry(3, time(3)), entry(2, time(2))],
    before: 2,
  });
  assert.deepEqual(
    joined.entries.map(({ revision }) => revision),
    [3, 2, 1],
  );
  assert.equal(joined.before, null, 'how far back it goes does not change');
  const jumped = reduce(known, {
    type: 'history',
    key: 'demo',
    items: [entry(9, time(9)), entry(8, time(8))],
    before: 8,
  });
  assert.deepEqual(
    jumped.entries.map(({ revision }) => revision),
    [9, 8],
  );
  assert.equal(jumped.before, 8);
});

test('a filter leaves changes or alerts, and looks no further back than it needs', () => {
  const history = after(
    { type: 'history', items: [entry(2, time(5))], before: 2 },
    { type: 'messages', items: [message(time(6)), message(time(4), 'checkin'), message(time(3))] },
  );
  assert.deepEqual(ids(reduce(history, { type: 'filterHistory', filter: 'changes' })), [['2026-12-02', 'r2']]);
  assert.deepEqual(ids(reduce(history, { type: 'filterHistory', filter: 'alerts' })), [
    ['2026-12-02', 'alert', 'alert'],
  ]);
});

test('an answer for another rollout changes nothing', () => {
  assert.equal(reduce(opened, { type: 'history', key: 'other', items: [entry(1, time(1))], before: null }), opened);
});

test('an answer about another id comes too late', () => {
  /** @type {(slice: typeof explain.initial, event: any) => typeof explain.initial} */
  const reduceExplain = explain.reduce;
  const state = [
    { type: 'route', key: 'demo' },
    { type: 'explain', id: 'ana' },
    { type: 'explain', id: 'ben' },
  ].reduce(reduceExplain, explain.initial);
  assert.equal(reduceExplain(state, { type: 'explained', key: 'demo', id: 'ana', answer: {} }), state);
  assert.deepEqual(
    reduceExplain(state, { type: 'explained', key: 'demo', id: 'ben', answer: { variant: 'new' } }).answer,
    { variant: 'new' },
  );
});
