// Plans for the console's tests, as TOML: a small one, a long one with a long name, and many.

const FRONTENDS = 'upstreams = { legacy = "http://127.0.0.1:7", new = "http://127.0.0.1:9" }';
const IDENTITY = 'identity = { from = ["header:x-user-id"], anonymous = true }';

/** The longest name that the layout promises to hold: 60 characters. */
export const LONG_KEY = 'checkout-with-express-payment-and-address-book-for-resellers';

const head = (key, route, more = '') => `key = "${key}"\nroutes = ["${route}"]\n${FRONTENDS}\n${IDENTITY}\n${more}\n`;
const stage = ({ name, percentage, hold = '1h', ...more }) =>
  `[[stage]]\nname = "${name}"\npercentage = ${percentage}\nhold = "${hold}"\n${Object.entries(more)
    .map(([field, value]) => `${field} = ${JSON.stringify(value)}`)
    .join('\n')}\n`;

/** A rollout with everything that a page can show. */
export const shop = ({ key = 'shop', route = '/shop/*', hold = '1h' } = {}) =>
  [
    head(
      key,
      route,
      'description = "The new shop"\nafter_rollback = ["Cause found", "Support has been reported"]\nnotes = ["The old cart expires at the end of the month."]\n[roles]\nplatform = "the platform team"\n[groups.team]\nids = ["ana", "ben"]\n',
    ),
    stage({
      name: 'team',
      percentage: 0,
      groups: ['team'],
      hold,
      checklist: ['Rollback tested', 'Dashboards are open on the big screen'],
    }),
    stage({
      name: 'canary',
      percentage: 10,
      hold,
      owner: 'platform',
      gates: ['error_rate < 1% over stage', 'latency.p95 <= 1.2x legacy'],
    }),
    stage({ name: 'half', percentage: 50, hold, enter: ['Mon-Thu 08:00-16:00 UTC'] }),
    stage({ name: 'full', percentage: 100, hold }),
    '[[guardrail]]\nwhen = "error_rate > 5% over 5m"\nthen = "rollback"\n',
    '[[guardrail]]\nwhen = "error_rate > legacy"\nthen = "rollback"\n',
    '[[guardrail]]\nwhen = "lcp.p75 > 1.3x legacy"\nthen = "alert"\n',
  ].join('\n');

/** Stages of seconds without gates, not even those that are built in: it advances while one looks on. */
export const quick = (key = 'quick', hold = '2s') =>
  [
    head(key, `/${key}/*`, 'defaults = "none"'),
    stage({ name: 'canary', percentage: 10, hold }),
    stage({ name: 'half', percentage: 50, hold: '1h' }),
    stage({ name: 'full', percentage: 100 }),
  ].join('\n');

/** Thirty stages under a name of 60 characters. */
export const long = () =>
  [
    head(
      LONG_KEY,
      '/resellers/*',
      'description = "The checkout for resellers, with express payment and an address book that is shared by all of their branches"',
    ),
    ...Array.from({ length: 30 }, (_, index) =>
      stage({
        name: `step-${String(index + 1).padStart(2, '0')}`,
        percentage: Math.round(((index + 1) / 30) * 1000) / 10,
        gates: ['error_rate < 1% over stage'],
      }),
    ),
    '[[guardrail]]\nwhen = "error_rate > 5% over 5m"\nthen = "rollback"\n',
  ].join('\n');

/** So many small rollouts. */
export const many = (count) =>
  Array.from({ length: count }, (_, index) => {
    const key = `page-${String(index + 1).padStart(2, '0')}`;
    return [
      head(key, `/${key}/*`, `description = "Page ${index + 1} of the new site"`),
      stage({ name: 'canary', percentage: 10 }),
      stage({ name: 'full', percentage: 100 }),
    ].join('\n');
  });
