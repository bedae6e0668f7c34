// `make deploy-check` over prepared deployments: what cannot work is refused in a sentence with the way out,
// and what can work is not.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { look } from '../../scripts/deploy-check.mjs';
import { writeToml } from './harness.mjs';
import { plan } from './plans.mjs';

const SCRIPT = fileURLToPath(new URL('../../scripts/deploy-check.mjs', import.meta.url));
const WRANGLER_TOML = `name = "tidegate"
main = "index.js"
compatibility_date = "2026-04-01"
compatibility_flags = ["enable_request_signal", "global_fetch_strictly_public"]
workers_dev = false
routes = [
  { pattern = "shop.example.com/*", zone_name = "example.com" },
  { pattern = "ops.example.com", custom_domain = true },
]

[vars]
FALLBACK_UPSTREAM = "https://legacy.shop.example.com"
CONSOLE_HOST = "ops.example.com"

[[kv_namespaces]]
binding = "ROLLOUTS"
id = "0123456789abcdef0123456789abcdef"

[[services]]
binding = "NEW"
service = "new-shop"
`;
const PLAN = plan('https://legacy.shop.example.com', 'service:NEW', { routes: ['shop.example.com/*'] });
const SECRETS = ['ADMIN_TOKENS', 'SIGNING_KEY'];

let scratch,
  count = 0;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tidegate-deploy-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder with these settings, each edit being a text and what takes its place. */
function prepare({ edits = [], plans = { 'shop.toml': PLAN }, secrets = SECRETS }) {
  const folder = join(scratch, String((count += 1)));
  mkdirSync(join(folder, 'plans'), { recursive: true });
  const toml = edits.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), from);
    return text.replace(from, to);
  }, WRANGLER_TOML);
  writeFileSync(join(folder, 'wrangler.toml'), toml);
  for (const [name, own] of Object.entries(plans)) {
    if (typeof own === 'string') writeFileSync(join(folder, 'plans', name), own);
    else writeToml(own, join(folder, 'plans', name));
  }
  const listed = join(folder, 'secrets.json');
  if (secrets) writeFileSync(listed, JSON.stringify(secrets.map((name) => ({ name, type: 'secret_text' }))));
  return {
    folder,
    file: join(folder, 'wrangler.toml'),
    listed: secrets ? listed : undefined,
    paths: [join(folder, 'plans')],
  };
}

/** What the check makes of it; each thing as one text with its way out. */
async function check(what = {}) {
  const found = await look({ ...prepare(what), consoleHost: what.consoleHost });
  const assigned = (all) => all.map(({ what, help }) => `${what} ${help}`);
  return { refused: assigned(found.refused), warned: assigned(found.warned), unknown: assigned(found.unknown) };
}

/** Runs the check as `make deploy-check` does. */
function run(...args) {
  const { CLOUDFLARE_API_TOKEN, CLOUDFLARE_API_KEY, CONSOLE_HOST, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [SCRIPT, ...args],
      { env: { ...env, HOME: scratch, XDG_CONFIG_HOME: scratch } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, text: stdout + stderr }),
    );
  });
}

/** The check refuses this for one reason alone, which is reported like that. */
async function refuses(what, pattern) {
  const { refused } = await check(what);
  assert.equal(refused.length, 1, refused.join('\n'));
  assert.match(refused[0], pattern);
}

test('a deployment that can work is let through, with nothing said against it', async () => {
  assert.deepEqual(await check(), { refused: [], warned: [], unknown: [] });
  const { file, listed, paths } = prepare({});
  const { code, text } = await run('--config', file, '--secrets', listed, ...paths);
  assert.equal(code, 0, text);
  assert.match(text, /1 plan\n[\s\S]*Nothing stands in the way\.\n$/);
});

