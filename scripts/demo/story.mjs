// The demo's story: the rollout starts, advances to 100 %, the new shop breaks, a guardrail rolls back.
// Whatever somebody does to it meanwhile, in the console or in a terminal, is part of it: it waits where
// they hold it, and goes on when they let it.
import { FAULTS } from './faults.mjs';

const STEPS = [1, 10, 25, 50, 100];
const ADVANCES_MS_MAX = 180_000;
const CALM_MS = 12_000;
const NOTICED_MS_MAX = 60_000;
/** For how long a script waits for whoever has touched it. */
const TOUCHED_MS_MAX = 900_000;
const FAULT = FAULTS.e;

/**
 * Tells it on `site`. `nextLook` is what to call for the next look; `breakNew(fault)` breaks the new shop.
 * `isOver()` ends it, because somebody at the keyboard has taken over. Resolves with the guardrail's
 * history entry, or with `undefined` where it was ended. Where it `isStrict`, as a script wants it, it
 * throws if it does not come to pass; else it waits.
 */
export async function tell({ site, nextLook, breakNew, isOver, isStrict = true }) {
  await begin(site);
  const stages = new Set(),
    begun = performance.now();
  let last = begun,
    deadline = begun + ADVANCES_MS_MAX,
    calmSince,
    isBroken = false,
    isTouched = false;

  while (!isOver()) {
    const { rollout, entry } = await nextLook();
    if (isOver()) break;
    const {
      state: { phase, killed },
      percentage,
    } = rollout;
    const now = performance.now(),
      isMoving = phase === 'running' && !killed;
    isTouched ||= isByHand(site, entry);
    stages.add(percentage);
    if (phase === 'rolled_back' && entry?.actor === 'guardrail') {
      if (isBroken) return entry;
      if (isStrict && !isTouched) throw new Error(`it was rolled back before its time: ${entry.reason}`);
    }
    // Nothing is late while somebody holds it.
    if (!isMoving) deadline += now - last;
    calmSince = isMoving && percentage === 100 ? (calmSince ?? now) : undefined;
    last = now;
    if (!isBroken && now - calmSince > CALM_MS) {
      const missed = STEPS.filter((step) => !stages.has(step));
      if (isStrict && !isTouched && missed.length > 0) throw new Error(`it was never seen at ${missed.join(', ')} %`);
      breakNew(FAULT);
      isBroken = true;
      deadline = now + NOTICED_MS_MAX;
    }
    if (isStrict && now > (isTouched ? begun + TOUCHED_MS_MAX : deadline)) throw new Error(late(rollout, isBroken));
  }
  return undefined;
}

/** Starts it, unless somebody was faster. */
async function begin(site) {
  const { state } = await site.ask('GET', `rollouts/${site.key}`);
  if (state.phase !== 'draft' || state.killed) return;
  await site.command({ command: 'start', reason: 'make demo' }).catch(async (error) => {
    const {
      state: { phase },
    } = await site.ask('GET', `rollouts/${site.key}`);
    if (phase === 'draft') throw error;
  });
}

/** Whether somebody has given the command of an entry, and not the demo itself. */
export const isByHand = (site, entry) =>
  entry !== undefined &&
  !site.isOwn(entry.revision) &&
  !['guardrail', 'schedule'].includes(entry.actor) &&
  entry.command.command !== 'apply';

function late({ state, percentage, blocked }, isBroken) {
  const what = isBroken ? 'a rollback by a guardrail' : '100 %';
  return `${what} did not come in time: it is ${state.killed ? 'killed' : state.phase} at ${percentage} %, ${blocked.map(({ text }) => text).join('; ') || 'with nothing in its way'}`;
}

/** Mends the new shop and sends the rollout on its way again, from its first stage. */
export async function startOver(site) {
  site.next.fail({});
  const reason = 'Start over';
  let rollout = await site.ask('GET', `rollouts/${site.key}`);
  if (rollout.state.killed) ({ rollout } = await site.command({ command: 'revive', reason }));
  if (rollout.state.phase === 'draft') return site.command({ command: 'start', reason });
  if (rollout.state.phase !== 'rolled_back') ({ rollout } = await site.command({ command: 'rollback', reason }));
  for (const { item, approved } of rollout.checklist?.items ?? []) {
    if (!approved) await site.command({ command: 'approve', item, reason });
  }
  return site.command({ command: 'resume', reason });
}
