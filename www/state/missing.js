// What is not measured yet, and how to get it. `{ what, how, code }`.

import { isComparing } from './marks.js';

const BEACON = '<script async src="/_tidegate/beacon.js"></script>';
const VITALS = ['lcp', 'fcp', 'inp', 'cls', 'ttfb'];

export function missingOf({ data, view, measures, cells }) {
  const missing = [];
  const reported = new Set([...measures].filter(([name]) => name !== 'latency').flatMap(([, sides]) => [...sides]));
  for (const side of ['new', 'legacy']) if (cells.some((cell) => cell?.[side]?.pages > 0)) reported.add(side);
  if (data.windows.length > 0) missing.push(...browsers(measures, reported));
  if (data.windows.length > 0 && data.evidence.every(({ of }) => of === 'sample_ratio'))
    missing.push(comparisons(view));
  return missing.filter(Boolean);
}

/** Why there is nothing at all; null where there is something. */
export function emptinessOf({ data, view }) {
  if (!data || data.windows.length > 0) return null;
  if (view?.state.phase === 'draft') return 'No data yet: the rollout has not started, and no requests have arrived.';
  const routes = view?.routes.length > 0 ? ` Its routes: ${view.routes.join(', ')}.` : '';
  return `No requests to this rollout in this period.${routes}`;
}

function browsers(measures, reported) {
  if (reported.size === 0) {
    return [
      {
        what: 'Browser metrics (web vitals, JavaScript errors, timings): no page has reported.',
        how: 'Add the beacon to the pages of both frontends:',
        code: BEACON,
      },
    ];
  }
  const silent = ['new', 'legacy'].find((side) => !reported.has(side));
  if (silent)
    return [
      {
        what: `Browser metrics of ${silent}: no page has reported.`,
        how: `If there are visitors on ${silent}, add the beacon to its pages too:`,
        code: BEACON,
      },
    ];
  const without = VITALS.filter((name) => !measures.has(name)).map((name) => name.toUpperCase());
  return [
    without.length > 0 && {
      what: `${without.join(', ')}: no page has reported it yet.`,
      how: 'INP comes from pages that were used, LCP and CLS when a page is left. Not every browser has all of them.',
    },
    ![...measures.keys()].some((name) => name.startsWith('timing.')) && {
      what: 'Timings of your own.',
      how: 'Report them from a page:',
      code: 'tidegate.time("tti", ms)',
    },
  ];
}

function comparisons(view) {
  if (view?.is_flag) return null;
  if (isComparing(view))
    return { what: 'Sequential test against legacy.', how: 'It runs while there is traffic on new.' };
  return {
    what: 'Sequential test: no guardrail compares with legacy.',
    how: 'Such a guardrail needs no threshold, and detects problems early:',
    code: 'when = "error_rate > legacy"',
  };
}
