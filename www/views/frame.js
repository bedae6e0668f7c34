// What frames every page: the line at the top, with where one can go and who one is; the strip that says when the
// deployment does not answer; and the changes that screen readers read out.
import { el, replaceFor, setAttr, setHidden, setText, svg } from '../parts/dom.js';
import { icon } from '../parts/small.js';
import { duration, second } from '../text/time.js';
import { sentence } from '../text/words.js';

/** @import { Dispatch } from '../state/events.js' */

/**
 * The line at the top.
 * @param {Dispatch} dispatch
 */
export function mountHeader(root, dispatch) {
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

/** What sticks to the top of the page keeps clear of the strip. */
const reserve = (root) =>
  document.documentElement.style.setProperty('--strip', `${root.hidden ? 0 : root.offsetHeight}px`);

/**
 * The strip that says when the deployment does not answer: since when, what was tried, and that what is shown is old. It
 * counts seconds, so it is no live region: the announcer has a text for screen readers.
 */
export function mountContact(root) {
  root.className = 'contact';
  root.setAttribute('role', 'region');
  root.setAttribute('aria-label', 'Connection');
  const title = el('strong');
  const text = el('span');
  const strip = el('div', { class: 'contact-strip' }, icon('offline'), el('span', {}, title, ' ', text));

  return {
    update({ contact, session, now }) {
      const isShown = contact.isLost && session.status === 'in';
      setHidden(root, !isShown);
      if (!isShown) return reserve(root);
      replaceFor(root, 'strip', () => strip);
      const since = contact.lastAt ?? contact.lostAt;
      setText(title, `No connection since ${second(since)}, for ${duration(now - since)}.`);
      const { detail, help, status } = contact.problem;
      setText(
        text,
        `${sentence(detail)} Tried ${contact.tries === 1 ? 'once' : `${contact.tries} times`}; retrying every 2 s.${status > 0 && help ? ` ${sentence(help)}` : ''}`,
      );
      reserve(root);
    },
  };
}

const ANNOUNCED_MAX = 3;

/**
 * Tells screen readers what has changed: phase, stage and percentage, of the open rollout or of the list, and whether
 * there is contact.
 */
export function mountAnnouncer(root) {
  const region = el('div', { class: 'visually-hidden', 'aria-live': 'polite', id: 'announcer' });
  root.append(region);
  let known = new Map();
  let wasLost = false;

  return {
    update({ route, rollout, rollouts, contact, session }) {
      const isLost = contact.isLost && session.status === 'in';
      if (isLost !== wasLost)
        region.textContent = isLost ? 'No connection: the page shows old data.' : 'Connected again.';
      wasLost = isLost;
      const shown =
        route.view === 'rollout' ? [rollout.view].filter(Boolean) : route.view === 'list' ? (rollouts.items ?? []) : [];
      const next = new Map(shown.map(({ key, summary }) => [key, summary]));
      const changed = [...next].filter(([key, text]) => known.has(key) && known.get(key) !== text);
      if (changed.length > 0)
        region.textContent = changed
          .slice(0, ANNOUNCED_MAX)
          .map(([key, text]) => `${key} is ${text}.`)
          .join(' ');
      known = next;
    },
  };
}
