// Where one is: the hash of the address, read. `#/` is the list, `#/rollouts/KEY` a rollout,
// `#/rollouts/KEY/history/REVISION` the same at an entry of its history.

/** @import { Event, Route } from './events.js' */
/** @typedef {Pick<Route, 'view' | 'key'>} Place */

/** @type {Place} */
export const initial = { view: 'list', key: null };

/**
 * @param {Place} route
 * @param {Event} event
 * @returns {Place}
 */
export const reduce = (route, event) => (event.type === 'route' ? { view: event.view, key: event.key } : route);

/**
 * What a hash means; everything unknown is `missing`.
 * @param {string} hash
 * @returns {Route}
 */
export function routeOf(hash) {
  const path = hash.replace(/^#\/?/, '');
  if (path === '') return { view: 'list', key: null };
  if (path === 'rehearse') return { view: 'rehearse', key: null };
  if (path === 'outbox') return { view: 'outbox', key: null };
  const [, key, revision] = /^rollouts\/([^/]+)(?:\/history\/(\d{1,15}))?$/.exec(path) ?? [];
  if (!key) return { view: 'missing', key: null };
  return { view: 'rollout', key: decoded(key), ...(revision && { revision: Number(revision) }) };
}

/** @param {string} key */
export const rolloutHash = (key) => `#/rollouts/${encodeURIComponent(key)}`;

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
