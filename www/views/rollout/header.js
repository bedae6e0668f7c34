// Where the rollout is, at a glance: its name, phase and percentage, what comes next, and who changed
// it last.

import { el, replaceFor, setHidden, setText } from '../../parts/dom.js';
import { badge, badges, bar, icon } from '../../parts/small.js';
import { isStale } from '../../state/contact.js';
import { rolloutHash } from '../../state/route.js';
import { percent, plural } from '../../text/numbers.js';
import { actedOf, isAway, lastMove, nextOf, phaseOf, stageOf, warningsOf } from '../../text/rollout.js';
import { ago, time } from '../../text/time.js';
import { actor, listed, sentence, upper } from '../../text/words.js';

const ROUTES_MAX = 4;

export function mount(root) {
  const phase = badge();
  const warnings = badges();
  const share = bar('bar-large');
  const nodes = {
    key: el('h1', { tabindex: '-1' }),
    description: el('p', { class: 'rollout-about' }),
    routes: el('p', { class: 'muted small routes' }),
    percentage: el('span', { class: 'percent-large number' }),
    caption: el('span', { class: 'percent-caption' }),
    age: el('span', { class: 'age badge', 'data-tone': 'warn' }),
    next: el('p', { class: 'fact-large' }),
    facts: el('p', { class: 'muted small' }),
    reach: el('p', { class: 'small reach' }),
    last: el('p', { class: 'last small' }),
    published: el('p', { class: 'small unpublished' }),
  };
  root.append(
    el(
      'div',
      { class: 'rollout-title' },
      el('a', { class: 'back small', href: '#/' }, icon('back'), 'Rollouts'),
      el('div', { class: 'title-line' }, nodes.key, phase.root, warnings.root),
      nodes.description,
      nodes.routes,
    ),
    el(
      'div',
      { class: 'card summary' },
      el(
        'div',
        { class: 'summary-share live' },
        el('div', { class: 'percent-line' }, nodes.percentage, nodes.age),
        share.root,
        nodes.caption,
      ),
      el(
        'div',
        { class: 'summary-facts' },
        el('div', { class: 'fact-line' }, icon('next'), nodes.next),
        nodes.reach,
        nodes.facts,
        nodes.last,
        nodes.published,
      ),
    ),
  );

  return {
    update(state) {
      const { view, at } = state.rollout;
      const { now } = state;
      const live = view.state;
      phase.update(phaseOf(live));
      warnings.update(warningsOf(view));
      share.update(view.percentage / 100);
      setText(nodes.key, view.key);
      setHidden(nodes.description, !view.description);
      setText(nodes.description, view.description);
      replaceFor(nodes.routes, view.routes.join(' '), () => routes(view));
      setText(nodes.percentage, percent(view.percentage));
      setHidden(nodes.age, !isStale(state, at));
      setText(nodes.age, `as of ${ago(at, now)}`);
      setText(nodes.caption, caption(view));
      setText(nodes.next, `${upper(nextOf(view, now))}.`);
      setText(nodes.reach, sentence(view.reach?.text ?? ''));
      setHidden(nodes.reach, !view.reach);
      setText(nodes.facts, facts(view, now));
      updateLast(nodes.last, state);
      setHidden(nodes.published, view.published.is_current);
      setText(
        nodes.published,
        `KV still holds revision ${view.published.revision}. Isolates get revision ${live.revision} from the controller; writing to KV is retried until it succeeds.`,
      );
    },
  };
}

function routes({ routes: all, is_flag }) {
  if (is_flag) return 'A flag: passed to the upstream on each request';
  const codes = (some) => some.flatMap((route, index) => [index > 0 ? ' ' : '', el('code', {}, route)]);
  const rest = all.slice(ROUTES_MAX);
  return [
    ...codes(all.slice(0, ROUTES_MAX)),
    rest.length > 0 &&
      el('details', { class: 'routes-more' }, el('summary', {}, `and ${rest.length} more`), codes(rest)),
  ];
}

function caption({ state, percentage }) {
  const groups =
    state.groups.length > 0 && !state.killed
      ? `, and the ${state.groups.length === 1 ? 'group' : 'groups'} ${listed(state.groups)}`
      : '';
  if (state.killed) return 'of users on new: killed';
  if (state.phase !== 'draft' && percentage !== state.percentage)
    return `in effect; set to ${percent(state.percentage)}`;
  return `of users on new${groups}`;
}

function facts(view, now) {
  const { state } = view;
  return [
    state.phase === 'draft'
      ? plural(view.stages.length, 'stage')
      : `${isAway(view) ? 'was in ' : ''}${state.stage}, ${stageOf(view)}`,
    `since ${time(state.since, now)} (${ago(state.since, now)})`,
    `attempt ${state.attempt}`,
    `revision ${state.revision}`,
    view.advance === 'manual' && 'advances by hand only',
    ...(view.lists ?? []).map(({ text }) => text),
  ]
    .filter(Boolean)
    .join(' · ');
}

/** The last move, once the history is there. */
function updateLast(root, { history, rollout, now }) {
  const entry = lastMove(history.entries);
  const isShown = entry !== undefined && entry.rollout === rollout.key;
  setHidden(root, !isShown);
  if (!isShown) return;
  const guardrail = actedOf(rollout.view, entry);
  replaceFor(root, `${entry.rollout} ${entry.revision} ${guardrail?.when}`, () => lastOf(entry, guardrail));
  setText(root.querySelector('.last-age'), ago(entry.at, now));
}

/** A guardrail's reason is long; the history has it in full, with its figures. */
function lastOf(entry, guardrail) {
  const age = el('span', { class: 'last-age' });
  if (!guardrail) return [entry.actor, ', ', age, entry.reason && `: “${entry.reason}”`];
  return [
    actor(entry.actor),
    ` ${entry.done} `,
    age,
    ': ',
    el('code', {}, guardrail.when),
    ' came true. ',
    el('a', { href: `${rolloutHash(entry.rollout)}/history/${entry.revision}` }, 'Its figures'),
  ];
}
