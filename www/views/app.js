// The frame around every page: who one is, the ways to go, and the view that the route names.
import { el, setText } from '../parts/dom.js';
import * as list from './list.js';
import * as missing from './missing.js';
import * as rehearse from './rehearse.js';
import * as rollout from './rollout/page.js';
import * as signIn from './sign-in.js';

const VIEWS = { list, rollout, rehearse, missing, 'sign-in': signIn };

export function mount(root, dispatch) {
  const main = el('main', { id: 'main', class: 'page' });
  root.append(main);
  let open = { name: null };

  return {
    update(state) {
      const name = nameOf(state);
      if (name === null) return;
      if (open.name !== name) {
        open.view?.unmount();
        open = { name, view: VIEWS[name.split(' ')[0]].mount(main, dispatch) };
      }
      open.view.update(state);
    },
  };
}

/** Which view is due; a rollout's key is part of it, so that nothing of another one stays behind. */
function nameOf({ session, route }) {
  if (session.status === 'unknown') return null;
  if (session.status === 'out') return 'sign-in';
  return route.view === 'rollout' ? `rollout ${route.key}` : route.view;
}
