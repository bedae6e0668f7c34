// What the plots are made of, from made-up answers of the API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartsOf } from '../../www/state/charts.js';
import { marksOf } from '../../www/state/marks.js';
import { emptinessOf } from '../../www/state/missing.js';
import { initial, reduce } from '../../www/state/plots.js';
import { beginOf, gridOf } from '../../www/state/windows.js';
import { measured } from '../../www/text/numbers.js';

const MINUTE_MS = 60_000;
const START = Date.parse('2026-12-02T10:00:00Z');
const minute = (index) => new Date(START + index * MINUTE_MS).toISOString();

/** @returns {any} */
const side = (variant, counts = {}) => ({
  variant,
  requests: 0,
  errors: 0,
  rescued: 0,
  pages: 0,
  failed_pages: 0,
  js_errors: 0,
  measures: {},
  ...counts,
});
/**
 * @param {number} index
 * @param {Record<string, any>} [more]
 * @returns {any}
 */
const window = (index, { revision = 1, percentage = 10, sides, subjects, version } = {}) => ({
  at: minute(index),
  minutes: 1,
  revision,
  percentage,
  sides,
  subjects,
  version,
});
/**
 * @param {any[]} windows
 * @param {Record<string, any>} [more]
 * @returns {any}
 */
const answer = (windows, { at = minute(30), evidence = [], minutes = 1, since = minute(0), ...more } = {}) => ({
  rollout: 'demo',
  since,
  at,
  minutes,
  endpoints: [],
  windows,
  evidence,
  ...more,
});
const latency = (count, value) => ({ latency: { count, p50: value, p75: value, p95: value * 2, p99: value * 3 } });
/** @returns {any} */
const view = (more = {}) => ({
  key: 'demo',
  routes: ['/*'],
  is_flag: false,
  state: { phase: 'running' },
  guardrails: [],
  stages: [],
  ...more,
});

const charts = (data, { rollout = view(), entries = [] } = {}) =>
  chartsOf({ metrics: { ...initial, data }, view: rollout, entries });
const chart = (data, id, more) => charts(data, more).charts.find((one) => one.id === id);
/** The values of one chart at a minute: `[new, legacy]`. */
const at = ({ data: [xs, ...columns] }, index) => {
  const place = xs.indexOf((START + index * MINUTE_MS) / 1_000);
  assert.notEqual(place, -1, `minute ${index} is on the axis`);
  return columns.map((column) => column[place]);
};

test('each figure has the version of new that it was measured of, where any is known', () => {
  const of = (minute, more = {}) => window(minute, { sides: [side('new', { requests: 10 })], ...more });
  const windows = [
    of(26),
    of(27, { version: 'v1', revision: 5 }),
    of(28, { version: 'v2', revision: 7 }),
    of(28, { version: 'v1', revision: 6 }),
  ];
  assert.deepEqual(chart(answer(windows, { at: minute(29) }), 'error_rate').versions.slice(-4), [
    '',
    'v1',
    'v1, v2',
    '',
  ]);
  assert.equal(chart(answer([of(29)]), 'error_rate').versions, undefined);
});

test('windows of one minute under several revisions are one point', () => {
  const data = answer([
    window(5, {
      revision: 1,
      percentage: 10,
      sides: [
        side('legacy', { requests: 90, errors: 9 }),
        side('new', { requests: 10, errors: 1, measures: latency(10, 100) }),
      ],
      subjects: { legacy: 9, new: 1 },
    }),
    window(5, {
      revision: 2,
      percentage: 25,
      sides: [side('legacy', { requests: 60 }), side('new', { requests: 30, errors: 3, measures: latency(30, 20) })],
      subjects: { legacy: 6, new: 4 },
    }),
  ]);
  assert.deepEqual(at(chart(data, 'error_rate'), 5), [4 / 40, 9 / 150]);
  assert.deepEqual(at(chart(data, 'latency.p50'), 5), [40, null], 'weighted by count: (10 × 100 + 30 × 20) / 40');
  assert.deepEqual(at(chart(data, 'requests'), 5), [40, 150]);
  assert.deepEqual(at(chart(data, 'share'), 5), [5 / 20, 0.25], 'against the percentage of the later revision');
});

