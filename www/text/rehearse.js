// A rehearsal in words: how it ended, what it cost, and the command that gives the same.
import { percent, plural, share } from './numbers.js';
import { sentence } from './words.js';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
/** @type {[string, number][]} */
const UNITS = [
  ['d', 24 * HOUR_MS],
  ['h', HOUR_MS],
  ['min', 60_000],
  ['s', SECOND_MS],
];

export const OUTCOMES = {
  completed: { word: 'Completed', icon: 'completed', tone: 'good' },
  rolled_back: { word: 'Rolled back', icon: 'rolled_back', tone: 'bad' },
  paused: { word: 'Paused', icon: 'paused', tone: 'warn' },
  unfinished: { word: 'Unfinished', icon: 'inconclusive', tone: 'warn' },
};

/** The two largest units that are not zero, since minutes count after days too: `2 d 4 min`. */
export function elapsed(ms) {
  let left = Math.round(ms / SECOND_MS) * SECOND_MS;
  const parts = [];
  for (const [unit, size] of UNITS) {
    const many = Math.floor(left / size);
    left -= many * size;
    const isFine = unit === 's' && ms >= HOUR_MS;
    if (many > 0 && parts.length < 2 && !isFine) parts.push(`${many} ${unit}`);
  }
  return parts.join(' ') || '0 s';
}

export const hours = (value) => elapsed(value * HOUR_MS);

/** Hundredths of an hour, as whole minutes. */
const minutes = (value) => elapsed(Math.max(1, Math.round(value * 60)) * 60_000);

/** `Rolled back after 6 h 12 min at canary, 10 %`: the time is that of the event that ended it, of which a fate has but hundredths of an hour. */
export function headline(fate, outline, events) {
  const end = events.findLast(({ text }) => text !== '' && text === fate.reason);
  const stage = outline?.stages.find(({ name }) => name === fate.stage);
  // Of what was rolled back the stage's own percentage says where it was.
  const at = fate.outcome === 'rolled_back' && stage ? stage.percentage : fate.percentage;
  return `${OUTCOMES[fate.outcome].word} after ${end ? elapsed(end.at_ms) : hours(fate.at_hours)} at ${fate.stage}, ${percent(at)}`;
}

export const why = ({ reason }) => (reason === '' ? '' : sentence(reason));

/** What it cost, and when it was detected. */
export function cost(fate) {
  const isBack = fate.outcome === 'rolled_back';
  const seen = `${plural(fate.subjects_exposed, 'user')} ${isBack ? 'had seen' : 'saw'} new.`;
  const kept =
    fate.subjects_kept > 0
      ? ` ${plural(fate.subjects_kept, 'user')} stayed on new after a step down, by keep = "used".`
      : '';
  const failed = `They saw ${plural(fate.requests_failed, 'error')}${isBack ? ' before the rollback' : ''}${fate.requests_rescued > 0 ? `; ${plural(fate.requests_rescued, 'more request')} ${fate.requests_rescued === 1 ? 'was' : 'were'} rescued by legacy` : ''}.`;
  const noticed =
    fate.requests_until_detection === null
      ? ''
      : ` The failure was detected about ${minutes(fate.hours_until_detection)} after it began, after ${plural(fate.requests_until_detection, 'request')} to new.`;
  const alerts = fate.alerts > 0 ? ` ${plural(fate.alerts, 'alert')} fired.` : '';
  return `${seen}${kept} ${failed}${noticed}${alerts}`;
}

/** `Rolled back in 98 % of 100 runs (interval of 95 %: 93 % to 99.4 %)` */
export const rateLine = ({ rate, low, high }) =>
  `${share(rate)}, with an interval of 95 % from ${percentOf(low)} to ${percentOf(high)}`;

const percentOf = (value) => `${Number((value * 100).toFixed(1))} %`;

/** What happened, in a word. */
export function eventWord({ kind, command, by }) {
  if (kind === 'scenario') return 'Injected';
  if (kind === 'refused') return 'Refused';
  if (kind === 'waiting') return 'Waits';
  if (kind === 'alert') return 'Alert';
  return `${command[0].toUpperCase()}${command.slice(1)}${by === 'guardrail' ? ' by a guardrail' : ''}`;
}

export const EVENT_ICONS = {
  forward: ['next', 'good'],
  back: ['rolled_back', 'bad'],
  change: ['draft', 'calm'],
  alert: ['warning', 'warn'],
  scenario: ['warning', 'warn'],
  refused: ['blocked', 'bad'],
  waiting: ['clock', 'calm'],
};

/** The command that gives the same run. */
export function commandOf({ scenario, settings }, source, limits) {
  const words = ['tidegate', 'simulate', quoted(source.name)];
  for (const line of scenario.split('\n').map((text) => text.trim()))
    if (line !== '' && !line.startsWith('#')) words.push('--inject', quoted(line));
  for (const [name, option] of [
    ['subjects', '--subjects'],
    ['requests_per_hour', '--requests-per-hour'],
    ['seed', '--seed'],
  ]) {
    if (settings[name] !== limits[name].default) words.push(option, String(settings[name]));
  }
  if (settings.rollout) words.push('--rollout', settings.rollout);
  return words.join(' ');
}

const quoted = (word) => (/^[\w./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
