// What crosses into wasm and back: as few headers as are needed, as bytes, and steps by the numbers of their shapes.
// Which headers those are and what a step is say the module's rules (crates/protocol/src/needed.rs, shape.rs);
// here is only remembered what they have said.

/** @import { Gate } from '../../types/edge.js' */

/** So many names of headers, values of `Connection` and shapes are remembered. Clients can send any name. */
const NAMES_MAX = 512;
const NAME_LENGTH_MAX = 64;
const VALUES_MAX = 32;
const SHAPES_MAX = 1_024;

const ALL = 2;

/** How much is needed: by name of a header, of requests and of answers; by value of `Connection`. */
const ofRequests = /** @type {Map<string, number>} */ (new Map());
const ofAnswers = /** @type {Map<string, number>} */ (new Map());
const naming = /** @type {Map<string, number>} */ (new Map());
/** By number. */
const shapes = /** @type {Map<number, Shape>} */ (new Map());
/** Which of the module's answers these are. */
let mark = 0;

/** Another instance of the module has other numbers. */
export function forget() {
  for (const known of [ofRequests, ofAnswers, naming, shapes]) known.clear();
  mark = 0;
}

/**
 * Forgets which headers are needed, if more are than before.
 * @param {Gate} gate
 */
function renew(gate) {
  const current = gate.neededMark();
  if (current === mark) return;
  mark = current;
  ofRequests.clear();
  ofAnswers.clear();
}

/**
 * @template K
 * @param {Map<K, number>} known
 * @param {number} max
 * @param {K} key
 * @param {() => number} ask
 */
function remembered(known, max, key, ask) {
  const need = known.get(key);
  if (need !== undefined) return need;
  const answer = ask();
  if (known.size < max) known.set(key, answer);
  return answer;
}

/**
 * Header lines that are needed, each after a line feed. `forEach` makes no pair and no iterator of each.
 * @param {Gate} gate
 * @param {Headers} headers
 * @param {boolean} isOfRequest
 */
export function neededLines(gate, headers, isOfRequest) {
  renew(gate);
  const known = isOfRequest ? ofRequests : ofAnswers;
  let text = '';
  let isAll = false;
  headers.forEach((value, name) => {
    const need =
      known.get(name) ??
      remembered(known, name.length > NAME_LENGTH_MAX ? 0 : NAMES_MAX, name, () => gate.isNeeded(isOfRequest, name));
    if (need === 0) return;
    text += `\n${name}:${value}`;
    if (need === ALL) isAll ||= remembered(naming, VALUES_MAX, value, () => Number(gate.namesOthers(value))) > 0;
  });
  return isAll ? lines(headers) : text;
}

/**
 * All header lines, each after a line feed.
 * @param {Headers} headers
 */
export function lines(headers) {
  let text = '';
  headers.forEach((value, name) => {
    text += `\n${name}:${value}`;
  });
  return text;
}

const encoder = new TextEncoder();
/** What is encoded last stands here until the module has taken it. */
const scratch = new Uint8Array(65_536);

/** @param {string} text */
export function bytes(text) {
  if (text.length * 3 > scratch.length) return encoder.encode(text);
  return scratch.subarray(0, encoder.encodeInto(text, scratch).written);
}

/**
 * A change of headers: `=`, `-` or `+` as the module writes them, `@` for the value of another header of the request,
 * `~` for a mark before the closing quote.
 * @typedef {{ kind: string, name: string, value: string }} Edit
 *
 * @typedef {{ kind: 'ask', timeoutMs: number, service: string, base: string, edits: Edit[] }} AskShape
 * @typedef {{ kind: 'answer', watchMs: number, which: string, hasOwn: boolean, edits: Edit[] }} AnswerShape
 * @typedef {AskShape | AnswerShape} Shape
 */

/**
 * The shape that the module has named last.
 * @param {Gate} gate
 */
export function shapeOf(gate) {
  const number = gate.shape();
  const known = shapes.get(number);
  if (known) return known;
  const read = readShape(gate.shapeText());
  if (shapes.size >= SHAPES_MAX) shapes.clear();
  shapes.set(number, read);
  return read;
}

/**
 * @param {string} text
 * @returns {Shape}
 */
function readShape(text) {
  const [kind, first, second, third, ...lines] = text.split('\n');
  const edits = readEdits(lines);
  return kind === 'ask'
    ? { kind, timeoutMs: Number(first), service: second, base: third, edits }
    : { kind: 'answer', watchMs: Number(first), which: second, hasOwn: third === '1', edits };
}

/** @param {string[]} lines */
export function readEdits(lines) {
  return lines.filter(Boolean).map((line) => {
    const colon = line.indexOf(':');
    const end = line[0] === '-' || colon < 0 ? line.length : colon;
    return { kind: line[0], name: line.slice(1, end), value: line.slice(end + 1) };
  });
}

/**
 * Applies changes to headers.
 * @param {Headers} headers
 * @param {Edit[]} edits
 * @param {Headers} [asked] the headers of the client's request
 */
export function change(headers, edits, asked) {
  for (const { kind, name, value } of edits) {
    if (kind === '=') headers.set(name, value);
    else if (kind === '-') headers.delete(name);
    else if (kind === '+') headers.append(name, value);
    else if (kind === '@') headers.set(name, asked?.get(value) ?? '');
    else if (kind === '~') headers.set(name, `${(headers.get(name) ?? '').slice(0, -1)}${value}"`);
  }
}
