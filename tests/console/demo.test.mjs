// `make demo` on a terminal of 80 columns, touched in every way: it goes on until somebody presses `q`.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify, stripVTControlCharacters } from 'node:util';
import { COMMAND } from '../../scripts/command.mjs';
import { entryOf } from '../../scripts/demo/watch.mjs';
import { launch } from '../browser/chromium.mjs';
import { ROOT } from '../browser/gate.mjs';
import { shows } from './console.mjs';

const COLUMNS = 80;
const SHOWN_MS_MAX = 180_000;
/** So often the screen is drawn while an end would show. */
const DRAWN_AGAIN = 6;
const run = promisify(execFile);

let demo;
before(async () => {
  demo = await openDemo();
});
after(() => demo?.close());

test('the token and a link that signs in stand above it, each whole on a line', async () => {
  await demo.shows('rollout');
  const lines = stripVTControlCharacters(demo.output())
    .split(/\r?\n/)
    .map((line) => line.trim());
  assert.ok(lines.includes(`token    ${demo.token}`), lines.join('\n'));
  assert.ok(lines.includes(demo.link), lines.join('\n'));
  assert.ok(demo.link.length + 2 <= COLUMNS, demo.link);
});

test('the link signs in at once, and leaves no token in the address', async () => {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(demo.link);
    await shows(page, '.who-is', 'operator');
    assert.equal(page.url(), `${demo.origin}/_tidegate/`);
  } finally {
    await browser.close();
  }
});

test('whatever is done by hand is reported, and nothing of it ends the demo', async () => {
  await demo.shows('running in first at 1 %');
  await demo.tidegate('pause', 'demo', '--yes');
  await demo.shows('Held by hand');
  await demo.tidegate('resume', 'demo', '--yes', '--reason', 'go on');
  await demo.shows('running in');
  await demo.tidegate('kill', 'demo', '--yes');
  await demo.shows('Killed: all traffic is on legacy.');
  await demo.tidegate('note', 'demo', 'why not');
  await demo.shows('operator: kill: no reason given');
  await demo.tidegate('revive', 'demo', '--yes', '--reason', 'enough');
  await demo.tidegate('rollback', 'demo', '--yes');
  await demo.shows('Rolled back by hand.');
  await demo.tidegate('set', 'demo', '10', '--yes', '--reason', 'a few of them');
  await demo.shows('paused in canary at 10 %');
  await demo.draws();
  assert.equal(demo.isRunning(), true);
});

test('its own rollback does not end it either, and `q` does', async () => {
  demo.press('s');
  await demo.shows('A new attempt has begun.');
  demo.press('o');
  await demo.tidegate('set', 'demo', '50', '--yes', '--reason', 'so that it is seen at once');
  await demo.shows('guardrail: rollback');
  await demo.draws();
  assert.equal(demo.isRunning(), true);
  for (const row of demo.rows()) assert.ok(row.length < COLUMNS, row);
  demo.press('q');
  assert.equal(await demo.ended, 0);
});

test('an entry that came before the state it is shown with is asked for again', async () => {
  const entry = (revision, command = 'advance') => ({ revision, command: { command } });
  const at = (revision, entries, again = []) =>
    entryOf({ state: { revision } }, { entries }, async () => ({ entries: again }));
  assert.equal((await at(5, [entry(4)], [entry(5, 'rollback'), entry(4)])).revision, 5);
  assert.equal((await at(4, [entry(5), entry(4), entry(3)])).revision, 4);
  assert.equal((await at(6, [entry(6, 'note'), entry(5, 'approve'), entry(4, 'rollback')])).revision, 4);
  assert.equal(await at(0, []), undefined);
});

/** Starts it in a terminal of its own, made by `script`. */
async function openDemo() {
  const port = await threePorts();
  const command = `stty cols ${COLUMNS} rows 40; exec ${process.execPath} scripts/demo.mjs`;
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), VISITORS: '100', RATE: '15', NO_COLOR: '1', TIDEGATE_TOKEN: '' },
  });
  let output = '',
    isRunning = true;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = once(child, 'exit').then(([code]) => {
    isRunning = false;
    return code;
  });
  /** Each row that was drawn in place. */
  const rows = () =>
    output
      .split('\u001b[2K')
      .slice(1)
      .map((row) => stripVTControlCharacters(row.split('\n')[0]).trimEnd());
  /** What stands on the screen: the rows since the cursor last went up. */
  const screen = () => stripVTControlCharacters(output.split(/\u001b\[\d+A/).at(-1)).replace(/\s+/g, ' ');
  const here = {
    origin: `http://localhost:${port}`,
    output: () => output,
    rows,
    ended,
    isRunning: () => isRunning,
    press: (key) => child.stdin.write(key),
    async shows(text) {
      const deadline = Date.now() + SHOWN_MS_MAX;
      while (!screen().includes(text)) {
        assert.ok(
          isRunning && Date.now() < deadline,
          `${isRunning ? '' : 'it has ended, and '}nothing shows ${text}:\n${output.slice(-3_000)}`,
        );
        await sleep(100);
      }
    },
    /** Waits until the screen has been drawn again, several times. */
    async draws() {
      const drawn = () => output.split(/\u001b\[\d+A/).length;
      const enough = drawn() + DRAWN_AGAIN;
      const deadline = Date.now() + SHOWN_MS_MAX;
      while (isRunning && drawn() < enough) {
        assert.ok(Date.now() < deadline, 'nothing is drawn any more');
        await sleep(100);
      }
    },
    tidegate: (...words) =>
      run(COMMAND, words, {
        cwd: ROOT,
        env: { ...process.env, TIDEGATE_URL: here.origin, TIDEGATE_TOKEN: here.token },
      }),
    async close() {
      if (isRunning) child.kill('SIGTERM');
      await ended;
    },
  };
  await here.shows('#/sign-in?token=');
  [, here.link] = /(http:\S+#\/sign-in\?token=\S+)/.exec(stripVTControlCharacters(output));
  here.token = new URLSearchParams(here.link.split('?')[1]).get('token');
  return here;
}

/** A port that is free, and the two after it: below those that the system hands to whoever asks for any. */
async function threePorts(first = 20_000 + (process.pid % 3_000) * 3) {
  const open = (port) =>
    new Promise((resolve) => {
      const server = createServer()
        .once('error', () => resolve(null))
        .listen(port, '127.0.0.1', () => resolve(server));
    });
  const servers = [await open(first), await open(first + 1), await open(first + 2)];
  for (const server of servers) server?.close();
  return servers.includes(null) ? threePorts(first + 3) : first;
}
