// The console's whole state. `reduce` is the only way by which it changes. It is pure: no DOM, no
// fetch, no clock; times and answers come in events. Each slice is a file with `initial` and
// `reduce(slice, event, state)`.
import * as contact from './contact.js';
import * as dialog from './dialog.js';
import * as explain from './explain.js';
import * as flags from './flags.js';
import * as history from './history.js';
import * as list from './list.js';
import * as now from './now.js';
import * as outbox from './outbox.js';
import * as plots from './plots.js';
import * as rollout from './rollout.js';
import * as route from './route.js';
import * as session from './session.js';
import * as toasts from './toasts.js';

/** @import { Event } from './events.js' */
/**
 * @typedef {object} State
 * @property {route.Place} route
 * @property {session.SessionState} session
 * @property {number} now
 * @property {contact.Contact} contact
 * @property {list.List} rollouts
 * @property {rollout.Open} rollout
 * @property {plots.Plots} metrics
 * @property {history.History} history
 * @property {explain.Explain} explain
 * @property {flags.Flags} flags
 * @property {outbox.OutboxState} outbox
 * @property {dialog.Dialog | null} dialog
 * @property {toasts.Toast[]} toasts
 */

/** @type {{ [Name in keyof State]: { initial: State[Name], reduce(slice: State[Name], event: Event, state: State): State[Name] } }} */
const SLICES = {
  route,
  session,
  now,
  contact,
  rollouts: list,
  rollout,
  metrics: plots,
  history,
  explain,
  flags,
  outbox,
  dialog,
  toasts,
};

const NAMES = /** @type {(keyof State)[]} */ (Object.keys(SLICES));

export const initial = () =>
  /** @type {State} */ (Object.fromEntries(NAMES.map((name) => [name, SLICES[name].initial])));

/**
 * The state after an event; the same object where nothing has changed.
 * @param {State} state
 * @param {Event} event
 */
export function reduce(state, event) {
  let next = state;
  for (const name of NAMES) {
    const value = sliceAfter(name, event, state);
    if (value !== state[name]) next = { ...next, [name]: value };
  }
  return next;
}

/**
 * @template {keyof State} Name
 * @param {Name} name
 * @param {Event} event
 * @param {State} state
 */
const sliceAfter = (name, event, state) => SLICES[name].reduce(state[name], event, state);
