// The list of keys.
import { el } from '../../parts/dom.js';
import { KEYS } from '../rollout/shortcuts.js';

/** @import { Dispatch } from '../../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(dialog, dispatch) {
  const close = el('button', { type: 'button', class: 'button', onclick: () => dispatch({ type: 'close' }) }, 'Close');
  dialog.append(
    el(
      'div',
      { class: 'dialog-body' },
      el('h2', { id: 'dialog-title' }, 'Keys'),
      el('p', { class: 'muted' }, 'On a rollout’s page, while nothing is being typed:'),
      el(
        'dl',
        { class: 'keys' },
        KEYS.map(([key, text]) => el('div', {}, el('dt', {}, el('kbd', {}, key)), el('dd', {}, text))),
      ),
      el('div', { class: 'dialog-actions' }, close),
    ),
  );
  return { focus: () => close.focus(), update() {} };
}
