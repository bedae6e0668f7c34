// The stages as a ladder: what is done, where it is, what is to come. Of a long one the middle of what
// is done and of what is to come is folded away, until somebody wants to see it.
import { el, keyed, replaceFor, setAttr, setHidden, setText } from '../../parts/dom.js';
import { hold } from '../../parts/hold.js';
import { icon } from '../../parts/small.js';
import { percent, plural } from '../../text/numbers.js';
import { blockersOf, isAway, phaseOf, position } from '../../text/rollout.js';
import { time, until } from '../../text/time.js';
import { listed, spaced, upper } from '../../text/words.js';

/** Ladders up to this length are shown whole. */
const WHOLE_MAX = 9;
/** So many stages stay visible before the current one, and after it. */
const BEFORE = 1;
const AFTER = 3;

export function mount(root) {
  const list = el('ol', { class: 'ladder' });
  root.append(list);
  const opened = new Set();
  let latest = null;
  const toggle = (part) => {
    opened[opened.has(part) ? 'delete' : 'add'](part);
    show();
  };
  const update = keyed(
    list,
    ({ id }) => id,
    (item) => (item.fold ? fold(item.fold, toggle) : rung()),
  );
  const show = () => update(items(latest.view, opened), latest.view, latest.now);

  return {
    update({ rollout, now }) {
      latest = { view: rollout.view, now };
      show();
    },
    unmount() {},
  };
}

/** What is listed: stages, and folds with the stages that they hide. */
function items(view, opened) {
  const stages = view.stages.map((stage, index) => ({ id: `stage ${stage.name}`, stage, kind: kindOf(view, index) }));
  const force = isAway(view) ? [{ id: 'force', stage: inForce(view), kind: 'current' }] : [];
  if (stages.length <= WHOLE_MAX) return [...force, ...stages];
  const current =
    view.state.phase === 'draft'
      ? 0
      : view.state.phase === 'completed'
        ? stages.length - 1
        : Math.max(0, position(view));
  const last = stages.length - 1;
  const parts = [
    { fold: 'done', from: 0, to: current - BEFORE },
    { fold: 'coming', from: current + AFTER + 1, to: last },
  ];
  const out = [];
  let at = 0;
  for (const { fold: name, from, to } of parts) {
    out.push(...stages.slice(at, from));
    const hidden = stages.slice(from, Math.max(from, to));
    if (hidden.length > 1)
      out.push({ id: name, fold: name, hidden: hidden.map(({ stage }) => stage), isOpen: opened.has(name) });
    if (hidden.length === 1 || opened.has(name)) out.push(...hidden);
    at = Math.max(at, from + hidden.length);
  }
  return [...force, ...out, ...stages.slice(at)];
}

/** What is in force instead, as a stage. */
function inForce({ state, percentage }) {
  const from = state.killed ? `in force instead of ${state.stage}` : `in force; it came from ${state.stage}`;
  return {
    name: phaseOf(state).word,
    percentage,
    about: percentage === 0 && state.groups.length === 0 ? `${from}; 0 % on new` : from,
  };
}

function kindOf(view, index) {
  const { state } = view;
  const current = position(view);
  if (view.stages[index].skipped) return 'skipped';
  if (state.phase === 'completed') return 'done';
  if (state.phase === 'draft' || current < 0 || index > current) return 'coming';
  if (index < current) return 'done';
  return isAway(view) ? 'left' : 'current';
}

function fold(name, toggle) {
  const button = el('button', { type: 'button', class: 'link small', onclick: () => toggle(name) });
  const root = el('li', { class: 'rung rung-fold' }, el('span', { class: 'rung-mark' }, '⋮'), button);
  return {
    root,
    update({ hidden, isOpen }) {
      const what = `${plural(hidden.length, 'stage')} ${name === 'done' ? 'before' : 'more'}, ${hidden[0].name} to ${hidden.at(-1).name}`;
      setText(button, `${isOpen ? 'Fold' : 'Show'} ${what}`);
      setAttr(button, 'aria-expanded', String(isOpen));
    },
  };
}