test('minutes without a window are gaps', () => {
  const counted = (index) => window(index, { sides: [side('legacy', { requests: 10 }), side('new', { requests: 5 })] });
  const one = chart(answer([counted(3), counted(6)]), 'requests');
  assert.deepEqual(
    [3, 4, 5, 6].map((index) => at(one, index)[0]),
    [5, null, null, 5],
  );
});

test('a minute in which only legacy was asked has no rate of new', () => {
  const data = answer([window(3, { sides: [side('legacy', { requests: 10 })] })]);
  assert.deepEqual(at(chart(data, 'error_rate'), 3), [null, 0]);
  assert.deepEqual(at(chart(data, 'requests'), 3), [0, 10], 'but it had no requests, and that is known');
});

test('the current minute is marked as going on, and its rate is of the time that has passed', () => {
  const counted = window(29, { sides: [side('legacy', { requests: 100 })] });
  const current = window(30, { sides: [side('legacy', { requests: 30 })] });
  const late = chart(answer([counted, current], { at: new Date(START + 30.25 * MINUTE_MS).toISOString() }), 'requests');
  assert.equal(late.isPartial, true);
  assert.deepEqual([at(late, 29)[1], at(late, 30)[1]], [100, 120]);
  const early = chart(answer([counted, current], { at: new Date(START + 30.1 * MINUTE_MS).toISOString() }), 'requests');
  assert.equal(at(early, 30)[1], null, 'six seconds are too little for a rate');
});

test('a young rollout fills the plot, but not with one minute alone', () => {
  const { xs } = gridOf(answer([window(29, { sides: [side('legacy', { requests: 1 })] })], { since: minute(-1_000) }));
  assert.equal(xs.length, 10);
  assert.equal(xs.at(-1), (START + 30 * MINUTE_MS) / 1_000);
});

test('an endpoint has plots of its own', () => {
  const of = (endpoint, counts) =>
    answer([window(5, { sides: [side('new', { endpoint, ...counts })], subjects: { legacy: 1, new: 1 } })], {
      endpoint,
      endpoints: ['api', 'cart'],
    });
  const [all, api] = [of(undefined, { requests: 10, errors: 1 }), of('api', { requests: 4, errors: 2 })];
  for (const data of [all, api]) assert.deepEqual(charts(data).endpoints, ['api', 'cart']);
  assert.deepEqual(at(chart(all, 'error_rate'), 5), [0.1, null]);
  assert.deepEqual(at(chart(api, 'error_rate'), 5), [0.5, null]);
  assert.ok(chart(all, 'share'));
  assert.equal(chart(api, 'share'), undefined, 'subjects are not counted by endpoint');
});

test('what else comes of requests is plotted where it has come, or where the plan judges by it', () => {
  const data = answer([
    window(5, {
      sides: [
        side('new', { requests: 10, client_errors: 4, timeouts: 0, abandoned: 0, broken: 0 }),
        side('legacy', { requests: 20 }),
      ],
    }),
  ]);
  assert.deepEqual(at(chart(data, 'client_error_rate'), 5), [0.4, 0], 'an old window has no such count');
  assert.equal(chart(data, 'client_error_rate').title, 'Client errors (4xx)');
  for (const id of ['timeout_rate', 'abandoned_rate', 'broken_rate']) assert.equal(chart(data, id), undefined);
  const judged = {
    rollout: view({
      guardrails: [{ when: 'broken_rate > legacy', acts: 'rolls back', terms: [{ metric: 'broken_rate' }] }],
    }),
  };
  assert.deepEqual(at(chart(data, 'broken_rate', judged), 5), [0, 0]);
});

