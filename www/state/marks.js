// Lines on plots: the moments at which the history says that a rollout changed sides for somebody, and where guardrails act.

const WORDS = {
  start: 'started',
  advance: 'advanced',
  set: 'set',
  pause: 'paused',
  resume: 'resumed',
  rollback: 'rolled back',
  kill: 'killed',
  revive: 'revived',
  complete: 'completed',
  take_over: 'taken over',
};
const BAD = new Set(['rollback', 'kill']);

/** `[{ at, text, isBad }]`, `at` in seconds, oldest first. */
export function marksOf(entries, since) {
  const marks = entries
    .filter((entry) => entry.command.command in WORDS && Date.parse(entry.at) >= Date.parse(since))
    .map(({ at, command, state }) => ({
      at: Date.parse(at) / 1_000,
      text: `${WORDS[command.command]}: ${placeOf(state)}`,
      isBad: BAD.has(command.command),
    }));
  return marks.sort((one, other) => one.at - other.at);
}

function placeOf({ killed, phase, stage, percentage }) {
  if (killed) return '0 % on new';
  return phase === 'completed' ? '100 % on new' : `${stage}, ${percentage} %`;
}

/** @import { Rollout } from '../../types/api.js' */

/**
 * The thresholds of one metric, each once: `[{ value, text }]`.
 * @param {Rollout | null} view
 * @param {string} metric
 */
export function thresholdsOf(view, metric) {
  const found = (view?.guardrails ?? []).flatMap(({ terms, acts }) =>
    terms
      .filter((term) => term.metric === metric && term.bound !== undefined)
      .map(({ bound }) => ({ value: /** @type {number} */ (bound), text: acts })),
  );
  return [...new Map(found.map((line) => [`${line.value} ${line.text}`, line])).values()];
}

/**
 * The metrics that the plan judges by.
 * @param {Rollout | null} view
 */
export function judgedOf(view) {
  const judges = [...(view?.guardrails ?? []), ...(view?.stages ?? []).flatMap(({ gates }) => gates)];
  return new Set(judges.flatMap(({ terms }) => terms.map(({ metric }) => metric)));
}

/**
 * Whether a guardrail compares with legacy.
 * @param {Rollout | null} view
 */
export const isComparing = (view) =>
  (view?.guardrails ?? []).some(({ terms }) => terms.some(({ bound }) => bound === undefined));
