// A plot of a few series over time, with a legend that shows the values under the cursor (else the
// latest ones), and the same as a table. All plots of a page share the cursor.

import { measured } from '../text/numbers.js';
import { time } from '../text/time.js';
import { el, replaceFor, setAttr, setHidden, setText } from './dom.js';
import * as canvas from './plot-canvas.js';
import * as figures from './plot-table.js';

/**
 * What a plot shows.
 * @typedef {object} Spec
 * @property {string} title
 * @property {string} unit
 * @property {{ label: string, side: string, dash?: number[] }[]} series
 * @property {[number[], ...(number | null)[][]]} data the times in seconds, then the values of each series; null is a gap
 * @property {[number, number]} [span] from when to when it is drawn, in seconds
 * @property {boolean} isPartial whether the last value is still growing
 * @property {{ isLog: boolean, min: number, max: number }} [scale]
 * @property {{ value: number, text: string }} [threshold] short for one of `thresholds`
 * @property {{ value: number, text: string }[]} [thresholds]
 * @property {{ at: number, text: string, isBad: boolean }[]} [marks]
 * @property {string[]} [versions] the version of new in each cell, which the table shows
 * @property {string} [note]
 * @property {string} [empty] what stands in place of a plot that has no figures
 */

const DARK = matchMedia('(prefers-color-scheme: dark)');
const MINUTE_S = 60;
let created = 0;

export function mount(root) {
  created += 1;
  const parts = build(`plot-${created}`);
  const table = figures.mount(parts.table);
  let given = null;
  let spec = null;
  let drawing = null;
  let structure = null;
  let cursor = null;

  const shown = () => showValues(parts, spec, cursor);
  const draw = () => {
    const width = Math.floor(parts.canvas.clientWidth);
    if (!spec || spec.empty || width === 0) return;
    if (drawing && structure === canvas.structureOf(spec)) return drawing.resize(width);
    drawing?.destroy();
    structure = canvas.structureOf(spec);
    cursor = null;
    drawing = canvas.create(
      parts.canvas,
      width,
      () => spec,
      (index) => {
        cursor = index;
        shown();
      },
    );
  };
  const redraw = () => drawing?.redraw();
  const observer = new ResizeObserver(draw);
  observer.observe(parts.canvas);
  DARK.addEventListener('change', redraw);
  parts.button.addEventListener('click', () => {
    const isOpen = parts.table.hidden;
    setHidden(parts.table, !isOpen);
    setHidden(parts.canvas, isOpen);
    setAttr(parts.button, 'aria-expanded', String(isOpen));
    if (isOpen) table.update(spec);
  });
  root.append(parts.figure);

  return {
    update(wanted) {
      if (wanted === given) return;
      given = wanted;
      spec = complete(wanted);
      outline(parts, spec);
      if (spec.empty) return;
      if (drawing && structure === canvas.structureOf(spec)) drawing.update();
      else draw();
      shown();
      if (!parts.table.hidden) table.update(spec);
    },
    unmount() {
      observer.disconnect();
      DARK.removeEventListener('change', redraw);
      drawing?.destroy();
      parts.figure.remove();
    },
  };
}

const complete = (spec) => ({
  marks: [],
  isPartial: false,
  ...spec,
  thresholds: spec.thresholds ?? [spec.threshold ?? []].flat(),
});

