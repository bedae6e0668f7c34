// A way into what the controller has stored, for tests that need time to have passed: the worker as it
// was built, whose object takes SQL as well.
import assert from 'node:assert/strict';

const ENTRY = `
import worker, { Controller as Built } from './index.js';

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== '/__storage') return worker.fetch(request, env, context);
    const controller = () => env.CONTROLLER.get(env.CONTROLLER.idFromName('tidegate'));
    if (request.method === 'GET') return Response.json(await controller().flushes());
    const rows = await controller().storage(await request.json());
    if (request.method === 'PATCH') {
      await controller().anew().catch(() => undefined);
      await controller().wake();
    }
    return Response.json(rows);
  },
};

export class Controller extends Built {
  #flushes = [];

  async flush(text) {
    const answer = await super.flush(text);
    this.#flushes.push({ flush: text, answer });
    this.#flushes.splice(0, this.#flushes.length - 50);
    return answer;
  }

  flushes() {
    return this.#flushes;
  }

  storage(statements) {
    return statements.map(([text, ...values]) => [...this.ctx.storage.sql.exec(text, ...values)]);
  }

  anew() {
    this.ctx.abort('it starts anew on what is stored');
  }

  wake() {
    return this.alarm();
  }
}`;

/** The worker's modules with a way into its storage. */
export const withStorage = (modules) => [{ type: 'ESModule', path: 'storage.js', contents: ENTRY }, ...modules];

async function run(origin, method, statements) {
  const response = await fetch(`${origin}/__storage`, { method, body: JSON.stringify(statements) });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

/**
 * Runs SQL statements, each a list of its text and its values, and lets the controller start anew on what
 * is stored then; it looks at it at once.
 */
export const change = (origin, ...statements) => run(origin, 'PATCH', statements);

/** The rows that a statement yields, each an object. */
export const select = async (origin, ...statement) => (await run(origin, 'POST', [statement]))[0];

/** The last flushes of isolates and their answers, as texts, from old to new. */
export const flushes = async (origin) => (await fetch(`${origin}/__storage`)).json();

/** How many windows of a length there are, and how many of them are loaded as such. */
export async function windowsOf(origin, minutes) {
  const [[row]] = await run(origin, 'POST', [
    ['SELECT COUNT(*) AS count, TOTAL(NOT is_folded) AS loaded FROM windows WHERE minutes = ?', minutes],
  ]);
  return row;
}

/** What is stored is so many minutes older. */
export const later = (minutes) => [
  // By way of negative ones, so that none ever stands where another one still is.
  [
    "UPDATE windows SET minute = ?1 - minute, data = iif(is_folded, data, json_set(data, '$.minute', minute - CAST(?1 AS INTEGER)))",
    minutes,
  ],
  ['UPDATE windows SET minute = -minute'],
  ['UPDATE batches SET at = at - ? * 60000', minutes],
  ["UPDATE deployment SET value = value - ? WHERE name = 'pruned_minute'", minutes],
];

/** A rollout's fullest minute was there in every hour of so many days before it. */
export const past = (key, days) => [
  [
    `WITH RECURSIVE
      back(hours) AS (SELECT 1 UNION ALL SELECT hours + 1 FROM back WHERE hours < ?2 * 24),
      fullest AS (SELECT * FROM windows WHERE rollout = ?1 AND minutes = 1 AND is_folded = 0 ORDER BY LENGTH(data) DESC LIMIT 1),
      old AS (SELECT revision, data, (minute / 60 - hours) * 60 AS hour FROM fullest, back)
    INSERT OR REPLACE INTO windows (rollout, minutes, minute, revision, is_folded, data)
      SELECT ?1, 60, hour, revision, 0, json_set(data, '$.minute', hour, '$.minutes', 60) FROM old`,
    key,
    days,
  ],
  ["UPDATE deployment SET value = value - 1 WHERE name = 'pruned_minute'"],
];
