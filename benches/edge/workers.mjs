// The workers that are compared, as options of Miniflare, and what each finds in its KV.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
const BUILD = process.env.TIDEGATE_BUILD ?? join(ROOT, 'build/worker');
export const CLI = process.env.TIDEGATE_COMMAND ?? join(ROOT, 'target/release/tidegate');

async function bundled(name) {
  const { outputFiles } = await build({
    entryPoints: [join(HERE, 'workers', `${name}.mjs`)],
    bundle: true,
    format: 'esm',
    conditions: ['workerd', 'worker'],
    minify: true,
    write: false,
  });
  return [{ type: 'ESModule', path: `${name}.mjs`, contents: outputFiles[0].text }];
}

const pass = {
  title: 'pass-through',
  async options({ origins }) {
    return { modules: await bundled('pass'), bindings: { LEGACY: origins.legacy } };
  },
};

/** What decides and marks as Tidegate does, and does nothing that cannot be seen. */
const floor = {
  title: 'JavaScript floor',
  async options({ origins }) {
    return { modules: await bundled('floor'), bindings: { LEGACY: origins.legacy, NEW: origins.new } };
  },
  header: 'tidegate-variant',
};

const router = {
  title: 'hand-rolled router',
  async options({ origins }) {
    return {
      modules: await bundled('router'),
      bindings: { LEGACY: origins.legacy, NEW: origins.new },
      kvNamespaces: ['KV'],
    };
  },
  seed: (kv) => kv('KV', { percentage: '50' }),
};

const growthbook = {
  title: 'GrowthBook edge app',
  async options({ origins }) {
    return {
      modules: await bundled('growthbook'),
      kvNamespaces: ['KV_GB_PAYLOAD'],
      bindings: {
        PROXY_TARGET: origins.legacy,
        GROWTHBOOK_API_HOST: origins.legacy,
        GROWTHBOOK_CLIENT_KEY: 'sdk-bench',
        RUN_URL_REDIRECT_EXPERIMENTS: 'edge',
        RUN_VISUAL_EDITOR_EXPERIMENTS: 'skip',
        DISABLE_INJECTIONS: 'true',
        PERSIST_UUID: 'true',
      },
    };
  },
  seed: (kv, url) =>
    kv('KV_GB_PAYLOAD', { gb_payload: JSON.stringify({ features: {}, experiments: [redirect(url)] }) }),
};

/** Half of the users are sent from /checkout/basket to /new/checkout/basket, where the new page is. */
const redirect = (url) => ({
  key: 'checkout',
  changeId: 'checkout',
  status: 'running',
  hashAttribute: 'id',
  weights: [0.5, 0.5],
  coverage: 1,
  meta: [{ key: 'legacy' }, { key: 'new' }],
  variations: [{}, { urlRedirect: new URL('/new/checkout/basket', url).href }],
  urlPatterns: [{ include: true, type: 'simple', pattern: '/checkout/basket' }],
  persistQueryString: true,
});

/** Tidegate as it was built into a folder. */
const built = (title, folder) => ({
  title,
  missing: () => [join(folder, 'index.js'), CLI].filter((path) => !existsSync(path)),
  async options({ wrangler }) {
    const sqlite = (wrangler.migrations ?? []).flatMap((step) => step.new_sqlite_classes ?? []);
    return {
      modules: [
        { type: 'ESModule', path: 'index.js', contents: readFileSync(join(folder, 'index.js'), 'utf8') },
        { type: 'CompiledWasm', path: 'index_bg.wasm', contents: readFileSync(join(folder, 'index_bg.wasm')) },
      ],
      kvNamespaces: ['ROLLOUTS'],
      durableObjects: Object.fromEntries(
        (wrangler.durable_objects?.bindings ?? []).map(({ name, class_name: className }) => [
          name,
          { className, useSQLite: sqlite.includes(className) },
        ]),
      ),
      bindings: { ...wrangler.vars, SIGNING_KEY: 'a key for the benchmark, 32 bytes or more' },
    };
  },
  seed(kv, _url, { origins, flags }) {
    const plans = JSON.parse(
      execFileSync(CLI, ['compile', join(HERE, 'plan.toml')], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .replaceAll('http://legacy.invalid', origins.legacy)
        .replaceAll('http://new.invalid', origins.new),
    );
    const flag = plans.rollouts.at(-1);
    for (let n = 0; n < flags; n += 1) plans.rollouts.push({ ...flag, key: `flag-${n}` });
    const stages = plans.rollouts.map(({ key }) => [`stage/${key}`, '50']);
    return kv('ROLLOUTS', { plans: JSON.stringify(plans), ...Object.fromEntries(stages) });
  },
  header: 'tidegate-variant',
});

const tidegate = built('Tidegate', BUILD);
/** Other builds to measure beside it: what a change costs, in one run. */
const folders = process.env.TIDEGATE_BEFORE?.split(':') ?? [];
const before = Object.fromEntries(
  folders.map((folder, n) => [`before${n || ''}`, built(folders.length > 1 ? folder : 'Tidegate before', folder)]),
);

/** `control` is the pass-through a second time. */
export const WORKERS = {
  pass,
  floor,
  router,
  growthbook,
  tidegate,
  ...before,
  control: { ...pass, title: 'pass-through again' },
};
