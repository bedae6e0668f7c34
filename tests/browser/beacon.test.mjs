// What a page's visitor experiences reaches the metrics of the rollout that gave the page, on its side,
// once; and it decides.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { isOwn } from '../../www/beacon/errors.js';
import { startFrontend } from '../frontends/serve.mjs';
import { launchWhole, launchWithProfile } from './chromium.mjs';
import { openDeployment } from './deployment.mjs';
import { EARLY, LATE } from './shop.mjs';

const BYTES_MAX = 4_600;
/** The beacon's paths under a name of the operator's. */
const BEACON_PATH = '/assets/m';
const CSP = "default-src 'none'; script-src 'self'; connect-src 'self'";

const planFor = (key, route, { legacy, next }, more = '') => `
key = "${key}"
routes = ["${route}"]
upstreams = { legacy = "${legacy}", new = "${next}" }
identity = { from = ["header:x-user-id"] }
stage = [{ name = "half", percentage = 50, hold = "1h", gates = ["reporters.used >= 1 over stage", "adoption > 10% over stage"] }]
${more}`;

let browser, deployment, shops, strict, app, other, context;
let addresses = 0;
/** Each context has an address of its own, since addresses report a limited number of times. */
const newContext = (headers = {}) =>
  browser.newContext({
    baseURL: deployment.origin,
    extraHTTPHeaders: { 'cf-connecting-ip': `192.0.2.${(addresses += 1)}`, ...headers },
  });

