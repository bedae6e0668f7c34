// Writes types/api.d.ts: the schemas of the API's description as types, for the console and the tests.
// `--check` changes nothing, and fails where the file is not what the description says.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SOURCE = 'crates/protocol/src/api/openapi.json';
const TARGET = 'types/api.d.ts';
const HEAD = `// The schemas of ${SOURCE} as types. Written by scripts/api-types.mjs (make format).\n`;
const PLAIN = { string: 'string', number: 'number', integer: 'number', boolean: 'boolean', null: 'null' };

/** A schema as a type. Formats and bounds are left to the server. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => `(${typeOf(one)})`).join(' & ');
  // Beside properties it says which of them go together, and that is left to the server too.
  const either = schema.properties ? undefined : (schema.oneOf ?? schema.anyOf);
  if (either) return either.map((one) => `(${typeOf(one)})`).join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeOf).join(', ')}]`;
  if (schema.type === 'array') return `(${typeOf(schema.items ?? {})})[]`;
  if (schema.type === 'object') return objectOf(schema);
  return PLAIN[schema.type] ?? 'unknown';
}

function objectOf({ properties, required = [], additionalProperties: others }) {
  if (!properties) return `Record<string, ${others ? typeOf(others) : 'unknown'}>`;
  const fields = Object.entries(properties).map(
    ([name, field]) =>
      `${commentOf(field)}${/^[a-z]\w*$/i.test(name) ? name : JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${typeOf(field)};`,
  );
  return `{\n${fields.join('\n')}\n}`;
}

const commentOf = ({ description }) => (description ? `/** ${description.replaceAll('*/', '*\\/')} */\n` : '');

const { schemas } = JSON.parse(readFileSync(ROOT + SOURCE, 'utf8')).components;
const types = Object.entries(schemas).map(
  ([name, schema]) => `${commentOf(schema)}export type ${name} = ${typeOf(schema)};\n`,
);
const wanted = execFileSync('node_modules/.bin/biome', ['format', `--stdin-file-path=${TARGET}`], {
  cwd: ROOT,
  encoding: 'utf8',
  input: `${HEAD}\n${types.join('\n')}`,
});

if (!process.argv.includes('--check')) writeFileSync(ROOT + TARGET, wanted);
else if (readFileSync(ROOT + TARGET, 'utf8') !== wanted) {
  console.error(`${TARGET} is not what ${SOURCE} says: run make format`);
  process.exitCode = 1;
}
