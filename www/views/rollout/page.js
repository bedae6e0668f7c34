// A rollout's page: its header and its sections.
import { el, setText } from '../../parts/dom.js';
import { SECTIONS } from './sections.js';

export function mount(root, dispatch) {
  const title = el('h1', { class: 'page-title', tabindex: '-1' });
  const columns = { left: el('div', { class: 'column' }), right: el('div', { class: 'column column-wide' }) };
  const sections = SECTIONS.map(({ id, title: heading, column, mount: mountSection }) => {
    const section = el('section', { class: 'card', id, 'aria-labelledby': `${id}-title` }, el('h2', { id: `${id}-title` }, heading));
    columns[column].append(section);
    return mountSection(section, dispatch);
  });
  root.append(title, el('div', { class: 'columns' }, columns.left, columns.right));
  return {
    update(state) {
      setText(title, state.route.key);
      for (const section of sections) section.update(state);
    },
    unmount() {
      for (const section of sections) section.unmount();
      root.replaceChildren();
    },
  };
}
