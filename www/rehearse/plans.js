// The plans that the page has by itself, and those of the deployment.
import admin from '../../plans/admin-workbench.toml';
import analytics from '../../plans/analytics-playbook.toml';
import dark from '../../plans/dark-launch.toml';
import demo from '../../plans/demo.toml';
import staged from '../../plans/staged.toml';
import { request } from '../net/api.js';

/** The ready-made ones, under the paths that they have in the project. */
export const READY_MADE = [
  { path: 'plans/demo.toml', title: 'demo: five stages of 30 s', text: demo },
  { path: 'plans/staged.toml', title: 'staged: the general template, four stages in weeks', text: staged },
  { path: 'plans/admin-workbench.toml', title: 'admin-workbench: one page, a careful week', text: admin },
  {
    path: 'plans/analytics-playbook.toml',
    title: 'analytics-playbook: a service and five flags behind it',
    text: analytics,
  },
  { path: 'plans/dark-launch.toml', title: 'dark-launch: eleven flags in five phases', text: dark },
];

/** The plans of the deployment. → `{ plans }` or `{ problem }` */
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
