// Holds every answer against the document of the API (crates/protocol/src/api/openapi.json), and keeps which
// of its operations were answered. The document lets answers gain fields; here none may have one that
// is not described, or the document would fall behind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { pairs, value } from './wire.mjs';

export const DOCUMENT = JSON.parse(
  readFileSync(new URL('../../crates/protocol/src/api/openapi.json', import.meta.url), 'utf8'),
);

/** The path of the console's session, which asks for no token as the others do. */
export const SESSION = '/_tidegate/api/session';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
const ID = 'https://tidegate.invalid/openapi.json';

// A percentage of 0.003 is a multiple of 0.001 only within the precision of doubles.
const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  strictRequired: false,
  allErrors: true,
  multipleOfPrecision: 6,
});
ajv.addFormat(
  'date-time',
  (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)),
);
ajv.addFormat('uri', (text) => URL.canParse(text));
ajv.addSchema({ $id: ID, $defs: strict(DOCUMENT.components.schemas) });

/** A schema that stands for itself, and in which all objects are closed whose fields are described. */
function strict(node) {
  if (Array.isArray(node)) return node.map(strict);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, strict(inner)]));
  if (typeof copy.$ref === 'string') copy.$ref = copy.$ref.replace('#/components/schemas', `${ID}#/$defs`);
  const isClosable = copy.type === 'object' && typeof copy.properties === 'object' && copy.$ref === undefined;
  return isClosable ? { additionalProperties: false, ...copy } : copy;
}

const compiled = new Map();

/** The check of the schema at `steps` of the document. */
function check(steps) {
  const place = steps.join(' ');
  if (!compiled.has(place)) compiled.set(place, ajv.compile(strict(lookUp(steps))));
  return compiled.get(place);
}

/** What is wrong with a value by the schema at `steps` of the document; `undefined` if nothing. */
function fault(steps, given) {
  const isValid = check(steps);
  if (isValid(given)) return undefined;
  // Of a choice, all branches complain; the complaint that lies deepest is about the one that was meant.
  const deepest = Math.max(...isValid.errors.map((error) => error.instancePath.split('/').length));
  const said = isValid.errors.filter(
    (error) => error.instancePath.split('/').length === deepest || error.keyword === 'additionalProperties',
  );
  return [
    ...new Set(
      said.map((error) => `${error.instancePath || '(all)'} ${error.message} ${JSON.stringify(error.params)}`),
    ),
  ]
    .slice(0, 6)
    .join('; ');
}

const lookUp = (steps) => steps.reduce((node, step) => node?.[step], DOCUMENT);

/** What the document has there, and where it stands, after following `$ref`. */
function at(steps) {
  const found = lookUp(steps);
  if (typeof found?.$ref !== 'string') return { steps, node: found };
  return at(found.$ref.slice(2).split('/'));
}

/** The template of the document that a path fits; one without parameters wins. */
function templateOf(path) {
  const segments = path.split('?')[0].split('/');
  const fits = (template) => {
    const own = template.split('/');
    return (
      own.length === segments.length &&
      own.every((step, i) => (step.startsWith('{') ? segments[i] !== '' : step === segments[i]))
    );
  };
  const parameters = (template) => template.split('{').length;
  return Object.keys(DOCUMENT.paths)
    .filter(fits)
    .sort((a, b) => parameters(a) - parameters(b))[0];
}

const methodsOf = (template) => METHODS.filter((method) => DOCUMENT.paths[template][method] !== undefined);

/** Where the document describes an answer: the operation's own, or what it says of all others. */
function described(method, path, status) {
  const template = templateOf(path);
  const own = method === 'HEAD' ? 'get' : method.toLowerCase();
  if (template !== undefined && DOCUMENT.paths[template][own] !== undefined)
    return { template, own, steps: ['paths', template, own, 'responses', String(status)] };
  const elsewhere = {
    401: 'Unauthorized',
    503: 'Unavailable',
    ...(template === undefined ? { 404: 'NotFound' } : { 405: 'MethodNotAllowed' }),
  };
  return { template, steps: ['components', 'responses', elsewhere[status] ?? 'nowhere'] };
}

const answered = new Set();
const kinds = new Set();

