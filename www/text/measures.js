// What was measured, with its unit; more than three figures would only be noise.
import { evidence, milliseconds } from './figures.js';
import { count } from './numbers.js';

/** `share` is from 0 to 1, `ms` milliseconds, `score` a number, `count` a count, `evidence` an e-value. */
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
  evidence: (value) => (value === Infinity ? 'beyond measure' : evidence(value)),
};

const figures = (value) => String(Number(value.toPrecision(3)));
