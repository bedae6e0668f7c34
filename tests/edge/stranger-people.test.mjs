// Who is a person: preflights, robots and clients that keep no cookie are none; what is no id is no id;
// logging in, an expiring token and a post from another site move nobody. PostHog/posthog#9547,
// NetsBlox/NetsBlox#2166, assaf/vanity#276, Unleash/unleash-js-sdk#146, PostHog/posthog#21698.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, asset, bucket, DOCUMENT, half, idsOn, STARTED } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

const COOKIE = '__Host-tidegate-id';
const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';
const FETCHED = asset('empty');

let legacy, next;
before(async () => {
  [legacy, next] = await Promise.all(['legacy', 'new'].map(startUpstream));
});
beforeEach(() => [legacy, next].forEach((site) => site.reset()));
after(() => Promise.all([legacy.close(), next.close()]));

/** A gate with these rollouts, each `{ key: [changes, state] }` under `/key/*`. */
async function opened(rollouts, options) {
  const gate = await openGate({ controller: false, ...options });
  const plans = Object.entries(rollouts).map(([key, [changes]]) =>
    half(legacy, next, { key, salt: 'p', routes: [`/${key}/*`], ...changes }),
  );
  const states = Object.entries(rollouts)
    .filter(([, [, state]]) => state !== null)
    .map(([key, [, state]]) => [key, state ?? STARTED.running]);
  await gate.load(plans, Object.fromEntries(states));
  return gate;
}

const minted = (through) => through.all('set-cookie').filter((cookie) => cookie.startsWith(`${COOKIE}=`));
const idOf = (cookie) => cookie.slice(COOKIE.length + 1).split(';')[0];
const side = (through) => through.get('tidegate-variant');
/** A minted id whose side at 50 % is this one. */
function mintedOn(of) {
  for (let n = 0; ; n += 1) {
    const id = `A${String(n).padStart(5, '0')}AAAAAAAAAAAAAAAA`;
    if (bucket('p', id) < 50_000 === (of === 'new')) return id;
  }
}

