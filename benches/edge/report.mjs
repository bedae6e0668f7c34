// Figures out of rounds, and the page that shows them.

export const GOAL_RATIO = 1.1;

export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export const median = (values) => quantile(values, 0.5);

/** The figures of one worker; `base` is the pass-through's CPU in each round. */
function figures(title, mine, base) {
  const ratios = mine.map(({ cpu }, round) => cpu / base[round]);
  return {
    worker: title,
    cpu_us: median(mine.map(({ cpu }) => cpu)),
    requests_per_second: 1e6 / median(mine.map(({ time }) => time)),
    ratio: median(ratios),
    ratio_quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    ratio_range: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** `rounds` is `{ name: [{ cpu, time }] }`, µs per request. */
export function summarise(workers, rounds, { requests, kv }) {
  const base = rounds.pass.map(({ cpu }, round) => (cpu + rounds.control[round].cpu) / 2);
  const rows = Object.entries(rounds).map(([name, mine]) => ({ name, ...figures(workers[name].title, mine, base) }));
  const tidegate = rows.find(({ name }) => name === 'tidegate');
  return {
    rounds: rounds.pass.length,
    requests_per_round: requests,
    kv,
    workers: rows,
    goal: {
      ratio_max: GOAL_RATIO,
      ratio: tidegate?.ratio ?? null,
      met: tidegate ? tidegate.ratio <= GOAL_RATIO : null,
    },
  };
}

const span = ([low, high]) => `${low.toFixed(2)}-${high.toFixed(2)}`;

export function show({ rounds, requests_per_round: requests, kv, workers, goal }) {
  const lines = [
    `CPU in workerd per proxied request: ${rounds} rounds of ${requests} requests each, ratios to the\nmean of the two pass-throughs of the same round`,
    '',
    `${''.padEnd(22)}${'µs CPU'.padStart(8)}${'req/s'.padStart(8)}${'ratio'.padStart(8)}   middle half   all rounds`,
    ...workers.map(
      (row) =>
        `${row.worker.padEnd(22)}${row.cpu_us.toFixed(0).padStart(8)}${row.requests_per_second.toFixed(0).padStart(8)}` +
        `${`${row.ratio.toFixed(2)}x`.padStart(8)}   ${span(row.ratio_quartiles).padEnd(11)}   ${span(row.ratio_range)}`,
    ),
    '',
    'The two pass-throughs are the same worker: how far apart they are is the noise of this machine.',
    kv === 'inside'
      ? "KV is Miniflare's, in the same workerd: who reads it pays for both ends."
      : "KV is a server outside of workerd: who reads it pays for the client's end only.",
    goal.ratio === null
      ? `CPU/request: Tidegate was not measured (goal: at most ${goal.ratio_max.toFixed(2)}x of the pass-through)`
      : `CPU/request: ${goal.ratio.toFixed(2)}x of the pass-through; goal: at most ${goal.ratio_max.toFixed(2)}x: ${goal.met ? 'met' : 'MISSED'}`,
  ];
  return lines.join('\n');
}
