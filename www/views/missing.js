// An address that means nothing here.
import { el } from '../parts/dom.js';

export function mount(root) {
  root.append(
    el(
      'div',
      { class: 'nothing' },
      el('h1', { tabindex: '-1' }, 'Page not found'),
      el('p', {}, 'The console has no page at this address. ', el('a', { href: '#/' }, 'All rollouts')),
    ),
  );
  return { update() {}, unmount: () => root.replaceChildren() };
}
