// Where a frontend lives is its own affair: whatever it says of its address comes out as the public one,
// and whatever a browser claims of addresses stays behind. heroku-buildpack-static#61, jingo#131,
// node-http-proxy#318, hail-hq/hail#55, nightscout/nocturne#999.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, PUBLIC_HOST } from './harness.mjs';
import { ANA, asset, DOCUMENT, half, idsOn, STARTED } from './plans.mjs';
import { startUpstream } from './upstream.mjs';
import { values } from './wire.mjs';

const PUBLIC = `https://${PUBLIC_HOST}`;
const [EVE] = idsOn('legacy').map((id) => ({ 'x-user-id': id }));
/** Frontends that are only ever spoken of. */
const NAMED = 'legacy.internal.example';
const IPV6 = 'http://[2001:db8::1]:8080';

let legacy, next, gate, host;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  host = new URL(next.url).host;
  gate = await openGate({ controller: false });
  const rollout = (key, route, changes) => half(legacy, next, { key, routes: [route], salt: 'p', ...changes });
  const rollouts = [
    rollout('root', '/*'),
    // Asked under the base path: the browser's `/cart` is the frontend's `/shop/cart`.
    half(`${legacy.url}/old`, `${next.url}/shop`, { key: 'based', salt: 'p', routes: ['based.example.com/*'] }),
    half(`https://${NAMED}`, next, { key: 'named', salt: 'p', routes: ['named.example.com/*'] }),
    half(`http://${NAMED}:8080`, next, { key: 'port', salt: 'p', routes: ['port.example.com/*'] }),
    half(legacy, next.url.replace('127.0.0.1', 'localhost'), {
      key: 'local',
      salt: 'p',
      routes: ['local.example.com/*'],
    }),
    half(IPV6, next, { key: 'ipv6', salt: 'p', routes: ['ipv6.example.com/*'] }),
  ];
  await gate.load(rollouts, Object.fromEntries(rollouts.map(({ key }) => [key, STARTED.running])));
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/**
 * What comes out of one header that new sends, on this host.
 * @param {string} name
 * @param {string} sent
 * @param {{ on?: string, status?: number } & import('./wire.mjs').RequestOptions} [options]
 */
async function assigned(name, sent, { on = PUBLIC_HOST, status = name === 'Location' ? 302 : 200, ...options } = {}) {
  next.otherwise({
    status,
    headers: [
      ['Content-Type', 'text/html'],
      [name, sent],
    ],
    body: 'text',
  });
  const through = await gate.fetch('/from/here', { host: on, headers: { ...ANA, ...DOCUMENT }, ...options });
  assert.equal(through.get('tidegate-variant'), 'new');
  return name === 'Set-Cookie'
    ? through.all(name).filter((cookie) => !cookie.includes('tidegate-id'))
    : through.get(name);
}
/** Whether two texts are the same URL, however written. */
const sameUrl = (assigned, expected, what) =>
  assert.equal(assigned === undefined ? undefined : new URL(assigned, expected).href, new URL(expected).href, what);

