// The frame around every page: who one is, the ways to go, whether there is contact, the view that
// the route names, the dialog and the notices.
import { el, setAttr } from '../parts/dom.js';
import * as toasts from '../parts/toasts.js';
import { isStale } from '../state/contact.js';
import * as announcer from './announcer.js';
import * as contact from './contact.js';
import * as dialog from './dialog/dialog.js';
import * as header from './header.js';
import * as list from './list.js';
import * as missing from './missing.js';
import * as outbox from './outbox.js';
import * as rehearse from './rehearse.js';
import * as rollout from './rollout/page.js';
import * as signIn from './sign-in.js';

/** @import { Dispatch } from '../state/events.js' */

const VIEWS = { list, rollout, rehearse, outbox, missing, 'sign-in': signIn };
const TITLES = {
  list: 'Rollouts',
  rehearse: 'Rehearse',
  outbox: 'Messages',
  missing: 'Nothing here',
  'sign-in': 'Sign in',
};

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const main = el('main', { id: 'main', class: 'page', tabindex: '-1' });
  const slots = {
    header: el('header', { class: 'top' }),
    contact: el('div'),
    toasts: el('div'),
    announcer: el('div'),
    dialog: el('div'),
  };
  const skipLink = el(
    'a',
    { class: 'skip', href: '#main', onclick: (event) => skip(event, main) },
    'Skip to the content',
  );
  root.append(skipLink, slots.header, slots.contact, main, slots.toasts, slots.announcer, slots.dialog);
  const parts = [
    header.mount(slots.header, dispatch),
    contact.mount(slots.contact),
    toasts.mount(slots.toasts, dispatch),
    announcer.mount(slots.announcer),
    dialog.mount(slots.dialog, dispatch),
  ];
  let open = { name: null };

  return {
    update(state) {
      const name = nameOf(state);
      const isOther = name !== null && open.name !== name;
      const isFirst = open.name === null;
      if (isOther) {
        open.view?.unmount();
        main.replaceChildren();
        open = { name, view: VIEWS[name.split(' ')[0]].mount(main, dispatch) };
        document.title = `${name.startsWith('rollout ') ? state.route.key : TITLES[name]} · Tidegate`;
        window.scrollTo(0, 0);
      }
      const at = state.route.view === 'rollout' ? state.rollout.at : state.rollouts.at;
      setAttr(
        main,
        'data-stale',
        state.session.status === 'in' && state.route.view !== 'rehearse' && at !== null && isStale(state, at),
      );
      open.view?.update(state);
      // The heading is where a screen reader goes on; the first page needs no such help.
      if (isOther && !isFirst && name !== 'sign-in') headingOf(main)?.focus({ preventScroll: true });
      for (const part of parts) part.update(state);
    },
  };
}

const headingOf = (main) => [...main.querySelectorAll('h1')].find((heading) => heading.getClientRects().length > 0);

function skip(event, main) {
  event.preventDefault();
  main.focus();
}

/** Which view is due; a rollout's key is part of it, so that nothing of another one stays behind. */
function nameOf({ session, route }) {
  if (session.status === 'unknown') return null;
  if (session.status === 'out') return 'sign-in';
  return route.view === 'rollout' ? `rollout ${route.key}` : route.view;
}
