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
    does: 'Starts the plan in its first stage. From there it advances by itself.',
  },
  advance: {
    label: 'Advance',
    confirm: 'Advance',
    group: 'go',
    does: 'Advances to the next stage now, without waiting for bake time and gates.',
  },
  set: {
    label: 'Set…',
    confirm: 'Set',
    group: 'go',
    does: 'Holds the rollout at a percentage, whatever the plan says.',
  },
  resume: {
    label: 'Resume',
    confirm: 'Resume',
    group: 'go',
    does: 'Resumes the plan. The bake time of the stage starts over.',
  },
  revive: {
    label: 'Revive',
    confirm: 'Revive',
    group: 'go',
    does: 'Ends the kill: users go back to the side they had before. The bake time starts over.',
  },
  complete: {
    label: 'Complete…',
    confirm: 'Complete',
    group: 'go',
    does: 'Sends 100 % to new, holdout included, and ends the plan. Guardrails stay in force.',
  },
  approve: {
    label: 'Approve',
    confirm: 'Approve',
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
    does: 'Holds the rollout where it is. No user changes sides.',
  },
  rollback: {
    label: 'Roll back',
    confirm: 'Roll back',
    group: 'stop',
    shortcut: 'r',
    reason: 'Rolled back in the console, to be safe',
    does: 'Sends users back to legacy. A resume starts the next attempt.',
  },
  kill: {
    label: 'Kill',
    confirm: 'Kill',
    group: 'stop',
    shortcut: 'k',
    isDanger: true,
    reason: 'Killed in the console: something is wrong with new',
    does: 'Sends all traffic to legacy within seconds. Overrides everything until revived.',
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
  approve: 'approved',
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

/** `Start: change freeze, until Mon 30 Nov 00:00 UTC (in 1 d 2 h).` */
export function reasonText({ commands, reason, at }, now) {
  const labels = commands.map((name) => COMMANDS[name].label.replace('…', ''));
  return sentence(
    `${listed(labels)}: ${reason}${at === undefined ? '' : `, until ${time(at, now)} (${until(at, now)})`}`,
  );
}
