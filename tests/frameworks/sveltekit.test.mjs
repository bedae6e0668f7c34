// A SvelteKit site on adapter-node behaves behind Tidegate as it did without it, given one setting for
// the address that it believes to have.
import assert from 'node:assert/strict';
import { after, before as beforeAll, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from '../edge/harness.mjs';
import { atHome, before, behind, behindBare, PUBLIC, rollout, STAGES, startOther } from './deployment.mjs';
import { startSvelteKit } from './sites.mjs';
import { logIn, MASKS, STATUSES, visitSvelteKit } from './sveltekit.visit.mjs';
import { atPublicAddress, orders, sameVisit, withoutBase } from './transcripts.mjs';

const FORBIDDEN = 'Cross-site POST form submissions are forbidden';
const BY_HEADERS = {
  PROTOCOL_HEADER: 'x-forwarded-proto',
  HOST_HEADER: 'x-forwarded-host',
  ADDRESS_HEADER: 'x-forwarded-for',
};

let gate, other;
const sites = [];
beforeAll(async () => {
  other = await startOther();
  gate = await openGate({ controller: false });
});
after(async () => {
  await gate?.close();
  await Promise.all([other, ...sites].map((site) => site?.close()));
});

async function started(options) {
  const site = await startSvelteKit(options);
  sites.push(site);
  return site;
}

/** Puts a site on a side of a rollout; the other one is forgotten. */
async function load(side, upstream) {
  other.received.length = 0;
  await gate.load([rollout(side, upstream, other)], STAGES[side]);
}

async function transcriptOf(visitor, visit = visitSvelteKit) {
  await visit(visitor);
  return visitor.transcript;
}

describe('with the headers named that tell the public address', () => {
  let site, direct;
  beforeAll(async () => {
    site = await started({ env: BY_HEADERS });
    direct = await transcriptOf(before(site));
  });

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
      await load(side, site.url);
      const through = await transcriptOf(behind(gate));
      sameVisit(direct, through, { side, masks: MASKS });
      assert.deepEqual([...new Set(through.map(({ get }) => get('tidegate-variant')))], [side]);
    });

    test(`as ${side}, it alone is asked, but for an asset that it lacks`, async () => {
      await load(side, site.url);
      await transcriptOf(behind(gate));
      assert.deepEqual(
        [...new Set(other.received.map(({ url }) => url))].filter((url) => !url.endsWith('/warm')),
        ['/_app/immutable/chunks/gone.js'],
      );
    });
  }

  test('the headers leave in the order in which a worker that only passes on sends them', async () => {
    gate.bareTarget = site.url;
    await load('new', site.url);
    const bare = await transcriptOf(behindBare(gate));
    assert.deepEqual(orders(await transcriptOf(behind(gate))), orders(bare));
  });

  test('a visitor whom nobody knows is given one cookie more, and nothing else', async () => {
    await gate.load([rollout('new', site.url, other)], { shop: '100' });
    const through = await transcriptOf(behind(gate, { cookies: {} }));
    const isMinted = ([name, text]) => name.toLowerCase() === 'set-cookie' && text.startsWith('__Host-tidegate-id=');
    assert.equal(through.flatMap(({ headers }) => headers.filter(isMinted)).length, 1);
    for (const entry of through) entry.headers = entry.headers.filter((header) => !isMinted(header));
    sameVisit(direct, through, { side: 'new', masks: MASKS });
  });

  test('the application knows its address and its visitor', async () => {
    await load('new', site.url);
    const answer = await behind(gate).fetch('whoami', '/api/whoami?x=1');
    assert.deepEqual(JSON.parse(answer.text), { url: `${PUBLIC}/api/whoami?x=1`, client: '203.0.113.7' });
  });

  test('a redirect with the whole address stays on the site', async () => {
    await load('new', site.url);
    assert.equal((await behind(gate).visit('away', '/away')).get('location'), `${PUBLIC}/account`);
  });
});

describe('without any setting', () => {
  let site;
  beforeAll(async () => {
    site = await started();
  });

  test('forms work as long as nothing but a proxy that keeps Host is in front', async () => {
    assert.match((await logIn(before(site))).text, /Hello, ana/);
  });

  test('every form is refused behind Tidegate, by an error that names the check', async () => {
    await load('new', site.url);
    const visitor = behind(gate);
    await visitor.visit('log-in page', '/login');
    const refused = await visitor.submit(
      'log-in',
      '/login',
      { name: 'ana', password: 'secret' },
      { headers: { Accept: 'text/html' } },
    );
    assert.deepEqual([refused.status, refused.text], [403, FORBIDDEN]);
  });

  test('a redirect with the whole address stays on the site, though its scheme is a guess', async () => {
    await load('new', site.url);
    assert.equal((await behind(gate).visit('away', '/away')).get('location'), `${PUBLIC}/account`);
  });
});

test('with ORIGIN set to the public address, a visit is the same', async () => {
  const site = await started({ env: { ORIGIN: PUBLIC } });
  await load('new', site.url);
  const [direct, through] = [await transcriptOf(before(site)), await transcriptOf(behind(gate))];
  sameVisit(direct, through, { side: 'new', masks: MASKS });
});

describe('with its own address as ORIGIN, which the site keeps', () => {
  let site;
  beforeAll(async () => {
    site = await started({ env: (url) => ({ ORIGIN: url }) });
  });

  test('forms are refused', async () => {
    await load('new', site.url);
    const refused = await behind(gate).submit('log-in', '/login', { name: 'ana', password: 'secret' });
    assert.deepEqual([refused.status, refused.text], [403, FORBIDDEN]);
  });

  for (const side of ['new', 'legacy']) {
    test(`\`origin = "rewrite"\` makes a visit to it as ${side} the same as at its own address`, async () => {
      await load(side, { url: site.url, origin: 'rewrite' });
      const [direct, through] = [await transcriptOf(atHome(site)), await transcriptOf(behind(gate))];
      sameVisit(direct, through, { side, masks: MASKS, translate: atPublicAddress(site) });
    });
  }

  test('`origin = "rewrite"` does not make another site\'s form its own', async () => {
    await load('new', { url: site.url, origin: 'rewrite' });
    const headers = {
      Origin: 'https://evil.example',
      Referer: 'https://evil.example/',
      'Sec-Fetch-Site': 'cross-site',
    };
    for (const more of [
      {},
      { Origin: 'null' },
      { Origin: `http://${PUBLIC_HOST}` },
      { Origin: `https://${PUBLIC_HOST}:8443` },
      { Origin: `https://sub.${PUBLIC_HOST}` },
    ]) {
      const refused = await behind(gate).submit(
        'a form of another site',
        '/login',
        { name: 'ana', password: 'secret' },
        { headers: { ...headers, ...more } },
      );
      assert.deepEqual([refused.status, refused.text], [403, FORBIDDEN], JSON.stringify(more));
    }
  });
});

describe('built for the path /shop', () => {
  let site, direct;
  beforeAll(async () => {
    site = await started({ base: '/shop', env: BY_HEADERS });
    direct = await transcriptOf(before(site));
  });

  for (const side of ['new', 'legacy']) {
    test(`which the plan names, a visit to the site as ${side} is the same without that path`, async () => {
      await load(side, `${site.url}/shop`);
      sameVisit(direct, await transcriptOf(behind(gate)), { side, masks: MASKS, translate: withoutBase('/shop') });
    });

    test(`which the public address has as well, a visit to the site as ${side} is the same`, async () => {
      await load(side, site.url);
      sameVisit(direct, await transcriptOf(behind(gate, { base: '/shop' })), { side, masks: MASKS });
    });
  }
});
