// The simulation that browsers get, against the command: the same numbers, and the same faults.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { COMMAND } from '../../scripts/command.mjs';
import { deployedText } from '../../www/rehearse/deployed.js';
import { catalogue, lineOf, presets } from '../../www/rehearse/injections.js';

let engine;

before(async () => {
  // By its address, since it is there only once it is built.
  engine = await import(new URL('../../build/rehearse/rehearse.js', import.meta.url).href);
  await engine.default({ module_or_path: readFileSync('build/rehearse/rehearse_bg.wasm') });
});

const plan = (name) => readFileSync(`plans/${name}.toml`, 'utf8');
const check = (plans, scenario = '', settings = {}) =>
  JSON.parse(engine.check(plans, scenario, JSON.stringify(settings)));

function fates(plans, scenario, settings) {
  const rehearsal = new engine.Rehearsal(plans, scenario.join('\n'), JSON.stringify(settings));
  while (!JSON.parse(rehearsal.step(1_000)).over) rehearsal.points();
  return JSON.parse(rehearsal.report()).fates;
}

/** What the command prints for the same. */
function commanded(name, scenario, settings) {
  const options = Object.entries(settings).flatMap(([option, value]) => [
    `--${option.replaceAll('_', '-')}`,
    String(value),
  ]);
  const words = [
    'simulate',
    '--json',
    `plans/${name}.toml`,
    ...scenario.flatMap((line) => ['--inject', line]),
    ...options,
  ];
  const shown = execFileSync(COMMAND, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return shown
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

for (const [name, scenario, settings] of /** @type {[string, string[], object][]} */ ([
  ['demo', [], {}],
  ['demo', ['new.error_rate = 30% from quarter+20s'], { seed: 7 }],
  ['demo', ['new.latency = 3x from canary', 'errors clustered'], { seed: 11, requests_per_hour: 60_000, until: '12h' }],
  ['staged', ['approve everything', 'new.error_rate = 5% from 6h'], {}],
  [
    'admin-workbench',
    ['approve everything', 'new.lcp = 1.5x from canary+2h'],
    { until: '60h', requests_per_hour: 3_000 },
  ],
  ['dark-launch', ['approve everything'], { until: '36h', requests_per_hour: 600, rollout: 'core-read' }],
])) {
  test(`${name} lives as the command says: ${scenario.join(', ')} ${JSON.stringify(settings)}`, () => {
    assert.deepEqual(fates(plan(name), scenario, settings), commanded(name, scenario, settings));
  });
}

test('faults are those of check', () => {
  const text = plan('staged').replace('percentage = 5', 'percentage = 500').replaceAll('error_rate', 'eror_rate');
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-'));
  writeFileSync(join(folder, 'plan.toml'), text);
  const { stdout, status } = spawnSync(COMMAND, ['check', '--json', join(folder, 'plan.toml')], {
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true });
  assert.equal(status, 1);
  const expected = JSON.parse(stdout).faults;
  const strip = (faults) => faults.map(({ file, ...fault }) => fault);
  assert.ok(expected.length > 2);
  assert.deepEqual(strip(check(text).plan), strip(expected));
});

test('whatever the form writes is understood', () => {
  for (const name of ['demo', 'staged', 'admin-workbench', 'analytics-playbook', 'dark-launch']) {
    for (const outline of check(plan(name)).rollouts) {
      const form = {
        side: 'new',
        endpoint: outline.endpoints[0] ?? '',
        stage: outline.stages[0].name,
        offset: '2h',
        length: '30m',
      };
      const written = catalogue(outline).map((thing) => lineOf(thing, { ...form, amount: thing.example ?? '' }));
      const ready = presets(outline).flatMap(({ lines }) => lines);
      const { scenario } = check(
        plan(name),
        [...written, ...ready].map((line) => `${outline.key}: ${line}`).join('\n'),
      );
      assert.deepEqual(
        scenario.map(({ line, message }) => `${[...written, ...ready][line - 1]}: ${message}`),
        [],
      );
    }
  }
});

test('a rollout of the deployment comes with what it waits for', () => {
  const compiled = JSON.parse(execFileSync(COMMAND, ['compile', 'plans/dark-launch.toml'], { encoding: 'utf8' }));
  const text = deployedText(compiled.rollouts, 'core-write');
  const { ok, rollouts } = check(text, 'approve everything', { rollout: 'core-write' });
  assert.ok(ok);
  assert.ok(
    rollouts.length > 1 && rollouts.length < compiled.rollouts.length,
    rollouts.map(({ key }) => key).join(' '),
  );
});
