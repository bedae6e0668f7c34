// The plans of the deployment.
import { request } from '../net/api.js';

/** Fetches them. → `{ plans }` or `{ problem }` */
export async function fetchDeployed() {
  const { ok, body, problem } = await request('GET', 'plans');
  return ok ? { plans: body.rollouts } : { problem };
}

/** The one with this key, with those that it waits for or requires, without which it is none. */
export function deployedText(plans, key) {
  const wanted = [key];
  for (const next of wanted) {
    const plan = plans.find((own) => own.key === next);
    for (const other of [...(plan?.after ?? []), ...(plan?.requires ?? [])])
      if (!wanted.includes(other)) wanted.push(other);
  }
  return JSON.stringify({ v: 1, revision: 1, rollouts: plans.filter((plan) => wanted.includes(plan.key)) }, null, 2);
}
