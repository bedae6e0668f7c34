// A word with an icon on a tinted ground: a phase, a verdict. The tone colours what the word says.
import { el, replaceFor, setAttr } from './dom.js';
import { icon } from './icon.js';

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
