// Miniflare for the tests, which start workerd hundreds of times. It is one CommonJS file of 4 MB, and costs them more
// than the tests themselves do as it is. `import` reads it three times, to find the names that it exports: here it is
// required. And whatever it adds to workerd's configuration, it makes room for 4 KB and copies all that is there
// already: with the worker's wasm among it, 400 MB for each start. Here it makes room once. What is sent is the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';

const FILE = createRequire(import.meta.url).resolve('miniflare');
const GROWTH = 'MIN_SINGLE_SEGMENT_GROWTH = 4096;';
const GROWTH_BYTES = 64 * 1024 * 1024;

const [before, after, ...more] = readFileSync(FILE, 'utf8').split(GROWTH);
assert.ok(after !== undefined && more.length === 0, `${FILE} has \`${GROWTH}\` once`);
/** @type {Module & { paths?: string[], _compile?(text: string, file: string): void }} */
const module = new Module(FILE);
Object.assign(module, { filename: FILE, paths: createRequire(FILE).resolve.paths('miniflare') });
module._compile(`${before}${GROWTH.replace('4096', String(GROWTH_BYTES))}${after}`, FILE);

export const { Log, LogLevel, Miniflare } = /** @type {typeof import('miniflare')} */ (module.exports);
