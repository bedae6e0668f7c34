// Where one says who one is. Each way in which that can fail has its own words.

import { kindOf } from '../net/api.js';
import { el, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { note } from '../parts/small.js';
import { sentence } from '../text/words.js';

/** @import { Dispatch } from '../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const input = el('input', {
    id: 'token',
    class: 'input mono',
    type: 'password',
    name: 'token',
    placeholder: 'tg_…',
    required: true,
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    'aria-describedby': 'token-help',
  });
  const button = el('button', { type: 'submit', class: 'button primary wide' }, 'Sign in');
  const message = el('div', { role: 'alert' });
  const lead = el('p', { class: 'muted' });
  const form = el(
    'form',
    { class: 'sign-in-form', novalidate: true, onsubmit: submit },
    el('label', { for: 'token' }, 'Token'),
    input,
    el(
      'p',
      { class: 'muted small', id: 'token-help' },
      'An operator token can change rollouts, a viewer token is read-only. ',
      el('code', {}, 'tidegate token ana --role operator'),
      ' creates one.',
    ),
    message,
    button,
  );
  // The address stays, so whoever has signed in comes back to the same page.
  const again = el(
    'button',
    { type: 'button', class: 'button primary wide', onclick: () => location.reload() },
    'Sign in again',
  );
  root.append(el('div', { class: 'sign-in card' }, el('h1', { tabindex: '-1' }, 'Sign in'), lead, again, form));
  input.focus();

  function submit(event) {
    event.preventDefault();
    const token = input.value.trim();
    if (token === '') return input.focus();
    dispatch({ type: 'signIn', token });
  }

  let shown = null;
  return {
    update({ session, route }) {
      const place = route.key ? ` with ${route.key}` : '';
      setText(lead, leadOf(session, place));
      setHidden(again, !session.byAccess);
      setAttr(lead, 'role', session.ended && 'status');
      setAttr(button, 'aria-disabled', session.isBusy && 'true');
      setText(button, session.isBusy ? 'Signing in…' : 'Sign in');
      setHidden(message, session.problem === null);
      replaceFor(message, session.problem, () => session.problem && explained(session.problem));
      setAttr(input, 'aria-invalid', kindOf(session.problem) === 'unauthorized' && 'true');
      if (session.problem !== shown && kindOf(session.problem) === 'unauthorized') input.select();
      shown = session.problem;
    },
    unmount: () => root.replaceChildren(),
  };
}

/** What is to be done here. */
function leadOf({ ended, byAccess }, place) {
  if (byAccess)
    return `Your sign-in at Cloudflare Access, or at what else stands in front of Tidegate, has ended. Sign in again there: this page is loaded anew, and you come back to continue${place}. Rollouts go on meanwhile.`;
  return ended
    ? `Your session has ended. Sign in to continue${place}.`
    : 'The console reads and changes the rollouts of this deployment.';
}

/** A problem of signing in, and the way out of it. */
function explained(problem) {
  const [title, ...ways] = WORDS[kindOf(problem)]?.(problem) ?? [
    sentence(problem.detail),
    problem.help && sentence(problem.help),
  ];
  return note(
    'bad',
    title,
    ways.filter(Boolean).map((way) => el('span', {}, way)),
  );
}

const WORDS = {
  unauthorized: () => [
    'Unknown token.',
    'It may be mistyped, revoked, or of another deployment. ADMIN_TOKENS of this deployment must hold its hash.',
  ],
  'no-tokens': () => [
    'No tokens are configured, so signing in is not possible.',
    'Make one with `tidegate token ana --role operator`, and set what it prints with `npx wrangler secret put ADMIN_TOKENS`.',
  ],
  'no-signing-key': () => [
    'The deployment has no SIGNING_KEY, so it cannot keep sessions.',
    'Set one with `openssl rand -base64 32 | npx wrangler secret put SIGNING_KEY`.',
  ],
  'plain-http': () => [
    'A session needs HTTPS: a browser keeps its cookie only there, and on this machine itself.',
    'Open the console with https://.',
  ],
  unreachable: ({ detail }) => [
    `Not signed in: ${detail}.`,
    'Check the network connection, and try again. The site does not depend on the console.',
  ],
};
