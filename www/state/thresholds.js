// Where guardrails act, as lines for plots.

const ACTIONS = { rollback: 'rolls back', off: 'kills', previous: 'back a stage', pause: 'pauses', alert: 'alerts' };

/** What a guardrail does, in the third person. */
export const actionOf = (then) => ACTIONS[then] ?? `back to ${String(then).replace('%', ' %')}`;

/** Of the bounds on a metric those that are figures of their own, not a factor of legacy's. */
export function thresholdsOf(view, metric) {
  const thresholds = new Map();
  for (const { figures = [], then } of view?.guardrails ?? []) {
    for (const figure of figures) {
      const isAbsolute = typeof figure.bound === 'number' && (figure.e_needed ?? null) === null && (figure.legacy ?? null) === null;
      if (isAbsolute && figure.metric === metric) thresholds.set(`${figure.bound} ${then}`, { value: figure.bound, text: actionOf(then) });
    }
  }
  return [...thresholds.values()];
}

/** The metrics that the plan's gates and guardrails judge by. */
export function judgedOf(view) {
  const judgements = [...(view?.guardrails ?? []), ...(view?.stages ?? []).flatMap(({ gates }) => gates)];
  return new Set(judgements.flatMap(({ figures = [] }) => figures.map(({ metric }) => metric)));
}
