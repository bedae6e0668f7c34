// The suite's server and its runs, with what differs from one run to the next taken out: the name that
// each test draws for itself, addresses, and the time.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const start = (name, ...args) =>
  spawn(process.execPath, [file(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });

/** The suite's server under two addresses, which know of each other's requests. */
export async function startOrigin() {
  const server = start('origin.mjs');
  const port = await new Promise((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`the suite's server ended with ${code}`)));
    createInterface(server.stdout).on('line', (line) => {
      const [, found] = /^Listening on http:\/\/.*:(\d+)\/$/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
  server.removeAllListeners('exit');
  return { legacy: `http://127.0.0.1:${port}`, next: `http://127.0.0.2:${port}`, close: () => server.kill() };
}

/**
 * Runs the suite by way of `connect` (client.mjs says how), and resolves with
 * - `results`: what the suite says of each test: `true`, or what failed
 * - `answers`: status and headers of each answer, under `TEST NUMBER`
 * - `asked`: for each test what came to the server: methods and headers
 * @param {string} connect
 * @param {{ origin: { legacy: string }, as?: string }} options
 */
export async function runSuite(connect, { origin, as }) {
  const options = { origin: new URL(origin.legacy).host, connect: new URL(connect).host, as, headers: CLIENT };
  const client = start('client.mjs', JSON.stringify(options));
  const [out, code] = await Promise.all([text(client.stdout), new Promise((resolve) => client.once('close', resolve))]);
  assert.equal(code, 0, 'the suite ran to its end');
  const { results, answers, asked } = JSON.parse(out);
  return {
    results: mapped(results, (result) => (result === true ? 'passes' : timeless(result[1]))),
    answers: mapped(answers, ({ status, headers }) => ({
      status,
      headers: mapped(headers, (values) => timeless(values.join('\n'), headers['server-now'])),
    })),
    asked: mapped(asked, (requests) =>
      requests.map(({ request_method, request_headers }) => ({
        method: request_method,
        headers: mapped(request_headers, (value) => timeless(value)),
      })),
    ),
  };
}

/** A browser, whose user is known. */
const CLIENT = [
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
  ['x-user-id', 'ana'],
];

const mapped = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12,}\b/g;
const ADDRESS = /http:\/\/(?:127\.0\.0\.1:\d+|shop\.example\.com)/g;
const DATE = /\b\w{3,9}, \d\d[ -]\w{3}[ -]\d{2,4} \d\d:\d\d:\d\d GMT\b/g;

/** The suite's dates are either fixed, decades away, or some days from the server's time. */
const YEAR_S = 365 * 24 * 3_600;

/** A text without names and addresses; a date near the server's time, where that is known, in seconds from it. */
function timeless(value, now) {
  const date = (found) => {
    if (now === undefined) return '<date>';
    const seconds = Date.parse(found) / 1_000 - Math.floor(Number(now[0]) / 1_000);
    return Math.abs(seconds) < YEAR_S ? `<now + ${seconds} s>` : found;
  };
  return value.replace(UUID, '<uuid>').replace(ADDRESS, '<origin>').replace(DATE, date);
}
