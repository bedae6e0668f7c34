// Figures out of rounds, and the page that shows them.

/** What the design asks for: of documents, of whole page views, and of the floor in JavaScript. */
export const GOALS = { documents: 1.35, views: 1.2, floor: 1.1 };

export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export const median = (values) => quantile(values, 0.5);

/** How often `values` are as much as `base`, round by round: the median and the middle half. */
function ratioTo(base, values) {
  const ratios = values.map((value, round) => value / base[round]);
  return { ratio: median(ratios), quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)] };
}

/** `rounds` is `{ name: [{ cpu, time }] }`, µs per request; `title` says what the requests were. */
export function summarise(workers, kind, rounds, requests) {
  const cpu = (name) => rounds[name].map((round) => round.cpu);
  const control = cpu('control');
  const base = cpu('pass').map((one, round) => (one + control[round]) / 2);
  const rows = Object.keys(rounds).map((name) => ({
    name,
    worker: workers[name].title,
    cpu_us: median(cpu(name)),
    cpu_us_min: Math.min(...cpu(name)),
    requests_per_second: 1e6 / median(rounds[name].map(({ time }) => time)),
    latency_ms: ['half', 'most'].map((what) => median(rounds[name].map((round) => round[what])) / 1e3),
    ...ratioTo(base, cpu(name)),
    to_floor: rounds.floor && ratioTo(cpu('floor'), cpu(name)),
  }));
  return { kind, rounds: base.length, requests_per_round: requests, workers: rows };
}

const span = ([low, high]) => `${low.toFixed(2)}-${high.toFixed(2)}`;

const TITLES = {
  documents: 'documents alone',
  views: 'page views: a document, twenty files, five calls of an API',
};

export function show({ kind, rounds, requests_per_round: requests, workers }) {
  const goal = (name, is, max) =>
    `${name}: ${is.toFixed(2)}; goal: at most ${max.toFixed(2)}: ${is <= max ? 'met' : 'MISSED'}`;
  const tidegate = workers.find(({ name }) => name === 'tidegate');
  return [
    `CPU in workerd per request, ${TITLES[kind]}; ${rounds} rounds of ${requests} requests each`,
    '',
    `${''.padEnd(22)}${'µs CPU'.padStart(8)}${'least'.padStart(8)}${'req/s'.padStart(8)}${'p50 ms'.padStart(8)}${'p99 ms'.padStart(8)}${'x pass'.padStart(8)}   middle half${'x floor'.padStart(10)}   middle half`,
    ...workers.map(
      (row) =>
        `${row.worker.padEnd(22)}${row.cpu_us.toFixed(0).padStart(8)}${row.cpu_us_min.toFixed(0).padStart(8)}${row.requests_per_second.toFixed(0).padStart(8)}${row.latency_ms.map((ms) => ms.toFixed(1).padStart(8)).join('')}` +
        `${row.ratio.toFixed(2).padStart(8)}   ${span(row.quartiles).padEnd(11)}` +
        (row.to_floor ? `${row.to_floor.ratio.toFixed(2).padStart(10)}   ${span(row.to_floor.quartiles)}` : ''),
    ),
    ...(tidegate ? ['', goal('Tidegate to the pass-through', tidegate.ratio, GOALS[kind])] : []),
    ...(tidegate?.to_floor ? [goal('Tidegate to the floor', tidegate.to_floor.ratio, GOALS.floor)] : []),
  ].join('\n');
}