describe('a preflight', () => {
  let gate;
  before(async () => {
    gate = await opened({ p: [{}], all: [{}, STARTED.completed], draft: [{}, null], killed: [{}, STARTED.killed] });
  });
  after(() => gate?.close());

  const PREFLIGHT = {
    'Access-Control-Request-Method': 'PUT',
    'Access-Control-Request-Headers': 'x-user-id',
    'Sec-Fetch-Mode': 'cors',
    'Sec-Fetch-Dest': 'empty',
  };
  const SITES = {
    'same-site': 'https://app.example.com',
    'cross-site': 'https://elsewhere.example',
    'same-origin': 'https://shop.example.com',
  };
  const permits = (by, status = 204) => ({
    status,
    headers: [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Methods', 'PUT'],
      ['Access-Control-Allow-Headers', 'x-user-id'],
      ['x-by', by],
    ],
  });
  const refuses = (by, status) => ({ status, headers: [['x-by', by]], body: 'no' });
  const ask = (key, site, headers = {}) =>
    gate.fetch(`/${key}/api/new`, {
      method: 'OPTIONS',
      headers: { ...PREFLIGHT, Origin: SITES[site], 'Sec-Fetch-Site': site, 'User-Agent': CHROME, ...headers },
    });

  /** @type {Record<string, [ofNew: any, ofLegacy: any, by: string]>} */
  const cases = {
    "new's, which legacy does not know": [permits('new'), refuses('legacy', 404), 'new'],
    "legacy's, which new does not know": [refuses('new', 404), permits('legacy'), 'legacy'],
    "legacy's, where new wants a log-in first": [refuses('new', 401), permits('legacy', 200), 'legacy'],
    "legacy's, where new is down": [refuses('new', 503), permits('legacy'), 'legacy'],
    "legacy's, where new does not answer": [{ reset: true }, permits('legacy'), 'legacy'],
    "legacy's, where new says 2xx to every OPTIONS but permits nothing": [
      refuses('new', 200),
      permits('legacy'),
      'legacy',
    ],
    "legacy's, where new permits with an error": [permits('new', 404), permits('legacy'), 'legacy'],
    "new's, where both permit": [permits('new', 200), permits('legacy'), 'new'],
    "new's 2xx, where none permits": [refuses('new', 204), refuses('legacy', 204), 'new'],
    "legacy's 2xx, where none permits": [refuses('new', 404), refuses('legacy', 204), 'legacy'],
    "new's, where neither says 2xx": [refuses('new', 403), refuses('legacy', 404), 'new'],
  };
  for (const [name, [ofNew, ofLegacy, by]] of Object.entries(cases)) {
    test(`gets the permissive answer of the two: ${name}`, async () => {
      next.otherwise(ofNew);
      legacy.otherwise(ofLegacy);
      for (const site of Object.keys(SITES)) {
        for (let round = 0; round < 7; round += 1) {
          const through = await ask('p', site);
          assert.equal(through.get('x-by'), by, `${site}, round ${round}`);
          assert.equal(through.status, (by === 'new' ? ofNew : ofLegacy).status);
          assert.deepEqual(through.all('set-cookie'), [], 'nobody is given an id');
        }
      }
    });
  }

  test('lets the request behind it pass to its side', async () => {
    next.otherwise((request) =>
      request.method === 'OPTIONS' ? permits('new') : { headers: [['x-by', 'new']], body: 'put' },
    );
    legacy.otherwise(refuses('legacy', 404));
    assert.equal((await ask('p', 'same-site')).status, 204);
    const put = await gate.fetch('/p/api/new', {
      method: 'PUT',
      body: '{}',
      headers: { ...ANA, Origin: SITES['same-site'], 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' },
    });
    assert.deepEqual([put.status, put.get('x-by')], [200, 'new']);
  });

  test('is what it was for its frontend: method, path, query and headers', async () => {
    next.otherwise(permits('new'));
    await gate.fetch('/p/api/new?a=1', { method: 'OPTIONS', headers: { ...PREFLIGHT, Origin: SITES['same-site'] } });
    const request = next.last('/p/api/new');
    assert.deepEqual(
      [
        request.method,
        request.url,
        request.get('origin'),
        request.get('access-control-request-method'),
        request.get('access-control-request-headers'),
      ],
      ['OPTIONS', '/p/api/new?a=1', SITES['same-site'], 'PUT', 'x-user-id'],
    );
  });

  test('is asked of new in no draft and after no kill', async () => {
    for (const site of [legacy, next]) site.otherwise(permits(site.name));
    for (const key of ['draft', 'killed']) assert.equal((await ask(key, 'same-site')).get('x-by'), 'legacy', key);
    assert.equal(next.received.length, 0);
  });

  test('is one only with Origin and Access-Control-Request-Method: other OPTIONS go to their side', async () => {
    for (const site of [legacy, next]) site.otherwise({ status: 204, headers: [['x-by', site.name]] });
    const [eve] = idsOn('legacy');
    for (const [id, by] of [
      ['ana', 'new'],
      [eve, 'legacy'],
    ]) {
      for (const headers of [{}, { Origin: SITES['same-site'] }, { 'Access-Control-Request-Method': 'PUT' }]) {
        assert.equal(
          (await gate.fetch('/p/dav', { method: 'OPTIONS', headers: { 'x-user-id': id, ...headers } })).get('x-by'),
          by,
        );
      }
    }
  });
});

describe('robots', () => {
  let gate;
  before(async () => {
    gate = await opened({ p: [{}], all: [{}, STARTED.completed] });
  });
  after(() => gate?.close());

  const ROBOTS = [
    'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
    'Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
    'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36',
    'Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)',
    'DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)',
    'Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)',
    'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
    'Twitterbot/1.0',
    'LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)',
    'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
    'Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)',
    'Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)',
    'Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)',
    'Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)',
    'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)',
    'GOOGLEBOT/2.1',
  ];
  const PEOPLE = [
    CHROME,
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
    'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0',
    'Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36',
    'Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.0]',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/320.0 Mobile/15E148 Safari/604.1',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 330.0.0.0',
    'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36',
  ];

  test('are on legacy by default, page and data alike, and are given no id', async () => {
    for (const agent of ROBOTS) {
      for (const [path, headers] of /** @type {[string, object][]} */ ([
        ['/p/', DOCUMENT],
        ['/p/api/x', FETCHED],
        ['/p/', { Accept: '*/*' }],
        ['/p/app.js', asset('script')],
      ])) {
        for (let round = 0; round < 3; round += 1) {
          const through = await gate.fetch(path, { headers: { ...headers, 'User-Agent': agent } });
          assert.deepEqual(
            [side(through), through.get('tidegate-reason'), through.text.split(' ')[0]],
            ['legacy', 'robot', 'legacy'],
            agent,
          );
          assert.deepEqual(through.all('set-cookie'), [], agent);
        }
      }
    }
    assert.equal(next.received.length, 0);
  });

  test('are so whatever they carry', async () => {
    for (const headers of [ANA, { Cookie: `${COOKIE}=${mintedOn('new')}` }]) {
      const through = await gate.fetch('/p/', { headers: { ...DOCUMENT, ...headers, 'User-Agent': ROBOTS[0] } });
      assert.equal(through.get('tidegate-reason'), 'robot');
    }
  });

  test('are on new once the rollout has completed', async () => {
    const through = await gate.fetch('/all/', { headers: { ...DOCUMENT, 'User-Agent': ROBOTS[0] } });
    assert.deepEqual([side(through), through.all('set-cookie')], ['new', []]);
  });

  test("are recognised by no word that people's browsers have too", async () => {
    for (const agent of PEOPLE) {
      const through = await gate.fetch('/p/', { headers: { ...DOCUMENT, 'User-Agent': agent } });
      assert.deepEqual([through.get('tidegate-reason'), minted(through).length], ['bucketed', 1], agent);
    }
  });

  describe('by plan', () => {
    let own;
    before(async () => {
      own = await opened({
        onnew: [{ robots: { side: 'new' } }],
        dealt: [{ robots: { side: 'assigned' } }],
        also: [{ robots: { also: ['header:user-agent contains MyMonitor', 'header:x-probe = yes'] } }],
        group: [
          {
            groups: { team: { ids: ['ana'] }, tills: { match: 'header:user-agent contains shop-app | TILL' } },
            exclude: ['tills'],
          },
        ],
      });
    });
    after(() => own?.close());

    const assigned = async (key, agent, headers = {}, path = '') =>
      own.fetch(`/${key}/${path}`, { headers: { ...DOCUMENT, 'User-Agent': agent, ...headers } });

    test('are on new where it says so', async () => {
      const through = await assigned('onnew', ROBOTS[0]);
      assert.deepEqual(
        [side(through), through.get('tidegate-reason'), through.all('set-cookie')],
        ['new', 'robot', []],
      );
    });

    test('are dealt out where it says so, each to one side for good', async () => {
      const sides = new Set();
      for (const [n, agent] of ROBOTS.entries()) {
        const headers = { 'CF-Connecting-IP': `198.51.${n}.7` };
        const first = side(await assigned('dealt', agent, headers));
        for (let round = 0; round < 3; round += 1) {
          const [page, data] = [
            await assigned('dealt', agent, headers),
            await assigned('dealt', agent, { ...headers, ...FETCHED }, 'api/x'),
          ];
          assert.deepEqual([side(page), side(data), page.all('set-cookie')], [first, first, []], agent);
        }
        sides.add(first);
      }
      assert.equal(sides.size, 2, 'seventeen of them are on both sides');
    });

    test('include those of its own', async () => {
      for (const [agent, headers] of /** @type {[string, object][]} */ ([
        ['mymonitor/1.0', {}],
        ['Mozilla/5.0 (MyMonitor)', {}],
        [CHROME, { 'X-Probe': 'yes' }],
        [ROBOTS[0], {}],
      ])) {
        assert.equal((await assigned('also', agent, headers)).get('tidegate-reason'), 'robot', agent);
      }
      for (const [agent, headers] of /** @type {[string, object][]} */ ([
        [CHROME, {}],
        [CHROME, { 'X-Probe': 'yes, please' }],
      ])) {
        assert.equal((await assigned('also', agent, headers)).get('tidegate-reason'), 'bucketed', agent);
      }
    });

    test('may be groups too: `contains` finds a part of a header, in any case', async () => {
      for (const agent of ['Shop-App/2', 'x shop-app y', 'a till'])
        assert.equal(
          (await assigned('group', agent, { 'x-user-id': 'user-3' })).get('tidegate-reason'),
          'excluded',
          agent,
        );
      for (const agent of ['shopapp', 'shop app', CHROME])
        assert.equal(
          (await assigned('group', agent, { 'x-user-id': 'user-3' })).get('tidegate-reason'),
          'bucketed',
          agent,
        );
    });
  });
});

describe('a client that keeps no cookie', () => {
  let gate;
  before(async () => {
    gate = await opened({ p: [{}], other: [{}] });
  });
  after(() => gate?.close());

  const client = (n) => ({ 'User-Agent': `${CHROME} Client/${n}`, 'CF-Connecting-IP': `203.0.${n}.7` });

  test('gets page, data and files from one side, twenty times', async () => {
    for (let round = 0; round < 20; round += 1) {
      const page = await gate.fetch('/p/', { headers: { ...DOCUMENT, ...client(round) } });
      for (const [path, headers] of /** @type {[string, object][]} */ ([
        ['/p/api/x', FETCHED],
        ['/p/app.js', asset('script')],
        ['/p/api/y', { Accept: '*/*' }],
        ['/p/api/z', { ...FETCHED, Accept: 'application/json' }],
      ])) {
        assert.equal(
          side(await gate.fetch(path, { headers: { ...headers, ...client(round) } })),
          side(page),
          `round ${round}, ${path}`,
        );
      }
    }
  });

  test('is dealt out once where it only fetches data, and both sides have such clients', async () => {
    const sides = new Set();
    for (let n = 100; n < 120; n += 1) {
      const asked = [];
      for (let round = 0; round < 4; round += 1)
        asked.push(side(await gate.fetch(`/p/api/${round}`, { headers: { Accept: '*/*', ...client(n) } })));
      assert.equal(new Set(asked).size, 1, `client ${n}: ${asked}`);
      sides.add(asked[0]);
    }
    assert.equal(sides.size, 2);
  });

  test('is on one side in its whole network, however its address ends', async () => {
    for (const [one, other] of [
      ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'],
      ['2001:db8:1:3::1', '2001:DB8:1:3:0:0:0:2'],
    ]) {
      const assigned = async (address) =>
        side(
          await gate.fetch('/p/api/x', {
            headers: { Accept: '*/*', 'User-Agent': CHROME, 'CF-Connecting-IP': address },
          }),
        );
      assert.equal(await assigned(one), await assigned(other));
    }
  });

  test('is given an id only with a document', async () => {
    const yes = {
      'a page': DOCUMENT,
      'a frame of the same origin': { ...DOCUMENT, 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'same-origin' },
      'a page of a browser without metadata': { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
      'a page by a link from elsewhere': { ...DOCUMENT, 'Sec-Fetch-Site': 'cross-site' },
    };
    for (const [what, headers] of Object.entries(yes))
      assert.equal(minted(await gate.fetch('/p/', { headers: { ...headers, ...client(200) } })).length, 1, what);
    const no = {
      'a script': asset('script'),
      'an image': asset('image'),
      data: FETCHED,
      'an EventSource': { ...FETCHED, Accept: 'text/event-stream' },
      'nothing said': {},
      anything: { Accept: '*/*' },
      'data without metadata': { Accept: 'application/json, text/plain, */*' },
    };
    for (const [what, headers] of Object.entries(no)) {
      const through = await gate.fetch('/p/', { headers: { ...headers, ...client(201) } });
      assert.deepEqual([through.all('set-cookie'), through.status], [[], 200], what);
    }
    for (const method of ['POST', 'PUT', 'DELETE'])
      assert.deepEqual(
        (await gate.fetch('/p/', { method, body: 'x', headers: { Accept: 'text/html', ...client(202) } })).all(
          'set-cookie',
        ),
        [],
        method,
      );
    assert.equal(
      minted(await gate.fetch('/p/', { method: 'HEAD', headers: { Accept: 'text/html', ...client(203) } })).length,
      1,
      'HEAD of a page',
    );
  });

  test("whose cookie comes with the data is on its cookie's side", async () => {
    for (const of of ['new', 'legacy']) {
      const headers = { Cookie: `${COOKIE}=${mintedOn(of)}`, ...client(210) };
      for (const [path, more] of /** @type {[string, object][]} */ ([
        ['/p/', DOCUMENT],
        ['/p/api/x', FETCHED],
      ]))
        assert.equal(side(await gate.fetch(path, { headers: { ...more, ...headers } })), of);
    }
  });

  test('on another site is unidentified, and on legacy', async () => {
    for (const headers of [
      { ...FETCHED, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://elsewhere.example' },
      { ...asset('image'), 'Sec-Fetch-Site': 'cross-site' },
    ]) {
      for (let n = 220; n < 228; n += 1) {
        const through = await gate.fetch('/p/x', { headers: { ...headers, ...client(n) } });
        assert.deepEqual(
          [side(through), through.get('tidegate-reason'), through.all('set-cookie')],
          ['legacy', 'unidentified', []],
        );
      }
    }
  });
});

describe('an id that is none', () => {
  let gate;
  before(async () => {
    gate = await opened({
      p: [{}],
      two: [{ identity: { from: ['header:x-user-id', 'cookie:uid'], anonymous: true } }],
    });
  });
  after(() => gate?.close());

  const NONE = [
    'undefined',
    'null',
    'NaN',
    'nan',
    '[object Object]',
    '[object object]',
    'anonymous',
    'Anonymous',
    'UNDEFINED',
    'Null',
    '00000000-0000-0000-0000-000000000000',
    ' undefined ',
  ];
  const SOME = [
    '0',
    '1',
    'undefined1',
    'nullable',
    'nano',
    'anonymous-7',
    'none-1',
    'falsetto',
    '00000000-0000-0000-0000-000000000001',
    'object',
  ];

  for (const text of NONE) {
    test(`«${text}»`, async () => {
      const sides = new Set();
      for (let visit = 0; visit < 20; visit += 1) {
        const through = await gate.fetch('/p/', { headers: { ...DOCUMENT, 'x-user-id': text } });
        assert.equal(minted(through).length, 1, 'the visitor is given one');
        sides.add(side(through));
      }
      assert.equal(sides.size, 2);
      const known = await gate.fetch('/p/', {
        headers: { ...DOCUMENT, 'x-user-id': text, Cookie: `${COOKIE}=${mintedOn('new')}` },
      });
      assert.deepEqual([side(known), minted(known)], ['new', []], 'the next source counts');
      for (const of of ['new', 'legacy'])
        assert.equal(
          side(
            await gate.fetch('/two/', { headers: { ...DOCUMENT, 'x-user-id': text, Cookie: `uid=${idsOn(of)[0]}` } }),
          ),
          of,
        );
      for (const of of ['new', 'legacy'])
        assert.equal(
          side(
            await gate.fetch('/two/', { headers: { ...DOCUMENT, Cookie: `uid=${text}; ${COOKIE}=${mintedOn(of)}` } }),
          ),
          of,
          'as a cookie too',
        );
    });
  }

  test('is not one that only looks like it', async () => {
    for (const text of SOME) {
      const through = await gate.fetch('/p/', { headers: { ...DOCUMENT, 'x-user-id': text } });
      assert.deepEqual([minted(through), side(through)], [[], bucket('p', text) < 50_000 ? 'new' : 'legacy'], text);
    }
  });

  test('may be added and allowed by the plan', async () => {
    const own = await opened({
      p: [
        { identity: { from: ['header:x-user-id'], anonymous: true, not_ids: ['guest', 'Nobody'], ids: ['anonymous'] } },
      ],
    });
    try {
      for (const text of ['guest', 'GUEST', 'nobody', 'undefined'])
        assert.equal(minted(await own.fetch('/p/', { headers: { ...DOCUMENT, 'x-user-id': text } })).length, 1, text);
      for (const text of ['anonymous', 'guest-1']) {
        const through = await own.fetch('/p/', { headers: { ...DOCUMENT, 'x-user-id': text } });
        assert.deepEqual([minted(through), side(through)], [[], bucket('p', text) < 50_000 ? 'new' : 'legacy'], text);
      }
    } finally {
      await own.close();
    }
  });
});

describe('logging in', () => {
  let gate;
  const IDS = [...idsOn('new', 10), ...idsOn('legacy', 10)];

  describe('with `sticky = "device"`', () => {
    before(async () => {
      gate = await opened({ p: [{ identity: { from: ['header:x-user-id'], anonymous: true, sticky: 'device' } }] });
    });
    after(() => gate?.close());

    test('moves nobody who was dealt out before', async () => {
      for (const id of IDS) {
        const first = await gate.fetch('/p/', { headers: DOCUMENT });
        const Cookie = `${COOKIE}=${idOf(minted(first)[0])}`;
        for (const [path, headers] of /** @type {[string, object][]} */ ([
          ['/p/', DOCUMENT],
          ['/p/api/x', FETCHED],
        ])) {
          const later = await gate.fetch(path, { headers: { ...headers, Cookie, 'x-user-id': id } });
          assert.deepEqual([side(later), minted(later)], [side(first), []], id);
        }
        assert.equal(
          side(await gate.fetch('/p/', { headers: { ...DOCUMENT, Cookie } })),
          side(first),
          'nor does logging out',
        );
      }
    });

    test('deals out by the account who comes with it alone', async () => {
      for (const id of IDS)
        assert.equal(
          side(await gate.fetch('/p/', { headers: { ...FETCHED, 'x-user-id': id } })),
          bucket('p', id) < 50_000 ? 'new' : 'legacy',
        );
    });
  });

  describe('with `sticky = "account"`, which is the default,', () => {
    before(async () => {
      gate = await opened({
        p: [{ identity: { from: ['header:x-user-id'], anonymous: true, sticky: 'account' } }],
        default: [{}],
      });
    });
    after(() => gate?.close());

    test('makes the account decide', async () => {
      for (const key of ['p', 'default']) {
        for (const id of IDS) {
          for (const of of ['new', 'legacy']) {
            const through = await gate.fetch(`/${key}/`, {
              headers: { ...DOCUMENT, Cookie: `${COOKIE}=${mintedOn(of)}`, 'x-user-id': id },
            });
            assert.equal(side(through), bucket('p', id) < 50_000 ? 'new' : 'legacy', `${key}: ${id}`);
          }
        }
      }
    });
  });
});

describe('a token that expires', () => {
  const KEY = 'the key of the tests, of thirty-two bytes or more';
  const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  function token(claims, key = KEY) {
    const signed = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
  }
  const now = Math.floor(Date.now() / 1_000);
  let gate;
  before(async () => {
    gate = await opened(
      {
        p: [
          {
            identity: {
              from: ['jwt:session.sub'],
              anonymous: true,
              jwt: { session: { secret: 'secret:SESSION_KEY', issuer: 'https://id.example' } },
            },
          },
        ],
      },
      { bindings: { SESSION_KEY: KEY } },
    );
  });
  after(() => gate?.close());

  const assigned = async (session) => gate.fetch('/p/', { headers: { ...DOCUMENT, Cookie: `session=${session}` } });
  const claims = (sub, exp) => ({ sub, iss: 'https://id.example', exp });

  test('moves nobody: it identifies as before', async () => {
    for (const id of [...idsOn('new', 10), ...idsOn('legacy', 10)]) {
      const expected = bucket('p', id) < 50_000 ? 'new' : 'legacy';
      for (const exp of [now + 3_600, now - 1, now - 7_200, now - 90 * 86_400]) {
        const through = await assigned(token(claims(id, exp)));
        assert.deepEqual([side(through), minted(through)], [expected, []], `${id} at ${exp - now} s`);
      }
    }
  });

  test('identifies nobody unless it is signed and of its issuer', async () => {
    const forged = [
      token(claims('user-3', now - 60), 'another key'),
      token({ ...claims('user-3', now - 60), iss: 'https://evil.example' }),
      `${base64url({ alg: 'none' })}.${base64url(claims('user-3', now - 60))}.`,
    ];
    for (const session of forged) assert.equal(minted(await assigned(session)).length, 1);
  });
});

describe('a post from another site', () => {
  const POST = {
    'Sec-Fetch-Dest': 'document',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Site': 'cross-site',
    Origin: 'https://bank.example',
    'Content-Type': 'application/x-www-form-urlencoded',
  };
  let gate;
  before(async () => {
    gate = await opened({
      p: [{ identity: { from: ['header:x-user-id'], anonymous: true, same_site: 'none' } }],
      lax: [{ identity: { from: ['header:x-user-id'], anonymous: true, same_site: 'lax' } }],
      shared: [{ identity: { anonymous: true, same_site: 'none', domain: 'example.com' } }],
    });
  });
  after(() => gate?.close());

  const attributes = (cookie) =>
    cookie
      .split(';')
      .slice(1)
      .map((part) => part.trim().toLowerCase());
  const post = (key, headers) =>
    gate.fetch(`/${key}/callback`, { method: 'POST', body: 'PaRes=1', headers: { ...POST, ...headers } });

  test('finds its visitor with `same_site = "none"`, whose cookie comes along', async () => {
    for (let visit = 0; visit < 10; visit += 1) {
      const first = await gate.fetch('/p/', { headers: DOCUMENT });
      const [cookie, ...more] = minted(first);
      assert.deepEqual(more, []);
      assert.ok(attributes(cookie).includes('samesite=none') && attributes(cookie).includes('secure'), cookie);
      const back = await post('p', { Cookie: cookie.split(';')[0] });
      assert.deepEqual([side(back), back.get('tidegate-reason'), minted(back)], [side(first), 'bucketed', []]);
    }
  });

  test('finds nobody without the cookie, mints nothing, and goes to legacy', async () => {
    for (const key of ['p', 'lax']) {
      const through = await post(key, {});
      assert.deepEqual(
        [side(through), through.get('tidegate-reason'), through.all('set-cookie')],
        ['legacy', 'unidentified', []],
        key,
      );
    }
  });

  test('works with a domain too', async () => {
    const [cookie] = (await gate.fetch('/shared/', { headers: DOCUMENT })).all('set-cookie');
    assert.match(cookie, /^__Secure-tidegate-id=/);
    assert.ok(attributes(cookie).includes('samesite=none'), cookie);
  });

  test('needs no new id: a Lax cookie from before is exchanged for one with the same id', async () => {
    for (const of of ['new', 'legacy']) {
      const id = mintedOn(of);
      const first = await gate.fetch('/p/', { headers: { ...DOCUMENT, Cookie: `a=1; ${COOKIE}=${id}` } });
      assert.equal(side(first), of);
      const [cookie] = minted(first);
      assert.equal(idOf(cookie), `${id}.n`);
      assert.ok(attributes(cookie).includes('samesite=none'), cookie);
      const again = await gate.fetch('/p/', { headers: { ...DOCUMENT, Cookie: `${COOKIE}=${id}.n` } });
      assert.deepEqual([side(again), minted(again)], [of, []], 'once');
      const back = await post('p', { Cookie: `${COOKIE}=${id}.n` });
      assert.equal(side(back), of);
      assert.equal(
        side(await gate.fetch('/lax/', { headers: { ...DOCUMENT, Cookie: `${COOKIE}=${id}.n` } })),
        of,
        'and a plan that is Lax knows it',
      );
    }
  });

  test('an id is Lax unless the plan says otherwise', async () => {
    assert.ok(attributes(minted(await gate.fetch('/lax/', { headers: DOCUMENT }))[0]).includes('samesite=lax'));
  });
});

describe('a list from a spreadsheet', () => {
  const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
  const text = (ids) => Buffer.from(`${ids.join('\r\n')}\r\n`);
  const utf16le = (ids) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(ids.join('\r\n'), 'utf16le')]);
  const LISTS = {
    marked: [Buffer.concat([BOM, text(['ana', 'ben', 'josé'])]), true],
    plain: [text(['ana', 'ben', 'josé']), true],
    utf16: [utf16le(['ana', 'ben', 'josé']), false],
    utf16be: [Buffer.from(utf16le(['ana', 'ben', 'josé'])).swap16(), false],
    unmarked: [utf16le(['ana', 'ben', 'josé']).subarray(2), false],
    zeros: [Buffer.from('ana\nb\0en\n'), false],
  };
  let gate;
  before(async () => {
    gate = await openGate({ controller: false });
    const plans = Object.keys(LISTS).map((key) =>
      half(legacy, next, {
        key,
        routes: [`/${key}/*`],
        groups: { [`beta-${key}`]: { kv: true } },
        stage: [
          { name: 'beta', percentage: 0, groups: [`beta-${key}`], hold: '1h' },
          { name: 'full', percentage: 100 },
        ],
      }),
    );
    await gate.putPlans(plans);
    for (const [key, [bytes]] of Object.entries(LISTS)) {
      await gate.kv.put(`group/beta-${key}`, bytes);
      await gate.putStage(key, '0');
    }
    await gate.restart();
    await until(
      async () => (await assigned('plain', 'ana')) === 'new group',
      () => 'the lists to be read',
    );
  });
  after(() => gate?.close());

  async function assigned(key, id) {
    const { get } = await gate.fetch(`/${key}/`, { headers: { 'x-user-id': Buffer.from(id).toString('latin1') } });
    return `${get('tidegate-variant')} ${get('tidegate-reason')}`;
  }

  test('has its first id in spite of the mark at its beginning', async () => {
    await until(
      async () => (await assigned('marked', 'ben')) === 'new group',
      () => 'the list to be read',
    );
    for (const id of ['ana', 'ben', 'josé']) assert.equal(await assigned('marked', id), 'new group', id);
    assert.equal(await assigned('marked', '\ufeffana'), 'legacy bucketed');
  });

  for (const [key, [, isReadable]] of Object.entries(LISTS)) {
    if (isReadable) continue;
    test(`that is no UTF-8 text is said to be unreadable, and holds nobody: ${key}`, async () => {
      for (const id of ['ana', 'ben', 'a']) assert.equal(await assigned(key, id), 'legacy bucketed', id);
      await gate.logged(new RegExp(`group_unreadable.*beta-${key}\\b`));
    });
  }
});