before(async () => {
  browser = await launchWhole({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  shops = { legacy: await startFrontend('legacy'), next: await startFrontend('new') };
  strict = await startStrict();
  [app, other] = [await startApp(), await startApp()];
  const urls = { legacy: shops.legacy.url, next: shops.next.url };
  const strictUrls = { legacy: strict.url, next: `${strict.url}/new` };
  deployment = await openDeployment({
    bindings: { BEACON_PATH },
    plans: [
      planFor('checkout', '/*', urls),
      planFor('app', '/app/*', { legacy: app.url, next: `${app.url}/new` }),
      // Of one test alone: reports of the pages of others come late.
      planFor('screens', '/app/screens/*', { legacy: app.url, next: `${app.url}/new` }),
      planFor('strict', '/strict/*', strictUrls),
      planFor('draft', '/draft/*', strictUrls),
      'key = "search"\nvalues = { new = "semantic", legacy = "keyword" }\nstage = [{ name = "on", percentage = 100 }]',
    ],
  });
  for (const [key, url] of [
    ['checkout', '/'],
    ['strict', '/strict/'],
    ['app', '/app/'],
    ['screens', '/app/screens/'],
  ]) {
    await deployment.command(key, 'start');
    await obeyed(new URL(url, deployment.origin));
  }
});
afterEach(() => context?.close());
after(async () => {
  await browser?.close();
  await deployment?.close();
  await Promise.all([shops?.legacy.close(), shops?.next.close(), strict?.close(), app?.close(), other?.close()]);
});

/** Waits until a rollout that was started deals out sides. */
async function obeyed(url) {
  const deadline = Date.now() + 60_000;
  while ((await fetch(url, { headers: { 'x-user-id': EARLY } })).headers.get('tidegate-reason') !== 'bucketed') {
    assert.ok(Date.now() < deadline, `${url} is served by its rollout`);
    await sleep(50);
  }
}

/** A page of its own server that allows itself nothing but its own scripts and connections. */
async function startStrict() {
  return serve((_, res) => {
    res
      .writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': CSP })
      .end(
        '<!doctype html><title>Strict</title><script async src="/_tidegate/beacon.js"></script><h1>Nothing else</h1>',
      );
  });
}

async function serve(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

/** Throws and rejects as it is reported to, in a file of its own or in the page's. */
const fails = (name) => `window.${name} = {
  raise: (text) => { setTimeout(() => { throw new Error(text); }); },
  refuse: (text) => { Promise.reject(new Error(text)); },
  say: (text) => { Promise.reject(text); },
  ask: (url, options) => { fetch(url, options).then((answer) => answer.text()); },
};`;

/** What its pages may have as their `data-ignore`, by the last digit of their path. */
const PATTERNS = ['legacy-widget|^Chunk \\d+|"quoted"', 'a(', 'a|', '.*'];

/** An app whose pages have the script under its other name. */
async function startApp() {
  const waiting = new Set();
  const server = await serve((req, res) => {
    const { pathname } = new URL(req.url, 'http://app');
    if (pathname.endsWith('.js'))
      res
        .writeHead(200, { 'Content-Type': 'text/javascript' })
        .end(pathname.includes('throws') ? 'throw new Error("whose is it?");' : fails('widget'));
    else if (pathname.endsWith('/nothing')) res.writeHead(204).end();
    else if (pathname.endsWith('/hangs')) waiting.add(res);
    else {
      const ignore = (PATTERNS[pathname.at(-1)] ?? '').replaceAll('"', '&quot;');
      const head = `<!doctype html><title>App</title><script src="/app/legacy-widget.js"></script><script>${fails('own')}</script><script async src="${BEACON_PATH}.js" data-ignore="${ignore}"></script>`;
      res.writeHead(200, { 'Content-Type': 'text/html' }).end(`${head}<h1>App</h1>`);
    }
  });
  return {
    ...server,
    waiting,
    /** Breaks off what hangs. */
    drop() {
      waiting.forEach((res) => res.destroy());
      waiting.clear();
    },
  };
}

/** What the metrics hold of a rollout: by side pages, failed pages, errors, and how many of each measure. */
async function counted(key) {
  const { windows } = await deployment.api('GET', `rollouts/${key}/metrics`);
  const of = (variant) => {
    const sides = windows
      .flatMap((window) => window.sides)
      .filter((side) => side.variant === variant && side.endpoint === undefined);
    const sum = (read) => sides.reduce((total, side) => total + (read(side) ?? 0), 0);
    const names = new Set(sides.flatMap((side) => Object.keys(side.measures)));
    names.delete('latency');
    return {
      pages: sum((side) => side.pages),
      failed: sum((side) => side.failed_pages),
      errors: sum((side) => side.js_errors),
      measures: Object.fromEntries([...names].sort().map((name) => [name, sum((side) => side.measures[name]?.count)])),
    };
  };
  return { legacy: of('legacy'), new: of('new') };
}

/** Waits until a rollout's metrics hold what is expected. */
async function untilCounted(key, holds, what) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const now = await counted(key);
    if (await holds(now)) return now;
    assert.ok(Date.now() < deadline, `${what}; it is ${JSON.stringify(now)}`);
    await sleep(100);
  }
}

/** A page that remembers what it reports, through reloads and all. */
async function open(path, headers) {
  context = await newContext(headers);
  await context.addInitScript(() => {
    const note = (body) => {
      const report = JSON.stringify({
        ...JSON.parse(String(body)),
        isSeen: document.visibilityState === 'visible',
        at: performance.now(),
      });
      localStorage.setItem('sent', `${localStorage.getItem('sent') ?? ''}${report}\n`);
    };
    const send = navigator.sendBeacon.bind(navigator);
    navigator.sendBeacon = (url, body) => {
      note(body);
      return send(url, body);
    };
    // While the page is seen a report asks for messages too, and a beacon brings no answer.
    const ask = window.fetch.bind(window);
    window.fetch = (url, options) => {
      if (options?.keepalive) note(options.body);
      return ask(url, options);
    };
  });
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  page.on('pageerror', (error) => page.problems.push(error.message));
  await page.goto(path);
  await page.waitForFunction(() => window.tidegate);
  return page;
}

const sent = (page) =>
  page.evaluate(() =>
    (localStorage.getItem('sent') ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  );
/** Shows another page of the same origin, which hides this one and can tell what it has sent. */
const leave = (page) => page.goto('/_tidegate/health');
/** The window goes out of sight and comes back. */
const glance = (page) =>
  page.evaluate(() => {
    for (const state of ['hidden', 'visible']) {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    }
  });
/** The browser has measured the first input, which a busy machine may take its time for. */
const measured = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) =>
        new PerformanceObserver(() => resolve(undefined)).observe({ type: 'first-input', buffered: true }),
      ),
  );
