// The dialog that is open, if any: a command of one rollout, a command for all, or the shortcuts.
//
// A command is decided on what the dialog showed: `etag` is the revision that it was opened on. Once
// the rollout has another one, `isStale` is set, and one has to decide again. What the rollout lists as
// `unconditional` works on whatever is there.
//
// `status`: `open`, `sending`, `refused`, or `unknown`: nobody knows whether it was done. Then the
// request stays as it was, so that it can be sent again under the same `id` and is done once.
//
// `needsConfirm`: the server has said that it does this only for whoever names the rollout; the key that is
// typed anyway then goes with the command.
import { COMMANDS } from '../text/commands.js';

/** @import { Rollout, Tried } from '../../types/api.js' */
/** @import { Command, Event, Form, Problem } from './events.js' */
/** @import { State } from './state.js' */
/** @typedef {{ view: Rollout, etag: string }} Seen */
/** @typedef {{ tried: Tried | null, problem: Problem | null, isLoading: boolean }} Forecast */
/**
 * @typedef {object} Asked
 * @property {'open' | 'sending' | 'refused' | 'unknown'} status
 * @property {Problem | null} problem
 * @property {boolean} needsConfirm
 * @property {string | null} id
 * @property {Forecast} forecast
 * @property {Form} form
 */
/**
 * @typedef {object} OfOne
 * @property {'command'} kind
 * @property {Command} command
 * @property {string} key
 * @property {string} etag
 * @property {Rollout} seen
 * @property {Seen} current
 * @property {boolean} isStale
 */
/** @typedef {Asked & OfOne} CommandDialog */
/**
 * What is sent for a command.
 * @typedef {object} Body
 * @property {Command} command
 * @property {number} [percentage]
 * @property {string} [stage]
 * @property {string | number} [to]
 * @property {string} [item]
 * @property {string} [confirm]
 */
/**
 * @typedef {object} OfAll
 * @property {'all'} kind
 * @property {'kill' | 'revive' | 'note'} command
 * @property {undefined} [key]
 * @property {undefined} [etag]
 * @property {undefined} [seen]
 * @property {undefined} [isStale]
 */
/** @typedef {Asked & OfAll} AllDialog */
/** @typedef {{ kind: 'shortcuts' }} ShortcutsDialog */
/** @typedef {CommandDialog | AllDialog | ShortcutsDialog} Dialog */

/** @type {Dialog | null} */
export const initial = null;

/** @type {Event['type'][]} */
const CLOSING = ['done', 'close', 'route', 'noSession', 'sessionEnded'];

/**
 * @param {Dialog | null} dialog
 * @param {Event} event
 * @param {State} state
 * @returns {Dialog | null}
 */
export function reduce(dialog, event, state) {
  if (event.type === 'ask') return opened(event, state);
  if (event.type === 'askAll') return { kind: 'all', command: event.command, ...blank(event.command) };
  if (event.type === 'shortcuts') return { kind: 'shortcuts' };
  if (dialog === null || CLOSING.includes(event.type)) return null;
  if (dialog.kind === 'shortcuts') return dialog;
  switch (event.type) {
    case 'edit':
      return dialog.status === 'unknown' ? dialog : { ...dialog, form: { ...dialog.form, ...event.fields } };
    case 'foretelling':
      return { ...dialog, forecast: { ...dialog.forecast, isLoading: true } };
    case 'forecast':
      return {
        ...dialog,
        forecast: { tried: event.tried, problem: event.problem, isLoading: false },
        needsConfirm: dialog.needsConfirm || Boolean(event.problem?.confirm),
      };
    case 'rollout':
      return dialog.kind === 'command' && event.key === dialog.key ? compared(dialog, event) : dialog;
    case 'sending':
      return { ...dialog, status: 'sending', problem: null, id: event.id };
    case 'refused':
      return { ...dialog, status: 'refused', problem: event.problem };
    case 'unknown':
      return { ...dialog, status: 'unknown', problem: event.problem };
    case 'decideAgain':
      if (dialog.kind !== 'command') return dialog;
      return {
        ...dialog,
        status: 'open',
        problem: null,
        isStale: false,
        needsConfirm: false,
        etag: dialog.current.etag,
        seen: dialog.current.view,
      };
    default:
      return dialog;
  }
}