describe('what cannot work is refused', () => {
  const cases = {
    'the placeholder of the KV namespace': [
      { edits: [['0123456789abcdef0123456789abcdef', '0'.repeat(32)]] },
      /ROLLOUTS has the placeholder.*kv namespace create ROLLOUTS/,
    ],
    'an id that is none': [{ edits: [['0123456789abcdef0123456789abcdef', 'YOUR-ID']] }, /`YOUR-ID` is no id/],
    'no KV namespace': [
      { edits: [['binding = "ROLLOUTS"', 'binding = "OTHER"']] },
      /No KV namespace is bound as ROLLOUTS/,
    ],
    'no route of a site': [
      { edits: [['  { pattern = "shop.example.com/*", zone_name = "example.com" },\n', '']] },
      /No route leads to the worker/,
    ],
    'no FALLBACK_UPSTREAM': [
      { edits: [['FALLBACK_UPSTREAM = "https://legacy.shop.example.com"\n', '']] },
      /FALLBACK_UPSTREAM is not set.*FALLBACK_UPSTREAM = /,
    ],
    'a FALLBACK_UPSTREAM that is no address': [
      { edits: [['"https://legacy.shop.example.com"', '"legacy.shop.example.com"']] },
      /`legacy\.shop\.example\.com`, which is no address/,
    ],
    workers_dev: [
      { edits: [['workers_dev = false', 'workers_dev = true']] },
      /also answers at \*\.workers\.dev.*workers_dev = false/,
    ],
    'a secret that is missing': [
      { secrets: ['ADMIN_TOKENS'] },
      /SIGNING_KEY is not set.*wrangler secret put SIGNING_KEY/,
    ],
    'no token, and no Cloudflare Access either': [
      { secrets: ['SIGNING_KEY'] },
      /ADMIN_TOKENS is not set, so the API and the console are closed to tokens, and Cloudflare Access is not set up/,
    ],
    'a part of Cloudflare Access': [
      { edits: [['[vars]', '[vars]\nACCESS_TEAM = "https://example.cloudflareaccess.com"']] },
      /set up in part, without ACCESS_AUD and ACCESS_ROLES, so nobody signs in with it/,
    ],
    'a secret that a plan names': [
      { plans: { 'shop.toml': { ...PLAN, channels: { chat: { slack: 'secret:CHAT_URL' } } } } },
      /CHAT_URL is not set.*wrangler secret put CHAT_URL/,
    ],
    'mail without a binding': [
      {
        plans: {
          'shop.toml': { ...PLAN, channels: { ops: { mail: 'ops@example.com', from: 'tidegate@example.com' } } },
        },
      },
      /the channel ops sends mail by EMAIL, and the worker has no such binding.*\[\[send_email\]\] with name = "EMAIL"/,
    ],
    'mail without a sender': [
      {
        edits: [['[vars]', '[[send_email]]\nname = "EMAIL"\n\n[vars]']],
        plans: { 'shop.toml': { ...PLAN, channels: { ops: { mail: 'ops@example.com' } } } },
      },
      /the channel ops sends mail from nobody.*MAIL_FROM/,
    ],
    'a fallback on a host that a route takes': [
      { edits: [['"https://legacy.shop.example.com"', '"https://shop.example.com"']] },
      /FALLBACK_UPSTREAM, https:\/\/shop\.example\.com, .* `shop\.example\.com\/\*` takes: .* loop/,
    ],
    'an upstream on a host that a wildcard takes': [
      {
        edits: [
          ['{ pattern = "shop.example.com/*"', '{ pattern = "*.shop.example.com/*"'],
          ['"https://legacy.shop.example.com"', '"https://legacy.example.org"'],
        ],
        plans: {
          'shop.toml': {
            ...PLAN,
            upstreams: { legacy: 'https://legacy.example.org', new: { url: 'https://new.shop.example.com:8443' } },
          },
        },
      },
      /plans\/shop\.toml: an upstream of shop, https:\/\/new\.shop\.example\.com:8443, .* loop/,
    ],
    'a service that is not bound': [
      { edits: [['binding = "NEW"', 'binding = "OLD"']] },
      /service:NEW, and the worker has no such service binding.*\[\[services\]\]/,
    ],
    'a plan with errors': [
      { plans: { 'shop.toml': 'key = "shop"\nroutes = ["https://shop.example.com/*"]\n' } },
      /shop\.toml cannot be applied: .*tidegate check/,
    ],
    'a CONSOLE_HOST to which nothing leads': [
      { edits: [['  { pattern = "ops.example.com", custom_domain = true },\n', '']] },
      /No route leads ops\.example\.com to the worker/,
    ],
    'a CONSOLE_HOST that is none': [
      { edits: [['CONSOLE_HOST = "ops.example.com"', 'CONSOLE_HOST = "ops.example.com/console"']] },
      /`ops\.example\.com\/console`, which is no host/,
    ],
    'a plan on CONSOLE_HOST': [
      { plans: { 'shop.toml': { ...PLAN, routes: ['ops.example.com/*'] } } },
      /the route `ops\.example\.com\/\*` of shop is on CONSOLE_HOST/,
    ],
  };
  for (const [name, [what, pattern]] of Object.entries(cases)) test(name, () => refuses(what, pattern));
});

