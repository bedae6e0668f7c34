// What may befall the new shop, by key. Its files under /assets/ are spared by the errors, since no legacy
// has files of these names: who gets one in twenty of them instead sees it.
export const FAULTS = {
  e: { name: 'errors', what: 'one page or call in twenty fails', switches: { rate: 0.05, spared: '/assets/' } },
  l: { name: 'latency', what: 'every answer takes a second', switches: { delayMs: 1_000 } },
  p: { name: 'late pictures', what: 'what a page is about appears 3 s late', switches: { lcpMs: 3_000 } },
  j: { name: 'JavaScript errors', what: 'one page in ten carries a script that throws', switches: { jsErrors: 0.1 } },
  o: { name: 'outage', what: 'it does not answer', switches: { off: true } },
};
