// A rollout in words: its phase, its health, what comes next. It says what the server has said and
// decides nothing.
import { percent, plural } from './numbers.js';
import { time, until } from './time.js';
import { upper } from './words.js';

/** @import { Rollout, Verdict } from '../../types/api.js' */

const PHASES = {
  draft: { word: 'Draft', icon: 'draft', tone: 'calm' },
  running: { word: 'Running', icon: 'running', tone: 'good' },
  paused: { word: 'Paused', icon: 'paused', tone: 'warn' },
  rolled_back: { word: 'Rolled back', icon: 'rolled_back', tone: 'bad' },
  completed: { word: 'Completed', icon: 'completed', tone: 'accent' },
};
const KILLED = { word: 'Killed', icon: 'killed', tone: 'bad' };

/** What a verdict means for each kind: a guardrail's pass is that its condition has not come true. */
const WORDS = {
  guardrail: { pass: 'Clear', fail: 'Tripped' },
  gate: { pass: 'Met', fail: 'Not met' },
  ratio: { pass: 'OK', fail: 'Mismatch (SRM)' },
  past: { pass: 'As usual', fail: 'Changed' },
  problem: { fail: 'Found' },
};
const VERDICTS = { pass: { icon: 'pass', tone: 'good' }, fail: { icon: 'fail', tone: 'bad' } };
const NO_VERDICT = { word: 'Not enough data', icon: 'inconclusive', tone: 'calm' };
const ACTED = { word: 'Acted', icon: 'rolled_back', tone: 'bad' };
const OBSERVED = { word: 'Would act', icon: 'inconclusive', tone: 'warn' };
const LET_THROUGH = { word: 'Let through', icon: 'inconclusive', tone: 'warn' };
const OUT_OF_FORCE = { word: 'Not in force', icon: 'draft', tone: 'calm' };

/** Phase as a badge shows it; a kill is above it. */
export const phaseOf = (state) =>
  state.killed ? KILLED : (PHASES[state.phase] ?? { word: state.phase, icon: 'draft', tone: 'calm' });

/**
 * A verdict of a `kind` as a badge; `hasActed` and `isOff` are above it. One that only observes is never bad news.
 * @param {'guardrail' | 'gate' | 'ratio' | 'past' | 'problem'} kind
 * @param {{ verdict?: Verdict, mode?: string, let_through?: boolean, hasActed?: boolean, isOff?: boolean }} judged
 * @returns {{ word: string, icon: string, tone: string }}
 */
export function verdictOf(kind, { verdict, mode, let_through: isLetThrough, hasActed, isOff }) {
  if (hasActed) return ACTED;
  if (isOff) return OUT_OF_FORCE;
  if (mode === 'observe' && verdict === 'fail') return OBSERVED;
  if (isLetThrough) return LET_THROUGH;
  return VERDICTS[verdict] ? { ...VERDICTS[verdict], word: WORDS[kind][verdict] } : NO_VERDICT;
}

/** The newest change that moved something: a tick of a checklist or a note does not hide what came before it. */
export const lastMove = (entries) =>
  entries?.find(({ command }) => !['approve', 'note'].includes(command.command)) ?? entries?.[0];

/**
 * The guardrail that made that change: the one at the place that the entry names, unless another plan has
 * been applied since. Entries of older versions name none.
 */
export function actedOf({ guardrails }, entry) {
  if (entry?.cause?.by !== 'guardrail') return undefined;
  const { index, condition } = entry.cause;
  const known = guardrails[index];
  return known?.when === condition ? known : guardrails.find(({ when }) => when === condition);
}

const WARNINGS = {
  srm: 'Sample ratio mismatch',
  no_traffic: 'No traffic',
  low_traffic: 'Low traffic',
  measuring_stopped: 'Measuring stopped',
  identity_mixed: 'Identity mixed',
  config_fault: 'Config fault',
};

/**
 * What is wrong with a rollout whose phase alone says that all is well, each as a badge: the problems that are found, and
 * guardrails that only observe and would have acted in this attempt. A killed one or a draft has no such news.
 * @param {Pick<Rollout, 'state' | 'problems' | 'guardrails'>} rollout
 * @returns {{ word: string, icon: string, tone: string }[]}
 */
