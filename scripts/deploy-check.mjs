// Says what of a deployment cannot work, before it is deployed: each thing in one sentence, with the way out.
// Ends with 1 where there is any.
//
//   node scripts/deploy-check.mjs [--config wrangler.toml] [--secrets FILE] [PLAN|FOLDER…]
//
// Plans are read by `tidegate compile`. Which secrets are set is asked of the account with `wrangler secret
// list`, or read from FILE, which holds what that printed. In the environment: CONSOLE_HOST is the console's
// host, where the deployment is given it beside wrangler.toml.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify, stripVTControlCharacters } from 'node:util';
import { unstable_readConfig as readConfig } from 'wrangler';
import { COMMAND } from './command.mjs';
import { judge } from './deploy/faults.mjs';

const WRANGLER = fileURLToPath(new URL('../node_modules/.bin/wrangler', import.meta.url));
const ACCOUNT_MS_MAX = 30_000;

const run = promisify(execFile);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`deploy-check: ${error.message}`);
    process.exitCode = error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? 2 : 1;
  });
}

async function main() {
  const {
    values: { config: file, secrets: listed },
    positionals,
  } = parseArgs({
    options: { config: { type: 'string', default: 'wrangler.toml' }, secrets: { type: 'string' } },
    allowPositionals: true,
  });
  const found = await look({ file, listed, paths: positionals, consoleHost: process.env.CONSOLE_HOST || undefined });
  tell(found, file);
  process.exitCode = found.refused.length > 0 ? 1 : 0;
}

/** Reads a deployment's settings, plans and secrets, and judges them. */
export async function look({ file, listed, paths, consoleHost }) {
  if (!existsSync(file)) throw new Error(`there is no ${file}; name another one with --config`);
  const config = readConfig({ config: file }, { hideWarnings: true });
  const [compiledFiles, secrets] = await Promise.all([
    Promise.all(filesOf(paths).map(compiled)),
    listed ? namesIn(listed) : ofAccount(file),
  ]);
  const plans = compiledFiles.flat();
  return { ...judge({ config, consoleHost, plans, secrets }), plans: plans.length };
}

/** The plans' files: those named, and those in folders that are named. */
function filesOf(paths) {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`there is no ${path}; name plans, or folders of plans`);
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => name.endsWith('.toml'))
      .sort()
      .map((name) => join(path, name));
  });
}

/** The plans of a file; or why it has none. */
async function compiled(file) {
  try {
    const { stdout } = await run(COMMAND, ['compile', file], { maxBuffer: 64 << 20 });
    return JSON.parse(stdout).rollouts.map((plan) => ({ file, plan }));
  } catch (error) {
    return [{ file, why: firstError(error.stderr || error.message) }];
  }
}

function namesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).map(({ name }) => name);
}

/** The names of the secrets that are set in the account; or why nobody knows. */
async function ofAccount(file) {
  try {
    const options = { timeout: ACCOUNT_MS_MAX, env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' } };
    const asked = run(WRANGLER, ['secret', 'list', '--format', 'json', '--config', file], options);
    asked.child.stdin.end();
    return JSON.parse((await asked).stdout).map(({ name }) => name);
  } catch (error) {
    return {
      why: error.killed
        ? `wrangler has not answered within ${ACCOUNT_MS_MAX / 1_000} s`
        : `wrangler says “${firstError(error.stderr || error.stdout || error.message)}”`,
    };
  }
}

/** The first sentence of what went wrong. */
function firstError(text) {
  const lines = stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const line = lines.find((own) => /error/i.test(own)) ?? lines[0] ?? 'it does not say why';
  return line
    .replace(/^.*?\bERROR\]?:?\s*/i, '')
    .split(/\.\s/)[0]
    .replace(/\.$/, '');
}

function tell({ refused, warned, unknown, plans }, file) {
  const of =
    plans === 0
      ? 'no plans: name yours with PLANS=shop.toml, and their upstreams and secrets are checked too'
      : `${plans} plan${plans === 1 ? '' : 's'}`;
  console.log(`deploy-check: ${file}, ${of}\n`);
  for (const [mark, all] of [
    ['✗', refused],
    ['!', warned],
    ['?', unknown],
  ]) {
    for (const { what, help } of all) console.log(`${mark} ${what}\n  → ${help}\n`);
  }
  if (refused.length > 0)
    console.log(`${refused.length === 1 ? 'One thing' : `${refused.length} things`} would not work (✗).`);
  else console.log(`Nothing stands in the way${warned.length > 0 ? ', but mind what is marked !' : ''}.`);
}
