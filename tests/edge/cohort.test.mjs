// The worker deals subjects out exactly as the specification and the command line do.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI, openGate, writeToml } from './harness.mjs';
import { plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { utf8 } from './wire.mjs';

/**
 * Salt, id and bucket, as the specification has them.
 * @type {[salt: string, id: string, bucket: number][]}
 */
const KNOWN = [
  ['checkout', 'user-1', 46629],
  ['checkout', 'user-2', 60770],
  ['', 'user-1', 47866],
  ['admin-workbench', '0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10', 84826],
  ['checkout', 'josé', 99784],
  ['checkout', '😀', 23992],
];
const SUBJECTS = 2_000;
const AT_ONCE = 16;

let legacy, next, gate;
const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
});
after(async () => {
  agent.destroy();
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const variant = async (key, headers) => {
  const { status, text, get } = await gate.fetch(`/${key}/page`, { headers, agent });
  assert.equal(status, 200);
  assert.equal(text.split(' ')[0], get('tidegate-variant'));
  return get('tidegate-variant');
};

test('the known subjects change sides between their bucket and the next', async () => {
  const rollouts = [];
  const states = {};
  for (const [row, [salt, , bucket]] of KNOWN.entries()) {
    for (const [side, limit] of /** @type {[string, number][]} */ ([
      ['under', bucket],
      ['over', bucket + 1],
    ])) {
      const key = `${side}-${row}`;
      rollouts.push(plan(legacy, next, { key, salt, routes: [`/${key}/*`] }));
      states[key] = String(limit / 1_000);
    }
  }
  await gate.load(rollouts, states);
  for (const [row, [salt, id]] of KNOWN.entries()) {
    for (const headers of [{ 'x-user-id': utf8(id) }, { Cookie: `uid=${utf8(id)}` }]) {
      assert.equal(await variant(`under-${row}`, headers), 'legacy', `${salt} ${id}`);
      assert.equal(await variant(`over-${row}`, headers), 'new', `${salt} ${id}`);
    }
  }
});

describe('a few thousand subjects', () => {
  const PERCENTAGES = { ten: 10, quarter: 25 };
  const rollout = (key) => plan(legacy, next, { key, salt: 'checkout', routes: [`/${key}/*`] });
  const ids = [
    ...KNOWN.map(([, id]) => id),
    ...Array.from({ length: SUBJECTS }, (_, i) =>
      [
        () => randomUUID(),
        () => `user-${i}`,
        () => `person${i}@example.com`,
        () => `Ünïcode-${i}-☂`,
        () => `a b%20c+${i}="x"`,
      ][i % 5](),
    ),
  ];
  const sides = {};

  before(async () => {
    await gate.load(
      Object.keys(PERCENTAGES).map(rollout),
      Object.fromEntries(Object.entries(PERCENTAGES).map(([key, percentage]) => [key, String(percentage)])),
    );
    for (const key of Object.keys(PERCENTAGES)) {
      sides[key] = new Array(ids.length);
      let taken = 0;
      const work = async () => {
        for (let mine = taken++; mine < ids.length; mine = taken++)
          sides[key][mine] = await variant(key, { 'x-user-id': utf8(ids[mine]) });
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    }
  });

  for (const [key, percentage] of Object.entries(PERCENTAGES)) {
    test(`at ${percentage} % are where \`tidegate assign\` says`, {
      skip: !existsSync(CLI) && 'the command is not built',
    }, () => {
      const file = writeToml(rollout(key), join(gate.scratch, `${key}.toml`));
      const lines = execFileSync(CLI, ['assign', file, '--percentage', String(percentage)], {
        input: ids.join('\n'),
        encoding: 'utf8',
      })
        .trim()
        .split('\n');
      assert.equal(lines.length, ids.length);
      assert.deepEqual(
        sides[key],
        lines.map((line) => JSON.parse(line).variant),
      );
    });

    test(`at ${percentage} % are on new in about that share`, () => {
      const share = (sides[key].filter((side) => side === 'new').length / ids.length) * 100;
      assert.ok(Math.abs(share - percentage) < 4, `${share} %`);
    });
  }

  test('on new at 10 % remain on new at 25 %', () => {
    const left = ids.filter((_, i) => sides.ten[i] === 'new' && sides.quarter[i] !== 'new');
    assert.deepEqual(left, []);
  });
});
