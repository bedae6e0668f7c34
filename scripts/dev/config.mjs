// What wrangler.toml says about the worker, for those who run it without wrangler. It reads the
// little TOML that such a file needs: tables of strings and of lists of strings.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The settings as Miniflare names them; `kvNamespaces` maps a binding to its namespace's id. */
export function workerConfig(path) {
  const toml = readFileSync(path, 'utf8').replace(/^\s*#.*$/gm, '');
  const [top, ...tables] = toml.split(/^\s*\[/m);
  const named = (name) => tables.filter((table) => table.replace(/^\[/, '').startsWith(`${name}]`));
  const sqlite = named('migrations').flatMap((table) => list(table, 'new_sqlite_classes'));
  return {
    compatibilityDate: text(top, 'compatibility_date'),
    compatibilityFlags: list(top, 'compatibility_flags'),
    vars: Object.fromEntries(
      named('vars').flatMap((table) =>
        [...table.matchAll(/^\s*(\w+)\s*=\s*(["'])(.*?)\2/gm)].map(([, name, , value]) => [name, value]),
      ),
    ),
    // The worker is asked first, as `run_worker_first` has it.
    assets: named('assets').map((table) => ({
      directory: resolve(dirname(path), text(table, 'directory')),
      binding: text(table, 'binding'),
      routerConfig: { invoke_user_worker_ahead_of_assets: true, has_user_worker: true },
    }))[0],
    kvNamespaces: Object.fromEntries(
      named('kv_namespaces').map((table) => {
        const binding = text(table, 'binding');
        return [binding, text(table, 'id') ?? binding];
      }),
    ),
    durableObjects: Object.fromEntries(
      named('durable_objects.bindings').map((table) => {
        const className = text(table, 'class_name');
        return [text(table, 'name'), { className, useSQLite: sqlite.includes(className) }];
      }),
    ),
  };
}

const text = (table, key) => new RegExp(`^\\s*${key}\\s*=\\s*(["'])(.*?)\\1`, 'm').exec(table)?.[2];

function list(table, key) {
  const items = new RegExp(`^\\s*${key}\\s*=\\s*\\[([^\\]]*)\\]`, 'm').exec(table)?.[1] ?? '';
  return [...items.matchAll(/(["'])(.*?)\1/g)].map(([, , item]) => item);
}
