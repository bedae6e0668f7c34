// A rollout's life on this machine, without an account: the worker and both sample shops, a thousand
// visitors with browsers of sorts, and a plan of two minutes that starts by itself. At 100 % the new shop
// breaks, unless somebody breaks it earlier by a key. What is done to it in the console or in a terminal is
// part of the story, and only `q` ends it. In the environment: PORT (8787), TIDEGATE_TOKEN; VISITORS, RATE
// (page views a second). DEMO_STORY=1, `--story`, or no terminal: it tells the story as lines and ends, with
// 0 only if all of it came to pass.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FAULTS } from './demo/faults.mjs';
import { block, heading, painter, sentence } from './demo/screen.mjs';
import { startOver, tell } from './demo/story.mjs';
import { mostTelling, watch } from './demo/watch.mjs';
import { portOf, site, token } from './dev/site.mjs';
import { openVisitors } from './dev/visitors.mjs';

const STATE = '.wrangler/demo';
const { TIDEGATE_TOKEN, VISITORS = '1000', RATE = '60', DEMO_STORY, NO_COLOR } = process.env;
const isStory =
  Boolean(DEMO_STORY) || process.argv.includes('--story') || !process.stdout.isTTY || !process.stdin.isTTY;
const LINE_EVERY_LOOKS = 5;
/** So that the link that signs in fits a line of 80. */
const TOKEN_BYTES = 16;
/** First everything is cold, which says nothing about either side. */
const WARM_UP_MS = 5_000;

const looks = new EventTarget();
let here,
  visitors,
  watching,
  seen,
  fault,
  note = 'Starting…',
  isTaken = false,
  isStopping = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(isStory ? 1 : 0));
run().catch((error) => stop(1, error.message));

async function run() {
  const port = portOf(process.env);
  console.log('The worker and two shops are starting…');
  here = site({
    port,
    plan: 'scripts/demo/plan.toml',
    reason: 'make demo',
    tokens: { operator: token(TIDEGATE_TOKEN, TOKEN_BYTES), viewer: token() },
    state: STATE,
    isFresh: true,
    command: 'make demo',
    log: 'worker.log',
  });
  await here.start();
  console.log(heading(here));
  visitors = openVisitors({ port, visitors: Number(VISITORS), rate: Number(RATE) });
  const paint = painter(process.stdout, { hasColour: !NO_COLOR });
  const show = isStory ? lines() : () => paint(block(seen, { fault, note: noteOf(seen) }));
  watching = watch(here, visitors, (look) => {
    seen = look;
    if (seen.rollout) show();
    looks.dispatchEvent(new Event('look'));
  });
  if (!isStory) listen(show);
  note = 'It goes to 100 % by itself. Then the new shop breaks, unless you break it before.';
  await sleep(WARM_UP_MS);
  const entry = await tell({
    site: here,
    nextLook,
    breakNew,
    isOver: () => isTaken || isStopping,
    isStrict: isStory,
  }).catch((error) => {
    if (isStory) throw error;
    note = error.message;
  });
  if (isStory && entry) stop(seen.totals.failed + seen.totals.unanswered > 0 ? 1 : 0, ending(entry));
  if (!isStory && entry) note = 'Break the new shop by a key, or look around in the console.';
}

/** What was done last, but for what anybody may do, which is seen in the state. */
function noteOf({ rollout: { key, state }, entry }) {
  if (state.killed)
    return `Killed: all traffic is on legacy. Revive it in the console, by \`tidegate revive ${key}\`, or start over (s).`;
  const reported = {
    rolled_back:
      entry?.actor === 'guardrail'
        ? 'See in the console why it was rolled back, mend the new shop (h), start over (s).'
        : `Rolled back by hand. Resume it in the console or by \`tidegate resume ${key}\` (its checklist comes first), or start over (s).`,
    paused: `Held by hand. Resume it in the console, by \`tidegate resume ${key}\`, or start over (s).`,
    completed: 'Completed by hand: 100 % on new. Start over (s), or roll it back.',
  };
  return reported[state.phase] ?? note;
}

async function nextLook() {
  do await once(looks, 'look');
  while (!seen.rollout);
  return seen;
}

function breakNew(next) {
  fault = next;
  here.next.fail(next?.switches ?? {});
  note = next ? `The new shop is broken: ${next.what}.` : 'The new shop is well again.';
  if (isStory) console.log(`\n${note}\n`);
}

/** Without a terminal: a line every few seconds, and one for each entry of the history. */
function lines() {
  let revision,
    count = 0;
  return () => {
    const { rollout, entry, perSecond, totals } = seen;
    if (entry && entry.revision !== revision) console.log(`→ ${rollout.percentage} %  ${sentence(entry)}`);
    revision = entry?.revision;
    if (count++ % LINE_EVERY_LOOKS > 0) return;
    const telling = mostTelling(rollout);
    console.log(
      `  ${rollout.state.phase} ${rollout.percentage} %  new ${Math.round(perSecond.new)}/s legacy ${Math.round(perSecond.legacy)}/s  errors seen ${totals.failed + totals.unanswered} rescued ${totals.rescued}  ${telling.text}`,
    );
  };
}

function ending({ reason, figures = [] }) {
  const { failed, unanswered, rescued } = seen.totals;
  return `\nRolled back: ${reason}\n${figures.map((figure) => `  · ${figure}\n`).join('')}Errors that visitors saw: ${failed + unanswered}; pages that legacy gave in new's place: ${rescued}.`;
}

/** What the keys do. */
function listen(show) {
  const act = async (key) => {
    if (key === 'q' || key === '\u0003') return stop(0);
    if (FAULTS[key] || key === 'h') {
      isTaken = true;
      breakNew(FAULTS[key]);
    } else if (key === 's') {
      isTaken = true;
      const problem = await startOver(here).then(
        () => undefined,
        (error) => error.message,
      );
      breakNew(undefined);
      note = problem ?? 'A new attempt has begun.';
    } else {
      return undefined;
    }
    if (seen?.rollout) show();
  };
  process.stdin.setRawMode(true).setEncoding('utf8').on('data', act).resume();
}

async function stop(code, words) {
  if (isStopping) return;
  isStopping = true;
  watching?.close();
  visitors?.close();
  if (words) (code === 0 ? console.log : console.error)(words);
  await here?.close();
  process.exit(code);
}
