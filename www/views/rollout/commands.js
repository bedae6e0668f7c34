// The commands that the server would accept now, as buttons. Those that stop something are in reach
// wherever one has scrolled to.
import { el, keyed, replaceFor, setAttr, setHidden } from '../../parts/dom.js';
import { icon } from '../../parts/icon.js';
import { jump } from '../../parts/jump.js';
import { isOperator } from '../../state/session.js';
import { COMMANDS } from '../../text/commands.js';
import { listed } from '../../text/words.js';

/** The one without which nothing goes on stands out. */
const PRIMARY = ['start', 'resume', 'revive'];
/** What a checklist holds back, by what it is of; that of a stage holds back the schedule. */
const HELD = { start: 'start', rollback: 'resume' };
const ORDER = Object.keys(COMMANDS);

export function mount(root, dispatch) {
  root.className = 'commands';
  const groups = { go: el('div', { class: 'commands-go' }), stop: el('div', { class: 'commands-stop' }) };
  const toolbar = el('div', { class: 'toolbar', role: 'group', 'aria-label': 'Commands' }, groups.go, groups.stop);
  const why = el('p', { class: 'muted small commands-why' });
  const held = el('p', { class: 'commands-held small' });
  root.append(toolbar, held, why);
  const update = Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, keyed(group, (command) => command, (command) => button(command, dispatch))]));

  return {
    update(state) {
      const { view, problem } = state.rollout;
      const allowed = isOperator(state) && !problem ? ORDER.filter((name) => view.commands.includes(name) && !(name === 'kill' && view.state.killed)) : [];
      const primary = PRIMARY.find((name) => allowed.includes(name));
      for (const name of Object.keys(groups)) update[name](sorted(allowed, name, primary), primary);
      setHidden(toolbar, allowed.length === 0);
      updateHeld(held, view);
      setHidden(why, isOperator(state));
      replaceFor(why, state.session.name, () => `${state.session.name} is a viewer: everything can be looked at, nothing changed. Commands need an operator’s token.`);
    },
  };
}

/** Says why the command that one looks for is not among them, and leads to what opens it. */
function updateHeld(root, { checklist, commands, state }) {
  const command = HELD[checklist?.of];
  const open = (checklist?.items ?? []).filter(({ approved }) => !approved).map(({ item }) => `“${item}”`);
  const isHeld = command !== undefined && open.length > 0 && !state.killed && !commands.includes(command);
  setHidden(root, !isHeld);
  replaceFor(root, isHeld && `${command} ${open}`, () => isHeld && [icon('blocked'), el('span', {}, `${COMMANDS[command].label} waits for the checklist: ${listed(open)}. `, jump('checklist', 'To the checklist'))]);
}

/** Those of a group; the one that stands out comes first. */
const sorted = (allowed, group, primary) => allowed.filter((name) => COMMANDS[name].group === group).sort((a, b) => (b === primary) - (a === primary));

function button(command, dispatch) {
  const { label, shortcut, isDanger } = COMMANDS[command];
  const root = el('button', { type: 'button', class: 'button', 'data-command': command, onclick: () => dispatch({ type: 'ask', command }) }, label);
  if (isDanger) root.append(el('kbd', { 'aria-hidden': 'true' }, shortcut));
  setAttr(root, 'aria-keyshortcuts', shortcut);
  return {
    root,
    update: (_, primary) => setAttr(root, 'class', `button${isDanger ? ' danger' : command === primary ? ' primary' : ''}`),
  };
}