const fail = (page) =>
  page.evaluate(() => {
    setTimeout(() => {
      throw new Error('nobody catches this');
    });
    setTimeout(() => Promise.reject(new Error('nor this')));
  });

test('the script is at most 4,600 bytes, gzipped, with everything in it', () => {
  const { length } = gzipSync(readFileSync(new URL('../../build/assets/_tidegate/beacon.js', import.meta.url)), {
    level: 9,
  });
  assert.ok(length <= BYTES_MAX, `${length} bytes`);
});

test('what a visitor experiences is counted on the side of the page, and only there', async () => {
  const page = await open('/', { 'x-user-id': EARLY });
  assert.deepEqual(await assigned(page), { rollout: 'checkout', variant: 'new', stage: 'half', rollouts: 1 });
  await page.locator('#show-tides').click();
  await measured(page);
  await fail(page);
  await page.evaluate(() => {
    tidegate.time('tti', 1_234);
    tidegate.event('used');
  });
  await page.waitForTimeout(300);
  await leave(page);
  const all = { cls: 1, fcp: 1, inp: 1, lcp: 1, 'timing.tti': 1, ttfb: 1 };
  const { legacy } = await untilCounted(
    'checkout',
    ({ new: { pages, failed, errors, measures } }) =>
      isDeepStrictEqual({ pages, failed, errors, measures }, { pages: 1, failed: 1, errors: 2, measures: all }),
    'new has it all once',
  );
  assert.deepEqual(legacy, { pages: 0, failed: 0, errors: 0, measures: {} });
  const used = async () =>
    (await deployment.api('GET', 'rollouts/checkout')).stages[0].gates[0].figures?.[0].value === 1;
  await untilCounted('checkout', used, 'one subject has used it');
  await context.close();

  const other = await open('/', { 'x-user-id': LATE });
  assert.equal((await assigned(other)).variant, 'legacy');
  await leave(other);
  assert.deepEqual(
    (await sent(other)).filter(({ isSeen, at }) => isSeen && at < 5_000),
    [],
    'going away is one report',
  );
  const now = await untilCounted(
    'checkout',
    ({ legacy: { pages, measures } }) => pages === 1 && measures.cls === 1,
    'legacy has its page',
  );
  assert.deepEqual([now.legacy.failed, now.new.pages, now.new.measures.lcp], [0, 1, 1]);
});

const assigned = (page) =>
  page.evaluate(() => ({
    rollout: tidegate.rollout,
    variant: tidegate.variant,
    stage: tidegate.stage,
    rollouts: tidegate.rollouts.length,
  }));

test('nothing is reported twice, however often the page is hidden and comes back', async () => {
  const before = (await counted('checkout')).new.pages;
  const page = await open('/', { 'x-user-id': EARLY });
  await page.locator('#show-tides').click();
  await measured(page);
  await page.waitForTimeout(300);
  for (let times = 0; times < 3; times += 1) {
    await page.evaluate(() => {
      tidegate.time('tti', 1_234);
      tidegate.event('used');
    });
    await glance(page);
  }
  await page.evaluate(() => {
    window.isTheSame = true;
  });
  await leave(page);
  const first = await sent(page);
  await Promise.all([
    page.waitForURL('**/', { waitUntil: 'commit' }),
    page.evaluate(() => {
      history.back();
    }),
  ]);
  assert.ok(await page.evaluate(() => window.isTheSame), 'the page comes from the cache of pages');
  await page.waitForTimeout(300);
  await glance(page);
  await leave(page);
  const reports = await sent(page);
  assert.deepEqual(reports, first, 'what came back has nothing of its own');
  const names = reports.flatMap(({ metrics, events }) => [...Object.keys(metrics), ...events]);
  assert.deepEqual(names.sort(), ['cls', 'fcp', 'inp', 'lcp', 'timing.tti', 'ttfb', 'used']);
  await untilCounted(
    'checkout',
    ({ new: { pages, measures } }) => pages === before + 1 && measures.inp === before + 1,
    'the view is counted once',
  );
});

