// Messages out, in real workerd: they arrive soon, each once, whatever receivers answer and however often workerd dies.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify, stripVTControlCharacters } from 'node:util';
import { chance, newSeed } from './chance.mjs';
import { granted, openControlled, operator } from './control.mjs';
import { CLI, TOKENS, until } from './harness.mjs';
import { plan } from './plans.mjs';
import { answers, hangs, resets, startReceiver, takes } from './receivers.mjs';
import { startUpstream } from './upstream.mjs';

/** As many as fit in about a minute; hundreds of them are in tests/controller/outbox.rs. `CRASHES=100` takes its time. */
const CRASHES = Number(process.env.CRASHES ?? 20);

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
after(() => Promise.all([legacy.close(), next.close()]));

const outbox = async (gate, query = 'state=waiting,dead,sent&limit=1000') =>
  granted(await operator(gate).get(`outbox?${query}`));

test('a guardrail fires, and chat, page and ticket have it within five seconds; the page is resolved after the resume', async () => {
  const [chat, page, tickets] = await Promise.all([
    startReceiver(),
    startReceiver((response, { body }) =>
      response
        .writeHead(202, { 'content-type': 'application/json' })
        .end(JSON.stringify({ status: 'success', dedup_key: body.dedup_key })),
    ),
    startReceiver((response) =>
      response
        .writeHead(201, { 'content-type': 'application/json' })
        .end(JSON.stringify({ id: '10000', key: 'OPS-7' })),
    ),
  ]);
  const shop = plan(legacy, next, {
    roles: { 'on-call': { person: 'ana', tell: ['page'] } },
    signals: { load: { kind: 'gauge' } },
    guardrail: [
      {
        when: 'signal.load > 1',
        then: 'rollback',
        severity: 'critical',
        notify: ['chat', 'on-call', 'tickets'],
      },
    ],
    channels: {
      chat: { slack: 'secret:CHAT_URL' },
      page: { pagerduty: 'secret:PAGE_KEY', url: 'secret:PAGE_URL' },
      tickets: { jira: 'secret:JIRA_URL', user: 'secret:JIRA_USER', token: 'secret:JIRA_TOKEN', project: 'OPS' },
    },
  });
  const bindings = {
    CHAT_URL: `${chat.url}/services/T0/B0/x`,
    PAGE_KEY: 'a'.repeat(32),
    // The whole address, as PagerDuty shows it.
    PAGE_URL: `${page.url}/v2/enqueue`,
    JIRA_URL: tickets.url,
    JIRA_USER: 'ana@example.com',
    JIRA_TOKEN: 'token',
  };
  const gate = await openControlled([shop], { percentage: 10, bindings });
  try {
    const ana = operator(gate);
    const report = async (value) =>
      assert.equal((await ana.ask('POST', 'rollouts/shop/signals', { name: 'load', value })).status, 202);
    await report(2);
    const entry = await until(
      async () => (await ana.history('shop')).find(({ actor }) => actor === 'guardrail'),
      () => 'the guardrail to roll back',
    );
    const arrived = (receiver, test) =>
      until(
        () => receiver.got.find(test),
        () => `${JSON.stringify(receiver.got)} to have it`,
      );
    const got = await Promise.all([
      arrived(chat, ({ body }) => JSON.stringify(body).includes('rolled back')),
      arrived(page, ({ path, body }) => path === '/v2/enqueue' && body.event_action === 'trigger'),
      arrived(tickets, ({ method, path }) => method === 'POST' && /issue$/.test(path)),
    ]);
    for (const { at, path } of got)
      assert.ok(at - Date.parse(entry.at) <= 5_000, `${path}: ${at - Date.parse(entry.at)} ms`);
    const { dedup_key: incident } = got[1].body;
    assert.match(incident, /^tidegate-/);
    assert.equal(page.got.filter(({ body }) => body.event_action === 'resolve').length, 0);
    await report(0);
    await ana.orders('shop', 'resume', { reason: 'it was the cache' });
    const resolved = await arrived(page, ({ body }) => body.event_action === 'resolve');
    assert.equal(resolved.body.dedup_key, incident, 'the page that was opened is the one that is resolved');
    await arrived(tickets, ({ path }) => /OPS-7\/comment$/.test(path));
    await until(
      async () => (await outbox(gate, '')).messages.length === 0,
      () => 'nothing to wait',
    );
    const { channels } = await outbox(gate);
    assert.deepEqual(
      channels.map(({ channel, kind, is_dead }) => [channel, kind, is_dead]),
      [
        ['chat', 'slack', false],
        ['page', 'pagerduty', false],
        ['tickets', 'jira', false],
      ],
    );
  } finally {
    await gate.close();
    await Promise.all([chat, page, tickets].map((receiver) => receiver.close()));
  }
});

