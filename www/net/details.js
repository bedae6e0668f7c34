// Fetches what a rollout's page shows beside the rollout itself: its history and messages, what was measured, and which
// side a user gets.
//
// The history: its newest entries whenever its revision has moved, its messages every few seconds, and older ones of
// both when somebody asks for them. What was measured: every ten seconds, where it is by the hour every minute, and at
// once after a command and a choice of the range or of the endpoint. An explanation: again whenever the rollout has
// changed.
import { hasOlder, olderOf } from '../state/history.js';
import { request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const MESSAGES_INTERVAL_MS = 6_000;
const PAGE = 50;

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function history({ dispatch, getState, clock }) {
  let controller = new AbortController();
  /** Of which rollout, which newest pages are under way, and when messages were last asked for. */
  let asked = {};

  async function fetchPage(kind, before) {
    const { key } = getState().history;
    const query = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
    const path = kind === 'entries' ? 'history' : 'messages';
    const answer = await request('GET', `rollouts/${encodeURIComponent(key)}/${path}?limit=${PAGE}${query}`, {
      signal: controller.signal,
    });
    if (answer.isAborted) return;
    if (answer.ok)
      dispatch({
        type: path,
        key,
        items: kind === 'entries' ? explained(answer.body) : answer.body[kind],
        before: answer.body.before,
        isOlder: before !== undefined,
      });
    else dispatch({ type: 'noHistory', key, problem: answer.problem });
  }

  async function fetchNewest(kind) {
    const own = asked;
    own[kind] = true;
    await fetchPage(kind);
    own[kind] = false;
  }

  function refresh({ history: known, rollout }) {
    if (asked.key !== known.key) {
      controller.abort();
      controller = new AbortController();
      asked = { key: known.key, at: -Infinity };
    }
    const isBehind = known.entries === null || rollout.view?.state.revision > (known.entries[0]?.revision ?? 0);
    if (isBehind && !asked.entries) fetchNewest('entries');
    const isDue = known.messages === null || clock.local() - asked.at >= MESSAGES_INTERVAL_MS;
    if (isDue && !asked.messages) {
      asked.at = clock.local();
      fetchNewest('messages');
    }
  }

  return (event, state) => {
    if (state.route.view !== 'rollout' || state.session.status !== 'in') return;
    if (event.type === 'refresh' || (event.type === 'rollout' && event.key === state.history.key)) refresh(state);
    if (event.type === 'loadOlder' && hasOlder(state.history))
      for (const [kind, before] of olderOf(state.history)) fetchPage(kind, before);
  };
}

/** Entries in the server's words: what was `done`, the `reason` and `figures`, and the `outcome`. */
function explained({ entries, explanations = [] }) {
  const known = new Map(explanations.map((one) => [one.revision, one]));
  return entries.map((entry) => ({ ...entry, ...known.get(entry.revision) }));
}

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

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function explain({ dispatch, getState }) {
  let controller = new AbortController();

  async function ask(key, id) {
    controller.abort();
    controller = new AbortController();
    const answer = await request('GET', `assign?rollout=${encodeURIComponent(key)}&id=${encodeURIComponent(id)}`, {
      signal: controller.signal,
    });
    if (answer.isAborted) return;
    if (answer.ok) dispatch({ type: 'explained', key, id, answer: answer.body });
    else dispatch({ type: 'unexplained', key, id, problem: answer.problem });
  }

  return (event) => {
    const {
      explain: { id, answer },
      route,
    } = getState();
    const hasMoved =
      event.type === 'rollout' && event.key === route.key && answer && event.view.state.revision !== answer.revision;
    if (id !== '' && (event.type === 'explain' || hasMoved)) ask(route.key, id);
  };
}
