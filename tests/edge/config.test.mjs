// What a cold isolate makes of KV as it finds it: it always answers, says why, and leaves a line in
// the log for every fault.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, completed, DOCUMENT, plan, written } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

/** KV is waited for for a fifth of a second; one that hangs does so for good. */
const WAITED_MS_MAX = 10_000;

let legacy, next, fallback, gate;
before(async () => {
  [legacy, next, fallback] = await Promise.all(['legacy', 'new', 'fallback'].map(startUpstream));
  gate = await openGate({ controller: false });
});
beforeEach(async () => {
  [legacy, next, fallback].forEach((site) => site.reset());
  await gate.kv.clear();
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy, next, fallback].map((site) => site.close()));
});

const ask = (path = '/page', options) => gate.fetch(path, { headers: ANA, ...options });
const assigned = (through) => [through.get('tidegate-variant'), through.get('tidegate-reason')];

describe('with no readable configuration', () => {
  const broken = {
    'KV is empty': async () => {},
    'KV cannot be read': async () => {
      await gate.putPlans([plan(legacy, next)]);
      gate.kv.mode = 'error';
    },
    'KV does not answer': async () => {
      await gate.putPlans([plan(legacy, next)]);
      gate.kv.mode = 'hang';
    },
    'the plans are no JSON': async () => gate.kv.put('plans', '{"v":1,"revision":1,"rollouts":[{'),
    'the plans are bytes': async () => gate.kv.put('plans', Buffer.from([0xff, 0xfe, 0x00, 0x80])),
    'the plans are empty': async () => gate.kv.put('plans', ''),
    'the plans are a number': async () => gate.kv.put('plans', '7'),
    'the plans are of a later version': async () =>
      gate.kv.put('plans', JSON.stringify({ v: 99, revision: 1, rollouts: [] })),
  };
  for (const [name, arrange] of Object.entries(broken)) {
    test(`because ${name}, the fallback answers`, async () => {
      await arrange();
      await gate.restart({ bindings: { FALLBACK_UPSTREAM: fallback.url } });
      const started = performance.now();
      const through = await ask('/page?a=1', { headers: { ...DOCUMENT, 'tidegate-variant': 'new' } });
      assert.ok(performance.now() - started < WAITED_MS_MAX, 'a page does not wait for a KV that hangs');
      assert.equal(through.text, 'fallback /page?a=1');
      assert.equal(through.get('tidegate-reason'), 'no_config');
      assert.notEqual(through.get('tidegate-variant'), 'new');
      assert.deepEqual(through.all('set-cookie'), []);
      if (name !== 'KV is empty') await gate.logged(/plans|KV|ROLLOUTS|config/i);
    });
  }

  test('and no fallback, a plain sentence with 503', async () => {
    await gate.restart({ bindings: {} });
    const through = await ask();
    assert.equal(through.status, 503);
    assert.match(through.get('content-type'), /^text\/plain/);
    assert.match(through.text, /^[A-Z].{10,}\.\n?$/s);
    assert.equal(through.get('tidegate-reason'), 'no_config');
    assert.match(through.get('cache-control') ?? '', /no-store/);
  });

  test('health still answers', async () => {
    await gate.restart({ bindings: {} });
    assert.equal((await ask('/_tidegate/health')).status, 200);
  });

  test("the fallback's failure is an error page of its own", async () => {
    await gate.restart({ bindings: { FALLBACK_UPSTREAM: 'http://127.0.0.1:9' } });
    assert.ok([502, 503, 504].includes((await ask()).status));
  });
});