describe('a Location', () => {
  const ofNew = () => ({
    'in its own scheme': `http://${host}/a/?b=1#c`,
    'in the other scheme': `https://${host}/a/?b=1#c`,
    'with the scheme in capitals': `HTTPS://${host}/a/?b=1#c`,
    'without a scheme': `//${host}/a/?b=1#c`,
    'with a name and a password': `https://user:secret@${host}/a/?b=1#c`,
  });

  test('in whatever scheme becomes the public one', async () => {
    for (const [what, location] of Object.entries(ofNew()))
      sameUrl(await assigned('Location', location), `${PUBLIC}/a/?b=1#c`, what);
  });

  test('of the other side likewise', async () => {
    const { host: own } = new URL(legacy.url);
    for (const location of [`https://${own}/a`, `http://${own}/a`, `//${own}/a`])
      sameUrl(await assigned('Location', location), `${PUBLIC}/a`, location);
  });

  test('keeps the scheme by which the browser came', async () => {
    sameUrl(
      await assigned('Location', `https://${host}/a`, { scheme: 'http', on: 'shop.example.com:8080' }),
      'http://shop.example.com:8080/a',
    );
  });

  test("knows the frontend by any port that is the scheme's own, and in any case", async () => {
    for (const location of [
      `https://${NAMED}/a?b#c`,
      `http://${NAMED}/a?b#c`,
      `https://${NAMED}:443/a?b#c`,
      `http://${NAMED}:80/a?b#c`,
      `HTTP://LEGACY.Internal.Example/a?b#c`,
      `//${NAMED}/a?b#c`,
      `//${NAMED}:443/a?b#c`,
    ]) {
      sameUrl(
        await assigned('Location', location, { on: 'named.example.com' }),
        'https://named.example.com/a?b#c',
        location,
      );
    }
    for (const location of [`http://${NAMED}:8080/a`, `https://${NAMED}:8080/a`, `//${NAMED.toUpperCase()}:8080/a`]) {
      sameUrl(await assigned('Location', location, { on: 'port.example.com' }), 'https://port.example.com/a', location);
    }
  });

  test('knows a frontend by its IPv6 address', async () => {
    for (const location of [
      `${IPV6}/a`,
      `${IPV6.replace('http', 'https')}/a`,
      '//[2001:db8::1]:8080/a',
      'http://[2001:DB8::1]:8080/a',
    ]) {
      sameUrl(await assigned('Location', location, { on: 'ipv6.example.com' }), 'https://ipv6.example.com/a', location);
    }
  });

  for (const status of [201, 301, 303, 307, 308]) {
    test(`in a ${status}`, async () =>
      sameUrl(await assigned('Location', `https://${host}/a`, { status, method: 'POST' }), `${PUBLIC}/a`));
  }

  test('that names somebody else is left alone', async () => {
    const others = [
      `https://elsewhere.example/?back=https://${host}/a`,
      `https://${host}.evil.example/a`,
      `https://${host}@evil.example/a`,
      'https://127.0.0.1:1/a',
      'http://127.0.0.1/a',
      `https://x.${host}/a`,
      `${PUBLIC}/a`,
      `http://${PUBLIC_HOST}/a`,
      'mailto:ana@example.com',
      `app://${'shop'}/a`,
      'to',
      '?b=1',
      '../up',
      '/a',
      '//elsewhere.example/a',
    ];
    for (const location of others) assert.equal(await assigned('Location', location), location);
    for (const location of [`https://${NAMED}:8443/a`, `https://x${NAMED}/a`, `https://${NAMED}.evil.example/`])
      assert.equal(await assigned('Location', location, { on: 'named.example.com' }), location);
  });
});

describe('under a base path', () => {
  const on = 'based.example.com';
  const own = 'https://based.example.com';
  const absolute = () => [
    [`http://${host}/shop/login?a=1#b`, '/login?a=1#b'],
    [`https://${host}/shop/login`, '/login'],
    [`//${host}/shop/login`, '/login'],
    [`http://${host}/shop`, '/'],
    [`http://${host}/shop/`, '/'],
    [`http://${host}/shop?a=1`, '/?a=1'],
  ];
  const ROOTED = [
    ['/shop/login', '/login'],
    ['/shop/login?next=/shop/cart#b', '/login?next=/shop/cart#b'],
    ['/shop/', '/'],
    ['/shop', '/'],
    ['/shop?a=1', '/?a=1'],
    ['/shop#b', '/#b'],
    ['/shop/shop/a', '/shop/a'],
    ['/shop//a', '//a'],
  ];

  test('the base path comes off an absolute Location', async () => {
    for (const [location, expected] of absolute())
      sameUrl(await assigned('Location', location, { on }), `${own}${expected}`, location);
  });

  test('the base path comes off a Location from the root', async () => {
    for (const [location, expected] of ROOTED.slice(0, -1))
      sameUrl(await assigned('Location', location, { on }), `${own}${expected}`, location);
  });

  test('nothing that comes off makes another host of a path', async () => {
    const location = await assigned('Location', '/shop//evil.example/a', { on });
    assert.equal(new URL(location, own).host, on, location);
    for (const absolute of [`http://${host}/shop//evil.example/a`, `//${host}/shop//evil.example/a`])
      assert.equal(new URL(await assigned('Location', absolute, { on }), own).host, on, absolute);
  });

  test('paths that only begin like it, and those from here, are left alone', async () => {
    for (const location of [
      '/shopping',
      '/shop-2/a',
      '/shops',
      '/SHOP/a',
      'login',
      'shop/login',
      '?a=/shop/b',
      '../shop/a',
      'https://elsewhere.example/shop/a',
    ])
      assert.equal(await assigned('Location', location, { on }), location);
  });

  test('it comes off what legacy says too', async () => {
    legacy.otherwise({ status: 302, headers: [['Location', '/old/login']] });
    const through = await gate.fetch('/cart', { host: on, headers: { ...EVE, ...DOCUMENT } });
    assert.equal(through.get('tidegate-variant'), 'legacy');
    sameUrl(through.get('location'), `${own}/login`);
  });

  test('it comes off Content-Location, Refresh and Link', async () => {
    sameUrl(await assigned('Content-Location', '/shop/page.en.html', { on }), `${own}/page.en.html`);
    assert.match(
      await assigned('Refresh', '5; url=/shop/next', { on }),
      /^5; *url="?(https:\/\/based\.example\.com)?\/next"?$/i,
    );
    assert.match(
      await assigned('Link', '</shop/a.css>; rel=preload; as=style, </shop/b>; rel="next"', { on }),
      /^<(https:\/\/based\.example\.com)?\/a\.css>; ?rel=preload; ?as=style, ?<(https:\/\/based\.example\.com)?\/b>; ?rel="next"$/,
    );
  });
});

