// The GitHub Action: the scripts of its steps as they stand in action.yml, run by a shell, against the command and a
// real deployment.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { operator } from './control.mjs';
import { CLI, openGate, TOKENS, writeToml } from './harness.mjs';
import { plan } from './plans.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ACTION = parse(readFileSync(join(ROOT, 'action.yml'), 'utf8'));
const SHA = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

let scratch, gate;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'tidegate-action-'));
  gate = await openGate();
});
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await gate?.close();
});

/**
 * The expressions that action.yml uses: an input, an input or a text with the commit, a comparison.
 * @param {string} text
 * @param {Record<string, string>} inputs
 */
function evaluated(text, inputs) {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_, expression) => {
    for (const part of expression.split('||').map((own) => own.trim())) {
      const input = /^inputs\.([\w-]+)$/.exec(part)?.[1];
      const format = /^format\('(.*)', github\.sha\)$/.exec(part)?.[1];
      assert.ok(input !== undefined || format !== undefined, `an expression that this test does not know: ${part}`);
      if (input !== undefined) assert.ok(input in inputs, `there is no input ${input}`);
      const value = input === undefined ? format.replace('{0}', SHA) : inputs[input];
      if (value) return value;
    }
    return '';
  });
}

/** Whether a step is run. */
function isWanted(step, inputs) {
  if (step.if === undefined) return true;
  const [, input, value] = /^inputs\.(\w+) == '(\w+)'$/.exec(step.if) ?? [];
  assert.ok(input, `a condition that this test does not know: ${step.if}`);
  return inputs[input] === value;
}

/**
 * Uses the action, as GitHub does: each step by its shell, what they write to files taken over by the next.
 * @param {Record<string, string>} given
 */
