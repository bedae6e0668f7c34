// The control API in front of the controller, every answer held against its document: who may, what is
// refused and how, each command, plans, signals, explanations and previews; and a plan that goes its
// way by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { granted, operator } from './control.mjs';
import { CLI, openGate, PUBLIC_HOST, TOKENS, until, writeToml } from './harness.mjs';
import { DOCUMENT as API, checked, faultyExamples, neverAnswered, neverSeen, operations, SESSION } from './openapi.mjs';
import { ANA, DOCUMENT, flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { sha256, utf8 } from './wire.mjs';

const COMMANDS = ['start', 'advance', 'set', 'pause', 'resume', 'rollback', 'kill', 'revive', 'approve', 'complete'];
/** Isolates obey within seconds; the rest is for a busy machine. */
const OBEYED_MS_MAX = 60_000;
/** The controller's alarm comes at a hold's end; the rest is for a busy machine. */
const SCHEDULED_MS_MAX = 120_000;

let legacy, next, gate, api, ana, ben, vic;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate();
  api = checked(gate);
  [ana, ben, vic] = /** @type {const} */ (['ana', 'ben', 'vic']).map((name) => operator(api, name));
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const rollout = (key, changes = {}) => plan(legacy, next, { key, routes: [`/${key}/*`], ...changes });
const apply = (...plans) => ana.apply(plans);
const path = (key) => `rollouts/${key}/commands`;

/** An isolate and a controller that remember nothing. */
async function afresh(bindings = {}) {
  await gate.restart({ bindings });
  await gate.kv.clear();
}

/** A rollout that has been started, in its first stage of 10 %. */
async function started(key, changes) {
  await apply(rollout(key, changes));
  return (await ana.orders(key, 'start')).rollout;
}

/** Makes a check of each case, and fails with all that failed. */
async function each(cases, check) {
  const failed = [];
  for (const one of cases)
    await Promise.resolve(check(one)).catch(({ message }) => failed.push(message.split('\n')[0].slice(0, 600)));
  assert.deepEqual(failed, []);
}

/** Asserts that an answer is this problem and returns it. */
function problem({ status, body, text }, expectedStatus, kind) {
  assert.equal(`${status} ${body?.type}`, `${expectedStatus} urn:tidegate:problem:${kind}`, text.slice(0, 1_000));
  assert.ok(body.detail.length > 10, text);
  return body;
}

function refused(answer, refusal) {
  const body = problem(answer, 409, 'refused');
  assert.equal(body.refusal, refusal, answer.text);
  assert.ok(body.help, answer.text);
  return body;
}

/** A request of which nothing is added by itself: no token, no content type. */
const bare = async (method, name, headers = {}, body) => {
  const response = await api.fetch(`/_tidegate/api/${name}`, { method, headers, body });
  return { ...response, body: response.text === '' ? undefined : response.json() };
};
const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const AS_ANA = { ...bearer(TOKENS.ana), 'Content-Type': 'application/json', 'If-Match': '*' };

/** What a request gets, in the middle of a page. */
async function assigned(key, { headers = ANA, host = PUBLIC_HOST } = {}) {
  const { get } = await gate.fetch(`/${key}/page`, { headers, host });
  return `${get('tidegate-variant')} ${get('tidegate-reason')}`;
}

const obeys = (key, outcome, options) =>
  until(
    async () => (await assigned(key, options)) === outcome,
    () => `${key} to become ${outcome}`,
    OBEYED_MS_MAX,
  );

describe('the document', () => {
  test('has only examples that it describes itself', () => assert.deepEqual(faultyExamples(), []));

  test('is served as it is', async () => {
    assert.deepEqual(granted(await vic.get('openapi.json')), API);
  });

  test('describes what Prometheus reads, which a viewer may', async () => {
    assert.equal((await api.fetch('/_tidegate/metrics')).status, 401);
    for (const method of ['GET', 'HEAD'])
      assert.equal((await api.fetch('/_tidegate/metrics', { method, headers: bearer(TOKENS.vic) })).status, 200);
  });

  test('describes health, which needs no token', async () => {
    assert.equal((await api.fetch('/_tidegate/health')).status, 200);
    assert.equal((await api.fetch('/_tidegate/health', { method: 'HEAD' })).status, 200);
    assert.equal((await api.fetch('/_tidegate/health', { method: 'POST' })).status, 405);
  });
});

describe('the API is closed', () => {
  const hash = sha256('secret');
  after(() => afresh());

  for (const [name, ADMIN_TOKENS] of [
    ['no tokens', null],
    ['empty tokens', ' \n'],
  ]) {
    test(`with ${name}, and says how to set them`, async () => {
      await afresh({ ADMIN_TOKENS });
      for (const { method, template, path: full, body } of operations()) {
        if (!template.startsWith('/_tidegate/api/') || template === SESSION) continue;
        const { help, detail } = problem(
          await ana.ask(method, full.slice('/_tidegate/api/'.length), body),
          503,
          'no-tokens',
        );
        assert.match(`${detail} ${help}`, /ADMIN_TOKENS/);
        assert.match(help, /secret put/);
      }
    });
  }

  const malformed = {
    'a plain token': 'secret',
    'an unknown role': `ana:root:${hash}`,
    'a short hash': 'ana:operator:abc',
    'a hash that is none': `ana:operator:${hash.slice(1)}g`,
    'no name': `:operator:${hash}`,
    'the name of the schedule': `schedule:operator:${hash}`,
    'one good entry and a bad one': `ana:operator:${hash}, ben`,
  };
  test('with tokens that are malformed, without telling them', async () => {
    for (const [name, ADMIN_TOKENS] of Object.entries(malformed)) {
      await afresh({ ADMIN_TOKENS });
      const answer = await bare('GET', 'rollouts', bearer('secret'));
      const { help } = problem(answer, 503, 'bad-tokens');
      assert.match(help, /NAME:ROLE:SHA256HEX/, name);
      assert.ok(!answer.text.includes(hash.slice(2, 20)), `${name}: ${answer.text}`);
    }
  });

  test('to nobody whose entry stands among others, however they are separated', async () => {
    await afresh({
      ADMIN_TOKENS: `ana:operator:${sha256('one')},\n\tben@example.com:viewer:${sha256('two').toUpperCase()}  c-d_e.f:operator:${sha256('three')},`,
    });
    for (const token of ['one', 'two', 'three'])
      assert.equal((await bare('GET', 'rollouts', bearer(token))).status, 200, token);
  });

  test('for previews, without a key of 16 bytes to sign them', async () => {
    for (const SIGNING_KEY of [null, 'too short']) {
      await afresh({ SIGNING_KEY });
      await apply(rollout('unsigned'));
      problem(
        await ana.ask('POST', 'rollouts/unsigned/previews', { variant: 'new', for: '1h' }),
        503,
        'no-signing-key',
      );
    }
  });
});

describe('a token', () => {
  before(() => apply(rollout('checkout')));

  test('is needed, and must be known', async () => {
    const wrong = [
      {},
      bearer('wrong'),
      bearer(''),
      bearer(sha256(TOKENS.ana)),
      { Authorization: TOKENS.ana },
      { Authorization: `Basic ${btoa(`ana:${TOKENS.ana}`)}` },
      { Cookie: `token=${TOKENS.ana}` },
    ];
    for (const headers of wrong) {
      for (const [method, name, body] of [
        ['GET', 'rollouts'],
        ['GET', 'openapi.json'],
        ['PUT', 'plans', '{}'],
        ['POST', path('checkout'), '{"command":"kill","reason":"x"}'],
      ]) {
        problem(await bare(method, name, headers, body), 401, 'unauthorized');
      }
    }
  });

  test('is known in whatever case the scheme is written', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      assert.equal((await bare('GET', 'rollouts', { Authorization: `${scheme} ${TOKENS.ana}` })).status, 200);
  });

  test('of a viewer reads everything and changes nothing', async () => {
    const state = async () => [(await ana.rollout('checkout')).state, granted(await ana.get('plans'))];
    const was = await state();
    for (const { method, template, path: full, body } of operations()) {
      if (!template.startsWith('/_tidegate/api/') || template === SESSION) continue;
      const name = full.slice('/_tidegate/api/'.length);
      // A backup holds what no other answer does, so it takes who may change everything.
      const isForOperators = method !== 'GET' || name === 'backup';
      if (isForOperators) problem(await vic.ask(method, name, body, { 'If-Match': '*' }), 403, 'forbidden');
      else granted(await vic.get(name === 'assign' ? 'assign?rollout=checkout&id=ana' : name));
    }
    problem(await vic.command('checkout', 'start', { dry_run: true }), 403, 'forbidden');
    assert.deepEqual(await state(), was);
  });

  test('sent by a page of another site changes nothing', async () => {
    const kill = (headers) =>
      bare('POST', path('checkout'), { ...AS_ANA, ...headers }, '{"command":"kill","reason":"from a page"}');
    const foreign = [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: `https://${PUBLIC_HOST}.evil.example` },
      { Origin: `http://${PUBLIC_HOST}` },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: `https://${PUBLIC_HOST}`, 'Sec-Fetch-Site': 'cross-site' },
    ];
    for (const headers of foreign) problem(await kill(headers), 403, 'cross-site');
    problem(
      await bare('PUT', 'plans', { ...AS_ANA, ...foreign[0] }, '{"rollouts":[],"prune":true}'),
      403,
      'cross-site',
    );
    assert.equal((await ana.rollout('checkout')).state.killed, false);
    for (const headers of [
      { Origin: `https://${PUBLIC_HOST}`, 'Sec-Fetch-Site': 'same-origin' },
      { 'Sec-Fetch-Site': 'none' },
    ])
      assert.equal((await kill(headers)).status, 200);
    assert.equal(
      (await bare('GET', 'rollouts', { ...bearer(TOKENS.ana), ...foreign[0] })).status,
      200,
      'reading is no change',
    );
  });
});

