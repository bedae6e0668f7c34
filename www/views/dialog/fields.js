// The fields that single commands have beside the reason: a percentage, a stage, how far back, the key
// to type.
import { el, setHidden, setValue } from '../../parts/dom.js';
import { percent } from '../../text/numbers.js';

/** @import { Dispatch } from '../../state/events.js' */

const NONE = { before: null, after: null, update() {} };

/** @param {Dispatch} dispatch */
export function fieldsOf(dialog, dispatch) {
  const edit = (fields) => dispatch({ type: 'edit', fields });
  switch (dialog.command) {
    case 'set':
      return percentageFields(edit, 'Percentage of users on new', 100);
    case 'resume':
      return dialog.seen.state.phase === 'rolled_back' ? stageField(dialog, edit) : NONE;
    case 'rollback':
      return rollbackFields(dialog, edit);
    case 'complete':
      return typedField(dialog, edit);
    default:
      return NONE;
  }
}

function percentageFields(edit, label, max) {
  const range = { min: '0', max: String(max) };
  const number = el('input', {
    ...range,
    id: 'percentage',
    class: 'input number',
    type: 'number',
    step: '0.001',
    inputmode: 'decimal',
    'data-first': true,
    oninput: () => edit({ percentage: number.value }),
  });
  const slider = el('input', {
    ...range,
    class: 'slider',
    type: 'range',
    step: '1',
    'aria-label': `${label}, in whole steps`,
    oninput: () => edit({ percentage: slider.value }),
  });
  const root = el(
    'div',
    { class: 'field' },
    el('label', { for: 'percentage' }, label),
    el(
      'div',
      { class: 'percentage-fields' },
      el('div', { class: 'with-unit' }, number, el('span', { 'aria-hidden': 'true' }, '%')),
      slider,
    ),
  );
  return {
    root,
    before: root,
    after: null,
    update({ form }) {
      setValue(number, form.percentage);
      setValue(slider, form.percentage);
    },
  };
}

function stageField({ seen }, edit) {
  const options = seen.stages.map(({ name, percentage }) =>
    el('option', { value: name }, `${name} (${percent(percentage)})`),
  );
  const select = el(
    'select',
    { id: 'stage', class: 'input', 'data-first': true, onchange: () => edit({ stage: select.value }) },
    options,
  );
  return {
    before: el('div', { class: 'field' }, el('label', { for: 'stage' }, 'Start the next attempt in'), select),
    after: null,
    update: ({ form }) => setValue(select, form.stage),
  };
}

function rollbackFields({ seen }, edit) {
  const targets = [
    ['off', '0 %'],
    ['previous', 'The previous stage'],
    ['percentage', 'A percentage'],
  ];
  const radios = targets.map(([value, label]) =>
    el(
      'label',
      { class: 'choice' },
      el('input', { type: 'radio', name: 'to', value, onchange: () => edit({ to: value }) }),
      label,
    ),
  );
  const share = percentageFields(edit, 'Percentage to keep on new', Math.ceil(seen.state.percentage));
  return {
    before: el(
      'fieldset',
      { class: 'field' },
      el('legend', {}, 'Back to'),
      el('div', { class: 'choices' }, radios),
      share.root,
    ),
    after: null,
    update(dialog) {
      for (const input of radios.map((label) => label.querySelector('input')))
        input.checked = input.value === dialog.form.to;
      setHidden(share.root, dialog.form.to !== 'percentage');
      share.update(dialog);
    },
  };
}

function typedField({ key }, edit) {
  const input = el('input', {
    id: 'typed',
    class: 'input mono',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    'data-first': true,
    oninput: () => edit({ typed: input.value }),
  });
  return {
    before: null,
    after: el(
      'div',
      { class: 'field' },
      el('label', { for: 'typed' }, 'Type ', el('code', {}, key), ' to confirm'),
      input,
    ),
    update: ({ form }) => setValue(input, form.typed),
  };
}
