// Where one is: the hash of the address, read. `#/` is the list, `#/rollouts/KEY` a rollout.
export const initial = { view: 'list', key: null };

export const reduce = (route, event) => (event.type === 'route' ? { view: event.view, key: event.key } : route);

/** What a hash means; everything unknown is `missing`. */
export function routeOf(hash) {
  const path = hash.replace(/^#\/?/, '');
  if (path === '') return { view: 'list', key: null };
  if (path === 'rehearse') return { view: 'rehearse', key: null };
  const key = /^rollouts\/([^/]+)$/.exec(path)?.[1];
  return key ? { view: 'rollout', key: decoded(key) } : { view: 'missing', key: null };
}

export const rolloutHash = (key) => `#/rollouts/${encodeURIComponent(key)}`;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
