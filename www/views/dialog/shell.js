// What the dialogs of commands have in common: what it does, a body, the reason, what the server said,
// and the buttons.
import { el, replaceFor, setAttr, setHidden, setText, setValue } from '../../parts/dom.js';
import { note } from '../../parts/small.js';
import { isReasonOptional, missing } from '../../state/dialog.js';
import { sentence } from '../../text/words.js';

/** @import { Dispatch } from '../../state/events.js' */

/** @param {Dispatch} dispatch */
export function shell(dialog, dispatch, { asked, title, does, confirm, isDanger, body }) {
  const { command } = asked;
  const isOptional = isReasonOptional(asked);
  const reason = el('textarea', {
    id: 'reason',
    class: 'input',
    rows: '2',
    maxlength: '1000',
    required: !isOptional,
    oninput: () => dispatch({ type: 'edit', fields: { reason: reason.value } }),
    onkeydown: submitOnEnter,
  });
  // Before the dialog opens and focuses it: what is focused is left alone from then on.
  reason.value = asked.form.reason;
  const said = el('div', { role: 'alert' });
  const hint = el('p', { class: 'muted small', id: 'dialog-hint' });
  const cancel = el(
    'button',
    { type: 'button', class: 'button', onclick: () => dispatch({ type: 'close' }) },
    'Cancel',
  );
  const again = el(
    'button',
    { type: 'button', class: 'button primary', onclick: () => dispatch({ type: 'decideAgain' }) },
    'Decide again',
  );
  const send = el(
    'button',
    { type: 'submit', class: `button ${isDanger ? 'danger' : 'primary'}`, 'aria-describedby': 'dialog-hint' },
    confirm,
  );
  const form = el(
    'form',
    { class: 'dialog-body', novalidate: true, onsubmit: submit },
    el('h2', { id: 'dialog-title' }, title),
    el('p', {}, does),
    body,
    el(
      'div',
      { class: 'field' },
      el('label', { for: 'reason' }, command === 'note' ? 'Note' : isOptional ? 'Reason (optional)' : 'Reason'),
      reason,
    ),
    said,
    el('div', { class: 'dialog-actions' }, hint, cancel, again, send),
  );
  dialog.append(form);

  function submit(event) {
    event.preventDefault();
    dispatch({ type: 'confirm' });
  }

  function submitOnEnter(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  }

  return {
    /**
     * On what is to be filled in. Where a reason stands there already it is selected: Enter confirms it, and
     * whoever types writes their own; on a phone the button is, which needs no keyboard.
     */
    focus(isReady) {
      const ready = matchMedia('(pointer: coarse)').matches ? send : reason;
      const first = isReady ? ready : (form.querySelector('[data-first]') ?? reason);
      first.focus();
      if (first === reason) reason.select();
    },
    update({ dialog: state }) {
      const { status, isStale, form: fields } = state;
      const isSending = status === 'sending';
      const lack = missing(state);
      setValue(reason, fields.reason);
      setAttr(reason, 'readonly', isSending || status === 'unknown');
      setHidden(again, !isStale);
      setHidden(send, Boolean(isStale));
      setText(send, isSending ? 'Sending…' : status === 'unknown' ? 'Try again' : confirm);
      setAttr(send, 'aria-disabled', (isSending || lack !== null) && 'true');
      setText(hint, isSending || isStale ? '' : (lack ?? ''));
      setText(cancel, status === 'unknown' ? 'Close' : 'Cancel');
      updateSaid(said, state);
    },
  };
}

/** KV kills as well, without the API. */
const byHand = (key) =>
  el(
    'span',
    {},
    'Or kill it in KV, which needs neither the console nor the controller: ',
    el('code', {}, `npx wrangler kv key put --remote --binding ROLLOUTS 'kill/${key ?? '*'}' on`),
  );

/** Why it was not done, or that nobody knows. */
function updateSaid(root, { status, problem, isStale, current, key, command }) {
  const mark = `${status} ${isStale} ${problem?.detail} ${isStale && current.view.summary}`;
  const isShown = isStale || status === 'refused' || status === 'unknown';
  setHidden(root, !isShown);
  replaceFor(root, mark, () => {
    if (status === 'unknown') {
      const again = el('span', {}, 'Try again: it is done only once, even if the first request arrived.');
      return note(
        'warn',
        'It is unknown whether it was done.',
        el('span', {}, sentence(problem.detail)),
        again,
        command === 'kill' && byHand(key),
      );
    }
    const now =
      isStale && el('span', {}, `${key} is now ${current.view.summary}, revision ${current.view.state.revision}.`);
    if (status === 'refused')
      return note(
        'bad',
        `Not done: ${sentence(problem.detail)}`,
        problem.help && el('span', {}, sentence(problem.help)),
        now,
      );
    return isStale ? note('warn', 'It has changed meanwhile.', now) : [];
  });
}
