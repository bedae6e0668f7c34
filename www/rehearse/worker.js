// The simulation off the page's thread. A run goes in pieces, between which it listens: it can be
// stopped, and texts are checked meanwhile. Each message has the number of its job.
import init, { check, Rehearsal, summary } from 'build/rehearse/rehearse.js';

/** So long a piece takes: ten of them a second are drawn. */
const PIECE_MS = 80;
const STEPS = 40;

const stopped = new Set();
let ready;

const JOBS = {
  load,
  check: ({ plan, scenario, settings }) => JSON.parse(check(plan, scenario, JSON.stringify(settings))),
  summary: ({ fates }) => JSON.parse(summary(JSON.stringify(fates))),
  run,
  live,
};

self.addEventListener('message', async ({ data: { id, job, ...asked } }) => {
  if (job === 'stop') return stopped.add(asked.of);
  try {
    if (job !== 'load') await ready;
    self.postMessage({ id, answer: (await JOBS[job](asked, id)) ?? null });
  } catch (error) {
    self.postMessage({ id, problem: String(error?.message ?? error) });
  }
});

async function load({ module }) {
  ready = init({ module_or_path: module });
  await ready;
}

/** Lives it through, and sends what is new after each piece. */
async function run({ plan, scenario, settings }, id) {
  const rehearsal = new Rehearsal(plan, scenario, JSON.stringify(settings));
  try {
    for (;;) {
      const progress = piece(rehearsal);
      const news = { progress, tracks: JSON.parse(rehearsal.points()), events: JSON.parse(rehearsal.events()) };
      self.postMessage({ id, news });
      if (progress.over || stopped.delete(id)) return { ...JSON.parse(rehearsal.report()), over: progress.over };
      await turn();
    }
  } finally {
    rehearsal.free();
  }
}

function piece(rehearsal) {
  const end = performance.now() + PIECE_MS;
  let progress;
  do progress = JSON.parse(rehearsal.step(STEPS));
  while (!progress.over && performance.now() < end);
  return progress;
}

/** Lives it through, and answers with its fates alone. */
function live({ plan, scenario, settings }) {
  const rehearsal = new Rehearsal(plan, scenario, JSON.stringify(settings));
  try {
    while (!JSON.parse(rehearsal.step(10_000)).over) rehearsal.points();
    return JSON.parse(rehearsal.report()).fates;
  } finally {
    rehearsal.free();
  }
}

/** Lets messages in. */
const turn = () => new Promise((resolve) => setTimeout(resolve));
