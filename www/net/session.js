// Signs in and out. The token goes to the server once and is kept nowhere here: the session is a
// cookie that no script can read. What is remembered is only that there is one, and until when, so
// that a first visit asks nothing that can only be refused. `token` is that of a link that signs in.
import { request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const HINT = 'tidegate.session';

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function session({ dispatch, clock, token }) {
  async function look() {
    if (!(Date.parse(localStorage.getItem(HINT)) > clock.local())) return dispatch({ type: 'noSession' });
    const answer = await request('GET', 'session');
    if (answer.ok) return dispatch({ type: 'session', ...answer.body });
    dispatch(answer.status === 401 ? { type: 'sessionEnded' } : { type: 'noSession', problem: answer.problem });
  }

  async function signIn(token) {
    const answer = await request('POST', 'session', { body: { token } });
    if (answer.ok) return dispatch({ type: 'session', ...answer.body });
    dispatch({ type: 'noSession', problem: answer.problem });
  }

  async function signOut() {
    const answer = await request('DELETE', 'session');
    if (answer.ok || answer.status === 401) return dispatch({ type: 'noSession' });
    dispatch({ type: 'toast', id: 'sign-out', tone: 'bad', text: `Not signed out: ${answer.problem.detail}` });
  }

  if (token === null) look();
  else signIn(token);
  return (event) => {
    if (event.type === 'session') localStorage.setItem(HINT, event.expires);
    if (event.type === 'noSession' || event.type === 'sessionEnded') localStorage.removeItem(HINT);
    if (event.type === 'signIn') signIn(event.token);
    if (event.type === 'signOut') signOut();
  };
}
