// The list of all rollouts, those that need attention first; flags have a table of their own below.
import { el, keyed, replaceFor, setHidden, setText, setValue } from '../parts/dom.js';
import { note } from '../parts/small.js';
import { isOperator } from '../state/session.js';
import { plural } from '../text/numbers.js';
import { rank } from '../text/rollout.js';
import { time } from '../text/time.js';
import { sentence } from '../text/words.js';
import * as flags from './flags.js';
import { row } from './list-row.js';

/** @import { Dispatch } from '../state/events.js' */

/** From so many on there is a field to search by. */
const FILTERED_FROM = 8;

const GROUPS = [
  { id: 'attention', title: 'Needs attention', holds: (rollout) => rank(rollout) <= 3 },
  { id: 'running', title: 'Running', holds: (rollout) => rank(rollout) === 4 },
  { id: 'resting', title: 'Drafts and completed', holds: (rollout) => rank(rollout) > 4 },
];

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const summary = el('p', { class: 'muted', 'aria-live': 'polite' });
  const filter = el('input', {
    id: 'filter',
    class: 'input',
    type: 'search',
    placeholder: 'Filter by name, description or route',
    'aria-label': 'Filter rollouts',
    oninput: () => dispatch({ type: 'filter', text: filter.value }),
  });
  const all = {
    kill: el(
      'button',
      { type: 'button', class: 'button danger', onclick: () => dispatch({ type: 'askAll', command: 'kill' }) },
      'Kill everything',
    ),
    revive: el(
      'button',
      { type: 'button', class: 'button', onclick: () => dispatch({ type: 'askAll', command: 'revive' }) },
      'Revive all',
    ),
  };
  const faults = el('div', { class: 'stack' });
  const empty = el('div');
  const flagsRoot = el(
    'section',
    { class: 'card', id: 'flags', 'aria-labelledby': 'flags-title' },
    el('h2', { id: 'flags-title' }, 'Flags'),
  );
  const groups = GROUPS.map((group) => mountGroup(group));
  root.append(
    el(
      'div',
      { class: 'list-head' },
      el('div', {}, el('h1', { tabindex: '-1' }, 'Rollouts'), summary),
      el('div', { class: 'list-actions' }, filter, all.revive, all.kill),
    ),
    el(
      'div',
      { class: 'stack-wide' },
      faults,
      empty,
      groups.map((group) => group.root),
      flagsRoot,
    ),
  );
  const flagsView = flags.mount(flagsRoot, dispatch);

  return {
    update(state) {
      const { items, filter: text } = state.rollouts;
      const rollouts = (items ?? []).filter(({ is_flag }) => !is_flag);
      const found = rollouts
        .filter((rollout) => matches(rollout, text))
        .sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
      setText(summary, shown(items, rollouts, found));
      setHidden(filter, rollouts.length < FILTERED_FROM && text === '');
      setValue(filter, text);
      setHidden(all.kill, !isOperator(state) || !items?.some(({ state: live }) => !live.killed));
      setHidden(all.revive, !isOperator(state) || !items?.some(({ state: live }) => live.killed));
      updateFaults(faults, state);
      updateEmpty(empty, items, found, text);
      for (const group of groups) group.update(found, state.now);
      flagsView.update(state);
    },
    unmount() {
      flagsView.unmount();
      root.replaceChildren();
    },
  };
}

function mountGroup({ id, title, holds }) {
  const list = el('ul', { class: 'rows card', 'aria-labelledby': `group-${id}` });
  const count = el('span', { class: 'muted' });
  const root = el(
    'section',
    { class: 'list-group', 'aria-labelledby': `group-${id}` },
    el('h2', { id: `group-${id}` }, `${title} `, count),
    list,
  );
  const updateRows = keyed(list, ({ key }) => key, row);
  return {
    root,
    update(rollouts, now) {
      const held = rollouts.filter(holds);
      setHidden(root, held.length === 0);
      setText(count, String(held.length));
      updateRows(held, now);
    },
  };
}

function matches({ key, description, routes }, text) {
  const wanted = text.trim().toLowerCase();
  return wanted === '' || [key, description ?? '', ...routes].some((part) => part.toLowerCase().includes(wanted));
}

function shown(items, rollouts, found) {
  if (items === null) return 'Loading…';
  if (found.length < rollouts.length) return `${found.length} of ${plural(rollouts.length, 'rollout')}`;
  const urgent = rollouts.filter(GROUPS[0].holds).length;
  return rollouts.length === 0
    ? ''
    : `${plural(rollouts.length, 'rollout')}${urgent === 0 ? '; none needs attention' : ''}`;
}

function updateFaults(root, { rollouts }) {
  setHidden(root, rollouts.faults.length === 0);
  const mark = JSON.stringify(rollouts.faults.map(({ subject, message }) => [subject, message]));
  replaceFor(root, mark, () =>
    rollouts.faults.map(({ subject, message, at }) =>
      note(
        'bad',
        `The deployment: ${subject}`,
        el('span', {}, sentence(message)),
        el('span', { class: 'muted small' }, `The last good value stays in effect. Seen ${time(at)}.`),
      ),
    ),
  );
}

function updateEmpty(root, items, found, text) {
  const kind =
    items === null
      ? null
      : items.length === 0
        ? 'none'
        : found.length === 0 && text.trim() !== ''
          ? `filtered ${text}`
          : null;
  setHidden(root, kind === null);
  replaceFor(root, kind, () => {
    if (kind === null) return [];
    if (kind !== 'none') return el('p', { class: 'card muted' }, `No rollout matches “${text.trim()}”.`);
    return el(
      'div',
      { class: 'card empty' },
      el('h2', {}, 'No rollouts yet'),
      el('p', {}, 'A rollout begins with a plan. Apply one from a terminal:'),
      el('p', {}, el('code', { class: 'command-line' }, 'tidegate apply PLAN')),
      el(
        'p',
        { class: 'muted' },
        'It appears here at once as a draft; no traffic moves until it is started. To see what a plan would do: ',
        el('a', { href: '#/rehearse' }, 'rehearse it'),
        '.',
      ),
    );
  });
}
