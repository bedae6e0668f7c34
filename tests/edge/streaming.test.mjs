// Bodies flow through as they come, both ways, and WebSockets stay open.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openGate, until } from './harness.mjs';
import { ANA, plan } from './plans.mjs';
import { startUpstream, streaming } from './upstream.mjs';

const MEGABYTE = 1024 * 1024;
const BIG_BYTES = 200 * MEGABYTE;
// workerd's buffers and its garbage, measured on a bare worker at up to 25 MB.
const GROWTH_BYTES_MAX = 64 * MEGABYTE;

let legacy, next, gate;
before(async () => {
  legacy = await startUpstream('legacy');
  next = await startUpstream('new');
  gate = await openGate({ controller: false, bare: next.url });
  await gate.load([plan(legacy, next)], { shop: '100' });
  await gate.fetch('/warm', { headers: ANA });
});
beforeEach(() => next.reset());
after(async () => {
  await gate?.close();
  await Promise.all([legacy.close(), next.close()]);
});

/** A promise and its resolver. */
function signal() {
  let give;
  const given = new Promise((resolve) => {
    give = resolve;
  });
  return { given, give };
}

test('the first byte of a download arrives before the last is sent', { timeout: 60_000 }, async () => {
  const arrived = signal();
  next.handle('/live', () => ({
    body: (async function* () {
      yield Buffer.from('first');
      await arrived.given;
      yield Buffer.from('last');
    })(),
  }));
  const { stream } = await gate.open('/live', { headers: ANA });
  const [first] = await once(stream, 'data');
  assert.equal(first.toString(), 'first');
  arrived.give();
  assert.equal((await stream.toArray()).join(''), 'last');
});

test('the first byte of an upload arrives before the last is sent', { timeout: 60_000 }, async () => {
  const arrived = signal();
  next.handle(
    '/live',
    streaming(async ({ stream }) => {
      let body = '';
      for await (const chunk of stream) {
        body += chunk;
        arrived.give();
      }
      return { body };
    }),
  );
  const through = await gate.fetch('/live', {
    method: 'POST',
    headers: ANA,
    body: (async function* () {
      yield Buffer.from('first');
      await arrived.given;
      yield Buffer.from('last');
    })(),
  });
  assert.equal(through.text, 'firstlast');
});

test('a frontend may answer before it has read the upload', { timeout: 60_000 }, async () => {
  next.handle(
    '/early',
    streaming(async () => ({ status: 413, statusText: 'Too Big', body: 'no' })),
  );
  const through = await gate.fetch('/early', { method: 'POST', headers: ANA, body: Buffer.alloc(300_000) });
  assert.equal(through.status, 413);
});

test("a browser that goes away ends the frontend's work", { timeout: 60_000 }, async () => {
  next.handle('/endless', () => ({
    body: (async function* () {
      for (;;) {
        yield Buffer.alloc(1000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })(),
  }));
  const { stream } = await gate.open('/endless', { headers: ANA });
  await once(stream, 'data');
  stream.destroy();
  await until(
    () => next.last('/endless').aborted,
    () => 'the frontend to be cut off',
  );
});

describe('200 MB', () => {
  /** Runs `transfer` and returns by how many bytes workerd grew at most. */
  async function growth(transfer) {
    const before = gate.residentBytes();
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, gate.residentBytes());
    }, 20);
    try {
      await transfer();
    } finally {
      clearInterval(watch);
    }
    return Math.max(most, gate.residentBytes()) - before;
  }
  const chunk = Buffer.alloc(256 * 1024, 'tide');
  function* big() {
    for (let sent = 0; sent < BIG_BYTES; sent += chunk.length) yield chunk;
  }
  async function count(stream) {
    let bytes = 0;
    for await (const part of stream) bytes += part.length;
    return bytes;
  }

  test('come down without workerd growing', async () => {
    next.handle('/big', () => ({ headers: [['Content-Length', String(BIG_BYTES)]], body: big() }));
    const grown = await growth(async () => {
      const { stream } = await gate.open('/big', { headers: ANA });
      assert.equal(await count(stream), BIG_BYTES);
    });
    assert.ok(grown < GROWTH_BYTES_MAX, `workerd grew by ${Math.round(grown / MEGABYTE)} MB`);
  });

  test('go up without workerd growing', async () => {
    next.handle(
      '/big',
      streaming(async ({ stream }) => ({ body: String(await count(stream)) })),
    );
    const grown = await growth(async () => {
      const through = await gate.fetch('/big', {
        method: 'PUT',
        headers: { ...ANA, 'Content-Length': String(BIG_BYTES) },
        body: big(),
      });
      assert.equal(through.text, String(BIG_BYTES));
    });
    assert.ok(grown < GROWTH_BYTES_MAX, `workerd grew by ${Math.round(grown / MEGABYTE)} MB`);
  });
});

describe('a WebSocket', () => {
  test('echoes text and bytes through the gate', { timeout: 60_000 }, async () => {
    const ws = await gate.socket('/socket?a=1', { headers: ANA });
    for (const message of ['hello', 'josé 😀', Buffer.from([0, 255, 254])]) {
      ws.send(message);
      const [data, binary] = await once(ws, 'message');
      assert.equal(binary, Buffer.isBuffer(message));
      assert.deepEqual(data, Buffer.from(message));
    }
    const handshake = next.last('/socket');
    assert.equal(handshake.url, '/socket?a=1');
    assert.deepEqual(
      handshake.headers.filter(([name]) => name.toLowerCase() === 'tidegate-variant').map(([, value]) => value),
      ['new'],
    );
    ws.terminate();
  });

  test('keeps its subprotocol, and its close code', { timeout: 60_000 }, async () => {
    const ws = await gate.socket('/socket', { headers: ANA, protocols: ['tide.v2', 'tide.v1'] });
    assert.equal(ws.protocol, 'tide.v2');
    await until(() => [...next.sockets].length > 0);
    const [far] = [...next.sockets].slice(-1);
    ws.close(4001, 'enough');
    await until(
      () => far.closedWith,
      () => 'the frontend to hear of the close',
    );
    assert.deepEqual(far.closedWith, { code: 4001, reason: 'enough' });
  });
});