test('absolute bounds of guardrails become thresholds, each on the plot of its metric', () => {
  const guardrails = [
    {
      acts: 'rolls back',
      terms: [
        { metric: 'error_rate', bound: 0.05 },
        { metric: 'requests', bound: 10 },
      ],
    },
    { acts: 'rolls back', terms: [{ metric: 'error_rate' }] },
    { acts: 'goes to 5 %', terms: [{ metric: 'error_rate@api', bound: 0.02 }] },
    { acts: 'alerts', terms: [{ metric: 'latency.p99', bound: 1_500 }] },
  ];
  const data = answer([window(5, { sides: [side('new', { requests: 10, measures: latency(10, 5) })] })]);
  const rollout = view({ guardrails });
  assert.deepEqual(chart(data, 'error_rate', { rollout }).thresholds, [{ value: 0.05, text: 'rolls back' }]);
  assert.deepEqual(
    chart(data, 'latency.p99', { rollout }).thresholds,
    [{ value: 1_500, text: 'alerts' }],
    'a quantile that is judged is plotted',
  );
  const endpoint = answer([window(5, { sides: [side('new', { requests: 10, endpoint: 'api' })] })], {
    endpoint: 'api',
  });
  assert.deepEqual(chart(endpoint, 'error_rate', { rollout }).thresholds, [{ value: 0.02, text: 'goes to 5 %' }]);
});

const EVIDENCE = {
  of: 'guardrail',
  condition: 'error_rate > legacy',
  metric: 'error_rate',
  e_value: 3,
  e_needed: 100,
  text: 'so far 3 of 100',
};
const NAME = 'evidence guardrail error_rate > legacy error_rate';

/** Minutes with somebody on new. */
const busy = (from, to) =>
  Array.from({ length: to - from }, (_, index) =>
    window(from + index, { sides: [side('legacy', { requests: 9 }), side('new', { requests: 5 })] }),
  );

/**
 * @param {object} given
 * @param {{ rollout?: any, at?: string, windows?: any[], id?: string }} [more]
 */
const evidenceChart = (given, { rollout, at, windows = busy(0, 30), id = NAME } = {}) =>
  chart(answer(windows, { at, evidence: [{ ...EVIDENCE, ...given }] }), id, { rollout });

test('evidence follows its trail, and one too large for a number is beyond measure', () => {
  const rollout = view({
    guardrails: [{ when: 'error_rate > legacy', acts: 'rolls back', terms: [{ metric: 'error_rate' }] }],
  });
  const one = evidenceChart(
    {
      e_value: null,
      trail: [
        [minute(27), 1],
        [minute(28), 50],
        [minute(29), null],
      ],
    },
    { rollout },
  );
  assert.deepEqual(
    one.data,
    [[28, 29, 30].map((index) => (START + index * MINUTE_MS) / 1_000), [1, 50, Infinity]],
    'each at the end of its minute',
  );
  assert.deepEqual(one.thresholds, [{ value: 100, text: 'rolls back' }]);
  assert.equal(measured('evidence', Infinity), 'beyond measure');
});

test('the interval is drawn once for what guardrails and gates ask alike, and the edge of the plot is no bound', () => {
  const intervals = [
    [minute(26), null, null],
    [minute(27), null, 2],
    [minute(28), 0.5, null],
    [minute(29), 1.3, 2.1],
  ];
  const evidence = ['guardrail', 'gate'].map((of) => ({ ...EVIDENCE, of, trail: [], intervals }));
  const other = { ...EVIDENCE, metric: 'share', trail: [], intervals: [] };
  const given = answer(busy(0, 30), { evidence: [...evidence, other] });
  const { charts } = chartsOf({ metrics: { ...initial, data: given }, view: view(), entries: [] });
  const found = charts.filter(({ group }) => group === 'interval');
  assert.deepEqual(
    found.map(({ title }) => title),
    ['error_rate'],
  );
  assert.deepEqual(
    found[0].data.slice(1).map((bounds) => bounds.map((bound) => measured('times', bound))),
    [
      ['not known yet', 'no bound known', '0.5×', '1.3×'],
      ['not known yet', '2×', 'no bound known', '2.1×'],
    ],
  );
  assert.deepEqual(
    found[0].series.map(({ label, dash }) => [label, Boolean(dash)]),
    [
      ['at least', false],
      ['at most', true],
    ],
    'one is dashed, so that they differ without colour',
  );
  assert.deepEqual(found[0].thresholds, [{ value: 1, text: 'as legacy' }]);
});

