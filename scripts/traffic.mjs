// Visitors for `make dev`: so many a second, each with an id of its own, until interrupted. A line a
// second tells which side answered, and how. In the environment: PORT (8787), RATE, VISITORS.
import http from 'node:http';

const PORT = Number(process.env.PORT ?? 8787);
const RATE = Number(process.env.RATE ?? 100);
const VISITORS = Number(process.env.VISITORS ?? 1_000);
const WAITING_MAX = 200;
const PATHS = ['/', '/', '/api/stock'];

for (const [name, value] of Object.entries({ PORT, RATE, VISITORS })) {
  if (!(value > 0)) fail(`${name}=${process.env[name]} is not a number above 0`);
}

const agent = new http.Agent({ keepAlive: true, maxSockets: WAITING_MAX });
const started = performance.now();
let sent = 0, waiting = 0, second = {}, answered = 0;

const pick = (list) => list[Math.floor(Math.random() * list.length)];

function visit() {
  waiting += 1;
  const path = pick(PATHS);
  const headers = { 'x-user-id': `visitor-${Math.floor(Math.random() * VISITORS)}`, ...(path === '/' && { accept: 'text/html', 'sec-fetch-dest': 'document' }) };
  const count = (what) => {
    waiting -= 1;
    second[what] = (second[what] ?? 0) + 1;
  };
  const request = http.get({ host: '127.0.0.1', port: PORT, path, headers, agent }, (response) => {
    answered += 1;
    const side = response.headers['tidegate-variant'] ?? 'nobody';
    const how = response.headers['tidegate-reason'] === 'rescued' ? 'rescued' : response.statusCode >= 500 ? `failed (${side})` : side;
    response.resume().once('close', () => count(how));
  });
  request.once('error', () => count('no answer'));
}

setInterval(() => {
  const due = Math.floor(((performance.now() - started) / 1_000) * RATE);
  for (; sent < due; sent += 1) if (waiting < WAITING_MAX) visit();
}, 20);

setInterval(() => {
  if (answered === 0 && second['no answer']) fail(`nobody answers on port ${PORT}: start \`make dev\` first, or name its PORT`);
  const parts = Object.entries(second).sort().map(([what, times]) => `${what} ${times}`);
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${parts.join(', ') || 'nothing yet'}`);
  second = {};
}, 1_000);

function fail(why) {
  console.error(why);
  process.exit(1);
}
