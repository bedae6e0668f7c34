// Keeps the state fresh: while the page is visible and somebody is signed in, what the route shows is
// fetched every two seconds, and at once after a command, a change of route and a return to the tab.
// Each round begins with the event `refresh`, on which other controllers fetch what is theirs.
//
// The server's clock is estimated from answers that carry their time: the one that came back fastest says most about
// the difference. It forgets after a while, since clocks drift and laptops sleep.
import { kindOf, OF_ACCESS, request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const INTERVAL_MS = 2_000;
/** The list is there on a rollout's page too, for the clock and for the way back. */
const LIST_INTERVAL_MS = 20_000;

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function poll({ dispatch, getState, clock }) {
  let timer;
  let controller = new AbortController();
  let listedAt = -Infinity;

  const isWanted = () => getState().session.status === 'in' && !document.hidden;

  async function round() {
    clearTimeout(timer);
    controller.abort();
    if (!isWanted()) return;
    controller = new AbortController();
    const { signal } = controller;
    dispatch({ type: 'refresh' });
    const { view, key } = getState().route;
    await Promise.all([isListDue(view) && fetchList(signal), view === 'rollout' && fetchRollout(key, signal)]);
    if (!signal.aborted) timer = setTimeout(round, INTERVAL_MS);
  }

  const isListDue = (view) => view === 'list' || clock.local() - listedAt > LIST_INTERVAL_MS;

  async function fetchList(signal) {
    const sent = clock.local();
    const sentAt = clock.now();
    const answer = await request('GET', 'rollouts', { signal });
    if (!hasAnswered(answer)) return;
    const { rollouts, faults, plans, at } = answer.body;
    clock.observe(Date.parse(at), sent);
    listedAt = sent;
    dispatch({ type: 'clock', now: clock.now() });
    dispatch({ type: 'rollouts', items: rollouts, faults, plans, sentAt, at: clock.now() });
  }

  async function fetchRollout(key, signal) {
    const sentAt = clock.now();
    const answer = await request('GET', `rollouts/${encodeURIComponent(key)}`, { signal });
    if (answer.status === 404) {
      dispatch({ type: 'contact', at: clock.now() });
      dispatch({ type: 'noRollout', key, problem: answer.problem });
    } else if (hasAnswered(answer)) {
      dispatch({ type: 'rollout', key, view: answer.body, etag: answer.etag, sentAt, at: clock.now() });
    }
  }

  /** Whether there is an answer to use; says what it means for the contact and the session. */
  function hasAnswered(answer) {
    if (answer.isAborted) return false;
    const kind = kindOf(answer.problem);
    if (answer.status === 401 && kind === 'unauthorized') dispatch({ type: 'sessionEnded' });
    else if (OF_ACCESS.includes(kind)) dispatch({ type: 'sessionEnded', byAccess: true });
    else if (answer.ok) dispatch({ type: 'contact', at: clock.now() });
    else dispatch({ type: 'lost', at: clock.now(), problem: answer.problem });
    return answer.ok;
  }

  document.addEventListener('visibilitychange', round);
  window.addEventListener('online', round);
  return (event) => {
    if (event.type === 'session' || event.type === 'route' || event.type === 'done') round();
    if (event.type === 'noSession' || event.type === 'sessionEnded') round();
  };
}

const TRUSTED_MS = 120_000;

/** @typedef {ReturnType<typeof createClock>} Clock */

export function createClock(local = Date.now) {
  let offset_ms = 0;
  let best = { trip_ms: Infinity, at: 0 };
  return {
    now: () => local() + offset_ms,
    local,
    /**
     * An answer that says `server_ms`, to a request sent at `sentAt` (of `local`).
     * @param {number} server_ms
     * @param {number} sentAt
     */
    observe(server_ms, sentAt) {
      const at = local();
      const trip_ms = at - sentAt;
      if (!Number.isFinite(server_ms) || (trip_ms > best.trip_ms && at - best.at < TRUSTED_MS)) return;
      best = { trip_ms, at };
      offset_ms = server_ms - (sentAt + trip_ms / 2);
    },
  };
}
