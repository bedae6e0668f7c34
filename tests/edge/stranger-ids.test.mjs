// One constant where an id belongs puts everybody who sends it on one side: operators get to see that.
// Unleash/unleash-js-sdk#146, AudiusProject/audius-client#446, statsig-io/docs#3447.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openControlled, operator } from './control.mjs';
import { until } from './harness.mjs';
import { ANA, half } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openControlled([half(legacy, next, { defaults: 'none' })]);
  await until(
    async () => (await gate.fetch('/warm', { headers: ANA })).get('tidegate-variant') === 'new',
    () => 'the rollout to run',
  );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/** Sends requests of these ids, all within one minute. */
async function send(ids) {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < 20_000) await new Promise((resolve) => setTimeout(resolve, left));
  for (let at = 0; at < ids.length; at += 50)
    await Promise.all(ids.slice(at, at + 50).map((id) => gate.fetch('/x', { headers: { 'x-user-id': id } })));
}
const faults = async () => (await operator(gate).rollout('p')).faults;

test('many visitors of their own are no fault', async () => {
  await send(Array.from({ length: 600 }, (_, n) => `user-${n % 60}`));
  await gate.fetch('/x', { headers: ANA });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.deepEqual(await faults(), []);
});

test('an id with an implausible share of the requests is a fault, which does not name it', async () => {
  await send(Array.from({ length: 900 }, (_, n) => (n % 2 === 0 ? 'unbekannt' : `user-${n % 60}`)));
  const found = await until(
    async () => {
      await gate.fetch('/x', { headers: ANA });
      return (await faults()).find(({ subject }) => subject === 'identity/p');
    },
    () => 'the fault to be shown',
  );
  assert.match(found.message, /^one id makes (2\d|3\d|4\d|50) % of the requests of `p`/);
  assert.ok(!found.message.includes('unbekannt'));
});
