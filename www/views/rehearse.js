// The page Rehearse. It and the simulation are loaded when somebody opens it.
import { el } from '../parts/dom.js';
import { note } from '../parts/small.js';

export function mount(root) {
  const body = el('div', { class: 'rehearse' });
  root.append(
    el(
      'div',
      { class: 'rehearse-head' },
      el('h1', { class: 'page-title', tabindex: '-1' }, 'Rehearse'),
      el(
        'p',
        { class: 'muted' },
        'Simulates a rollout in seconds, on the code that decides in production, with failures of your choice. Nothing here touches a rollout.',
      ),
    ),
    body,
  );
  let page = null;
  let isOpen = true;

  async function load() {
    body.replaceChildren(el('p', { class: 'muted', role: 'status' }, 'Loading…'));
    try {
      const { mount: mountPage } = await import('../rehearse/page.js');
      if (!isOpen) return;
      body.replaceChildren();
      page = mountPage(body);
    } catch {
      if (isOpen)
        body.replaceChildren(
          el(
            'div',
            { role: 'alert' },
            note(
              'bad',
              'The page could not be loaded.',
              el('span', {}, 'Check the network connection, and try again.'),
              el('button', { type: 'button', class: 'button small', onclick: () => location.reload() }, 'Load again'),
            ),
          ),
        );
    }
  }

  load();
  return {
    update() {},
    unmount() {
      isOpen = false;
      page?.unmount();
      root.replaceChildren();
    },
  };
}
