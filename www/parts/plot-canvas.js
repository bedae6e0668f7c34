// The drawn part of a plot, by uPlot. Colours come from the tokens at each drawing, so that they follow
// the scheme; new is solid, legacy dashed, and what goes on still is dotted.
import uPlot from 'uplot';
import { ticked } from '../text/numbers.js';

/** @import { Spec } from './plot.js' */

const HEIGHT = 152;
const AXIS_WIDTH = 58;
const TICK_SPACE = 24;
const TIME_SPACE = 64;
const DAY_S = 86_400;
const SYNC_KEY = 'tidegate';
/** A threshold further above the figures than this would press them flat; it is named instead. */
const THRESHOLD_REACH = 3;
/** The least that an axis spans. */
const SPAN_MIN = { share: 0.01, ms: 10, score: 0.1, count: 5 };

const STYLES = {
  new: { colour: '--new', width: 2 },
  legacy: { colour: '--legacy', width: 2, dash: [7, 4] },
  target: { colour: '--muted', width: 1.5, dash: [2, 3], isStepped: true },
  evidence: { colour: '--accent', width: 2 },
};
const DOTS = [2, 3];

/** Marks that are nearer to each other are drawn as one. */
const MARK_SPACE = 28;

/** The structure of a plot: where it differs, the canvas is built anew. */
export const structureOf = ({ unit, series, scale }) => JSON.stringify([unit, scale?.isLog, series]);

/**
 * `spec` is a function, since the plot outlives each one of them. `onCursor(index)`: null off the plot.
 * @param {HTMLElement} root
 * @param {number} width
 * @param {() => Spec} spec
 * @param {(index: number | null) => void} onCursor
 */
export function create(root, width, spec, onCursor) {
  const first = spec();
  const isLog = Boolean(first.scale?.isLog);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  /** @type {uPlot.Options} */
  const options = {
    width,
    height: HEIGHT,
    padding: [14, 18, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: SYNC_KEY, scales: ['x', null] },
      points: { size: 7 },
    },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
    scales: {
      x: { time: true, range: (_, from, to) => spec().span ?? [from, to] },
      y: isLog
        ? { distr: 3, log: 10, range: () => [spec().scale.min, spec().scale.max] }
        : { range: (_, __, most) => [0, topOf(spec(), most)] },
    },
    axes: axes(first, isLog, colour),
    series: [
      {},
      ...first.series.map(({ side, dash }) => line(STYLES[side], dash, colour)),
      ...first.series.map(({ side }) => line(STYLES[side], DOTS, colour)),
    ],
    hooks: {
      drawAxes: [(plot) => drawMarks(plot, spec().marks, colour)],
      draw: [(plot) => drawThresholds(plot, spec(), colour)],
      setCursor: [(plot) => onCursor(plot.cursor.left < 0 ? null : plot.cursor.idx)],
    },
  };
  const plot = new uPlot(options, drawn(first), root);
  followTouch(plot);
  return {
    update: () => plot.setData(drawn(spec())),
    redraw: () => plot.redraw(),
    resize: (wanted) => plot.setSize({ width: wanted, height: HEIGHT }),
    destroy: () => plot.destroy(),
  };
}

/** Whether a threshold can be drawn without pressing the figures flat. */
export function isInReach(spec, value) {
  if (spec.scale) return true;
  const most = mostOf(spec);
  return most === 0 || value <= most * THRESHOLD_REACH;
}

const mostOf = ({ data }) =>
  data.slice(1).reduce((most, column) => column.reduce((top, value) => Math.max(top, value ?? 0), most), 0);

function topOf(spec, most) {
  const reached = spec.thresholds.map(({ value }) => value).filter((value) => isInReach(spec, value));
  const top = Math.max(most ?? 0, ...reached, SPAN_MIN[spec.unit]) * 1.12;
  return spec.unit === 'share' ? Math.min(top, Math.max(1, most)) : top;
}

function line({ colour: name, width, dash, isStepped }, dashed, colour) {
  return {
    stroke: () => colour(name),
    width,
    dash: dashed ?? dash,
    paths: isStepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
    // A single minute between gaps makes no line, so it is a point.
    points: { show: false, size: 5, fill: () => colour(name), filter: (plot, index) => lonely(plot.data[index]) },
  };
}

function lonely(column) {
  const found = [];
  for (let index = 0; index < column.length; index += 1) {
    if (isNothing(column[index])) continue;
    if (isNothing(column[index - 1]) && isNothing(column[index + 1])) found.push(index);
  }
  return found.length > 0 ? found : null;
}

const isNothing = (value) => value === null || value === undefined;

/**
 * What uPlot draws: each series without its last point where that goes on still, then, dotted, the way
 * to that point. Where a multiple has no bound, no line stands for one.
 * @param {Spec} spec
 * @returns {uPlot.AlignedData}
 */
function drawn({ unit, data: [xs, ...columns], scale, isPartial }) {
  const isUnbounded = (value) => unit === 'times' && !Number.isFinite(value);
  const within = (value) =>
    isNothing(value) || isUnbounded(value) ? null : scale ? Math.min(Math.max(value, scale.min), scale.max) : value;
  const solid = columns.map((column) => column.map(within));
  const end = xs.length - 1;
  const dotted = solid.map((column) =>
    column.map((value, index) => (isPartial && index >= end - 1 && !isNothing(column[end]) ? value : null)),
  );
  if (isPartial) for (const column of solid) column[end] = null;
  return /** @type {uPlot.AlignedData} */ ([xs, ...solid, ...dotted]);
}

