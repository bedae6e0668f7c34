// A Next.js site behaves behind Tidegate as it did without it, with no setting: it believes
// `X-Forwarded-Host`, which Tidegate sets to the public host.
import assert from 'node:assert/strict';
import { after, before as beforeAll, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from '../edge/harness.mjs';
import { before, behind, behindBare, rollout, STAGES, startOther } from './deployment.mjs';
import { logIn, MASKS, STATUSES, visitNext } from './next.visit.mjs';
import { startNext } from './sites.mjs';
import { orders, sameVisit } from './transcripts.mjs';

let gate, other, site, direct;
beforeAll(async () => {
  other = await startOther();
  site = await startNext();
  gate = await openGate({ controller: false, bare: site.url });
  direct = await transcriptOf(before(site));
});
after(async () => {
  await gate?.close();
  await Promise.all([other?.close(), site?.close()]);
});

const load = (side, upstream = site.url) => gate.load([rollout(side, upstream, other)], STAGES[side]);

async function transcriptOf(visitor) {
  await visitNext(visitor);
  return visitor.transcript;
}

test('the visit goes everywhere that it should', () => {
  assert.deepEqual(Object.fromEntries(direct.map(({ name, status }) => [name, status])), STATUSES);
  const step = (wanted) => direct.find(({ name }) => name === wanted);
  assert.match(step('log-in with a wrong password').text, /Name and password do not match/);
  assert.equal(step('log-in').headers.filter(([name]) => name.toLowerCase() === 'set-cookie').length, 3);
  assert.match(step('account').text, /Hello, ana/);
  assert.equal(step('stream').isStreamed, true);
});

for (const side of ['new', 'legacy']) {
  test(`a visit to the site as ${side} is the same as without Tidegate`, async () => {
    await load(side);
    const through = await transcriptOf(behind(gate));
    sameVisit(direct, through, { side, masks: MASKS });
    assert.deepEqual([...new Set(through.map(({ get }) => get('tidegate-variant')))], [side]);
  });
}

test('the headers leave in the order in which a worker that only passes on sends them', async () => {
  await load('new');
  const bare = await transcriptOf(behindBare(gate));
  assert.deepEqual(orders(await transcriptOf(behind(gate))), orders(bare));
});

describe('a server action', () => {
  test('is refused behind a proxy that tells no public host, by an error that names the check', async () => {
    const answer = await logIn(behindBare(gate, {}));
    assert.equal(answer.status, 500);
    assert.ok(
      site.log.includes(
        `\`x-forwarded-host\` header with value \`${new URL(site.url).host}\` does not match \`origin\` header with value \`${PUBLIC_HOST}\` from a forwarded Server Actions request. Aborting the action.`,
      ),
      site.log,
    );
    assert.match(site.log, /Invalid Server Actions request\./);
  });

  test("of another site's page is refused behind Tidegate too", async () => {
    await load('new');
    assert.equal((await logIn(Object.assign(behind(gate), { site: 'https://elsewhere.example' }))).status, 500);
    assert.match(
      site.log,
      /`x-forwarded-host` header with value `shop\.example\.com` does not match `origin` header with value `elsewhere\.example`/,
    );
  });

  test('is refused with `origin = "rewrite"`, which is for sites that do not believe `X-Forwarded-Host`', async () => {
    await load('new', { url: site.url, origin: 'rewrite' });
    assert.equal((await logIn(behind(gate))).status, 500);
  });

  test('is done with the public origin', async () => {
    await load('new');
    const answer = await logIn(behind(gate));
    assert.deepEqual([answer.status, answer.get('location')], [303, '/account']);
  });
});
