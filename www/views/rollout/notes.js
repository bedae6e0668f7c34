// Remarks of the plan for operators, and when nothing advances.
import { el, replaceFor, setHidden } from '../../parts/dom.js';

export function mount(root) {
  const list = el('ul', { class: 'notes' });
  root.append(list);
  return {
    update({ rollout: { view } }) {
      const notes = [
        ...(view.notes ?? []),
        ...(view.freeze ?? []).map((window) => `Nothing advances ${window}.`),
        ...(view.after?.length ? [`Waits until ${view.after.join(', ')} has ended.`] : []),
      ];
      setHidden(root, notes.length === 0);
      replaceFor(list, notes.join('\n'), () => notes.map((text) => el('li', {}, text)));
    },
    unmount() {},
  };
}
