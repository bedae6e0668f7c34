// Which plots there are, and what is in them: from the API's metrics, the rollout and its history.
// Only what was measured is plotted; what was not is listed with the way to get it. A chart is
// `{ id, group, title, unit, series, data, isPartial, thresholds, marks, note }`, as parts/plot.js draws it.
import { count, plural } from '../text/numbers.js';
import { evidenceCharts } from './evidence.js';
import { judgedOf, marksOf, thresholdsOf } from './marks.js';
import { missingOf } from './missing.js';
import { gridOf, measuresOf } from './windows.js';

/** @import { Entry, Rollout } from '../../types/api.js' */
/** @import { Plots } from './plots.js' */

/**
 * What every chart is made from.
 * @typedef {object} Context
 * @property {ReturnType<typeof gridOf>} grid
 * @property {Rollout | null} view
 * @property {string | null} endpoint
 * @property {ReturnType<typeof marksOf>} marks
 * @property {ReturnType<typeof measuresOf>} measures
 * @property {ReturnType<typeof judgedOf>} judged
 */

const SIDES = ['new', 'legacy'];
const MINUTE_MS = 60_000;
/** Before that, a minute has seen too little to be called a rate. */
const PART_MS_MIN = 10_000;

const VITALS = [
  ['lcp', 'Largest contentful paint'],
  ['fcp', 'First contentful paint'],
  ['inp', 'Interaction to next paint'],
  ['cls', 'Layout shift'],
  ['ttfb', 'Time to first byte'],
];
/** What else comes of requests: plotted where it has come, or where the plan judges by it. */
const RATES = [
  ['client_error_rate', 'client_errors', 'Client errors (4xx)'],
  ['timeout_rate', 'timeouts', 'Time-outs'],
  ['abandoned_rate', 'abandoned', 'Abandoned requests'],
  ['broken_rate', 'broken', 'Broken pages'],
];
const QUANTILES_OF = { latency: ['p95', 'p50'] };
const QUANTILES = ['p75'];

/**
 * `metrics` is the state's slice, `entries` what is known of the rollout's history.
 * @param {{ metrics: Plots, view: Rollout | null, entries: Entry[] | null }} state
 */
export function chartsOf({ metrics, view, entries }) {
  const { data } = metrics;
  if (!data) return { charts: [], endpoints: [], missing: [] };
  const endpoint = data.endpoint ?? null;
  const grid = gridOf(data);
  const context = {
    grid,
    view,
    endpoint,
    marks: marksOf(entries ?? [], data.since),
    measures: measuresOf(grid.cells),
    judged: judgedOf(view),
  };
  const charts = [
    ...serverCharts(context),
    ...browserCharts(context),
    ...trafficCharts(context),
    ...evidenceCharts(data, context),
  ];
  return {
    charts: charts.map((chart) => withVersions(chart, grid)),
    endpoints: data.endpoints,
    missing: missingOf({ data, view, measures: context.measures, cells: grid.cells }),
  };
}

/** The version of new in each cell, where any is known, beside the figures of the same cells. */
function withVersions(chart, { xs, cells }) {
  const versions = cells.map((cell) => (cell?.versions ?? []).join(', '));
  return chart.data[0] === xs && versions.some(Boolean) ? { ...chart, versions } : chart;
}

function serverCharts(context) {
  const errors = of((side) => ratio(side?.errors, side?.requests));
  return [
    sidesChart(context, {
      id: 'error_rate',
      group: 'server',
      title: 'Errors',
      unit: 'share',
      value: errors,
      note: rescuedNote(context.grid.cells),
    }),
    ...RATES.filter(
      ([id, name]) => context.judged.has(metricName(id, context.endpoint)) || hasCome(context.grid.cells, name),
    ).map(([id, name, title]) =>
      sidesChart(context, {
        id,
        group: 'server',
        title,
        unit: 'share',
        value: of((side) => ratio(side?.[name], side?.requests)),
      }),
    ),
    ...quantileCharts(context, 'latency', { group: 'server', title: 'Response time' }),
    ...quantileCharts(context, 'waited', { group: 'server', title: 'Time until clients gave up' }),
  ].filter(Boolean);
}

function browserCharts(context) {
  const failed = of((side) => ratio(side?.failed_pages, side?.pages));
  const timings = [...context.measures.keys()].filter((name) => name.startsWith('timing.')).sort();
  return [
    ...VITALS.flatMap(([name, title]) =>
      quantileCharts(context, name, { group: 'browser', title, short: name.toUpperCase() }),
    ),
    sidesChart(context, {
      id: 'js_error_rate',
      group: 'browser',
      title: 'Pages with a JavaScript error',
      unit: 'share',
      value: failed,
    }),
    ...timings.flatMap((name) =>
      quantileCharts(context, name, { group: 'browser', title: name.slice('timing.'.length) }),
    ),
  ].filter(Boolean);
}

