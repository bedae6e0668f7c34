// Fetches the outbox while it is looked at, has messages sent again, and samples sent to channels.
import { plural } from '../text/numbers.js';
import { request } from './api.js';

/** @import { Controller, Means } from './controllers.js' */

const PAGE = 100;
/** A receiver may take ten seconds to answer a sample. */
const SAMPLE_MS_MAX = 20_000;

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function outbox({ dispatch, getState, clock }) {
  let isAsking = false;

  async function refresh() {
    if (isAsking) return;
    isAsking = true;
    const sentAt = clock.now();
    const answer = await request('GET', `outbox?state=waiting,dead,sent&limit=${PAGE}`);
    isAsking = false;
    if (answer.ok) dispatch({ type: 'outbox', view: answer.body, sentAt, at: clock.now() });
    else dispatch({ type: 'noOutbox', problem: answer.problem });
  }

  async function sendAgain(id) {
    const answer = await request('POST', `outbox/${encodeURIComponent(id)}/retry`, { body: {} });
    dispatch({ type: 'sentAgain' });
    if (!answer.ok) return toast(`Not sent again: ${answer.problem.detail}.`, 'warn');
    const { retried, skipped } = answer.body;
    const left = skipped.map(({ why }) => why);
    toast(
      `${plural(retried.length, 'message')} on the way again.${left.length > 0 ? ` Not sent again: ${[...new Set(left)].join('; ')}.` : ''}`,
      left.length > 0 ? 'warn' : 'good',
    );
    refresh();
  }

  async function test(channel, rollout) {
    const path = `channels/${encodeURIComponent(channel)}/test?rollout=${encodeURIComponent(rollout)}`;
    const answer = await request('POST', path, { body: {}, timeoutMs: SAMPLE_MS_MAX });
    dispatch({ type: 'sentAgain' });
    if (!answer.ok) return toast(`No test of ${channel}: ${answer.problem.detail}.`, 'warn');
    for (const { outcome, status, error, took_ms } of answer.body.tests) {
      const how = status === undefined ? '' : ` with ${status}`;
      if (outcome === 'sent') toast(`${channel} took the test message${how}, after ${took_ms} ms.`, 'good');
      else if (outcome === 'nothing') toast(`${channel}: this kind of channel has no test message.`, 'good');
      else toast(`${channel} did not take the test message: ${error}.`, 'bad');
    }
  }

  const toast = (text, tone) => dispatch({ type: 'toast', id: crypto.randomUUID(), text, tone });

  return (event, state) => {
    if (state.session.status !== 'in') return;
    if (event.type === 'sendAgain') sendAgain(event.id);
    if (event.type === 'testChannel') test(event.channel, event.rollout);
    if (getState().route.view === 'outbox' && event.type === 'refresh') refresh();
  };
}
