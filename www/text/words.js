// Small things of English, the same as the command `tidegate` has them.

/** `a`, `a and b`, `a, b and c` */
export const listed = (items) => (items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`);

/** The text with its first letter large, and a full stop where it has no end. */
export const sentence = (text) => (text ? `${upper(text)}${/[.!?:…]$/.test(text) ? '' : '.'}` : '');

export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A duration of a plan with a space: `48h` → `48 h`. */
export const spaced = (duration) => duration.replace(/^(\d+)m$/, '$1 min').replace(/^(\d+)([a-z])/, '$1 $2');