test('a bound that is known is drawn where it is', () => {
  const scaleOf = (from, to) =>
    evidenceChart({ trail: [], intervals: [[minute(29), from, to]] }, { id: 'interval error_rate' }).scale;
  assert.deepEqual(scaleOf(1.75, null), { isLog: true, min: 0.1, max: 10 });
  assert.deepEqual(scaleOf(12, 29), { isLog: true, min: 0.1, max: 100 });
  assert.deepEqual(scaleOf(0.05, 1.2), { isLog: true, min: 0.01, max: 10 });
});

test('the evidence of a gate says whether it is of what the gate asks for, or of the contrary', () => {
  const gateOf = (condition, figure) => {
    const gates = [{ condition, terms: [], figures: [{ metric: 'error_rate', ...figure }] }];
    const { title, thresholds } = evidenceChart(
      { of: 'gate', condition, trail: [[minute(29), 3]] },
      { rollout: view({ stages: [{ gates }] }), id: `evidence gate ${condition} error_rate` },
    );
    return [title, thresholds[0].text];
  };
  assert.deepEqual(gateOf('error_rate <= legacy', { op: '<=', shows: 'more' }), [
    'Gate error_rate <= legacy: evidence that new is worse',
    'fails',
  ]);
  assert.deepEqual(gateOf('error_rate < legacy', { op: '<', shows: 'less' }), [
    'Gate error_rate < legacy: evidence that new is better',
    'enough',
  ]);
  assert.deepEqual(
    gateOf('error_rate < legacy', { op: '<', shows: 'more' }),
    ['Gate error_rate < legacy: evidence that new is worse', 'fails'],
    'once it is refuted',
  );
  assert.deepEqual(
    gateOf('error_rate <= legacy', { op: '<=' }),
    ['Gate error_rate <= legacy: evidence', 'significant'],
    'one of another stage does not say',
  );
});

test('evidence and interval end with the traffic on new', () => {
  const trail = [26, 27, 28, 29].map((index) => [minute(index), 300]);
  const intervals = [26, 27, 28, 29].map((index) => [minute(index), 2, 9]);
  const legacy = [28, 29].map((index) => window(index, { sides: [side('legacy', { requests: 9 })] }));
  const back = { windows: [...busy(0, 28), ...legacy] };
  const times = [27, 28].map((index) => (START + index * MINUTE_MS) / 1_000);
  for (const id of [NAME, 'interval error_rate']) {
    const one = evidenceChart({ trail, intervals, e_value: 300 }, { ...back, id });
    assert.deepEqual(one.data[0], times, id);
    assert.equal(one.note, 'It ends with the traffic on new.');
    assert.equal(evidenceChart({ trail, intervals, e_value: 300 }, { id }).note, '');
  }
  const ratio = { of: 'sample_ratio', condition: 'sample_ratio', metric: 'share', trail, e_value: 300 };
  assert.equal(
    evidenceChart(ratio, { ...back, id: 'evidence sample_ratio sample_ratio share' }).data[0].length,
    4,
    'that nobody is on new is what it finds',
  );
});

test('nobody is compared after a rollback to 0 %, whoever is on new still, and whatever a window spans', () => {
  const rollout = view({ percentage: 0, state: { phase: 'rolled_back', groups: [], since: minute(28) } });
  const trail = [26, 27, 28, 29].map((index) => [minute(index), 300]);
  const one = evidenceChart({ trail, e_value: 300 }, { rollout });
  assert.equal(one.data[0].at(-1), (START + 29 * MINUTE_MS) / 1_000);
});

test('a trail with a hole has a gap there, and goes on to now', () => {
  assert.deepEqual(
    evidenceChart({
      e_value: 2,
      trail: [
        [minute(10), 1],
        [minute(28), 2],
      ],
    }).data[1],
    [1, null, 2, 2],
  );
});

