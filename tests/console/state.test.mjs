// The laws of the console's state, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isStale } from '../../www/state/contact.js';
import { bodyOf, ifMatchOf, missing } from '../../www/state/dialog.js';
import { routeOf } from '../../www/state/route.js';
import { initial, reduce as reduceState } from '../../www/state/state.js';
import { createStore } from '../../www/state/store.js';

/**
 * Events here have of each what the law under test is about, and the dialogs are of commands.
 * @type {(state: any, event: any) => any}
 */
const reduce = reduceState;

const live = (changes = {}) => ({
  revision: 7,
  plan: 1,
  attempt: 1,
  phase: 'running',
  killed: false,
  stage: 'canary',
  percentage: 10,
  groups: [],
  since: '2026-12-02T09:00:00Z',
  ...changes,
});
/** @returns {any} */
const rollout = (changes = {}, state = {}) => ({
  key: 'shop',
  routes: ['/*'],
  is_flag: false,
  state: live(state),
  percentage: 10,
  guardrails: [],
  blocked: [],
  faults: [],
  advance: 'auto',
  stages: [
    { name: 'canary', percentage: 10, gates: [], checklist: [] },
    { name: 'full', percentage: 100, gates: [], checklist: [] },
  ],
  commands: ['advance', 'set', 'pause', 'rollback', 'kill', 'complete'],
  unconditional: ['kill', 'pause', 'rollback', 'note'],
  published: { revision: 7, is_current: true },
  ...changes,
});
const received = (view, at = 1_000, sentAt = at) => ({
  type: 'rollout',
  key: view.key,
  view,
  etag: `"${view.state.revision}"`,
  sentAt,
  at,
});
const after = (...events) => events.reduce(reduce, initial());
const SIGNED_IN = { type: 'session', name: 'ana', role: 'operator', expires: '2026-12-03T00:00:00Z' };
const OPEN = { type: 'route', view: 'rollout', key: 'shop' };
const opened = (...events) => after(SIGNED_IN, OPEN, received(rollout()), ...events);

test('hashes name the list, a rollout and the rehearsal, and nothing else', () => {
  assert.deepEqual(routeOf(''), { view: 'list', key: null });
  assert.deepEqual(routeOf('#/'), { view: 'list', key: null });
  assert.deepEqual(routeOf('#/rehearse'), { view: 'rehearse', key: null });
  assert.deepEqual(routeOf('#/rollouts/a.b-c_1'), { view: 'rollout', key: 'a.b-c_1' });
  assert.deepEqual(routeOf('#/rollouts/a%20b'), { view: 'rollout', key: 'a b' });
  for (const hash of ['#/rollouts/', '#/rollouts/a/b', '#/what']) assert.equal(routeOf(hash).view, 'missing', hash);
  assert.equal(routeOf('#/rollouts/%').key, '%');
});

test('an event that concerns nothing leaves the very same state', () => {
  const state = opened();
  assert.equal(reduce(state, { type: 'nothing of ours' }), state);
});

test('an answer that was asked for before the last one arrived changes nothing', () => {
  const now = received(rollout({}, { revision: 8, percentage: 25 }), 5_000);
  const late = received(rollout(), 6_000, 4_000);
  assert.equal(opened(now, late).rollout.view.state.revision, 8);
});

test('an answer about another rollout than the open one changes nothing', () => {
  assert.equal(opened(received(rollout({ key: 'other' }, { revision: 99 }))).rollout.view.key, 'shop');
});

test('opening a rollout shows what the list knows of it', () => {
  const state = after(
    SIGNED_IN,
    { type: 'rollouts', items: [rollout()], faults: [], plans: 1, sentAt: 0, at: 500 },
    OPEN,
  );
  assert.equal(state.rollout.view.key, 'shop');
  assert.equal(state.rollout.etag, '"7"');
  assert.equal(state.rollout.at, 500);
});

