// The flags among the rollouts, as rows of a table: filtered and sorted as somebody chose.
import { percent, plural } from '../text/numbers.js';

export const initial = { filter: '', column: 'key', isDescending: false };

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

const PHASES = { draft: 'draft', running: 'running', paused: 'paused', rolled_back: 'rolled back', completed: 'completed' };
const WORST = ['fail', 'inconclusive', 'pass'];

/** `{ rows, total }`: those that the filter leaves, in order, and how many flags there are at all. */
export function flagsOf(items, { filter, column, isDescending }) {
  const all = (items ?? []).filter((item) => item.is_flag).map(rowOf);
  const wanted = filter.trim().toLowerCase();
  const rows = all.filter(({ key, description }) => `${key} ${description}`.toLowerCase().includes(wanted));
  const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
  rows.sort((one, other) => (isDescending ? -1 : 1) * compare(one.order[column], other.order[column]) || compare(one.key, other.key));
  return { rows, total: all.length };
}

function rowOf(view) {
  const { key, description = '', percentage, state } = view;
  const phase = state.killed ? 'killed' : PHASES[state.phase];
  const verdict = verdictOf(view);
  const groups = state.killed || state.groups.length === 0 ? '' : ` and ${state.groups.join(', ')}`;
  return {
    key,
    description,
    who: percentage === 0 && groups ? state.groups.join(', ') : `${percent(percentage)}${groups}`,
    phase,
    isKilled: state.killed,
    verdict,
    since: state.since,
    order: { key, percentage, phase, verdict: verdict.rank, since: state.since },
  };
}

/** The worst of what the server says about its guardrails and the gates of its stage. */
function verdictOf({ guardrails, stages, state }) {
  const gates = stages.find(({ name }) => name === state.stage)?.gates ?? [];
  const verdicts = [...guardrails, ...gates].map(({ verdict }) => verdict);
  const counts = WORST.map((verdict) => verdicts.filter((one) => one === verdict).length);
  if (verdicts.length === 0) return { text: 'nothing is judged', tone: null, rank: 3 };
  if (counts[0] > 0) return { text: `${plural(counts[0], 'condition')} failed`, tone: 'bad', rank: 0 };
  if (counts[1] > 0) return { text: `${counts[1]} of ${verdicts.length} inconclusive`, tone: null, rank: 1 };
  return { text: `${verdicts.length === 1 ? 'passes' : `all ${verdicts.length} pass`}`, tone: 'good', rank: 2 };
}