test('receivers that fail, hang, redirect, are gone or reset are reported, and hold up nothing', async (t) => {
  const good = await startReceiver();
  const elsewhere = await startReceiver();
  const bad = {
    broken: await startReceiver(answers(500)),
    silent: await startReceiver(hangs),
    moved: await startReceiver(answers(302, { location: elsewhere.url })),
    gone: await startReceiver(answers(410)),
    reset: await startReceiver(resets),
  };
  const names = Object.keys(bad);
  const channels = Object.fromEntries(names.map((name) => [name, { webhook: `secret:${name.toUpperCase()}_URL` }]));
  const bindings = {
    GOOD_URL: good.url,
    ...Object.fromEntries(names.map((name) => [`${name.toUpperCase()}_URL`, bad[name].url])),
  };
  const shop = plan(legacy, next, {
    channels: { good: { webhook: 'secret:GOOD_URL' }, unset: { webhook: 'secret:NOBODY_SET' }, ...channels },
  });
  const gate = await openControlled([shop], { percentage: 10, bindings });
  try {
    const ana = operator(gate);
    const shown = await until(
      async () => {
        const { messages } = await outbox(gate);
        const errors = Object.fromEntries(
          messages.filter(({ error }) => error).map(({ channel, error }) => [channel, error]),
        );
        return [...names, 'unset'].every((name) => errors[name]) && { messages, errors };
      },
      () => 'each to have failed',
    );
    t.diagnostic(JSON.stringify(shown.errors));
    assert.match(shown.errors.broken, /500/);
    assert.match(shown.errors.silent, /no answer within 10 s/);
    assert.match(shown.errors.moved, /302/);
    assert.match(shown.errors.gone, /410/);
    assert.match(shown.errors.reset, /no answer/);
    assert.match(shown.errors.unset, /the secret NOBODY_SET is not set/);
    for (const { channel, state } of shown.messages)
      if (channel === 'gone') assert.equal(state, 'dead');
      else if (channel !== 'good') assert.notEqual(state, 'sent', channel);
    assert.equal(elsewhere.got.length, 0, 'nobody else gets it');
    const { faults } = await ana.rollout('shop');
    const subjects = faults.map(({ subject }) => subject);
    assert.ok(subjects.includes('channel/gone') && subjects.includes('channel/unset'), JSON.stringify(faults));
    // A command is answered, and a healthy receiver has its message, while the others fail.
    const before = good.got.length;
    const began = performance.now();
    const { entry } = await ana.orders('shop', 'rollback', { reason: 'to see' });
    t.diagnostic(`the rollback took ${(performance.now() - began).toFixed(0)} ms`);
    const assigned = await until(
      () => good.got.slice(before).find(({ body }) => body.data?.revision === entry.revision),
      () => 'the healthy one to have it',
    );
    assert.ok(assigned.at - Date.parse(entry.at) <= 5_000);
    // Once they are well they get it when somebody asks for it.
    for (const receiver of Object.values(bad)) receiver.answer = takes;
    const again = granted(await ana.ask('POST', 'outbox/*/retry', {}));
    assert.ok(again.retried.length >= names.length, JSON.stringify(again));
    await until(
      async () => (await outbox(gate, '')).messages.every(({ channel }) => channel === 'unset'),
      () => 'all but one to be sent',
    );
    assert.equal((await operator(gate, 'vic').ask('POST', 'outbox/*/retry', {})).status, 403, 'a viewer only looks');
    assert.equal((await operator(gate, 'vic').get('outbox')).status, 200);
  } finally {
    await gate.close();
    await Promise.all([good, elsewhere, ...Object.values(bad)].map((receiver) => receiver.close()));
  }
});

