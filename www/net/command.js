// Foretells and sends commands. A dry run follows each edit that changes what would be done. What was
// sent and not answered is sent again under the same key, so that it is done once.
import { bodyOf, ifMatchOf, missing } from '../state/dialog.js';
import { DONE } from '../text/commands.js';
import { plural } from '../text/numbers.js';
import { kindOf, OF_ACCESS, request } from './api.js';

/** @import { AllDialog, CommandDialog } from '../state/dialog.js' */
/** @import { Controller, Means } from './controllers.js' */

/** Typing and sliding settle before the server is asked. */
const SETTLED_MS = 180;

/**
 * @param {Means} means
 * @returns {Controller}
 */
export function command({ dispatch, getState, clock }) {
  let timer;
  let aborted = new AbortController();

  function foretellSoon(delay_ms) {
    clearTimeout(timer);
    aborted.abort();
    aborted = new AbortController();
    const { signal } = aborted;
    timer = setTimeout(() => foretell(signal), delay_ms);
  }

  async function foretell(signal) {
    const { dialog } = getState();
    if (dialog === null || dialog.kind === 'shortcuts') return;
    const body = bodyOf(dialog);
    if (!body) return;
    dispatch({ type: 'foretelling' });
    const answer = await request('POST', pathOf(dialog), { body: { ...body, dry_run: true }, signal });
    if (answer.isAborted || signal.aborted) return;
    dispatch({ type: 'forecast', tried: answer.ok ? answer.body : null, problem: answer.problem ?? null });
  }

  async function send() {
    const { dialog } = getState();
    if (dialog === null || dialog.kind === 'shortcuts' || dialog.status === 'sending') return;
    if (dialog.isStale || missing(dialog)) return;
    const id = dialog.status === 'unknown' ? dialog.id : newId();
    dispatch({ type: 'sending', id });
    const sentAt = clock.now();
    const reason = dialog.form.reason.trim();
    const body = { ...bodyOf(dialog), ...(reason && { reason }) };
    const answer = await request('POST', pathOf(dialog), {
      body,
      ifMatch: ifMatchOf(dialog),
      idempotencyKey: dialog.kind === 'all' ? undefined : id,
    });
    answered(dialog, answer, sentAt);
  }

  function answered(dialog, answer, sentAt) {
    if (answer.ok && dialog.kind === 'all') return doneForAll(dialog, answer.body);
    if (answer.ok) {
      const { rollout } = answer.body;
      dispatch({ type: 'rollout', key: dialog.key, view: rollout, etag: answer.etag, sentAt, at: clock.now() });
      dispatch({ type: 'done', command: dialog.command, key: dialog.key, entry: answer.body.entry });
      if (dialog.command === 'note') return toast(`Added to the history of ${dialog.key}.`);
      return toast(
        dialog.command === 'approve'
          ? `Approved for ${dialog.key}: ${dialog.form.item}`
          : `${dialog.key} is ${rollout.summary}, revision ${rollout.state.revision}.`,
      );
    }
    const { problem } = answer;
    const isUnknown = answer.status === 0 || answer.status >= 500;
    // Nobody looks at the dialog any more, so the answer has to find its own way.
    if (getState().dialog === null)
      return toast(
        `${dialog.command} ${dialog.key ?? 'everything'}: ${isUnknown ? 'it is unknown whether it was done' : 'not done'}, ${problem.detail}.`,
        'warn',
      );
    if (answer.status === 401) dispatch({ type: 'sessionEnded', byAccess: OF_ACCESS.includes(kindOf(problem)) });
    else if (isUnknown) dispatch({ type: 'unknown', problem });
    else {
      dispatch({ type: 'refused', problem });
      const { current } = problem;
      if (current)
        dispatch({
          type: 'rollout',
          key: current.key,
          view: current,
          etag: `"${current.state.revision}"`,
          sentAt,
          at: clock.now(),
        });
    }
  }

  function doneForAll({ command: name }, { rollouts, refused }) {
    const last = refused.map(({ rollout, detail }) => `${rollout}: ${detail}`).join('; ');
    dispatch({ type: 'done', command: name });
    toast(
      `${plural(rollouts.length, 'rollout')} ${DONE[name]}.${last && ` Not ${DONE[name]}: ${last}.`}`,
      last ? 'warn' : 'good',
    );
  }

  const toast = (text, tone) => dispatch({ type: 'toast', id: newId(), text, tone });

  return (event, state, before) => {
    if (event.type === 'confirm' && state.dialog) send();
    if (state.dialog?.kind !== 'command') return;
    const was = before.dialog?.kind === 'command' ? before.dialog : null;
    const isOpened = event.type === 'ask' || event.type === 'decideAgain';
    const isEdited =
      (event.type === 'edit' || event.type === 'forecast') &&
      was !== null &&
      JSON.stringify(bodyOf(state.dialog)) !== JSON.stringify(bodyOf(was));
    const isMoved = event.type === 'rollout' && was !== null && was.current.etag !== state.dialog.current.etag;
    if (isOpened || isEdited || isMoved) foretellSoon(isEdited ? SETTLED_MS : 0);
  };
}

/** @param {CommandDialog | AllDialog} dialog */
const pathOf = ({ kind, key }) => `rollouts/${kind === 'all' ? '*' : encodeURIComponent(key)}/commands`;

const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
