// The evidence of each comparison with its threshold over time, of the last two hours, and between what its ratio lies.

/** The E-values that are drawn; under the least, nothing points at a difference. */
const EVIDENCE_MIN = 0.01;
/** The multiples of legacy's that are drawn; what lies beyond stands at the edge. */
const RATIOS = { min: 0.1, max: 10 };
const MINUTE_S = 60;
const GAP_S = 150;
/** How far back evidence is known. */
const TRAIL_S = 2 * 3_600;

export function evidenceCharts({ evidence, at }, context) {
  const until = Date.parse(at) / 1_000;
  return [
    ...distinct(evidence.filter(({ intervals }) => intervals?.length > 0)).map((one) => interval(one, until, context)),
    ...evidence.map((one) => chart(one, until, context)),
  ];
}

/** Guardrails and gates that ask about the same have the same interval. */
const distinct = (all) => all.filter((one, index) => all.findIndex(({ metric }) => metric === one.metric) === index);

/** The interval of new's figure over legacy's. */
function interval(one, until, { marks, grid }) {
  const since = Math.max(grid.xs[0], until - TRAIL_S);
  const points = spaced(
    one.intervals.map(([minute, from, to]) => [
      Math.min(Date.parse(minute) / 1_000 + MINUTE_S, until),
      from ?? RATIOS.min,
      to ?? RATIOS.max,
    ]),
  );
  return {
    id: `interval ${one.metric}`,
    group: 'interval',
    title: one.metric,
    unit: 'times',
    series: [
      { label: 'at least', side: 'evidence' },
      { label: 'at most', side: 'evidence' },
    ],
    data: [0, 1, 2].map((column) => points.map((point) => point[column] ?? null)),
    span: [since, until],
    isPartial: false,
    scale: { isLog: true, ...RATIOS },
    thresholds: [{ value: 1, text: 'as legacy' }],
    marks: marks.filter((mark) => mark.at >= since),
    note: '',
  };
}

function titleOf({ of, condition, metric }) {
  if (of === 'sample_ratio') return 'Sample ratio';
  return `${of === 'gate' ? 'Gate ' : ''}${condition}${condition.startsWith(metric) ? '' : `, ${metric}`}`;
}

function chart(one, until, { view, marks, grid }) {
  const since = Math.max(grid.xs[0], until - TRAIL_S);
  const points = pointsOf(one, until);
  return {
    id: `evidence ${one.of} ${one.condition} ${one.metric}`,
    group: 'evidence',
    title: titleOf(one),
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
  return spaced(known);
}

/** With an empty point in each gap. */
function spaced(known) {
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
