// One calm block that is updated in place. A line is a list of pieces, each a text or `[style, text]`, and
// takes as many rows of the terminal as it needs, a long reason at most three: the console has all of it.
import { FAULTS } from './faults.mjs';
import { mostTelling } from './watch.mjs';

const STYLES = { bold: '1', dim: '2', good: '32', bad: '31', new: '36' };
const BAR = 24;
const LABEL = 13;
const ROWS_MAX = 3;
/** The note and the keys are always there, however low the terminal is. */
const ROWS_KEPT = 4;
/** Keeps words together. */
const GLUE = '\u00a0';

/** What stands above the block, once: longer than a line, an address stays whole where the terminal breaks it. */
export function heading(site) {
  return [
    '',
    `  console  ${site.origin}/_tidegate/`,
    `  token    ${site.tokens.operator}`,
    `  shop     ${site.origin}/`,
    '',
    '  One click signs in:',
    `  ${site.signIn}`,
    '',
  ].join('\n');
}

/** The block's lines. `fault` is what the new shop suffers from, `note` what was done last. */
export function block({ rollout, entry, isFresh, errorRate, perSecond, totals }, { fault, note }) {
  const { phase, stage, attempt, killed } = rollout.state;
  const state = `${killed ? 'killed' : phase.replace('_', ' ')}${phase === 'rolled_back' ? '' : ` in ${stage}`} at ${rollout.percentage} %`;
  const isBack = phase === 'rolled_back' && entry?.actor === 'guardrail';
  const telling = mostTelling(rollout);
  return [
    row(
      'rollout',
      [phase === 'rolled_back' || killed ? 'bad' : 'bold', state],
      ['dim', `   attempt ${attempt}${isFresh ? '' : '   (no contact: these figures are old)'}`],
    ),
    row('', ...ladder(rollout)),
    short(row('next', next(rollout))),
    [],
    row('requests', ['new', `new ${rate(perSecond.new)}`], `   legacy ${rate(perSecond.legacy)}`, [
      'dim',
      '   answers a second',
    ]),
    row('error rate', ['new', `new ${share(errorRate?.new)}`], `   legacy ${share(errorRate?.legacy)}`, [
      'dim',
      '   of the last minute or two',
    ]),
    row(
      'visitors',
      [
        totals.failed + totals.unanswered > 0 ? 'bad' : 'good',
        `errors seen ${count(totals.failed + totals.unanswered)}`,
      ],
      `   rescued ${count(totals.rescued)}`,
      ['dim', `   ${count(totals.reports)} reports`],
    ),
    row('new shop', fault ? ['bad', `${fault.name}: ${fault.what}`] : ['good', 'well']),
    [],
    row(
      'evidence',
      ['bold', isBack ? 'decided' : telling.when],
      `   ${bar(isBack ? 1 : Math.max(0, telling.near))} `,
      isBack ? '' : evidence(telling),
    ),
    short(row('', ['dim', isBack ? (entry.figures ?? []).join('; ') : telling.text])),
    short(row('history', [entry?.actor === 'guardrail' ? 'bad' : 'plain', entry ? sentence(entry) : ''])),
    [],
    row('', ['dim', note]),
    [],
    keys(),
  ];
}

/** What an entry of the history says, in a line. */
export function sentence({ actor, command, reason }) {
  return `${actor}: ${command.command}: ${reason}`;
}

const row = (label, ...pieces) => [['dim', `  ${label.padEnd(LABEL)}`], ...pieces];
const short = (line) => Object.assign(line, { rowsMax: ROWS_MAX });
const rate = (number) => String(Math.round(number)).padStart(4);
const count = (number) => number.toLocaleString('en');
const share = (number) => (number === undefined ? '–' : `${(number * 100).toFixed(1)} %`).padStart(6);
const bar = (part) => '█'.repeat(Math.round(part * BAR)).padEnd(BAR, '░');

function evidence({ verdict, figures = [] }) {
  const compared = figures.find((figure) => figure.e_needed !== undefined);
  if (!compared) return verdict === 'fail' ? 'it has come true' : '';
  const value =
    compared.e_value === null || compared.e_value > 1e6 ? 'over a million' : count(Math.round(compared.e_value));
  return `${value} of ${count(Math.round(compared.e_needed))}`;
}

