// The built worker in workerd, with KV and controller kept in a folder; in .wrangler/state `wrangler kv
// --local` finds them. Not `wrangler dev`: its proxy and inspector take part in each request, and
// end with an error under some hundred a second.
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';
import { Miniflare } from 'miniflare';
import { workerConfig } from './config.mjs';

/** Where wrangler keeps what is local. */
export const STATE = '.wrangler/state';

/** What workerd says about itself that is nobody's news: it mentions each alarm that is put off. */
const CHATTER = /NOSENTRY SQLite alarm handler canceled|^\s*$/;

/**
 * Starts it on 127.0.0.1 with these variables, over those of wrangler.toml and .dev.vars. What it says
 * goes to `out` and `err`.
 * @param {number} port
 * @param {Record<string, string>} variables
 * @param {{ state?: string, out?: NodeJS.WritableStream, err?: NodeJS.WritableStream }} [options]
 */
export async function startWorker(port, variables, { state = STATE, out = process.stdout, err = process.stderr } = {}) {
  const { vars, kvNamespaces, ...config } = workerConfig('wrangler.toml');
  const local = existsSync('.dev.vars') ? parseEnv(readFileSync('.dev.vars', 'utf8')) : {};
  const mf = new Miniflare({
    cf: false,
    defaultPersistRoot: `${state}/v3`,
    handleRuntimeStdio: (...streams) => {
      [out, err].forEach((to, place) => show(streams[place], to));
    },
    workers: [
      {
        ...config,
        name: 'tidegate',
        kvNamespaces,
        bindings: { ...vars, ...local, ...variables },
        stripCfConnectingIp: false,
        modules: [
          { type: 'ESModule', path: 'index.js', contents: readFileSync('build/worker/index.js', 'utf8') },
          { type: 'CompiledWasm', path: 'index_bg.wasm', contents: readFileSync('build/worker/index_bg.wasm') },
        ],
        unsafeDirectSockets: [{ host: '127.0.0.1', port }],
      },
    ],
  });
  await mf.ready;
  return { close: () => mf.dispose() };
}

function show(from, to) {
  createInterface(from).on('line', (line) => {
    if (!CHATTER.test(line)) to.write(`${line}\n`);
  });
}
