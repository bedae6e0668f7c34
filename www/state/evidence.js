// The evidence of each comparison with its threshold over time, of the last two hours, and between what its ratio lies.
// Both end where new has no more traffic: from then on nothing is measured, however long the last value stands.
import { shownOf } from './shown.js';

/** @import { Evidence } from '../../types/api.js' */
/** @import { Context } from './charts.js' */

/** The E-values that are drawn; under the least, nothing points at a difference. */
const EVIDENCE_MIN = 0.01;
/** The multiples of legacy's that are drawn at least; where a bound lies beyond, ten times more. */
const RATIOS = { min: 0.1, max: 10 };
const MINUTE_S = 60;
const GAP_S = 150;
/** How far back evidence is known. */
const TRAIL_S = 2 * 3_600;

/**
 * @param {{ evidence: Evidence[], at: string }} metrics
 * @param {Context} context
 */
export function evidenceCharts({ evidence, at }, context) {
  const until = Date.parse(at) / 1_000;
  return [
    ...distinct(evidence.filter(({ intervals = [] }) => intervals.length > 0)).map((one) =>
      interval(one, until, context),
    ),
    ...evidence.map((one) => chart(one, until, context)),
  ];
}

/** Guardrails and gates that ask about the same have the same interval. */
const distinct = (all) => all.filter((one, index) => all.findIndex(({ metric }) => metric === one.metric) === index);

/** The interval of new's figure over legacy's. */
function interval(one, until, context) {
  const since = sinceOf(context, until);
  const known = one.intervals.map(([minute, from, to]) => [endOf(minute, until), ...boundsOf(from, to)]);
  const points = spaced(known.filter(([then]) => isMeasured(then, context)));
  return {
    id: `interval ${one.metric}`,
    group: 'interval',
    title: one.metric,
    unit: 'times',
    series: [
      { label: 'at least', side: 'evidence' },
      { label: 'at most', side: 'evidence', dash: [5, 4] },
    ],
    data: [0, 1, 2].map((column) => points.map((point) => point[column] ?? null)),
    span: [since, until],
    isPartial: false,
    scale: { isLog: true, ...scaleOf(points) },
    thresholds: [{ value: 1, text: 'as legacy' }],
    marks: context.marks.filter((mark) => mark.at >= since),
    note: points.length < known.length ? SILENT : '',
  };
}

/** An edge is no bound: what is known is drawn where it is. */
function scaleOf(points) {
  const bounds = points.flatMap(([, ...both]) => both).filter((bound) => Number.isFinite(bound) && bound > 0);
  const { min, max } = RATIOS;
  return { min: Math.min(...bounds) < min ? min / 10 : min, max: Math.max(...bounds) > max ? max * 10 : max };
}

/** An end without a bound is infinite. With neither end nothing is known, which is no number. */
const boundsOf = (from, to) => (from === null && to === null ? [NaN, NaN] : [from ?? -Infinity, to ?? Infinity]);

function titleOf({ of, condition, metric }, shows) {
  if (of === 'sample_ratio') return 'Sample ratio';
  const name = `${condition}${condition.startsWith(metric) ? '' : `, ${metric}`}`;
  if (of !== 'gate') return name;
  return `Gate ${name}: evidence${shows ? ` that new is ${shows}` : ''}`;
}

function chart(one, until, context) {
  const since = sinceOf(context, until);
  const known = pointsOf(one, until);
  // Whether users are split as they should be is asked of legacy too.
  const shown = one.of === 'sample_ratio' ? known : known.filter(([then]) => isMeasured(then, context));
  const points = spaced(shown);
  const shows = one.of === 'gate' ? gateShows(one, context.view) : null;
  return {
    id: `evidence ${one.of} ${one.condition} ${one.metric}`,
    group: 'evidence',
    title: titleOf(one, shows),
    unit: 'evidence',
    series: [{ label: 'evidence', side: 'evidence' }],
    data: [points.map(([then]) => then), points.map(([, value]) => value)],
    span: [since, until],
    isPartial: false,
    scale: { isLog: true, min: EVIDENCE_MIN, max: Math.max(one.e_needed ?? 100, 1) * 100 },
    thresholds: one.e_needed === null ? [] : [{ value: one.e_needed, text: meaning(one, shows, context) }],
    marks: context.marks.filter((mark) => mark.at >= since),
    // What it comes to now stands with its guardrail or gate.
    note: one.ended ? `Stopped. Last value: ${one.text}` : known.at(-1) === shown.at(-1) ? '' : SILENT,
  };
}

const SILENT = 'It ends with the traffic on new.';
const sinceOf = ({ grid }, until) => Math.max(grid.xs[0], until - TRAIL_S);
/** What is said of a minute was said at its end; of the current one, now. */
const endOf = (minute, until) => Math.min(Date.parse(minute) / 1_000 + MINUTE_S, until);

/**
 * Whether anybody was on new in the minute that ends then, or in its hour where windows are hours. Of a time before the
 * first window nobody knows.
 * @param {number} then
 * @param {Context} context
 */
function isMeasured(then, { grid, view }) {
  if (then > awaySince(view) + MINUTE_S) return false;
  const index = Math.ceil((then - grid.xs[0]) / (grid.stepMs / 1_000)) - 1;
  const cell = grid.cells[index];
  return index < 0 || (cell?.new?.requests ?? 0) + (cell?.subjects?.new ?? 0) > 0;
}

/** Since when nobody is sent to new, in seconds. Who stays there by choice is not compared. */
const awaySince = (view) =>
  view?.percentage === 0 && view.state.groups.length === 0 ? Date.parse(view.state.since) / 1_000 : Infinity;

/** What the evidence of a gate is for: its own figure says so, while it is judged. */
function gateShows({ condition, metric }, view) {
  const gates = (view?.stages ?? []).flatMap((stage) => stage.gates);
  const figures = gates.filter((gate) => gate.condition === condition).flatMap((gate) => gate.figures ?? []);
  return shownOf('gate', figures.find((figure) => figure.metric === metric && figure.shows) ?? {});
}

/**
 * The trail has for each minute what it came to at its end; the current one's end is now. Evidence too
 * large for a number comes as null, and is drawn at the top. Where a minute is missing, nobody judged: an
 * empty point makes the gap.
 */
function pointsOf({ trail, e_value, ended }, until) {
  const known = trail.map(([minute, value]) => [endOf(minute, until), value ?? Infinity]);
  if (!ended && known.at(-1)?.[0] !== until) known.push([until, e_value ?? Infinity]);
  return known;
}

/** With an empty point in each gap. */
function spaced(known) {
  const points = [];
  for (const point of known) {
    const last = points.at(-1);
    if (last && point[0] - last[0] > GAP_S) points.push([last[0] + MINUTE_S, null, null]);
    points.push(point);
  }
  return points;
}

/** What comes of it where the evidence reaches the line. */
function meaning({ of, condition }, shows, { view }) {
  if (of === 'gate') return shows ? REACHED[shows] : 'significant';
  if (of === 'sample_ratio') return 'mismatch (SRM)';
  return view?.guardrails.find(({ when }) => when === condition)?.acts ?? 'acts';
}

const REACHED = { worse: 'fails', better: 'enough' };
