// Groups steer: by id, by a property of the request, by a list in KV.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { openControlled, operator } from './control.mjs';
import { CLI, openGate, until } from './harness.mjs';
import { ANA, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { utf8 } from './wire.mjs';

const IDS = ['ana', 'ben@example.com', 'josé'];
const staged = (...groups) => [
  { name: 'internal', percentage: 0, groups, hold: '1h' },
  { name: 'full', percentage: 100 },
];

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const rollout = (key, groups, changes) =>
    plan(legacy, next, { key, routes: [`/${key}/*`], groups, stage: staged(...Object.keys(groups)), ...changes });
  const rollouts = [
    rollout('ids', { team: { ids: IDS } }),
    rollout('header', { sales: { match: 'header:x-department = sales | support' } }),
    rollout('cookie', { pro: { match: 'cookie:plan = pro' } }),
    rollout('country', { dach: { match: 'country = DE | AT' } }),
    rollout('text', { pilots: { kv: true } }),
    rollout('prints', { hashed: { kv: true } }),
    rollout('marked', { spreadsheet: { kv: true } }),
    rollout('agent', { robots: { match: 'header:user-agent contains iPad | Tablet' } }),
    rollout('absent', { nobody: { kv: true } }),
    rollout('any', { mixed: { ids: ['ana'], match: 'header:x-department = sales', kv: true } }),
    rollout('exclude', { team: { ids: IDS } }, { stage: staged(), exclude: ['team'] }),
    rollout('eligible', { team: { ids: IDS } }, { stage: staged(), eligible: 'team' }),
    rollout('requires', {}, { stage: staged(), requires: ['ids'] }),
    rollout(
      'later',
      { team: { ids: IDS } },
      {
        stage: [
          { name: 'canary', percentage: 1, hold: '1h' },
          { name: 'pilot', percentage: 5, groups: ['team'], hold: '1h' },
          { name: 'full', percentage: 100 },
        ],
      },
    ),
  ];
  const states = Object.fromEntries(rollouts.map(({ key }) => [key, '0']));
  await gate.putPlans(rollouts);
  for (const [key, state] of Object.entries({
    ...states,
    exclude: '100',
    eligible: '100',
    requires: '100',
    later: '1',
  }))
    await gate.putStage(key, state);
  await gate.kv.put('group/pilots', `\n  ${IDS.join('  \r\n')}\n\n`);
  await gate.kv.put('group/spreadsheet', `\ufeff${IDS.join('\r')}\r`);
  await gate.kv.put('group/mixed', 'carl\n');
  if (existsSync(CLI))
    await gate.kv.put('group/hashed', execFileSync(CLI, ['group', 'hashed'], { input: IDS.join('\n') }));
  await gate.restart();
  for (const { key } of rollouts)
    await until(
      async () => !(await assigned(key, 'warm')).endsWith('no_config'),
      () => `${key} to be configured`,
    );
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * @param {string} key
 * @param {string} id
 * @param {Pick<import('./wire.mjs').RequestOptions, 'headers' | 'cf'>} [options]
 */
async function assigned(key, id, { headers, cf } = {}) {
  const { get } = await gate.fetch(`/${key}/page`, { headers: { 'x-user-id': utf8(id), ...headers }, cf });
  return `${get('tidegate-variant')} ${get('tidegate-reason')}`;
}
const IN = 'new group';
const OUT = 'legacy bucketed';

async function assertListed(key) {
  // The list of a group may be read behind the first request.
  await until(
    async () => (await assigned(key, 'ana')) === IN,
    () => `${key} to be read`,
  );
  for (const id of IDS) assert.equal(await assigned(key, id), IN, id);
  for (const id of ['eve', 'Ana', 'an', 'anaa', 'jose', 'ben@example.com,'])
    assert.equal(await assigned(key, id), OUT, id);
}

describe('a group may be', () => {
  test('ids in the plan', () => assertListed('ids'));
  test('ids in KV, one per line', () => assertListed('text'));
  test('ids in KV as another program wrote them', () => assertListed('marked'));
  test('fingerprints in KV', { skip: !existsSync(CLI) && 'the command is not built' }, () => assertListed('prints'));

  test('a header with one of several values', async () => {
    for (const department of ['sales', 'support', ' sales '])
      assert.equal(await assigned('header', 'eve', { headers: { 'X-Department': department } }), IN, department);
    for (const department of ['Sales', 'sale', 'sales2', 'sales, support', ''])
      assert.equal(await assigned('header', 'eve', { headers: { 'X-Department': department } }), OUT, department);
    assert.equal(await assigned('header', 'eve'), OUT);
  });

  test('a header with one of several texts in it', async () => {
    for (const agent of ['Mozilla/5.0 (iPad; CPU OS 17_5)', 'my TABLET', 'tablet'])
      assert.equal(await assigned('agent', 'eve', { headers: { 'User-Agent': agent } }), IN, agent);
    for (const agent of ['Mozilla/5.0 (iPhone)', 'tab let', 'iPa'])
      assert.equal(await assigned('agent', 'eve', { headers: { 'User-Agent': agent } }), OUT, agent);
    assert.equal(await assigned('agent', 'eve'), OUT);
  });

  test('a cookie', async () => {
    assert.equal(await assigned('cookie', 'eve', { headers: { Cookie: 'a=1; plan=pro' } }), IN);
    assert.equal(await assigned('cookie', 'eve', { headers: { Cookie: 'plan=prolific' } }), OUT);
  });

  test('a country, as the platform tells it and not the client', async () => {
    assert.equal(await assigned('country', 'eve', { cf: { country: 'AT' } }), IN);
    assert.equal(await assigned('country', 'eve', { cf: { country: 'FR' } }), OUT);
    assert.equal(await assigned('country', 'eve'), OUT);
  });

  test('any of the three at once', async () => {
    assert.equal(await assigned('any', 'ana'), IN);
    assert.equal(await assigned('any', 'eve', { headers: { 'x-department': 'sales' } }), IN);
    await until(
      async () => (await assigned('any', 'carl')) === IN,
      () => 'the list to be read',
    );
    assert.equal(await assigned('any', 'eve'), OUT);
  });

  test('a list that KV does not have: then nobody is in it', async () => {
    assert.equal(await assigned('absent', 'ana'), OUT);
  });
});

describe('a group decides', () => {
  test('who is excluded', async () => {
    assert.equal(await assigned('exclude', 'ana'), 'legacy excluded');
    assert.equal(await assigned('exclude', 'eve'), 'new bucketed');
  });

  test('who is eligible', async () => {
    assert.equal(await assigned('eligible', 'ana'), 'new bucketed');
    assert.equal(await assigned('eligible', 'eve'), 'legacy ineligible');
  });

  test('from its stage on, not before', async () => {
    assert.equal(await assigned('later', 'ana'), OUT);
  });

  test('by way of another rollout', async () => {
    assert.equal(await assigned('requires', 'ana'), 'new bucketed');
    assert.equal(await assigned('requires', 'eve'), 'legacy required');
  });
});

test('who is in a group is not assigned to the browser', async () => {
  const through = await gate.fetch('/ids/page', { headers: ANA });
  assert.doesNotMatch(JSON.stringify(through.headers), /team/);
});

/** Lists without the sentence that says the same. */
const idsOf = (lists) => lists.map(({ group, ids }) => ({ group, ids }));

describe('a list in KV', () => {
  /**
   * What KV holds, and what is reported it.
   * @type {Record<string, [bytes: any, expected: number[] | RegExp]>}
   */
  const LISTS = {
    marked: [Buffer.from('\ufeffana\r\nben\r\n'), [2]],
    utf16: [Buffer.from('\ufeffana\r\nben\r\n', 'utf16le'), /UTF-16.*save it as UTF-8/],
    utf16be: [Buffer.from('\ufeffana\nben\n', 'utf16le').swap16(), /UTF-16.*save it as UTF-8/],
    unmarked: [Buffer.from('ana\nben\n', 'utf16le'), /UTF-16.*save it as UTF-8/],
    nul: [Buffer.from('ana\nb\0n\n'), /line 2 .* NUL byte.*save it as UTF-8/],
    latin1: [Buffer.from('ana\njosé\n', 'latin1'), /line 2 .* not in UTF-8.*save it as UTF-8/],
    columns: [Buffer.from('"ana","ben"'), [1]],
    headed: [Buffer.from('id\nana\nben\n'), [3]],
    empty: [Buffer.from(''), [0]],
  };
  let controlled, operated;
  before(async () => {
    const rollouts = Object.keys(LISTS).map((key) =>
      plan(legacy, next, { key, routes: [`/${key}/*`], groups: { [key]: { kv: true } }, stage: staged(key) }),
    );
    controlled = await openControlled(rollouts);
    operated = operator(controlled);
    for (const [key, [bytes]] of Object.entries(LISTS)) await controlled.kv.put(`group/${key}`, bytes);
    await controlled.restart({ keepState: true });
  });
  after(() => controlled?.close());

  for (const [key, [, expected]] of Object.entries(LISTS)) {
    test(
      Array.isArray(expected)
        ? `tells how many ids it has: ${key}`
        : `is refused where no id of it would be found: ${key}`,
      async () => {
        const seen = await until(
          async () => {
            await controlled.fetch(`/${key}/page`, { headers: ANA });
            const { lists = [], faults } = await operated.rollout(key);
            return (lists.length > 0 || faults.length > 0) && { lists, faults };
          },
          () => `${key} to be reported`,
        );
        if (Array.isArray(expected)) {
          assert.deepEqual(idsOf(seen.lists), [{ group: key, ids: expected }]);
          assert.deepEqual(seen.faults, []);
          return;
        }
        assert.deepEqual(seen.lists, []);
        assert.deepEqual(
          seen.faults.map(({ subject }) => subject),
          [`group/${key}`],
        );
        assert.match(seen.faults[0].message, expected);
        assert.ok(controlled.logs.some((line) => line.includes('group_unreadable') && line.includes(`group/${key}`)));
      },
    );
  }

  test('that was written anew is counted anew', async () => {
    await controlled.flush({
      isolate: 'other',
      lists: [
        ['marked', 7],
        ['nobodys', 1],
      ],
    });
    assert.deepEqual(
      idsOf((await operated.rollout('marked')).lists),
      [{ group: 'marked', ids: [2, 7] }],
      'as isolates differ',
    );
    await controlled.flush({ isolate: 'other', lists: [['marked', 2]] });
    assert.deepEqual(idsOf((await operated.rollout('marked')).lists), [{ group: 'marked', ids: [2] }]);
    await controlled.flush({ isolate: 'other' });
    assert.deepEqual(
      idsOf((await operated.rollout('marked')).lists),
      [{ group: 'marked', ids: [2] }],
      'an isolate of an earlier version',
    );
  });
});