test('all of it is reported at once, and the command ends with 1', async () => {
  const { file, listed, paths } = prepare({
    edits: [
      ['0123456789abcdef0123456789abcdef', '0'.repeat(32)],
      ['workers_dev = false', 'workers_dev = true'],
      ['FALLBACK_UPSTREAM', 'OTHER'],
    ],
    secrets: [],
  });
  const { code, text } = await run('--config', file, '--secrets', listed, ...paths);
  assert.deepEqual([code, text.match(/^✗ .+\n {2}→ .+$/gm)?.length], [1, 5], text);
  assert.match(text, /5 things would not work/);
});

test("a console on the site's own origin is reported loudly, and does not stop a deployment", async () => {
  const edits = [
    ['CONSOLE_HOST = "ops.example.com"\n', ''],
    ['  { pattern = "ops.example.com", custom_domain = true },\n', ''],
  ];
  const { refused, warned } = await check({ edits });
  assert.deepEqual([refused, warned.length], [[], 1]);
  assert.match(warned[0], /ANY script in its pages .* can operate .*CONSOLE_HOST = "ops\.example\.com"/);
  assert.deepEqual(await check({ edits, consoleHost: 'ops.example.com' }), { refused: [], warned: [], unknown: [] });
});

test('with Cloudflare Access no token is needed, and it is said what then depends on Access', async () => {
  const access = [
    'ACCESS_TEAM = "https://example.cloudflareaccess.com"',
    `ACCESS_AUD = "${'a'.repeat(64)}"`,
    'ACCESS_ROLES = "@example.com:operator"',
  ];
  const edits = [['[vars]', ['[vars]', ...access].join('\n')]];
  const { refused, warned } = await check({ edits, secrets: ['SIGNING_KEY'] });
  assert.deepEqual(refused, []);
  assert.match(warned.join('\n'), /people sign in by Cloudflare Access alone, and not while Access is down/);
  const secrets = ['SIGNING_KEY', 'ACCESS_TEAM', 'ACCESS_AUD', 'ACCESS_ROLES'];
  assert.deepEqual((await check({ secrets })).refused, [], 'set as secrets, they count as well');
  assert.deepEqual((await check({ edits })).warned, [], 'with a token nothing is said');
});

test('which secrets are set is not guessed where the account cannot be asked', async () => {
  const { file, paths } = prepare({ secrets: null });
  const { code, text } = await run('--config', file, ...paths);
  assert.equal(code, 0, text);
  assert.match(
    text,
    /^\? .*ADMIN_TOKENS, SIGNING_KEY are set cannot be known here: wrangler says “.+”\.\n {2}→ .*wrangler secret list/m,
  );
});

test('a file that is not there, or cannot be read, is reported', async () => {
  const none = await run('--config', join(scratch, 'none.toml'));
  assert.equal(none.code, 1);
  assert.match(none.text, /there is no .*none\.toml/);
  writeFileSync(join(scratch, 'broken.toml'), 'name = ');
  const broken = await run('--config', join(scratch, 'broken.toml'));
  assert.equal(broken.code, 1, broken.text);
  assert.match(broken.text, /deploy-check: /);
});
