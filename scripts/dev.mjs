// Everything on this machine: both sample frontends, and the worker with its controller in
// workerd, the demo's plan applied. Needs what `make build` leaves. In the environment: PORT
// says where the gate listens (8787); TIDEGATE_TOKEN and TIDEGATE_VIEWER_TOKEN set the tokens;
// FRESH=1 forgets what earlier runs have left.
import { portOf, site, token } from './dev/site.mjs';
import { STATE } from './dev/worker.mjs';

const { TIDEGATE_TOKEN, TIDEGATE_VIEWER_TOKEN, FRESH } = process.env;
const TOKENS = { operator: token(TIDEGATE_TOKEN), viewer: token(TIDEGATE_VIEWER_TOKEN) };

let here, stopping;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0));
start().catch((error) => stop(1, error.message));

async function start() {
  here = site({
    port: portOf(process.env),
    plan: 'plans/demo.toml',
    reason: 'make dev',
    tokens: TOKENS,
    state: STATE,
    isFresh: Boolean(FRESH),
    command: 'make dev',
  });
  await here.start();
  if (stopping) return;
  const { key, state } = await here.ask('GET', `rollouts/${here.key}`);
  console.log(howTo(key, state, here));
}

function howTo(key, state, { origin, legacy, next }) {
  const gate = origin.slice('http://'.length);
  const url = gate.endsWith(':8787') ? '' : ` TIDEGATE_URL=${origin}`;
  const where =
    state.phase === 'draft'
      ? 'not started'
      : `${state.phase.replace('_', ' ')} at ${state.percentage} % in stage ${state.stage}${state.killed ? ', killed' : ''}`;
  return `
  Tidegate   ${origin}     the rollout \`${key}\` is ${where}
  legacy     ${legacy.url}
  new        ${next.url}
  Console    ${origin}/_tidegate/     sign in with ${TOKENS.operator}

  In a second terminal, in this folder:

    export TIDEGATE_TOKEN=${TOKENS.operator}${url}
    alias tidegate=target/release/tidegate

    tidegate status ${key}
    tidegate start ${key}             advance, set ${key} 25, pause, resume, rollback, kill, revive, complete
    tidegate watch ${key}             live
    curl -si -H 'x-user-id: user-1' ${gate}/api/stock | grep tidegate

  Visitors       ${url ? `PORT=${new URL(origin).port} ` : ''}make traffic                          in a third one
  By KV          npx wrangler kv key put --local --binding ROLLOUTS stage/${key} 25
  Break new      curl -d '{"rate":0.5,"spared":"/assets/"}' ${next.url}/__fail     ({} mends it)
  A viewer's     TIDEGATE_TOKEN=${TOKENS.viewer}

  What happens here is kept for the next time; FRESH=1 make dev forgets it. Ctrl-C stops everything.
`;
}

async function stop(code, reason) {
  if (stopping) return;
  stopping = true;
  if (reason) console.error(`dev: ${reason}`);
  await here?.close();
  process.exit(code);
}
