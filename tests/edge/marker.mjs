// An event to wait for in place of a time: an isolate sends its counts in the order in which it took them,
// so once the marker's request is counted, whatever was counted before it is too.
import { operator } from './control.mjs';
import { until } from './harness.mjs';
import { ANA, plan } from './plans.mjs';

/** @import { Site } from './plans.mjs' */

/**
 * The rollout of the marker, to be started beside those that are looked at.
 * @param {Site} legacy
 * @param {Site} next
 */
export const marker = (legacy, next) => plan(legacy, next, { key: 'marker', routes: ['/marker/*'], defaults: 'none' });

/**
 * Sends one request of the marker, which flags count as well, and waits until it is counted.
 * @param {import('./control.mjs').Gate} gate
 */
export async function settled(gate) {
  const earlier = await requests(gate);
  // Again only where the isolate has yet to learn that the marker is started.
  await until(
    async () => (await gate.fetch('/marker/page', { headers: ANA })).get('tidegate-reason') === 'bucketed',
    () => 'the marker to run',
  );
  await until(
    async () => (await requests(gate)) > earlier,
    () => 'the marker to be counted',
  );
}

/** @param {import('./control.mjs').Gate} gate */
async function requests(gate) {
  const { windows } = (await operator(gate).get('rollouts/marker/metrics')).body;
  return windows.flatMap(({ sides }) => sides).reduce((sum, side) => sum + side.requests, 0);
}
