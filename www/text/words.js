// Small things of English, who changes a rollout, and what the words of the verdicts mean. What was done, and why, comes
// in the server's words.

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

const ACTORS = { schedule: 'The schedule', guardrail: 'A guardrail', kv: 'An edit in KV', hook: 'A hook' };
const KINDS = {
  alert: 'Alert',
  observed: 'Observed',
  escalation: 'Escalation',
  checkin: 'Check-in',
  notice: 'Notice',
  resolved: 'Resolved',
  digest: 'Digest',
  stage: 'Stage',
  rollback: 'Rollback',
  kill: 'Kill',
  waiting: 'Waits for a person',
  blocked: 'Blocked',
  fault: 'Fault',
  report: 'Report',
  test: 'Test',
  verification: 'Verification',
};

export const actor = (name) => ACTORS[name] ?? name;
export const messageKind = (kind) => KINDS[kind] ?? kind;

/** What the words of the verdicts mean, each once and in a sentence or two. */
export const MEANINGS = [
  [
    'Guardrail',
    'A condition that must not come true. Clear: it is not true (its verdict is pass). Tripped: it is (fail), and the guardrail acts as shown beside it. Acted: it triggered the last change.',
  ],
  [
    'Built in',
    'A guardrail that watches every rollout, whether its plan names it or not: new must not fail, nor answer with 4xx, more often than legacy.',
  ],
  ['Gate', 'A condition that has to be true before the stage is left. Met: it is (pass). Not met: it is not (fail).'],
  [
    'Let through',
    'The comparison of a gate such as “<= legacy” cannot tell either way. The plan asks only that new is not shown to be worse, so the gate passes all the same; “<= 1.1x legacy” would ask that new is shown not to be.',
  ],
  [
    'Not enough data',
    'Too little was measured to tell, or there is no traffic on new (inconclusive). This is no fault: a guardrail does not act on it, and a gate does not pass.',
  ],
  [
    'Evidence',
    'The result of a sequential test: how many times likelier the figures are if new is worse than legacy; at a gate such as “< legacy”, if it is better. 1 says nothing. “850 (threshold 400)” is significant: at most one in 400 harmless releases ever gets there by chance.',
  ],
  [
    'Too few users affected',
    'While only a few users have had errors, the cause may be theirs, so the guardrail waits for more of them.',
  ],
  [
    'Sample ratio',
    'Whether as many users are on new as the percentage says. A mismatch (SRM) means that both sides may not be comparable.',
  ],
  ['p75, p95', '75 or 95 of 100 are at most as slow as this.'],
  ['over 5m, over stage', 'The time window: the last 5 minutes, or the whole stage so far.'],
  ['1.3x legacy', '1.3 times as much as legacy has.'],
];
