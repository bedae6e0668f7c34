// The button that runs it, or why it cannot run yet.
import { el, setAttr, setHidden, setText } from '../parts/dom.js';
import { isSound } from '../state/rehearse.js';
import { plural } from '../text/numbers.js';

/** @import { RehearseDispatch } from '../state/rehearse-events.js' */

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const button = el('button', { type: 'button', class: 'button primary', onclick: press });
  const label = el('span', {});
  const key = el('kbd', {}, 'Ctrl Enter');
  button.append(label, key);
  const reason = el('p', { class: 'muted small', role: 'status' });
  root.append(el('div', { class: 'runner' }, reason, button));
  let isRunning = false;

  function press() {
    dispatch({ type: isRunning ? 'stop' : 'run' });
    // Where all stands in one column, what becomes of it is below the forms.
    if (root.getBoundingClientRect().top > innerHeight) root.scrollIntoView();
  }

  return {
    update(state) {
      isRunning = state.run?.status === 'running';
      setText(label, isRunning ? 'Stop' : 'Run');
      setHidden(key, isRunning);
      setAttr(button, 'aria-disabled', !isRunning && !canRun(state) && 'true');
      setText(reason, isRunning ? '' : reasonOf(state));
      setHidden(reason, reason.textContent === '');
    },
  };
}

/** While the simulation loads or a check is under way, the run waits for it. */
const canRun = (state) =>
  state.engine.status !== 'failed' &&
  state.source !== null &&
  (isSound(state) || state.checkedEdition !== state.edition);

function reasonOf(state) {
  const { engine, source, checked } = state;
  if (engine.status === 'failed') return 'The simulation could not be loaded.';
  if (source === null) return 'Choose a plan first.';
  if (engine.status === 'loading') return 'Loading the simulation…';
  if (!checked || checked.ok) return '';
  const of = (faults) => faults.filter(({ severity }) => severity !== 'warning').length;
  const wrong = [
    [of(checked.plan), 'the plan'],
    [of(checked.scenario), 'what happens'],
    [of(checked.settings), 'the settings'],
  ].filter(([many]) => many > 0);
  return `Mend ${wrong.map(([many, where]) => `${plural(many, 'error')} in ${where}`).join(' and ')} first.`;
}
