// What was measured of the open rollout: the API's answer (`data`), since when it is asked for, and
// which endpoint is looked at. `seen` has each comparison as it was last (`one`) and its evidence over
// time (`points`): the trail that the deployment sends, else what it was whenever somebody looked.
export const initial = { key: null, since: '2h', endpoint: null, data: null, at: null, problem: null, seen: {} };

const MINUTE_MS = 60_000;
const SEEN_MS_MAX = 2 * 3_600_000;

export function reduce(metrics, event) {
  switch (event.type) {
    case 'route':
      return event.key === metrics.key ? metrics : { ...initial, since: metrics.since, key: event.key };
    case 'metrics':
      // What was asked for before the range was changed comes too late.
      if (event.key !== metrics.key || event.since !== metrics.since) return metrics;
      return { ...metrics, data: event.data, at: event.at, problem: null, seen: seenWith(metrics.seen, event.data) };
    case 'noMetrics':
      return event.key === metrics.key ? { ...metrics, problem: event.problem } : metrics;
    case 'chooseSince':
      return { ...metrics, since: event.since };
    case 'chooseEndpoint':
      return { ...metrics, endpoint: event.endpoint };
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, since: metrics.since, key: metrics.key };
    default:
      return metrics;
  }
}

/** Names a comparison: a condition with several terms has one for each. */
export const comparisonOf = ({ of, condition, metric }) => `${of} ${condition} ${metric}`;

/** A trail has for each minute what it came to at its end; the current one's end is now. */
const endOf = (minute, at) => new Date(Math.min(Date.parse(minute) + MINUTE_MS, Date.parse(at))).toISOString();

/** Comparisons that are no longer made stay for a while: what they had come to is why things happened. */
function seenWith(seen, { at, evidence }) {
  const since = Date.parse(at) - SEEN_MS_MAX;
  const isRecent = ([then]) => Date.parse(then) >= since;
  const next = Object.fromEntries(Object.entries(seen).filter(([, { points }]) => isRecent(points.at(-1))));
  for (const one of evidence) {
    const name = comparisonOf(one);
    const known = one.trail?.map(([minute, e_value]) => [endOf(minute, at), e_value]) ?? (next[name]?.points ?? []).filter((point) => point[0] !== at && isRecent(point));
    next[name] = { one, points: [...known, [at, one.e_value]] };
  }
  return next;
}
