// Numbers in words, the same everywhere: counts, percentages, figures of metrics in their units (shares come from 0 to
// 1, times in milliseconds), and what plots show. A thin space would look better, but is read out badly.

/** `12.5 %`, with at most three decimals, as the server has it. */
export const percent = (value) => `${round(value, 3)} %`;

/** A share from 0 to 1 as percent, to two decimals. */
export const share = (value) => `${round(value * 100, 2)} %`;

/** `12,345` */
export const count = (value) => value.toLocaleString('en-GB', { maximumFractionDigits: 0 });

/** `1 item`, `2 items` */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export const round = (value, decimals) => String(Number(value.toFixed(decimals)));

const TIMES = /^(latency|shadow\.latency|waited|lcp|fcp|inp|ttfb|timing)\b/;
const SHARES =
  /^(error_rate|shadow\.mismatch_rate|shadow\.error_rate|client_error_rate|timeout_rate|status|abandoned_rate|broken_rate|js_error_rate|share|adoption|opt_out_rate|event|percentage)\b/;

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

/** `share` is from 0 to 1, `ms` milliseconds, `score` a number, `count` a count, `evidence` an e-value,
 * `times` a bound of a multiple of legacy's: infinite for none, and no number where neither is known. */
export function measured(unit, value) {
  if (value === null || value === undefined) return '–';
  return WORDS[unit](value);
}

/** The same for an axis: as short as it goes. */
export const ticked = (unit, value) =>
  unit === 'count' && value >= 1_000 ? `${figures(value / 1_000)} k` : measured(unit, value);

const WORDS = {
  share: (value) => `${figures(value * 100)} %`,
  ms: milliseconds,
  score: (value) => figures(value),
  count: (value) => (value >= 100 ? count(value) : figures(value)),
  times: (value) =>
    Number.isNaN(value) ? 'not known yet' : Number.isFinite(value) ? `${figures(value)}×` : 'no bound known',
  evidence: (value) => (value === Infinity ? 'beyond measure' : evidence(value)),
};

const figures = (value) => String(Number(value.toPrecision(3)));
