// The demo's story: the rollout starts, advances to 100 %, the new shop breaks, a guardrail rolls back.
import { FAULTS } from './faults.mjs';

const STEPS = [1, 10, 25, 50, 100];
const ADVANCES_MS_MAX = 180_000;
const CALM_MS = 12_000;
const NOTICED_MS_MAX = 60_000;
const FAULT = FAULTS.e;

/**
 * Tells it on `site`. `looks` is what to call for the next look; `breakNew(fault)` breaks the new shop.
 * `isOver()` ends it, because somebody at the keyboard has taken over. Resolves with the guardrail's
 * history entry, or with `undefined` where it was ended; throws where it does not come to pass.
 */
export async function tell({ site, nextLook, breakNew, isOver }) {
  await site.command({ command: 'start', reason: 'make demo' });
  const stages = new Set();
  const isAt = ({ rollout }) => stages.add(rollout.percentage) && rollout.percentage === 100;
  if (!await comes(isAt, ADVANCES_MS_MAX, '100 %')) return undefined;
  const missed = STEPS.filter((step) => !stages.has(step));
  if (missed.length > 0) throw new Error(`it was never seen at ${missed.join(', ')} %`);

  const calmUntil = performance.now() + CALM_MS;
  if (!await comes(() => performance.now() > calmUntil, CALM_MS * 2, 'a calm look')) return undefined;
  breakNew(FAULT);
  const isBack = ({ rollout, entry }) => rollout.state.phase === 'rolled_back' && entry.actor === 'guardrail' && entry;
  return comes(isBack, NOTICED_MS_MAX, 'a rollback by a guardrail');

  /** Looks until `holds`, and resolves with what it returned. */
  async function comes(holds, withinMs, what) {
    const deadline = performance.now() + withinMs;
    while (!isOver()) {
      const seen = await nextLook();
      const found = !isOver() && holds(seen);
      if (found) return found;
      if (seen.rollout.state.phase === 'rolled_back') throw new Error(`it was rolled back before its time: ${seen.entry.reason}`);
      if (performance.now() > deadline) throw new Error(`${what} did not come within ${withinMs / 1_000} s: it is ${seen.rollout.state.phase} at ${seen.rollout.percentage} %, ${seen.rollout.blocked.map(({ text }) => text).join('; ') || 'with nothing in its way'}`);
    }
    return undefined;
  }
}

/** Mends the new shop and sends the rollout on its way again, from its first stage. */
export async function startOver(site) {
  site.next.fail({});
  const reason = 'Start over';
  let rollout = await site.ask('GET', `rollouts/${site.key}`);
  if (rollout.state.phase === 'draft') return site.command({ command: 'start', reason });
  if (rollout.state.killed) await site.command({ command: 'revive', reason });
  if (rollout.state.phase !== 'rolled_back') rollout = (await site.command({ command: 'rollback', reason })).rollout;
  for (const { item, approved } of rollout.checklist?.items ?? []) {
    if (!approved) await site.command({ command: 'approve', item, reason });
  }
  return site.command({ command: 'resume', reason });
}
