// Small parts: an icon, a badge (a word with an icon on a tinted ground), a bar, a note that stands out, text with
// code in it, a link to a place on the page.
import { el, keyed, replaceFor, setAttr, setHidden, svg } from './dom.js';

const SHAPES = {
  draft: ['M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2Z'],
  running: ['M5 3.2v9.6l7.6-4.8z'],
  paused: ['M5.5 3.5v9M10.5 3.5v9'],
  rolled_back: ['M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6', 'M5.8 3.5 2.8 6.5l3 3'],
  completed: ['M2.8 8.6 6.2 12l7-7.6'],
  killed: ['M5.4 2.2h5.2l3.2 3.2v5.2l-3.2 3.2H5.4l-3.2-3.2V5.4z', 'M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4'],
  pass: ['M2.8 8.6 6.2 12l7-7.6'],
  fail: ['M4 4l8 8M12 4l-8 8'],
  inconclusive: ['M5.6 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.2.8-1.2 1.7', 'M8 12.6v.2'],
  warning: ['M8 2.4 14.2 13H1.8z', 'M8 6.4v3M8 11.2v.2'],
  next: ['M3 8h9.5M8.8 4.2 12.6 8l-3.8 3.8'],
  clock: ['M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2Z', 'M8 4.8V8l2.2 1.6'],
  blocked: ['M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2Z', 'M4 12 12 4'],
  back: ['M13 8H3.5M7.2 4.2 3.4 8l3.8 3.8'],
  close: ['M4 4l8 8M12 4l-8 8'],
  offline: [
    'M2 2l12 12',
    'M2.5 6.5A8 8 0 0 1 5 5M8 4.2a8 8 0 0 1 5.5 2.3M4.8 9.2A4.6 4.6 0 0 1 7 8M9.6 8.2a4.6 4.6 0 0 1 1.6 1',
    'M8 12.4v.2',
  ],
};

export function icon(name) {
  return svg(
    'svg',
    { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', 'data-icon': name },
    (SHAPES[name] ?? SHAPES.draft).map((d) => svg('path', { d })),
  );
}

/** `update({ icon, word, tone })`; tones: good, bad, warn, calm, accent. */
export function badge() {
  const root = el('span', { class: 'badge' });
  return {
    root,
    update({ icon: name, word, tone }) {
      setAttr(root, 'data-tone', tone);
      replaceFor(root, `${name} ${word}`, () => [icon(name), el('span', {}, word)]);
    },
  };
}

/** Several badges, each found again by its word; hidden while there are none. */
export function badges() {
  const root = el('span', { class: 'badges' });
  const update = keyed(root, ({ word }) => word, badge);
  return {
    root,
    update(items) {
      setHidden(root, items.length === 0);
      update(items);
    },
  };
}

/** `update(share, tone)`, with the share from 0 to 1. */
export function bar(className = '') {
  const fill = el('span', { class: 'bar-fill' });
  const root = el('span', { class: `bar ${className}`.trim(), 'aria-hidden': 'true' }, fill);
  return {
    root,
    update(share, tone) {
      const width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(2)}%`;
      if (fill.style.width !== width) fill.style.width = width;
      setAttr(root, 'data-tone', tone);
    },
  };
}

export function note(tone, title, ...children) {
  return el(
    'div',
    { class: 'note', 'data-tone': tone },
    icon(tone === 'good' ? 'pass' : 'warning'),
    el('div', { class: 'note-text' }, title && el('strong', {}, title), children),
  );
}

/** → nodes */
export const coded = (text) => text.split('`').map((part, index) => (index % 2 === 1 ? el('code', {}, part) : part));

/** Leads to the element with that id, and takes the focus along. */
export function jump(id, text) {
  return el(
    'a',
    {
      href: `#${id}`,
      onclick: (event) => {
        event.preventDefault();
        const place = document.getElementById(id);
        place?.setAttribute('tabindex', '-1');
        place?.focus({ preventScroll: true });
        place?.scrollIntoView();
      },
    },
    text,
  );
}
