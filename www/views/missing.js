// An address that means nothing here.
import { el } from '../parts/dom.js';

export function mount(root) {
  root.append(
    el('h1', { class: 'page-title', tabindex: '-1' }, 'There is nothing here'),
    el('p', {}, 'This address means no page of the console. ', el('a', { href: '#/' }, 'All rollouts')),
  );
  return { update() {}, unmount: () => root.replaceChildren() };
}
