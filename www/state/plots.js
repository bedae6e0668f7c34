// What was measured of the open rollout: the API's answer (`data`), since when it is asked for, and of
// which endpoint (null for everything). What is shown is of the endpoint that the answer names.

/** @import { Metrics } from '../../types/api.js' */
/** @import { Event, Problem, Since } from './events.js' */
/** @typedef {{ key: string | null, since: Since, endpoint: string | null, data: Metrics | null, at: number | null, problem: Problem | null }} Plots */

/** @type {Plots} */
export const initial = { key: null, since: '2h', endpoint: null, data: null, at: null, problem: null };

/**
 * @param {Plots} metrics
 * @param {Event} event
 * @returns {Plots}
 */
export function reduce(metrics, event) {
  switch (event.type) {
    case 'route':
      return event.key === metrics.key ? metrics : { ...initial, since: metrics.since, key: event.key };
    case 'metrics':
      // What was asked for before the range or the endpoint was changed comes too late.
      if (event.key !== metrics.key || event.since !== metrics.since || event.endpoint !== metrics.endpoint)
        return metrics;
      return { ...metrics, data: event.data, at: event.at, problem: null };
    case 'noMetrics':
      return event.key === metrics.key ? { ...metrics, problem: event.problem } : metrics;
    case 'chooseSince':
      return { ...metrics, since: event.since };
    case 'chooseEndpoint':
      return { ...metrics, endpoint: event.endpoint };
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, since: metrics.since, key: metrics.key };
    default:
      return metrics;
  }
}
