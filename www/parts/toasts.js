// Short notices of what was done. They stay until they are read: good ones go by themselves after a
// while, unless the pointer or the focus is on them.
import { el, keyed, setAttr } from './dom.js';
import { icon } from './small.js';

/** @import { Dispatch } from '../state/events.js' */
/** @import { Toast } from '../state/state.js' */

const SHOWN_MS = 8_000;

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const list = el('div', { class: 'toasts', role: 'status' });
  root.append(list);
  const update = keyed(
    list,
    ({ id }) => id,
    (item) => toast(item, dispatch),
  );
  return { update: ({ toasts }) => update(toasts) };
}

/**
 * @param {Toast} item
 * @param {Dispatch} dispatch
 */
function toast({ id, text, tone }, dispatch) {
  const dismiss = () => dispatch({ type: 'dismiss', id });
  const root = el(
    'div',
    { class: 'toast' },
    icon(tone === 'good' ? 'pass' : 'warning'),
    el('span', {}, text),
    el('button', { type: 'button', class: 'button quiet', 'aria-label': 'Dismiss', onclick: dismiss }, icon('close')),
  );
  setAttr(root, 'data-tone', tone);
  const later = () => setTimeout(() => (root.matches(':hover, :focus-within') ? later() : dismiss()), SHOWN_MS);
  if (tone === 'good') later();
  return { root };
}
