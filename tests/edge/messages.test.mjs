// What is sent to channels, in the hands of the vendors' own packages: their clients send it, their parsers
// read it, their schemas and types fit it. Each message is what `tidegate notify preview` prints.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { event } from '@pagerduty/pdjs';
import { IncomingWebhook } from '@slack/webhook';
import cards from 'adaptivecards/dist/adaptivecards.min.js';
import { Ajv } from 'ajv';
import draft4 from 'ajv-draft-04';
import { HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { COMMAND } from '../../scripts/command.mjs';
import { Miniflare } from '../miniflare.mjs';

const { AdaptiveCard, SerializationContext } = cards;
// Its types are those of a module that it is not in Node.
const Ajv4 = draft4.default;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KINDS =
  'notice stage checkin digest waiting blocked fault alert rollback escalation kill resolved report test'.split(' ');
const SECRET = 'whsec_dGhlIHNlY3JldCBvZiB0aGlzIHRlc3QsIGxvbmcgZW5vdWdo';
/** Words that would be markup somewhere, in every place that takes words. */
const HOSTILE = '<!channel> *b* [x](https://evil.example.com) <script>alert(1)</script> {{DATE(x)}} "q" \\ ` 🚒\nnext';

/**
 * @typedef {{ method: string, url: string, headers: Record<string, string>, body: string }} Sent
 * @typedef {{ binding: string, from: string, to: string[], subject: string, text: string, html: string, headers: Record<string, string> }} Mail
 */

/**
 * What is printed for a channel; null where nothing is sent.
 *
 * @param {string[]} words
 * @param {string} [input]
 */
function preview(words, input) {
  const environment = { ...process.env, WEBHOOK_SECRET: SECRET, SENTRY_SECRET: 'sentry', NO_COLOR: '1' };
  const printed = execFileSync(COMMAND, ['--json', 'notify', 'preview', ...words], { input, env: environment });
  return JSON.parse(printed.toString());
}

/** @type {Record<string, unknown>} */
const hostile = {
  kind: 'rollback',
  urgency: 'critical',
  at: '2026-11-29T03:12:05Z',
  rollout: 'checkout',
  incident: `incident ${HOSTILE}`,
  links: [{ title: HOSTILE, url: 'https://ops.example.com/' }],
  figures: [HOSTILE],
  entry: { actor: HOSTILE },
};
for (const field of ['description', 'headline', 'action', 'why', 'owner', 'next', 'command', 'audience', 'text'])
  hostile[field] = HOSTILE;

/**
 * A message of each kind, and a hostile one, where something is sent.
 *
 * @param {string} channel
 * @param {string[]} words
 * @returns {Sent[]}
 */
const allOf = (channel, ...words) =>
  [
    ...KINDS.map((kind) => preview(['--channel', channel, '--kind', kind, ...words])),
    preview(['--channel', channel, ...words, '-'], JSON.stringify(hostile)),
  ].filter(Boolean);

/** A server that keeps what it gets. */
async function receiver(/** @type {number} */ status, /** @type {string} */ answer) {
  /** @type {{ path: string | undefined, body: string }[]} */
  const got = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    got.push({ path: request.url, body });
    response.writeHead(status, { 'content-type': 'application/json' }).end(answer);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { got, port, close: () => server.close() };
}

describe('Slack', () => {
  const FOLDER = `${ROOT}/build/message-types`;
  after(() => rmSync(FOLDER, { recursive: true, force: true }));

  test("the messages are of the types of Slack's package", () => {
    const messages = allOf('slack').map(({ body }) => JSON.parse(body));
    const typed = (/** @type {unknown} */ message) =>
      `import type { IncomingWebhookSendArguments } from '@slack/webhook';\nconst messages: IncomingWebhookSendArguments[] = ${JSON.stringify(message, null, 1)};\nexport default messages;\n`;
    const check = (/** @type {unknown} */ message) => {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(`${FOLDER}/messages.ts`, typed(message));
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
      execFileSync('npx', ['tsc', '--ignoreConfig', ...options, `${FOLDER}/messages.ts`], { cwd: ROOT, stdio: 'pipe' });
    };
    check(messages);
    const broken = [{ ...messages[0], blocks: [{ type: 'header', text: 'no text object' }] }];
    assert.throws(() => check(broken));
  });

  test("Slack's client sends them as they are", async () => {
    const slack = await receiver(200, 'ok');
    try {
      const webhook = new IncomingWebhook(`http://127.0.0.1:${slack.port}/services/T/B/x`);
      for (const { body } of allOf('slack')) {
        await webhook.send(JSON.parse(body));
        assert.deepEqual(JSON.parse(slack.got.at(-1)?.body ?? ''), JSON.parse(body));
      }
    } finally {
      slack.close();
    }
  });
});

test("Microsoft's parser reads every card whole, and finds nothing wrong with it", () => {
  const faults = (/** @type {object} */ payload) => {
    const card = new AdaptiveCard();
    const context = new SerializationContext();
    card.parse(payload, context);
    const events = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
    return [...events, ...card.validateProperties().validationEvents.map(({ message }) => message)];
  };
  const cards = allOf('teams').map(({ body }) => JSON.parse(body).attachments[0].content);
  for (const card of cards) assert.deepEqual(faults(card), [], JSON.stringify(card));
  const words = (/** @type {object} */ card) => {
    const parsed = new AdaptiveCard();
    parsed.parse(card);
    return parsed.getItemCount();
  };
  for (const card of cards) assert.equal(words(card), card.body.length);
  assert.notDeepEqual(faults({ ...cards[0], body: [{ type: 'TextBlok', text: 'x' }] }), []);
});

test("PagerDuty's client sends the events to the same address, and they are as its documents say", async () => {
  const text = (/** @type {number} */ maxLength) => ({ type: 'string', minLength: 1, maxLength });
  const links = { type: 'array', items: { type: 'object', required: ['href'], properties: { href: text(2048) } } };
  const payload = {
    type: 'object',
    required: ['summary', 'source'],
    properties: {
      summary: text(1024),
      source: text(1024),
      severity: { enum: ['critical', 'error', 'warning', 'info'] },
      custom_details: { type: 'object' },
      timestamp: { type: 'string', pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$` },
    },
  };
  const isEvent = new Ajv({ allErrors: true, strict: false }).compile({
    type: 'object',
    required: ['routing_key'],
    properties: { routing_key: text(32), dedup_key: text(255), links, payload },
    oneOf: [
      { required: ['event_action', 'payload'], properties: { event_action: { const: 'trigger' } } },
      { required: ['event_action', 'dedup_key'], properties: { event_action: { const: 'resolve' } } },
      { required: ['payload'], not: { required: ['event_action'] } },
    ],
  });
  const pagerduty = await receiver(202, '{"status":"success","message":"Event processed","dedup_key":"k"}');
  // The client speaks TLS to PagerDuty alone; here its connection ends at the receiver.
  const agent = new Agent();
  Object.assign(agent, { createConnection: () => connect(pagerduty.port, '127.0.0.1') });
  try {
    const sent = allOf('pagerduty');
    assert.equal(sent.length, KINDS.length - 3 + 1);
    for (const { url, body } of sent) {
      const data = JSON.parse(body);
      assert.ok(isEvent(data), JSON.stringify(isEvent.errors));
      const type = url.endsWith('/change/enqueue') ? 'change' : 'event';
      const answer = await /** @type {any} */ (event)({ data, type, agent });
      assert.equal(answer.data.status, 'success');
      assert.equal(`https://events.pagerduty.com${pagerduty.got.at(-1)?.path}`, url);
      assert.deepEqual(JSON.parse(pagerduty.got.at(-1)?.body ?? ''), data);
    }
  } finally {
    pagerduty.close();
  }
});

test('Standard Webhooks verifies each signature, and the CloudEvents SDK reads each event', () => {
  const webhook = new Webhook(SECRET);
  for (const { headers, body } of allOf('webhook')) {
    webhook.verify(body, headers);
    assert.throws(() => webhook.verify(`${body} `, headers), /No matching signature/);
    const event = /** @type {any} */ (HTTP.toEvent({ headers, body }));
    assert.ok(event.validate());
    assert.match(event.type, /^dev\.tidegate\.rollout\.[a-z]+$/);
    const { data } = event;
    assert.deepEqual(
      [event.subject, data.rollout ?? 'checkout', event.id],
      ['checkout', 'checkout', headers['webhook-id']],
    );
    assert.equal(event.type, `dev.tidegate.rollout.${data.notification.kind}`);
  }
});

test('Sentry finds its own signature, and reads each change', () => {
  // The serializer of Sentry's generic provider, field by field.
  const isChange = new Ajv({ allErrors: true }).compile({
    type: 'object',
    required: ['data', 'meta'],
    properties: {
      meta: { type: 'object', required: ['version'], properties: { version: { type: 'integer' } } },
      data: {
        type: 'array',
        items: {
          type: 'object',
          required: ['action', 'change_id', 'created_at', 'created_by', 'flag'],
          properties: {
            action: { enum: ['created', 'updated', 'deleted'] },
            change_id: { type: 'integer', maximum: Number.MAX_SAFE_INTEGER },
            created_at: { type: 'string', pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$` },
            created_by: {
              type: 'object',
              required: ['id', 'type'],
              properties: {
                id: { type: 'string', minLength: 1, maxLength: 100 },
                type: { enum: ['email', 'id', 'name'] },
              },
            },
            flag: { type: 'string', minLength: 1, maxLength: 100 },
          },
        },
      },
    },
  });
  const sent = allOf('sentry');
  assert.equal(sent.length, 5);
  for (const { headers, body } of sent) {
    assert.equal(headers['x-sentry-signature'], createHmac('sha256', 'sentry').update(body).digest('hex'));
    assert.ok(isChange(JSON.parse(body)), JSON.stringify(isChange.errors));
  }
});

test("Opsgenie's and Jira Service Management's alerts are of the types of Opsgenie's own client", () => {
  // `CreateAlertPayload` and `CloseAlertPayload` of its package `opsgenie-sdk` 2.1.5 (PyPI), which is made from its
  // OpenAPI document; the lengths are those of its documents.
  const text = (maxLength) => ({ type: 'string', maxLength });
  const words = (maxItems, maxLength) => ({ type: 'array', maxItems, items: text(maxLength) });
  const recipient = {
    type: 'object',
    required: ['type'],
    properties: {
      type: { enum: ['user', 'team', 'escalation', 'schedule'] },
      id: text(100),
      name: text(100),
      username: text(100),
    },
    additionalProperties: false,
  };
  const recipients = { type: 'array', maxItems: 50, items: recipient };
  const common = { user: text(100), note: text(25_000), source: text(100) };
  const ajv = new Ajv({ allErrors: true });
  const isAlert = ajv.compile({
    type: 'object',
    required: ['message'],
    properties: {
      ...common,
      message: { ...text(130), minLength: 1 },
      alias: text(512),
      description: text(15_000),
      responders: recipients,
      visibleTo: recipients,
      actions: words(10, 50),
      tags: words(20, 50),
      details: { type: 'object', additionalProperties: { type: 'string' } },
      entity: text(512),
      priority: { enum: ['P1', 'P2', 'P3', 'P4', 'P5'] },
    },
    additionalProperties: false,
  });
  const isClose = ajv.compile({ type: 'object', properties: common, additionalProperties: false });
  for (const [channel, base] of [
    ['opsgenie', 'https://api.opsgenie.com/v2/alerts'],
    ['jsm', 'https://api.atlassian.com/jsm/ops/integration/v2/alerts'],
  ]) {
    const sent = allOf(channel);
    assert.ok(sent.length >= 7, `${sent.length}`);
    let closed = 0;
    for (const { method, url, headers, body } of sent) {
      assert.deepEqual([method, headers.authorization.split(' ')[0]], ['POST', 'GenieKey']);
      const isClosing = url !== base;
      if (isClosing) assert.match(url.slice(base.length), /^\/[^/]+\/close\?identifierType=alias$/);
      const isValid = isClosing ? isClose : isAlert;
      assert.ok(isValid(JSON.parse(body)), JSON.stringify(isValid.errors));
      closed += Number(isClosing);
    }
    assert.equal(closed, 1);
  }
  assert.ok(!isAlert({ message: 'x', priority: 'P6' }) && !isAlert({ alias: 'x' }));
});

test("Statuspage's incidents are as its OpenAPI document says", () => {
  // `postPagesPageIdIncidents` and `patchPagesPageIdIncidents` of version 1.0.0, of which PyPI's
  // `atlassian-statuspage` 1.0.2 is made.
  const incident = {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1 },
      status: {
        enum: 'investigating identified monitoring resolved scheduled in_progress verifying completed postmortem'.split(
          ' ',
        ),
      },
      impact_override: { enum: ['none', 'maintenance', 'minor', 'major', 'critical'] },
      body: { type: 'string' },
      components: {
        type: 'object',
        additionalProperties: {
          enum: ['operational', 'under_maintenance', 'degraded_performance', 'partial_outage', 'major_outage', ''],
        },
      },
      component_ids: { type: 'array', items: { type: 'string' } },
      deliver_notifications: { type: 'boolean' },
      metadata: { type: 'object' },
    },
    additionalProperties: false,
  };
  const of = (required) => ({
    type: 'object',
    required: ['incident'],
    properties: { incident: { ...incident, required } },
    additionalProperties: false,
  });
  const ajv = new Ajv({ allErrors: true });
  const isOpened = ajv.compile(of(['name']));
  const isChanged = ajv.compile(of([]));
  const opened = allOf('statuspage').filter(({ method }) => method === 'POST');
  const changed = allOf('statuspage', '--reference', 'p31zjtct2jer').filter(({ method }) => method === 'PATCH');
  assert.ok(opened.length >= 3 && changed.length >= 3, `${opened.length}, ${changed.length}`);
  for (const { url, body } of opened) {
    assert.match(url, /^https:\/\/api\.statuspage\.io\/v1\/pages\/[^/]+\/incidents$/);
    assert.ok(isOpened(JSON.parse(body)), JSON.stringify(isOpened.errors));
  }
  for (const { url, body } of changed) {
    assert.match(url, /\/incidents\/p31zjtct2jer$/);
    assert.ok(isChanged(JSON.parse(body)), JSON.stringify(isChanged.errors));
  }
  assert.ok(!isOpened({ incident: { name: 'x', status: 'open' } }) && !isOpened({ incident: { status: 'resolved' } }));
});

test("Jira's documents are as Atlassian's schema says", () => {
  const schema = readFileSync(`${ROOT}/node_modules/@atlaskit/adf-schema/json-schema/v1/full.json`, 'utf8');
  const isDocument = new Ajv4({ allErrors: false, strict: false }).compile(JSON.parse(schema));
  for (const { body } of allOf('jira', '--reference', 'OPS-24')) {
    assert.ok(isDocument(JSON.parse(body).body), JSON.stringify(isDocument.errors?.slice(0, 3)));
  }
  const { body } = preview(['--channel', 'jira', '--kind', 'rollback']);
  assert.ok(isDocument(JSON.parse(body).fields.description));
  assert.ok(!isDocument({ type: 'doc', version: 1, content: [{ type: 'text', text: 'x' }] }));
});

describe("the platform's binding", () => {
  /** @type {import('miniflare').Miniflare} */
  let miniflare;
  before(() => {
    miniflare = new Miniflare({
      modules: true,
      compatibilityDate: '2026-04-01',
      script: `export default { async fetch(request, env) {
        try { return Response.json(await env.EMAIL.send(await request.json())); }
        catch (error) { return new Response(error.code + ': ' + error.message, { status: 500 }); }
      } }`,
      email: { send_email: [{ name: 'EMAIL', allowed_destination_addresses: ['ops@example.com'] }] },
    });
  });
  after(() => miniflare.dispose());

  test('takes each mail, and refuses one to somebody else', async () => {
    const send = async (/** @type {Mail} */ { binding, ...mail }) => {
      assert.equal(binding, 'EMAIL');
      const answer = await miniflare.dispatchFetch('http://x.example.com/', {
        method: 'POST',
        body: JSON.stringify(mail),
      });
      return `${answer.status} ${await answer.text()}`;
    };
    const mails = [
      ...KINDS.map((kind) => preview(['--channel', 'mail', '--kind', kind])),
      preview(['--channel', 'mail', '-'], JSON.stringify(hostile)),
    ].map(({ mail }) => mail);
    for (const mail of mails) assert.match(await send(mail), /^200 .*messageId/);
    assert.match(await send({ ...mails[0], to: ['eve@example.com'] }), /^500 .*not allowed/);
  });
});
