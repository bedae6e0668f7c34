// Messages out: what waits, what was given up, what was sent lately, and the channels. `busy` is what somebody has
// asked for and has not been answered yet: a message's id, `*` for all that were given up, or a channel.

/** @import { Outbox, OutboxMessage } from '../../types/api.js' */
/** @import { Event, Problem } from './events.js' */
/** @typedef {{ view: Outbox | null, at: number | null, problem: Problem | null, busy: string | null }} OutboxState */

/** @type {OutboxState} */
export const initial = { view: null, at: null, problem: null, busy: null };

/**
 * @param {OutboxState} outbox
 * @param {Event} event
 * @returns {OutboxState}
 */
export function reduce(outbox, event) {
  switch (event.type) {
    case 'outbox':
      if (outbox.at !== null && event.sentAt < outbox.at) return outbox;
      return { ...outbox, view: event.view, at: event.at, problem: null };
    case 'noOutbox':
      return { ...outbox, problem: event.problem };
    case 'sendAgain':
      return { ...outbox, busy: event.id };
    case 'testChannel':
      return { ...outbox, busy: `channel ${event.channel}` };
    case 'sentAgain':
      return { ...outbox, busy: null };
    case 'noSession':
    case 'sessionEnded':
      return initial;
    default:
      return outbox;
  }
}

/**
 * The messages that somebody may have to see to, and those that were sent; the newest first.
 * @param {OutboxState} outbox
 * @returns {{ open: OutboxMessage[], sent: OutboxMessage[] }}
 */
export function messagesOf({ view }) {
  const messages = view?.messages ?? [];
  return {
    open: messages.filter(({ state }) => state !== 'sent'),
    sent: messages.filter(({ state }) => state === 'sent'),
  };
}
