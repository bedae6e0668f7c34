// Where guardrails act, as lines for plots.

const ACTIONS = {
  rollback: 'rolls back',
  off: 'kills',
  previous: 'goes back a stage',
  pause: 'pauses',
  alert: 'alerts',
};

/** What a guardrail does, in the third person. */
export const actionOf = (then) => ACTIONS[then] ?? `goes to ${String(then).replace('%', ' %')}`;

/** A term of a condition as the server prints it; of bounds, those that are figures, not a factor of legacy's. */
const TERM = /^(\S+) (?:<|<=|>|>=|=) (\d+(?:\.\d+)?)?(%|ms|s|m|h)?(?= |$)/;
const FACTORS = { '%': 0.01, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function termsOf(condition) {
  return condition.split(' and ').map((term) => {
    const [, metric = term.split(' ')[0], figure, unit] = TERM.exec(term) ?? [];
    return {
      metric,
      bound: figure === undefined ? null : Number((Number(figure) * (FACTORS[unit] ?? 1)).toPrecision(12)),
    };
  });
}

/** The bounds of guardrails on a metric. They are read from the condition: figures come and go. */
export function thresholdsOf(view, metric) {
  const found = (view?.guardrails ?? []).flatMap(({ when, then }) => termsOf(when).map((term) => ({ ...term, then })));
  const wanted = found.filter((term) => term.metric === metric && term.bound !== null);
  return [
    ...new Map(wanted.map(({ bound, then }) => [`${bound} ${then}`, { value: bound, text: actionOf(then) }])).values(),
  ];
}

/** The metrics that the plan's gates and guardrails judge by. */
export function judgedOf(view) {
  const conditions = [
    ...(view?.guardrails ?? []).map(({ when }) => when),
    ...(view?.stages ?? []).flatMap(({ gates }) => gates.map(({ condition }) => condition)),
  ];
  return new Set(conditions.flatMap(termsOf).map(({ metric }) => metric));
}

/** Whether any of them compares with legacy. */
export const isComparing = (view) => (view?.guardrails ?? []).some(({ when }) => /\blegacy\b/.test(when));