/** Throws when the document does not describe this answer. `headers` are pairs, `body` is text. */
export function conforms(method, path, status, headers, body) {
  const where = `${method} ${path} → ${status}`;
  const { template, own, steps } = described(method, path, status);
  const { steps: base, node } = at(steps);
  assert.ok(node, `${where} is not described: ${body.slice(0, 300)}`);
  const list = pairs(headers);
  for (const name of Object.keys(node.headers ?? {})) {
    const { steps: header, node: rule } = at([...base, 'headers', name]);
    const given = value(list, name);
    assert.ok(given !== undefined || !rule.required, `${where} lacks ${name}`);
    if (given !== undefined) assertFits([...header, 'schema'], given, `${where}: ${name}`);
  }
  if (own === undefined && status === 405) assertAllows(where, template, value(list, 'allow'));
  if (own !== undefined && status < 400) answered.add(`${own.toUpperCase()} ${template}`);
  if (method === 'HEAD') return assert.equal(body, '', `${where} has a body`);
  if (node.content === undefined) return;
  const type = value(list, 'content-type')?.split(';')[0];
  assert.ok(node.content[type], `${where} is of type ${type}: ${body.slice(0, 300)}`);
  const given = type.endsWith('json') ? JSON.parse(body) : body;
  assertFits([...base, 'content', type, 'schema'], given, `${where} is not as described`);
  if (type === 'application/problem+json') {
    assert.equal(given.status, status, where);
    kinds.add(given.type.split(':').at(-1));
  }
}

function assertFits(steps, given, what) {
  const wrong = fault(steps, given);
  assert.ok(wrong === undefined, `${what}: ${wrong}\n${JSON.stringify(given).slice(0, 2_000)}`);
}

function assertAllows(where, template, allow) {
  const expected = methodsOf(template).flatMap((method) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  assert.deepEqual(
    allow
      .split(',')
      .map((name) => name.trim())
      .sort(),
    expected.sort(),
    `${where}: Allow`,
  );
}

/**
 * A gate whose own paths are held against the document: the answers, and that it allows what was
 * granted and does not allow what was called malformed.
 */
export function checked(gate) {
  return {
    async fetch(path, options = {}) {
      const { method = 'GET', body } = options;
      const response = await gate.fetch(path, options);
      conforms(method, path, response.status, response.headers, response.text);
      const sent = typeof body === 'string' ? parsed(body) : undefined;
      const isAllowed = sent === undefined ? undefined : allows(method, path, sent);
      const what = `${method} ${path} ${String(body).slice(0, 300)} → ${response.status}`;
      if (response.status < 300) assert.notEqual(isAllowed, false, `${what}: the document does not allow that`);
      if (response.status === 400) assert.notEqual(isAllowed, true, `${what}: the document allows that`);
      return response;
    },
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether the document allows this request body; `undefined` where it describes none. */
export function allows(method, path, body) {
  const template = templateOf(path);
  const steps = ['paths', template, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema'];
  return template === undefined || lookUp(steps) === undefined ? undefined : fault(steps, body) === undefined;
}

/** The operations of the document: `{ method, path }`, with its own examples for the parameters. */
export function operations() {
  const filled = (template) => template.replace('{rollout}', DOCUMENT.components.parameters.Rollout.example);
  return Object.keys(DOCUMENT.paths).flatMap((template) =>
    methodsOf(template).map((method) => {
      const bodies = DOCUMENT.paths[template][method].requestBody?.content['application/json'].examples ?? {};
      return { method: method.toUpperCase(), template, path: filled(template), body: Object.values(bodies)[0]?.value };
    }),
  );
}

/** The operations that no call of `conforms` saw succeed. */
export const neverAnswered = () =>
  operations()
    .map(({ method, template }) => `${method} ${template}`)
    .filter((name) => !answered.has(name));

/** The kinds of problems that no call of `conforms` saw. */
export const neverSeen = () =>
  DOCUMENT.components.schemas.Problem.properties.type.enum
    .map((urn) => urn.split(':').at(-1))
    .filter((kind) => !kinds.has(kind));

/** The examples of the document that its own schemas do not allow. */
export function faultyExamples() {
  const faulty = [];
  const visit = (node, steps) => {
    if (typeof node !== 'object' || node === null) return;
    if (node.schema !== undefined) {
      const examples = [
        ...('example' in node ? [node.example] : []),
        ...Object.values(node.examples ?? {}).map((example) => example.value),
      ];
      for (const example of examples) {
        const wrong = fault([...steps, 'schema'], example);
        if (wrong !== undefined) faulty.push(`${steps.join(' ')}: ${wrong}`);
      }
    }
    for (const [key, inner] of Object.entries(node))
      if (!['example', 'examples'].includes(key)) visit(inner, [...steps, key]);
  };
  visit(DOCUMENT, []);
  return faulty;
}
