// What happens beside the healthy world: ready failures, a form that writes a line, the lines, and
// their text, which is what counts.

import { el, keyed, replaceFor, setHidden, setText } from '../parts/dom.js';
import { icon } from '../parts/small.js';
import { outlineOf } from '../state/rehearse.js';
import * as editor from './editor.js';
import { presets } from './injections.js';
import * as injector from './injector.js';

/** @import { RehearseDispatch } from '../state/rehearse-events.js' */

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const empty = el('p', { class: 'muted' }, 'Choose a plan first: what can happen depends on it.');
  const ready = el('div', { class: 'presets', role: 'group', 'aria-label': 'Ready failures' });
  const formRoot = el('div', {});
  const form = injector.mount(formRoot, dispatch);
  const list = el('ul', { class: 'scenario-lines', 'aria-label': 'Lines of the scenario' });
  const none = el(
    'p',
    { class: 'muted small' },
    'Nothing is injected: traffic is healthy, and no checklist is approved.',
  );
  const editorRoot = el('div', { class: 'editor-block' });
  const text = editor.mount(editorRoot, {
    label: 'The same as text, one entry per line',
    rows: 4,
    onEdit: (value) => dispatch({ type: 'editScenario', text: value }),
  });
  const body = el('div', { class: 'rehearse-body' }, ready, formRoot, list, none, editorRoot);
  root.append(empty, body);
  const updateLines = keyed(
    list,
    ({ index, text: line }) => `${index} ${line}`,
    (line) => createLine(line, dispatch),
  );

  return {
    update(state) {
      const outline = state.source && outlineOf(state.checked?.rollouts, state.settings.rollout);
      setHidden(empty, state.source !== null);
      setHidden(body, state.source === null);
      setHidden(ready, !outline);
      setHidden(formRoot, !outline);
      if (outline) {
        replaceFor(ready, JSON.stringify(outline), () =>
          presets(outline).map(({ title, lines }) =>
            el(
              'button',
              {
                type: 'button',
                class: 'button small',
                onclick: () => lines.forEach((line) => dispatch({ type: 'addLine', line })),
              },
              title,
            ),
          ),
        );
        form.update(outline);
      }
      const lines = state.scenario
        .split('\n')
        .map((line, index) => ({ index, text: line.trim() }))
        .filter((line) => line.text !== '' && !line.text.startsWith('#'));
      const faulty = new Set((state.checked?.scenario ?? []).map(({ line }) => line));
      updateLines(lines, faulty);
      setHidden(list, lines.length === 0);
      setHidden(none, lines.length > 0);
      text.update(state.scenario, state.checked?.scenario ?? []);
    },
    unmount() {},
  };
}

/**
 * @param {{ index: number, text: string }} line
 * @param {RehearseDispatch} dispatch
 */
function createLine({ index, text }, dispatch) {
  const state = el('span', { class: 'visually-hidden' });
  const root = el(
    'li',
    { class: 'scenario-line' },
    el('code', {}, text),
    state,
    el(
      'button',
      {
        type: 'button',
        class: 'button quiet small',
        'aria-label': `Remove: ${text}`,
        onclick: () => dispatch({ type: 'removeLine', index }),
      },
      icon('close'),
      el('span', {}, 'Remove'),
    ),
  );
  return {
    root,
    update(_, faulty) {
      root.dataset.faulty = String(faulty.has(index + 1));
      setText(state, faulty.has(index + 1) ? ' (error, see below)' : '');
    },
  };
}
