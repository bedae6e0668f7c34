// A command of one rollout: its own fields, and what the server's dry run says it would do.
import { el, replaceFor, setAttr } from '../../parts/dom.js';
import { icon } from '../../parts/small.js';
import { isReasonOptional } from '../../state/dialog.js';
import { COMMANDS } from '../../text/commands.js';
import { percent } from '../../text/numbers.js';
import { sentence, upper } from '../../text/words.js';
import { fieldsOf } from './fields.js';
import { shell } from './shell.js';

/** @import { Dispatch } from '../../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(dialog, dispatch, state) {
  const { command, key, form } = state.dialog;
  const words = COMMANDS[command];
  const fields = fieldsOf(state.dialog, dispatch);
  const forecast = el('div', { class: 'forecast', 'aria-live': 'polite' });
  const body = el(
    'div',
    { class: 'dialog-fields' },
    command === 'approve' && el('p', { class: 'dialog-item' }, form.item),
    fields.before,
    forecast,
    fields.after,
  );
  const view = shell(dialog, dispatch, {
    asked: state.dialog,
    title: titleOf(command, key),
    does: words.does,
    confirm: words.confirm,
    isDanger: words.isDanger,
    body,
  });
  setAttr(dialog, 'data-command-open', command);

  return {
    focus: () => view.focus(isReasonOptional(state.dialog)),
    update(next) {
      fields.update(next.dialog);
      updateForecast(forecast, next.dialog);
      view.update(next);
    },
  };
}

const TITLES = {
  approve: () => 'Approve this item?',
  note: (key) => `Add a note to ${key}`,
  rollback: (key) => `Roll ${key} back?`,
  set: (key) => `Set ${key} to a percentage?`,
};
const titleOf = (command, key) => TITLES[command]?.(key) ?? `${upper(command)} ${key}?`;

function updateForecast(root, { forecast: { tried, problem, isLoading }, command }) {
  setAttr(root, 'aria-busy', String(isLoading));
  replaceFor(root, JSON.stringify([tried, problem?.detail, tried === null && isLoading]), () => {
    if (problem) return refused(problem);
    if (command === 'note') return [];
    if (!tried) return el('p', { class: 'muted' }, 'Checking the effect…');
    const { before, after, following, movers, warnings } = tried.explanation;
    return [
      command !== 'approve' && change(before, after),
      ...following.map((line) => el('p', { class: 'following' }, line)),
      ...movers.map((line) => el('p', {}, line)),
      ...warnings.map(({ text }) => warning(text)),
    ];
  });
}

const warning = (line) => el('p', { class: 'warning' }, icon('warning'), el('span', {}, line));

function refused({ detail, help, confirm, ends = [] }) {
  const why = warning(`Not possible: ${sentence(detail)}`);
  if (!confirm) return [why, help && el('p', { class: 'muted' }, sentence(help))];
  const ending = ends.map(({ text }) => warning(sentence(text)));
  return [why, el('p', {}, 'To do it anyway, type its key below.'), ...ending];
}

function change(before, after) {
  const side = ({ stage, percentage, facts }, label) =>
    el(
      'div',
      { class: 'end' },
      el('span', { class: 'muted small' }, label),
      el('span', { class: 'end-percent number' }, percent(percentage)),
      el('span', { class: 'small' }, [stage, ...facts].join(', ')),
    );
  if (JSON.stringify(before) === JSON.stringify(after)) return el('div', { class: 'ends' }, side(before, 'Stays at'));
  return el('div', { class: 'ends' }, side(before, 'Now'), icon('next'), side(after, 'Then'));
}
