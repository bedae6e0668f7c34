// A text with numbered lines, and what is wrong with it: each fault leads to its place.

import { el, keyed, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { coded, icon } from '../parts/small.js';
import { plural } from '../text/numbers.js';
import { sentence } from '../text/words.js';

let created = 0;

/** `onEdit(text)`. `update(text, faults)`: the faults that the simulation finds. */
export function mount(root, { label, rows, onEdit }) {
  created += 1;
  const id = `editor-${created}`;
  const lines = el('div', { class: 'editor-lines', 'aria-hidden': 'true' });
  const area = el('textarea', {
    id,
    class: 'editor-text',
    rows,
    wrap: 'off',
    spellcheck: 'false',
    autocapitalize: 'none',
    autocomplete: 'off',
    'aria-describedby': `${id}-faults`,
  });
  const summary = el('p', { class: 'fault-summary', role: 'status' });
  const list = el('ul', { class: 'fault-list' });
  const faultsRoot = el('div', { class: 'editor-faults', id: `${id}-faults` }, summary, list);
  root.append(
    el('label', { class: 'editor-label', for: id }, label),
    el('div', { class: 'editor' }, lines, area),
    faultsRoot,
  );
  area.addEventListener('input', () => onEdit(area.value));
  area.addEventListener('scroll', () => follow());

  const follow = () => (lines.scrollTop = area.scrollTop);
  const updateFaults = keyed(
    list,
    ({ line, column, message }) => `${line}:${column} ${message}`,
    (fault) => ({ root: row(fault, () => show(area, fault)) }),
  );

  return {
    update(text, faults) {
      // What is being typed is newer than the state, never older.
      if (area.value !== text) area.value = text;
      const marked = faults.map(({ line }) => line);
      const count = text.split('\n').length;
      replaceFor(lines, `${count} ${marked}`, () =>
        Array.from({ length: count }, (_, index) =>
          el('span', { class: marked.includes(index + 1) ? 'is-faulty' : null }, String(index + 1)),
        ),
      );
      follow();
      setAttr(area, 'aria-invalid', faults.some(({ severity }) => severity === 'error') && 'true');
      setText(summary, summaryOf(faults));
      setHidden(faultsRoot, faults.length === 0);
      updateFaults(faults);
    },
    focus: () => area.focus(),
  };
}

function summaryOf(faults) {
  const of = (wanted) => faults.filter(({ severity }) => severity === wanted).length;
  const [errors, warnings] = [of('error'), of('warning')];
  return [errors > 0 && plural(errors, 'error'), warnings > 0 && plural(warnings, 'warning')]
    .filter(Boolean)
    .join(', ');
}

function row({ line, column, severity, message, help, path }, onShow) {
  return el(
    'li',
    { class: 'fault-row', 'data-severity': severity },
    icon(severity === 'error' ? 'fail' : 'warning'),
    el(
      'div',
      {},
      el(
        'p',
        {},
        el('button', { type: 'button', class: 'link', onclick: onShow }, `Line ${line}, column ${column}`),
        ' ',
        coded(message),
        path && el('span', { class: 'muted small' }, ' in ', el('code', {}, path)),
      ),
      help && el('p', { class: 'muted small' }, coded(sentence(help))),
    ),
  );
}

/** Selects from the place to the end of its line, in the middle of the box. */
function show(area, { line, column }) {
  const lines = area.value.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const own = lines[line - 1] ?? '';
  // Columns count characters, selections UTF-16 units.
  const at = start + [...own].slice(0, column - 1).join('').length;
  area.focus();
  area.setSelectionRange(at, start + own.length);
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = (line - 1) * height - area.clientHeight / 2;
}
