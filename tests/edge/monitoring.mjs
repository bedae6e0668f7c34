// A Prometheus and an Alertmanager as Debian packages them, on ports of their own, and something for them to watch.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './harness.mjs';

const PROGRAMS = fileURLToPath(new URL('../../scripts/monitoring.sh', import.meta.url));
const START_MS_MAX = 120_000;

/** A port that is free now. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One gauge, as an exporter has it. */
export async function startExporter(name, value) {
  const exporter = { value, url: '', port: 0, close: () => new Promise((resolve) => server.close(resolve)) };
  const server = http.createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(Number.isFinite(exporter.value) ? `# TYPE ${name} gauge\n${name} ${exporter.value}\n` : '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  exporter.port = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  return exporter;
}

/** A program until it is stopped, once it is ready. */
async function start(program, args, url) {
  const said = [];
  // There it finds its templates.
  const child = spawn(program, args, { cwd: dirname(program), stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(String(chunk)));
  let isGone = false;
  const ended = new Promise((resolve) => child.once('exit', resolve)).then(() => (isGone = true));
  await until(
    async () => {
      if (isGone) throw new Error(`${program} has ended:\n${said.join('')}`);
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok;
    },
    () => `${program} to be ready:\n${said.join('')}`,
    START_MS_MAX,
  );
  return {
    url,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/**
 * Starts both: Prometheus scrapes the exporter each second and judges `rules`; Alertmanager posts to `webhook`.
 * @param {{ exporter: { port: number }, rules: object[], webhook: string, token: string }} options
 */
export async function startMonitoring({ exporter, rules, webhook, token }) {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-monitoring-'));
  const programs = execFileSync(PROGRAMS, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const file = (name, content) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  // JSON is YAML.
  const alerts = file('alertmanager.yml', {
    route: {
      receiver: 'tidegate',
      group_by: ['alertname'],
      group_wait: '1s',
      group_interval: '2s',
      repeat_interval: '4s',
    },
    receivers: [
      {
        name: 'tidegate',
        webhook_configs: [
          {
            url: webhook,
            send_resolved: true,
            http_config: { authorization: { type: 'Bearer', credentials: token } },
          },
        ],
      },
    ],
  });
  const [alertsPort, port] = [await freePort(), await freePort()];
  const metrics = file('prometheus.yml', {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [file('rules.yml', { groups: [{ name: 'shop', rules }] })],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertsPort}`] }] }] },
    scrape_configs: [{ job_name: 'db', static_configs: [{ targets: [`127.0.0.1:${exporter.port}`] }] }],
  });
  const alertmanager = await start(
    join(programs, 'prometheus-alertmanager'),
    [
      `--config.file=${alerts}`,
      `--storage.path=${join(folder, 'alertmanager')}`,
      `--web.listen-address=127.0.0.1:${alertsPort}`,
      '--cluster.listen-address=',
    ],
    `http://127.0.0.1:${alertsPort}`,
  );
  const prometheus = await start(
    join(programs, 'prometheus'),
    [
      `--config.file=${metrics}`,
      `--storage.tsdb.path=${join(folder, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    `http://127.0.0.1:${port}`,
  );
  return {
    alertmanager,
    prometheus,
    async close() {
      await Promise.all([alertmanager.stop(), prometheus.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