describe('a request', () => {
  before(async () => {
    await afresh();
    await apply(rollout('checkout'));
  });

  test('to a path or a rollout that does not exist is answered as such', async () => {
    for (const name of [
      '',
      'nothing',
      'rollouts/checkout/',
      'rollouts/checkout/nothing',
      'rollouts/checkout/history/1',
      'plans/checkout',
    ])
      problem(await bare('GET', name, AS_ANA), 404, 'not-found');
    for (const name of [
      'rollouts/chekout',
      'rollouts/chekout/history',
      'rollouts/chekout/plan',
      'assign?rollout=chekout&id=ana',
    ])
      assert.match(problem(await ana.get(name), 404, 'unknown-rollout').help, /`checkout`/);
    problem(await ana.command('chekout', 'kill'), 404, 'unknown-rollout');
    problem(await ana.ask('POST', 'rollouts/chekout/signals', { name: 'p1', count: 1 }), 404, 'unknown-rollout');
    problem(await ana.ask('POST', 'rollouts/chekout/previews', { variant: 'new', for: '1h' }), 404, 'unknown-rollout');
    problem(await ana.get('rollouts/checkout/plan?revision=999'), 404, 'not-found');
  });

  test('of a method that a path does not take is answered with those that it takes', async () => {
    const templates = Object.keys(API.paths).filter((name) => name.startsWith('/_tidegate/api/'));
    const known = (template) => Object.keys(API.paths[template]).map((method) => method.toUpperCase());
    const others = templates.flatMap((template) =>
      ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH']
        .filter((method) => !known(template).includes(method === 'HEAD' ? 'GET' : method))
        .map((method) => [method, template]),
    );
    await each(others, async ([method, template]) => {
      const name = template.replace('/_tidegate/api/', '').replace('{rollout}', 'checkout');
      const answer = await bare(method, name, AS_ANA, ['GET', 'HEAD', 'DELETE'].includes(method) ? undefined : '{}');
      if (method === 'HEAD') assert.equal(answer.status, 405, name);
      else problem(answer, 405, 'method-not-allowed');
    });
  });

  test('of HEAD is answered like GET, without a body', async () => {
    for (const name of [
      'rollouts',
      'rollouts/checkout',
      'rollouts/checkout/history',
      'rollouts/checkout/plan',
      'plans',
      'assign?rollout=checkout&id=ana',
      'openapi.json',
    ]) {
      const [got, head] = [await bare('GET', name, AS_ANA), await bare('HEAD', name, AS_ANA)];
      assert.deepEqual(
        [head.status, head.get('etag'), head.get('content-type')],
        [got.status, got.get('etag'), got.get('content-type')],
        name,
      );
    }
    assert.equal((await bare('HEAD', 'rollouts/chekout', AS_ANA)).status, 404);
  });

  test('with a body that is too long is refused, however it is sent', async () => {
    const reason = 'x'.repeat(2 << 20);
    const long = JSON.stringify({ command: 'kill', reason });
    // Whoever is answered while still sending may find the connection closed before reading that.
    const send = (...request) =>
      until(
        () =>
          bare(...request).catch(({ code }) =>
            ['ECONNRESET', 'EPIPE'].includes(code) ? undefined : Promise.reject(code),
          ),
        () => 'an answer',
      );
    problem(await send('POST', path('checkout'), AS_ANA, long), 413, 'too-large');
    problem(
      await send('POST', path('checkout'), AS_ANA, {
        [Symbol.asyncIterator]: async function* () {
          yield Buffer.from(long);
        },
      }),
      413,
      'too-large',
    );
    problem(await send('POST', path('checkout'), AS_ANA, `${' '.repeat(65 * 1024)}{}`), 413, 'too-large');
    problem(await send('POST', 'rollouts/checkout/signals', AS_ANA, long), 413, 'too-large');
    problem(
      await send('PUT', 'plans', AS_ANA, JSON.stringify({ rollouts: [], reason: reason + reason + reason })),
      413,
      'too-large',
    );
    assert.equal(
      (await ana.apply([rollout('checkout', { notes: [reason.slice(0, 900_000)] })], { dry_run: true })).dry_run,
      true,
      'plans may be longer',
    );
    assert.equal((await ana.rollout('checkout')).state.killed, false);
  });

  test('that is no JSON, or no object, is malformed', async () => {
    const bodies = [
      '',
      '{',
      '{"command":"kill","reason":"x"',
      'command=kill&reason=x',
      '[]',
      'null',
      '7',
      '"kill"',
      '['.repeat(20_000),
      '{"command":"kill","reason":"x"}{}',
    ];
    const places = [
      ['POST', path('checkout')],
      ['POST', 'rollouts/checkout/signals'],
      ['POST', 'rollouts/checkout/previews'],
      ['PUT', 'plans'],
      ['POST', path('*')],
    ];
    await each(
      bodies.flatMap((body) => places.map((place) => [...place, body])),
      async ([method, name, body]) => problem(await bare(method, name, AS_ANA, body), 400, 'malformed'),
    );
  });

  test('whose text is not UTF-8 is malformed, so that no reason is garbled', async () => {
    const body = Buffer.from('{"command":"kill","reason":"gel\xf6scht"}', 'latin1');
    problem(await bare('POST', path('checkout'), AS_ANA, body), 400, 'malformed');
  });

  const faulty = [
    ['command', {}],
    ['command', { command: 'sett', percentage: 5 }],
    ['command', { command: 'apply', plan: 1, digest: '' }],
    ['command', { command: 7 }],
    ['command', { command: 'Kill' }],
    ['percentage', { command: 'set' }],
    ['percentage', { command: 'set', percentage: 150 }],
    ['percentage', { command: 'set', percentage: -1 }],
    ['percentage', { command: 'set', percentage: 0.0005 }],
    ['percentage', { command: 'set', percentage: 'ten' }],
    ['percentage', { command: 'set', percentage: null }],
    ['percentage', { command: 'set', percentage: [5] }],
    ['percentage', { command: 'start', percentage: 5 }],
    ['percent', { command: 'set', percentage: 5, percent: 5 }],
    ['surprise', { command: 'kill', surprise: true }],
    ['key', { command: 'kill', key: 'kill/checkout' }],
    ['to', { command: 'rollback', to: 'legacy' }],
    ['to', { command: 'rollback', to: 101 }],
    ['to', { command: 'rollback', to: true }],
    ['stage', { command: 'resume', stage: 7 }],
    ['stage', { command: 'start', stage: 'full' }],
    ['item', { command: 'approve' }],
    ['item', { command: 'approve', item: 7 }],
    ['dry_run', { command: 'kill', dry_run: 'yes' }],
    ['reason', { command: 'note', reason: undefined }],
    ['reason', { command: 'start', reason: '' }],
    ['reason', { command: 'note', reason: '  \n' }],
    ['reason', { command: 'kill', reason: 'x'.repeat(1_001) }],
    ['reason', { command: 'kill', reason: 7 }],
  ];
  test('with a field that is wrong is answered with which, why and what is right', async () => {
    const { state } = await ana.rollout('checkout');
    const ofAll = [
      ['command', { command: 'start' }],
      ['reason', { command: 'revive', reason: undefined }],
      ['to', { command: 'kill', to: 'off' }],
      ['dry_run', { command: 'kill', dry_run: true }],
    ];
    const asked = [...faulty.map((given) => ['checkout', ...given]), ...ofAll.map((given) => ['*', ...given])];
    await each(asked, async ([key, field, given]) =>
      assertNames(
        await ana.ask('POST', path(key), { reason: 'because', ...given }, { 'If-Match': '*' }),
        field,
        `${key} ${JSON.stringify(given).slice(0, 80)}`,
      ),
    );
    assert.deepEqual((await ana.rollout('checkout')).state, state, 'nothing was done');
    assert.equal(
      (await ana.command('checkout', 'pause', { reason: 'é'.repeat(1_000), dry_run: true })).status,
      409,
      'a reason of 1,000 characters is none too long',
    );
  });

  test('with several faults is answered with all of them', async () => {
    const { faults } = problem(
      await ana.ask(
        'POST',
        path('checkout'),
        { command: 'set', percentage: 150, surprise: 1, reason: '' },
        { 'If-Match': '*' },
      ),
      400,
      'malformed',
    );
    assert.ok(faults.length >= 3, JSON.stringify(faults));
  });

  test('with a parameter that is wrong is answered with which', async () => {
    await each(
      [
        ['limit', 'rollouts/checkout/history?limit=0'],
        ['limit', 'rollouts/checkout/history?limit=1001'],
        ['limit', 'rollouts/checkout/history?limit=many'],
        ['before', 'rollouts/checkout/history?before=now'],
        ['revision', 'rollouts/checkout/plan?revision=last'],
        ['rollout', 'assign?id=ana'],
        ['id', 'assign?rollout=checkout'],
      ],
      async ([parameter, name]) =>
        assert.match(
          JSON.stringify(problem(await ana.get(name), 400, 'malformed')),
          new RegExp(`\\b${parameter}\\b`),
          name,
        ),
    );
  });
});