/**
 * One chart for each quantile that people look at or the plan judges by. `short` is the measure's usual name.
 * @param {Context} context
 * @param {string} measure
 * @param {{ group: string, title: string, short?: string }} words
 */
function quantileCharts(context, measure, { group, title, short }) {
  if (!context.measures.has(measure)) return [];
  const usual = QUANTILES_OF[measure] ?? QUANTILES;
  const judged = ['p50', 'p75', 'p95', 'p99'].filter((name) =>
    context.judged.has(metricName(`${measure}.${name}`, context.endpoint)),
  );
  return [...new Set([...usual, ...judged])].map((quantile) =>
    sidesChart(context, {
      id: `${measure}.${quantile}`,
      group,
      title: `${title}, ${short ? `${short} ` : ''}${quantile}`,
      unit: measure === 'cls' ? 'score' : 'ms',
      value: of((side) => side?.measures[measure]?.[quantile] ?? null),
    }),
  );
}

function trafficCharts(context) {
  const { grid } = context;
  const perMinute = (cell, side, index) => {
    if (!cell) return null;
    const minutes = isPart(grid, index) ? grid.partMs / MINUTE_MS : grid.stepMs / MINUTE_MS;
    return isPart(grid, index) && grid.partMs < PART_MS_MIN ? null : (cell[side]?.requests ?? 0) / minutes;
  };
  const requests = sidesChart(context, {
    id: 'requests',
    group: 'traffic',
    title: 'Requests per minute',
    unit: 'count',
    value: perMinute,
  });
  return [requests, context.endpoint ? null : shareChart(context)].filter(Boolean);
}

function shareChart({ grid, marks, view }) {
  const measured = grid.cells.map((cell) =>
    ratio(cell?.subjects?.new, (cell?.subjects?.new ?? 0) + (cell?.subjects?.legacy ?? 0)),
  );
  if (measured.every((value) => value === null)) return null;
  const isShort = grid.stepMs === MINUTE_MS && grid.cells.some((cell) => cell && !cell.subjects);
  return {
    id: 'share',
    group: 'traffic',
    title: 'Users on new',
    unit: 'share',
    series: [
      { label: 'new', side: 'new' },
      { label: 'as set', side: 'target' },
    ],
    data: [
      grid.xs,
      measured,
      grid.cells.map((cell) => (cell?.percentage === undefined ? null : cell.percentage / 100)),
    ],
    isPartial: grid.partMs !== null,
    thresholds: thresholdsOf(view, 'share'),
    marks,
    note: isShort
      ? 'Users per minute are kept for two hours; ranges of 7 days and more show them per hour.'
      : 'Includes groups, so it can be above the set percentage.',
  };
}

/** New vs legacy; null where neither has a value. */
function sidesChart({ grid, view, endpoint, marks }, { id, value, ...rest }) {
  const columns = SIDES.map((side) => grid.cells.map((cell, index) => value(cell, side, index)));
  if (columns.every((column) => column.every((one) => one === null))) return null;
  return {
    id,
    ...rest,
    series: SIDES.map((side) => ({ label: side, side })),
    data: [grid.xs, ...columns],
    isPartial: grid.partMs !== null,
    thresholds: thresholdsOf(view, metricName(id, endpoint)),
    marks,
  };
}

/** Legacy's answers in place of new are errors of new; nobody has seen those. */
function rescuedNote(cells) {
  const sum = (name) => cells.reduce((total, cell) => total + (cell?.new?.[name] ?? 0), 0);
  const [errors, rescued] = [sum('errors'), sum('rescued')];
  if (errors === 0) return '5xx responses, timeouts and broken pages, unless the plan says otherwise.';
  return `${plural(errors, 'error')} on new, ${count(rescued)} rescued by legacy.`;
}

const hasCome = (cells, name) => cells.some((cell) => SIDES.some((side) => (cell?.[side]?.[name] ?? 0) > 0));
const metricName = (id, endpoint) => (endpoint ? `${id}@${endpoint}` : id);
const of = (read) => (cell, side) => read(cell?.[side]);
const ratio = (part, whole) => (whole > 0 ? (part ?? 0) / whole : null);
const isPart = (grid, index) => grid.partMs !== null && index === grid.cells.length - 1;