async function use(given) {
  const inputs = Object.fromEntries(Object.entries(ACTION.inputs).map(([name, own]) => [name, own.default ?? '']));
  Object.assign(inputs, { command: CLI, url: gate.plainOrigin, token: TOKENS.ana }, given);
  const temp = mkdtempSync(join(scratch, 'run-'));
  const files = Object.fromEntries(
    ['GITHUB_ENV', 'GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY'].map((name) => [name, join(temp, name)]),
  );
  for (const file of Object.values(files)) writeFileSync(file, '');
  const outputs = {};
  let [code, log] = [0, ''];
  for (const step of ACTION.runs.steps.filter((own) => isWanted(own, inputs))) {
    assert.equal(step.shell, 'bash');
    const added = Object.fromEntries(
      readFileSync(files.GITHUB_ENV, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    const own = Object.fromEntries(
      Object.entries(step.env ?? {}).map(([name, text]) => [name, evaluated(text, inputs)]),
    );
    const env = {
      PATH: process.env.PATH,
      HOME: temp,
      RUNNER_TEMP: temp,
      GITHUB_ACTION_PATH: ROOT,
      ...files,
      ...added,
      ...own,
    };
    const script = join(temp, 'step.sh');
    writeFileSync(script, step.run);
    writeFileSync(files.GITHUB_OUTPUT, '');
    [code, log] = await new Promise((resolve) =>
      execFile(
        'bash',
        ['--noprofile', '--norc', '-eo', 'pipefail', script],
        { env, cwd: scratch },
        (error, stdout, stderr) => resolve([error ? Number(error.code) : 0, `${log}${stdout}${stderr}`]),
      ),
    );
    Object.assign(outputs, written(readFileSync(files.GITHUB_OUTPUT, 'utf8')));
    if (code !== 0) break;
  }
  return { code, log, outputs, summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8') };
}

/** What a step has put out: `name=value`, or `name<<END` and lines up to END. */
function written(text) {
  const outputs = {};
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, end] = /^([\w-]+)<<(.+)$/.exec(line) ?? [];
    if (name) {
      outputs[name] = lines.splice(0, lines.indexOf(end)).join('\n');
      lines.shift();
    } else if (line.includes('=')) outputs[line.split('=')[0]] = line.slice(line.indexOf('=') + 1);
  }
  return outputs;
}

const staged = (changes = {}) =>
  plan('http://127.0.0.1:9', 'http://127.0.0.1:10', {
    stage: [
      { name: 'canary', percentage: 10, hold: '1h' },
      { name: 'full', percentage: 100, hold: '1h' },
    ],
    ...changes,
  });

describe('on a pull request', () => {
  test('plans are checked and simulated, and the comment says what came of it', async () => {
    writeToml(staged(), join(scratch, 'good.toml'));
    const { code, outputs, summary, log } = await use({ run: 'check', plans: 'good.toml' });
    assert.equal(code, 0, log);
    assert.match(outputs.comment, /^### Tidegate\n\n#### ✅ `good\.toml`\n\n````text\n[\s\S]*good\.toml: ok/);
    assert.match(
      outputs.comment,
      /<summary>✅ a healthy release, simulated<\/summary>[\s\S]*Completed in full at 100 %/,
    );
    assert.equal(summary.trimEnd(), outputs.comment.trimEnd());
  });

  test('a plan with a fault fails the step, and the comment names it', async () => {
    writeToml(
      staged({ stage: [{ name: 'canary', percentage: 10, gates: ['signal.p1 = 0'] }] }),
      join(scratch, 'bad.toml'),
    );
    const { code, outputs } = await use({ run: 'check', plans: 'good.toml bad.toml' });
    assert.equal(code, 1);
    assert.match(outputs.comment, /#### ✅ `good\.toml`/);
    assert.match(outputs.comment, /#### ❌ `bad\.toml`[\s\S]*`signal\.p1` is not measured/);
  });

  test('a pattern that no plan fits is an error, and not a success', async () => {
    const { code, log } = await use({ run: 'check', plans: 'nothing/*.toml' });
    assert.equal(code, 1);
    assert.match(log, /::error::no plan matches nothing\/\*\.toml/);
  });
});

describe('with a deployment', () => {
  test('plans are applied with the commit as the reason, a version is deployed, and a rollout waited for', async () => {
    writeToml(staged(), join(scratch, 'shop.toml'));
    const applied = await use({ run: 'apply', plans: 'shop.toml' });
    assert.equal(applied.code, 0, applied.log);
    const noted = await use({ run: 'deployed', rollout: 'shop' });
    assert.equal(noted.code, 0, noted.log);
    const ana = operator(gate);
    const other = await use({ run: 'deployed', rollout: 'shop', version: 'v2.1.0', reason: 'mends the cart' });
    assert.equal(other.code, 0, other.log);
    const entries = (await ana.history('shop')).map(({ reason, command }) => [command.version, reason]);
    assert.deepEqual(entries, [
      [undefined, `commit ${SHA}`],
      [SHA, ''],
      ['v2.1.0', 'mends the cart'],
    ]);

    const draft = await use({ run: 'wait', rollout: 'shop', until: 'canary', timeout: '1m' });
    assert.deepEqual(
      [draft.code, draft.outputs.outcome, draft.outputs['exit-code']],
      [4, 'waiting_for_person', '4'],
      draft.log,
    );
    await ana.orders('shop', 'start');
    const reached = await use({ run: 'wait', rollout: 'shop', until: 'canary', timeout: '1m' });
    assert.deepEqual([reached.code, reached.outputs.outcome], [0, 'reached'], reached.log);
    const slow = await use({ run: 'wait', rollout: 'shop', until: 'full', timeout: '1s' });
    assert.deepEqual([slow.code, slow.outputs.outcome], [5, 'timed_out'], slow.log);
    await ana.orders('shop', 'rollback');
    const back = await use({ run: 'wait', rollout: 'shop', until: 'full', timeout: '1m' });
    assert.deepEqual([back.code, back.outputs.outcome, back.outputs['exit-code']], [3, 'rolled_back', '3'], back.log);
  });

  test('the token is handed over in the environment, never as an argument', () => {
    for (const { run } of ACTION.runs.steps) assert.doesNotMatch(run, /TOKEN|\$\{\{/);
  });
});