/** Asserts that a fault of an answer is about this field, and that the way out is reported. */
function assertNames(answer, field, what) {
  const { faults, help } = problem(answer, 400, 'malformed');
  const fault = faults?.find((each) => each.path === field || each.message.startsWith(`\`${field}\` is `));
  assert.ok(fault, `${what}: no fault names ${field}: ${answer.text}`);
  assert.ok(fault.help ?? help, `${what}: no way out: ${answer.text}`);
}

describe('a revision', () => {
  test('must be sent with what raises or restores, and need not be by what stops', async () => {
    await apply(rollout('assigned', { checklist: ['Signed off'] }));
    const args = { set: { percentage: 5 }, approve: { item: 'Signed off' } };
    for (const command of COMMANDS) {
      const needs = !['kill', 'rollback', 'pause'].includes(command);
      const answer = await ana.ask('POST', path('assigned'), { command, ...args[command], reason: 'assigned' });
      assert.equal(answer.status === 428, needs, `${command}: ${answer.text}`);
      if (needs) assert.equal(problem(answer, 428, 'revision-required').help.includes('If-Match'), true);
      const tried = await ana.ask('POST', path('assigned'), { command, ...args[command], dry_run: true });
      assert.ok(
        [200, 409].includes(tried.status),
        `to try ${command} needs neither a revision nor a reason: ${tried.text}`,
      );
    }
  });

  test('that is stale is refused with what the rollout is now', async () => {
    const { state } = await started('stale');
    granted(await ben.command('stale', 'set', { percentage: 20 }, { revision: state.revision }));
    const { current } = problem(
      await ana.command('stale', 'set', { percentage: 50 }, { revision: state.revision }),
      412,
      'stale-revision',
    );
    assert.deepEqual([current.state.revision, current.percentage, current.key], [state.revision + 1, 20, 'stale']);
    problem(await ana.command('stale', 'kill', {}, { revision: state.revision }), 412, 'stale-revision');
    problem(
      await ana.command('stale', 'set', { percentage: 50, dry_run: true }, { revision: state.revision + 7 }),
      412,
      'stale-revision',
    );
    assert.equal((await ana.rollout('stale')).percentage, 20);
    assert.equal((await ana.orders('stale', 'set', { percentage: 50 }, { revision: '*' })).rollout.percentage, 50);
    assert.equal(
      (await ana.orders('stale', 'set', { percentage: 60 }, { revision: current.state.revision + 1 })).rollout
        .percentage,
      60,
    );
  });

  test('that is malformed is refused', async () => {
    await started('quoted');
    for (const given of ['"two"', 'W/"2"', '""', '"-2"', '"02"', '2.0', '"1", "2"']) {
      const answer = await operator(gate).ask(
        'POST',
        path('quoted'),
        { command: 'set', percentage: 50, reason: 'x' },
        { 'If-Match': given },
      );
      assert.ok([400, 412].includes(answer.status), `${given}: ${answer.status} ${answer.text}`);
    }
    assert.equal((await ana.rollout('quoted')).percentage, 10);
  });

  test('is granted to one of those who decide on it at once', async () => {
    const { state } = await started('raced');
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        ana.command('raced', 'set', { percentage: 20 + n }, { revision: state.revision }),
      ),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(412)]);
    assert.equal((await ana.history('raced')).length, state.revision + 1);
  });
});

describe('a reason', () => {
  test('may be missing or empty of what stops something, and can follow as a note that changes nothing else', async () => {
    await started('hurried');
    for (const [command, given] of /** @type {[string, object][]} */ ([
      ['pause', {}],
      ['rollback', { reason: '' }],
      ['kill', {}],
    ])) {
      assert.equal(
        granted(await ana.ask('POST', path('hurried'), { command, ...given })).entry.reason,
        'no reason given',
        command,
      );
    }
    const was = await ana.rollout('hurried');
    const { rollout: is, entry } = granted(
      await ben.ask('POST', path('hurried'), { command: 'note', reason: 'Payments failed' }),
    );
    assert.deepEqual(
      [entry.actor, entry.command, entry.reason, entry.revision],
      ['ben', { command: 'note' }, 'Payments failed', was.state.revision + 1],
    );
    assert.deepEqual(is.state, { ...was.state, revision: entry.revision }, 'since stays too');
    const [newest, former] = granted(await ana.get('rollouts/hurried/history?limit=2')).entries;
    assert.deepEqual([newest, newest.previous], [entry, former.hash]);
    assert.equal((await vic.ask('POST', path('hurried'), { command: 'note', reason: 'me too' })).status, 403);
  });

  test('is given to a kill of all at once by a note to all', async () => {
    const { rollouts, refused } = granted(
      await ana.ask('POST', path('*'), { command: 'note', reason: 'It was the network' }),
    );
    assert.deepEqual([rollouts.length > 0, refused], [true, []]);
    assert.equal((await ana.history('hurried')).at(-1).reason, 'It was the network');
  });
});

describe('an idempotency key', () => {
  const stripped = ({ status, text, get }) => [status, text, get('etag')];

  test('makes the same request give the same answer once more, and one entry', async () => {
    const { state } = await started('once');
    const set = (args = {}, options = {}) =>
      ana.command(
        'once',
        'set',
        { percentage: 25, reason: 'once', ...args },
        { revision: state.revision, idempotencyKey: 'k-1', ...options },
      );
    const first = await set();
    granted(first);
    assert.deepEqual(stripped(await set()), stripped(first));
    granted(await ana.command('once', 'set', { percentage: 30 }));
    assert.deepEqual(stripped(await set()), stripped(first), 'later too');
    assert.equal((await ana.history('once')).filter(({ reason }) => reason === 'once').length, 1);
    assert.equal((await ana.rollout('once')).percentage, 30);
  });

  test('makes the same request, sent several times at once, one entry', async () => {
    await started('burst');
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => ana.command('burst', 'pause', { reason: 'burst' }, { idempotencyKey: 'k-2' })),
    );
    for (const answer of answers) assert.deepEqual(stripped(answer), stripped(answers[0]));
    assert.equal((await ana.history('burst')).filter(({ reason }) => reason === 'burst').length, 1);
  });

  test('belongs to its request', async () => {
    await started('owned');
    await started('other');
    granted(await ana.command('owned', 'pause', { reason: 'mine' }, { idempotencyKey: 'k-3' }));
    for (const answer of [
      await ana.command('owned', 'pause', { reason: 'another' }, { idempotencyKey: 'k-3' }),
      await ana.command('owned', 'kill', { reason: 'mine' }, { idempotencyKey: 'k-3' }),
      await ana.command('other', 'pause', { reason: 'mine' }, { idempotencyKey: 'k-3' }),
    ])
      problem(answer, 422, 'key-reused');
    assert.equal((await ana.rollout('other')).state.phase, 'running');
    assert.equal((await ana.rollout('owned')).state.killed, false);
    problem(await operator(gate).command('owned', 'pause', {}, { idempotencyKey: 'k'.repeat(129) }), 400, 'malformed');
  });

  test('outlives the isolate', async () => {
    await started('outlived');
    const kill = () => ana.command('outlived', 'kill', { reason: 'outlived' }, { idempotencyKey: 'k-4' });
    const first = await kill();
    granted(first);
    await gate.restart({ keepState: true });
    assert.deepEqual(stripped(await kill()), stripped(first));
  });
});

