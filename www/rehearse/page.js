// The page's store, its parts, and what is done about its events. What was chosen and what has run
// stay while one looks at another page.

import { el } from '../parts/dom.js';
import { initial, reduce } from '../state/rehearse.js';
import { createStore } from '../state/store.js';
import * as chooser from './chooser.js';
import { createController } from './controller.js';
import * as many from './many.js';
import * as result from './result.js';
import * as runner from './runner.js';
import * as scenario from './scenario.js';
import * as settings from './settings.js';

/** @import { Rehearse } from '../state/rehearse.js' */
/** @import { RehearseDispatch } from '../state/rehearse-events.js' */
/** @typedef {{ update(state: Rehearse): void, unmount(): void }} View */
/** @typedef {{ mount(root: HTMLElement, dispatch: RehearseDispatch): View }} Part */

/** @type {(state: Rehearse) => void} */
let render = () => {};
const store = createStore({
  initial,
  reduce,
  render: (state) => render(state),
  later: (run) => requestAnimationFrame(run),
});
store.use(createController(store));
store.dispatch({ type: 'open' });

/** @type {{ id: string, title: string, column: 'left' | 'right', part: Part }[]} */
const SECTIONS = [
  { id: 'plan', title: 'Plan', column: 'left', part: chooser },
  { id: 'scenario', title: 'Scenario', column: 'left', part: scenario },
  { id: 'settings', title: 'Traffic and seed', column: 'left', part: settings },
  { id: 'life', title: 'Result', column: 'right', part: result },
  { id: 'many', title: 'Other seeds', column: 'right', part: many },
];

/** A head for the section, in which its title stands. */
function headed(section) {
  const head = el('div', { class: 'rehearse-card-head' }, section.firstChild);
  section.append(head);
  return head;
}

export function mount(root) {
  const columns = { left: el('div', { class: 'column' }), right: el('div', { class: 'column' }) };
  let run = null;
  const views = SECTIONS.map(({ id, title, column, part }) => {
    const section = el(
      'section',
      { class: 'card rehearse-card', id: `rehearse-${id}`, 'aria-labelledby': `rehearse-${id}-title` },
      el('h2', { id: `rehearse-${id}-title` }, title),
    );
    columns[column].append(section);
    if (id === 'life') run = runner.mount(headed(section), store.dispatch);
    return part.mount(section, store.dispatch);
  });
  root.append(el('div', { class: 'columns' }, columns.left, columns.right));
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    // On a link it opens that in a tab of its own.
    if (/** @type {Element} */ (event.target).closest('a, dialog')) return;
    event.preventDefault();
    store.dispatch({ type: 'run' });
  }
  // Wherever the focus is: after the sign-in it is on the page's title.
  document.addEventListener('keydown', onKey);
  render = (state) => {
    for (const view of views) view.update(state);
    run.update(state);
  };
  render(store.getState());
  return {
    unmount() {
      render = () => {};
      document.removeEventListener('keydown', onKey);
      for (const view of views) view.unmount();
      root.replaceChildren();
    },
  };
}
