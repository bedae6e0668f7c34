// Where guardrails act, as lines for plots.

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
