// The server's clock in milliseconds, as the console estimates it. It moves once a second.

/** @import { Event } from './events.js' */

export const initial = 0;

/**
 * @param {number} now
 * @param {Event} event
 * @returns {number}
 */
export const reduce = (now, event) => (event.type === 'clock' ? event.now : now);
