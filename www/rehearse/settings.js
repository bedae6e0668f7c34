// How much traffic there is, and the seed of chance: the same seed gives the same life.
import { el, replaceFor, setAttr, setHidden, setText, setValue } from '../parts/dom.js';
import { count } from '../text/numbers.js';
import { sentence } from '../text/words.js';

/** @import { Amount, RehearseDispatch } from '../state/rehearse-events.js' */

/** @type {{ name: Amount, title: string, help: string }[]} */
const FIELDS = [
  { name: 'subjects', title: 'Users', help: 'Number of users' },
  { name: 'requests_per_hour', title: 'Requests an hour', help: 'To both sides together' },
  { name: 'seed', title: 'Seed', help: 'The same seed gives the same run' },
];

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const fields = FIELDS.map((field) => createField(field, dispatch));
  root.append(
    el(
      'div',
      { class: 'settings-grid' },
      fields.map((field) => field.root),
    ),
  );
  return {
    update(state) {
      for (const field of fields) field.update(state);
    },
    unmount() {},
  };
}

/**
 * @param {(typeof FIELDS)[number]} field
 * @param {RehearseDispatch} dispatch
 */
function createField({ name, title, help }, dispatch) {
  const id = `rehearse-${name}`;
  const input = el('input', {
    id,
    class: 'input number',
    type: 'number',
    inputmode: 'numeric',
    step: '1',
    'aria-describedby': `${id}-help`,
    oninput: () => dispatch({ type: 'setSetting', name, value: input.value === '' ? null : Number(input.value) }),
  });
  const hint = el('p', { class: 'muted small', id: `${id}-help` });
  const problem = el('p', { class: 'field-problem small', role: 'alert' });
  return {
    root: el('div', { class: 'field' }, el('label', { for: id }, title), input, hint, problem),
    update({ settings, checked }) {
      const limit = checked?.limits[name];
      setAttr(input, 'min', limit?.min);
      setAttr(input, 'max', limit?.max);
      setAttr(input, 'placeholder', limit && String(limit.default));
      setValue(input, settings[name] === null ? '' : String(settings[name]));
      replaceFor(hint, `${limit?.max}`, () => [
        help,
        limit && name !== 'seed' && el('span', {}, `, up to ${count(limit.max)}`),
      ]);
      const fault = checked?.settings.find(({ setting }) => setting === name);
      setText(problem, fault ? sentence(fault.message) : '');
      setHidden(problem, !fault);
      setAttr(input, 'aria-invalid', fault && 'true');
    },
  };
}
