// What has happened to the open rollout, newest first: the entries of its history and the messages
// about it. Both come in pages, so of a time before either's oldest only half would be known: nothing
// older than that is shown. `before` tells where each goes on, null on the last page.
import { millis } from '../text/time.js';

/** @import { Entry, Explanation, Message } from '../../types/api.js' */
/** @import { Event, HistoryFilter, Problem } from './events.js' */
/** @typedef {Omit<Entry, 'figures'> & Explanation} Explained an entry in the server's words */
/**
 * @typedef {object} History
 * @property {string | null} key
 * @property {Explained[] | null} entries
 * @property {number | null} before
 * @property {Message[] | null} messages
 * @property {string | null} messagesBefore
 * @property {boolean} isLoading
 * @property {Problem | null} problem
 * @property {HistoryFilter} filter
 * @property {number | null} revision the entry that the address names
 */
/** @typedef {{ id: string, at: string, ms: number, entry: Explained, from: string | null, message?: undefined, shown?: undefined }} Change */
/** @typedef {{ id: string, at: string, ms: number, message: Message, shown: number | undefined, entry?: undefined }} Said */

/** @type {History} */
export const initial = {
  key: null,
  entries: null,
  before: null,
  messages: null,
  messagesBefore: null,
  isLoading: false,
  problem: null,
  filter: 'all',
  revision: null,
};

const ALERTS = new Set(['alert', 'escalation']);

/**
 * @param {History} history
 * @param {Event} event
 * @returns {History}
 */
export function reduce(history, event) {
  switch (event.type) {
    case 'route':
      return {
        ...(event.key === history.key ? history : { ...initial, key: event.key, filter: history.filter }),
        revision: event.revision ?? null,
      };
    case 'history':
      return event.key === history.key
        ? {
            ...history,
            ...paged(history.entries, history.before, event, ({ revision }) => revision),
            isLoading: false,
            problem: null,
          }
        : history;
    case 'messages': {
      if (event.key !== history.key) return history;
      const { entries: messages, before: messagesBefore } = paged(
        history.messages,
        history.messagesBefore,
        event,
        ({ at, kind, text }) => `${at} ${kind} ${text}`,
      );
      return { ...history, messages, messagesBefore, isLoading: false, problem: null };
    }
    case 'noHistory':
      return event.key === history.key ? { ...history, isLoading: false, problem: event.problem } : history;
    case 'loadOlder':
      return { ...history, isLoading: hasOlder(history) };
    case 'filterHistory':
      return { ...history, filter: event.filter };
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, key: history.key, revision: history.revision };
    default:
      return history;
  }
}

/**
 * A page beside what is known. A newest page that does not reach what is known replaces it.
 * @template T, Before
 * @param {T[] | null} known
 * @param {Before | null} before
 * @param {{ items: T[], before: Before | null, isOlder: boolean }} page
 * @param {(item: T) => unknown} idOf
 * @returns {{ entries: T[], before: Before | null }}
 */
function paged(known, before, { items, before: next, isOlder }, idOf) {
  if (known === null) return { entries: items, before: next };
  const ids = new Set(items.map(idOf));
  const others = known.filter((item) => !ids.has(idOf(item)));
  if (isOlder) return { entries: [...others, ...items], before: next };
  const hasHole = others.length === known.length && known.length > 0 && next !== null;
  return hasHole
    ? { entries: items, before: next }
    : { entries: [...items, ...others], before: known.length > 0 ? before : next };
}

/**
 * Before which moment only one of the two kinds is known, in ms; `-Infinity` where both are complete.
 * @param {History} history
 */
function horizonOf({ entries, before, messages, messagesBefore, filter }) {
  /** @type {number[]} */
  const ends = [];
  if (filter !== 'alerts' && before !== null) ends.push(oldest(entries));
  if (filter !== 'changes' && messagesBefore !== null) ends.push(oldest(messages));
  return Math.max(-Infinity, ...ends);
}

/** @param {{ at: string }[] | null} items */
const oldest = (items) => millis(items?.at(-1)?.at ?? -Infinity);

/** @param {History} history */
export const hasOlder = (history) => horizonOf(history) !== -Infinity;

/**
 * Which pages lead further back: `[kind, before]` of those that end at the horizon.
 * @param {History} history
 */
export function olderOf(history) {
  const horizon = horizonOf(history);
  /** @type {['entries' | 'messages', { at: string }[] | null, number | string | null][]} */
  const pages = [
    ['entries', history.entries, history.before],
    ['messages', history.messages, history.messagesBefore],
  ];
  return pages
    .filter(([, items, before]) => before !== null && oldest(items) >= horizon)
    .map(([kind, , before]) => /** @type {const} */ ([kind, before]));
}

/**
 * `[{ day, items }]`, newest first; `day` is `2026-12-02`. An item is an entry with where the rollout was
 * before (`from`), where that is known, or a message; `shown` is the revision with the same figures.
 * @param {History} history
 */
export function timelineOf(history) {
  const { entries, messages, filter } = history;
  const horizon = horizonOf(history);
  /** @type {Change[]} */
  const changes =
    filter === 'alerts'
      ? []
      : (entries ?? []).map((entry, index, all) => ({
          id: `r${entry.revision}`,
          at: entry.at,
          ms: millis(entry.at),
          entry,
          from: all[index + 1]?.revision === entry.revision - 1 ? all[index + 1].outcome : null,
        }));
  /** @type {Said[]} */
  const said =
    filter === 'changes'
      ? []
      : (messages ?? [])
          .filter(({ kind }) => filter === 'all' || ALERTS.has(kind))
          .map((message) => {
            const shown = changes.find(({ at, entry }) => at === message.at && isReportedBy(message, entry))?.entry
              .revision;
            return {
              id: `${message.at} ${message.kind} ${message.text} ${shown}`,
              at: message.at,
              ms: millis(message.at),
              message,
              shown,
            };
          });
  const items = [...changes, ...said].filter(({ ms }) => ms >= horizon);
  // Of the same moment, the change came last: the alert led to it.
  items.sort(
    (one, other) =>
      other.ms - one.ms || rank(other) - rank(one) || (other.entry?.revision ?? 0) - (one.entry?.revision ?? 0),
  );
  /** @type {{ day: string, items: (Change | Said)[] }[]} */
  const days = [];
  for (const item of items) {
    const day = item.at.slice(0, 10);
    const last = days.at(-1);
    if (last?.day === day) last.items.push(item);
    else days.push({ day, items: [item] });
  }
  return days;
}

/**
 * Whether an alert is about the guardrail that made the change: then its figures stand there.
 * @param {Message} message
 * @param {Entry} entry
 */
const isReportedBy = ({ kind, guardrail }, { cause }) =>
  kind === 'alert' && guardrail !== undefined && cause?.by === 'guardrail' && cause.index === guardrail;

/** @param {Change | Said} item */
const rank = ({ entry }) => (entry ? 1 : 0);
