// A command of one rollout: its own fields, and what the server's dry run says it would do.
import { el, replaceFor, setAttr } from '../../parts/dom.js';
import { icon } from '../../parts/icon.js';
import { bodyOf } from '../../state/dialog.js';
import { COMMANDS } from '../../text/commands.js';
import { ending, ends, following, movers, warnings } from '../../text/foretell.js';
import { sentence, upper } from '../../text/words.js';
import { fieldsOf } from './fields.js';
import { shell } from './shell.js';

/** @import { Dispatch } from '../../state/events.js' */

const STOPS = ['kill', 'pause', 'rollback'];

/** @param {Dispatch} dispatch */
export function mount(dialog, dispatch, state) {
  const { command, key, form } = state.dialog;
  const words = COMMANDS[command];
  const fields = fieldsOf(state.dialog, dispatch);
  const foretold = el('div', { class: 'foretold', 'aria-live': 'polite' });
  const body = el(
    'div',
    { class: 'dialog-fields' },
    command === 'approve' && el('p', { class: 'dialog-item' }, form.item),
    fields.before,
    foretold,
    fields.after,
  );
  const view = shell(dialog, dispatch, {
    command,
    title: titleOf(command, key),
    does: words.does,
    confirm: words.confirm,
    isDanger: words.isDanger,
    reasonDefault: form.reason,
    body,
  });
  setAttr(dialog, 'data-command-open', command);

  return {
    focus: () => view.focus(STOPS.includes(command)),
    update(next) {
      fields.update(next.dialog);
      updateForetold(foretold, next.dialog);
      view.update(next);
    },
  };
}

const TITLES = {
  approve: () => 'Tick this item?',
  note: (key) => `Add a note to ${key}`,
  rollback: (key) => `Roll ${key} back?`,
  set: (key) => `Set ${key} to a percentage?`,
};
const titleOf = (command, key) => TITLES[command]?.(key) ?? `${upper(command)} ${key}?`;

function updateForetold(root, dialog) {
  const {
    foretold: { tried, problem, isLoading },
    command,
    current,
  } = dialog;
  const isConfirmed = Boolean(bodyOf(dialog)?.confirm);
  setAttr(root, 'aria-busy', String(isLoading));
  const mark = JSON.stringify([tried, problem?.detail, tried === null && isLoading, isConfirmed]);
  replaceFor(root, mark, () => {
    if (problem) return refused(problem);
    if (command === 'note') return [];
    if (!tried) return el('p', { class: 'muted' }, 'Asking what it would do…');
    return [
      command !== 'approve' && change(tried),
      ...following(tried).map((line) => el('p', { class: 'following' }, line)),
      ...movers(tried).map((line) => el('p', {}, line)),
      ...warnings(command, tried, current.view, isConfirmed).map(warning),
    ];
  });
}

const warning = (line) => el('p', { class: 'warning' }, icon('warning'), el('span', {}, line));

function refused(problem) {
  const why = warning(`Would not be done: ${sentence(problem.detail)}`);
  if (!problem.confirm) return [why, problem.help && el('p', { class: 'muted' }, sentence(problem.help))];
  return [why, el('p', {}, 'To do it all the same, type its key below.'), ...ending(problem).map(warning)];
}

function change(tried) {
  const { from, to, isSame } = ends(tried);
  const side = ({ stage, percentage, facts }, label) =>
    el(
      'div',
      { class: 'end' },
      el('span', { class: 'muted small' }, label),
      el('span', { class: 'end-percent number' }, percentage),
      el('span', { class: 'small' }, facts ? `${stage}, ${facts}` : stage),
    );
  if (isSame) return el('div', { class: 'ends' }, side(from, 'Stays at'));
  return el('div', { class: 'ends' }, side(from, 'Now'), icon('next'), side(to, 'Then'));
}
