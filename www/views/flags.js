// The flags: rollouts without upstreams of their own, one row each.

import { el, keyed, setAttr, setHidden, setText } from '../parts/dom.js';
import { badge, badges } from '../parts/small.js';
import { flagsOf } from '../state/flags.js';
import { rolloutHash } from '../state/route.js';
import { ago, time } from '../text/time.js';

/** @import { Dispatch, FlagColumn } from '../state/events.js' */

/** @type {[FlagColumn, string][]} */
const COLUMNS = [
  ['key', 'Flag'],
  ['percentage', 'Who gets new'],
  ['phase', 'Phase'],
  ['health', 'Guardrails'],
  ['since', 'Last change'],
];

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const input = el('input', {
    id: 'flags-filter',
    class: 'input',
    type: 'search',
    autocomplete: 'off',
    placeholder: 'Filter flags',
    'aria-label': 'Filter flags',
    oninput: () => dispatch({ type: 'filterFlags', text: input.value }),
  });
  const headers = COLUMNS.map(([column, text]) => {
    const button = el(
      'button',
      { type: 'button', class: 'flags-sort', onclick: () => dispatch({ type: 'sortFlags', column }) },
      text,
      el('span', { class: 'flags-arrow', 'aria-hidden': 'true' }),
    );
    return { column, button, root: el('th', { scope: 'col' }, button) };
  });
  const body = el('tbody', {});
  const table = el(
    'table',
    { class: 'flags-table' },
    el('caption', { class: 'visually-hidden' }, 'Flags; the buttons in the headers sort them'),
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        headers.map((header) => header.root),
      ),
    ),
    body,
  );
  const scroll = el(
    'div',
    { class: 'flags-scroll', role: 'region', 'aria-label': 'Table of flags', tabindex: '0' },
    table,
  );
  const tools = el('div', { class: 'flags-tools' }, input);
  const empty = el('p', { class: 'muted' });
  root.append(tools, empty, scroll);
  const updateRows = keyed(body, ({ key }) => key, createRow);

  return {
    update({ rollouts, flags, now }) {
      const { rows, total } = flagsOf(rollouts.items, flags);
      setHidden(root, rollouts.items === null);
      setHidden(tools, total === 0);
      setHidden(scroll, rows.length === 0);
      setText(
        empty,
        total === 0
          ? 'There are no flags. A plan without upstreams is one: it is assigned on each request and passed to the upstream.'
          : `No flag has “${flags.filter}” in its key or description.`,
      );
      setHidden(empty, rows.length > 0);
      for (const { column, button, root: header } of headers) {
        setAttr(
          header,
          'aria-sort',
          flags.column === column ? (flags.isDescending ? 'descending' : 'ascending') : null,
        );
        setText(button.lastChild, flags.column === column ? (flags.isDescending ? '▾' : '▴') : '');
      }
      updateRows(rows, now);
    },
    unmount() {},
  };
}

function createRow() {
  const link = el('a', {});
  const description = el('span', { class: 'flags-description' });
  const who = el('td', {});
  const phase = badge();
  const warnings = badges();
  const health = badge();
  const since = el('time', {});
  return {
    root: el(
      'tr',
      {},
      el('th', { scope: 'row' }, link, description),
      who,
      el('td', {}, phase.root, ' ', warnings.root),
      el('td', {}, health.root),
      el('td', {}, since),
    ),
    update(row, now) {
      setText(link, row.key);
      setAttr(link, 'href', rolloutHash(row.key));
      setText(description, row.description);
      setHidden(description, !row.description);
      setText(who, row.who);
      phase.update(row.phase);
      warnings.update(row.warnings);
      setHidden(health.root, !row.health);
      if (row.health) health.update(row.health);
      setText(since, ago(row.since, now));
      setAttr(since, 'datetime', row.since);
      setAttr(since, 'title', time(row.since));
    },
  };
}
