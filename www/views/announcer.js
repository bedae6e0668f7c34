// Tells screen readers what has changed: phase, stage and percentage, of the open rollout or of the
// list, and whether there is contact.
import { el } from '../parts/dom.js';

const TOLD_MAX = 3;

export function mount(root) {
  const region = el('div', { class: 'visually-hidden', 'aria-live': 'polite', id: 'announcer' });
  root.append(region);
  let known = new Map();
  let wasLost = false;

  return {
    update({ route, rollout, rollouts, contact, session }) {
      const isLost = contact.isLost && session.status === 'in';
      if (isLost !== wasLost)
        region.textContent = isLost ? 'No connection: the page shows old data.' : 'Connected again.';
      wasLost = isLost;
      const shown =
        route.view === 'rollout' ? [rollout.view].filter(Boolean) : route.view === 'list' ? (rollouts.items ?? []) : [];
      const next = new Map(shown.map(({ key, summary }) => [key, summary]));
      const changed = [...next].filter(([key, text]) => known.has(key) && known.get(key) !== text);
      if (changed.length > 0)
        region.textContent = changed
          .slice(0, TOLD_MAX)
          .map(([key, text]) => `${key} is ${text}.`)
          .join(' ');
      known = next;
    },
  };
}
