// Where one says who one is.
import { el } from '../parts/dom.js';

export function mount(root) {
  root.append(el('h1', { class: 'page-title', tabindex: '-1' }, 'Sign in'));
  return { update() {}, unmount: () => root.replaceChildren() };
}
