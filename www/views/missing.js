// An address that means nothing here.
import { el } from '../parts/dom.js';

export function mount(root) {
  root.append(
    el(
      'div',
      { class: 'nothing' },
      el('h1', { tabindex: '-1' }, 'There is nothing here'),
      el('p', {}, 'This address means no page of the console. ', el('a', { href: '#/' }, 'All rollouts')),
    ),
  );
  return { update() {}, unmount: () => root.replaceChildren() };
}
