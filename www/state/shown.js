// What the evidence of a comparison is for, which its number alone does not say: that new is worse, or that it is better.

/** @import { Figure } from '../../types/api.js' */

const ASKED = { '<': 'less', '<=': 'less', '=': 'less', '>': 'more', '>=': 'more' };

/**
 * A gate asks for what is good, and a guardrail for what is bad. A gate such as `<= legacy` gathers evidence of the
 * contrary, and holds until there is enough of it; `< legacy` gathers evidence of what it asks for. `null` where the
 * figure does not say.
 * @param {string} kind `gate` or `guardrail`
 * @param {Pick<Figure, 'op' | 'shows'>} figure
 * @returns {'worse' | 'better' | null}
 */
export function shownOf(kind, { op, shows }) {
  if (!shows || !op || !(op in ASKED) || !['gate', 'guardrail'].includes(kind)) return null;
  if (shows === 'doubled') return 'worse';
  return (shows === ASKED[op]) === (kind === 'gate') ? 'better' : 'worse';
}
