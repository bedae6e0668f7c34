// The wasm module, and its life after a trap: a panic aborts the instance, and whoever needs it next
// starts a new one.
import { forget } from './border.js';
import * as gate from './index.js';

let isBroken = false;

/**
 * The module, in working order.
 * @returns {import('../../types/edge.js').Gate}
 */
export function module() {
  if (isBroken) {
    gate.__wbg_reset_state();
    forget();
    isBroken = false;
  }
  return gate;
}

/**
 * Takes note that the module has trapped while it did something.
 * @param {string} subject
 * @param {unknown} error
 */
export function noteTrap(subject, error) {
  isBroken = true;
  console.error(JSON.stringify({ tidegate: 'trap', subject, message: String(error) }));
}
