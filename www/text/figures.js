// Figures of metrics in their units: shares come from 0 to 1, times in milliseconds.
import { count, round, share } from './numbers.js';

const TIMES = /^(latency|waited|lcp|fcp|inp|ttfb|timing)\b/;
const SHARES =
  /^(error_rate|client_error_rate|timeout_rate|status|abandoned_rate|broken_rate|js_error_rate|share|adoption|event|percentage)\b/;

export function figure(metric, value) {
  if (value === null || value === undefined) return '–';
  if (SHARES.test(metric)) return share(value);
  if (TIMES.test(metric)) return milliseconds(value);
  return Number.isInteger(value) ? count(value) : round(value, 3);
}

/** `420 ms`, `1.84 s` */
export const milliseconds = (value) =>
  value < 1_000 ? `${round(value, value < 10 ? 1 : 0)} ms` : `${round(value / 1_000, 2)} s`;

/** Evidence, which may be very large: `3.2`, `1,240`, `4.1e9`. */
export function evidence(value) {
  if (value === null) return 'more than a number can hold';
  if (value >= 1e6) return value.toExponential(1).replace('+', '');
  if (value >= 100) return count(value);
  return value < 0.01 ? String(Number(value.toPrecision(1))) : round(value, 2);
}

/** How far evidence has come, from 0 to 1 on a log scale; under 1 there is none. */
export function evidenceShare(value, needed) {
  if (value === null) return 1;
  if (!(value > 1) || !(needed > 1)) return 0;
  return Math.min(1, Math.log(value) / Math.log(needed));
}
