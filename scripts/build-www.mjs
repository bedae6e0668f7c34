// Bundles www/ into build/assets/_tidegate/: the console, whose files carry a hash of their content in
// their names and may be cached for good, its page, and the beacon's script under a name that stays.
// `--watch` builds again whenever a file changes.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build as bundle, context } from 'esbuild';

const OUT = 'build/assets/_tidegate';
const TARGET = ['chrome111', 'firefox113', 'safari16.4'];

/** @import { BuildOptions, Plugin } from 'esbuild' */

/**
 * `build` is the folder of what was built, under a name that types may be given to before it is there.
 * @type {BuildOptions}
 */
const common = {
  alias: { build: './build' },
  bundle: true,
  minify: true,
  target: TARGET,
  logLevel: 'warning',
  legalComments: 'none',
};

/**
 * Once the console is bundled: its page, with the names that the files have got.
 * @type {Plugin}
 */
const page = {
  name: 'page',
  setup(build) {
    build.onEnd(({ metafile, errors }) => {
      if (errors.length > 0) return;
      const built = (wanted) =>
        basename(Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === wanted)[0]);
      const html = readFileSync('www/index.html', 'utf8')
        .replace('"main.css"', `"${built('www/main.css')}"`)
        .replace('"main.js"', `"${built('www/main.js')}"`);
      writeFileSync(`${OUT}/index.html`, html);
      writeFileSync(`${OUT}/icon.svg`, readFileSync('www/icon.svg'));
    });
  },
};

/**
 * `import url from 'worker:./file.js'`: bundles a worker's script into a file of its own.
 * @type {Plugin}
 */
const worker = {
  name: 'worker',
  setup(build) {
    build.onResolve({ filter: /^worker:/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.slice('worker:'.length)),
      namespace: 'worker',
    }));
    build.onLoad({ filter: /./, namespace: 'worker' }, async ({ path }) => {
      const { outputFiles, metafile } = await bundle({
        ...common,
        entryPoints: [path],
        format: 'iife',
        write: false,
        metafile: true,
        logOverride: { 'empty-import-meta': 'silent' },
      });
      return {
        contents: outputFiles[0].contents,
        loader: 'file',
        watchFiles: Object.keys(metafile.inputs).map((input) => join(process.cwd(), input)),
      };
    });
  },
};

/** @type {BuildOptions[]} */
const bundles = [
  {
    ...common,
    entryPoints: ['www/main.js', 'www/main.css'],
    outdir: OUT,
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    format: 'esm',
    splitting: true,
    metafile: true,
    loader: { '.wasm': 'file', '.toml': 'text' },
    plugins: [worker, page],
  },
  { ...common, entryPoints: { beacon: 'www/beacon/beacon.js' }, outdir: OUT, format: 'iife' },
];

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const contexts = await Promise.all(bundles.map((options) => context(options)));
await Promise.all(contexts.map((one) => one.rebuild()));
if (process.argv.includes('--watch')) await Promise.all(contexts.map((one) => one.watch()));
else await Promise.all(contexts.map((one) => one.dispose()));
