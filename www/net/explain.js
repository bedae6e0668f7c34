// Asks the server which side one subject gets, and again whenever the rollout has changed.
import { request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

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
