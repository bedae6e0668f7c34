// The life drawn: how many are on new, what fails, how slow both sides are, and the evidence of each
// comparison, all over the same time.

import { el, keyed } from '../parts/dom.js';
import * as plot from '../parts/plot.js';
import { eventWord } from '../text/rehearse.js';

/** @import { Spec } from '../parts/plot.js' */

/** Evidence is shown from far below to well above what is needed, by powers of ten. */
const EVIDENCE_MIN = 1e-3;
const EVIDENCE_OVER = 100;
const COMPARISONS_MAX = 4;
/** Of fewer requests, one that fails would look like an outage. */
const REQUESTS_MIN = 20;
/** Behind the end there is room to see what happened there. */
const ROOM = 0.02;
/** So many times a second at the most. */
const DRAW_MS = 150;

export function mount(root) {
  const grid = el('div', { class: 'life-plots' });
  root.append(el('h3', {}, 'Over simulated time (UTC)'), grid);
  const update = keyed(
    grid,
    ({ id }) => id,
    () => {
      const box = el('div', {});
      const own = plot.mount(box);
      return { root: box, update: ({ spec }) => own.update(spec), unmount: own.unmount };
    },
  );
  let drawn = null;
  let timer = null;
  let drawnAt = 0;

  function draw(run, outline) {
    timer = null;
    drawnAt = performance.now();
    update(specs(run, outline));
  }

  return {
    update(run, outline) {
      if (run.points === drawn) return;
      drawn = run.points;
      clearTimeout(timer);
      const wait = run.status === 'running' ? DRAW_MS - (performance.now() - drawnAt) : 0;
      if (wait <= 0) draw(run, outline);
      else timer = setTimeout(() => draw(run, outline), wait);
    },
    unmount() {
      clearTimeout(timer);
      update([]);
    },
  };
}

function specs(run, outline) {
  const { points, comparisons } = run;
  const start_s = run.start_ms / 1_000;
  const xs = points.map(({ at_ms }) => start_s + at_ms / 1_000);
  const column = (of) => points.map(of);
  /** @type {[number, number]} */
  const span = [xs[0], xs.at(-1) + (xs.at(-1) - xs[0]) * ROOM];
  const common = { marks: marksOf(run.events, start_s), isPartial: false, span };
  const sides = [
    { label: 'new', side: 'new' },
    { label: 'legacy', side: 'legacy' },
  ];
  /** @type {(name: 'error_rate' | 'latency_ms') => Spec['data']} */
  const both = (name) => [
    xs,
    column(({ new: side }) => figure(side, name)),
    column(({ legacy }) => figure(legacy, name)),
  ];
  /** @type {{ id: string, spec: Spec }[]} */
  const found = [
    {
      id: 'share',
      spec: {
        ...common,
        title: 'Share of users on new',
        unit: 'share',
        series: [{ label: 'planned', side: 'new' }],
        data: [xs, column(({ percentage }) => percentage / 100)],
      },
    },
    {
      id: 'exposed',
      spec: {
        ...common,
        title: 'Users who have seen new',
        unit: 'count',
        series: [{ label: 'different users', side: 'new' }],
        data: [xs, column(({ subjects_exposed }) => subjects_exposed)],
      },
    },
    {
      id: 'errors',
      spec: { ...common, title: 'Failed requests', unit: 'share', series: sides, data: both('error_rate') },
    },
    { id: 'latency', spec: { ...common, title: 'Latency, p95', unit: 'ms', series: sides, data: both('latency_ms') } },
  ];
  comparisons.slice(0, COMPARISONS_MAX).forEach((comparison, index) => {
    const last = points.findLast(({ evidence }) => evidence[index] !== null)?.evidence[index];
    if (!last) return;
    const [, needed] = last;
    found.push({
      id: `evidence ${comparison.text}`,
      spec: {
        ...common,
        title: `Evidence that ${comparison.text}`,
        unit: 'evidence',
        series: [{ label: 'evidence', side: 'evidence' }],
        data: [xs, column(({ evidence }) => evidence[index]?.[0] ?? null)],
        scale: { isLog: true, min: EVIDENCE_MIN, max: needed * EVIDENCE_OVER },
        thresholds: [{ value: needed, text: outline.guardrails[comparison.guardrail]?.acts ?? 'acts' }],
        note: 'It acts once enough different users are affected.',
      },
    });
  });
  return found;
}

const figure = (side, name) => (side.requests < REQUESTS_MIN ? null : side[name]);

/** Changes of the state and what was injected. */
function marksOf(events, start_s) {
  const shown = events.filter(({ kind }) => kind !== 'waiting' && kind !== 'change');
  return shown.map((event) => ({
    at: start_s + event.at_ms / 1_000,
    text: `${eventWord(event)}: ${event.kind === 'scenario' ? event.text : `${event.stage}, ${event.percentage} %`}`,
    isBad: event.kind === 'back' || event.kind === 'alert' || event.kind === 'scenario',
  }));
}
