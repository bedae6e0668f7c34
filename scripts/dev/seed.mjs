// Writes the demo's plan into the local KV, in the store that `wrangler dev` and
// `wrangler kv --local` read, and prints the rollout's key. A process of its own, since Miniflare
// answers signals in its own way.
//   node scripts/dev/seed.mjs LEGACY_URL NEW_URL PERCENTAGE
import { execFileSync } from 'node:child_process';
import { Miniflare } from 'miniflare';
import { workerConfig } from './config.mjs';

const BINDING = 'ROLLOUTS';

const [legacy, next, percentage] = process.argv.slice(2);
seed().then(
  (key) => console.log(key),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);

async function seed() {
  const plans = JSON.parse(compile());
  const proxied = plans.rollouts.filter((rollout) => rollout.upstreams);
  if (proxied.length === 0) throw new Error('plans/demo.toml has no rollout with upstreams');
  for (const { upstreams } of proxied) Object.assign(upstreams, { legacy, new: next });

  const id = workerConfig('wrangler.toml').kvNamespaces[BINDING];
  if (id === undefined) throw new Error(`wrangler.toml binds no KV namespace ${BINDING}`);
  const store = new Miniflare({
    modules: true,
    script: 'export default {}',
    kvNamespaces: { [BINDING]: id },
    kvPersist: '.wrangler/state/v3/kv',
    cf: false,
  });
  try {
    const kv = await store.getKVNamespace(BINDING);
    plans.revision = Math.max(plans.revision, ((await kv.get('plans', 'json').catch(() => null))?.revision ?? 0) + 1);
    await kv.put('plans', JSON.stringify(plans));
    await kv.delete('kill/*');
    for (const { key } of proxied) {
      await kv.put(`stage/${key}`, percentage);
      await kv.delete(`kill/${key}`);
    }
  } finally {
    await store.dispose();
  }
  return proxied[0].key;
}

function compile() {
  try {
    return execFileSync('target/release/tidegate', ['compile', 'plans/demo.toml'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    throw new Error(`tidegate compile plans/demo.toml failed (${error.status ?? error.code})`);
  }
}