/** The commands that a dry run accepts now. What it refuses has a reason and changes nothing. */
async function accepted(key) {
  const { state, checklist } = await ana.rollout(key);
  const item = checklist?.items.find(({ approved }) => !approved)?.item ?? 'nothing';
  const args = { set: { percentage: 33 }, approve: { item } };
  const answers = await Promise.all(
    COMMANDS.map((command) => ana.command(key, command, { ...args[command], dry_run: true })),
  );
  answers.forEach((answer) => answer.status === 200 || problem(answer, 409, 'refused'));
  assert.equal((await ana.rollout(key)).state.revision, state.revision, 'a dry run changes nothing');
  return COMMANDS.filter((_, index) => answers[index].status === 200);
}

describe("a rollout's life", () => {
  const LIFE = {
    checklist: ['Signed off', 'Backups confirmed'],
    after_rollback: ['Cause found'],
    groups: { team: { ids: ['tom'] } },
    stage: [
      { name: 'team', percentage: 0, groups: ['team'], hold: '1h' },
      { name: 'canary', percentage: 10, hold: '1h', checklist: ['Rollback tested'] },
      { name: 'half', percentage: 50, hold: '1h' },
      { name: 'full', percentage: 100, hold: '1h' },
    ],
  };

  /** Asserts what must hold after each command, whichever it was, and that it led to this state. */
  async function step(key, command, args, expected) {
    const what = `${command} ${JSON.stringify(args)}`;
    const was = await ana.rollout(key);
    const tried = await ana.command(key, command, { ...args, dry_run: true }, { revision: was.state.revision });
    const answer = await ana.command(
      key,
      command,
      { ...args, reason: `because of ${command}` },
      { revision: was.state.revision },
    );
    const { rollout: is, entry, moves } = granted(answer);
    for (const [field, value] of Object.entries(expected))
      assert.deepEqual(is.state[field], value, `${what}: ${field}`);
    assert.equal(is.state.revision, was.state.revision + 1, what);
    assert.equal(answer.revision, is.state.revision, what);
    assert.deepEqual(
      [entry.actor, entry.reason, entry.command.command, entry.revision],
      ['ana', `because of ${command}`, command, answer.revision],
      what,
    );
    for (const [name, value] of Object.entries(args)) assert.deepEqual(entry.command[name], value, what);
    assert.deepEqual(entry.state, is.state, what);
    const effective = is.state.killed || is.state.phase === 'draft' ? 0 : is.state.percentage;
    assert.equal(is.percentage, effective, `${what}: what is in effect`);
    assert.deepEqual(
      [moves.from, moves.to, moves.direction],
      [was.percentage, is.percentage, directionOf(is.percentage - was.percentage)],
      what,
    );
    assert.ok(
      Math.abs(moves.share - Math.abs(is.percentage - was.percentage)) < 1e-9,
      `${what}: ${JSON.stringify(moves)}`,
    );
    const { from, to, moves: tryMoves } = granted(tried);
    assert.deepEqual(
      [from, { ...to, since: 0 }, tryMoves, tried.revision],
      [was.state, { ...is.state, since: 0 }, moves, was.state.revision],
      `${what}: the dry run`,
    );
    const {
      entries: [newest, former],
    } = granted(await ana.get(`rollouts/${key}/history?limit=2`));
    assert.deepEqual(newest, entry, what);
    assert.equal(newest.previous, former.hash, what);
    const shown = await ana.rollout(key);
    assert.deepEqual(shown.state, is.state, what);
    assert.deepEqual(
      [...shown.commands].sort(),
      (await accepted(key)).sort(),
      `${what}: the commands that are offered`,
    );
    return is;
  }
  const directionOf = (change) => (change > 0 ? 'new' : change < 0 ? 'legacy' : 'none');

  test('goes through every command, each telling what can follow', async () => {
    const key = 'life';
    await apply(rollout(key, LIFE));
    const draft = await ana.rollout(key);
    assert.deepEqual(
      [draft.state.phase, draft.state.revision, draft.percentage, draft.commands.includes('start')],
      ['draft', 1, 0, false],
    );
    assert.deepEqual(draft.checklist, { of: 'start', items: [{ item: 'Signed off' }, { item: 'Backups confirmed' }] });

    assert.match(refused(await ana.command(key, 'start'), 'checklist').detail, /Signed off.*Backups confirmed/);
    const { checklist } = await step(key, 'approve', { item: 'Signed off' }, { phase: 'draft' });
    assert.equal(checklist.items[0].approved.by, 'ana');
    assert.ok(Date.parse(checklist.items[0].approved.at));
    refused(await ana.command(key, 'approve', { item: 'Signed off' }), 'approved-already');
    assert.match(
      refused(await ana.command(key, 'approve', { item: 'Backups' }), 'unknown-item').help,
      /Backups confirmed/,
    );
    refused(await ana.command(key, 'start'), 'checklist');
    await step(key, 'approve', { item: 'Backups confirmed' }, { phase: 'draft' });

    await step(key, 'start', {}, { phase: 'running', stage: 'team', percentage: 0, groups: ['team'], attempt: 1 });
    refused(await ana.command(key, 'start'), 'phase');
    const { current } = refused(await ana.command(key, 'revive'), 'not-killed');
    assert.equal(current.state.revision, 4);
    await step(key, 'advance', {}, { phase: 'running', stage: 'canary', percentage: 10, groups: ['team'] });
    refused(await ana.command(key, 'advance'), 'checklist');
    await step(key, 'set', { percentage: 25 }, { phase: 'paused', stage: 'canary', percentage: 25 });
    await step(key, 'resume', {}, { phase: 'running', stage: 'canary', percentage: 25, attempt: 1 });
    refused(await ana.command(key, 'resume'), 'phase');
    await step(key, 'pause', {}, { phase: 'paused', percentage: 25 });
    await step(key, 'pause', {}, { phase: 'paused', percentage: 25 });
    await step(key, 'approve', { item: 'Rollback tested' }, { phase: 'paused' });
    await step(key, 'advance', {}, { phase: 'running', stage: 'half', percentage: 50 });

    await step(
      key,
      'rollback',
      { to: 'previous' },
      { phase: 'rolled_back', stage: 'canary', percentage: 10, groups: ['team'] },
    );
    refused(await ana.command(key, 'rollback', { to: 11 }), 'would-rise');
    await step(key, 'rollback', { to: 5 }, { phase: 'rolled_back', stage: 'team', percentage: 5, groups: ['team'] });
    await step(key, 'rollback', { to: 'off' }, { phase: 'rolled_back', percentage: 0, groups: [] });
    await step(key, 'rollback', {}, { phase: 'rolled_back', percentage: 0, groups: [] });
    refused(await ana.command(key, 'resume'), 'checklist');
    refused(await ana.command(key, 'resume', { stage: 'hafl' }), 'unknown-stage');
    refused(await ana.command(key, 'advance'), 'phase');
    await step(key, 'approve', { item: 'Cause found' }, { phase: 'rolled_back' });
    await step(
      key,
      'resume',
      { stage: 'canary' },
      { phase: 'running', stage: 'canary', percentage: 10, groups: ['team'], attempt: 2 },
    );
    refused(await ana.command(key, 'advance'), 'checklist');

    await step(key, 'kill', {}, { phase: 'running', killed: true, percentage: 10 });
    refused(await ana.command(key, 'complete'), 'killed');
    await step(key, 'kill', {}, { killed: true });
    await step(key, 'set', { percentage: 0.003 }, { phase: 'paused', killed: true, stage: 'team', percentage: 0.003 });
    await step(key, 'revive', {}, { phase: 'paused', killed: false, percentage: 0.003 });
    await step(key, 'set', { percentage: 100 }, { phase: 'paused', stage: 'full', percentage: 100 });
    refused(await ana.command(key, 'advance'), 'last-stage');
    await step(key, 'complete', {}, { phase: 'completed', percentage: 100 });
    refused(await ana.command(key, 'complete'), 'phase');
    refused(await ana.command(key, 'pause'), 'phase');
    await step(key, 'rollback', {}, { phase: 'rolled_back', percentage: 0, groups: [] });
    await step(key, 'set', { percentage: 7 }, { phase: 'paused', percentage: 7, attempt: 3 });
  });

  test('can be killed before it has begun', async () => {
    await apply(rollout('unborn'));
    await step('unborn', 'kill', {}, { phase: 'draft', killed: true });
    refused(await ana.command('unborn', 'start'), 'killed');
    await step('unborn', 'revive', {}, { phase: 'draft', killed: false });
  });

  test('is reported to isolates', async () => {
    await apply(rollout('sent-to', { stage: [{ name: 'full', percentage: 100, hold: '1h' }] }));
    await ana.orders('sent-to', 'start');
    await obeys('sent-to', 'new bucketed');
    await ana.orders('sent-to', 'kill');
    await obeys('sent-to', 'legacy killed');
    await until(
      async () => (await ana.rollout('sent-to')).published.is_current,
      () => 'KV to hold it',
    );
    const { state, published } = await ana.rollout('sent-to');
    assert.equal(published.revision, state.revision);
  });

  test('ends a kill by a key in KV only when the key is deleted', async () => {
    await started('keyed');
    await gate.kill('keyed');
    const killed = await until(
      async () => {
        const is = await ana.rollout('keyed');
        return is.state.killed && is;
      },
      () => 'the key to be seen',
      SCHEDULED_MS_MAX,
    );
    assert.deepEqual(
      [killed.kill_key, killed.percentage, killed.commands.includes('revive')],
      ['kill/keyed', 0, false],
    );
    assert.match(refused(await ana.command('keyed', 'revive'), 'kill-key').help, /kill\/keyed/);
    const { refused: others } = granted(await ana.ask('POST', path('*'), { command: 'revive', reason: 'all' }));
    assert.ok(
      others.some(({ rollout: name, detail }) => name === 'keyed' && detail.includes('kill/keyed')),
      JSON.stringify(others),
    );
    const { command, actor } = (await ana.history('keyed')).at(-1);
    assert.deepEqual([command, actor], [{ command: 'kill', key: 'kill/keyed' }, 'kv']);
    await gate.kv.delete('kill/keyed');
  });
});