function axes({ unit }, isLog, colour) {
  const common = { stroke: () => colour('--muted'), font: `11px ${colour('--font')}`, ticks: { show: false } };
  const grid = { stroke: () => colour('--line'), width: 1 };
  const values = (_, splits) => splits.map((value) => (value === null ? null : ticked(unit, value)));
  return [
    { ...common, grid: { show: false }, space: TIME_SPACE, size: 26, values: times },
    {
      ...common,
      grid,
      space: TICK_SPACE,
      size: AXIS_WIDTH,
      values,
      ...(isLog && { splits: powers, filter: (_, splits) => splits }),
    },
  ];
}

/** Powers of ten, few enough to be read. */
function powers(_, __, min, max) {
  const [low, high] = [Math.ceil(Math.log10(min)), Math.floor(Math.log10(max))];
  const step = Math.max(1, Math.ceil((high - low) / 3));
  const found = [];
  for (let power = 0; power <= high; power += step) found.push(10 ** power);
  for (let power = -step; power >= low; power -= step) found.unshift(10 ** power);
  return found;
}

function times(_, splits, __, ___, step) {
  return splits.map((seconds) => {
    const iso = new Date(seconds * 1_000).toISOString();
    const isDay = step >= DAY_S || seconds % DAY_S === 0;
    return isDay ? `${Number(iso.slice(8, 10))} ${MONTHS[Number(iso.slice(5, 7)) - 1]}` : iso.slice(11, 16);
  });
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function drawMarks(plot, marks, colour) {
  const { ctx, bbox } = plot;
  const unit = devicePixelRatio;
  ctx.save();
  ctx.font = `${10 * unit}px ${colour('--font')}`;
  [ctx.textAlign, ctx.textBaseline] = ['left', 'bottom'];
  for (const { x, isBad, count } of apart(plot, marks, MARK_SPACE * unit)) {
    ctx.strokeStyle = ctx.fillStyle = colour(isBad ? '--bad' : '--muted');
    ctx.lineWidth = unit;
    ctx.setLineDash([unit, 3 * unit]);
    stroke(ctx, x, bbox.top, x, bbox.top + bbox.height);
    drawTip(ctx, x, bbox.top, unit, isBad);
    if (count > 1) ctx.fillText(String(count), x + (isBad ? 6 : 4) * unit, bbox.top + unit);
  }
  ctx.restore();
}

/** Where marks are drawn: those of a kind that would touch are one, which has their number. */
function apart(plot, marks, space) {
  const found = [];
  const last = {};
  for (const { at, isBad } of marks) {
    const x = Math.round(plot.valToPos(at, 'x', true)) + 0.5;
    if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
    if (last[isBad] && x - last[isBad].x < space) last[isBad].count += 1;
    else found.push((last[isBad] = { x, isBad, count: 1 }));
  }
  return found;
}

/** What went up or on points up, what came back points down and is larger. */
function drawTip(ctx, x, y, unit, isBad) {
  const [half, height] = isBad ? [4.5 * unit, 7 * unit] : [2.5 * unit, 4 * unit];
  ctx.beginPath();
  ctx.moveTo(x - half, isBad ? y - height : y);
  ctx.lineTo(x + half, isBad ? y - height : y);
  ctx.lineTo(x, isBad ? y : y - height);
  ctx.fill();
}

function drawThresholds(plot, spec, colour) {
  const { ctx, bbox } = plot;
  const unit = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour('--bad');
  ctx.lineWidth = 1.25 * unit;
  ctx.font = `${11 * unit}px ${colour('--font')}`;
  ctx.textAlign = 'right';
  for (const { value, text } of spec.thresholds) {
    if (!isInReach(spec, value)) continue;
    const y = Math.round(plot.valToPos(value, 'y', true)) + 0.5;
    ctx.setLineDash([10 * unit, 4 * unit]);
    stroke(ctx, bbox.left, y, bbox.left + bbox.width, y);
    const above = y - bbox.top > 14 * unit;
    ctx.textBaseline = above ? 'bottom' : 'top';
    drawOutlined(
      ctx,
      `${text} at ${ticked(spec.unit, value)}`,
      bbox.left + bbox.width,
      y + (above ? -3 : 3) * unit,
      colour('--surface'),
      unit,
    );
  }
  ctx.restore();
}

/** Legible on whatever line runs beneath. */
function drawOutlined(ctx, text, x, y, ground, unit) {
  const line = ctx.strokeStyle;
  ctx.setLineDash([]);
  ctx.lineJoin = 'round';
  ctx.strokeStyle = ground;
  ctx.lineWidth = 4 * unit;
  ctx.strokeText(text, x, y);
  ctx.fillText(text, x, y);
  ctx.strokeStyle = line;
  ctx.lineWidth = 1.25 * unit;
}

function stroke(ctx, fromX, fromY, toX, toY) {
  ctx.beginPath();
  ctx.moveTo(fromX, fromY);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

/** uPlot knows mice alone. A finger that moves sideways moves the cursor; up and down it scrolls the page. */
function followTouch(plot) {
  const move = ({ pointerType, clientX, clientY }) => {
    if (pointerType !== 'mouse') plot.over.dispatchEvent(new MouseEvent('mousemove', { clientX, clientY }));
  };
  plot.over.addEventListener('pointerdown', move);
  plot.over.addEventListener('pointermove', move);
}
