// What the words of the verdicts mean, each once and in a sentence or two.
export const MEANINGS = [
  [
    'Guardrail',
    'A condition that must not come true. Clear: it is not true (its verdict is pass). Tripped: it is (fail), and the guardrail does what stands beside it. Acted: it triggered the last change.',
  ],
  [
    'Built in',
    'A guardrail that watches every rollout, whether its plan names it or not: new must not fail, nor answer with 4xx, more often than legacy.',
  ],
  ['Gate', 'A condition that has to be true before the stage is left. Met: it is (pass). Not met: it is not (fail).'],
  [
    'Not enough data',
    'Too little was measured to tell, or there is no traffic on new (inconclusive). This is no fault: a guardrail does not act on it, and a gate does not pass.',
  ],
  [
    'Evidence',
    'The result of a sequential test: how many times likelier the figures are if new is worse than legacy. 1 says nothing. “850 (threshold 400)” is significant: at most one in 400 harmless releases ever gets there by chance.',
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
