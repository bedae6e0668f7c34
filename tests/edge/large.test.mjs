// The sizes that KV and the design allow: a list of a million subjects, a plan of a thousand flags.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { CLI, openGate, until } from './harness.mjs';
import { flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const IDS = Array.from({ length: 1_000_000 }, (_, n) => `user-${n}`).join('\n');
const FLAGS = Array.from({ length: 999 }, (_, n) => flag(`flag-${n}`));

let legacy, next, gate;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
  gate = await openGate({ controller: false });
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const reason = async (path, id) => (await gate.fetch(path, { headers: { 'x-user-id': id } })).get('tidegate-reason');

describe('a group of a million subjects', () => {
  for (const [form, list] of [
    ['text', IDS],
    [
      'fingerprints',
      execFileSync(CLI, ['group', 'pilots'], { input: IDS, maxBuffer: 1 << 26, stdio: ['pipe', 'pipe', 'ignore'] }),
    ],
  ]) {
    test(`is obeyed as ${form}`, async () => {
      await gate.load(
        [
          plan(legacy, next, {
            groups: { pilots: { kv: true } },
            stage: [
              { name: 'pilot', percentage: 0, groups: ['pilots'], hold: '1h' },
              { name: 'full', percentage: 100 },
            ],
          }),
        ],
        { shop: '0' },
      );
      await gate.kv.put('group/pilots', list);
      await gate.restart();
      await until(
        async () => (await reason('/page', 'user-999999')) === 'group',
        () => 'the list to be read',
        20_000,
      );
      assert.equal(await reason('/page', 'user-0'), 'group');
      assert.equal(await reason('/page', 'user-1000000'), 'bucketed');
    });
  }
});

test('a deployment may have a thousand flags, of which those on new are named where all would be too long', async () => {
  await gate.load([plan(legacy, next), ...FLAGS], { shop: '0', 'flag-7': '100', 'flag-998': '100' });
  await until(
    async () => {
      await gate.fetch('/page', { headers: { 'x-user-id': 'ana' } });
      return legacy.last('/page')?.get('tidegate-flags') === 'flag-7=new, flag-998=new';
    },
    () => 'the flags',
    20_000,
  );
});