const SAID = {
  done: ', done',
  current: ', current',
  left: ', not in force',
  coming: ', to come',
  skipped: ', not passed',
};

function rung() {
  const mark = el('span', { class: 'rung-mark' });
  const nodes = {
    name: el('span', { class: 'rung-name' }),
    share: el('span', { class: 'rung-share number' }),
    said: el('span', { class: 'visually-hidden' }),
    about: el('p', { class: 'muted small' }),
  };
  const progress = hold();
  const blockers = el('ul', { class: 'blockers small', 'aria-label': 'Blocked by' });
  const root = el(
    'li',
    { class: 'rung' },
    mark,
    el('div', { class: 'rung-line' }, nodes.name, nodes.said, nodes.share),
    nodes.about,
    progress.root,
    blockers,
  );

  return {
    root,
    update({ stage, kind }, view, now) {
      const isCurrent = kind === 'current';
      setAttr(root, 'data-kind', kind);
      setAttr(root, 'aria-current', isCurrent && 'step');
      replaceFor(mark, kind, () => (kind === 'done' ? icon('pass') : []));
      setText(nodes.name, stage.name);
      setText(nodes.said, SAID[kind]);
      setText(nodes.share, percent(stage.percentage));
      const text = stage.about ?? about(stage, kind, view).join(' · ');
      setText(nodes.about, text);
      setHidden(nodes.about, text === '');
      const hasHold = isCurrent && view.hold && !stage.about;
      setHidden(progress.root, !hasHold);
      if (hasHold) progress.update(view.hold, now);
      const isFirstOfDraft = view.state.phase === 'draft' && view.stages[0] === stage;
      updateBlockers(
        blockers,
        isCurrent || isFirstOfDraft ? blockersOf(view).filter(({ by }) => by !== 'hold') : [],
        now,
      );
    },
  };
}

/** What a stage asks for; of the current one the gates have their own section. */
function about(
  { percentage, groups, hold: length, deadline, owner, enter, gates, checklist },
  kind,
  { state, hold: held },
) {
  const view = kind === 'current' && { state, hold: held };
  // Those that every stage has say nothing of this one.
  const asked = view ? gates : gates.filter(({ built_in: isBuiltIn }) => !isBuiltIn);
  return [
    kind === 'skipped' && 'skipped',
    kind === 'left' && (state.killed ? 'was in force before the kill' : 'was in force before'),
    view && view.state.percentage !== percentage && `now at ${percent(view.state.percentage)}`,
    groups?.length && `and ${listed(groups)}`,
    length && !view?.hold && `bake time ${spaced(length)}`,
    deadline && `at most ${spaced(deadline)}`,
    asked.length && (view ? gatesMet(asked) : plural(asked.length, 'gate')),
    checklist.length && plural(checklist.length, 'check'),
    owner && `owner ${owner}`,
    enter?.length && `entered ${enter.join(', ')}`,
  ].filter(Boolean);
}

/** Those that pass although their comparison cannot tell are no more met than those that wait. */
function gatesMet(gates) {
  const passing = gates.filter(({ verdict }) => verdict === 'pass');
  const through = passing.filter(({ let_through: isLetThrough }) => isLetThrough).length;
  const met = `${passing.length - through} of ${plural(gates.length, 'gate')} met`;
  return through > 0 ? `${met}, ${through} let through undecided` : met;
}

function updateBlockers(root, blockers, now) {
  setHidden(root, blockers.length === 0);
  replaceFor(root, JSON.stringify(blockers), () =>
    blockers.map((blocker) =>
      el(
        'li',
        {},
        icon(blocker.until ? 'clock' : 'blocked'),
        el('span', {}, upper(blocker.text), el('span', { class: 'blocker-until muted' })),
      ),
    ),
  );
  [...root.querySelectorAll('.blocker-until')].forEach((node, index) => {
    const at = blockers[index].until;
    setText(node, at ? `, until ${time(at, now)} (${until(at, now)})` : '');
  });
}
