// The evidence of each comparison with its threshold over time, of the last two hours.
import { comparisonOf } from './plots.js';
import { actionOf } from './thresholds.js';

/** The E-values that are drawn; under the least, nothing points at a difference. */
const EVIDENCE_MIN = 0.01;
const GAP_S = 150;
/** How far back evidence is kept. */
const TRAIL_S = 2 * 3_600;

export function evidenceCharts(data, seen, { view, marks, grid }) {
  return data.evidence.map((one) => chart(one, data.at, seen[comparisonOf(one)] ?? [], { view, marks, grid })).filter(Boolean);
}

function chart(one, at, seen, { view, marks, grid }) {
  const name = comparisonOf(one);
  const points = pointsOf(one, at, seen);
  if (points.length === 0) return null;
  const until = Date.parse(at) / 1_000;
  const since = Math.max(grid.xs[0], until - TRAIL_S);
  return {
    id: `evidence ${name}`,
    group: 'evidence',
    title: one.of === 'sample_ratio' ? 'the split is unfair' : `${one.condition}${one.condition.startsWith(one.metric) ? '' : `, ${one.metric}`}`,
    unit: 'evidence',
    series: [{ label: 'evidence', side: 'evidence' }],
    data: [points.map(([then]) => then), points.map(([, value]) => value)],
    span: [since, until],
    isPartial: false,
    scale: { isLog: true, min: EVIDENCE_MIN, max: Math.max(one.e_needed ?? 100, 1) * 100 },
    thresholds: one.e_needed === null ? [] : [{ value: one.e_needed, text: meaning(one, view) }],
    marks: marks.filter((mark) => mark.at >= since),
    note: one.text,
  };
}

/**
 * Evidence too large for a number comes as null, and is drawn at the top. Where a minute is missing,
 * nobody judged: an empty point makes the gap.
 */
function pointsOf({ trail, e_value }, at, seen) {
  const known = (trail ? [...trail, [at, e_value]] : seen).map(([then, value]) => [Date.parse(then) / 1_000, value ?? Infinity]);
  const points = [];
  for (const point of known.sort(([one], [other]) => one - other)) {
    const last = points.at(-1);
    if (last && last[0] === point[0]) points.pop();
    if (last && point[0] - last[0] > GAP_S) points.push([last[0] + 60, null]);
    points.push(point);
  }
  return points;
}

function meaning({ of, condition }, view) {
  if (of === 'gate') return 'passes';
  if (of === 'sample_ratio') return 'fails';
  const then = view?.guardrails.find(({ when }) => when === condition)?.then;
  return then ? actionOf(then) : 'acts';
}
