// What was measured, with its unit, to three figures: more would only be noise.
import { count } from './numbers.js';

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `share` is from 0 to 1, `ms` milliseconds, `score` a number, `count` a count, `evidence` an e-value. */
export function measured(unit, value) {
  if (value === null || value === undefined) return '–';
  return WORDS[unit](value);
}

/** The same for an axis: as short as it goes. */
export const ticked = (unit, value) => (unit === 'count' && value >= 1_000 ? `${figures(value / 1_000)} k` : measured(unit, value));

const WORDS = {
  share: (value) => `${figures(value * 100)} %`,
  ms: (value) => (value >= 1_000 ? `${figures(value / 1_000)} s` : `${figures(value)} ms`),
  score: (value) => figures(value),
  count: (value) => (value >= 100 ? count(value) : figures(value)),
  evidence,
};

/** Beyond a million, only the magnitude says anything. */
function evidence(value) {
  if (value === Infinity) return 'beyond measure';
  if (value < 1e6) return value >= 1_000 ? count(value) : value < 0.001 ? 'under 0.001' : figures(value);
  const power = Math.floor(Math.log10(value));
  return `${figures(value / 10 ** power).slice(0, 3)} × 10${[...String(power)].map((digit) => SUPERSCRIPTS[digit]).join('')}`;
}

const figures = (value) => String(Number(value.toPrecision(3)));
