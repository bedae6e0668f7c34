// Fetches the history of the open rollout: its newest entries whenever its revision has moved, its
// messages every few seconds, and older ones of both when somebody asks for them.
import { hasOlder, olderOf } from '../state/history.js';
import { request } from './api.js';

const MESSAGES_INTERVAL_MS = 6_000;
const PAGE = 50;

export function history({ dispatch, getState, clock }) {
  let controller = new AbortController();
  let asked = {};

  async function fetchPage(kind, before) {
    const { key } = getState().history;
    const query = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
    const path = kind === 'entries' ? 'history' : 'messages';
    const answer = await request('GET', `rollouts/${encodeURIComponent(key)}/${path}?limit=${PAGE}${query}`, { signal: controller.signal });
    if (answer.isAborted) return;
    if (answer.ok) dispatch({ type: path, key, items: answer.body[kind], before: answer.body.before, isOlder: before !== undefined });
    else {
      asked[kind] = undefined;
      dispatch({ type: 'noHistory', key, problem: answer.problem });
    }
  }

  function refresh({ history: known, rollout }) {
    const revision = rollout.view?.state.revision;
    if (asked.key !== known.key) {
      controller.abort();
      controller = new AbortController();
      asked = { key: known.key };
    }
    if (known.entries === null ? !asked.entries : revision > (known.entries[0]?.revision ?? 0)) {
      asked.entries = true;
      fetchPage('entries');
    }
    if (!asked.messages || clock.local() - asked.messages >= MESSAGES_INTERVAL_MS) {
      asked.messages = clock.local();
      fetchPage('messages');
    }
  }

  return (event, state) => {
    if (state.route.view !== 'rollout' || state.session.status !== 'in') return;
    if (event.type === 'refresh' || (event.type === 'rollout' && event.key === state.history.key)) refresh(state);
    if (event.type === 'loadOlder' && hasOlder(state.history)) for (const [kind, before] of olderOf(state.history)) fetchPage(kind, before);
  };
}
