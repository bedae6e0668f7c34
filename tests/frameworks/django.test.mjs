// A Django site on gunicorn behaves behind Tidegate as it did without it, given its settings for a proxy
// that does not keep `Host`.
import assert from 'node:assert/strict';
import { after, before as beforeAll, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from '../edge/harness.mjs';
import { atHome, before, behind, behindBare, PUBLIC, rollout, STAGES, startOther } from './deployment.mjs';
import { logIn, MASKS, STATUSES, visitDjango } from './django.visit.mjs';
import { startDjango } from './sites.mjs';
import { atPublicAddress, orders, sameVisit, withoutBase } from './transcripts.mjs';

const BY_HEADERS = {
  USE_X_FORWARDED_HOST: true,
  SECURE_PROXY_SSL_HEADER: ['HTTP_X_FORWARDED_PROTO', 'https'],
  SESSION_COOKIE_SECURE: true,
  CSRF_COOKIE_SECURE: true,
};
/** No address of a proxy in the tests: gunicorn believes nobody, as it does of Tidegate in production. */
const NOBODY = '192.0.2.1';

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
  const site = await startDjango(options);
  sites.push(site);
  return site;
}

/** Puts a site on a side of a rollout; the other one is forgotten. */
async function load(side, upstream) {
  other.received.length = 0;
  await gate.load([rollout(side, upstream, other)], STAGES[side]);
}

async function transcriptOf(visitor, visit = visitDjango) {
  await visit(visitor);
  return visitor.transcript;
}

/** Sends the log-in form, right in all but perhaps its origin. */
async function submitted(visitor, headers = {}) {
  const page = await visitor.visit('log-in page', '/login/');
  const csrfmiddlewaretoken = /value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  return visitor.submit('log-in', '/login/', { csrfmiddlewaretoken, username: 'ana', password: 'secret' }, { headers });
}

function assertForbidden(site, answer, reason) {
  assert.equal(answer.status, 403, answer.text);
  assert.match(answer.text, /CSRF verification failed\. Request aborted\./);
  assert.ok(site.log.includes(reason), site.log);
}

describe('with the settings for a proxy that does not keep Host', () => {
  let site, direct;
  beforeAll(async () => {
    site = await started({ settings: BY_HEADERS, trusts: NOBODY });
    direct = await transcriptOf(before(site));
  });

  test('the visit goes everywhere that it should', () => {
    assert.deepEqual(Object.fromEntries(direct.map(({ name, status }) => [name, status])), STATUSES);
    const step = (wanted) => direct.find(({ name }) => name === wanted);
    assert.match(step('log-in with a wrong password').text, /Please enter a correct username and password/);
    assert.equal(step('log-in').headers.filter(([name]) => name.toLowerCase() === 'set-cookie').length, 4);
    assert.match(step('account').text, /Welcome back[\s\S]*Hello, ana/);
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
        ['/static/gone.0123456789ab.js'],
      );
    });
  }

  test('the headers leave in the order in which a worker that only passes on sends them', async () => {
    gate.bareTarget = site.url;
    await load('new', site.url);
    const bare = await transcriptOf(behindBare(gate));
    assert.deepEqual(orders(await transcriptOf(behind(gate))), orders(bare));
  });

  test('the application knows its address', async () => {
    await load('new', site.url);
    const answer = await behind(gate).fetch('whoami', '/api/whoami/?x=1');
    assert.deepEqual(JSON.parse(answer.text), { url: `${PUBLIC}/api/whoami/?x=1`, secure: true });
  });

  test('a redirect with the whole address stays on the site', async () => {
    await load('new', site.url);
    assert.equal((await behind(gate).visit('away', '/away/')).get('location'), `${PUBLIC}/account/`);
  });
});

describe('without any setting', () => {
  let site;
  beforeAll(async () => {
    site = await started();
  });

  test('forms work as long as nothing but a proxy of this machine that keeps Host is in front', async () => {
    assert.match((await logIn(before(site))).text, /Hello, ana/);
  });

  test('every form is refused behind Tidegate, by an error that names the check', async () => {
    await load('new', site.url);
    assertForbidden(
      site,
      await submitted(behind(gate)),
      `Origin checking failed - ${PUBLIC} does not match any trusted origins.`,
    );
  });

  test('a redirect with the whole address stays on the site', async () => {
    await load('new', site.url);
    assert.equal((await behind(gate).visit('away', '/away/')).get('location'), `${PUBLIC}/account/`);
  });
});

test("a site that does not allow its upstream's own address as Host answers 400", async () => {
  const site = await started({ settings: { ALLOWED_HOSTS: [PUBLIC_HOST] } });
  await load('new', site.url);
  const answer = await behind(gate).fetch('whoami', '/api/whoami/');
  assert.equal(answer.status, 400);
  assert.match(
    site.log,
    /Invalid HTTP_HOST header: '127\.0\.0\.1:\d+'\. You may need to add '127\.0\.0\.1' to ALLOWED_HOSTS\./,
  );
});

test('USE_X_FORWARDED_HOST alone does not do, since the scheme is compared too', async () => {
  const site = await started({ settings: { USE_X_FORWARDED_HOST: true }, trusts: NOBODY });
  await load('new', site.url);
  assertForbidden(
    site,
    await submitted(behind(gate)),
    `Origin checking failed - ${PUBLIC} does not match any trusted origins.`,
  );
});

test('CSRF_TRUSTED_ORIGINS alone lets forms through', async () => {
  const site = await started({ settings: { CSRF_TRUSTED_ORIGINS: [PUBLIC] }, trusts: NOBODY });
  await load('new', site.url);
  assert.match((await logIn(behind(gate))).text, /Hello, ana/);
});

describe('that keeps its own address and has no setting', () => {
  let site;
  beforeAll(async () => {
    site = await started({ trusts: NOBODY });
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
    for (const Origin of [
      'https://evil.example',
      'null',
      `http://${PUBLIC_HOST}`,
      `https://${PUBLIC_HOST}:8443`,
      `https://sub.${PUBLIC_HOST}`,
    ]) {
      const answer = await submitted(behind(gate), { Origin, Referer: `${Origin}/`, 'Sec-Fetch-Site': 'cross-site' });
      assertForbidden(site, answer, `Origin checking failed - ${Origin} does not match any trusted origins.`);
    }
  });
});

describe('under the path /shop', () => {
  let site, direct;
  beforeAll(async () => {
    site = await started({ base: '/shop', settings: BY_HEADERS, trusts: NOBODY });
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
