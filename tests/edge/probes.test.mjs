// Probes, hooks and verification in real workerd: real frontends are asked, a real receiver is sent what is signed, and
// the public site is looked at from outside.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { operator } from './control.mjs';
import { openGate, until } from './harness.mjs';
import { startOutside } from './outside.mjs';
import { plan } from './plans.mjs';
import { startReceiver } from './receivers.mjs';
import { startUpstream } from './upstream.mjs';

const KEY = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const LONG_MS = 120_000;

let legacy, next, hook, gate, outside, ana;
/** What the hook says. */
let says = { answer: 'wait', after: '5s', reason: 'the load test runs' };

before(async () => {
  [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  hook = await startReceiver((response, got) => {
    const body = JSON.stringify(got.body);
    new Webhook(KEY).verify(body, /** @type {Record<string, string>} */ (got.headers));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(says));
  });
  // The way to the public site from outside, known before the gate is.
  outside = await startOutside(() => gate.plainOrigin);
  gate = await openGate({
    bindings: { HOOK_URL: hook.url, HOOK_KEY: KEY, PUBLIC_ORIGIN: outside.origin },
  });
  ana = operator(gate);
});
after(async () => {
  await gate?.close();
  outside?.close();
  await Promise.all([legacy?.close(), next?.close(), hook?.close()]);
});

test('probes ask both frontends, a hook holds the step, and a kill is verified from outside', async () => {
  next.handle('/login', { headers: [['Content-Type', 'text/html']], body: '<title>Sign in</title>' });
  legacy.handle('/login', { status: 503, body: 'down' });
  const probed = {
    ...plan(legacy, next),
    defaults: 'none',
    stage: [
      { name: 'canary', percentage: 10, hold: '1s', gates: ['probe.login > 99% over stage'] },
      { name: 'full', percentage: 100, hold: '1h' },
    ],
    probe: [{ path: '/login', on: ['new', 'legacy'], every: '10s', expect: { contains: 'Sign in', under: '5s' } }],
    hook: [{ at: 'before full', webhook: 'secret:HOOK_URL', signing_secret: 'secret:HOOK_KEY' }],
  };
  await ana.apply([JSON.parse(JSON.stringify(probed))]);
  await ana.orders('shop', 'start');

  const shown = await until(
    async () => {
      const rollout = await ana.rollout('shop');
      const [onNew, onLegacy] = rollout.probes;
      return onNew.passed === 1 && onLegacy.failure && rollout;
    },
    () => 'both probes to be answered',
    LONG_MS,
  );
  assert.equal(shown.probes[1].failure, 'it answers 503, and 200 is expected');
  const asked = next.received.find(({ path }) => path === '/login');
  assert.equal(asked.get('tidegate-variant'), 'new');

  const waiting = await until(
    async () => {
      const { blocked } = await ana.rollout('shop');
      return blocked.find(({ by, text }) => by === 'hook' && /says wait/.test(text));
    },
    () => 'the hook to be asked',
    LONG_MS,
  );
  assert.equal(waiting.text, 'the hook `before full` says wait: the load test runs');
  const [first] = hook.got;
  assert.equal(first.body.type, 'dev.tidegate.rollout.hook');
  assert.equal(first.body.data.hook, 'before full');
  assert.equal(first.headers['webhook-id'], first.body.id);

  says = { answer: 'go', after: '5s', reason: '' };
  await until(
    async () => (await ana.rollout('shop')).state.stage === 'full',
    () => 'the step to be taken',
    LONG_MS,
  );

  await ana.orders('shop', 'kill');
  const verified = await until(
    async () => {
      await gate.fetch('/page', { headers: { 'x-user-id': 'ana' } });
      const { body } = await ana.get('rollouts/shop/messages');
      return body.messages.find(({ kind }) => kind === 'verification');
    },
    () => 'the kill to be verified',
    LONG_MS + 60_000,
  );
  assert.match(verified.text, /^verified: .*a new visitor gets legacy \(killed\), status 200/);
  assert.match(verified.text, /isolate/);
});