test('the last number of a view counts, once the page is hidden', async () => {
  const before = (await counted('checkout')).new.measures['value.charts'] ?? 0;
  const page = await open('/', { 'x-user-id': EARLY });
  await page.evaluate(() => {
    for (const number of /** @type {any[]} */ ([1, 2, NaN, '3', 4, {}, undefined])) tidegate.value('charts', number);
    tidegate.value(/** @type {any} */ ({}), 1);
    tidegate.value('no name', 1);
  });
  await glance(page);
  await page.evaluate(() => tidegate.value('charts', 9));
  await glance(page);
  const assigned = (await sent(page)).flatMap(({ metrics }) => Object.entries(metrics));
  assert.deepEqual(
    assigned.filter(([name]) => name.startsWith('value.')),
    [['value.charts', 4]],
  );
  await untilCounted(
    'checkout',
    ({ new: { measures } }) => measures['value.charts'] === before + 1,
    'the number is counted',
  );
});

test('a page reports soon after its load what is final, and its first errors soon after them', async () => {
  const page = await open('/about', { 'x-user-id': EARLY });
  const reported = (count) =>
    page.waitForFunction((wanted) => (localStorage.getItem('sent') ?? '').split('\n').length > wanted, count, {
      timeout: 60_000,
      polling: 200,
    });
  await reported(1);
  await fail(page);
  await reported(2);
  await fail(page);
  await leave(page);
  const assigned = (await sent(page)).map(({ metrics, js_errors }) => [Object.keys(metrics).sort().join(), js_errors]);
  assert.deepEqual(assigned, [
    ['fcp,ttfb', 0],
    ['', 2],
    ['cls,lcp', 0],
  ]);
});

test('a page that is prerendered and never shown reports nothing', async () => {
  context = await newContext({ 'x-user-id': EARLY });
  await context.addInitScript(() => {
    Object.defineProperty(Document.prototype, 'prerendering', { get: () => !window.isShown, configurable: true });
    navigator.sendBeacon = (_, body) => {
      localStorage.setItem('sent', String(body));
      return true;
    };
  });
  const page = await context.newPage();
  await page.goto('/');
  await page.waitForFunction(() => window.tidegate?.rollout);
  await page.evaluate(() => tidegate.event('used'));
  await glance(page);
  assert.equal(await page.evaluate(() => localStorage.getItem('sent')), null);
  await page.evaluate(() => {
    window.isShown = true;
    document.dispatchEvent(new Event('prerenderingchange', { bubbles: true }));
  });
  await glance(page);
  assert.deepEqual(await page.evaluate(() => JSON.parse(localStorage.getItem('sent')).events), ['used']);
});

test('names and times that cannot be are left out, and nothing is thrown', async () => {
  const page = await open('/about', { 'x-user-id': EARLY });
  await page.evaluate(() => {
    for (const name of /** @type {any[]} */ ([
      '',
      ' ',
      'a b',
      'é',
      '__proto__',
      'x'.repeat(101),
      Symbol('x'),
      null,
      {},
      5n,
    ])) {
      tidegate.event(name);
      tidegate.time(name, 5);
    }
    for (const ms of /** @type {any[]} */ ([NaN, Infinity, '5', null, undefined, {}, Symbol('x'), 5n]))
      tidegate.time('wrong', ms);
    for (let n = 0; n < 100; n += 1) {
      tidegate.time(`t${n}`, n);
      tidegate.event(`e${n}`);
    }
  });
  await glance(page);
  const [{ metrics, events }] = await sent(page);
  assert.deepEqual([page.problems, metrics['timing.t0'], metrics['timing.wrong'] ?? null], [[], 0, null]);
  assert.ok(Object.keys(metrics).length <= 32 && events.length <= 16, JSON.stringify({ metrics, events }));
});

