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
import * as plots from './plots.js';
import * as rollout from './rollout.js';
import * as route from './route.js';
import * as session from './session.js';
import * as toasts from './toasts.js';

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
  dialog,
  toasts,
};

export const initial = () => Object.fromEntries(Object.entries(SLICES).map(([name, slice]) => [name, slice.initial]));

/** The state after an event; the same object where nothing has changed. */
export function reduce(state, event) {
  let next = state;
  for (const [name, slice] of Object.entries(SLICES)) {
    const value = slice.reduce(state[name], event, state);
    if (value !== state[name]) next = { ...next, [name]: value };
  }
  return next;
}
