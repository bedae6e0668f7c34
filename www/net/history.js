// Fetches the history of the open rollout: its newest entries whenever its revision has moved, its
// messages every few seconds, and older ones of both when somebody asks for them.
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
