// Who one is. `status`: `unknown` until the server has said it, then `in` or `out`. `ended` is true
// where a session was there and is no longer, `byAccess` where only a new sign-in at Cloudflare Access helps,
// `problem` why a sign-in did not work.

/** @import { Session } from '../../types/api.js' */
/** @import { Event, Problem } from './events.js' */
/** @import { State } from './state.js' */
/**
 * @typedef {object} SessionState
 * @property {'unknown' | 'in' | 'out'} status
 * @property {string | null} name
 * @property {Session['role'] | null} role
 * @property {string | null} expires
 * @property {Problem | null} problem
 * @property {boolean} ended
 * @property {boolean} byAccess
 * @property {boolean} isBusy
 */

/** @type {SessionState} */
export const initial = {
  status: 'unknown',
  name: null,
  role: null,
  expires: null,
  problem: null,
  ended: false,
  byAccess: false,
  isBusy: false,
};

/** @type {SessionState} */
const OUT = { ...initial, status: 'out' };

/**
 * @param {SessionState} session
 * @param {Event} event
 * @returns {SessionState}
 */
export function reduce(session, event) {
  switch (event.type) {
    case 'signIn':
      return { ...session, isBusy: true, problem: null };
    case 'session':
      return { ...initial, status: 'in', name: event.name, role: event.role, expires: event.expires ?? null };
    case 'noSession':
      return { ...OUT, problem: event.problem ?? null };
    case 'sessionEnded':
      return session.status === 'out' ? session : { ...OUT, ended: true, byAccess: event.byAccess === true };
    default:
      return session;
  }
}

/** @param {State} state */
export const isOperator = (state) => state.session.role === 'operator';