describe('a Content-Location', () => {
  test('of a frontend becomes the public one', async () => {
    for (const sent of [`http://${host}/a.en.html`, `https://${host}/a.en.html`, `//${host}/a.en.html`])
      sameUrl(await assigned('Content-Location', sent), `${PUBLIC}/a.en.html`, sent);
  });
  test('of others is left alone', async () => {
    for (const sent of ['/a.en.html', 'a.en.html', 'https://elsewhere.example/a', `${PUBLIC}/a`])
      assert.equal(await assigned('Content-Location', sent), sent);
  });
});

describe('a Refresh', () => {
  test('that names a frontend names the public address', async () => {
    for (const shape of ['0; url=URL', '5;URL=URL', '3, url=URL', '0; url="URL"', "0;url='URL'", '0; Url = URL']) {
      for (const scheme of ['http:', 'https:', '']) {
        const sent = shape.replace(/URL$|(?<=["'])URL/, `${scheme}//${host}/a?b=1`);
        const text = await assigned('Refresh', sent);
        assert.ok(!text.includes(host), `«${sent}» → «${text}»`);
        assert.match(text, /(https:)?\/\/shop\.example\.com\/a\?b=1["']?$/, sent);
        assert.equal(text.split(/[;,]/)[0], sent.split(/[;,]/)[0], 'the time stays');
      }
    }
  });
  test('of others is left alone', async () => {
    for (const sent of ['5', '0; url=/a', '0; url=https://elsewhere.example/', `5; url=https://${host}.evil.example/`])
      assert.equal(await assigned('Refresh', sent), sent);
  });
});

describe('a Link', () => {
  test('that names a frontend names the public address, each of several', async () => {
    const sent = `<https://${host}/a,b.css>; rel=preload; as=style; title="x, <http://y>; z", <http://${host}/2>; rel="next", <//${host}/3>;rel=prev`;
    const text = await assigned('Link', sent);
    assert.ok(!text.includes(host), text);
    assert.equal(
      text.replaceAll('https://', '//').replaceAll(/\s/g, ''),
      sent
        .replaceAll(host, PUBLIC_HOST)
        .replaceAll('https://', '//')
        .replace(`http://${PUBLIC_HOST}`, `//${PUBLIC_HOST}`)
        .replaceAll(/\s/g, ''),
    );
  });
  test('of others is left alone', async () => {
    for (const sent of [
      '</a.css>; rel=preload; as=style',
      '<https://cdn.example>; rel=preconnect',
      `<https://${host}.evil.example/>; rel=x`,
      'broken',
      '<broken',
    ])
      assert.equal(await assigned('Link', sent), sent);
  });
});

describe('a Set-Cookie', () => {
  test("loses the frontend's Domain and nothing else", async () => {
    const on = 'local.example.com';
    const cases = [
      [`a=1; Domain=localhost; Path=/; Secure`, 'a=1; Path=/; Secure'],
      [`a=1; Domain=.localhost; HttpOnly`, 'a=1; HttpOnly'],
      [`a=1;domain=LOCALHOST;SameSite=Lax`, 'a=1;SameSite=Lax'],
      [`a=1; DOMAIN = localhost`, 'a=1'],
      [
        `a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Domain=localhost; Path=/`,
        'a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/',
      ],
      [`a="x; y"; Domain=localhost`, 'a="x; y"'],
      [`a=Domain=localhost; Path=/`, `a=Domain=localhost; Path=/`],
    ];
    for (const [sent, expected] of cases) {
      const [cookie] = await assigned('Set-Cookie', sent, { on });
      assert.equal(cookie.replaceAll(/\s*;\s*/g, ';'), expected.replaceAll(/\s*;\s*/g, ';'), sent);
    }
  });

  test('of another domain is left alone', async () => {
    const sent = [
      'a=1; Path=/',
      'a=1',
      'a=1; Domain=example.com',
      'a=1; Domain=local.example.com',
      'a=1; Domain=elsewhere.example; Path=/x',
      `a=1; Domain=xlocalhost`,
      `a=1; Domain=localhost.evil.example`,
      '__Host-a=1; Secure; Path=/',
      'a=; Max-Age=0',
      'broken',
      '=x',
    ];
    for (const cookie of sent)
      assert.deepEqual(await assigned('Set-Cookie', cookie, { on: 'local.example.com' }), [cookie]);
  });

  test('loses the base path', async () => {
    const cases = [
      ['a=1; Path=/shop', '/'],
      ['a=1; Path=/shop/', '/'],
      ['a=1; path=/shop/cart', '/cart'],
      ['a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; PATH=/shop/cart/; Secure', '/cart/'],
      ['a=1; Path=/', '/'],
      ['a=1; Path=/shopping', '/shopping'],
      ['a=Path=/shop', undefined],
    ];
    for (const [sent, expected] of cases) {
      const [cookie] = await assigned('Set-Cookie', sent, { on: 'based.example.com' });
      assert.equal(/; *path *= *([^;]*)/i.exec(cookie)?.[1], expected, sent);
      assert.equal(cookie.split(';')[0], sent.split(';')[0]);
    }
  });

  test('one of several, each in its place', async () => {
    next.otherwise({
      headers: [
        ['Set-Cookie', 'first=1; Path=/shop'],
        ['Set-Cookie', 'second=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT'],
        ['Set-Cookie', `third=3; Domain=127.0.0.1; Path=/shop/a`],
        ['Set-Cookie', 'first=1; Path=/x'],
      ],
      body: 'x',
    });
    const through = await gate.fetch('/', { host: 'based.example.com', headers: { ...ANA, ...DOCUMENT } });
    assert.deepEqual(
      through.all('set-cookie').map((cookie) => cookie.replaceAll('; ', ';')),
      ['first=1;Path=/', 'second=2;Expires=Wed, 21 Oct 2099 07:28:00 GMT', 'third=3;Path=/a', 'first=1;Path=/x'],
    );
  });
});

describe('a redirect to the address that was asked for', () => {
  const PATH = '/a/b?c=1&d=%20';
  const self =
    (location, { status = 301, headers = [] } = {}) =>
    (request) => ({
      status,
      headers: [['Location', typeof location === 'function' ? location(request) : location], ...headers],
      body: 'again',
    });
  const ask = (options = {}) => gate.fetch(PATH, { ...options, headers: { ...ANA, ...DOCUMENT, ...options.headers } });

  function assertRescued(through, what) {
    assert.deepEqual(
      [through.status, through.get('tidegate-reason'), through.get('tidegate-variant')],
      [200, 'rescued', 'legacy'],
      what,
    );
    assert.equal(through.text, `legacy ${PATH}`, what);
  }

  const spellings = () => ({
    'made of what it was reported its host': (request) => `https://${request.get('x-forwarded-host')}${request.url}`,
    'from the root': PATH,
    'from here': 'b?c=1&d=%20',
    'by the query alone': '?c=1&d=%20',
    'without a scheme': `//${PUBLIC_HOST}${PATH}`,
    'by its own address': `${next.url}${PATH}`,
    'by its own address, in the other scheme': `https://${host}${PATH}`,
    'with a fragment': `${PATH}#top`,
    'with the port': `https://${PUBLIC_HOST}:443${PATH}`,
    'in capitals': `HTTPS://SHOP.EXAMPLE.COM${PATH}`,
  });

  test('is a failure of new, rescued by legacy, however it is written', async () => {
    for (const [what, location] of Object.entries(spellings())) {
      next.otherwise(self(location));
      assertRescued(await ask(), what);
    }
  });

  test('is one with every status that a browser follows, and for HEAD', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      next.otherwise(self(PATH, { status }));
      assertRescued(await ask(), String(status));
    }
    const head = await ask({ method: 'HEAD' });
    assert.deepEqual([head.status, head.get('tidegate-reason')], [200, 'rescued']);
  });

  test('is one for data and files too', async () => {
    next.otherwise(self(PATH));
    for (const dest of ['empty', 'script']) assertRescued(await ask({ headers: asset(dest) }), dest);
  });

  test('is one where the cookie that it sets came with the request', async () => {
    next.otherwise(self(PATH, { headers: [['Set-Cookie', 'session=1; Path=/']] }));
    assertRescued(await ask({ headers: { Cookie: 'a=1; session=1' } }));
  });

  test('is none where it renews a token, or takes a stale one away', async () => {
    for (const cookie of [
      'session=2; Path=/',
      'session=; Max-Age=0',
      'session=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    ]) {
      next.otherwise(self(PATH, { status: 307, headers: [['Set-Cookie', cookie]] }));
      const through = await ask({ headers: { Cookie: 'session=1' } });
      assert.deepEqual([through.status, through.get('tidegate-variant')], [307, 'new'], cookie);
    }
  });

  test('is none where it sets a cookie that the browser does not have yet', async () => {
    for (const cookies of [['visited=1; Path=/'], ['session=2', 'visited=1']]) {
      next.otherwise(self(PATH, { status: 302, headers: cookies.map((cookie) => ['Set-Cookie', cookie]) }));
      const through = await ask({ headers: { Cookie: 'session=1; xvisited=1' } });
      assert.deepEqual([through.status, through.get('location'), through.get('tidegate-variant')], [302, PATH, 'new']);
    }
  });

  test('is none for a form, which is shown again after its POST', async () => {
    for (const status of [302, 303]) {
      next.otherwise(self(PATH, { status }));
      const through = await ask({ method: 'POST', body: 'a=1' });
      assert.deepEqual([through.status, through.get('location')], [status, PATH]);
    }
    assert.equal(legacy.received.length, 0);
  });

  test('is none where the address differs by anything', async () => {
    for (const location of [
      '/a/b',
      '/a/b/?c=1&d=%20',
      '/a/b?c=2&d=%20',
      '/A/b?c=1&d=%20',
      `http://${PUBLIC_HOST}${PATH}`,
      `https://www.${PUBLIC_HOST}${PATH}`,
      `https://${PUBLIC_HOST}:8443${PATH}`,
      '/a/b?d=%20&c=1',
    ]) {
      next.otherwise(self(location));
      const through = await ask();
      assert.deepEqual([through.status, through.get('location')], [301, location]);
    }
    assert.equal(legacy.received.length, 0);
  });

  test('of legacy is passed on: there is nobody to rescue it', async () => {
    legacy.otherwise(self(PATH));
    const through = await ask({ headers: EVE });
    assert.deepEqual([through.status, through.get('tidegate-variant')], [301, 'legacy']);
    assert.equal(next.received.length, 0);
  });

  test('is known under a base path too', async () => {
    for (const location of ['/shop/a', `${next.url}/shop/a`]) {
      next.otherwise(self(location));
      const through = await gate.fetch('/a', { host: 'based.example.com', headers: { ...ANA, ...DOCUMENT } });
      assert.equal(through.get('tidegate-reason'), 'rescued', location);
    }
  });
});

describe('what a client says of addresses', () => {
  const sent = async (headers, options = {}) => {
    await gate.fetch('/page', { ...options, headers: [...Object.entries(ANA), ...headers] });
    return next.last('/page');
  };

  test('under `tidegate-*` reaches no frontend, with underscores neither', async () => {
    const names = [
      'Tidegate_Variant',
      'tidegate_variant',
      'TIDEGATE_ROLLOUT',
      'Tidegate-Flags',
      'Tidegate_Flags',
      'tidegate_admin',
      'tidegate-x_y',
    ];
    const { headers, get } = await sent(names.map((name) => [name, 'evil']));
    assert.doesNotMatch(JSON.stringify(headers), /evil/);
    assert.equal(get('tidegate-variant'), 'new');
  });

  test('under the names that servers believe reaches no frontend, in any spelling', async () => {
    const names = [
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X-Forwarded-Proto',
      'X-Forwarded-Port',
      'X-Forwarded-Prefix',
      'X-Forwarded-Scheme',
      'X-Forwarded-Ssl',
      'X-Forwarded-Server',
      'X-Forwarded-By',
      'Forwarded',
      'X-Original-URL',
      'X-Original-Host',
      'X-Original-Forwarded-For',
      'X-Rewrite-URL',
      'X-Host',
      'X-Real-IP',
      'True-Client-IP',
    ];
    for (const spelled of [
      (name) => name,
      (name) => name.replaceAll('-', '_'),
      (name) => name.toLowerCase().replace('-', '_'),
      (name) => name.toUpperCase(),
    ]) {
      const { headers } = await sent(names.map((name) => [spelled(name), 'evil.example']));
      assert.doesNotMatch(JSON.stringify(headers), /evil/, spelled('X-Forwarded-Host'));
      assert.deepEqual(values(headers, 'x-forwarded-host'), [PUBLIC_HOST]);
      assert.deepEqual(values(headers, 'x-forwarded-proto'), ['https']);
    }
  });

  test("of its IP gives way to the platform's word, where it says one at all", async () => {
    const platform = [['CF-Connecting-IP', '203.0.113.7']];
    const given = await sent([
      ...platform,
      ['X-Real-IP', '6.6.6.6'],
      ['True-Client-IP', '6.6.6.6'],
      ['X_Real_IP', '6.6.6.6'],
    ]);
    assert.doesNotMatch(JSON.stringify(given.headers), /6\.6\.6\.6/);
    for (const name of ['x-real-ip', 'true-client-ip', 'x-forwarded-for'])
      assert.equal(given.get(name), '203.0.113.7', name);
    const silent = await sent(platform);
    for (const name of ['x-real-ip', 'true-client-ip']) assert.equal(silent.get(name), undefined, name);
  });

  test('is dropped for legacy as well', async () => {
    await gate.fetch('/page', {
      headers: [
        ...Object.entries(EVE),
        ['X_Forwarded_Host', 'evil.example'],
        ['Tidegate_Variant', 'evil'],
        ['Forwarded', 'host=evil'],
      ],
    });
    assert.doesNotMatch(JSON.stringify(legacy.last('/page').headers), /evil/);
  });

  test('is all that is dropped: other names pass, with underscores too', async () => {
    const others = {
      X_Custom: '1',
      'x-user_agent': '2',
      'X-Original': '3',
      'X-Forward': '4',
      Forward: '5',
      'X-Hostname': '6',
      'X-Real-IP-Header': '7',
      'X-Requested-With': '8',
      Tide: '9',
      Via: '1.1 x',
      'X-Request-Id': '10',
    };
    const { get } = await sent(Object.entries(others));
    for (const [name, value] of Object.entries(others)) assert.equal(get(name), value, name);
  });

  test('in Origin and Referer stays as it is unless the plan says otherwise', async () => {
    const { get } = await sent([
      ['Origin', PUBLIC],
      ['Referer', `${PUBLIC}/form`],
    ]);
    assert.deepEqual([get('origin'), get('referer')], [PUBLIC, `${PUBLIC}/form`]);
  });
});

describe('what a frontend says to browsers alone', () => {
  for (const [site, id] of [
    ['new', ANA],
    ['legacy', EVE],
  ]) {
    test(`Alt-Svc of ${site} is dropped: it names a way past the gate`, async () => {
      for (const upstream of [legacy, next])
        upstream.otherwise({
          headers: [
            ['Alt-Svc', 'h3=":443"; ma=86400'],
            ['X-Stays', '1'],
          ],
          body: 'x',
        });
      const through = await gate.fetch('/page', { headers: id });
      assert.deepEqual(
        [through.get('alt-svc'), through.get('x-stays'), through.get('tidegate-variant')],
        [undefined, '1', site],
      );
    });
  }

  for (const status of [600, 777, 999]) {
    // HTTP has no such status, and clients treat it as a 5xx (RFC 9110 §15). The platform makes no answer with
    // one, so it cannot be marked under its own number.
    test(`a ${status} is a failure, which legacy answers in the place of`, async () => {
      next.otherwise({ status, headers: [['Content-Type', 'text/html']], body: 'odd' });
      const through = await gate.fetch('/page', { headers: { ...ANA, ...DOCUMENT } });
      assert.deepEqual(
        [through.status, through.get('tidegate-variant'), through.get('tidegate-reason')],
        [200, 'legacy', 'rescued'],
      );
    });

    test(`a ${status} that legacy cannot replace leaves as 502, marked like others`, async () => {
      next.otherwise({
        status,
        headers: [
          ['Content-Type', 'text/html'],
          ['X-Own', '1'],
        ],
        body: 'odd',
      });
      const through = await gate.fetch('/page', { method: 'POST', body: 'x', headers: ANA });
      assert.deepEqual([through.status, through.text, through.get('x-own')], [502, 'odd', '1']);
      assert.deepEqual(
        [through.get('tidegate-variant'), through.get('tidegate-reason'), through.get('tidegate-status')],
        ['new', 'group', String(status)],
      );
    });
  }
});

describe('with `origin = "rewrite"` a frontend sees its own address', () => {
  let rewriting;
  before(async () => {
    rewriting = await openGate({ controller: false });
    const plan = half(legacy, next, { upstreams: { new: { url: next.url, origin: 'rewrite' }, legacy: legacy.url } });
    await rewriting.load([plan], { p: STARTED.running });
  });
  after(() => rewriting?.close());

  /**
   * @param {Record<string, string>} headers
   * @param {{ id?: object, site?: any } & import('./wire.mjs').RequestOptions} [options]
   */
  const sent = async (headers, { id = ANA, site = next, ...options } = {}) => {
    await rewriting.fetch('/form', { method: 'POST', body: 'a=1', ...options, headers: { ...id, ...headers } });
    const request = site.last('/form');
    return [request.get('origin'), request.get('referer')];
  };

  test('in Origin and Referer, where they are the public one', async () => {
    assert.deepEqual(await sent({ Origin: PUBLIC, Referer: `${PUBLIC}/form?a=1` }), [next.url, `${next.url}/form?a=1`]);
    assert.deepEqual(await sent({ Referer: `${PUBLIC}/` }), [undefined, `${next.url}/`]);
  });

  test('by the port and scheme by which the browser came', async () => {
    const origin = 'http://shop.example.com:8080';
    assert.deepEqual(
      await sent({ Origin: origin, Referer: `${origin}/form` }, { scheme: 'http', host: 'shop.example.com:8080' }),
      [next.url, `${next.url}/form`],
    );
  });

  test('but a foreign one stays foreign', async () => {
    for (const origin of [
      'https://evil.example',
      'null',
      `https://${PUBLIC_HOST}.evil.example`,
      `http://${PUBLIC_HOST}`,
      `https://${PUBLIC_HOST}:8443`,
      `https://www.${PUBLIC_HOST}`,
      `https://evil.example/${PUBLIC}`,
      '',
    ]) {
      const [seen] = await sent({ Origin: origin });
      assert.ok((seen ?? '') === origin, `«${origin}» → «${seen}»`);
    }
    for (const referer of [
      'https://evil.example/form',
      `https://evil.example/?${PUBLIC}/form`,
      `https://${PUBLIC_HOST}.evil.example/`,
      `https://${PUBLIC_HOST}@evil.example/`,
    ]) {
      assert.deepEqual(await sent({ Referer: referer }), [undefined, referer]);
    }
  });

  test('and only on the side that says so', async () => {
    assert.deepEqual(await sent({ Origin: PUBLIC, Referer: `${PUBLIC}/form` }, { id: EVE, site: legacy }), [
      PUBLIC,
      `${PUBLIC}/form`,
    ]);
  });

  test('and gets the public one all the same', async () => {
    await sent({ Origin: PUBLIC });
    assert.equal(next.last('/form').get('x-forwarded-host'), PUBLIC_HOST);
  });
});
