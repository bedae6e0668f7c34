// Starts the sites of real frameworks, as scripts/frameworks.sh has built them, on their own servers.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../edge/harness.mjs';
import { fetchRaw } from '../edge/wire.mjs';

const SCRIPT = fileURLToPath(new URL('../../scripts/frameworks.sh', import.meta.url));
let built;

/** The folder of a site; what is missing is installed and built first. */
function folderOf(name) {
  built ??= new Map(
    execFileSync(SCRIPT, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
      .trim()
      .split('\n')
      .map((line) => line.split('=')),
  );
  return built.get(name);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * A SvelteKit site on adapter-node. `env` is what a deployment sets, or a function of the site's own
 * address that says so; with a `base` of `/shop` it is the build that lies under that path.
 */
export async function startSvelteKit({ env = {}, base = '' } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const settings = typeof env === 'function' ? env(url) : env;
  return running({
    url,
    base,
    program: process.execPath,
    args: ['index.js'],
    cwd: join(folderOf('sveltekit'), base === '' ? 'root' : 'shop'),
    env: { HOST: '127.0.0.1', PORT: String(port), ...settings },
  });
}

/** A Next.js site on its own server, which believes `X-Forwarded-Host` without being set to. */
export async function startNext() {
  const port = await freePort();
  const cwd = folderOf('next');
  return running({
    url: `http://127.0.0.1:${port}`,
    base: '',
    program: process.execPath,
    cwd,
    args: ['node_modules/next/dist/bin/next', 'start', '--hostname', '127.0.0.1', '--port', String(port)],
    env: { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' },
  });
}

/**
 * A Django site on gunicorn. `settings` is added to its settings, or a function of the site's own
 * address that says what is. gunicorn believes `X-Forwarded-Proto` of the addresses in `trusts`, which
 * by its default is this machine: a proxy on another one is not believed.
 */
export async function startDjango({ settings = {}, base = '', trusts = '127.0.0.1' } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const cwd = folderOf('django');
  const scratch = mkdtempSync(join(tmpdir(), 'tidegate-django-'));
  const database = join(scratch, 'site.sqlite3');
  cpSync(join(cwd, 'template.sqlite3'), database);
  const underBase = base === '' ? {} : { FORCE_SCRIPT_NAME: base, SESSION_COOKIE_PATH: base, CSRF_COOKIE_PATH: base };
  const all = { ...underBase, ...(typeof settings === 'function' ? settings(url) : settings) };
  return running({
    url,
    base,
    program: join(cwd, 'python'),
    cwd,
    scratch,
    args: [
      '-m',
      'gunicorn',
      'shop.wsgi',
      '--bind',
      `127.0.0.1:${port}`,
      '--threads',
      '4',
      '--forwarded-allow-ips',
      trusts,
      '--no-control-socket',
    ],
    env: {
      DATABASE: database,
      STATIC_ROOT: join(cwd, 'static'),
      SETTINGS: JSON.stringify(all),
      PYTHONDONTWRITEBYTECODE: '1',
      ...(base === '' ? {} : { SCRIPT_NAME: base }),
    },
  });
}

/** Starts a program and waits until it answers. */
async function running({ url, base, program, args, cwd, env, scratch }) {
  const { PATH, HOME } = process.env;
  const child = spawn(program, args, { cwd, env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const site = {
    url,
    base,
    log: '',
    async close() {
      const gone = child.exitCode === null && once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
    },
  };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      site.log += text;
    });
  // gunicorn counts the path that it is under as part of every path; a wrong one kills no server.
  await until(
    () =>
      fetchRaw(url, `${base}/`).then(
        () => true,
        () => {
          if (child.exitCode !== null) throw new Error(`${program} has ended:\n${site.log}`);
          return false;
        },
      ),
    () => `${program} to answer:\n${site.log}`,
    30_000,
  );
  return site;
}
