// The form that writes a line of the scenario: what, how much, from when, for how long.

import { el, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { catalogue, lineOf } from './injections.js';

/** @import { RehearseDispatch } from '../state/rehearse-events.js' */

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const field = (id, label, control, help) =>
    el('div', { class: 'field' }, el('label', { for: id }, label), control, help);
  const onchange = () => refresh();
  const what = el('select', { id: 'inject-what', class: 'input', onchange });
  const side = el(
    'select',
    { id: 'inject-side', class: 'input', onchange },
    el('option', { value: 'new' }, 'new'),
    el('option', { value: 'legacy' }, 'legacy'),
  );
  const endpoint = el('select', { id: 'inject-endpoint', class: 'input', onchange });
  const amount = el('input', {
    id: 'inject-amount',
    class: 'input',
    autocomplete: 'off',
    'aria-describedby': 'inject-hint',
    oninput: onchange,
  });
  const hint = el('p', { class: 'muted small', id: 'inject-hint' });
  const stage = el('select', { id: 'inject-stage', class: 'input', onchange });
  const offset = el('input', {
    id: 'inject-offset',
    class: 'input',
    autocomplete: 'off',
    placeholder: '6h',
    oninput: onchange,
  });
  const length = el('input', {
    id: 'inject-length',
    class: 'input',
    autocomplete: 'off',
    placeholder: 'to the end',
    oninput: onchange,
  });
  const preview = el('code', { class: 'inject-preview' });
  const add = el('button', { type: 'submit', class: 'button small' }, 'Add the line');
  const fields = {
    what: field('inject-what', 'What', what),
    side: field('inject-side', 'Side', side),
    endpoint: field('inject-endpoint', 'Endpoint', endpoint),
    amount: field('inject-amount', 'How much', amount, hint),
    stage: field('inject-stage', 'Counted from', stage),
    offset: field('inject-offset', 'After', offset),
    length: field('inject-length', 'For', length),
  };
  const form = el(
    'form',
    { class: 'inject', novalidate: true, 'aria-label': 'Inject something', onsubmit: submit },
    Object.values(fields),
    el('p', { class: 'inject-foot' }, preview, add),
  );
  root.append(form);
  let things = [];
  let shown = null;

  const chosen = () => things.find(({ id }) => id === what.value) ?? things[0];
  const line = () =>
    lineOf(chosen(), {
      side: side.value,
      endpoint: endpoint.value,
      amount: amount.value,
      stage: stage.value,
      offset: offset.value,
      length: length.value,
    });

  function refresh() {
    const thing = chosen();
    if (!thing) return;
    if (thing !== shown) {
      amount.value = thing.example ?? '';
      setText(hint, thing.hint ?? '');
    }
    shown = thing;
    setHidden(fields.side, !thing.isSided);
    setHidden(fields.endpoint, !thing.hasEndpoint || endpoint.options.length < 2);
    setHidden(fields.amount, !thing.example);
    for (const name of ['stage', 'offset']) setHidden(fields[name], Boolean(thing.isTimeless));
    setHidden(fields.length, !thing.isLasting);
    setText(preview, line());
  }

  function submit(event) {
    event.preventDefault();
    dispatch({ type: 'addLine', line: line() });
  }

  return {
    update(outline) {
      const mark = JSON.stringify(outline);
      if (form.tidegateMark === mark) return;
      form.tidegateMark = mark;
      const kept = [what.value, stage.value, endpoint.value];
      things = catalogue(outline);
      replaceFor(what, mark, () => grouped(things));
      replaceFor(endpoint, mark, () => [
        el('option', { value: '' }, 'everywhere'),
        outline.endpoints.map((name) => el('option', { value: name }, name)),
      ]);
      replaceFor(stage, mark, () => [
        el('option', { value: '' }, 'the start'),
        outline.stages.map(({ name }) => el('option', { value: name }, `when ${name} begins`)),
      ]);
      [what, stage, endpoint].forEach((select, index) => {
        if ([...select.options].some(({ value }) => value === kept[index])) select.value = kept[index];
      });
      setAttr(form, 'data-endpoints', outline.endpoints.length > 0);
      if (shown === null) offset.value = '6h';
      shown = null;
      refresh();
    },
  };
}

function grouped(things) {
  const groups = [...new Set(things.map(({ group }) => group))];
  return groups.map((group) =>
    el(
      'optgroup',
      { label: group },
      things.filter((thing) => thing.group === group).map(({ id, title }) => el('option', { value: id }, title)),
    ),
  );
}
