// The page Rehearse; its parts are loaded when somebody opens it.
import { el } from '../parts/dom.js';

export function mount(root) {
  root.append(el('h1', { class: 'page-title', tabindex: '-1' }, 'Rehearse'));
  return { update() {}, unmount: () => root.replaceChildren() };
}
