// What scripts rely on: exit codes of `verify` and `status --check`, a `watch` that ends, what is stale, an archive, and
// a backup that another deployment goes on from, all with the command against the real worker.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { operator } from './control.mjs';
import { CLI, openGate, TOKENS } from './harness.mjs';
import { flag, plan } from './plans.mjs';
import { startUpstream } from './upstream.mjs';

let legacy, next, gate, ana;
before(async () => {
  [legacy, next] = await Promise.all([startUpstream('legacy'), startUpstream('new')]);
  gate = await openGate();
  ana = operator(gate);
  await ana.apply(gate.compiled([plan(legacy, next, { defaults: 'none' }), flag('new-cart')]));
});
after(async () => {
  await gate?.close();
  await Promise.all([legacy?.close(), next?.close()]);
});

/**
 * Runs the command.
 * @param {string[]} options
 * @param {{ through?: { plainOrigin: string } }} [where]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
const run = (options, { through = gate } = {}) =>
  new Promise((resolve) => {
    const env = { ...process.env, TIDEGATE_URL: through.plainOrigin, TIDEGATE_TOKEN: TOKENS.ana };
    execFile(CLI, options, { env, cwd: gate.scratch, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

test('status --check and verify tell by their exit codes how a rollout stands', async () => {
  assert.equal((await run(['status', 'shop', '--check'])).code, 4, 'a draft waits for a person');
  assert.equal((await run(['verify', 'shop', '--expect', 'new'])).code, 4);
  await ana.orders('shop', 'start');
  assert.equal((await run(['status', 'shop', '--check'])).code, 0);
  assert.equal((await run(['verify', 'shop', '--requests', '3'])).code, 0, 'either side is fine at 10 %');
  assert.equal((await run(['verify', 'shop', '--expect', 'new', '--timeout', '1s', '--requests', '40'])).code, 5);
  await ana.orders('shop', 'kill');
  const verified = await run(['verify', 'shop', '--json', '--timeout', '60s']);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const assigned = JSON.parse(verified.stdout);
  assert.equal(assigned.expected, 'legacy');
  assert.match(assigned.checks[0].text, /^5 visitors at .*: 5 legacy \(expected: all legacy; reasons: killed\)$/);
  assert.equal((await run(['verify', 'shop', '--expect', 'split'])).code, 3);
  const { code, stdout } = await run(['status', '--check']);
  assert.equal(code, 3, 'the worst speaks for all');
  assert.match(stdout, /^ROLLOUT/);
  await ana.orders('shop', 'revive');
});

test('a freeze that is added holds beside the others, and one in their place says which it ends', async () => {
  const holidays = '2026-12-24/2027-01-02 Europe/Berlin';
  const weekends = 'Fri 15:00-Mon 08:00 Europe/Berlin';
  const inForce = async () => JSON.parse((await run(['freeze', '--json'])).stdout).freeze;
  for (const window of [holidays, weekends, weekends])
    assert.equal((await run(['freeze', '-y', window, '--reason', 'quiet'])).code, 0, window);
  assert.deepEqual(await inForce(), [holidays, weekends]);
  const { stderr } = await run(['freeze', '-y', '--replace', '2027-04-02 Europe/Berlin', '--reason', 'Easter']);
  assert.ok(stderr.includes(`This ends the freeze ${holidays}; ${weekends}.`), stderr);
  assert.deepEqual(await inForce(), ['2027-04-02 Europe/Berlin']);
  assert.equal((await run(['freeze', '-y', '--lift', '--reason', 'back'])).code, 0);
  assert.deepEqual(await inForce(), []);
});

test('a dry run of apply shows what would change and changes nothing', async () => {
  const compiled = gate.compiled([flag('new-search'), flag('new-cart', { description: 'The new cart' })]);
  writeFileSync(join(gate.scratch, 'two.json'), JSON.stringify({ rollouts: compiled }));
  const [before, shown] = [await ana.ask('GET', 'plans'), await run(['apply', 'two.json', '--dry-run'])];
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^\+ new-search +added$/m);
  assert.match(shown.stdout, /^~ new-cart +changed\n {4}description: added "The new cart"$/m);
  assert.match(shown.stdout, /Nothing was changed/);
  const printed = JSON.parse((await run(['apply', 'two.json', '--dry-run', '--json'])).stdout);
  assert.deepEqual([printed.dry_run, printed.changes.length], [true, 2]);
  assert.deepEqual((await ana.ask('GET', 'plans')).body, before.body);
});

test('watch ends once nothing is left to watch', async () => {
  await ana.orders('new-cart', 'start');
  await ana.orders('new-cart', 'complete');
  const { code, stdout, stderr } = await run(['watch', 'new-cart']);
  assert.equal(code, 0);
  assert.match(stdout, /new-cart: completed/);
  assert.match(stderr, /nothing is left to watch/);
});

test('what is stale is reported with who left it and where the code asks for it', async () => {
  const code = join(gate.scratch, 'code');
  mkdirSync(code);
  writeFileSync(join(code, 'cart.js'), "if (flags['new-cart'] === 'new') show();\n");
  execFileSync('git', ['init', '--quiet'], { cwd: code });
  execFileSync('git', ['add', '.'], { cwd: code });
  const { stdout } = await run(['stale', '--after', '1ms', '--code', code, '--json']);
  const { stale } = JSON.parse(stdout);
  const own = stale.find(({ rollout }) => rollout === 'new-cart');
  assert.deepEqual([own.what, own.by, own.command, own.is_flag], ['has ended', 'ana', 'complete', true]);
  assert.deepEqual(own.code, ["cart.js:1:if (flags['new-cart'] === 'new') show();"]);
});

test('the history is exported as it was hashed, and a rollout that is over is archived and removed', async () => {
  const { stdout } = await run(['history', 'new-cart', '--export']);
  const entries = stdout.trim().split('\n');
  assert.deepEqual(
    entries.map((line) => JSON.parse(line).command.command),
    ['apply', 'start', 'complete'],
  );
  const refused = await run(['archive', 'shop', '--yes']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /shop is not over/);
  const archived = await run(['archive', 'new-cart', '--yes', '--out', 'new-cart.ndjson']);
  assert.equal(archived.code, 0, archived.stderr);
  const lines = readFileSync(join(gate.scratch, 'new-cart.ndjson'), 'utf8').trim().split('\n');
  const documents = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    documents.map(({ kind }) => kind),
    ['archive', 'plan', 'state', 'entry', 'entry', 'entry', 'messages', 'metrics', 'report'],
  );
  assert.equal((await ana.get('rollouts/new-cart')).status, 404);
  assert.equal((await ana.get('rollouts/shop')).status, 200);
});

test('a backup restored into an empty deployment is what it was', async () => {
  const file = join(gate.scratch, 'backup.json');
  const backup = await run(['backup', file]);
  assert.equal(backup.code, 0, backup.stderr);
  assert.equal((await run(['backup', file])).code, 1, 'what was saved before is not written over');
  const refused = await operator(gate, 'vic').get('backup');
  assert.equal(refused.status, 403, 'a viewer gets none');
  const second = await openGate();
  try {
    const restored = await run(['restore', file, '--yes'], { through: second });
    assert.equal(restored.code, 0, restored.stderr);
    const there = operator(second);
    const [before, now] = [await ana.rollout('shop'), await there.rollout('shop')];
    assert.deepEqual(now.state, before.state);
    assert.deepEqual(await there.history('shop'), await ana.history('shop'));
    assert.equal((await run(['history', 'shop', '--verify'], { through: second })).code, 0);
    assert.equal((await run(['restore', file, '--yes'], { through: second })).code, 1, 'it is not empty any more');
    await there.orders('shop', 'pause');
    assert.equal((await second.fetch('/page', { headers: { 'x-user-id': 'ana' } })).status, 200);
  } finally {
    await second.close();
  }
});
