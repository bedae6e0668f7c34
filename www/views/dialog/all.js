// Kill or revive every rollout. There is no dry run of that, so the list says whom it concerns.
import { el, setText } from '../../parts/dom.js';
import { count, percent, plural } from '../../text/numbers.js';
import { shell } from './shell.js';

/** @import { Dispatch } from '../../state/events.js' */

const WORDS = {
  kill: {
    title: 'Kill everything?',
    confirm: 'Kill everything',
    isDanger: true,
    does: 'Sends all traffic to legacy within seconds, in every rollout and flag. Overrides everything until revived.',
  },
  revive: {
    title: 'Revive everything?',
    confirm: 'Revive everything',
    isDanger: false,
    does: 'Ends the kill of every rollout: users go back to the side they had before. Bake times start over.',
  },
};

/** @param {Dispatch} dispatch */
export function mount(dialog, dispatch, state) {
  const { command } = state.dialog;
  const text = el('p', { class: 'muted' });
  const body = el('div', { class: 'forecast' }, text);
  const view = shell(dialog, dispatch, { asked: state.dialog, ...WORDS[command], body });
  return {
    focus: () => view.focus(command === 'kill'),
    update(next) {
      setText(text, concerns(command, next.rollouts.items ?? []));
      view.update(next);
    },
  };
}

/** More names than this nobody reads under stress. */
const NAMED_MAX = 10;

function concerns(command, items) {
  const held = items.filter(({ state }) => state.killed === (command === 'revive'));
  const onNew = held.filter(({ percentage }) => percentage > 0).sort((a, b) => b.percentage - a.percentage);
  if (command === 'revive') return `${plural(held.length, 'rollout')} of ${count(items.length)} are killed now.`;
  if (onNew.length === 0) return `${plural(held.length, 'rollout')}; none has users on new by percentage now.`;
  const named = onNew
    .slice(0, NAMED_MAX)
    .map((item) => `${item.key} (${percent(item.percentage)})`)
    .join(', ');
  const others = onNew.length - NAMED_MAX;
  return `${plural(held.length, 'rollout')}, of which ${count(onNew.length)} ${onNew.length === 1 ? 'has' : 'have'} users on new: ${named}${others > 0 ? ` and ${count(others)} with less, which the list shows` : ''}.`;
}
