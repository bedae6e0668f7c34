// A condition with its verdict, the sentence behind it, and on demand its figures in tables.

import { shownOf } from '../state/shown.js';
import { count, evidence, evidenceShare, figure, round } from '../text/numbers.js';
import { verdictOf } from '../text/rollout.js';
import { ago } from '../text/time.js';
import { sentence } from '../text/words.js';
import { el, keyed, replaceFor, setAttr, setHidden, setText } from './dom.js';
import { badge, bar } from './small.js';

/** A row of a `kind`; `update({ condition, then?, verdict, hasActed?, isOff?, text, since, figures }, now)`. */
export function verdict(kind) {
  const mark = badge();
  const nodes = {
    condition: el('code'),
    then: el('span', { class: 'muted small' }),
    text: el('p', { class: 'small' }),
    since: el('span', { class: 'muted small' }),
  };
  const tables = el('div', { class: 'figures' });
  const details = el('details', { class: 'verdict-figures' }, el('summary', { class: 'small' }, 'Figures'), tables);
  const root = el(
    'li',
    { class: 'verdict' },
    el('div', { class: 'verdict-mark' }, mark.root),
    el(
      'div',
      { class: 'verdict-body' },
      el('div', { class: 'verdict-head' }, nodes.condition, nodes.then),
      nodes.text,
      el('div', { class: 'verdict-foot' }, details, nodes.since),
    ),
  );
  const updateTables = keyed(
    tables,
    (item) => item.id,
    () => figureTable(kind),
  );

  return {
    root,
    update(item, now) {
      const { condition, then, text, figures = [] } = item;
      mark.update(verdictOf(kind, item));
      setAttr(root, 'data-verdict', item.verdict);
      setText(nodes.condition, condition);
      setText(nodes.then, then);
      setText(nodes.text, sentence(text));
      setText(nodes.since, item.isOff ? '' : ageLine(item, now));
      setHidden(details, figures.length === 0);
      updateTables(figures.map((item, index) => ({ id: `${index} ${item.metric}`, ...item })));
    },
  };
}

/** For how long it has been so: `for 3 min`. The badge says what it is. */
const ageLine = ({ since }, now) =>
  since ? `for ${ago(since, now)}`.replace(/ ago$/, '').replace('for just now', 'just now') : '';

function figureTable(kind) {
  const caption = el('caption');
  const body = el('tbody');
  const evidenceBar = bar();
  return {
    root: el('table', { class: 'figure-table' }, caption, body),
    update(item) {
      setText(caption, item.metric);
      replaceFor(body, JSON.stringify(item), () =>
        rows(kind, item).map(([name, value]) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, name),
            el('td', { class: 'number' }, value, name.startsWith('Evidence') && evidenceBar.root),
          ),
        ),
      );
      evidenceBar.update(evidenceShare(item.e_value, item.e_needed));
    },
  };
}

/** Facts that do not belong to a side. */
const OF_NO_SIDE = /^(signal|faults|percentage)\b/;

const COUNTED = { requests: 'Requests', page_views: 'Page views', users: 'Users', sessions: 'Sessions' };

/** Requests and the exposures of the sequential test are different counts, so each has its name. */
function rows(kind, figures) {
  const { metric, value, legacy, bound, of, observations, exposures, e_value: found, e_needed: needed } = figures;
  const isCompared = legacy !== undefined;
  const counted = COUNTED[of] ?? 'Observations';
  const out = [[OF_NO_SIDE.test(metric) ? 'Value' : 'New', figure(metric, value)]];
  if (isCompared) out.push(['Legacy', figure(metric, legacy)]);
  out.push(['Bound', isCompared && bound !== null ? `${round(bound, 3)} × legacy` : figure(metric, bound)]);
  out.push([isCompared ? `${counted} on new` : counted, count(observations)]);
  if (figures.observations_legacy !== undefined) out.push([`${counted} on legacy`, count(figures.observations_legacy)]);
  if (exposures) out.push(['Exposures in the test, new', count(exposures.new)]);
  if (exposures) out.push(['Exposures in the test, legacy', count(exposures.legacy)]);
  const shows = shownOf(kind, figures);
  if (needed !== undefined && needed !== null)
    out.push([
      `Evidence${shows ? ` that new is ${shows}` : ''}`,
      `${evidence(found ?? null)}, threshold ${evidence(needed)}`,
    ]);
  return out;
}