function build(id) {
  const title = el('h4', { class: 'plot-title', id: `${id}-title` });
  const button = el(
    'button',
    { type: 'button', class: 'plot-button', 'aria-expanded': 'false', 'aria-controls': `${id}-table` },
    'Table',
    el('span', { class: 'visually-hidden' }),
  );
  const legend = el('ul', { class: 'plot-legend' });
  const at = el('span', { class: 'plot-at' });
  const mark = el('p', { class: 'plot-mark' });
  const drawn = el('div', { class: 'plot-canvas', role: 'img' });
  const table = el('div', {
    class: 'plot-table',
    id: `${id}-table`,
    role: 'region',
    'aria-labelledby': `${id}-title`,
    tabindex: '0',
  });
  const empty = el('p', { class: 'plot-empty muted' });
  const note = el('p', { class: 'plot-note muted' });
  table.hidden = true;
  const body = el(
    'div',
    {},
    el('div', { class: 'plot-line' }, legend, at),
    el('div', { class: 'plot-stage' }, drawn, mark),
    table,
  );
  const figure = el(
    'div',
    { class: 'plot', role: 'group', 'aria-labelledby': `${id}-title` },
    el('div', { class: 'plot-head' }, title, button),
    body,
    empty,
    note,
  );
  return { figure, title, button, legend, at, mark, canvas: drawn, table, body, empty, note };
}

/** What does not depend on the cursor. */
function outline({ title, button, legend, body, empty, note }, spec) {
  setText(title, spec.title);
  setText(button.lastChild, ` of ${spec.title}`);
  setText(note, noteOf(spec));
  setHidden(note, note.textContent === '');
  setText(empty, spec.empty);
  setHidden(empty, !spec.empty);
  setHidden(body, Boolean(spec.empty));
  setHidden(button, Boolean(spec.empty));
  replaceFor(legend, JSON.stringify(spec.series), () =>
    (spec.series ?? []).map(({ label, side, dash }) =>
      el(
        'li',
        {},
        el('span', { class: `plot-key plot-key-${side}${dash ? ' plot-key-dashed' : ''}` }),
        el('span', {}, label),
        el('b', { class: 'number' }),
      ),
    ),
  );
}

/** A threshold that is far above the figures is not drawn, but said. */
function noteOf(spec) {
  const far = spec.thresholds.filter(({ value }) => !spec.empty && !canvas.isInReach(spec, value));
  return [
    ...far.map(({ value, text }) => `Not drawn, as it is far above: ${text} at ${measured(spec.unit, value)}.`),
    spec.note,
  ]
    .filter(Boolean)
    .join(' ');
}

/** The values under the cursor, or the latest. */
function showValues({ legend, at, mark, canvas: drawn }, spec, cursor) {
  const latest = latestOf(spec);
  const index = cursor ?? latest;
  const value = (place, series) =>
    place === null || place >= spec.data[0].length ? '–' : measured(spec.unit, spec.data[series + 1][place]);
  [...legend.children].forEach((item, series) => setText(item.lastChild, value(index, series)));
  setText(at, index === null ? '' : whenOf(spec, index));
  setText(mark, cursor === null ? '' : markOf(spec, cursor));
  setHidden(mark, mark.textContent === '');
  const values = spec.series.map(({ label }, series) => `${label} ${value(latest, series)}`).join(', ');
  const bounds = spec.thresholds.map((one) => ` The line: ${one.text} at ${measured(spec.unit, one.value)}.`);
  setAttr(
    drawn,
    'aria-label',
    `${spec.title}: ${latest === null ? 'no figures' : `${values}, ${whenOf(spec, latest)}`}.${bounds.join('')}`,
  );
}

function latestOf({ data: [xs, ...columns] }) {
  for (let index = xs.length - 1; index >= 0; index -= 1)
    if (columns.some((column) => (column[index] ?? null) !== null)) return index;
  return null;
}

/** The last minute goes on while it is looked at. */
function whenOf({ data: [xs], isPartial }, index) {
  if (isPartial && index === xs.length - 1) return 'now';
  return time(xs[index] * 1_000, xs.at(-1) * 1_000).replace(' UTC', '');
}

/** What changed about then. */
function markOf({ data: [xs], marks }, index) {
  const step = xs.length > 1 ? xs[1] - xs[0] : MINUTE_S;
  const near = marks.filter(({ at }) => Math.abs(at - xs[index] - step / 2) <= step);
  return near.map(({ at, text }) => `${time(at * 1_000, at * 1_000).replace(' UTC', '')} ${text}`).join(' · ');
}