test('every rollout can be killed at once, and revived', async () => {
  await afresh();
  await apply(rollout('one'), rollout('two'), rollout('draft'));
  for (const key of ['one', 'two']) await ana.orders(key, 'start');
  const all = async (command) => granted(await ana.ask('POST', path('*'), { command, reason: `${command} them` }));
  const killed = await all('kill');
  assert.deepEqual(
    [killed.rollouts.map(({ key, state }) => `${key} ${state.killed}`).sort(), killed.refused],
    [['draft true', 'one true', 'two true'], []],
  );
  assert.equal((await ana.history('two')).at(-1).reason, 'kill them');
  await ana.orders('two', 'revive');
  const revived = await all('revive');
  assert.deepEqual(revived.rollouts.map(({ key }) => key).sort(), ['draft', 'one']);
  assert.deepEqual(
    revived.refused.map(({ rollout: key }) => key),
    ['two'],
  );
  for (const { state } of granted(await ana.get('rollouts')).rollouts) assert.equal(state.killed, false);
});

describe('plans', () => {
  before(() => afresh());
  const changes = (answer) => answer.changes.map(({ rollout: key, change }) => `${key} ${change}`).sort();

  test('are added, changed and left as they are', async () => {
    assert.deepEqual(changes(await apply(rollout('a'), rollout('b'))), ['a added', 'b added']);
    const { revision } = granted(await ana.get('plans'));
    const same = await apply(rollout('a'), rollout('b'));
    assert.deepEqual(
      [changes(same), same.revision],
      [['a unchanged', 'b unchanged'], revision],
      'the same plans are no change',
    );
    const answer = await ana.apply([rollout('b', { description: 'Changed' })], { reason: 'for the test' });
    assert.deepEqual(
      changes(answer).filter((change) => !change.endsWith('unchanged')),
      ['b changed'],
    );
    const { entry } = answer.changes.find(({ change }) => change === 'changed');
    assert.deepEqual(
      [entry.actor, entry.reason, entry.command.command, entry.command.plan],
      ['ana', 'for the test', 'apply', answer.revision],
    );
    assert.ok(answer.revision > revision);
    const { rollouts, revision: now } = granted(await ana.get('plans'));
    assert.deepEqual([rollouts.map(({ key }) => key).sort(), now], [['a', 'b'], answer.revision]);
    assert.equal((await ana.rollout('b')).description, 'Changed');
    assert.equal(granted(await ana.get('rollouts')).plans, now);
  });

  test('of every revision can be read again', async () => {
    await apply(rollout('kept', { description: 'first' }));
    const { state } = await ana.rollout('kept');
    await apply(rollout('kept', { description: 'second' }));
    const read = async (query = '') => granted(await ana.get(`rollouts/kept/plan${query}`)).description;
    assert.deepEqual([await read(), await read(`?revision=${state.plan}`)], ['second', 'first']);
  });

  test('that are tried only are not applied', async () => {
    const was = granted(await ana.get('plans'));
    const answer = await ana.apply([rollout('a', { description: 'tried' }), rollout('new')], {
      dry_run: true,
      prune: true,
    });
    assert.deepEqual(
      [answer.dry_run, changes(answer).filter((change) => /^(a|b|new) /.test(change))],
      [true, ['a changed', 'b removed', 'new added']],
    );
    assert.deepEqual(granted(await ana.get('plans')), was);
    problem(await ana.get('rollouts/new'), 404, 'unknown-rollout');
  });

  test('with faults are refused as a whole, each fault with its place', async () => {
    const was = granted(await ana.get('plans'));
    const falling = rollout('falls', {
      stage: [
        { name: 'x', percentage: 10, hold: '1h' },
        { name: 'y', percentage: 5 },
      ],
    });
    const put = (rollouts, more = {}) => ana.ask('PUT', 'plans', { rollouts, reason: 'faulty', ...more });
    const faults = async (...rollouts) =>
      problem(await put(rollouts), 422, 'invalid-plans').faults.map(({ rollout: key, path: at }) => `${key} ${at}`);
    assert.deepEqual(await faults(rollout('sound'), falling), ['falls stage[1].percentage']);
    assert.deepEqual(await faults({ ...rollout('strange'), surprise: 1 }), ['strange ']);
    assert.deepEqual(
      (
        await faults(falling, rollout('gated', { stage: [{ name: 'x', percentage: 10, gates: ['eror_rate < 1%'] }] }))
      ).sort(),
      ['falls stage[1].percentage', 'gated stage[0].gates[0]'],
    );
    assert.deepEqual(
      await faults(
        rollout('rushes', {
          stage: [
            { name: 'x', percentage: 10 },
            { name: 'y', percentage: 100, hold: '1h' },
          ],
        }),
      ),
      ['rushes stage[0]'],
    );
    assert.deepEqual(await faults(rollout('waits', { after: ['nobody'] })), ['waits after[0]']);
    assert.match(
      (await faults(rollout('taken', { routes: ['/a/*'] }))).join(),
      /(taken|a) routes\[0\]/,
      'a route of a rollout that is not named',
    );
    await faults(rollout('twice'), rollout('twice'));
    problem(await put([rollout('a', { after: ['b'] }), rollout('b', { after: ['a'] })]), 422, 'invalid-plans');
    problem(await put([rollout('a'), rollout('late', { after: ['b'] })], { prune: true }), 422, 'invalid-plans');
    assert.deepEqual(granted(await ana.get('plans')), was);
  });

  test('in a body that is no set of plans are answered with the field that is wrong', async () => {
    const bodies = [
      ['rollouts', {}],
      ['rollouts', { rollouts: 'a' }],
      ['prune', { rollouts: [], prune: 'yes' }],
      ['surprise', { rollouts: [], surprise: 1 }],
      ['reason', { rollouts: [], reason: 7 }],
      ['reason', { rollouts: [], reason: 'x'.repeat(1_001) }],
    ];
    await each(bodies, async ([field, body]) =>
      assertNames(await ana.ask('PUT', 'plans', body), field, JSON.stringify(body).slice(0, 80)),
    );
  });

  const BASE = {
    holdout: 5,
    groups: { beta: { ids: ['bea'] }, team: { ids: ['tom'] } },
    eligible: 'beta',
    exclude: ['team'],
  };
  const forbidden = {
    salt: { salt: 'pepper' },
    identity: { identity: { from: ['cookie:other'], anonymous: true } },
    holdout: { holdout: 6 },
    eligible: { eligible: 'team', exclude: [] },
    'the current stage': {
      stage: [
        { name: 'another', percentage: 10, hold: '1h' },
        { name: 'full', percentage: 100, hold: '1h' },
      ],
    },
  };
  for (const [name, change] of Object.entries(forbidden)) {
    test(`of a started rollout cannot change ${name}`, async () => {
      const key = `keeps-${name.split(' ').at(-1)}`;
      await started(key, BASE);
      const was = granted(await ana.get('plans'));
      const answer = await ana.ask('PUT', 'plans', {
        rollouts: [rollout(`beside-${key}`), rollout(key, { ...BASE, ...change })],
        reason: 'refused',
      });
      const { refusals } = problem(answer, 409, 'refused');
      assert.deepEqual(
        refusals.map(({ rollout: of, refusal }) => `${of} ${refusal}`),
        [`${key} running-plan`],
      );
      assert.ok(refusals[0].help);
      assert.deepEqual(granted(await ana.get('plans')), was, 'nothing was applied');
    });
  }

  test('of a draft can change everything', async () => {
    await apply(rollout('draft', BASE));
    for (const change of Object.values(forbidden)) await apply(rollout('draft', { ...BASE, ...change }));
  });

  test('of a started rollout leave its percentage until somebody sets it', async () => {
    await started('stays');
    await apply(
      rollout('stays', {
        stage: [
          { name: 'first', percentage: 1, hold: '1h' },
          { name: 'canary', percentage: 20, hold: '1h' },
          { name: 'full', percentage: 100, hold: '1h' },
        ],
      }),
    );
    const { state, percentage } = await ana.rollout('stays');
    assert.deepEqual([state.stage, state.percentage, percentage, state.phase], ['canary', 10, 10, 'running']);
    assert.equal((await ana.orders('stays', 'set', { percentage: 20 })).rollout.state.stage, 'canary');
  });

  test('that are not named go, if so asked', async () => {
    await afresh();
    await apply(rollout('stays'), rollout('goes'));
    assert.deepEqual(changes(await ana.apply([rollout('stays')])), ['stays unchanged']);
    assert.deepEqual(changes(await ana.apply([rollout('stays')], { prune: true })), [
      'goes removed',
      'stays unchanged',
    ]);
    problem(await ana.get('rollouts/goes'), 404, 'unknown-rollout');
    assert.deepEqual(
      granted(await ana.get('rollouts')).rollouts.map(({ key }) => key),
      ['stays'],
    );
    await ana.orders('stays', 'start');
    const { refusals } = problem(
      await ana.ask('PUT', 'plans', { rollouts: [rollout('instead')], prune: true }),
      409,
      'refused',
    );
    assert.deepEqual(
      refusals.map(({ rollout: key, refusal }) => `${key} ${refusal}`),
      ['stays running-plan'],
      'a rollout that has subjects does not go',
    );
  });

  test('of a rollout that is gone begin anew when they come back', async () => {
    await apply(rollout('stays'), rollout('back'));
    await ana.orders('back', 'set', { percentage: 100 });
    await ana.orders('back', 'complete');
    await until(
      async () => (await ana.rollout('back')).published.is_current,
      () => 'KV to hold it',
    );
    await ana.apply([rollout('stays')], { prune: true });
    await apply(rollout('back'));
    const { state, percentage } = await ana.rollout('back');
    assert.deepEqual([state.phase, percentage], ['draft', 0], 'nobody is put on new by applying a plan');
    assert.deepEqual(
      (await ana.history('back')).map(({ command }) => command.command),
      ['apply'],
    );
    assert.equal(
      (JSON.parse(await gate.kv.get('stage/back')) ?? { phase: 'draft' }).phase,
      'draft',
      'for the isolates too',
    );
  });

  test('are published to KV', async () => {
    const { revision } = await apply(rollout('assigned'));
    const held = await until(
      async () => {
        const plans = JSON.parse((await gate.kv.get('plans')) ?? '{}');
        return plans.revision === revision && plans;
      },
      () => 'KV to hold the plans',
    );
    assert.deepEqual(held.rollouts, granted(await ana.get('plans')).rollouts);
  });
});

