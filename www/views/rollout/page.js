// A rollout's page: where it is, what is wrong, what can be done, and its sections. Instead of it, a
// screen for a key that nobody knows.
import { el, replaceFor, setHidden, setText } from '../../parts/dom.js';
import { jump, note } from '../../parts/small.js';
import { ago, second } from '../../text/time.js';
import { upper } from '../../text/words.js';
import * as broke from './broke.js';
import * as checklist from './checklist.js';
import * as commands from './commands.js';
import * as explain from './explain.js';
import * as faults from './faults.js';
import * as header from './header.js';
import * as history from './history.js';
import * as ladder from './ladder.js';
import * as papers from './papers.js';
import * as plots from './plots.js';
import * as shadow from './shadow.js';
import { shortcuts } from './shortcuts.js';
import * as signals from './signals.js';
import * as verdicts from './verdicts.js';

/** @import { Dispatch } from '../../state/events.js' */

/**
 * The sections, in order. `column`: what one steers by stands on the left, what one watches on the right; what is wrong
 * comes before it there, and on a phone before everything, then the left. Each is `{ mount(root, dispatch) }`, whose root is the section's element with its heading already in
 * it; a section with nothing to say hides it.
 */
const SECTIONS = [
  { id: 'broke', title: 'What broke', column: 'wrong', mount: broke.mount },
  { id: 'problems', title: 'Problems', column: 'wrong', mount: verdicts.mountProblems },
  { id: 'stages', title: 'Stages', column: 'left', mount: ladder.mount },
  { id: 'checklist', title: 'Checklist', column: 'left', mount: checklist.mount },
  { id: 'notes', title: 'Notes', column: 'left', mount: checklist.mountNotes },
  { id: 'explain', title: 'Explain a user', column: 'left', mount: explain.mount },
  { id: 'papers', title: 'Papers', column: 'left', mount: papers.mount },
  { id: 'verdicts', title: 'Guardrails and gates', column: 'right', mount: verdicts.mount },
  { id: 'signals', title: 'Signals', column: 'right', mount: signals.mount },
  { id: 'shadow', title: 'Shadow traffic', column: 'right', mount: shadow.mount },
  { id: 'plots', title: 'New vs legacy', column: 'right', mount: plots.mount },
  { id: 'history', title: 'History', column: 'right', mount: history.mount },
];

/** A longer one names all rollouts there are, which the list does better. */
const HELP_MAX = 200;

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const nothing = el('div', { class: 'nothing' });
  const gone = el('div');
  const slots = {
    header: el('div', { class: 'rollout-head' }),
    commands: el('div'),
    faults: el('div', { class: 'stack' }),
  };
  const column = (name) => el('div', { class: `column column-${name}` });
  const columns = { wrong: column('wrong'), left: column('left'), right: column('right') };
  const parts = [header.mount(slots.header), commands.mount(slots.commands, dispatch), faults.mount(slots.faults)];
  const jumps = [];
  for (const { id, title, column: place, mount: mountSection } of SECTIONS) {
    const section = el(
      'section',
      { class: 'card section', id, 'aria-labelledby': `${id}-title` },
      el('h2', { id: `${id}-title` }, title),
    );
    columns[place].append(section);
    jumps.push({ section, item: el('li', {}, jump(id, title)) });
    parts.push(mountSection(section, dispatch));
  }
  const body = el(
    'div',
    { class: 'rollout' },
    gone,
    slots.header,
    slots.commands,
    slots.faults,
    el(
      'nav',
      { class: 'jumps', 'aria-label': 'On this page' },
      el(
        'ul',
        {},
        jumps.map(({ item }) => item),
      ),
    ),
    el('div', { class: 'columns columns-rollout' }, columns.wrong, columns.left, columns.right),
  );
  root.append(nothing, body);
  parts.push(shortcuts(dispatch));

  return {
    update(state) {
      const { view, problem } = state.rollout;
      setHidden(body, view === null);
      setHidden(nothing, view !== null);
      updateNothing(nothing, state);
      setHidden(gone, !(view && problem));
      updateGone(gone, state);
      if (view === null) return;
      for (const part of parts) part.update(state);
      for (const { section, item } of jumps) setHidden(item, section.hidden);
      setHidden(
        columns.wrong,
        [...columns.wrong.children].every(({ hidden }) => hidden),
      );
    },
    unmount() {
      for (const part of parts) part.unmount?.();
      root.replaceChildren();
    },
  };
}

/** No rollout has this key, or nothing is known of it yet. */
function updateNothing(root, { route, rollout, contact }) {
  const mark = rollout.problem ?? (contact.isLost ? 'lost' : 'loading');
  replaceFor(root, mark, () => {
    const heading = (text) => el('h1', { tabindex: '-1' }, text);
    if (mark === 'loading') return [heading(route.key), el('p', { class: 'muted' }, 'Loading…')];
    if (mark === 'lost')
      return [
        heading(route.key),
        el('p', {}, 'It is not loaded yet, and there is no connection. It appears as soon as the deployment answers.'),
      ];
    return [
      heading('No such rollout'),
      el('p', {}, 'No rollout of this deployment has the key ', el('code', {}, route.key), '.'),
      rollout.problem.help?.length < HELP_MAX && el('p', { class: 'muted' }, `${upper(rollout.problem.help)}.`),
      el('p', {}, el('a', { class: 'button', href: '#/' }, 'All rollouts')),
    ];
  });
}

/** It was there and is no longer: what is shown is the last that was known. */
function updateGone(root, { rollout, now }) {
  if (!rollout.view || !rollout.problem) return;
  replaceFor(root, rollout.problem.detail, () => [
    note(
      'bad',
      `${rollout.key} is no longer here.`,
      el('span', { class: 'gone-age' }),
      el('span', {}, 'Its plan was removed from the deployment. ', el('a', { href: '#/' }, 'All rollouts')),
    ),
  ]);
  setText(
    root.querySelector('.gone-age'),
    `What follows is as it was at ${second(rollout.at)}, ${ago(rollout.at, now)}.`,
  );
}
