// Small things of English, the same as the command `tidegate` has them.

/** `a`, `a and b`, `a, b and c` */
export const listed = (items) =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** The text with its first letter large, a full stop where it has no end, and moments as people read them. */
export const sentence = (text) =>
  text ? `${upper(text.replace(STAMP, '$1 $2 UTC'))}${/[.!?:…]$/.test(text) ? '' : '.'}` : '';

/** The first letter large, unless the text begins with a name such as `error_rate` or `lcp.p75`. */
export const upper = (text) => (/^\w*[_.\d]\w/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));

const STAMP = /(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z/g;

/** A duration of a plan with a space: `48h` → `48 h`. */
export const spaced = (duration) => duration.replace(/^(\d+)m$/, '$1 min').replace(/^(\d+)([a-z])/, '$1 $2');
