// The keys of a rollout's page. They do what the buttons do, and only where there is a button; while
// somebody types or a dialog is open they are letters. One that is pressed before the rollout is there
// counts as soon as it is: who opens the page to kill does not wait for it.

/** @import { Dispatch } from '../../state/events.js' */

const COMMAND_OF = { k: 'kill', p: 'pause', r: 'rollback', s: 'set', a: 'advance' };

/** What the list of shortcuts says. */
export const KEYS = [
  ['k', 'Kill: all traffic to legacy'],
  ['r', 'Roll back'],
  ['p', 'Pause'],
  ['a', 'Advance'],
  ['s', 'Set a percentage'],
  ['?', 'This list'],
  ['Esc', 'Cancel'],
];

/** @param {Dispatch} dispatch */
export function shortcuts(dispatch) {
  let isThere = false;
  let early = null;

  function ask(command) {
    /** @type {HTMLButtonElement | null} */
    const button = document.querySelector(`button[data-command="${command}"]`);
    if (
      !button ||
      button.hidden ||
      button.getAttribute('aria-disabled') === 'true' ||
      document.querySelector('dialog[open]')
    )
      return false;
    dispatch({ type: 'ask', command });
    return true;
  }

  function onkeydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
    const command = COMMAND_OF[event.key.toLowerCase()];
    if (event.key === 'Escape' || command) early = null;
    if (!command) return;
    if (!isThere) early = command;
    else if (ask(command)) event.preventDefault();
  }

  document.addEventListener('keydown', onkeydown);
  return {
    /** The rollout and its buttons are there. */
    update() {
      isThere = true;
      if (early !== null) ask(early);
      early = null;
    },
    unmount: () => document.removeEventListener('keydown', onkeydown),
  };
}

export const isTyping = (target) => target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
