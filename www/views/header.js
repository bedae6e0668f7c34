// The line at the top: where one can go, who one is.
import { el, setAttr, setHidden, setText, svg } from '../parts/dom.js';

/** @import { Dispatch } from '../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const links = {
    list: el('a', { href: '#/' }, 'Rollouts'),
    outbox: el('a', { href: '#/outbox' }, 'Messages'),
    rehearse: el('a', { href: '#/rehearse' }, 'Rehearse'),
  };
  const name = el('span', { class: 'who-name' });
  const role = el('span', { class: 'who-role' });
  const who = el(
    'div',
    { class: 'who' },
    el('span', { class: 'who-is' }, el('span', { class: 'visually-hidden' }, 'Signed in as '), name, ' ', role),
    el(
      'button',
      {
        type: 'button',
        class: 'button quiet shortcuts-button',
        'aria-label': 'Keyboard shortcuts',
        onclick: () => dispatch({ type: 'shortcuts' }),
      },
      el('kbd', {}, '?'),
    ),
    el('button', { type: 'button', class: 'button quiet', onclick: () => dispatch({ type: 'signOut' }) }, 'Sign out'),
  );
  const nav = el('nav', { 'aria-label': 'Pages' }, links.list, links.outbox, links.rehearse);
  root.append(el('div', { class: 'top-line' }, el('a', { class: 'brand', href: '#/' }, logo(), 'Tidegate'), nav, who));

  return {
    update({ session, route }) {
      const isIn = session.status === 'in';
      setHidden(nav, !isIn);
      setHidden(who, !isIn);
      setText(name, session.name);
      setText(role, session.role);
      setHidden(role, session.role === session.name);
      setAttr(
        links.list,
        'aria-current',
        isIn && (route.view === 'list' ? 'page' : route.view === 'rollout' && 'true'),
      );
      setAttr(links.outbox, 'aria-current', isIn && route.view === 'outbox' && 'page');
      setAttr(links.rehearse, 'aria-current', isIn && route.view === 'rehearse' && 'page');
    },
  };
}

const logo = () =>
  svg(
    'svg',
    { class: 'logo', viewBox: '0 0 32 32', 'aria-hidden': 'true' },
    svg('rect', { width: 32, height: 32, rx: 7 }),
    svg('path', { class: 'logo-posts', d: 'M7 6v20M25 6v20' }),
    svg('path', { class: 'logo-water', d: 'M11 14q2.5-3 5 0t5 0M11 21q2.5-3 5 0t5 0' }),
  );
