// The moments at which the history says that a rollout changed sides for somebody.

const WORDS = {
  start: 'started',
  advance: 'advanced',
  set: 'set',
  pause: 'paused',
  resume: 'resumed',
  rollback: 'rolled back',
  kill: 'killed',
  revive: 'revived',
  complete: 'completed',
  take_over: 'taken over',
};
const BAD = new Set(['rollback', 'kill']);

/** `[{ at, text, isBad }]`, `at` in seconds, oldest first. */
export function marksOf(entries, since) {
  const marks = entries
    .filter((entry) => entry.command.command in WORDS && Date.parse(entry.at) >= Date.parse(since))
    .map(({ at, command, state }) => ({
      at: Date.parse(at) / 1_000,
      text: `${WORDS[command.command]}: ${placeOf(state)}`,
      isBad: BAD.has(command.command),
    }));
  return marks.sort((one, other) => one.at - other.at);
}

function placeOf({ killed, phase, stage, percentage }) {
  if (killed) return '0 % on new';
  return phase === 'completed' ? '100 % on new' : `${stage}, ${percentage} %`;
}
