// What becomes of the plan: how far the run is, how it ended in one sentence, its life drawn, its
// events, and the command that gives the same.

import { el, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { bar, coded, icon, note } from '../parts/small.js';
import { askedOf, outlineOf } from '../state/rehearse.js';
import { percent } from '../text/numbers.js';
import { commandOf, cost, elapsed, headline, OUTCOMES, why } from '../text/rehearse.js';
import { sentence } from '../text/words.js';
import * as events from './events.js';
import * as life from './life.js';

/** @import { Rehearse } from '../state/rehearse.js' */
/** @import { Outline, RehearseDispatch } from '../state/rehearse-events.js' */

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const state = el('div', { class: 'result-state', 'aria-live': 'polite' });
  const progress = createProgress();
  const stale = el('p', { class: 'muted small' }, 'The inputs have changed since: run it again.');
  const drawn = el('div', { class: 'life' });
  const listed = el('div', { class: 'result-events' });
  const command = createCommand();
  root.append(state, progress.root, stale, drawn, listed, command.root);
  const plots = life.mount(drawn);
  const list = events.mount(listed);

  return {
    update(all) {
      const { run } = all;
      const outline = run && outlineOf(run.rollouts, run.asked.settings.rollout);
      replaceFor(state, stateMark(all), () => shown(all, outline, dispatch));
      progress.update(run, outline);
      setHidden(stale, !run || run.status === 'running' || isSame(all));
      const hasLife = Boolean(run) && run.points.length > 1;
      setHidden(drawn, !hasLife);
      setHidden(listed, !run || run.events.length === 0);
      if (hasLife) plots.update(run, outline);
      if (run) list.update(run);
      command.update(all);
    },
    unmount() {
      plots.unmount();
    },
  };
}

const isSame = (state) => JSON.stringify(state.run.asked) === JSON.stringify(askedOf(state));

const stateMark = ({ engine, source, checked, run }) =>
  JSON.stringify([engine, run ? null : source, run ? null : checked?.ok, run?.status, run?.problem, run?.report]);

/**
 * Each state has its words.
 * @param {Rehearse} state
 * @param {Outline | null} outline
 * @param {RehearseDispatch} dispatch
 */
function shown({ engine, source, checked, run }, outline, dispatch) {
  if (engine.status === 'failed') {
    return note(
      'bad',
      'The simulation could not be loaded.',
      el('span', {}, sentence(engine.problem)),
      el(
        'button',
        { type: 'button', class: 'button small', onclick: () => dispatch({ type: 'loadAgain' }) },
        'Try again',
      ),
    );
  }
  if (!run) return waiting(engine, source, checked);
  if (run.status === 'failed') return note('bad', 'The run has failed.', el('span', {}, run.problem));
  if (!run.report) return [];
  return verdict(run, outline);
}

function waiting(engine, source, checked) {
  if (source === null)
    return el(
      'p',
      { class: 'muted' },
      'Choose a plan, add failures, and run it. This shows what the plan does about them, how many users are affected, and how soon it rolls back.',
    );
  if (engine.status === 'loading') return el('p', { class: 'muted' }, 'Loading the simulation…');
  if (checked && !checked.ok)
    return note(
      'warn',
      'This cannot be run yet.',
      el('span', {}, 'The errors are shown beside the text, each with its line.'),
    );
  return el('p', { class: 'muted' }, 'Ready: press Run.');
}

function verdict({ report, events: happened, status, took_ms }, outline) {
  const [fate] = report.fates;
  const head = headline(fate, outline, happened);
  const { icon: name, tone } = OUTCOMES[fate.outcome];
  return [
    el(
      'div',
      { class: 'fate', 'data-tone': tone },
      icon(name),
      el(
        'div',
        { class: 'fate-text' },
        el('p', { class: 'fate-head' }, status === 'stopped' ? `Stopped: ${lower(head)}` : head),
        fate.reason && el('p', {}, coded(why(fate))),
        el('p', {}, cost(fate)),
      ),
    ),
    report.never.map((line) =>
      el(
        'p',
        { class: 'small never' },
        icon('warning'),
        el('span', {}, 'The time of this line was never reached: ', el('code', {}, line)),
      ),
    ),
    el('p', { class: 'muted small' }, `Simulated in ${(took_ms / 1_000).toFixed(took_ms < 10_000 ? 1 : 0)} s.`),
  ];
}

const lower = (text) => `${text[0].toLowerCase()}${text.slice(1)}`;

function createProgress() {
  const own = bar('run-bar');
  const text = el('p', { class: 'small number' });
  const root = el('div', { class: 'run-progress' }, text, own.root);
  return {
    root,
    update(run, outline) {
      setHidden(root, run?.status !== 'running');
      if (run?.status !== 'running') return;
      const last = run.points.at(-1);
      const index = Math.max(
        0,
        outline.stages.findIndex(({ name }) => name === last?.stage),
      );
      own.update((index + 0.5) / outline.stages.length, 'accent');
      setText(
        text,
        last ? `${elapsed(last.at_ms)} simulated, in ${last.stage} at ${percent(last.percentage)}` : 'Starting…',
      );
    },
  };
}

function createCommand() {
  const code = el('code', {});
  const copied = el('span', { class: 'small', role: 'status' });
  const hint = el('p', { class: 'muted small' });
  const save = el('button', { type: 'button', class: 'button small' }, 'Save the plan');
  const copy = el('button', { type: 'button', class: 'button small' }, 'Copy');
  const root = el(
    'div',
    { class: 'command' },
    el('h3', {}, 'The same on the command line'),
    el('pre', { class: 'way-out', tabindex: '0' }, code),
    hint,
    el('p', { class: 'command-foot' }, copy, save, copied),
  );
  let plan = '';
  let name = '';
  copy.addEventListener('click', async () => {
    const isDone = await navigator.clipboard?.writeText(code.textContent).then(
      () => true,
      () => false,
    );
    setText(copied, isDone ? 'Copied' : 'The browser does not allow it: select the text and copy it');
  });
  save.addEventListener('click', () => {
    const url = URL.createObjectURL(new Blob([plan], { type: 'text/plain' }));
    el('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1_000);
  });
  return {
    root,
    update({ run, checked }) {
      setHidden(root, !run?.report || !checked);
      if (!run?.report || !checked) return;
      const text = commandOf(run.asked, run.source, checked.limits);
      if (code.textContent !== text) setText(copied, '');
      setText(code, text);
      [plan, name] = [run.asked.plan, run.source.name];
      setText(hint, run.source.kind === 'ready' ? 'In the project’s folder.' : `Once the plan is saved as ${name}.`);
      setHidden(save, run.source.kind === 'ready');
      setAttr(save, 'aria-label', `Save the plan as ${name}`);
    },
  };
}
