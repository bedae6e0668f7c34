// What the demo shows, once a second: the rollout as the API tells it, and what visitors have met.
const EVERY_MS = 1_000;
/** Among so many entries is the one that made a state, unless somebody writes many notes. */
const ENTRIES = 20;

/**
 * Calls `onLook(seen)` after each look until closed. A look that fails leaves what it could not see as it
 * was, the visitors' counts too: where the worker is gone, it ends, and cuts their requests itself.
 */
export function watch(site, visitors, onLook) {
  const totals = { failed: 0, rescued: 0, unanswered: 0, reports: 0 };
  let last = performance.now(),
    seen = {},
    isClosed = false,
    timer;

  async function look() {
    const path = `rollouts/${site.key}`;
    const history = () => site.ask('GET', `${path}/history?limit=${ENTRIES}`);
    const [rollout, entries, metrics] = await Promise.all([
      site.ask('GET', path),
      history(),
      site.ask('GET', `${path}/metrics?since=1m`),
    ]).catch(() => []);
    const entry = rollout && (await entryOf(rollout, entries, history).catch(() => null));
    if (isClosed) return;
    if (!rollout || entry === null) return onLook((seen = { ...seen, isFresh: false }));
    const counts = visitors.take(),
      now = performance.now();
    const seconds = (now - last) / 1_000;
    last = now;
    for (const name of Object.keys(totals)) totals[name] += counts[name];
    seen = {
      rollout,
      entry,
      isFresh: true,
      errorRate: { new: errorRate(metrics, 'new'), legacy: errorRate(metrics, 'legacy') },
      perSecond: { new: counts.new / seconds, legacy: (counts.legacy + counts.rescued) / seconds },
      totals: { ...totals },
    };
    onLook(seen);
  }

  const next = () => {
    timer = setTimeout(() => look().finally(() => isClosed || next()), EVERY_MS);
  };
  next();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

/**
 * The change that made this state. The state may be younger than entries that were asked for at the same
 * time: then they are asked for once more. A note or a tick makes a revision, but not what is shown.
 */
export async function entryOf({ state }, page, again) {
  const isThere = page.entries.some(({ revision }) => revision >= state.revision);
  const { entries, explanations = [] } = isThere || state.revision === 0 ? page : await again();
  const past = entries.filter(({ revision }) => revision <= state.revision);
  const entry = past.find(({ command }) => !['note', 'approve'].includes(command.command)) ?? past[0];
  return entry && { ...entry, ...explanations.find(({ revision }) => revision === entry.revision) };
}

/** The share of a side's requests that failed; `undefined` where it had none. */
function errorRate({ windows }, variant) {
  const sides = windows
    .flatMap((window) => window.sides)
    .filter((side) => side.variant === variant && side.endpoint === undefined);
  const sum = (field) => sides.reduce((total, side) => total + side[field], 0);
  return sum('requests') > 0 ? sum('errors') / sum('requests') : undefined;
}

/** The guardrail that says most: one that has come true, else the comparison that is nearest to it. */
export function mostTelling({ guardrails }) {
  const near = ({ verdict, figures = [] }) => Math.max(verdict === 'fail' ? 1 : -1, ...figures.map(closeness));
  const [first] = guardrails
    .map((guardrail) => ({ ...guardrail, near: near(guardrail) }))
    .sort((a, b) => b.near - a.near);
  return first ?? { when: 'the plan has no guardrail', text: '', near: -1 };
}

/** How far evidence is on its way to its decision, from 0 to 1; it grows by factors. */
function closeness({ e_value: value, e_needed: needed }) {
  if (needed === undefined) return -1;
  if (value === null) return 1;
  return Math.min(1, Math.max(0, Math.log(value) / Math.log(needed)));
}
