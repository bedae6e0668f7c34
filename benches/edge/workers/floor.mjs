// The floor: the same visible work as Tidegate's in plain JavaScript, for this one plan. It decides by a hash of the
// visitor, mints an id, tells the upstream side, stage and flags, marks the answer and its ETag, and keeps it out of
// shared caches. What nobody sees is left out: it counts nothing, limits no time, reads no page, can rescue nothing,
// takes in no configuration, and signs no token (it sends a text of that length).

const ID = '__Host-tidegate-id';

function cookieIn(cookies, name) {
  const at = `; ${cookies}`.indexOf(`; ${name}=`);
  if (at < 0) return undefined;
  const from = at + name.length + 1;
  const end = cookies.indexOf(';', from);
  return end < 0 ? cookies.slice(from) : cookies.slice(from, end);
}

function bucket(salt, id) {
  let hash = salt;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 100;
}

const drawn = () =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .slice(0, 22)
    .replace(/[+/]/g, '_');

const TOKEN = `tidegate;desc="1~29000000~${'0'.repeat(32)}~checkout:new:half:1:${'0'.repeat(16)}:basket~search-suggestions:new:half:1:${'0'.repeat(16)}:~free-delivery-banner:new:half:1:${'0'.repeat(16)}:.${'A'.repeat(43)}"`;

export default {
  async fetch(request, env) {
    const { url, headers } = request;
    const at = url.indexOf('/', 'https://'.length);
    const cookies = headers.get('cookie') ?? '';
    const isDocument = headers.get('sec-fetch-dest') === 'document';
    let id = cookieIn(cookies, 'uid') ?? cookieIn(cookies, ID);
    const minted = id === undefined && isDocument ? drawn() : undefined;
    id ??= minted ?? headers.get('user-agent');
    const variant = bucket(0x811c9dc5, id) < 50 ? 'new' : 'legacy';
    const flags = `search-suggestions=${bucket(17, id) < 50 ? 'on' : 'off'}, free-delivery-banner=${bucket(18, id) < 50 ? 'new' : 'legacy'}`;

    const upstream = new Request((variant === 'new' ? env.NEW : env.LEGACY) + url.slice(at), request);
    upstream.headers.set('x-forwarded-host', url.slice(url.indexOf('//') + 2, at));
    upstream.headers.set('x-forwarded-proto', url.slice(0, url.indexOf(':')));
    upstream.headers.set('tidegate-variant', variant);
    upstream.headers.set('tidegate-rollout', 'checkout');
    upstream.headers.set('tidegate-stage', 'half');
    upstream.headers.set('tidegate-flags', flags);
    const response = await fetch(upstream);

    const answer = new Response(response.body, response);
    const own = answer.headers;
    const etag = own.get('etag');
    if (etag !== null) own.set('etag', `${etag.slice(0, -1)}~tg-${variant === 'new' ? 'n' : 'l'}"`);
    const kept = own.get('cache-control');
    if (isDocument) own.set('cache-control', 'no-cache, private');
    else if (kept?.startsWith('public, ')) own.set('cache-control', `${kept.slice(8)}, private`);
    own.set('tidegate-variant', variant);
    own.set('tidegate-reason', 'bucketed');
    if (isDocument) own.append('server-timing', TOKEN);
    if (minted) own.append('set-cookie', `${ID}=${minted}; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax`);
    return answer;
  },
};
