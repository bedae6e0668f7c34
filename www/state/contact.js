// Whether the deployment answers the console. `lastAt` is when it answered last, `lostAt` since
// when it does not, `problem` what the last try has met, `tries` how many have failed in a row.

/** @import { Event, Problem } from './events.js' */
/** @import { State } from './state.js' */
/** @typedef {{ lastAt: number | null, lostAt: number | null, isLost: boolean, problem: Problem | null, tries: number }} Contact */

/** @type {Contact} */
export const initial = { lastAt: null, lostAt: null, isLost: false, problem: null, tries: 0 };

/** Figures older than this are marked as old, even if no request has failed yet. */
const FRESH_MS_MAX = 12_000;

/**
 * @param {Contact} contact
 * @param {Event} event
 * @returns {Contact}
 */
export function reduce(contact, event) {
  switch (event.type) {
    case 'contact':
      return { ...initial, lastAt: event.at };
    case 'lost':
      return {
        ...contact,
        isLost: true,
        lostAt: contact.lostAt ?? event.at,
        problem: event.problem,
        tries: contact.tries + 1,
      };
    case 'session':
    case 'noSession':
      return initial;
    default:
      return contact;
  }
}

/**
 * Whether what was received at `at` is to be shown as old.
 * @param {Pick<State, 'contact' | 'now'>} state
 * @param {number | null} at
 */
export const isStale = (state, at) => state.contact.isLost || (at !== null && state.now - at > FRESH_MS_MAX);