test('the command sends samples and says what came back', async () => {
  const [good, bad, pager] = await Promise.all([
    startReceiver(),
    startReceiver(answers(403)),
    startReceiver((response) => response.writeHead(202).end('{"status":"success"}')),
  ]);
  const channels = {
    good: { slack: 'secret:GOOD_URL' },
    page: { pagerduty: 'secret:PAGE_KEY', url: 'secret:PAGE_URL' },
    bad: { webhook: 'secret:BAD_URL' },
    post: { mail: 'a@example.com', from: 'b@example.com' },
  };
  const gate = await openControlled([plan(legacy, next, { channels })], {
    bindings: { GOOD_URL: good.url, BAD_URL: bad.url, PAGE_KEY: 'a'.repeat(32), PAGE_URL: pager.url },
  });
  try {
    const env = { ...process.env, TIDEGATE_URL: gate.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
    const run = (...words) =>
      promisify(execFile)(CLI, words, { env }).then(
        ({ stdout }) => ({ code: 0, stdout }),
        ({ code, stdout, stderr }) => ({ code, stdout: stdout + stderr }),
      );
    const one = await run('notify', 'test', 'good');
    assert.equal(one.code, 0, one.stdout);
    assert.match(one.stdout, /✓ good \(slack, of shop\): the receiver took it, status 200, \d+ ms\n {2}ok/);
    const samples = good.got.filter(({ body }) => JSON.stringify(body).includes('test of the channel good'));
    assert.equal(samples.length, 1);
    assert.equal((await run('notify', 'test', 'page')).code, 0);
    const events = pager.got.map(({ body }) => body);
    assert.deepEqual(
      events.map(({ event_action: action }) => action),
      ['trigger', 'resolve'],
      'the incident of a sample is closed at once',
    );
    assert.equal(events[0].dedup_key, events[1].dedup_key);
    assert.equal((await run('outbox', '--check')).code, 1, 'bad does not take what it gets');
    const all = await run('notify', 'test');
    assert.equal(all.code, 1, all.stdout);
    assert.match(all.stdout, /✗ bad \(webhook, of shop\): not sent, status 403/);
    assert.match(all.stdout, /✗ post \(mail, of shop\): not sent.*no such `send_email` binding/);
    const none = await run('notify', 'test', 'goood');
    assert.equal(none.code, 1);
    assert.match(none.stdout, /did you mean `good`\?/);
    const listed = await run('outbox');
    assert.match(listed.stdout, /✓ good \(slack\) of shop: nothing waits/);
  } finally {
    await gate.close();
    await Promise.all([good.close(), bad.close(), pager.close()]);
  }
});

test('mail leaves by the binding that the channel names, and one that refuses is shown with what it says', async () => {
  const channels = {
    post: { mail: ['ops@example.com', 'lead@example.com'], from: 'tidegate@example.com' },
    other: { mail: 'eve@example.com', binding: 'SECOND' },
  };
  const email = [
    { name: 'EMAIL', allowed_destination_addresses: ['ops@example.com', 'lead@example.com'] },
    { name: 'SECOND', allowed_destination_addresses: ['nobody@example.com'] },
  ];
  const shop = plan(legacy, next, { description: 'The new shop', channels });
  const gate = await openControlled([shop], { percentage: 10, bindings: { MAIL_FROM: 'release@example.com' }, email });
  try {
    const { entry } = await operator(gate).orders('shop', 'rollback', { reason: 'the cart is empty' });
    const mail = await until(
      () => gate.mails.find((text) => text.includes('rolled back')),
      () => `a mail: ${gate.mails}`,
    );
    for (const line of [
      'tidegate@example.com',
      'ops@example.com',
      'lead@example.com',
      '[Warning] shop was rolled back by ana',
    ])
      assert.ok(mail.includes(line), `${line} in ${mail}`);
    const file = (kind) =>
      readFileSync(/** @type {any} */ (new RegExp(`${kind}: (\\S+)`).exec(stripVTControlCharacters(mail)))[1], 'utf8');
    for (const kind of ['Text', 'HTML']) {
      const words = file(kind);
      for (const said of ['the cart is empty', 'tidegate resume shop', `revision ${entry.revision}`])
        assert.ok(words.includes(said), `${said} in ${words}`);
    }
    const failed = await until(
      async () => (await outbox(gate)).messages.find(({ channel, error }) => channel === 'other' && error),
      () => 'the other to have failed',
    );
    assert.match(failed.error, /email to eve@example\.com not allowed/);
    const sent = (await outbox(gate)).messages.filter(({ channel, state }) => channel === 'post' && state === 'sent');
    assert.ok(sent.length >= 1);
  } finally {
    await gate.close();
  }
});

test(`workerd killed ${CRASHES} times while messages go out loses none, and repeats at most the one under way`, async (t) => {
  const seed = newSeed();
  t.diagnostic(`SEED=${seed} repeats the choices`);
  const dice = chance(seed);
  const changes = await startReceiver((response) => setTimeout(() => takes(response, undefined), dice.below(30)));
  // It records each change, so nothing is folded: there is always one under way, and often one that waits.
  const channels = { changes: { sentry: 'secret:SENTRY_URL', signing_secret: 'secret:SENTRY_SECRET' } };
  const bindings = { SENTRY_URL: changes.url, SENTRY_SECRET: 's'.repeat(32) };
  const gate = await openControlled([plan(legacy, next, { channels })], { percentage: 10, bindings });
  try {
    const ana = operator(gate);
    let number = 0;
    const send = async () => {
      number += 1;
      const args = { reason: `change ${number}`, percentage: (number % 900) / 10 };
      // While workerd is gone each is refused at once.
      await ana.command('shop', 'set', args, { idempotencyKey: args.reason }).catch(() => sleep(30));
    };
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      let over = false;
      const running = (async () => {
        while (!over) await send();
      })();
      const goal = changes.got.length + 2 + dice.below(6);
      await until(
        () => changes.got.length >= goal,
        () => 'messages to go out',
      );
      await gate.crash();
      over = true;
      await running;
    }
    // Whatever wakes it: in operation the alarm, which is half a minute away at the most.
    await until(
      async () => (await outbox(gate, '')).messages.length === 0,
      () => 'everything to be sent',
      180_000,
    );
    const entries = (await ana.history('shop')).filter(({ command }) => command.command !== 'apply');
    const ids = changes.got.map(({ body }) => body.data[0].change_id);
    const known = new Set(ids);
    const repeated = ids.length - known.size;
    t.diagnostic(
      `${entries.length} changes, ${ids.length} messages, ${repeated} of them repeated by ${CRASHES} crashes`,
    );
    assert.ok(known.size >= entries.length, `none of ${entries.length} is lost, ${known.size} arrived`);
    assert.ok(repeated <= CRASHES, 'a crash repeats one at the most');
  } finally {
    await gate.close();
    await changes.close();
  }
});
