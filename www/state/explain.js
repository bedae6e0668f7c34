// Which side one subject gets, and why: the API's answer, put into words.
import { percent } from '../text/numbers.js';

/** @import { Assignment, Phase, Rollout } from '../../types/api.js' */
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

/**
 * Why, as the end of a sentence. `view` is for the percentage in effect.
 * @param {Assignment} answer
 * @param {Rollout | null} [view]
 */
export function whyOf(answer, view) {
  const why = REASONS[answer.reason];
  return why ? why(answer, view) : answer.reason;
}

/** @type {Record<string, (answer: Assignment, view?: Rollout | null) => string>} */
const REASONS = {
  killed: () => 'the rollout is killed',
  override: () => 'a preview’s link has put them there',
  inactive: (_, view) =>
    (view ? INACTIVE[view.state.phase] : undefined) ??
    'the rollout has not started, waits for another one, or is rolled back to 0 %',
  robot: () => 'the request comes from a robot',
  unidentified: () => 'there is no id to go by',
  excluded: () => 'they are in a group that the plan excludes',
  required: () => 'they are on legacy in another rollout, which this one requires',
  completed: () => 'the rollout has completed',
  group: ({ stage }) => `they are in a group that is on new in the stage ${stage}`,
  ineligible: () => 'they are not in the group of those whom the plan considers at all',
  holdout: () => 'they belong to the share that stays on legacy at every percentage',
  bucketed: (answer, view) =>
    `bucket ${percent(placeOf(answer))} is ${answer.variant === 'new' ? 'under' : 'above'} the current ${view ? percent(view.percentage) : `percentage of the stage ${answer.stage}`}`,
  no_config: () => 'no configuration can be read',
};

/** @type {Partial<Record<Phase, string>>} */
const INACTIVE = { draft: 'the rollout has not started', rolled_back: 'the rollout is rolled back to 0 %' };