function ladder({ stages, state, percentage }) {
  const at = state.phase === 'rolled_back' ? -1 : stages.findIndex(({ name }) => name === state.stage);
  return stages.flatMap((stage, place) => {
    const text = `${stage.percentage} %`;
    const piece =
      place === at && percentage > 0 ? ['new', `▸ ${text}`] : place < at ? ['good', `✓ ${text}`] : ['dim', `· ${text}`];
    return [piece, '   '];
  });
}

function next({ next: step, blocked, state }) {
  if (state.phase === 'rolled_back') return 's starts over, with a new attempt';
  const why = blocked.map(({ text }) => text).join('; ');
  if (!step) return why || 'nothing: it stays';
  const what = step.stage ? `${step.command} to ${step.stage} (${step.percentage} %)` : step.command;
  return why ? `${what}, blocked by: ${why}` : what;
}

function keys() {
  const broken = Object.entries(FAULTS).map(([key, { name }]) => [key, name]);
  return [
    '  ',
    ...[...broken, ['h', 'heal'], ['s', 'start over'], ['q', 'quit']].flatMap(([key, what]) => [
      ['bold', key],
      `${GLUE}${what.replaceAll(' ', GLUE)}   `,
    ]),
  ];
}

/**
 * A line on as many rows as it takes: broken between words, and moved in as far as its first piece is
 * wide. The rows are lists of `[style, text]`.
 */
export function folded(line, columns) {
  const [head = '', ...pieces] = line;
  const rows = [[pieceOf(head)]],
    indent = lengthOf(rows[0]);
  for (const { space, parts } of wordsOf(pieces)) {
    const last = rows.at(-1),
      isFirst = last.length === 1;
    if (!isFirst && lengthOf(last) + space.length + lengthOf(parts) > columns)
      rows.push([['plain', ' '.repeat(indent)], ...parts]);
    else last.push(['plain', space], ...parts);
  }
  if (!(rows.length > line.rowsMax)) return rows;
  const kept = rows.slice(0, line.rowsMax);
  const last = kept.at(-1),
    [style, text] = last.at(-1);
  last[last.length - 1] = [style, `${text.slice(0, Math.max(0, columns - 1 - lengthOf(last) + text.length))}…`];
  return kept;
}

/** `{ space, parts }`: what is not broken, and the white space before it. A word may have several styles. */
function wordsOf(pieces) {
  const words = [];
  let space = '',
    isOpen = false;
  for (const [style, text] of pieces.map(pieceOf)) {
    for (const [part] of text.matchAll(/ +|[^ ]+/g)) {
      if (part.startsWith(' ')) {
        [space, isOpen] = [isOpen ? part : space + part, false];
      } else if (isOpen) {
        words.at(-1).parts.push([style, part]);
      } else {
        words.push({ space, parts: [[style, part]] });
        isOpen = true;
      }
    }
  }
  return words;
}

const pieceOf = (piece) => (typeof piece === 'string' ? ['plain', piece] : piece);
const lengthOf = (parts) => parts.reduce((sum, [, text]) => sum + text.length, 0);

/** Writes blocks to a terminal, each over the one before it. */
export function painter(out, { hasColour }) {
  let before = [];
  const styled = ([style, text]) =>
    hasColour && STYLES[style] && text.trim() ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
  /** How many rows of the terminal these take, which may have become narrower meanwhile. */
  const height = (lengths) =>
    lengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / (out.columns || 100))), 0);

  return (lines) => {
    const rows = fitting(
      lines.flatMap((line) => folded(line, (out.columns || 100) - 1)),
      (out.rows ?? 100) - 1,
    );
    const up = before.length > 0 ? `\u001b[${height(before)}A` : '';
    out.write(`${up}${rows.map((row) => `\r\u001b[2K${row.map(styled).join('')}\n`).join('')}\u001b[J`);
    before = rows.map(lengthOf);
  };
}

/** So many rows that the block does not scroll: without those that are empty, then without some before the last. */
function fitting(rows, most) {
  if (rows.length <= most) return rows;
  const filled = rows.filter((row) => row.some(([, text]) => text.trim() !== ''));
  return filled.length <= most
    ? filled
    : [...filled.slice(0, Math.max(0, most - ROWS_KEPT)), ...filled.slice(-ROWS_KEPT)];
}
