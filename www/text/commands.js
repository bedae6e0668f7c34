// What each command is called and what it does, in a sentence. `group` says where its button stands:
// `stop` ones are always in reach, and need no reason. `reason` is the one that is filled in for them, so
// that Enter does it.
import { time, until } from './time.js';
import { listed, sentence } from './words.js';

export const COMMANDS = {
  start: {
    label: 'Start',
    confirm: 'Start',
    group: 'go',
    does: 'Begins the plan in its first stage. From there it leads itself.',
  },
  advance: {
    label: 'Advance',
    confirm: 'Advance',
    group: 'go',
    does: 'Goes on to the next stage now, without waiting for the hold and the gates.',
  },
  set: {
    label: 'Set…',
    confirm: 'Set',
    group: 'go',
    does: 'Holds the rollout at a percentage of your choice, whatever the plan says.',
  },
  resume: {
    label: 'Resume',
    confirm: 'Resume',
    group: 'go',
    does: 'Lets the plan lead again. The hold of the stage begins anew.',
  },
  revive: {
    label: 'Revive',
    confirm: 'Revive',
    group: 'go',
    does: 'Ends the kill: everybody gets again what they had before. The hold begins anew.',
  },
  complete: {
    label: 'Complete…',
    confirm: 'Complete',
    group: 'go',
    does: 'Gives new to everybody and ends the plan. Guardrails go on watching.',
  },
  approve: {
    label: 'Tick',
    confirm: 'Tick',
    group: 'none',
    does: 'Confirms that this has been done. It stays in the history under your name.',
  },
  note: {
    label: 'Add a note',
    confirm: 'Add',
    group: 'none',
    does: 'Adds something to the history under your name. Nothing else changes.',
  },
  pause: {
    label: 'Pause',
    confirm: 'Pause',
    group: 'stop',
    shortcut: 'p',
    reason: 'Paused in the console, to look closer',
    does: 'Holds the rollout where it is. Nobody changes sides.',
  },
  rollback: {
    label: 'Roll back',
    confirm: 'Roll back',
    group: 'stop',
    shortcut: 'r',
    reason: 'Rolled back in the console, to be safe',
    does: 'Takes subjects back to legacy. A resume begins the next attempt.',
  },
  kill: {
    label: 'Kill',
    confirm: 'Kill',
    group: 'stop',
    shortcut: 'k',
    isDanger: true,
    reason: 'Killed in the console: something is wrong with new',
    does: 'Everybody is on legacy within seconds, above all else, until somebody revives it.',
  },
};

/** What was done, for the notice that follows. */
export const DONE = {
  start: 'started',
  advance: 'advanced',
  set: 'set',
  resume: 'resumed',
  revive: 'revived',
  complete: 'completed',
  approve: 'ticked',
  note: 'noted',
  pause: 'paused',
  rollback: 'rolled back',
  kill: 'killed',
};

/** Why commands are not possible that somebody may be waiting for; those with the same reason together. */
export function reasonsOf({ not_now: all = [] }) {
  const reasons = new Map();
  for (const { command, refusal, reason, at, confirmable } of all.filter(({ waits }) => waits)) {
    const known = reasons.get(`${reason} ${at}`) ?? {
      commands: [],
      reason,
      at,
      isChecklist: refusal === 'checklist',
      isConfirmable: false,
    };
    reasons.set(`${reason} ${at}`, {
      ...known,
      commands: [...known.commands, command],
      isConfirmable: known.isConfirmable || confirmable === true,
    });
  }
  return [...reasons.values()];
}

/** `Start: the plan's freeze stops advancing now, until Mon 30 Nov 00:00 UTC (in 1 d 2 h).` */
export function reasonText({ commands, reason, at }, now) {
  const labels = commands.map((name) => COMMANDS[name].label.replace('…', ''));
  return sentence(
    `${listed(labels)}: ${reason}${at === undefined ? '' : `, until ${time(at, now)} (${until(at, now)})`}`,
  );
}
