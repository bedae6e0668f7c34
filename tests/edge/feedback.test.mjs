// What people write when they go back to legacy: it comes to the channels of the plan, counts as a signal, and stands
// nowhere else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { granted, openControlled, operator } from './control.mjs';
import { TOKENS, until } from './harness.mjs';
import { ANA, DOCUMENT, plan } from './plans.mjs';
import { startReceiver } from './receivers.mjs';
import { startUpstream } from './upstream.mjs';

const WORDS = 'It is <b>slow</b>, and *the* cart\nis <!channel> empty';

let legacy, next, chat, gate, ana;
before(async () => {
  [legacy, next, chat] = await Promise.all([startUpstream('legacy'), startUpstream('new'), startReceiver()]);
  const shop = plan(legacy, next, {
    choice: 'both',
    feedback: ['chat'],
    channels: { chat: { slack: 'secret:CHAT_URL' } },
    signals: { opt_out: { kind: 'count' }, opt_in: { kind: 'count' }, too_slow: { kind: 'count' } },
    guardrail: [{ when: 'opt_out_rate > 2% over 1h', then: 'alert' }],
  });
  gate = await openControlled([shop], { percentage: 100, bindings: { CHAT_URL: `${chat.url}/services/T0/B0/x` } });
  ana = operator(gate);
  await until(
    async () => (await gate.fetch('/warm', { headers: ANA })).get('tidegate-variant') === 'new',
    () => 'the rollout to run',
  );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy, next, chat].map((one) => one?.close()));
});

/** Goes back to legacy as the form does that `docs/request-path.md` shows; the cookie of the choice. */
async function leave(word, address) {
  const body = new URLSearchParams({ rollout: 'shop', side: 'legacy', to: '/cart', word }).toString();
  const answer = await gate.fetch('/_tidegate/choose', {
    method: 'POST',
    headers: {
      'Sec-Fetch-Site': 'same-origin',
      'Content-Type': 'application/x-www-form-urlencoded',
      'CF-Connecting-IP': address,
    },
    body,
  });
  assert.deepEqual([answer.status, answer.get('location')], [303, '/cart']);
  return answer.get('set-cookie').split(';')[0];
}

const got = (text) => chat.got.filter(({ body }) => JSON.stringify(body).includes(text));
const signals = async () =>
  Object.fromEntries((await ana.rollout('shop')).signals.map(({ name, counted }) => [name, counted]));

test('a word comes to the channel once, on one line and escaped, and counts as a signal', async () => {
  await leave(WORDS, '192.0.2.1');
  const [message] = await until(
    () => got('somebody went back to the old version').length > 0 && got('somebody went back to the old version'),
    () => `the message, among ${JSON.stringify(chat.got)}`,
  );
  const text = JSON.stringify(message.body);
  assert.match(text, /&lt;b&gt;slow&lt;\/b&gt;/, 'what would be markup is escaped');
  assert.doesNotMatch(text, /<!channel>/);
  await until(
    async () => (await signals()).opt_out === 1,
    () => 'one opt-out',
  );
  // A reason that is a signal of the plan is no message.
  await leave('too_slow', '192.0.2.2');
  await until(
    async () => (await signals()).too_slow === 1,
    () => 'the reason to count',
  );
  assert.equal((await signals()).opt_out, 2, 'both of them went back');
  assert.equal(got('too_slow').length, 0);
  const { messages } = granted(await ana.get('outbox?state=waiting,dead,sent&limit=100'));
  assert.equal(messages.filter((own) => JSON.stringify(own).includes('went back to the old version')).length, 1);
  const elsewhere = JSON.stringify([await ana.rollout('shop'), await ana.history('shop')]);
  assert.ok(!elsewhere.includes('cart'), 'it stands nowhere else');
});

test('the share of users who went back is in the figures and in Prometheus', async () => {
  const cookie = await leave('', '192.0.2.3');
  for (let n = 0; n < 10; n += 1) {
    const headers = { ...DOCUMENT, 'x-user-id': `user-${n}`, ...(n < 2 && { Cookie: cookie }) };
    const answer = await gate.fetch('/page', { headers });
    assert.equal(answer.get('tidegate-variant'), n < 2 ? 'legacy' : 'new');
  }
  const windows = async () => granted(await ana.get('rollouts/shop/metrics')).windows;
  await until(
    async () => (await windows()).some(({ opt_out_rate: rate }) => rate > 0.1 && rate < 0.4),
    () => 'two of ten users who went back',
  );
  const { text } = await gate.fetch('/_tidegate/metrics', { headers: { authorization: `Bearer ${TOKENS.vic}` } });
  const rate = Number(/^tidegate_opt_out_rate\{rollout="shop"\} (\S+)$/m.exec(text)?.[1]);
  assert.ok(rate > 0.1 && rate < 0.4, `${rate} of the day's users`);
});
