// A site before Tidegate and behind it, and the visitors of both.
import { PUBLIC_HOST } from '../edge/harness.mjs';
import { plan } from '../edge/plans.mjs';
import { startUpstream } from '../edge/upstream.mjs';
import { Visitor } from './visitor.mjs';

export const PUBLIC = `https://${PUBLIC_HOST}`;
/** Where the visitors come from, as the platform tells. */
const ADDRESS = '203.0.113.7';
const IDENTIFIED = { uid: 'ana' };

/** What a proxy that ends TLS tells a site, `Host` being the public one as it was. */
const FORWARDED = { 'X-Forwarded-For': ADDRESS, 'X-Forwarded-Host': PUBLIC_HOST, 'X-Forwarded-Proto': 'https' };

/** The other side: a site with nothing but a page, on which no visitor of the tests lands. */
export async function startOther() {
  const other = await startUpstream('other');
  other.otherwise({ status: 404, headers: [['Content-Type', 'text/plain']], body: 'not here' });
  return other;
}

/** A rollout with the site on one side; `upstream` is what the plan says of it. */
export function rollout(side, upstream, other) {
  const upstreams = { legacy: other.url, new: other.url, [side]: upstream };
  const changes = {
    groups: { visitors: { ids: [IDENTIFIED.uid] } },
    stage: [
      {
        name: 'pilot',
        percentage: side === 'new' ? 0 : 100,
        hold: '1h',
        ...(side === 'new' ? { groups: ['visitors'] } : {}),
      },
      { name: 'full', percentage: 100, hold: '1h' },
    ],
    ...(side === 'new' ? {} : { exclude: 'visitors' }),
  };
  return plan(upstreams.legacy, upstreams.new, { ...changes, upstreams });
}

/** What KV says where the visitor is on `side` by the group, and everybody else on the other one. */
export const STAGES = { new: { shop: '0' }, legacy: { shop: '100' } };

/** A visitor of the site at its public address, without Tidegate: behind a proxy that ends TLS. */
export function before(site) {
  return new Visitor({
    server: { origin: site.url, host: PUBLIC_HOST },
    site: PUBLIC,
    base: site.base,
    headers: FORWARDED,
    cookies: IDENTIFIED,
  });
}

/** A visitor of the site at its own address, with nothing in between. */
export function atHome(site) {
  return new Visitor({ server: { origin: site.url }, site: site.url, base: site.base, cookies: IDENTIFIED });
}

/**
 * A visitor of the public address with Tidegate behind it, under `base` if the site's own path is part of
 * it; nobody known with other `cookies`.
 */
export function behind(gate, { base = '', cookies = IDENTIFIED } = {}) {
  return new Visitor({
    server: { origin: gate.origin, host: PUBLIC_HOST, scheme: 'https' },
    site: PUBLIC,
    base,
    headers: { 'CF-Connecting-IP': ADDRESS },
    cookies,
  });
}

/** The same through a worker that only passes on; `headers` are what it is reported to add. */
export function behindBare(gate, headers = FORWARDED) {
  return new Visitor({
    server: { origin: gate.bareOrigin, host: PUBLIC_HOST, scheme: 'https' },
    site: PUBLIC,
    headers,
    cookies: IDENTIFIED,
  });
}
