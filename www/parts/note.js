// A sentence that stands out, with a tone and an icon: a fault, a warning, a refusal.
import { el } from './dom.js';
import { icon } from './icon.js';

export function note(tone, title, ...children) {
  return el(
    'div',
    { class: 'note', 'data-tone': tone },
    icon(tone === 'good' ? 'pass' : 'warning'),
    el('div', { class: 'note-text' }, title && el('strong', {}, title), children),
  );
}
