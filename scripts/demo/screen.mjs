// One calm block that is updated in place. A line is a list of pieces: a text, or `[style, text]`.
import { FAULTS } from './faults.mjs';
import { mostTelling } from './watch.mjs';

const STYLES = { bold: '1', dim: '2', good: '32', bad: '31', new: '36' };
const BAR = 24;
const LABEL = 13;

/** The block's lines, always as many. `fault` is what the new shop suffers from, `note` what was done last. */
export function block({ rollout, entry, isFresh, errorRate, perSecond, totals }, { fault, note, site, width }) {
  const { phase, stage, attempt, killed } = rollout.state;
  const state = `${killed ? 'killed' : phase.replace('_', ' ')}${phase === 'rolled_back' ? '' : ` in ${stage}`} at ${rollout.percentage} %`;
  const isBack = phase === 'rolled_back' && entry?.actor === 'guardrail';
  const telling = mostTelling(rollout);
  return [
    [],
    row('console', `${site.origin}/_tidegate/`, ['dim', `   sign in with ${site.tokens.operator}`]),
    row('shop', `${site.origin}/`),
    [],
    row('rollout', [phase === 'rolled_back' || killed ? 'bad' : 'bold', state], ['dim', `   attempt ${attempt}${isFresh ? '' : '   (no contact: these figures are old)'}`]),
    row('', ...ladder(rollout)),
    row('next', next(rollout)),
    [],
    row('requests', ['new', `new ${rate(perSecond.new)}`], `   legacy ${rate(perSecond.legacy)}`, ['dim', '   answers a second']),
    row('error rate', ['new', `new ${share(errorRate?.new)}`], `   legacy ${share(errorRate?.legacy)}`, ['dim', '   of the last minute or two']),
    row('visitors', [totals.failed + totals.unanswered > 0 ? 'bad' : 'good', `errors seen ${count(totals.failed + totals.unanswered)}`], `   rescued ${count(totals.rescued)}`, ['dim', `   ${count(totals.reports)} reports`]),
    row('new shop', fault ? ['bad', `${fault.name}: ${fault.what}`] : ['good', 'well']),
    [],
    row('evidence', ['bold', isBack ? 'decided' : telling.when], `   ${bar(isBack ? 1 : Math.max(0, telling.near))} `, isBack ? '' : evidence(telling)),
    ...paragraph('', 'dim', isBack ? entry.figures?.join('; ') : telling.text, 2, width),
    ...paragraph('history', entry?.actor === 'guardrail' ? 'bad' : 'plain', entry && sentence(entry), 3, width),
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
/** A text on exactly so many lines. */
function paragraph(label, style, text = '', count, width) {
  const room = Math.max(20, width - LABEL - 3);
  const lines = [];
  for (const word of text.split(' ')) {
    const longer = lines.length > 0 && `${lines.at(-1)} ${word}`;
    if (longer && longer.length <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (lines.length > count) lines[count - 1] = `${lines[count - 1].slice(0, room - 1)}…`;
  return Array.from({ length: count }, (_, place) => row(place === 0 ? label : '', [style, lines[place] ?? '']));
}

const rate = (number) => String(Math.round(number)).padStart(4);
const count = (number) => number.toLocaleString('en');
const share = (number) => (number === undefined ? '–' : `${(number * 100).toFixed(1)} %`).padStart(6);
const bar = (part) => '█'.repeat(Math.round(part * BAR)).padEnd(BAR, '░');

function evidence({ verdict, figures = [] }) {
  const compared = figures.find((figure) => figure.e_needed !== undefined);
  if (!compared) return verdict === 'fail' ? 'it has come true' : '';
  const value = compared.e_value === null || compared.e_value > 1e6 ? 'over a million' : count(Math.round(compared.e_value));
  return `${value} of ${count(Math.round(compared.e_needed))}`;
}

function ladder({ stages, state, percentage }) {
  const at = state.phase === 'rolled_back' ? -1 : stages.findIndex(({ name }) => name === state.stage);
  return stages.flatMap((stage, place) => {
    const text = `${stage.percentage} %`;
    const piece = place === at && percentage > 0 ? ['new', `▸ ${text}`] : place < at ? ['good', `✓ ${text}`] : ['dim', `· ${text}`];
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
  return ['  ', ...[...broken, ['h', 'heal'], ['s', 'start over'], ['q', 'quit']].flatMap(([key, what]) => [['bold', key], ` ${what}   `])];
}

/** Writes blocks to a terminal, each over the one before it. */
export function painter(out, { hasColour }) {
  let height = 0;
  const styled = (style, text) => (hasColour && STYLES[style] ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);

  /** A line, cut where the terminal ends: a wrapped one would push the block away from its place. */
  function line(pieces) {
    let left = (out.columns ?? 100) - 1;
    return pieces.map((piece) => {
      const [style, text] = typeof piece === 'string' ? ['plain', piece] : piece;
      const shown = text.length > left ? `${text.slice(0, Math.max(0, left - 1))}${left > 0 ? '…' : ''}` : text;
      left -= shown.length;
      return styled(style, shown);
    }).join('');
  }

  return (lines) => {
    const up = height > 0 ? `\u001b[${height}A` : '';
    out.write(`${up}${lines.map((pieces) => `\r\u001b[2K${line(pieces)}\n`).join('')}\u001b[J`);
    height = lines.length;
  };
}