test('a history is read in pages, newest first, and is chained to its beginning', async () => {
  await started('paged');
  for (let n = 0; n < 5; n += 1) await ana.orders('paged', 'set', { percentage: n });
  const pages = [];
  for (let before = ''; before !== null; ) {
    const page = granted(await vic.get(`rollouts/paged/history?limit=3${before === '' ? '' : `&before=${before}`}`));
    pages.push(page.entries);
    before = page.before;
  }
  const entries = pages.flat();
  assert.deepEqual(
    pages.map(({ length }) => length).filter((length) => length > 0),
    [3, 3, 1],
  );
  assert.deepEqual(
    entries.map(({ revision }) => revision),
    [7, 6, 5, 4, 3, 2, 1],
  );
  entries.forEach(({ previous }, index) => assert.equal(previous, entries[index + 1]?.hash ?? '0'.repeat(64)));
  assert.equal(new Set(entries.map(({ hash }) => hash)).size, 7);
  assert.deepEqual([entries[6].command.command, entries[5].command.command], ['apply', 'start']);
  for (const { hash, ...entry } of entries)
    assert.equal(sha256(JSON.stringify(entry)), hash, "of the entry's text without its hash");
  assert.deepEqual(
    granted(await vic.get('rollouts/paged/history?before=3')).entries.map(({ revision }) => revision),
    [2, 1],
  );
  assert.deepEqual(granted(await vic.get('rollouts/paged/history?before=1')), {
    entries: [],
    explanations: [],
    before: null,
  });
});

describe('a signal', () => {
  const report = (body) => ana.ask('POST', 'rollouts/noted/signals', body);
  before(() => apply(rollout('noted', { signals: { p1: { kind: 'count' }, db_cpu: { kind: 'gauge' } } })));

  test('of the plan is taken', async () => {
    for (const body of [
      { name: 'p1', count: 1 },
      { name: 'p1', count: 0 },
      { name: 'p1', count: 1_000 },
      { name: 'db_cpu', value: 0.7 },
      { name: 'db_cpu', value: -3 },
      { name: 'db_cpu', value: 1e300 },
    ]) {
      const answer = await report(body);
      assert.equal(answer.status, 202, answer.text);
      assert.deepEqual([answer.body.rollout, answer.body.name], ['noted', body.name]);
      assert.ok(Math.abs(Date.parse(answer.body.at) - Date.now()) < 60_000);
    }
  });

  test('that the plan does not know, or of another kind, or no number, is refused', async () => {
    const given = [
      ['name', { name: 'p2', count: 1 }],
      ['name', { count: 1 }],
      ['count', { name: 'p1' }],
      ['count', { name: 'p1', count: -1 }],
      ['count', { name: 'p1', count: 1.5 }],
      ['count', { name: 'p1', count: '1' }],
      ['count', { name: 'p1', count: null }],
      ['value', { name: 'p1', value: 1 }],
      ['count', { name: 'db_cpu', count: 1 }],
      ['value', { name: 'db_cpu', value: 'NaN' }],
      ['value', { name: 'db_cpu' }],
      ['surprise', { name: 'p1', count: 1, surprise: 1 }],
    ];
    await each(given, async ([field, body]) => {
      const answer = await gate.fetch('/_tidegate/api/rollouts/noted/signals', {
        method: 'POST',
        headers: AS_ANA,
        body: JSON.stringify(body),
      });
      assertNames({ ...answer, body: answer.json() }, field, JSON.stringify(body));
    });
    for (const text of ['{"name":"db_cpu","value":NaN}', '{"name":"db_cpu","value":1e999}'])
      problem(await bare('POST', 'rollouts/noted/signals', AS_ANA, text), 400, 'malformed');
  });
});

test('an explanation is what a request gets and what the command says', {
  skip: !existsSync(CLI) && 'the command is not built',
}, async () => {
  const own = rollout('explained', { holdout: 10 });
  await apply(own);
  await ana.orders('explained', 'set', { percentage: 30 });
  await until(
    async () => /bucketed|holdout/.test(await assigned('explained')),
    () => 'the isolate to know',
    OBEYED_MS_MAX,
  );
  const ids = [
    'josé',
    '😀',
    'a b',
    'x+y@example.com',
    '100%',
    'a&b=c',
    ...Array.from({ length: 44 }, (_, n) => `user-${n}`),
  ];
  const lines = execFileSync(
    CLI,
    ['assign', writeToml(own, join(gate.scratch, 'explained.toml')), '--percentage', '30'],
    { input: ids.join('\n'), encoding: 'utf8' },
  )
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { state } = await ana.rollout('explained');
  for (const [index, id] of ids.entries()) {
    const { bucket, variant, reason, stage, revision, ...same } = granted(
      await vic.get(`assign?rollout=explained&id=${encodeURIComponent(id)}`),
    );
    assert.equal(typeof same.why, 'string');
    assert.deepEqual({ ...same, why: undefined }, { rollout: 'explained', id, why: undefined });
    assert.deepEqual({ id, bucket, variant, reason }, lines[index]);
    assert.equal(`${variant} ${reason}`, await assigned('explained', { headers: { 'x-user-id': utf8(id) } }), id);
    assert.deepEqual([stage, revision], [state.stage, state.revision]);
  }
  assert.ok(new Set(lines.map(({ variant }) => variant)).size === 2, 'both sides are among them');
});

