// The rollout that is open. `view` is the API's Rollout, `at` when it was received, `problem` why
// there is none: `view` with `problem` is one that has disappeared.

/** @import { Rollout } from '../../types/api.js' */
/** @import { Event, Problem } from './events.js' */
/** @import { State } from './state.js' */
/** @typedef {{ key: string | null, view: Rollout | null, etag: string | null, at: number | null, problem: Problem | null }} Open */

/** @type {Open} */
export const initial = { key: null, view: null, etag: null, at: null, problem: null };

/**
 * @param {Open} rollout
 * @param {Event} event
 * @param {State} state
 * @returns {Open}
 */
export function reduce(rollout, event, state) {
  switch (event.type) {
    case 'route':
      return event.key === rollout.key ? rollout : opened(event.key, state);
    case 'rollout':
      if (event.key !== rollout.key || (rollout.at !== null && event.sentAt < rollout.at)) return rollout;
      return { ...rollout, view: event.view, etag: event.etag, at: event.at, problem: null };
    case 'noRollout':
      return event.key === rollout.key ? { ...rollout, problem: event.problem } : rollout;
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, key: rollout.key };
    default:
      return rollout;
  }
}

/**
 * What the list knows of it is shown until the server has answered.
 * @param {string | null} key
 * @param {State} state
 * @returns {Open}
 */
function opened(key, { rollouts }) {
  const view = rollouts.items?.find((item) => item.key === key) ?? null;
  return { ...initial, key, view, etag: view && `"${view.state.revision}"`, at: view && rollouts.at };
}
