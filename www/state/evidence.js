// The evidence of each comparison with its threshold over time, of the last two hours.

/** The E-values that are drawn; under the least, nothing points at a difference. */
const EVIDENCE_MIN = 0.01;
const MINUTE_S = 60;
const GAP_S = 150;
/** How far back evidence is known. */
const TRAIL_S = 2 * 3_600;

export function evidenceCharts({ evidence, at }, context) {
  return evidence.map((one) => chart(one, Date.parse(at) / 1_000, context));
}

function chart(one, until, { view, marks, grid }) {
  const since = Math.max(grid.xs[0], until - TRAIL_S);
  const points = pointsOf(one, until);
  return {
    id: `evidence ${one.of} ${one.condition} ${one.metric}`,
    group: 'evidence',
    title:
      one.of === 'sample_ratio'
        ? 'Sample ratio'
        : `${one.of === 'gate' ? 'Gate ' : ''}${one.condition}${one.condition.startsWith(one.metric) ? '' : `, ${one.metric}`}`,
    unit: 'evidence',
    series: [{ label: 'evidence', side: 'evidence' }],
    data: [points.map(([then]) => then), points.map(([, value]) => value)],
    span: [since, until],
    isPartial: false,
    scale: { isLog: true, min: EVIDENCE_MIN, max: Math.max(one.e_needed ?? 100, 1) * 100 },
    thresholds: one.e_needed === null ? [] : [{ value: one.e_needed, text: meaning(one, view) }],
    marks: marks.filter((mark) => mark.at >= since),
    // What it comes to now stands with its guardrail or gate.
    note: one.ended ? `Stopped. Last value: ${one.text}` : '',
  };
}

/**
 * The trail has for each minute what it came to at its end; the current one's end is now. Evidence too
 * large for a number comes as null, and is drawn at the top. Where a minute is missing, nobody judged: an
 * empty point makes the gap.
 */
function pointsOf({ trail, e_value, ended }, until) {
  const known = trail.map(([minute, value]) => [
    Math.min(Date.parse(minute) / 1_000 + MINUTE_S, until),
    value ?? Infinity,
  ]);
  if (!ended && known.at(-1)?.[0] !== until) known.push([until, e_value ?? Infinity]);
  const points = [];
  for (const point of known) {
    const last = points.at(-1);
    if (last && point[0] - last[0] > GAP_S) points.push([last[0] + MINUTE_S, null]);
    points.push(point);
  }
  return points;
}

function meaning({ of, condition }, view) {
  // A gate's evidence may be of what it asks for or of the contrary; its text says which.
  if (of === 'gate') return 'enough';
  if (of === 'sample_ratio') return 'mismatch (SRM)';
  return view?.guardrails.find(({ when }) => when === condition)?.acts ?? 'acts';
}
