// Which plan: one of the deployment, a ready-made one, or one's own, as a file or written here.

import { el, replaceFor, setAttr, setHidden, setText, setValue } from '../parts/dom.js';
import { coded } from '../parts/small.js';
import { outlineOf } from '../state/rehearse.js';
import { percent, plural } from '../text/numbers.js';
import { deployedText } from './deployed.js';
import * as editor from './editor.js';
import { lengthOf } from './injections.js';
import { READY_MADE } from './plans.js';

/** @import { RehearseDispatch } from '../state/rehearse-events.js' */

const FILE_BYTES_MAX = 1_000_000;
const TEMPLATE =
  'key    = "shop"\nroutes = ["shop.example.com/*"]\n\n[upstreams]\nlegacy = "https://legacy.example.com"\nnew    = "https://new.example.com"\n\n[identity]\nfrom      = ["cookie:uid"]\nanonymous = true\n\n[[stage]]\nname       = "canary"\npercentage = 10\nhold       = "48h"\ngates      = ["error_rate < 1% over stage"]\n\n[[stage]]\nname       = "full"\npercentage = 100\nhold       = "24h"\n\n[[guardrail]]\nwhen = "error_rate > 5% over 5m"\nthen = "rollback"\n';

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const select = el('select', { id: 'rehearse-source', class: 'input', onchange: () => choose(select.value) });
  const file = el('input', {
    type: 'file',
    id: 'rehearse-file',
    class: 'visually-hidden',
    accept: '.toml,.json,text/plain',
    tabindex: '-1',
    'aria-hidden': 'true',
    onchange: () => read(file.files[0]),
  });
  const fileButton = el(
    'button',
    { type: 'button', class: 'button small', onclick: () => file.click() },
    'Open a file…',
  );
  const problem = el('p', { class: 'field-problem small', role: 'alert' });
  const deployedProblem = el('p', { class: 'muted small' });
  const outline = el('div', { class: 'outline' });
  const rollout = rolloutField(dispatch);
  const editorRoot = el('div', { class: 'editor-block' });
  const summary = el('summary', {}, 'The plan’s text');
  const details = el('details', { class: 'plan-text' }, summary, editorRoot);
  const text = editor.mount(editorRoot, {
    label: 'The plan, in TOML or as JSON',
    rows: 18,
    onEdit: (value) => dispatch({ type: 'editPlan', text: value }),
  });
  root.append(
    el(
      'div',
      { class: 'field' },
      el('label', { for: 'rehearse-source' }, 'Plan to rehearse'),
      el('div', { class: 'source-row' }, select, fileButton, file),
    ),
    problem,
    deployedProblem,
    rollout.root,
    outline,
    details,
  );
  let deployed = [];
  let wasFaulty = false;

  function choose(value) {
    const [kind, name] = [value.slice(0, value.indexOf(' ')), value.slice(value.indexOf(' ') + 1)];
    setText(problem, '');
    if (kind === 'ready') {
      const { path, title, text: plan } = READY_MADE.find((own) => own.path === name);
      dispatch({ type: 'choosePlan', source: { kind, name: path, title }, text: plan });
    } else if (kind === 'deployed') {
      dispatch({
        type: 'choosePlan',
        source: { kind, name: `${name}.json`, title: name },
        text: deployedText(deployed, name),
        rollout: name,
      });
    } else if (kind === 'own') {
      dispatch({
        type: 'choosePlan',
        source: { kind: 'own', name: 'plan.toml', title: 'your own plan' },
        text: TEMPLATE,
      });
      details.open = true;
      text.focus();
    }
  }

  async function read(found) {
    file.value = '';
    if (!found) return;
    if (found.size > FILE_BYTES_MAX)
      return setText(problem, `${found.name} has ${found.size} bytes; a plan has at most ${FILE_BYTES_MAX}.`);
    setText(problem, '');
    dispatch({
      type: 'choosePlan',
      source: { kind: 'own', name: found.name, title: found.name },
      text: await found.text(),
    });
  }

  const stop = dropped(root, read);
  return {
    update(state) {
      deployed = state.deployed.plans;
      replaceFor(select, JSON.stringify([state.deployed.status, deployed.map(({ key }) => key)]), () =>
        options(state.deployed),
      );
      select.value = optionOf(state.source);
      setText(
        deployedProblem,
        state.deployed.problem ? `The deployment’s plans could not be fetched: ${state.deployed.problem.detail}.` : '',
      );
      setHidden(deployedProblem, !state.deployed.problem);
      setHidden(problem, problem.textContent === '');
      rollout.update(state);
      outlined(outline, state);
      const faults = state.source === null ? [] : (state.checked?.plan ?? []);
      setHidden(details, state.source === null);
      setText(summary, `The plan’s text, ${plural(state.plan.split('\n').length, 'line')}`);
      text.update(state.plan, faults);
      const isFaulty = faults.some(({ severity }) => severity === 'error');
      if (isFaulty && !wasFaulty) details.open = true;
      wasFaulty = isFaulty;
    },
    unmount: stop,
  };
}

