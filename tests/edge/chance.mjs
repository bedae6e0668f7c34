// Chance that can be repeated: the same seed gives the same choices.
import { randomInt } from 'node:crypto';

/** The seed of this run: SEED in the environment, else a new one. */
export const newSeed = () => Number(process.env.SEED ?? randomInt(2 ** 31));

/** A generator (mulberry32). `chance(seed, name)` gives each part of a test a stream of its own. */
export function chance(seed, name = '') {
  let state = [...name].reduce((hash, char) => Math.imul(hash ^ char.codePointAt(0), 0x01000193), seed) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** From 0 to 1. */
    next,
    below: (limit) => Math.floor(next() * limit),
    happens: (probability) => next() < probability,
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}