test('a comparison that is no longer made says so, and ends where it ended', () => {
  const one = evidenceChart({
    e_value: 7,
    ended: minute(20),
    trail: [
      [minute(19), 5],
      [minute(20), 7],
    ],
  });
  assert.match(one.note, /^Stopped\. Last value: .*3 of 100/);
  assert.deepEqual(one.data[1], [5, 7]);
});

test('an answer for another range or rollout changes nothing', () => {
  const metrics = reduce(reduce(initial, { type: 'route', view: 'rollout', key: 'demo' }), {
    type: 'chooseSince',
    since: '7d',
  });
  assert.equal(
    reduce(metrics, { type: 'metrics', key: 'demo', since: '2h', endpoint: null, data: answer([]), at: 0 }),
    metrics,
  );
  assert.equal(
    reduce(metrics, { type: 'metrics', key: 'other', since: '7d', endpoint: null, data: answer([]), at: 0 }),
    metrics,
  );
});

test('what is not measured is listed with the way to get it', () => {
  const counted = { requests: 10, measures: latency(10, 5) };
  const nothing = charts(answer([window(5, { sides: [side('new', counted)] })])).missing;
  assert.match(nothing.find(({ what }) => what.startsWith('Browser metrics')).code, /beacon\.js/);
  assert.match(nothing.find(({ what }) => what.startsWith('Sequential test')).code, /legacy/);
  const compared = charts(answer([window(5, { sides: [side('new', counted)] })]), {
    rollout: view({
      guardrails: [{ when: 'error_rate > legacy', acts: 'rolls back', terms: [{ metric: 'error_rate' }] }],
    }),
  }).missing;
  assert.match(compared.find(({ what }) => what.startsWith('Sequential test')).how, /while there is traffic on new/);

  const lcp = {
    ...counted,
    pages: 3,
    measures: { ...counted.measures, lcp: { count: 3, p50: 1, p75: 2, p95: 3, p99: 3 } },
  };
  const half = charts(answer([window(5, { sides: [side('new', lcp), side('legacy', counted)] })]));
  assert.match(half.missing[0].what, /legacy/);
  assert.ok(half.charts.some(({ id }) => id === 'lcp.p75') && !half.charts.some(({ id }) => id === 'fcp.p75'));
});

test('where figures begin is reported if it is well after what was asked for', () => {
  const windows = [window(29, { sides: [] })];
  assert.equal(beginOf(answer(windows)), START + 29 * MINUTE_MS);
  assert.equal(beginOf(answer(windows, { since: minute(28) })), null);
  assert.equal(beginOf(answer([])), null);
});

test('a page with nothing says why', () => {
  assert.match(emptinessOf({ data: answer([]), view: view({ state: { phase: 'draft' } }) }), /not started/);
  assert.match(emptinessOf({ data: answer([]), view: view() }), /No requests .* \/\*/s);
  assert.equal(emptinessOf({ data: answer([window(1, { sides: [] })]), view: view() }), null);
  assert.deepEqual(charts(answer([])).charts, []);
});

test('changes of the rollout are marks, in order', () => {
  const entry = (index, command, state) => ({
    at: minute(index),
    command: { command },
    state: { phase: 'running', killed: false, stage: 'canary', percentage: 10, ...state },
  });
  const marks = marksOf(
    [
      entry(9, 'rollback', { percentage: 0, phase: 'rolled_back' }),
      entry(8, 'approve'),
      entry(7, 'advance'),
      entry(-5, 'start'),
    ],
    minute(0),
  );
  assert.deepEqual(
    marks.map(({ text, isBad }) => [text, isBad]),
    [
      ['advanced: canary, 10 %', false],
      ['rolled back: canary, 0 %', true],
    ],
  );
});

test('values have units', () => {
  const words = [
    ['share', 0.012345, '1.23 %'],
    ['ms', 0.98, '1 ms'],
    ['ms', 1_234, '1.23 s'],
    ['count', 12_345, '12,345'],
    ['score', 0.1234, '0.123'],
    ['evidence', 2.5e9, '2.5e9'],
    ['ms', null, '–'],
  ];
  for (const [unit, value, text] of words) assert.equal(measured(unit, value), text);
});
