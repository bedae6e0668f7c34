// Plans and live states for the tests: small, and complete enough that `tidegate check` has nothing
// to say against them.

const STAGES = [
  { name: 'canary', percentage: 10, hold: '1h' },
  { name: 'full', percentage: 100, hold: '1h' },
];
const IDENTITY = { from: ['header:x-user-id', 'cookie:uid'], anonymous: true };

/** @typedef {{ url: string } | string} Site a stub frontend or a URL */
/** @type {(site: Site) => string} */
const urlOf = (site) => (typeof site === 'string' ? site : site.url);

/**
 * A rollout of every path from `legacy` to `next`, each a stub frontend or a URL. `upstreams` in
 * `changes` is added to theirs; everything else replaces.
 * @param {Site} legacy
 * @param {Site} next
 * @param {Record<string, any>} [changes]
 */
export function plan(legacy, next, { upstreams, ...changes } = {}) {
  return {
    key: 'shop',
    routes: ['/*'],
    upstreams: { legacy: urlOf(legacy), new: urlOf(next), ...upstreams },
    identity: IDENTITY,
    stage: STAGES,
    ...changes,
  };
}

/**
 * The rollout `p` of the reports from the field: `ana` is always on new, everybody else is dealt out at
 * 50 %, and who has no id is given one.
 * @param {Site} legacy
 * @param {Site} next
 * @param {Record<string, any>} [changes]
 */
export function half(legacy, next, { upstreams, ...changes } = {}) {
  return {
    key: 'p',
    routes: ['/*'],
    upstreams: { legacy: urlOf(legacy), new: urlOf(next), ...upstreams },
    identity: { from: ['header:x-user-id'], anonymous: true },
    groups: { team: { ids: ['ana'] } },
    stage: [
      { name: 'half', percentage: 50, groups: ['team'], hold: '1h' },
      { name: 'full', percentage: 100 },
    ],
    ...changes,
  };
}

/** A rollout that routes nothing and is reported to the frontend. */
export const flag = (key, changes = {}) => ({ key, identity: IDENTITY, stage: STAGES, ...changes });

/** Headers of a browser that asks for a page by a link or the address bar. */
export const DOCUMENT = {
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'none',
  Accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
};

/**
 * Headers of a browser that asks for what a page is made of.
 * @param {string} dest
 */
export const asset = (dest) => ({
  'Sec-Fetch-Dest': dest,
  'Sec-Fetch-Mode': 'no-cors',
  'Sec-Fetch-Site': 'same-origin',
  Accept: '*/*',
});

/** A user whose id is known, so that none is minted. */
export const ANA = { 'x-user-id': 'ana' };

/** A live state of the plans above as the controller writes it, under its sum. */
export function written(changes = {}) {
  const state = {
    revision: 9,
    plan: 1,
    attempt: 1,
    phase: 'running',
    killed: false,
    stage: 'full',
    percentage: 100,
    groups: [],
    since: '2026-11-01T00:00:00Z',
    ...changes,
  };
  const body = JSON.stringify(state);
  return `{"v":1,${body.slice(1, -1)},"sum":"${fnv1a64(body)}"}`;
}

/** The live states of `half` in which new has, or had, visitors. */
export const STARTED = {
  running: written({ stage: 'half', percentage: 50, groups: ['team'] }),
  paused: written({ phase: 'paused', stage: 'half', percentage: 50, groups: ['team'] }),
  set: written({ phase: 'paused', stage: 'half', percentage: 0, groups: [] }),
  rolled: written({ phase: 'rolled_back', stage: 'half', percentage: 0, groups: [] }),
  killed: written({ stage: 'half', percentage: 50, groups: ['team'], killed: true }),
  completed: written({ phase: 'completed', stage: 'full', percentage: 100, groups: ['team'] }),
};
/** Of these, those in which everybody is on legacy. */
export const BACK = ['set', 'rolled', 'killed'];

export const completed = (changes = {}) => written({ phase: 'completed', ...changes });

function fnv1a64(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

function fmix64(number) {
  let mixed = number;
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n])
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 33n)) * factor);
  return mixed ^ (mixed >> 33n);
}

const fnv = (text) => BigInt(`0x${fnv1a64(text)}`);

/** The bucket of an id under a salt, from 0 to 99,999. */
export const bucket = (salt, id) => Number((fmix64(fnv(id) ^ fmix64(fnv(salt))) * 100_000n) >> 64n);

/** The first ids whose side at 50 % is this one. */
export function idsOn(side, count = 1, salt = 'p') {
  const ids = [];
  for (let n = 0; ids.length < count; n += 1)
    if (bucket(salt, `user-${n}`) < 50_000 === (side === 'new')) ids.push(`user-${n}`);
  return ids;
}
