// A plot's figures as a table, the newest first.

import { measured } from '../text/numbers.js';
import { time } from '../text/time.js';
import { el, setText } from './dom.js';

const ROWS_MAX = 120;

export function mount(root) {
  const caption = el('caption', {});
  const head = el('tr', {});
  const body = el('tbody', {});
  root.append(el('table', { class: 'plot-figures' }, caption, el('thead', {}, head), body));
  return {
    update({ title, unit, series, data: [xs, ...columns], isPartial, marks, versions }) {
      const rows = [];
      for (let index = xs.length - 1; index >= 0; index -= 1)
        if (columns.some((column) => (column[index] ?? null) !== null)) rows.push(index);
      const shown = rows.slice(0, ROWS_MAX);
      setText(
        caption,
        `${title}. ${rows.length > ROWS_MAX ? `The latest ${ROWS_MAX} of ${rows.length} times with figures.` : 'Times without figures are left out.'}`,
      );
      head.replaceChildren(
        ...['Time', ...series.map(({ label }) => label)].map((text) => el('th', { scope: 'col' }, text)),
        ...(versions ? [el('th', { scope: 'col', class: 'plot-version' }, 'Version of new')] : []),
      );
      body.replaceChildren(
        ...shown.map((index) => {
          const changes = marks
            .filter(({ at }) => at >= xs[index] && at < (xs[index + 1] ?? Infinity))
            .map(({ text }) => el('span', { class: 'plot-change' }, text));
          const when = `${time(xs[index] * 1_000, xs.at(-1) * 1_000)}${isPartial && index === xs.length - 1 ? ', so far' : ''}`;
          return el(
            'tr',
            {},
            el('th', { scope: 'row' }, when, changes),
            columns.map((column) => el('td', { class: 'number' }, measured(unit, column[index]))),
            versions ? el('td', { class: 'plot-version' }, versions[index]) : [],
          );
        }),
      );
    },
  };
}
