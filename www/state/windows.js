// Windows of the API's `metrics`, laid on an even grid of minutes or hours, one cell each. A minute
// without a window is an empty cell, so that a plot shows a gap where nothing was measured.

/** @import { Metrics } from '../../types/api.js' */

const MINUTE_MS = 60_000;
/** The least that a plot spans: a rollout's first minutes are not stretched over its whole width. */
const CELLS_MIN = 10;
const COUNTS = [
  'requests',
  'errors',
  'client_errors',
  'timeouts',
  'abandoned',
  'broken',
  'rescued',
  'pages',
  'failed_pages',
  'js_errors',
];
const QUANTILES = ['p50', 'p75', 'p95', 'p99'];

/**
 * The grid: when each cell begins in seconds (`xs`), its sides, subjects and percentage (`cells`), the
 * cells' length, and how many ms of the last one have passed (`partMs`; null where it is over).
 * @param {Metrics} metrics
 */
export function gridOf(metrics) {
  const stepMs = metrics.minutes * MINUTE_MS;
  const atMs = Date.parse(metrics.at);
  const floor = (ms) => ms - (ms % stepMs);
  const times = metrics.windows.map((window) => Date.parse(window.at));
  const firstMs = times.reduce((least, ms) => Math.min(least, ms), atMs);
  const lastMs = floor(times.reduce((most, ms) => Math.max(most, ms), atMs));
  // Where the rollout is younger than what was asked for, the plot begins where the figures do.
  const startMs = Math.min(
    floor(Math.max(Date.parse(metrics.since), firstMs - stepMs)),
    lastMs - (CELLS_MIN - 1) * stepMs,
  );
  const length = Math.round((lastMs - startMs) / stepMs) + 1;
  const cells = new Array(length).fill(null);
  metrics.windows.forEach((window, index) => {
    const place = Math.round((times[index] - startMs) / stepMs);
    if (place >= 0 && place < length) cells[place] = merged(cells[place], cellOf(window));
  });
  const xs = cells.map((_, index) => (startMs + index * stepMs) / 1_000);
  const partMs = atMs - lastMs;
  return { xs, cells, stepMs, partMs: partMs < stepMs ? Math.max(partMs, 0) : null };
}

/** The measures that any side has, and on which sides. */
export function measuresOf(cells) {
  const sides = new Map();
  for (const cell of cells) {
    for (const side of ['legacy', 'new']) {
      for (const name in cell?.[side]?.measures) {
        if (cell[side].measures[name].count > 0) sides.set(name, (sides.get(name) ?? new Set()).add(side));
      }
    }
  }
  return sides;
}

function cellOf(window) {
  const side = (variant) => window.sides.find((one) => one.variant === variant);
  const { subjects, percentage, revision, version } = window;
  return {
    legacy: side('legacy'),
    new: side('new'),
    subjects,
    percentage,
    revision,
    versions: version ? [version] : [],
  };
}

/** What two revisions saw in the same minute. The percentage is that of the later one. */
function merged(one, other) {
  if (!one) return other;
  const later = one.revision > other.revision ? one : other;
  return {
    legacy: mergedSides(one.legacy, other.legacy),
    new: mergedSides(one.new, other.new),
    // A subject that came under both revisions counts twice.
    subjects:
      one.subjects && other.subjects
        ? { legacy: one.subjects.legacy + other.subjects.legacy, new: one.subjects.new + other.subjects.new }
        : (one.subjects ?? other.subjects),
    percentage: later.percentage,
    revision: later.revision,
    versions: [...new Set([one, other].sort((a, b) => a.revision - b.revision).flatMap(({ versions }) => versions))],
  };
}

function mergedSides(one, other) {
  if (!one || !other) return one ?? other;
  const measures = { ...one.measures };
  for (const [name, measure] of Object.entries(other.measures))
    measures[name] = mergedMeasures(measures[name], measure);
  return { ...Object.fromEntries(COUNTS.map((name) => [name, one[name] + other[name]])), measures };
}

/**
 * The quantile of both parts together needs their distributions, which the API does not send. The mean
 * of their quantiles, weighted by count, lies between the two, as the true one does.
 */
function mergedMeasures(one, other) {
  if (!one || one.count === 0) return other;
  if (other.count === 0) return one;
  const count = one.count + other.count;
  const mean = (name) =>
    one[name] === null || other[name] === null
      ? (one[name] ?? other[name])
      : (one[name] * one.count + other[name] * other.count) / count;
  return { count, ...Object.fromEntries(QUANTILES.map((name) => [name, mean(name)])) };
}

/** When what was measured begins, in ms, where that is well after what was asked for; else `null`. */
export function beginOf({ windows, since, minutes }) {
  const firstMs = Math.min(...windows.map(({ at }) => Date.parse(at)));
  return windows.length > 0 && firstMs - Date.parse(since) > 2 * minutes * MINUTE_MS ? firstMs : null;
}
