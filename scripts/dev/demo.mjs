// The demo's plan as `tidegate compile` prints it, in front of frontends at these addresses.
import { execFileSync } from 'node:child_process';

export function demoPlans(legacy, next) {
  const { rollouts } = JSON.parse(compile());
  const proxied = rollouts.filter((rollout) => rollout.upstreams);
  if (proxied.length === 0) throw new Error('plans/demo.toml has no rollout with upstreams');
  for (const { upstreams } of proxied) Object.assign(upstreams, { legacy, new: next });
  return rollouts;
}

function compile() {
  try {
    return execFileSync('target/release/tidegate', ['compile', 'plans/demo.toml'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    throw new Error(`tidegate compile plans/demo.toml failed (${error.status ?? error.code})`);
  }
}
