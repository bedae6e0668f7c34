// Signs in and out. The token goes to the server once and is kept nowhere here: the session is a
// cookie that no script can read.
import { request } from './api.js';

export function session({ dispatch }) {
  async function look() {
    const answer = await request('GET', 'session');
    if (answer.ok) return dispatch({ type: 'session', ...answer.body });
    dispatch({ type: 'noSession', problem: answer.status === 401 ? null : answer.problem });
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

  look();
  return (event) => {
    if (event.type === 'signIn') signIn(event.token);
    if (event.type === 'signOut') signOut();
  };
}
