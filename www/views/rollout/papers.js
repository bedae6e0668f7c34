// What the deployment writes of this rollout for people: its runbook, its dates and its report. Each is a page of its own,
// which prints well.
import { el, replaceFor } from '../../parts/dom.js';

const PAPERS = [
  { path: 'runbook', title: 'Runbook', about: 'all that somebody on call has to know' },
  { path: 'timeline', title: 'Timeline', about: 'what was, what is to come, and who must act by when' },
  { path: 'report', title: 'Report', about: 'what happened, to whom, for how long and why' },
];

export function mount(root) {
  const list = el('ul', { class: 'papers' });
  root.append(list);
  return {
    update({ rollout: { view } }) {
      replaceFor(list, view.key, () => PAPERS.map((paper) => item(view.key, paper)));
    },
    unmount() {},
  };
}

function item(key, { path, title, about }) {
  const href = `api/rollouts/${encodeURIComponent(key)}/${path}?format=html`;
  return el('li', {}, el('a', { href, target: '_blank', rel: 'noopener' }, title), ` ${about}`);
}
