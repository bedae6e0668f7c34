// A page loaded before a change asks for the files of the other side: it gets them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate } from './harness.mjs';
import { ANA, asset, completed, DOCUMENT, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false });
  const rollout = (key, routes) => plan(legacy, next, { key, routes, cache: 'upstream' });
  const ending = (key) =>
    plan(legacy, next, { key, routes: [`/${key}/*`], cache: 'upstream', upstreams: { rescue: 'until_completed' } });
  await gate.load(
    [
      rollout('shop', ['/*']),
      rollout('old', ['/old/*']),
      rollout('done', ['/done/*']),
      ending('until'),
      ending('ended'),
    ],
    { shop: '100', old: '0', done: completed(), until: '100', ended: completed() },
  );
});
beforeEach(() => {
  legacy.reset();
  next.reset();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

const GONE = { status: 404, headers: [['Content-Type', 'text/html']], body: 'own 404' };
const PAGE = { headers: [['Content-Type', 'text/html; charset=utf-8']], body: '<title>the app' };
const FILE = {
  headers: [
    ['Content-Type', 'application/octet-stream'],
    ['ETag', '"v1"'],
  ],
  body: 'the file',
};
const ask = (path, dest, options) =>
  gate.fetch(path, { headers: { ...ANA, ...(dest === 'document' ? DOCUMENT : asset(dest)) }, ...options });

function assertFound(through) {
  assert.equal(through.status, 200);
  assert.equal(through.text, 'the file');
  assert.equal(through.get('etag'), '"v1"');
  assert.equal(through.get('tidegate-reason'), 'skew');
}

describe('a file that its own side does not have comes from the other', () => {
  for (const dest of ['script', 'style', 'font', 'image', 'worker']) {
    test(`${dest}: new does not have it`, async () => {
      next.handle('/file', GONE);
      legacy.handle('/file', FILE);
      assertFound(await ask('/file', dest));
      assert.equal(next.received.length, 1);
      assert.equal(legacy.received.length, 1);
    });

    test(`${dest}: legacy does not have it`, async () => {
      legacy.handle('/old/file', GONE);
      next.handle('/old/file', FILE);
      assertFound(await ask('/old/file', dest));
    });
  }

  for (const dest of ['script', 'style', 'font', 'image', 'worker']) {
    test(`${dest}: its own side answers with the app's page`, async () => {
      next.handle('/file', PAGE);
      legacy.handle('/file', FILE);
      assertFound(await ask('/file', dest));
    });

    for (const [what, status] of [
      ['may not be seen', 403],
      ['has gone for good', 410],
    ]) {
      test(`${dest}: its own side says that it ${what}`, async () => {
        next.handle('/file', { ...GONE, status });
        legacy.handle('/file', FILE);
        assertFound(await ask('/file', dest));
        assert.deepEqual([next.received.length, legacy.received.length], [1, 1]);
      });
    }
  }

  test('for a client that does not say what it wants, by its name', async () => {
    for (const headers of [ANA, { ...ANA, Accept: '*/*' }]) {
      next.handle('/file.js', GONE);
      legacy.handle('/file.js', FILE);
      assertFound(await gate.fetch('/file.js', { headers }));
    }
  });

  test('once the rollout has completed', async () => {
    next.handle('/done/file', GONE);
    legacy.handle('/done/file', FILE);
    assertFound(await ask('/done/file', 'script'));
    assert.deepEqual([next.received.length, legacy.received.length], [1, 1]);
  });

  test('while a rollout runs that ends rescue with itself', async () => {
    next.handle('/until/file', GONE);
    legacy.handle('/until/file', FILE);
    assertFound(await ask('/until/file', 'script'));
  });
});

test('the variant assigned is the side that answered', async () => {
  next.handle('/file', GONE);
  legacy.handle('/file', FILE);
  assert.equal((await ask('/file', 'script')).get('tidegate-variant'), 'legacy');
  assert.equal(legacy.last('/file').get('tidegate-variant'), 'legacy');
});

describe('the other side is not asked', () => {
  /** @type {Record<string, [any, string]>} */
  const cases = {
    'for a page': [GONE, 'document'],
    'for data': [GONE, 'empty'],
    'for a page that one may not see': [{ ...GONE, status: 403 }, 'document'],
    'for a page that has gone for good': [{ ...GONE, status: 410 }, 'document'],
    'for data that is a page': [PAGE, 'empty'],
    'for a file behind a log-in': [{ ...GONE, status: 401 }, 'script'],
    'for a file that is there': [FILE, 'script'],
    'for a file that the browser has': [
      {
        status: 304,
        headers: [
          ['ETag', '"v1"'],
          ['Content-Type', 'text/html'],
        ],
      },
      'script',
    ],
    'for a file that has moved': [
      {
        status: 302,
        headers: [
          ['Location', '/x'],
          ['Content-Type', 'text/html'],
        ],
      },
      'style',
    ],
  };
  for (const [name, [answer, dest]] of Object.entries(cases)) {
    test(name, async () => {
      next.handle('/file', answer);
      const through = await ask('/file', dest);
      assert.equal(through.status, answer.status ?? 200);
      assert.equal(through.text, answer.body ?? '');
      assert.equal(through.get('tidegate-reason'), 'bucketed');
      assert.equal(legacy.received.length, 0);
    });
  }

  test('for a client that does not say what it wants, where its name does not either', async () => {
    for (const path of ['/file', '/file.html', '/v1.2/file']) {
      next.handle(path, GONE);
      const through = await gate.fetch(path, { headers: ANA });
      assert.deepEqual([through.status, through.text], [404, 'own 404'], path);
    }
    assert.equal((await gate.fetch('/file.js', { headers: ANA })).status, 200, 'a file that is there');
    assert.equal(legacy.received.length, 0);
  });

  test('for a POST', async () => {
    next.handle('/file', GONE);
    assert.equal((await ask('/file', 'script', { method: 'POST', body: 'x' })).text, 'own 404');
    assert.equal(legacy.received.length, 0);
  });

  test('once a rollout has completed whose plan says `rescue = "until_completed"`', async () => {
    next.handle('/ended/file', GONE);
    const through = await ask('/ended/file', 'script');
    assert.deepEqual([through.status, through.text, through.get('tidegate-reason')], [404, 'own 404', 'completed']);
    assert.equal(legacy.received.length, 0);
  });
});

describe("the own side's answer is given when the other", () => {
  const failures = {
    'does not have it either': { status: 404, body: 'other 404' },
    'answers with a page too': PAGE,
    fails: { status: 503, body: 'other 503' },
    'closes the connection': { reset: true },
    'has moved it': { status: 302, headers: [['Location', '/login']] },
  };
  for (const [name, failure] of Object.entries(failures)) {
    test(name, async () => {
      next.handle('/file', GONE);
      legacy.handle('/file', failure);
      const through = await ask('/file', 'script');
      assert.deepEqual([through.status, through.text], [404, 'own 404']);
      assert.equal(through.get('tidegate-variant'), 'new');
      assert.equal(legacy.received.length, 1);
    });
  }
});

describe('a file on a side that is down', () => {
  const DOWN = { status: 503, body: 'new is down' };

  test('is rescued, and asked of each side once', async () => {
    next.handle('/file', DOWN);
    legacy.handle('/file', FILE);
    const through = await ask('/file', 'script');
    assert.deepEqual(
      [through.status, through.text, through.get('tidegate-reason'), through.get('tidegate-variant')],
      [200, 'the file', 'rescued', 'legacy'],
    );
    assert.deepEqual([next.received.length, legacy.received.length], [1, 1]);
  });

  for (const [how, miss] of Object.entries({ 404: GONE, 403: { ...GONE, status: 403 }, "the app's page": PAGE })) {
    test(`is not rescued with what is not that file, and asked of each side once: legacy says ${how}`, async () => {
      next.handle('/file', DOWN);
      legacy.handle('/file', miss);
      const through = await ask('/file', 'script');
      assert.deepEqual([through.status, through.text, through.get('tidegate-variant')], [503, 'new is down', 'new']);
      assert.deepEqual([next.received.length, legacy.received.length], [1, 1]);
    });
  }
});