describe('a preview', () => {
  const OTHER_HOST = 'other.example.com';
  const make = async (key, body) => {
    const answer = await ana.ask('POST', `rollouts/${key}/previews`, { variant: 'new', for: '1h', ...body });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };
  /**
   * Follows a link as a browser does; the answer, and the cookie to send from then on.
   * @param {string} url
   * @param {import('./wire.mjs').RequestOptions} [options]
   */
  const visit = async (url, { host, ...options } = {}) => {
    const { host: own, pathname, search } = new URL(url);
    const response = await api.fetch(pathname + search, { headers: DOCUMENT, host: host ?? own, ...options });
    const cookies = response.all('set-cookie');
    return { ...response, cookies, cookie: cookies.map((cookie) => cookie.split(';')[0]).join('; ') };
  };
  const showing = (key, cookie, options) => assigned(key, { headers: { ...ANA, Cookie: cookie }, ...options });
  const useless = ({ status, cookies }, what) =>
    assert.ok(status >= 400 && cookies.length === 0, `${what}: ${status} ${cookies}`);

  before(async () => {
    await afresh();
    await apply(rollout('seen'), rollout('unseen'), rollout('dead'));
    for (const key of ['seen', 'unseen', 'dead']) await obeys(key, 'legacy inactive');
  });

  test('puts one browser on the side of its choice, of a rollout that nobody has started', async () => {
    const asked = Date.now();
    const { url, variant, host, expires } = await make('seen');
    assert.deepEqual(
      [variant, host, new URL(url).host, new URL(url).protocol],
      ['new', PUBLIC_HOST, PUBLIC_HOST, 'https:'],
    );
    assert.ok(Math.abs(Date.parse(expires) - asked - 3_600_000) < 60_000, expires);
    const visited = await visit(url);
    assert.match(visited.get('location'), /^\/seen\b/);
    assert.match(visited.get('referrer-policy') ?? '', /no-referrer/, 'the token is not passed on');
    assert.equal(visited.cookies.length, 1);
    assert.match(visited.cookies[0], /; ?Secure/i);
    assert.match(visited.cookies[0], /; ?HttpOnly/i);
    assert.match(visited.cookies[0], /; ?SameSite=Lax/i);
    assert.match(visited.cookies[0], /; ?Path=\//i);
    assert.match(visited.get('cache-control') ?? '', /no-store/);
    assert.equal(await showing('seen', visited.cookie), 'new override');
    assert.equal(next.last('/seen/page').get('tidegate-variant'), 'new');
    assert.equal(await assigned('seen'), 'legacy inactive', 'nobody else');
  });

  test('never shows the page that the browser has kept from the other side', async () => {
    const { cookie } = await visit((await make('seen')).url);
    for (const site of [legacy, next])
      site.handle('/seen/kept', { headers: { 'Cache-Control': 'public, max-age=600', ETag: '"e"' }, body: site.name });
    const headers = {
      ...ANA,
      ...DOCUMENT,
      'If-None-Match': '"e"',
      'If-Modified-Since': 'Sat, 21 Nov 2026 00:00:00 GMT',
      Cookie: cookie,
    };
    const { text, get } = await gate.fetch('/seen/kept', { headers });
    const { get: asked } = next.last('/seen/kept');
    assert.deepEqual(
      [text, get('cache-control'), asked('if-none-match'), asked('if-modified-since')],
      ['new', 'no-cache, private', undefined, undefined],
    );
  });

  test('of a flag is reported to the frontend', async () => {
    await apply(flag('beta'));
    await until(
      async () => {
        await assigned('seen');
        return /beta=legacy/.test(legacy.last('/seen/page').get('tidegate-flags'));
      },
      () => 'the flag to be known',
      OBEYED_MS_MAX,
    );
    const { cookie } = await visit((await make('beta')).url);
    await showing('seen', cookie);
    assert.match(legacy.last('/seen/page').get('tidegate-flags'), /beta=new/);
  });

  test('of legacy keeps a browser there', async () => {
    await apply(rollout('everywhere'));
    await ana.orders('everywhere', 'set', { percentage: 100 });
    await obeys('everywhere', 'new bucketed');
    const { cookie } = await visit((await make('everywhere', { variant: 'legacy' })).url);
    assert.equal(await showing('everywhere', cookie), 'legacy override');
  });

  test('of one rollout does nothing to another, and two stand beside each other', async () => {
    const one = await visit((await make('seen')).url);
    assert.equal(await showing('unseen', one.cookie), 'legacy inactive');
    assert.equal(await showing('unseen', one.cookie.replaceAll('seen', 'unseen')), 'legacy inactive', 'renamed');
    const two = await visit((await make('unseen')).url, { headers: { ...DOCUMENT, Cookie: one.cookie } });
    const both = one.cookie.split('=')[0] === two.cookie.split('=')[0] ? two.cookie : `${one.cookie}; ${two.cookie}`;
    assert.deepEqual([await showing('seen', both), await showing('unseen', both)], ['new override', 'new override']);
  });

  test('of another host does nothing here', async () => {
    const { url, host } = await make('seen', { host: OTHER_HOST });
    assert.deepEqual([host, new URL(url).host], [OTHER_HOST, OTHER_HOST]);
    useless(await visit(url, { host: PUBLIC_HOST }), 'opened here');
    const there = await visit(url);
    assert.equal(await showing('seen', there.cookie, { host: OTHER_HOST }), 'new override');
    assert.equal(await showing('seen', there.cookie), 'legacy inactive');
  });

  test('that is forged, cut or empty does nothing', async () => {
    const { url } = await make('seen');
    const { cookie } = await visit(url);
    const token = new URL(url).searchParams.get('token');
    const [name] = cookie.split('=');
    const spoilt = [
      '',
      token.slice(0, -4),
      `${token}AAAA`,
      `${token.slice(0, -6)}${token.at(-6) === 'A' ? 'B' : 'A'}${token.slice(-5)}`,
      token.split('.').slice(0, -1).join('.'),
      token.replace('new', 'legacy'),
      token.replace('seen', 'unseen'),
      token.replace(/\d{10}/, '9999999999'),
      token.replace(PUBLIC_HOST, OTHER_HOST),
    ];
    for (const forged of spoilt) {
      useless(await visit(`https://${PUBLIC_HOST}/_tidegate/preview?token=${encodeURIComponent(forged)}`), forged);
      assert.equal(await showing('seen', `${name}=${forged}`), 'legacy inactive', forged);
    }
    assert.equal(
      await showing('seen', `${name}=${spoilt[1]}; ${cookie}`),
      'new override',
      'beside a forged one, the true one counts',
    );
    useless(await visit(`https://${PUBLIC_HOST}/_tidegate/preview`), 'no token');
  });

  test('leads nowhere else than to this host', async () => {
    const link = `https://${PUBLIC_HOST}/_tidegate/preview?end=seen&to=`;
    const targets = [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example/',
      '/\t/evil.example/',
      '\t//evil.example/',
      '/\n/evil.example/',
      '/\r/evil.example/',
      '\\/evil.example',
      '/€',
      '/a\0b',
      '/a\x01b',
      'evil.example',
      '',
    ];
    await each(targets, async (to) => {
      const visited = await visit(link + encodeURIComponent(to));
      assert.equal(visited.status, 303, `${JSON.stringify(to)}: ${visited.text}`);
      const location = visited.get('location');
      assert.equal(
        new URL(location, link).host,
        PUBLIC_HOST,
        `${JSON.stringify(to)} leads to ${JSON.stringify(location)}`,
      );
      assert.match(location, /^[!-~]+$/, `${JSON.stringify(to)} is encoded: ${JSON.stringify(location)}`);
    });
    assert.equal((await visit(link + encodeURIComponent('/seen/page?a=b'))).get('location'), '/seen/page?a=b');
  });

  test('ends when its time is over', async () => {
    const { url } = await make('seen', { for: '5s' });
    const { cookie } = await visit(url);
    assert.equal(await showing('seen', cookie), 'new override');
    await until(
      async () => (await showing('seen', cookie)) === 'legacy inactive',
      () => 'the preview to end',
    );
    useless(await visit(url), 'the link');
  });

  test('ends by its link', async () => {
    const { cookie } = await visit((await make('seen')).url);
    const ended = await visit(`https://${PUBLIC_HOST}/_tidegate/preview?end=seen`, {
      headers: { ...DOCUMENT, Cookie: cookie },
    });
    assert.ok(ended.status < 400, ended.text);
    assert.equal(ended.cookies.length, 1);
    assert.equal(ended.cookies[0].split('=')[0], cookie.split('=')[0]);
    const isGone = /Max-Age=0|Expires=Thu, 01 Jan 1970/i.test(ended.cookies[0]);
    assert.equal(isGone ? 'legacy inactive' : await showing('seen', ended.cookie), 'legacy inactive', ended.cookies[0]);
  });

  test('loses against a kill', async () => {
    const { cookie } = await visit((await make('dead')).url);
    assert.equal(await showing('dead', cookie), 'new override');
    await ana.orders('dead', 'kill');
    await until(
      async () => (await showing('dead', cookie)) === 'legacy killed',
      () => 'the kill',
      OBEYED_MS_MAX,
    );
  });

  test('that is asked for with a wrong field is refused', async () => {
    const given = [
      ['variant', { variant: 'blue' }],
      ['variant', { variant: undefined }],
      ['for', { for: '8d' }],
      ['for', { for: '0s' }],
      ['for', { for: 'a while' }],
      ['for', { for: undefined }],
      ['for', { for: 3600 }],
      ['host', { host: '' }],
      ['host', { host: 'a b' }],
      ['host', { host: 'a/b' }],
      ['surprise', { surprise: 1 }],
    ];
    await each(given, async ([field, body]) => {
      const answer = await gate.fetch('/_tidegate/api/rollouts/seen/previews', {
        method: 'POST',
        headers: AS_ANA,
        body: JSON.stringify({ variant: 'new', for: '1h', ...body }),
      });
      assertNames({ ...answer, body: answer.json() }, field, JSON.stringify(body));
    });
  });
});

describe('by itself, a plan', { concurrency: true }, () => {
  before(() => afresh());
  // What is built in waits for visitors, and nobody comes here.
  const unwatched = (key, changes) => rollout(key, { defaults: 'none', ...changes });
  const quick = (changes = {}) => [
    { name: 'canary', percentage: 10, hold: '1s', ...changes },
    { name: 'half', percentage: 50, hold: '2s' },
    { name: 'full', percentage: 100, hold: '1s' },
  ];
  const is = async (key) => ana.rollout(key);
  const becomes = (key, probe, what) =>
    until(
      async () => {
        const now = await is(key);
        return probe(now) && now;
      },
      () => `${key} ${what}`,
      SCHEDULED_MS_MAX,
    );
  const completes = (key) => becomes(key, ({ state }) => state.phase === 'completed', 'to complete');
  const assigned = async (key) => (await ana.history(key)).map(({ command, actor }) => `${command.command} ${actor}`);
  const blockers = ({ blocked }) => blocked.map(({ by }) => by);
  test('goes through its stages to the end', async () => {
    await apply(unwatched('goes', { stage: quick() }));
    const { rollout: first } = await ana.orders('goes', 'start');
    assert.deepEqual(
      [first.next.command, first.next.stage, first.next.percentage, blockers(first)],
      ['advance', 'half', 50, ['hold']],
    );
    assert.equal(first.next.at, first.hold.until);
    assert.equal(first.hold.length_ms, 1_000);
    const last = await completes('goes');
    assert.deepEqual([last.percentage, blockers(last), last.next], [100, ['completed'], undefined]);
    assert.deepEqual(await assigned('goes'), [
      'apply ana',
      'start ana',
      'advance schedule',
      'advance schedule',
      'complete schedule',
    ]);
    const entries = await ana.history('goes');
    const at = entries.map((entry) => Date.parse(entry.at));
    [at[2] - at[1], at[3] - at[2], at[4] - at[3]].forEach((ms, index) =>
      assert.ok(ms >= [1_000, 2_000, 1_000][index], `it held for ${ms} ms`),
    );
    for (const { reason } of entries) assert.ok(reason.length > 0, 'each entry says why');
  });
});

describe('messages out', () => {
  test('are listed and sent again, and a channel is tested', async () => {
    await afresh();
    await started('tells', { channels: { chat: { slack: 'secret:NOBODY_SET_IT' } } });
    const { messages, channels } = await until(
      async () => {
        const outbox = granted(await vic.get('outbox?state=waiting,dead,sent&rollout=tells&limit=10'));
        return outbox.messages.some(({ tries }) => tries > 0) && outbox;
      },
      () => 'a message to have been tried',
    );
    const tried = messages.find(({ tries }) => tries > 0);
    assert.match(tried.error, /NOBODY_SET_IT is not set/);
    assert.deepEqual(
      channels.map(({ channel, kind, rollouts }) => [channel, kind, rollouts]),
      [['chat', 'slack', ['tells']]],
    );
    const { retried } = granted(await ana.ask('POST', `outbox/${tried.id}/retry`, {}));
    assert.deepEqual(retried, [tried.id]);
    problem(await ana.ask('POST', 'outbox/msg_nothing/retry', {}), 404, 'unknown-message');
    const [one] = granted(await ana.ask('POST', 'channels/chat/test?rollout=tells', {})).tests;
    assert.deepEqual([one.channel, one.outcome], ['chat', 'failed']);
    assert.match(problem(await ana.ask('POST', 'channels/chta/test', {}), 404, 'unknown-channel').help, /`chat`/);
    problem(await ana.get('outbox?state=lost'), 400, 'malformed');
  });
});

describe('papers', () => {
  test('are pages that run nothing, Markdown, and calendars', async () => {
    await afresh();
    const hostile = '<img src=x onerror=alert(1)>';
    await started('assigned', { description: hostile });
    for (const paper of ['runbook', 'report', 'timeline']) {
      const page = await vic.get(`rollouts/assigned/${paper}?format=html`);
      assert.equal(page.get('content-type'), 'text/html; charset=utf-8');
      assert.match(page.get('content-security-policy'), /^default-src 'none'; .*sandbox/);
      assert.ok(page.text.includes('&lt;img') && !/<img|<script/.test(page.text));
      const text = await vic.get(`rollouts/assigned/${paper}?format=markdown`);
      assert.match(`${text.get('content-type')} ${text.text}`, /^text\/markdown; charset=utf-8 # /);
      problem(await vic.get(`rollouts/assigned/${paper}?format=pdf`), 400, 'malformed');
      problem(await vic.get(`rollouts/tolt/${paper}`), 404, 'unknown-rollout');
    }
    assert.match((await vic.get('timeline?format=ics')).text, /^BEGIN:VCALENDAR\r\n/);
  });

  test('have a calendar whose address is signed, and which needs nothing else', async () => {
    const { feed } = granted(await vic.get('rollouts/assigned/timeline'));
    const { pathname, search } = new URL(feed);
    const calendar = await api.fetch(pathname + search);
    assert.deepEqual([calendar.status, calendar.get('content-type')], [200, 'text/calendar; charset=utf-8']);
    assert.match(calendar.text, /\r\nUID:assigned-stage-/);
    for (const other of [pathname, pathname.replace('assigned', 'all') + search, `${pathname}${search}x`])
      assert.equal((await api.fetch(other)).status, 404, other);
    const all = new URL(granted(await vic.get('timeline')).feed);
    assert.equal((await api.fetch(all.pathname + all.search)).status, 200);
  });

  test('say when nothing advances, which an operator sets', async () => {
    const put = (who, freeze) => who.ask('PUT', 'freeze', { freeze, reason: 'holidays' });
    problem(await put(vic, []), 403, 'forbidden');
    problem(await put(ana, ['tomorrow']), 400, 'malformed');
    const { by } = granted(await put(ana, ['Mon-Sun Europe/Berlin']));
    assert.equal(by, 'ana');
    refused(await ana.command('assigned', 'advance'), 'frozen');
    assert.deepEqual(granted(await vic.get('freeze')).freeze, ['Mon-Sun Europe/Berlin']);
    granted(await put(ana, []));
  });

  test('have items that ask for a role, and for two people', async () => {
    const checklist = ['Free', { text: 'Signed off', role: 'lead' }, { text: 'Go', approvals: 2 }];
    await apply(rollout('asked', { roles: { lead: 'ben' }, checklist }));
    const approve = (who, item) => who.command('asked', 'approve', { item });
    refused(await approve(ana, 'Signed off'), 'other-role');
    granted(await approve(ben, 'Signed off'));
    granted(await approve(ana, 'Go'));
    refused(await approve(ana, 'Go'), 'same-person');
    refused(await ana.command('asked', 'start'), 'checklist');
    granted(await approve(ben, 'Go'));
    granted(await approve(ben, 'Free'));
    granted(await ana.command('asked', 'start'));
  });
});

// Last, since it tells what the tests above have left out.
test('every operation of the document has been answered, and every problem was had', () => {
  // session.test.mjs has the session's, receivers.test.mjs the deliveries, and scripts.test.mjs the backups.
  assert.deepEqual(
    neverAnswered().filter((name) => ![SESSION, '{receiver}', '/backup'].some((end) => name.endsWith(end))),
    [],
  );
  const unreachable = ['no-controller', 'unavailable', 'plain-http', 'too-many', 'unknown-receiver', 'no-secret'];
  assert.deepEqual(
    neverSeen().filter((kind) => !unreachable.includes(kind)),
    [],
  );
});
