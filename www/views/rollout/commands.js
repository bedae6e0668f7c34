// The commands as buttons: those that the server would accept now, and, disabled, those that somebody may
// be waiting for, with the reason beside them. Those that stop something are in reach wherever one has
// scrolled to.
import { el, keyed, replaceFor, setAttr, setHidden, setText } from '../../parts/dom.js';
import { icon, jump } from '../../parts/small.js';
import { isOperator } from '../../state/session.js';
import { COMMANDS, reasonsOf, reasonText } from '../../text/commands.js';

/** @import { Dispatch } from '../../state/events.js' */

/** The one without which nothing goes on stands out. */
const PRIMARY = ['start', 'resume', 'revive'];
const ORDER = Object.keys(COMMANDS);

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  root.className = 'commands';
  const groups = { go: el('div', { class: 'commands-go' }), stop: el('div', { class: 'commands-stop' }) };
  const toolbar = el('div', { class: 'toolbar', role: 'group', 'aria-label': 'Commands' }, groups.go, groups.stop);
  const why = el('p', { class: 'muted small commands-why' });
  const held = el('ul', { class: 'commands-held small' });
  root.append(toolbar, held, why);
  const update = Object.fromEntries(
    Object.entries(groups).map(([name, group]) => [
      name,
      keyed(
        group,
        (command) => command,
        (command) => button(command, dispatch),
      ),
    ]),
  );

  return {
    update(state) {
      const { view, problem } = state.rollout;
      const isTheirs = isOperator(state) && !problem;
      const allowed = isTheirs
        ? ORDER.filter((name) => view.commands.includes(name) && !(name === 'kill' && view.state.killed))
        : [];
      const reasons = isTheirs
        ? reasonsOf(view).filter(({ commands }) => commands.some((name) => COMMANDS[name].group !== 'none'))
        : [];
      const waiting = new Map(reasons.flatMap((reason, index) => reason.commands.map((name) => [name, idOf(index)])));
      const shown = ORDER.filter((name) => allowed.includes(name) || waiting.has(name));
      const primary = PRIMARY.find((name) => shown.includes(name));
      for (const name of Object.keys(groups)) update[name](sorted(shown, name, primary), primary, waiting);
      setHidden(toolbar, shown.length === 0);
      updateHeld(held, reasons, state.now, dispatch);
      setHidden(why, isOperator(state));
      replaceFor(
        why,
        state.session.name,
        () => `Read-only access for ${state.session.name}. Ask an operator, or sign in with an operator token.`,
      );
    },
  };
}

const idOf = (index) => `command-reason-${index}`;

/**
 * Says why commands are not possible, and leads to what opens them.
 * @param {Dispatch} dispatch
 */
function updateHeld(root, reasons, now, dispatch) {
  setHidden(root, reasons.length === 0);
  replaceFor(root, JSON.stringify(reasons), () =>
    reasons.map(({ isChecklist, isConfirmable }, index) =>
      el(
        'li',
        {},
        icon('blocked'),
        el(
          'span',
          {},
          el('span', { id: idOf(index) }),
          ' ',
          isChecklist && [jump('checklist', 'To the checklist'), ' '],
          isConfirmable &&
            el(
              'button',
              { type: 'button', class: 'link', onclick: () => dispatch({ type: 'ask', command: 'complete' }) },
              'Complete anyway…',
            ),
        ),
      ),
    ),
  );
  reasons.forEach((reason, index) => setText(document.getElementById(idOf(index)), reasonText(reason, now)));
}

/** Those of a group; the one that stands out comes first. */
const sorted = (shown, group, primary) =>
  shown.filter((name) => COMMANDS[name].group === group).sort((a, b) => Number(b === primary) - Number(a === primary));

/** @param {Dispatch} dispatch */
function button(command, dispatch) {
  const { label, shortcut, isDanger } = COMMANDS[command];
  const root = el(
    'button',
    {
      type: 'button',
      class: 'button',
      'data-command': command,
      onclick: () => root.getAttribute('aria-disabled') !== 'true' && dispatch({ type: 'ask', command }),
    },
    label,
  );
  if (isDanger) root.append(el('kbd', { 'aria-hidden': 'true' }, shortcut));
  setAttr(root, 'aria-keyshortcuts', shortcut);
  return {
    root,
    update(_, primary, waiting) {
      setAttr(root, 'class', `button${isDanger ? ' danger' : command === primary ? ' primary' : ''}`);
      setAttr(root, 'aria-disabled', waiting.has(command) && 'true');
      setAttr(root, 'aria-describedby', waiting.get(command));
    },
  };
}
