// Fetches what was measured of the open rollout: every ten seconds, where it is by the hour every
// minute, and at once after a command and a choice of the range or of the endpoint.
import { request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const INTERVAL_MS = 10_000;
const LONG_INTERVAL_MS = 60_000;
const LONG = new Set(['7d', '90d']);
const NOW = new Set(['chooseSince', 'chooseEndpoint', 'done', 'route', 'session']);

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function metrics({ dispatch, getState, clock }) {
  let controller = new AbortController();
  let asked = { at: -Infinity };

  async function fetchMetrics(key, since, endpoint) {
    controller.abort();
    controller = new AbortController();
    asked = { key, since, at: clock.local() };
    const of = endpoint === null ? '' : `&endpoint=${encodeURIComponent(endpoint)}`;
    const answer = await request('GET', `rollouts/${encodeURIComponent(key)}/metrics?since=${since}${of}`, {
      signal: controller.signal,
    });
    if (answer.isAborted) return;
    if (answer.ok) dispatch({ type: 'metrics', key, since, endpoint, data: answer.body, at: clock.now() });
    else dispatch({ type: 'noMetrics', key, problem: answer.problem });
  }

  return (event) => {
    const {
      route,
      session,
      metrics: { since, endpoint },
    } = getState();
    if (route.view !== 'rollout' || session.status !== 'in') return;
    const interval_ms = LONG.has(since) ? LONG_INTERVAL_MS : INTERVAL_MS;
    const isOther = asked.key !== route.key || asked.since !== since;
    const isDue = event.type === 'refresh' && clock.local() - asked.at >= interval_ms;
    if (isDue || (isOther && event.type === 'refresh') || NOW.has(event.type)) fetchMetrics(route.key, since, endpoint);
  };
}