export function warningsOf({ state, problems, guardrails }) {
  if (state.killed || state.phase === 'draft') return [];
  const words = (problems ?? []).filter(({ is_found: isFound }) => isFound).map(({ on, what }) => WARNINGS[on] ?? what);
  const observed = guardrails.filter(({ mode, observed_at: at }) => mode === 'observe' && at);
  words.push(...new Set(observed.map(({ acts }) => upper(acts))));
  return words.map((word) => ({ word, icon: 'warning', tone: 'warn' }));
}

/** The place of the current stage, from 0; -1 where the plan no longer has it. */
export const position = (rollout) => rollout.stages.findIndex(({ name }) => name === rollout.state.stage);

/** Whether something else is in force than the stage that the state names. */
export function isAway({ state, stages }) {
  const stage = stages.find(({ name }) => name === state.stage);
  if (state.killed || !stage) return state.killed;
  return (
    state.phase === 'rolled_back' &&
    (state.percentage !== stage.percentage || (stage.groups?.length > 0 && state.groups.length === 0))
  );
}

/** `stage 2 of 5`; nothing before the start. */
export function stageOf(rollout) {
  if (rollout.state.phase === 'draft')
    return rollout.stages.length === 1 ? '1 stage' : `${rollout.stages.length} stages`;
  return `stage ${position(rollout) + 1} of ${rollout.stages.length}`;
}

/** The guardrails together as a badge; `null` while some have no verdict, which is no news. */
export function healthOf({ guardrails }) {
  if (guardrails.length === 0) return { word: 'None', icon: 'draft', tone: 'calm' };
  const is =
    (wanted) =>
    ({ verdict }) =>
      verdict === wanted;
  const acting = guardrails.filter(({ mode }) => mode !== 'observe');
  if (acting.some(is('fail'))) return verdictOf('guardrail', { verdict: 'fail' });
  return acting.every(is('pass')) ? verdictOf('guardrail', { verdict: 'pass' }) : null;
}

/** Blockers beside the rollout's own state, which is reported already. */
export const blockersOf = ({ blocked }) => blocked.filter(({ is_state: isState }) => !isState);

/** What the schedule will do, or who has to. */
export function nextOf(rollout, now) {
  const { state, next } = rollout;
  if (state.killed)
    return rollout.kill_key ? 'stays killed until the key in KV is deleted' : 'stays killed until it is revived';
  const opens = (rollout.not_now ?? []).find(({ command, at }) => command === 'start' && at)?.at;
  if (!next && opens && state.phase === 'draft')
    return `${WAITS.draft()}, possible ${until(opens, now)} (${time(opens, now)})`;
  if (!next) return WAITS[state.phase]?.(rollout) ?? 'nothing by itself';
  return `${next.text} ${whenOf(next, now)}`;
}

function whenOf({ at, earliest, condition }, now) {
  const moment = at ?? earliest;
  const when = moment && `${until(moment, now)} (${time(moment, now)})`;
  if (!condition) return when ?? 'as soon as nothing blocks it';
  return when ? `${when} if ${condition}` : `as soon as ${condition}`;
}

/** The same in a few words, for a table. */
export function nextShort(rollout, now) {
  const { state, next } = rollout;
  if (state.killed || !next) return state.phase === 'completed' && !state.killed ? 'Done' : 'Waits for an operator';
  const what =
    next.stage && next.command !== 'complete'
      ? `${next.stage}${next.percentage === undefined ? '' : ` ${percent(next.percentage)}`}`
      : next.command;
  return next.at ? `${what} ${until(next.at, now)}` : what;
}

const WAITS = {
  draft: () => 'waits to be started',
  paused: () => 'stays until it is resumed',
  rolled_back({ state, stages, checklist }) {
    const open = (checklist?.items ?? []).filter(({ approved }) => !approved).length;
    const first = open > 0 ? `approve ${plural(open, 'item')}, then resume` : 'stays until it is resumed';
    return `${first} (attempt ${state.attempt + 1}, from ${percent(stages[0]?.percentage ?? 0)})`;
  },
  completed: () => 'nothing: it is done',
};

/**
 * How much a rollout asks for attention: the smaller, the further up it stands.
 * @param {Rollout} rollout
 */
export function rank(rollout) {
  const { state, faults, guardrails } = rollout;
  if (state.killed) return 0;
  if (state.phase === 'rolled_back') return 1;
  if (faults.length > 0 || guardrails.some(({ verdict, mode }) => verdict === 'fail' && mode !== 'observe')) return 2;
  if (warningsOf(rollout).length > 0) return 3;
  return { paused: 3, running: 4, draft: 5, completed: 6 }[state.phase] ?? 4;
}
