// A plan as `tidegate compile` prints it, in front of frontends at these addresses.
import { execFileSync } from 'node:child_process';
import { COMMAND } from '../command.mjs';

export function compiledPlan(file, legacy, next) {
  const { rollouts } = JSON.parse(compile(file));
  const proxied = rollouts.filter((rollout) => rollout.upstreams);
  if (proxied.length === 0) throw new Error(`${file} has no rollout with upstreams`);
  for (const { upstreams } of proxied) Object.assign(upstreams, { legacy, new: next });
  return rollouts;
}

function compile(file) {
  try {
    return execFileSync(COMMAND, ['compile', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  } catch (error) {
    throw new Error(`tidegate compile ${file} failed (${error.status ?? error.code})`);
  }
}
