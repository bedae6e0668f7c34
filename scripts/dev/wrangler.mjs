// `wrangler dev` as a child: quiet, local, and gone with everything it started.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

const WRANGLER = createRequire(import.meta.url).resolve('wrangler/bin/wrangler.js');
const STOP_MS_MAX = 5_000;

const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: '.wrangler/logs',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_SEND_METRICS: 'false',
};

// What wrangler says about itself. All else is the worker's log, or an error.
const CHATTER = [
  /^\[wrangler:info\]/,
  /^⎔ /,
  /^🪵/u,
  /^Cloudflare collects anonymous telemetry/,
  /^Your Worker has access to the following bindings/,
  /^Binding +Resource +Mode/,
  /^env\.\w+ .* local$/,
  /^\s*⛅/u,
  /^─+$/,
  /^Attaching additional modules:/,
  /^[┌│├└]/u,
  // workerd mentions each alarm that is put off before it rings.
  /^NOSENTRY SQLite alarm handler canceled/,
  /^\s*$/,
];

/** Starts it with these variables; `ended` resolves with its exit code, `close()` ends it and what it started. */
export function startWrangler(port, variables) {
  const given = Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}:${value}`]);
  const child = spawn(
    process.execPath,
    [WRANGLER, 'dev', '--port', String(port), '--ip', '127.0.0.1', '--local', '--show-interactive-dev-session=false', ...given],
    // Its own process group: workerd can be ended with it, and a Ctrl-C in the terminal comes here first.
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...QUIET } },
  );
  const shown = [show(child.stdout, process.stdout), show(child.stderr, process.stderr)];
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  // A crash of wrangler leaves workerd behind: the group goes with it in any case.
  ended.then(() => signalGroup(child.pid, 'SIGKILL'));
  return {
    ended,
    async close() {
      for (const lines of shown) lines.removeAllListeners('line');
      signalGroup(child.pid, 'SIGINT');
      const late = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), STOP_MS_MAX);
      await ended;
      clearTimeout(late);
    },
  };
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function show(from, to) {
  return createInterface(from).on('line', (line) => {
    const text = stripVTControlCharacters(line);
    if (!CHATTER.some((pattern) => pattern.test(text))) to.write(`${to.isTTY ? line : text}\n`);
  });
}
