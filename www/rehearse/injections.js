// What a form can inject, as lines of a scenario. What a line means, and whether it is one, the
// simulation says alone; these are ways to write them. The language: docs/simulate.md.
import { duration } from '../text/time.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const SIDED = { isSided: true, isLasting: true };
const SHARE = { example: '5%', hint: 'a share such as 5%, or 3x for three times healthy' };
const RATE = { example: '5%', hint: 'a share such as 5%' };
const TIME = { example: '1.5x', hint: '1.5x for half as long again, or a time such as 900ms or 4s' };

/** What can be injected into a plan. `name` stands in the line; `fields` say what the form asks for. */
export function catalogue(outline) {
  const figure = (name, title, more) => ({
    id: name,
    group: 'Figures',
    title,
    write: ({ side, endpoint, amount }) => `${side}.${name}${endpoint ? `@${endpoint}` : ''} = ${amount}`,
    ...SIDED,
    ...more,
  });
  const vitals = [
    ['lcp', 'LCP'],
    ['fcp', 'FCP'],
    ['inp', 'INP'],
    ['ttfb', 'TTFB'],
  ].map(([name, title]) => figure(name, `${title}, at p75`, TIME));
  return [
    figure('error_rate', 'Requests that fail', { ...SHARE, hasEndpoint: true }),
    figure('client_error_rate', 'Client errors (4xx)', { ...SHARE, hasEndpoint: true }),
    figure('timeout_rate', 'Time-outs', { ...RATE, hasEndpoint: true }),
    figure('abandoned_rate', 'Abandoned requests', { ...RATE, hasEndpoint: true }),
    figure('broken_rate', 'Broken pages', { ...RATE, hasEndpoint: true }),
    figure('latency', 'Latency, at p95', { ...TIME, hasEndpoint: true }),
    figure('js_error_rate', 'Page views with a JavaScript error', SHARE),
    ...vitals,
    figure('cls', 'CLS, at p75', { example: '0.3', hint: 'a number such as 0.3, or 2x' }),
    ...outline.timings.map((name) => figure(`timing.${name}`, `Timing ${name}, at p75`, TIME)),
    { id: 'down', group: 'Outages', title: 'A side does not answer', write: ({ side }) => `${side} down`, ...SIDED },
    {
      id: 'no-traffic',
      group: 'Outages',
      title: 'No traffic on one side',
      write: ({ side }) => `no traffic on ${side}`,
      ...SIDED,
    },
    { id: 'nobody', group: 'Outages', title: 'No traffic at all', write: () => 'no traffic', isLasting: true },
    {
      id: 'clustered',
      group: 'Outages',
      title: 'One user in twenty has all errors',
      write: () => 'errors clustered',
      isLasting: true,
    },
    {
      id: 'faults',
      group: 'Outages',
      title: 'Isolates report configuration faults',
      write: ({ amount }) => `faults = ${amount}`,
      isLasting: true,
      example: '2',
      hint: 'how many',
    },
    ...outline.signals.flatMap(signalOf),
    ...outline.events.flatMap((name) => [
      {
        id: `event ${name}`,
        group: 'Signals and events',
        title: `Users report ${name}`,
        write: ({ amount }) => `event.${name} = ${amount}`,
        example: '12',
        hint: 'how many different users on new',
      },
      {
        id: `event-share ${name}`,
        group: 'Signals and events',
        title: `A share of users reports ${name}`,
        write: ({ amount }) => `event.${name} = ${amount}`,
        isLasting: true,
        example: '20%',
        hint: 'the share of the users on new',
      },
    ]),
    {
      id: 'approve',
      group: 'Operators',
      title: 'Approve every checklist',
      write: () => 'approve everything',
      isTimeless: true,
    },
    ...outline.checklist.map((item) => ({
      id: `approve ${item}`,
      group: 'Operators',
      title: `Approve: ${item}`,
      write: () => `approve "${item}"`,
    })),
    ...['pause', 'resume', 'start', 'advance', 'complete', 'rollback', 'rollback to previous', 'kill', 'revive'].map(
      (command) => ({
        id: command,
        group: 'Operators',
        title: command[0].toUpperCase() + command.slice(1),
        write: () => command,
      }),
    ),
    {
      id: 'set',
      group: 'Operators',
      title: 'Set a percentage',
      write: ({ amount }) => `set ${amount}`,
      example: '25%',
      hint: 'the percentage',
    },
    {
      id: 'deploy',
      group: 'Operators',
      title: 'Deploy another version of new',
      write: ({ amount }) => `deploy ${amount}`,
      example: 'v2',
      hint: 'the version',
    },
  ];
}

