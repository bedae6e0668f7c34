// The one dialog of the page, as the state names it. A native `<dialog>`: the browser keeps the focus
// inside, and Esc cancels.
import { el } from '../../parts/dom.js';
import { KEYS } from '../rollout/shortcuts.js';
import * as all from './all.js';
import * as command from './command.js';

/** @import { Dispatch } from '../../state/events.js' */

const KINDS = { command, all, shortcuts: { mount: mountKeys } };

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title' });
  root.append(dialog);
  let open = { mark: null };
  let returnTo = null;

  dialog.addEventListener('close', () => open.mark !== null && dispatch({ type: 'close' }));
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dispatch({ type: 'close' });
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '?' && !dialog.open && !isField(event.target)) dispatch({ type: 'shortcuts' });
  });

  function swap(state) {
    open.view = null;
    dialog.replaceChildren();
    if (state.dialog === null) {
      dialog.close();
      returnTo?.focus();
      return;
    }
    const { mount: mountKind } = KINDS[state.dialog.kind];
    open.view = mountKind(dialog, dispatch, state);
    if (!dialog.open) {
      returnTo = document.activeElement;
      dialog.showModal();
    }
    // What is focused is left alone by updates, so it gets its value first.
    open.view.update(state);
    open.view.focus();
  }

  return {
    update(state) {
      const mark =
        state.dialog && `${state.dialog.kind} ${state.dialog.command} ${state.dialog.key} ${state.dialog.form?.item}`;
      if (open.mark !== mark) {
        open = { mark };
        swap(state);
      }
      open.view?.update(state);
    },
  };
}

/** @param {EventTarget | null} target */
const isField = (target) => target instanceof Element && /^(input|textarea|select)$/i.test(target.tagName);

/**
 * The list of keys.
 * @param {Dispatch} dispatch
 */
function mountKeys(dialog, dispatch) {
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
