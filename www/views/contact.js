// The strip that says when the deployment does not answer: since when, what was tried, and that what
// is shown is old. It counts seconds, so it is no live region: the announcer tells screen readers.
import { el, replaceFor, setHidden, setText } from '../parts/dom.js';
import { icon } from '../parts/icon.js';
import { duration, second } from '../text/time.js';
import { sentence } from '../text/words.js';

/** What sticks to the top of the page keeps clear of the strip. */
const reserve = (root) =>
  document.documentElement.style.setProperty('--strip', `${root.hidden ? 0 : root.offsetHeight}px`);

export function mount(root) {
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