describe('with plans', () => {
  /** A cold request waits for KV for 200 ms at most, which a busy machine may exceed; `no_config` is then no fault. */
  const becomes = async (key, outcome) => {
    let last;
    await until(
      async () => {
        last = assigned(await ask(`/${key}/page`));
        return last[1] !== 'no_config';
      },
      () => `${key} to be configured`,
    );
    assert.deepEqual(last, outcome, key);
  };
  const rollouts = (keys, changes = {}) =>
    keys.map((key) => plan(legacy, next, { key, routes: [`/${key}/*`], ...changes }));

  test('a rollout that nobody has started is legacy, inactive', async () => {
    await gate.load(rollouts(['a']));
    assert.deepEqual(assigned(await ask('/a/page')), ['legacy', 'inactive']);
  });

  test('each state by hand means what it says, and a state that cannot be read is legacy', async () => {
    const states = {
      all: '100',
      none: '0',
      padded: ' 100% \n',
      dead: 'off',
      over: '150',
      words: 'ten',
      fine: '10.00001',
      cut: '{"v":1,',
      list: '[]',
      done: completed(),
      back: written({ phase: 'rolled_back', percentage: 0 }),
      killed: written({ killed: true }),
      edited: written().replace('"percentage":100', '"percentage":0'),
    };
    await gate.load(rollouts(Object.keys(states)), states, { cold: true });
    const expected = {
      all: ['new', 'bucketed'],
      none: ['legacy', 'bucketed'],
      padded: ['new', 'bucketed'],
      dead: ['legacy', 'killed'],
      done: ['new', 'completed'],
      back: ['legacy', 'inactive'],
      killed: ['legacy', 'killed'],
      edited: ['legacy', 'bucketed'],
    };
    for (const [key, outcome] of Object.entries(expected)) await becomes(key, outcome);
    for (const key of ['over', 'words', 'fine', 'cut', 'list']) {
      const [variant, reason] = assigned(await ask(`/${key}/page`));
      assert.equal(variant, 'legacy', key);
      assert.match(reason, /^(no_config|inactive)$/, key);
      await gate.logged(new RegExp(`\\b${key}\\b`));
    }
  });

  test('kill/KEY kills one rollout, whatever it holds', async () => {
    await gate.kv.put('kill/a', '');
    await gate.putPlans(rollouts(['a', 'b', 'c']));
    for (const key of ['a', 'b', 'c']) await gate.putStage(key, '100');
    await gate.kv.put('kill/c', 'because of the fire');
    await gate.restart();
    await becomes('a', ['legacy', 'killed']);
    await becomes('b', ['new', 'bucketed']);
    await becomes('c', ['legacy', 'killed']);
  });

  test('kill/* kills every rollout, completed ones too', async () => {
    await gate.putPlans(rollouts(['a', 'b']));
    await gate.putStage('a', '100');
    await gate.putStage('b', completed());
    await gate.kill('*');
    await gate.restart();
    for (const key of ['a', 'b']) await becomes(key, ['legacy', 'killed']);
  });

  test('one broken rollout spoils no other', async () => {
    const [a, b, c, d, e] = rollouts(['a', 'b', 'c', 'd', 'e']);
    const broken = [
      a,
      { ...b, stage: [{ name: 'x', percentage: 'many' }] },
      { ...c, upstreams: { legacy: 'nonsense' } },
      null,
      7,
      { ...d, surprise: true },
      e,
    ];
    await gate.kv.put('plans', JSON.stringify({ v: 1, revision: 1, rollouts: broken }));
    for (const key of ['a', 'b', 'c', 'd', 'e']) await gate.putStage(key, '100');
    await gate.restart({ bindings: { FALLBACK_UPSTREAM: fallback.url } });
    for (const key of ['a', 'e']) await becomes(key, ['new', 'bucketed']);
    for (const key of ['b', 'c']) {
      const through = await ask(`/${key}/page`);
      assert.equal(through.status, 200, key);
      assert.notEqual(through.get('tidegate-variant'), 'new', key);
    }
    await gate.logged(/percentage/);
  });

  test('a frontend whose name does not resolve is rescued', { timeout: 60_000 }, async () => {
    await gate.load([plan(legacy, 'http://nowhere.invalid', { upstreams: { timeout: '2s' } })], { shop: '100' });
    const through = await ask();
    assert.equal(through.text, 'legacy /page');
    assert.deepEqual(assigned(through), ['legacy', 'rescued']);
  });

  test('a cold isolate that cannot read KV uses the copy that the last one kept', async () => {
    await gate.load(rollouts(['a']), { a: '100' });
    assert.deepEqual(assigned(await ask('/a/page')), ['new', 'bucketed']);
    gate.kv.mode = 'error';
    await gate.restart({ keepState: true });
    await becomes('a', ['new', 'bucketed']);
  });
});
