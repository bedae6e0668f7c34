// A rollout in words: its phase, its health, what comes next. It says what the server has said and
// decides nothing.
import { percent } from './numbers.js';
import { time, until } from './time.js';

const PHASES = {
  draft: { word: 'Draft', icon: 'draft', tone: 'calm' },
  running: { word: 'Running', icon: 'running', tone: 'good' },
  paused: { word: 'Paused', icon: 'paused', tone: 'warn' },
  rolled_back: { word: 'Rolled back', icon: 'rolled_back', tone: 'bad' },
  completed: { word: 'Completed', icon: 'completed', tone: 'accent' },
};
const KILLED = { word: 'Killed', icon: 'killed', tone: 'bad' };

const VERDICTS = {
  pass: { word: 'Pass', icon: 'pass', tone: 'good' },
  fail: { word: 'Fail', icon: 'fail', tone: 'bad' },
  inconclusive: { word: 'Inconclusive', icon: 'inconclusive', tone: 'calm' },
  acted: { word: 'Acted', icon: 'rolled_back', tone: 'bad' },
};

/** Phase as a badge shows it; a kill is above it. */
export const phaseOf = (state) => (state.killed ? KILLED : (PHASES[state.phase] ?? { word: state.phase, icon: 'draft', tone: 'calm' }));

export const verdictOf = (verdict) => VERDICTS[verdict] ?? VERDICTS.inconclusive;

/** `running in canary at 10 %` */
export function told(state) {
  const at = percent(state.percentage);
  const phases = { draft: 'a draft', rolled_back: `rolled back to ${at}`, completed: 'completed' };
  const phase = phases[state.phase] ?? `${state.phase} in ${state.stage} at ${at}`;
  return state.killed ? `killed (was ${phase})` : phase;
}

/** The place of the current stage, from 0; -1 where the plan no longer has it. */
export const position = (rollout) => rollout.stages.findIndex(({ name }) => name === rollout.state.stage);

/** `stage 2 of 5`; nothing before the start. */
export function stageOf(rollout) {
  if (rollout.state.phase === 'draft') return rollout.stages.length === 1 ? '1 stage' : `${rollout.stages.length} stages`;
  return `stage ${position(rollout) + 1} of ${rollout.stages.length}`;
}

/** The worst verdict of the guardrails, as a badge. */
export function healthOf({ guardrails }) {
  if (guardrails.length === 0) return { word: 'None', icon: 'draft', tone: 'calm' };
  const verdicts = new Set(guardrails.map(({ verdict }) => verdict));
  return VERDICTS[['fail', 'inconclusive'].find((verdict) => verdicts.has(verdict)) ?? 'pass'];
}

/** Blockers beside the rollout's own state, which is told already. */
export const blockersOf = ({ blocked }) => blocked.filter(({ by }) => !['draft', 'killed', 'paused', 'rolled_back', 'completed'].includes(by));

/** What the schedule will do, or who has to. */
export function nextOf(rollout, now) {
  const { state, next } = rollout;
  if (state.killed) return rollout.kill_key ? 'stays killed until the key in KV is deleted' : 'stays killed until somebody revives it';
  if (!next) return WAITS[state.phase]?.(state) ?? 'nothing by itself';
  const at = next.at ? `${until(next.at, now)} (${time(next.at, now)})` : 'as soon as nothing blocks it';
  return `${act(next)} ${at}`;
}

/** The same in a few words, for a table. */
export function nextShort(rollout, now) {
  const { state, next } = rollout;
  if (state.killed || !next) return state.phase === 'completed' && !state.killed ? 'Done' : 'Waits for an operator';
  const what = next.stage && next.command !== 'complete' ? `${next.stage}${next.percentage === undefined ? '' : ` ${percent(next.percentage)}`}` : next.command;
  return next.at ? `${what} ${until(next.at, now)}` : what;
}

const WAITS = {
  draft: () => 'waits for somebody to start it',
  paused: () => 'stays until somebody resumes it',
  rolled_back: (state) => `stays until somebody resumes it, which begins attempt ${state.attempt + 1}`,
  completed: () => 'nothing: it is done',
};

function act({ command, stage, percentage }) {
  const share = percentage === undefined ? '' : ` (${percent(percentage)})`;
  const to = (word) => (stage ? ` ${word} ${stage}${share}` : '');
  const acts = { start: `starts${to('in')}`, advance: `advances${to('to')}`, complete: 'completes', end: 'counts as ended', release: `is let go${to('in')}` };
  return acts[command] ?? command;
}

/** How much a rollout asks for attention: the smaller, the further up it stands. */
export function rank({ state, faults, guardrails }) {
  if (state.killed) return 0;
  if (state.phase === 'rolled_back') return 1;
  if (faults.length > 0 || guardrails.some(({ verdict }) => verdict === 'fail')) return 2;
  return { paused: 3, running: 4, draft: 5, completed: 6 }[state.phase] ?? 4;
}
