// What must be equal when a request went through the gate instead of straight to the frontend.
//
// workerd itself, as platform.test.mjs pins: it reorders headers (those it knows first), joins the
// values of all but Set-Cookie with a comma, drops Connection, Keep-Alive, TE and Upgrade and those
// it knows that are empty, sends `Content-Length: 0` with a DELETE, OPTIONS or TRACE that has no
// body, and drops the Content-Length of a 304. None of that can be undone by a worker, so headers are compared as names and values,
// and Set-Cookie in its order.
import assert from 'node:assert/strict';

const PLATFORM = ['connection', 'keep-alive', 'te', 'upgrade'];
/** What Tidegate adds to a response. */
export const ADDED_TO_RESPONSE = ['tidegate-variant', 'tidegate-reason', 'server-timing'];
/** What Tidegate adds to a request. */
export const ADDED_TO_REQUEST = [
  'tidegate-variant',
  'tidegate-rollout',
  'tidegate-stage',
  'tidegate-flags',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
];

/** Headers by name in lower case, sorted; a list of values for Set-Cookie, else one joined text. */
export function shape(headers, without = []) {
  const byName = new Map();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (PLATFORM.includes(key) || without.includes(key)) continue;
    byName.set(key, [...(byName.get(key) ?? []), value]);
  }
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, all]) => [key, key === 'set-cookie' ? all : all.join(', ')]);
}

/** Asserts that two responses are the same to a browser. */
export function sameResponse(through, direct, { without = [] } = {}) {
  const dropped = direct.status === 304 ? [...without, 'content-length'] : without;
  assert.equal(through.status, direct.status, 'status');
  assert.equal(through.statusText, direct.statusText, 'status text');
  assert.deepEqual(
    shape(through.headers, [...dropped, ...ADDED_TO_RESPONSE]),
    shape(direct.headers, dropped),
    'headers',
  );
  assert.ok(through.body.equals(direct.body), `body: ${through.body.length} bytes against ${direct.body.length}`);
}

/** Asserts that a frontend received the same request. */
export function sameRequest(through, direct, { without = [] } = {}) {
  const empty = ['DELETE', 'OPTIONS', 'TRACE'].includes(direct.method) && direct.body.length === 0;
  const dropped = empty ? [...without, 'content-length'] : without;
  assert.equal(through.method, direct.method, 'method');
  assert.equal(through.url, direct.url, 'URL');
  assert.deepEqual(
    shape(through.headers, [...dropped, ...ADDED_TO_REQUEST]),
    shape(direct.headers, dropped),
    'headers',
  );
  assert.ok(through.body.equals(direct.body), `body: ${through.body.length} bytes against ${direct.body.length}`);
}