test('a page that its rollout does not give reports nothing, and may call what it likes', async () => {
  const page = await open('/draft/page', { 'x-user-id': EARLY });
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.evaluate(() => {
    tidegate.time('tti', 5);
    tidegate.event('used');
  });
  await fail(page);
  await glance(page);
  await leave(page);
  assert.deepEqual([await sent(page), asked], [[], ['/_tidegate/health']]);
});

/** An event as a browser makes it of an error; `stack` stands for the error's. */
const thrown = (
  message,
  {
    filename = 'https://shop.example.com/app.js',
    lineno = 1,
    stack = `Error: ${message}\n    at f (${filename}:1:1)`,
  } = {},
) => ({ message: `Uncaught Error: ${message}`, filename, lineno, error: Object.assign(new Error(message), { stack }) });
const rejected = (reason) => ({ reason });
const failing = (message, stack) => Object.assign(new Error(message), { stack });

test("an error is distinguished from others by its file, its stack and what it says, in every browser's words", () => {
  const scripts = [
    'chrome-extension://abc/x.js',
    'moz-extension://1-2/x.js',
    'safari-extension://com.x-1/y.js',
    'safari-web-extension://A-B/z.js',
    'ms-browser-extension://abc/x.js',
    'webkit-masked-url://hidden/',
    'blob:chrome-extension://abc/1-2',
    'iabjs://autofill',
    'resource://gre/modules/x.js',
    'user-script:3',
  ];
  for (const script of scripts) {
    assert.equal(isOwn(thrown('x is undefined', { filename: script })), false, script);
    const frames = [
      `Error: see https://shop.example.com/help (now)\n    at new f (${script}:2:9)\n    at https://shop.example.com/app.js:1:1`,
      `f@${script}:2:9\n@https://shop.example.com/app.js:1:1`,
      `Error: see https://shop.example.com/help (now)\n    at eval (eval at f (${script}:2:9), <anonymous>:1:1)`,
    ];
    for (const stack of frames)
      assert.equal(isOwn(rejected(failing('see https://shop.example.com/help (now)', stack))), false, stack);
  }
  for (const stack of [
    'Error: a\n    at f (https://shop.example.com/app.js:1:1)\n    at g (chrome-extension://abc/x.js:1:1)',
    'f@https://shop.example.com/app.js:1:1\ng@moz-extension://abc/x.js:1:1',
    'Error: chrome-extension://abc is not allowed\n    at f (https://shop.example.com/app.js:1:1)',
    undefined,
    '',
  ]) {
    assert.equal(isOwn(rejected(failing('chrome-extension://abc is not allowed', stack))), true, stack);
  }
  const others = [
    { message: 'Script error.', filename: '', lineno: 0, error: null },
    { message: 'Script error', filename: '', lineno: 0 },
    {
      message: 'ResizeObserver loop completed with undelivered notifications.',
      filename: 'https://shop.example.com/app.js',
      lineno: 0,
    },
    { message: 'ResizeObserver loop limit exceeded', filename: '', lineno: 0 },
    rejected('Object Not Found Matching Id:2, MethodName:update, ParamCount:4'),
    rejected(new Error('Non-Error promise rejection captured with value: Object Not Found Matching Id:11')),
    rejected(new DOMException('The user aborted a request.', 'AbortError')),
    {
      message: 'Uncaught AbortError',
      filename: 'https://shop.example.com/app.js',
      lineno: 3,
      error: new DOMException('signal is aborted without reason', 'AbortError'),
    },
    thrown("undefined is not an object (evaluating '__gCrWeb.instantSearch')", {
      filename: 'https://shop.example.com/',
    }),
    thrown("undefined is not an object (evaluating 'window.webkit.messageHandlers')", {
      filename: 'https://shop.example.com/',
      stack: 'global code@https://shop.example.com/:1:1',
    }),
    rejected(
      failing('Extension context invalidated.', 'Error: Extension context invalidated.\n    at <anonymous>:1:1'),
    ),
    { message: 'Uncaught Error: Java object is gone', filename: '', lineno: 1 },
  ];
  for (const event of others) assert.equal(isOwn(event), false, JSON.stringify(event));
  const own = [
    thrown('x is undefined'),
    thrown('Script error.'),
    thrown('Script error.', { filename: '', lineno: 0 }),
    thrown("undefined is not an object (evaluating 'window.webkit.messageHandlers.pay')"),
    ...[undefined, null, 0, '', 'no', Symbol('no'), {}, Object.create(null), 5n, new Event('error')].map(rejected),
    rejected(failing('Failed to fetch', 'TypeError: Failed to fetch\n    at https://shop.example.com/app.js:1:1')),
    rejected({ name: 'TimeoutError', message: 'It took too long' }),
    rejected({
      get message() {
        throw new Error('do not ask');
      },
    }),
  ];
  for (const event of own) assert.equal(isOwn(event), true, String(event.message));
});

