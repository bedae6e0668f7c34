// What the words of the verdicts mean, each once and in a sentence or two.
export const MEANINGS = [
  [
    'Guardrail',
    'A condition that must not come true. Clear: it has not (its verdict is pass). Tripped: it has (fail), and the guardrail does what stands beside it. Acted: the last change was its doing.',
  ],
  [
    'Built in',
    'A guardrail that watches every rollout, whether its plan names it or not: new must not fail, nor answer with 4xx, more often than legacy.',
  ],
  ['Gate', 'A condition that has to be true before the stage is left. Met: it is (pass). Not met: it is not (fail).'],
  [
    'No verdict',
    'Too little has been measured to tell, or nobody is on new (inconclusive). It is no fault: a guardrail does not act on it, and a gate stays shut.',
  ],
  [
    'Evidence',
    'How surely new is worse than legacy. 1 says nothing; the more, the surer. “850 of the 400 needed” is more than enough. A harmless release seldom gets there by chance.',
  ],
  [
    'Too few different subjects',
    'While only a few subjects have had errors, it may be a trouble of their own, so it waits for more of them.',
  ],
  [
    'Sample ratio',
    'Whether as many subjects are on new as the percentage promises. If not, the two sides may not be comparable.',
  ],
  ['p75, p95', '75 or 95 of 100 are at most as slow as this.'],
  ['over 5m, over stage', 'The time that counts: the last 5 minutes, or all of the stage so far.'],
  ['1.3x legacy', '1.3 times as much as legacy has.'],
];