function options({ status, plans }) {
  const waiting = { loading: 'loading…', failed: 'not reachable', ready: 'none' }[status];
  return [
    el('option', { value: '', disabled: true }, 'Choose a plan…'),
    el(
      'optgroup',
      { label: 'Of this deployment' },
      plans.length > 0
        ? plans.map(({ key, description }) =>
            el('option', { value: `deployed ${key}` }, description ? `${key}: ${description}` : key),
          )
        : el('option', { value: 'none', disabled: true }, waiting),
    ),
    el(
      'optgroup',
      { label: 'Ready-made' },
      READY_MADE.map(({ path, title }) => el('option', { value: `ready ${path}` }, title)),
    ),
    el('optgroup', { label: 'Your own' }, el('option', { value: 'own plan.toml' }, 'Write one here')),
  ];
}

function optionOf(source) {
  if (source === null) return '';
  if (source.kind === 'deployed') return `deployed ${source.title}`;
  return source.kind === 'ready' ? `ready ${source.name}` : 'own plan.toml';
}

/**
 * Which rollout, where the plan holds several.
 * @param {RehearseDispatch} dispatch
 */
function rolloutField(dispatch) {
  const select = el('select', {
    id: 'rehearse-rollout',
    class: 'input',
    onchange: () => dispatch({ type: 'setSetting', name: 'rollout', value: select.value }),
  });
  const root = el('div', { class: 'field' }, el('label', { for: 'rehearse-rollout' }, 'Rollout'), select);
  return {
    root,
    update({ checked, settings, source }) {
      const keys = checked?.rollouts.map(({ key }) => key) ?? [];
      setHidden(root, keys.length < 2 || source === null);
      replaceFor(select, keys.join(' '), () => keys.map((key) => el('option', { value: key }, key)));
      setValue(select, settings.rollout ?? '');
    },
  };
}

/** What the plan does, at a glance. */
function outlined(root, { checked, settings, source }) {
  const plan = source && outlineOf(checked?.rollouts, settings.rollout);
  setHidden(root, !plan);
  replaceFor(
    root,
    plan && JSON.stringify(plan),
    () =>
      plan && [
        plan.description && el('p', {}, plan.description),
        el(
          'ol',
          { class: 'outline-stages', 'aria-label': 'Stages' },
          plan.stages.map(({ name, percentage }) =>
            el('li', {}, el('span', {}, name), ' ', el('b', { class: 'number' }, percent(percentage))),
          ),
        ),
        el(
          'p',
          { class: 'muted small' },
          `${plural(plan.stages.length, 'stage')} with bake times of ${lengthOf(plan)} in all, ${plural(plan.guardrails.length, 'guardrail')}`,
        ),
        plan.guardrails.length > 0 &&
          el(
            'details',
            { class: 'outline-guardrails' },
            el('summary', { class: 'small' }, 'Guardrails'),
            el(
              'ul',
              {},
              plan.guardrails.map(({ when, then }) => el('li', { class: 'small' }, coded(`\`${when}\``), ` → ${then}`)),
            ),
          ),
      ],
  );
}

/** Takes a file that is dropped onto the section. Returns what ends that. */
function dropped(root, read) {
  const over = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes('Files')) return;
    event.preventDefault();
    setAttr(root, 'data-drop', 'true');
  };
  const leave = () => setAttr(root, 'data-drop', null);
  const drop = (event) => {
    leave();
    const [found] = event.dataTransfer?.files ?? [];
    if (!found) return;
    event.preventDefault();
    read(found);
  };
  root.addEventListener('dragover', over);
  root.addEventListener('dragleave', leave);
  root.addEventListener('drop', drop);
  return () => {
    for (const [name, own] of [
      ['dragover', over],
      ['dragleave', leave],
      ['drop', drop],
    ])
      root.removeEventListener(name, own);
  };
}
