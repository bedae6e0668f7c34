// Compares what a visitor got from a site with what the same visitor got through Tidegate.
// Everything must be the same but for what the documentation says that Tidegate changes:
//
// - `tidegate-*` and `Server-Timing` are added;
// - a page and a permanent redirect are `no-cache, private`, whatever else a shared cache might keep is
//   `private` (where nobody keeps an answer, such as a POST's, either will do, or what it was);
// - a missing asset is `no-store`, and what says `no-store` is left alone;
// - a 304 without a life of its own gets none: it would replace the life of what the browser keeps;
// - an ETag carries the side, `"x~tg-n"` or `"x~tg-l"`.
//
// And but for the date, and what the platform does to every answer, which `compare.mjs` names. What is
// random is masked by a site's own list.
import assert from 'node:assert/strict';
import { ADDED_TO_RESPONSE, shape } from '../edge/compare.mjs';
import { PUBLIC } from './deployment.mjs';

const SUFFIX = { new: '~tg-n', legacy: '~tg-l' };

/** Asserts that there are no `differences`; a failure lists all of them. */
export function sameVisit(direct, through, options) {
  const found = differences(direct, through, options);
  if (found.length > 0) assert.fail(`${found.length} differences:\n${found.join('\n')}`);
}

/**
 * The differences, one text each.
 * - `side`: the one that answered
 * - `masks`: `[pattern, replacement]` for what is random in headers (`name: value`) and bodies
 * - `translate`: what a header of the direct answer must have become, where the public address is another one
 */
function differences(direct, through, { side, masks = [], translate = (_name, text) => text }) {
  const found = [];
  const names = (transcript) => transcript.map(({ name }) => name);
  const differ = (where, one, other) => {
    if (one !== other) found.push(`${where}: ${one} directly, ${other} through Tidegate`);
  };
  differ('steps', names(direct).join(), names(through).join());
  for (const [i, one] of direct.entries()) {
    const other = through[i];
    if (other === undefined) break;
    const mask = (text) => masks.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
    differ(`${one.name}: status`, `${one.status} ${one.statusText}`, `${other.status} ${other.statusText}`);
    differ(`${one.name}: streamed`, one.isStreamed, other.isStreamed);
    differHeaders(differ, { one, other, side, mask: maskOf(one, mask), translate });
    const bodies = [one, other].map(({ text }) => mask(text));
    if (bodies[0] !== bodies[1]) differ(`${one.name}: body`, ...excerpts(...bodies));
  }
  return found;
}

/** A site that hashes its pages gives one with something random in it a random ETag as well. */
function maskOf({ text }, mask) {
  return mask(text) === text ? mask : (header) => mask(header).replace(/^(etag: (?:W\/)?")[^"~]*/, '$1…');
}

function differHeaders(differ, { one, other, side, mask, translate }) {
  const expected = new Map(
    shape(one.headers, ['date', 'cache-control', ...(one.status === 304 ? ['content-length'] : [])]),
  );
  const got = new Map(shape(other.headers, ['date', 'cache-control', ...ADDED_TO_RESPONSE]));
  for (const name of new Set([...expected.keys(), ...got.keys()])) {
    let texts = [expected.get(name)]
      .flat()
      .map((text) => (text === undefined ? text : mask(`${name}: ${translate(name, text)}`)));
    if (name === 'etag') texts = texts.map((text) => text?.replace(/"$/, `${SUFFIX[side]}"`));
    const answered = [got.get(name)].flat().map((text) => (text === undefined ? text : mask(`${name}: ${text}`)));
    differ(`${one.name}: ${name}`, texts[0] && texts.join(' ¦ '), answered[0] && answered.join(' ¦ '));
  }
  const reported = directives(other.get('cache-control')).join(', ');
  const right = cacheControl(one);
  if (!right.includes(reported))
    differ(
      `${one.name}: cache-control`,
      `«${one.get('cache-control') ?? ''}»`,
      `«${reported}» instead of «${right.join('» or «')}»`,
    );
}

const directives = (text) =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter(Boolean)
    .sort();

/** Statuses that a cache may keep though nothing says for how long (RFC 9110, 15.1). */
const HEURISTIC = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];

/** What may have become of the direct answer's `Cache-Control`. */
function cacheControl({ status, kind, method, get }) {
  const own = directives(get('cache-control'));
  const became = (list) => list.sort().join(', ');
  const ofPage = became([
    ...own.filter((one) => !/^(public|private|no-cache|immutable|max-age=.*|s-maxage=.*|stale-.*)$/.test(one)),
    'no-cache',
    'private',
  ]);
  const ofOther = own.includes('private')
    ? became(own)
    : became([...own.filter((one) => one !== 'public' && !one.startsWith('s-maxage=')), 'private']);
  if (kind === 'asset' && status === 404) return ['no-store', ...(own.includes('no-store') ? [became(own)] : [])];
  if (own.includes('no-store')) return [became(own)];
  if (!['GET', 'HEAD'].includes(method)) return [became(own), ofPage, ofOther];
  if (own.length === 0 && ![...HEURISTIC, 304].includes(status)) return ['', ofPage, ofOther];
  const isPage =
    kind === 'page' || (get('content-type') ?? '').startsWith('text/html') || status === 301 || status === 308;
  if (isPage) return [ofPage];
  return [status === 304 && own.length === 0 ? '' : ofOther];
}

/** The first place where two texts differ, with what stands around it. */
function excerpts(one, other) {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return [one, other].map((text) => `«${text.slice(Math.max(0, at - 40), at + 120)}» (${text.length} bytes)`);
}

const ADDRESSES = ['location', 'content-location', 'refresh', 'link'];

/** What the headers of a site under a base path become at an address without it. */
export function withoutBase(base) {
  return (name, text) => {
    if (name === 'set-cookie') return text.replace(new RegExp(`; Path=${base}(?=;|$)`, 'i'), '; Path=/');
    return ADDRESSES.includes(name)
      ? text.replace(new RegExp(`(^|<|https://[^/]*)${base}(?=[/?]|$)`, 'g'), '$1')
      : text;
  };
}

/** What the headers of a site at its own address become at the public one. */
export function atPublicAddress(site) {
  return (name, text) => (ADDRESSES.includes(name) ? text.replaceAll(site.url, PUBLIC) : text);
}

/** The names of the headers of each answer, in their order, without those that Tidegate adds. */
export function orders(transcript) {
  const dropped = [...ADDED_TO_RESPONSE, 'cache-control'];
  return transcript.map(({ name, headers }) =>
    [name, ...headers.map(([header]) => header.toLowerCase()).filter((header) => !dropped.includes(header))].join(' '),
  );
}