const errors = async (page) => (await sent(page)).reduce((sum, { js_errors }) => sum + (js_errors ?? 0), 0);

test("errors that are not the page's do not count, and those that are do", async () => {
  const page = await open('/app/0', { 'x-user-id': EARLY });
  await page.evaluate(async (foreign) => {
    const script = document.createElement('script');
    script.src = foreign;
    const assigned = new Promise((resolve) =>
      addEventListener('error', (event) => resolve(event.message), { once: true }),
    );
    document.head.append(script);
    if ((await assigned) !== 'Script error.') throw new Error('the browser named the error');
    const leaver = new AbortController();
    own.ask('/app/hangs', { signal: leaver.signal });
    leaver.abort();
    own.say('Object Not Found Matching Id:2, MethodName:update, ParamCount:4');
    own.raise('Chunk 7 cannot be loaded');
    own.refuse('it is "quoted"');
    widget.raise("it is the widget's");
    widget.refuse('so is this');
    const box = Object.assign(document.createElement('div'), { textContent: 'grows' });
    document.body.append(box);
    const grown = new Promise((resolve) =>
      addEventListener('error', ({ message }) => message.startsWith('ResizeObserver') && resolve(undefined)),
    );
    new ResizeObserver(() => {
      box.style.width = `${box.offsetWidth - 1}px`;
    }).observe(box);
    await grown;
  }, `${other.url}/throws.js`);
  await page.waitForTimeout(200);
  await glance(page);
  assert.equal(await errors(page), 0);
  await page.evaluate(() => {
    own.raise("it is the page's, not that of Chunk 7");
    own.refuse('so is this');
    own.say('it is no error at all');
  });
  await page.waitForTimeout(200);
  await glance(page);
  assert.equal(await errors(page), 3);
  const assigned = (await sent(page)).flatMap(({ errors: own = [] }) => own);
  assert.deepEqual(
    assigned.map(({ name, message }) => `${name}: ${message}`),
    ["Error: it is the page's, not that of Chunk 7", 'Error: so is this', ': it is no error at all'],
  );
  assert.match(assigned[0].frame, /\/app\/0:\d+:\d+$/, 'the first file of the stack, which is the page');
});

test('a request that fails because its page is left is no error, and any other is', { timeout: 240_000 }, async () => {
  const page = await open('/app/', { 'x-user-id': EARLY });
  const requests = async (act) => {
    await page.evaluate((url) => {
      window.failed = new Promise((resolve) =>
        addEventListener('unhandledrejection', ({ reason }) => resolve(String(reason)), { once: true }),
      );
      own.ask(url);
    }, `${other.url}/hangs`);
    while (other.waiting.size === 0) await sleep(20);
    await act();
    other.drop();
    assert.equal(await page.evaluate(() => window.failed), 'TypeError: Failed to fetch');
    await glance(page);
    return errors(page);
  };
  const begins = () =>
    page.evaluate(
      () =>
        new Promise((resolve) => {
          addEventListener('beforeunload', resolve, { once: true });
          location.href = '/app/nothing';
        }),
    );
  assert.equal(await requests(begins), 0, 'it leaves');
  assert.equal(await requests(() => page.waitForTimeout(5_200)), 1, 'it has stayed');
});

