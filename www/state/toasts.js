// What was done just now, in a sentence, until it is dismissed.

/** @import { Event, Tone } from './events.js' */
/** @typedef {{ id: string, text: string, tone: Tone }} Toast */

/** @type {Toast[]} */
export const initial = [];

/**
 * @param {Toast[]} toasts
 * @param {Event} event
 * @returns {Toast[]}
 */
export function reduce(toasts, event) {
  switch (event.type) {
    case 'toast':
      return [...toasts, { id: event.id, text: event.text, tone: event.tone ?? 'good' }];
    case 'dismiss':
      return toasts.filter(({ id }) => id !== event.id);
    default:
      return toasts;
  }
}
