// A rollout in the list: one line on a wide screen, a small card on a phone.

import { el, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { badge, badges, bar, icon } from '../parts/small.js';
import { rolloutHash } from '../state/route.js';
import { percent, plural } from '../text/numbers.js';
import { healthOf, nextShort, phaseOf, stageOf, warningsOf } from '../text/rollout.js';
import { sentence } from '../text/words.js';

export function row({ key }) {
  const phase = badge();
  const warnings = badges();
  const health = badge();
  const share = bar();
  const cells = {
    description: el('span', { class: 'row-about' }),
    faults: el('span', { class: 'row-faults' }),
    percentage: el('span', { class: 'number row-percent' }),
    stage: el('span', { class: 'row-stage' }),
    place: el('span', { class: 'muted small' }),
    health: el('div', { class: 'row-health-said' }, el('span', { class: 'muted small' }, 'Guardrails'), health.root),
    next: el('span', {}),
  };
  const root = el(
    'li',
    { class: 'row' },
    el('div', { class: 'row-phase' }, phase.root),
    el(
      'div',
      { class: 'row-name' },
      el('div', { class: 'row-title' }, el('a', { href: rolloutHash(key) }, key), warnings.root),
      cells.description,
      cells.faults,
    ),
    el('div', { class: 'row-share' }, cells.percentage, share.root),
    el('div', { class: 'row-where' }, cells.stage, cells.place),
    el('div', { class: 'row-health' }, cells.health),
    el('div', { class: 'row-next' }, el('span', { class: 'muted small' }, 'Next'), cells.next),
  );

  return {
    root,
    update(rollout, now) {
      const { state } = rollout;
      phase.update(phaseOf(state));
      warnings.update(warningsOf(rollout));
      const found = healthOf(rollout);
      setHidden(cells.health, !found);
      if (found) health.update(found);
      share.update(rollout.percentage / 100);
      setAttr(root, 'data-tone', phaseOf(state).tone);
      setText(cells.description, rollout.description ?? rollout.routes.join(' '));
      setHidden(cells.faults, rollout.faults.length === 0);
      replaceFor(cells.faults, JSON.stringify(rollout.faults), () => faultWords(rollout.faults));
      setText(cells.percentage, percent(rollout.percentage));
      setText(cells.stage, state.phase === 'draft' ? 'Not started' : state.stage);
      setText(cells.place, stageOf(rollout));
      setText(cells.next, nextShort(rollout, now));
    },
  };
}

function faultWords(faults) {
  if (faults.length === 0) return [];
  const text = faults.length === 1 ? `${faults[0].subject}: ${faults[0].message}` : plural(faults.length, 'fault');
  return [icon('warning'), el('span', {}, sentence(text))];
}