test('what was under way when a page went into the cache of pages fails silently when it comes back', async () => {
  const page = await open('/app/', { 'x-user-id': EARLY });
  await page.evaluate(() => {
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
  });
  await page.evaluate(() => own.refuse('Failed to fetch'));
  await glance(page);
  assert.equal(await errors(page), 0);
});

test('a pattern that cannot be used is warned of once, and leaves nothing out', async () => {
  for (const number of [1, 2, 3]) {
    const page = await open(`/app/${number}`, { 'x-user-id': EARLY });
    const warnings = [];
    page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
    await page.reload();
    await page.waitForFunction(() => window.tidegate);
    await page.evaluate(() => own.raise('anything'));
    await page.waitForTimeout(100);
    await glance(page);
    assert.deepEqual([await errors(page), warnings.length], [1, 1], PATTERNS[number]);
    assert.match(warnings[0], /^Tidegate: data-ignore is not used: /);
    await context.close();
  }
});

test("an extension's script fails in a page, and the page does not", async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tidegate-extension-'));
  const profile = mkdtempSync(join(tmpdir(), 'tidegate-profile-'));
  writeFileSync(
    join(scratch, 'manifest.json'),
    JSON.stringify({
      manifest_version: 3,
      name: 'fails',
      version: '1',
      content_scripts: [{ matches: ['<all_urls>'], js: ['fails.js'], world: 'MAIN', run_at: 'document_idle' }],
    }),
  );
  writeFileSync(
    join(scratch, 'fails.js'),
    "window.extended = () => { setTimeout(() => { throw new Error('of the extension'); }); Promise.reject(new Error('of the extension')); };",
  );
  context = await launchWithProfile(profile, {
    args: [`--load-extension=${scratch}`],
    ignoreDefaultArgs: ['--disable-extensions'],
    baseURL: deployment.origin,
    extraHTTPHeaders: { 'cf-connecting-ip': '192.0.2.250', 'x-user-id': EARLY },
  });
  try {
    const page = await context.newPage();
    await page.addInitScript(() => {
      window.reports = [];
      const send = navigator.sendBeacon.bind(navigator);
      navigator.sendBeacon = (url, body) => window.reports.push(JSON.parse(String(body))) > 0 && send(url, body);
      addEventListener('error', ({ filename }) => {
        window.failedFile = filename;
      });
    });
    await page.goto('/app/');
    await page.waitForFunction(() => window.extended && window.tidegate);
    const failed = async (act) => {
      await page.evaluate(act);
      await page.waitForTimeout(200);
      await glance(page);
      return page.evaluate(() => [
        window.failedFile.split(':')[0],
        window.reports.reduce((sum, { js_errors }) => sum + js_errors, 0),
      ]);
    };
    assert.deepEqual(await failed(() => window.extended()), ['chrome-extension', 0]);
    assert.deepEqual(await failed(() => own.raise('of the page')), ['http', 1]);
  } finally {
    await context.close();
    [scratch, profile].forEach((folder) => rmSync(folder, { recursive: true, force: true }));
  }
});

test('each screen of an app counts as a page view, and the load keeps its vitals', async () => {
  const page = await open('/app/screens/', { 'x-user-id': EARLY });
  const side = (await assigned(page)).variant;
  await page.locator('h1').click();
  await page.evaluate(() => {
    tidegate.event('used');
    tidegate.time('tti', 700);
    own.raise('on the first screen');
  });
  await page.waitForTimeout(200);
  for (const name of ['second', 'third']) {
    await page.evaluate((screen) => {
      tidegate.view();
      tidegate.view();
      tidegate.event('used');
      tidegate.event('used');
      tidegate.time('tti', 300);
      if (screen === 'third') own.raise('on the third screen');
    }, name);
    await page.waitForTimeout(200);
  }
  await leave(page);
  // On a busy machine a vital may be known only when the second screen is there: it is the load's all the same.
  const screens = {};
  for (const { view = 0, metrics, events = [], js_errors = 0 } of await sent(page)) {
    const screen = (screens[view] ??= { metrics: [], events: [], js_errors: 0 });
    screen.metrics.push(...Object.keys(metrics));
    screen.events.push(...events);
    screen.js_errors += js_errors;
  }
  for (const { metrics } of Object.values(screens)) metrics.sort();
  assert.deepEqual(screens, {
    0: { metrics: ['cls', 'fcp', 'inp', 'lcp', 'timing.tti', 'ttfb'], events: ['used'], js_errors: 1 },
    1: { metrics: ['timing.tti'], events: ['used'], js_errors: 0 },
    2: { metrics: ['timing.tti'], events: ['used'], js_errors: 1 },
  });
  const now = await untilCounted('screens', (now) => now[side].pages === 3, 'three screens are three page views');
  const { failed, errors, measures } = now[side];
  assert.deepEqual(
    [failed, errors, measures['timing.tti'], measures.lcp, measures.cls, measures.ttfb],
    [2, 2, 3, 1, 1, 1],
  );
});

