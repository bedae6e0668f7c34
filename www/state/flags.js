// The flags among the rollouts, as rows of a table: filtered and sorted as somebody chose.
import { percent } from '../text/numbers.js';
import { healthOf, phaseOf, warningsOf } from '../text/rollout.js';

/** @import { Rollout } from '../../types/api.js' */
/** @import { Event, FlagColumn } from './events.js' */
/** @typedef {{ filter: string, column: FlagColumn, isDescending: boolean }} Flags */

/** @type {Flags} */
export const initial = { filter: '', column: 'key', isDescending: false };

/**
 * @param {Flags} flags
 * @param {Event} event
 * @returns {Flags}
 */
export function reduce(flags, event) {
  switch (event.type) {
    case 'filterFlags':
      return { ...flags, filter: event.text };
    case 'sortFlags':
      return { ...flags, column: event.column, isDescending: event.column === flags.column && !flags.isDescending };
    default:
      return flags;
  }
}

/**
 * `{ rows, total }`: those that the filter leaves, in order, and how many flags there are at all.
 * @param {Rollout[] | null} items
 * @param {Flags} flags
 */
export function flagsOf(items, { filter, column, isDescending }) {
  const all = (items ?? []).filter((item) => item.is_flag).map(rowOf);
  const wanted = filter.trim().toLowerCase();
  const rows = all.filter(({ key, description }) => `${key} ${description}`.toLowerCase().includes(wanted));
  /** @type {(one: string | number, other: string | number) => number} */
  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  rows.sort(
    (one, other) =>
      (isDescending ? -1 : 1) * compare(one.order[column], other.order[column]) || compare(one.key, other.key),
  );
  return { rows, total: all.length };
}

/** @param {Rollout} view */
function rowOf(view) {
  const { key, description = '', percentage, state } = view;
  const [phase, health] = [phaseOf(state), healthOf(view)];
  const groups = state.killed || state.groups.length === 0 ? '' : ` and ${state.groups.join(', ')}`;
  return {
    key,
    description,
    who: percentage === 0 && groups ? state.groups.join(', ') : `${percent(percentage)}${groups}`,
    phase,
    warnings: warningsOf(view),
    health,
    since: state.since,
    order: { key, percentage, phase: phase.word, health: health?.word ?? '', since: state.since },
  };
}
