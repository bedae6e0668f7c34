// The strip that says when the deployment does not answer: since when, what was tried, and that what
// is shown is old.
import { el, replaceFor, setHidden, setText } from '../parts/dom.js';
import { icon } from '../parts/icon.js';
import { duration, second } from '../text/time.js';
import { upper } from '../text/words.js';

export function mount(root) {
  root.className = 'contact';
  root.setAttribute('role', 'status');
  const title = el('strong');
  const text = el('span');
  const strip = el('div', { class: 'contact-strip' }, icon('offline'), el('span', {}, title, ' ', text));

  return {
    update({ contact, session, now }) {
      const isShown = contact.isLost && session.status === 'in';
      setHidden(root, !isShown);
      if (!isShown) return;
      replaceFor(root, 'strip', () => strip);
      setText(title, `No contact since ${second(contact.lastAt ?? contact.lostAt)}.`);
      const { detail, help } = contact.problem;
      setText(text, `${upper(detail)}. What is shown is ${duration(now - (contact.lastAt ?? contact.lostAt))} old. It is tried again every 2 s.${help ? ` ${upper(help)}.` : ''}`);
    },
  };
}
