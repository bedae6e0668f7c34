// Tells screen readers what has changed: phase, stage and percentage, of the open rollout or of the
// list.
import { el } from '../parts/dom.js';
import { told } from '../text/rollout.js';

const TOLD_MAX = 3;

export function mount(root) {
  const region = el('div', { class: 'visually-hidden', 'aria-live': 'polite', id: 'announcer' });
  root.append(region);
  let known = new Map();

  return {
    update({ route, rollout, rollouts }) {
      const shown = route.view === 'rollout' ? [rollout.view].filter(Boolean) : route.view === 'list' ? (rollouts.items ?? []) : [];
      const next = new Map(shown.map(({ key, state }) => [key, told(state)]));
      const changed = [...next].filter(([key, text]) => known.has(key) && known.get(key) !== text);
      if (changed.length > 0) region.textContent = changed.slice(0, TOLD_MAX).map(([key, text]) => `${key} is ${text}.`).join(' ');
      known = next;
    },
  };
}