function signalOf({ name, is_count }) {
  const group = 'Signals and events';
  if (is_count)
    return [
      {
        id: `signal ${name}`,
        group,
        title: `Signal ${name} counts`,
        write: ({ amount }) => `signal.${name} = ${amount}`,
        example: '1',
        hint: 'how many events at that time',
      },
    ];
  return [
    {
      id: `signal ${name}`,
      group,
      title: `Signal ${name} is at`,
      write: ({ amount }) => `signal.${name} = ${amount}`,
      isLasting: true,
      example: '95%',
      hint: 'a value: 6, 85%, 700ms',
    },
    {
      id: `silence ${name}`,
      group,
      title: `No reports of ${name}`,
      write: () => `silence signal.${name}`,
      isLasting: true,
    },
  ];
}

/** The line of what a form says. */
export function lineOf(thing, { side, endpoint, amount, stage, offset, length }) {
  const what = thing.write({ side, endpoint: thing.hasEndpoint ? endpoint : '', amount: amount.trim() });
  if (thing.isTimeless) return what;
  const after = offset.trim();
  const moment = stage === '' ? after || '0' : after === '' || after === '0' ? stage : `${stage}+${after}`;
  if (!thing.isLasting) return `${what} at ${moment}`;
  const lasting = length.trim() === '' ? '' : ` for ${length.trim()}`;
  return moment === '0' && lasting === '' ? what : `${what} from ${moment}${lasting}`;
}

/** Failures that one meets, at times that suit the plan. */
export function presets(outline) {
  const { early, later, name } = moments(outline);
  const counted = outline.signals.find(({ is_count }) => is_count);
  return [
    { title: `5 % errors ${name.early}`, lines: [`new.error_rate = 5% from ${early}`] },
    { title: `404 for all ${name.early}`, lines: [`new.client_error_rate = 100% from ${early}`] },
    { title: `40 % slower ${name.later}`, lines: [`new.latency = 1.4x from ${later}`] },
    { title: `Outage ${name.early}`, lines: [`new down from ${early}`] },
    { title: 'Few users have all errors', lines: [`new.error_rate = 1% from ${early}`, 'errors clustered'] },
    { title: `JavaScript errors × 10 ${name.early}`, lines: [`new.js_error_rate = 10x from ${early}`] },
    { title: `LCP + 60 % ${name.later}`, lines: [`new.lcp = 1.6x from ${later}`] },
    { title: `No traffic ${name.later}`, lines: [`no traffic from ${later}`] },
    ...(counted
      ? [{ title: `One ${counted.name} ${name.early}`, lines: [`signal.${counted.name} = 1 at ${early}`] }]
      : []),
  ];
}

/** Hours and days where a plan takes days; else within its second stage, whose name says when. */
function moments({ stages }) {
  const length_ms = stages.reduce((sum, { hold_ms }) => sum + hold_ms, 0);
  if (length_ms >= 2 * DAY_MS) return { early: '6h', later: '1d', name: { early: 'from 6 h', later: 'from day 1' } };
  const stage = stages[1] ?? stages[0];
  const half = written(Math.max(1_000, stage.hold_ms / 2));
  return {
    early: `${stage.name}+${half}`,
    later: `${stage.name}+${half}`,
    name: { early: `in ${stage.name}`, later: `in ${stage.name}` },
  };
}

/** @type {[string, number][]} */
const UNITS = [
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', 60_000],
  ['s', 1_000],
];

/** A duration as plans write it: `90m`. */
function written(ms) {
  const whole = Math.round(ms / 1_000) * 1_000;
  const [unit, size] = UNITS.find(([, length]) => whole % length === 0);
  return `${whole / size}${unit}`;
}

/** `6 h`, for what is said of an outline. */
export const lengthOf = ({ stages }) => duration(stages.reduce((sum, { hold_ms }) => sum + hold_ms, 0));
