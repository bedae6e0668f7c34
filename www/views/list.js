// The list of all rollouts; flags have a table of their own below.
import { el } from '../parts/dom.js';
import * as flags from './flags.js';

export function mount(root, dispatch) {
  const flagsRoot = el('section', { class: 'card', id: 'flags', 'aria-labelledby': 'flags-title' }, el('h2', { id: 'flags-title' }, 'Flags'));
  root.append(el('h1', { class: 'page-title', tabindex: '-1' }, 'Rollouts'), flagsRoot);
  const flagsView = flags.mount(flagsRoot, dispatch);
  return {
    update(state) {
      flagsView.update(state);
    },
    unmount() {
      flagsView.unmount();
      root.replaceChildren();
    },
  };
}