test('an app may show many screens, and a page counts 200 of them', async () => {
  const page = await open('/app/', { 'x-user-id': EARLY });
  await page.evaluate(() => {
    navigator.sendBeacon = (_, body) => {
      localStorage.setItem('last', String(body));
      return true;
    };
    window.fetch = async () => new Response(undefined, { status: 204 });
    // The load is a screen of its own once something is known of it, which its vitals may be too late for.
    tidegate.event('loaded');
    for (let n = 0; n < 300; n += 1) {
      tidegate.view();
      tidegate.event(`screen-${n}`);
    }
  });
  await glance(page);
  const { view, events } = JSON.parse(await page.evaluate(() => localStorage.getItem('last')));
  assert.deepEqual([view, events.length, events[0]], [200, 16, 'screen-199']);
});

test('the script reports to where it came from', async () => {
  const page = await open('/app/', { 'x-user-id': EARLY });
  const asked = [];
  context.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await page.reload();
  await page.waitForFunction(() => window.tidegate);
  const [report] = await Promise.all([page.waitForResponse('**/assets/m'), glance(page)]);
  assert.equal(report.status(), 204);
  assert.deepEqual(
    asked.filter((line) => line.includes('/assets/') || line.includes('beacon')),
    ['GET /assets/m.js', 'POST /assets/m'],
  );
});

test('a page that allows only its own scripts and connections can report', async () => {
  const page = await open('/strict/page', { 'x-user-id': EARLY });
  await leave(page);
  await untilCounted(
    'strict',
    ({ legacy: { pages, measures } }) => pages === 1 && measures.fcp === 1,
    'the page is counted',
  );
  assert.deepEqual(page.problems, []);
});

test('adoption is a share of those who report, not of all who were seen', { timeout: 240_000 }, async () => {
  for (let n = 0; n < 10; n += 1)
    await fetch(`${deployment.origin}/strict/page`, { headers: { 'x-user-id': `silent-${n}`, accept: 'text/html' } });
  for (const user of [EARLY, LATE]) {
    const page = await open('/strict/page', { 'x-user-id': user });
    if (user === EARLY) await page.evaluate(() => tidegate.event('used'));
    await leave(page);
    await context.close();
  }
  const adoption = async () => (await deployment.api('GET', 'rollouts/strict')).stages[0].gates[1].figures?.[0];
  await untilCounted('strict', async () => (await adoption())?.observations === 2, 'two have reported');
  assert.equal((await adoption()).value, 0.5);
});

test('a page with flags tells of all its rollouts, and its own comes first', async () => {
  await deployment.command('search', 'start');
  await untilCounted(
    'search',
    () =>
      fetch(deployment.origin, { headers: { 'x-user-id': EARLY, accept: 'text/html' } }).then((answer) =>
        answer.headers.get('server-timing')?.includes('~search:'),
      ),
    'the flag is on',
  );
  const page = await open('/', { 'x-user-id': EARLY });
  const [first, ...rest] = await page.evaluate(() => tidegate.rollouts);
  assert.deepEqual([first.rollout, rest], ['checkout', [{ rollout: 'search', variant: 'new', stage: 'on' }]]);
  await leave(page);
  await untilCounted('search', ({ new: { pages } }) => pages === 1, 'the flag is counted');
});
