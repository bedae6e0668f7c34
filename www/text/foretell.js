// What a command would do, from the server's dry run, in the words of the command `tidegate`: from
// where to where, who moves, and what to think of first.
import { count, percent } from './numbers.js';
import { BY_STATE } from './rollout.js';
import { listed, sentence } from './words.js';

/** Both ends of the change, with the percentages in effect; what else differs is named on both. */
export function ends({ from, to, moves }) {
  const isOther = from.phase !== to.phase || from.killed !== to.killed || from.attempt !== to.attempt;
  const side = (state, percentage) => {
    const facts = [];
    if (isOther) facts.push(state.killed ? 'killed' : state.phase.replace('_', ' '));
    if (from.attempt !== to.attempt) facts.push(`attempt ${state.attempt}`);
    return { stage: state.stage, percentage: percent(percentage), facts: facts.join(', ') };
  };
  const [before, after] = [side(from, moves.from), side(to, moves.to)];
  return { from: before, to: after, isSame: JSON.stringify(before) === JSON.stringify(after) };
}

/** Who changes sides, in sentences. */
export function movers({ from, to, moves }) {
  const groups = groupLines(from, to);
  if (moves.direction === 'none') {
    const nobody = groups.length > 0 ? 'Nobody moves by percentage.' : 'Nobody moves.';
    return [from.killed && to.killed ? 'Nobody moves: everybody is on legacy while it is killed.' : nobody, ...groups];
  }
  const [old, next] = moves.direction === 'new' ? ['legacy', 'new'] : ['new', 'legacy'];
  const seen =
    moves.subjects === null || moves.subjects === undefined
      ? ''
      : `: about ${count(moves.subjects)} of those seen in the last day`;
  return [`${percent(moves.share)} of subjects move from ${old} to ${next}${seen}.`, ...groups];
}

/** A kill takes groups off new too. */
function groupLines(from, to) {
  const [before, after] = [from, to].map((state) => (state.killed ? [] : state.groups));
  const ways = [
    [before.filter((group) => !after.includes(group)), 'back to legacy'],
    [after.filter((group) => !before.includes(group)), 'to new'],
  ];
  return ways
    .filter(([groups]) => groups.length > 0)
    .map(
      ([groups, way]) =>
        `The ${groups.length === 1 ? 'group' : 'groups'} ${listed(groups)} ${groups.length === 1 ? 'goes' : 'go'} ${way}.`,
    );
}

/** What the schedule makes of it at once, and what it waits for then. */
export function following({ to, then = [], waits = [] }) {
  const lines = then.length > 0 ? [`And then at once: ${then.map(stepOf).join(', ')}.`] : [];
  const open = waits.filter(({ by }) => !BY_STATE.includes(by)).map(({ text }) => text);
  const isRunning = (then.at(-1) ?? to).phase === 'running';
  return isRunning && open.length > 0 ? [...lines, sentence(`then it waits: ${open.join('; ')}`)] : lines;
}

function stepOf({ command, stage, percentage }) {
  const others = {
    complete: 'completed',
    end: 'counts as ended',
    release: `let go in ${stage} ${percent(percentage)}`,
    wait: 'waits for what it comes after',
  };
  return others[command] ?? `${stage} ${percent(percentage)}`;
}

/** What ends, where this completes the rollout. */
export const ending = ({ ends: all = [] }) => all.map(({ text }) => sentence(text));

const SKIPS = { advance: ['hold', 'gates'], complete: ['hold', 'gates'] };
const SKIPS_OF_RISING_SET = ['hold', 'gates', 'checklist', 'freeze', 'enter'];

/** What the person should know before they agree. */
export function warnings(command, tried, rollout, isConfirmed = false) {
  const { from, to, moves } = tried;
  const skipped = command === 'set' && moves.direction === 'new' ? SKIPS_OF_RISING_SET : (SKIPS[command] ?? []);
  const found = rollout.blocked.filter(({ by }) => skipped.includes(by)).map(({ text }) => `skipped: ${text}`);
  if (command === 'start') found.push(...byChance(tried), ...silent(rollout));
  found.push(...leap(tried, rollout), ...(OF_COMMAND[command]?.(from, to) ?? []));
  const against = isConfirmed ? (rollout.not_now ?? []).filter((own) => own.command === command) : [];
  return [
    ...against.map(({ reason }) => sentence(`done all the same: ${reason}`)),
    ...found.map(sentence),
    ...ending(tried),
  ];
}

const OF_COMMAND = {
  set: (from, to) =>
    [
      from.phase === 'running' && 'it stays there until somebody resumes it',
      from.phase === 'rolled_back' && `this begins attempt ${to.attempt}`,
      to.killed && 'it stays killed: everybody is on legacy until somebody revives it',
    ].filter(Boolean),
  resume: (from, to) =>
    from.phase === 'rolled_back'
      ? [`this begins attempt ${to.attempt}, in ${to.stage}; its checklists begin anew`]
      : [],
  advance: (_, to) => (to.percentage >= 100 ? ['everybody goes to new'] : []),
  complete: () => ['everybody goes to new, and no stage follows'],
};

/** What chance alone does to the plan at the traffic that was measured. */
function byChance({ forecast }) {
  if (!forecast) return [];
  const alarms = forecast.alarms.filter((alarm) => alarm.is_frequent).map(({ text }) => text);
  const needs = forecast.stages.flatMap(({ stage, needs }) =>
    needs.filter((need) => !need.is_reached).map(({ text }) => `in ${stage}: ${text}`),
  );
  return [...alarms, ...needs];
}

/** What gates and guardrails rely on, and nobody has ever reported. */
function silent({ state, never_reported: names = [] }) {
  const isTooEarly = state?.phase === 'draft' && names.some((name) => !name.startsWith('signal.'));
  const why = isTooEarly ? ' (pages report once the rollout has started)' : '';
  return names.length === 0
    ? []
    : [`nobody has ever reported ${listed(names)}${why}: what rests on it says nothing until somebody does`];
}

function leap({ from, to }, { stages }) {
  const place = ({ stage }) => stages.findIndex(({ name }) => name === stage);
  if (from.phase === 'draft' || place(from) < 0) return [];
  const over = stages.slice(place(from) + 1, Math.max(0, place(to))).map(({ name }) => name);
  if (over.length === 0) return [];
  return [`this jumps over ${over.length > 4 ? `${over.length} stages, ${over[0]} to ${over.at(-1)}` : listed(over)}`];
}
