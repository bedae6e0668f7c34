// The version of new as a file says it, in real workerd: the controller asks for its ETag by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const LONG_MS = 180_000;

let legacy, next, gate, ana;

before(async () => {
  [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  gate = await openGate();
  ana = operator(gate);
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

test('the ETag of a file is a version, which the controller asks for by itself', async () => {
  let tag = '"build-7"';
  next.handle('/version.json', () => ({
    headers: [
      ['Content-Type', 'application/json'],
      ['ETag', tag],
    ],
    body: '{}',
  }));
  const own = {
    ...plan(legacy, next, { upstreams: { new: { url: next.url, version: 'etag of /version.json' } } }),
    key: 'etag',
    defaults: 'none',
    stage: [{ name: 'half', percentage: 50, hold: '1h' }],
  };
  await ana.apply(gate.compiled([own]));
  const seen = (version) =>
    until(
      async () => (await ana.rollout('etag')).state.version === version,
      () => `${version} to be noted`,
      LONG_MS,
    );
  await ana.orders('etag', 'start');
  await seen('build-7');
  const request = next.seen('/version.json')[0];
  assert.equal(request.get('tidegate-variant'), 'new');
  tag = 'W/"build-8"';
  await seen('build-8');
  const entries = await ana.history('etag');
  assert.deepEqual(entries.map(({ command }) => command.version).filter(Boolean), ['build-7', 'build-8']);
  next.handle('/version.json', { status: 404, body: 'gone' });
  await until(
    async () => (await ana.rollout('etag')).faults.some(({ message }) => /new's version cannot be read/.test(message)),
    () => 'a fault',
    LONG_MS,
  );
});