test('a rollout that disappears keeps what was known, with the problem', () => {
  const { rollout: gone } = opened({
    type: 'noRollout',
    key: 'shop',
    problem: { detail: 'no rollout has the key `shop`' },
  });
  assert.equal(gone.view.key, 'shop');
  assert.match(gone.problem.detail, /no rollout/);
});

test('lost contact counts its tries and keeps since when', () => {
  const lost = (at) => ({ type: 'lost', at, problem: { detail: 'gone', status: 0 } });
  const { contact } = opened({ type: 'contact', at: 2_000 }, lost(3_000), lost(4_000));
  assert.deepEqual(
    { ...contact, problem: null },
    { lastAt: 2_000, lostAt: 3_000, isLost: true, problem: null, tries: 2 },
  );
  assert.equal(opened(lost(3_000), { type: 'contact', at: 5_000 }).contact.isLost, false);
});

test('figures are old when contact is lost, and when nothing has come for a while', () => {
  const at = 1_000;
  const fresh = opened({ type: 'clock', now: at + 5_000 }, { type: 'contact', at });
  assert.equal(isStale(fresh, at), false);
  assert.equal(isStale(reduce(fresh, { type: 'clock', now: at + 60_000 }), at), true);
  assert.equal(isStale(reduce(fresh, { type: 'lost', at: at + 1, problem: {} }), at), true);
});

test('an ended session forgets what was shown, and where one was stays', () => {
  const state = opened({ type: 'sessionEnded' });
  assert.equal(state.session.status, 'out');
  assert.equal(state.session.ended, true);
  assert.deepEqual(state.route, { view: 'rollout', key: 'shop' });
  assert.equal(state.rollout.view, null);
  assert.equal(state.rollouts.items, null);
});

test('signing out is no ended session', () => {
  assert.equal(opened({ type: 'noSession' }).session.ended, false);
});

test('kill, pause and rollback come with a reason and without a revision', () => {
  for (const command of ['kill', 'pause', 'rollback']) {
    const { dialog } = opened({ type: 'ask', command });
    assert.equal(ifMatchOf(dialog), undefined, command);
    assert.equal(missing(dialog), null, command);
  }
});

test('what stops something can go without its reason, which may follow as a note', () => {
  for (const command of ['kill', 'pause', 'rollback'])
    assert.equal(
      missing(opened({ type: 'ask', command }, { type: 'edit', fields: { reason: ' ' } }).dialog),
      null,
      command,
    );
  const { dialog } = opened({ type: 'ask', command: 'note' });
  assert.deepEqual([ifMatchOf(dialog), missing(dialog)], [undefined, 'Write the note.']);
});

test('every other command carries the revision that was seen, and wants a reason', () => {
  for (const command of ['start', 'advance', 'set', 'resume', 'revive', 'approve', 'complete']) {
    const { dialog } = opened({ type: 'ask', command, item: 'Rollback tested' });
    assert.equal(ifMatchOf(dialog), '"7"', command);
    assert.match(missing(dialog), /Say why/, command);
  }
});

test('complete wants the key typed', () => {
  const state = opened({ type: 'ask', command: 'complete' }, { type: 'edit', fields: { reason: 'Done' } });
  assert.match(missing(state.dialog), /Type shop/);
  assert.equal(missing(reduce(state, { type: 'edit', fields: { typed: 'shop' } }).dialog), null);
});

test('the key that is typed goes along only where the server wants it named', () => {
  const typed = { type: 'edit', fields: { typed: 'shop' } };
  const asked = opened({ type: 'ask', command: 'complete' }, typed);
  assert.deepEqual(bodyOf(asked.dialog), { command: 'complete' });
  const advised = reduce(asked, {
    type: 'forecast',
    tried: null,
    problem: { detail: 'it is rolled back', confirm: 'shop' },
  });
  assert.deepEqual(bodyOf(advised.dialog), { command: 'complete', confirm: 'shop' });
  const tried = reduce(advised, { type: 'forecast', tried: {}, problem: null });
  assert.deepEqual(
    bodyOf(tried.dialog),
    { command: 'complete', confirm: 'shop' },
    'what is forecast then changes nothing of it',
  );
  assert.deepEqual(bodyOf(reduce(tried, { type: 'edit', fields: { typed: 'sho' } }).dialog), { command: 'complete' });
});

