// The keys of a rollout's page. They do what the buttons do, and only where there is a button; while
// somebody types or a dialog is open they are letters.
const COMMAND_OF = { k: 'kill', p: 'pause', r: 'rollback', s: 'set', a: 'advance' };

/** What the list of shortcuts says. */
export const KEYS = [
  ['k', 'Kill: everybody on legacy'],
  ['r', 'Roll back'],
  ['p', 'Pause'],
  ['a', 'Advance'],
  ['s', 'Set a percentage'],
  ['?', 'This list'],
  ['Esc', 'Cancel'],
];

export function shortcuts(dispatch) {
  const onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
    const command = COMMAND_OF[event.key.toLowerCase()];
    const button = command && document.querySelector(`button[data-command="${command}"]`);
    if (!button || button.hidden || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    dispatch({ type: 'ask', command });
  };
  document.addEventListener('keydown', onkeydown);
  return () => document.removeEventListener('keydown', onkeydown);
}

export const isTyping = (target) => target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
