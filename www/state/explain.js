// Which side one subject gets, and why: the API's answer, put into words.
/** @import { Assignment } from '../../types/api.js' */
/** @import { Event, Problem } from './events.js' */
/** @typedef {{ key: string | null, id: string, answer: Assignment | null, problem: Problem | null, isAsking: boolean }} Explain */

/** @type {Explain} */
export const initial = { key: null, id: '', answer: null, problem: null, isAsking: false };

/** The buckets in one percent. */
const BUCKETS_PER_PERCENT = 1_000;

/**
 * @param {Explain} explain
 * @param {Event} event
 * @returns {Explain}
 */
export function reduce(explain, event) {
  switch (event.type) {
    case 'route':
      return event.key === explain.key ? explain : { ...initial, key: event.key };
    case 'explain':
      if (event.id === '') return { ...initial, key: explain.key, problem: { detail: 'Type the id of a user first' } };
      return {
        ...explain,
        id: event.id,
        isAsking: true,
        problem: null,
        answer: event.id === explain.id ? explain.answer : null,
      };
    case 'explained':
      return event.key === explain.key && event.id === explain.id
        ? { ...explain, answer: event.answer, problem: null, isAsking: false }
        : explain;
    case 'unexplained':
      return event.key === explain.key && event.id === explain.id
        ? { ...explain, answer: null, problem: event.problem, isAsking: false }
        : explain;
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, key: explain.key };
    default:
      return explain;
  }
}

/**
 * Where the subject's bucket lies, in percent: it is on new under a percentage above that.
 * @param {Pick<Assignment, 'bucket'>} answer
 */
export const placeOf = ({ bucket }) => bucket / BUCKETS_PER_PERCENT;