test('fields become the body that the API takes', () => {
  const body = (command, fields, state = {}) =>
    bodyOf(
      after(
        SIGNED_IN,
        OPEN,
        received(rollout({}, state)),
        { type: 'ask', command, item: 'Backups' },
        { type: 'edit', fields },
      ).dialog,
    );
  assert.deepEqual(body('set', { percentage: '2.5' }), { command: 'set', percentage: 2.5 });
  assert.equal(body('set', { percentage: '' }), null);
  assert.equal(body('set', { percentage: 'much' }), null);
  assert.deepEqual(body('rollback', {}), { command: 'rollback', to: 'off' });
  assert.deepEqual(body('rollback', { to: 'previous' }), { command: 'rollback', to: 'previous' });
  assert.deepEqual(body('rollback', { to: 'percentage', percentage: '5' }), { command: 'rollback', to: 5 });
  assert.deepEqual(body('resume', {}), { command: 'resume' });
  assert.deepEqual(body('resume', { stage: 'full' }, { phase: 'rolled_back' }), { command: 'resume', stage: 'full' });
  assert.deepEqual(body('approve', {}), { command: 'approve', item: 'Backups' });
});

test('a decision on an old revision has to be made again', () => {
  const moved = received(rollout({}, { revision: 8, percentage: 25 }), 2_000);
  const state = opened({ type: 'ask', command: 'advance' }, moved);
  assert.equal(state.dialog.isStale, true);
  const again = reduce(state, { type: 'decideAgain' });
  assert.equal(again.dialog.isStale, false);
  assert.equal(ifMatchOf(again.dialog), '"8"');
  assert.equal(
    opened({ type: 'ask', command: 'kill' }, moved).dialog.isStale,
    false,
    'a kill works on whatever is there',
  );
});

test('a request whose outcome is unknown stays as it is, so that it can be sent again', () => {
  const state = opened(
    { type: 'ask', command: 'set' },
    { type: 'edit', fields: { percentage: '25', reason: 'why' } },
    { type: 'sending', id: 'abc' },
    { type: 'unknown', problem: { detail: 'no answer' } },
  );
  const edited = reduce(state, { type: 'edit', fields: { percentage: '50' } });
  assert.equal(edited.dialog.form.percentage, '25');
  assert.equal(edited.dialog.id, 'abc');
  assert.equal(reduce(state, received(rollout({}, { revision: 8 }), 2_000)).dialog.isStale, false);
});

test('what was done, another page and the end of a session close the dialog', () => {
  for (const event of [
    { type: 'done' },
    { type: 'close' },
    { type: 'sessionEnded' },
    { type: 'route', view: 'list', key: null },
  ]) {
    assert.equal(opened({ type: 'ask', command: 'kill' }, event).dialog, null, event.type);
  }
});

test('the store renders once for many events of a frame, with the last state', () => {
  const frames = [];
  const seen = [];
  const store = createStore({
    initial: initial(),
    reduce,
    render: (state) => seen.push(state.now),
    later: (run) => frames.push(run),
  });
  for (const now of [1, 2, 3]) store.dispatch({ type: 'clock', now });
  assert.equal(frames.length, 1);
  frames.pop()();
  assert.deepEqual(seen, [3]);
  store.dispatch({ type: 'nothing of ours' });
  assert.equal(frames.length, 0);
});

test('a controller sees an event after it was reduced, with the state before', () => {
  const store = createStore({ initial: initial(), reduce, render() {}, later() {} });
  const seen = [];
  store.use((event, state, before) => seen.push([event.type, state.now, before.now]));
  store.dispatch({ type: 'clock', now: 5 });
  assert.deepEqual(seen, [['clock', 5, 0]]);
});
