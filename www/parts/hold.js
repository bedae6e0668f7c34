// The bake time of a stage as a bar that moves on by itself between two answers of the server.

import { duration, millis, time } from '../text/time.js';
import { el, setAttr, setText } from './dom.js';
import { bar } from './small.js';

export function hold() {
  const fill = bar();
  const text = el('span', { class: 'hold-text small number' });
  const root = el(
    'div',
    { class: 'hold' },
    el(
      'div',
      {
        class: 'hold-bar',
        role: 'progressbar',
        'aria-label': 'Bake time',
        'aria-valuemin': '0',
        'aria-valuemax': '100',
      },
      fill.root,
    ),
    text,
  );
  return {
    root,
    update({ length_ms, elapsed_ms, until }, now) {
      const elapsed = Math.min(length_ms, Math.max(0, until ? length_ms - (millis(until) - now) : elapsed_ms));
      const share = length_ms === 0 ? 1 : elapsed / length_ms;
      const isOver = elapsed >= length_ms;
      fill.update(share, until || isOver ? undefined : 'calm');
      const rest = isOver
        ? 'over'
        : until
          ? `${duration(length_ms - elapsed)} left, until ${time(until, now)}`
          : 'paused';
      const words = isOver
        ? `Bake time of ${duration(length_ms)} is over`
        : `Bake time: ${duration(elapsed)} of ${duration(length_ms)}, ${rest}`;
      setText(text, words);
      setAttr(root.firstChild, 'aria-valuenow', Math.round(share * 100));
      setAttr(root.firstChild, 'aria-valuetext', words);
    },
  };
}