/**
 * Buttons of commands are there once the rollout is.
 * @param {Extract<Event, { type: 'ask' }>} event
 * @param {State} state
 * @returns {CommandDialog}
 */
function opened({ command, item }, { rollout }) {
  const { key, view, etag } = /** @type {{ key: string } & Seen} */ (rollout);
  const current = { view, etag };
  return { kind: 'command', command, key, etag, seen: view, current, isStale: false, ...blank(command, view, item) };
}

/**
 * @param {Command} command
 * @param {Rollout} [view]
 * @param {string} [item]
 * @returns {Asked}
 */
function blank(command, view, item) {
  return {
    status: 'open',
    problem: null,
    needsConfirm: false,
    id: null,
    forecast: { tried: null, problem: null, isLoading: false },
    form: {
      reason: COMMANDS[command].reason ?? '',
      percentage: view ? String(view.state.percentage) : '',
      stage: view?.stages[0].name ?? '',
      to: 'off',
      item: item ?? '',
      typed: '',
    },
  };
}

/**
 * The rollout as it is now beside the one that the dialog was opened on.
 * @param {CommandDialog} dialog
 * @param {Seen} seen
 * @returns {CommandDialog}
 */
function compared(dialog, { view, etag }) {
  const isOther =
    etag !== dialog.etag && !isUnconditional(dialog) && dialog.status !== 'sending' && dialog.status !== 'unknown';
  return { ...dialog, current: { view, etag }, isStale: dialog.isStale || isOther };
}

/**
 * Whether it works on whatever is there, so that no revision goes with it: the server says which do.
 * @param {Pick<CommandDialog | AllDialog, 'command' | 'seen'>} asked
 */
const isUnconditional = ({ command, seen }) => {
  /** @type {Command[]} */
  const unconditional = seen?.unconditional ?? [];
  return unconditional.includes(command);
};

/**
 * Whether it can be done without a reason, which may follow as a note.
 * @param {CommandDialog | AllDialog} asked
 */
export const isReasonOptional = ({ kind, command, seen }) =>
  kind === 'all' ? command === 'kill' : command !== 'note' && isUnconditional({ command, seen });

/**
 * The command's body without its reason; null where a number cannot be read.
 * @param {CommandDialog | AllDialog} dialog
 * @returns {Body | null}
 */
export function bodyOf({ command, form, seen, key, needsConfirm }) {
  switch (command) {
    case 'set':
      return isNumber(form.percentage) ? { command, percentage: Number(form.percentage) } : null;
    case 'resume':
      return seen?.state.phase === 'rolled_back' ? { command, stage: form.stage } : { command };
    case 'rollback':
      if (form.to !== 'percentage') return { command, to: form.to };
      return isNumber(form.percentage) ? { command, to: Number(form.percentage) } : null;
    case 'approve':
      return { command, item: form.item };
    case 'complete':
      return needsConfirm && form.typed.trim() === key ? { command, confirm: key } : { command };
    default:
      return { command };
  }
}

/** @param {string} text */
const isNumber = (text) => text.trim() !== '' && Number.isFinite(Number(text));

/** @param {CommandDialog | AllDialog} dialog */
export const ifMatchOf = (dialog) => (isUnconditional(dialog) ? undefined : dialog.etag);

/**
 * What is missing before it can be sent, in words; null where nothing is.
 * @param {CommandDialog | AllDialog} dialog
 */
export function missing(dialog) {
  const { command, form, kind, key } = dialog;
  if (form.reason.trim() === '' && !isReasonOptional(dialog))
    return command === 'note' ? 'Write the note.' : 'Say why: the reason stays in the history.';
  if (kind === 'all') return null;
  if (bodyOf(dialog) === null) return 'Give a percentage from 0 to 100.';
  if (command === 'complete' && form.typed.trim() !== key) return `Type ${key} to confirm.`;
  return null;
}
