// A bar that is filled to a share. It repeats what a number beside it says, so it is hidden from
// screen readers.
import { el, setAttr } from './dom.js';

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
