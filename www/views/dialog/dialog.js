// The one dialog of the page, as the state names it. A native `<dialog>`: the browser keeps the focus
// inside, and Esc cancels.
import { el } from '../../parts/dom.js';
import * as all from './all.js';
import * as command from './command.js';
import * as shortcuts from './shortcuts.js';

/** @import { Dispatch } from '../../state/events.js' */

const KINDS = { command, all, shortcuts };

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
