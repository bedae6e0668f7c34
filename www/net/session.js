// Signs in and out. The token goes to the server once and is kept nowhere here: the session is a
// cookie that no script can read. What is remembered is only that there is one, and until when, so
// that a first visit asks nothing that can only be refused. Whoever comes by Cloudflare Access is signed in already,
// which the page's own timing says. `token` is that of a link that signs in.
//
// Such a link, `#/sign-in?token=…`, as `make demo` prints it, works on this machine alone, where the token opens
// nothing but a demo. On any other host it would let a stranger sign somebody in, or carry a real token through mails
// and logs, so it does nothing there. Either way the token leaves the address at once, and so the list of visited
// pages, the way back, and what is copied from the bar.
import { kindOf, OF_ACCESS, request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const HINT = 'tidegate.session';

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function session({ dispatch, clock, token }) {
  /** Where a sign-in is ended that this deployment did not begin. */
  let signOutAt = null;

  async function look() {
    const isKnown = Date.parse(localStorage.getItem(HINT)) > clock.local() || isByAccess();
    if (!isKnown) return dispatch({ type: 'noSession' });
    const answer = await request('GET', 'session');
    if (answer.ok) return dispatch({ type: 'session', ...answer.body });
    const byAccess = OF_ACCESS.includes(kindOf(answer.problem));
    dispatch(
      answer.status === 401 ? { type: 'sessionEnded', byAccess } : { type: 'noSession', problem: answer.problem },
    );
  }

  async function signIn(token) {
    const answer = await request('POST', 'session', { body: { token } });
    if (answer.ok) return dispatch({ type: 'session', ...answer.body });
    dispatch({ type: 'noSession', problem: answer.problem });
  }

  async function signOut() {
    const answer = await request('DELETE', 'session');
    if (answer.ok && signOutAt !== null) return location.assign(signOutAt);
    if (answer.ok || answer.status === 401) return dispatch({ type: 'noSession' });
    dispatch({ type: 'toast', id: 'sign-out', tone: 'bad', text: `Not signed out: ${answer.problem.detail}` });
  }

  if (token === null) look();
  else signIn(token);
  return (event) => {
    if (event.type === 'session') signOutAt = event.sign_out ?? null;
    if (event.type === 'session') localStorage.setItem(HINT, event.expires);
    if (event.type === 'noSession' || event.type === 'sessionEnded') localStorage.removeItem(HINT);
    if (event.type === 'signIn') signIn(event.token);
    if (event.type === 'signOut') signOut();
  };
}

function isByAccess() {
  const [page] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'));
  return page?.serverTiming?.some(({ name }) => name === 'access') === true;
}

const LINK = /^#\/sign-in\?token=([^&]*)$/;

/** The token in an address; `''` where one may not be used, null where there is none. */
export function tokenIn({ hash, hostname }) {
  const [, text] = LINK.exec(hash) ?? [];
  if (text === undefined) return null;
  return isHere(hostname) ? decoded(text) : '';
}

/** Takes the token out of the page's address; null where there is none to use. */
export function takeToken() {
  const token = tokenIn(location);
  if (token !== null) history.replaceState(null, '', `${location.pathname}${location.search}`);
  return token || null;
}

const isHere = (hostname) => ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost');

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
