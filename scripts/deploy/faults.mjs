// What of a deployment cannot work, judged from its settings, its plans and its secrets. Nothing here reads
// or asks anything.

const SECRETS = {
  ADMIN_TOKENS: 'the API and the console are closed to tokens, and Cloudflare Access is not set up either',
  SIGNING_KEY: 'there are no sessions, previews and page reports',
};
const ACCESS = ['ACCESS_TEAM', 'ACCESS_AUD', 'ACCESS_ROLES'];
const FLAGS = {
  enable_request_signal: 'Tidegate does not see who gives up waiting',
  global_fetch_strictly_public: 'upstreams that are Workers of the account answer with error 1042',
};
const NO_ID = /^0*$/;
const IS_ID = /^[0-9a-f]{32}$/i;
const IS_HOST = /^(?!\.)[a-z0-9.-]+$/;

/**
 * Judges a deployment.
 * - `config`: what wrangler.toml says, as wrangler reads it
 * - `consoleHost`: the console's host, where it is given beside wrangler.toml
 * - `plans`: `{ file, plan }`, each a plan as `tidegate compile` prints it; or `{ file, why }`
 * - `secrets`: the names of those that are set; or `{ why }` where that is not known
 *
 * Returns `{ refused, warned, unknown }`, lists of `{ what, help }`: a sentence and the way out.
 */
export function judge({ config, consoleHost, plans, secrets }) {
  const refused = [],
    warned = [],
    unknown = [];
  const refuse = (what, help) => refused.push({ what, help });
  const warn = (what, help) => warned.push({ what, help });
  const routes = routesOf(config);
  const ours = consoleHost ?? config.vars?.CONSOLE_HOST;
  const host =
    typeof ours === 'string'
      ? ours
          .trim()
          .toLowerCase()
          .replace(/^https?:\/\//, '')
          .replace(/\/$/, '')
      : '';
  if (consoleHost !== undefined) routes.push({ pattern: host, isDomain: true });

  judgeKv(config, refuse);
  judgeWays(config, routes, host, refuse);
  judgeConsole({ ours, host, routes, plans }, refuse, warn);
  judgeUpstreams({ config, routes, plans }, refuse);
  judgeMail({ config, plans, secrets }, refuse);
  judgeSecrets({ config, plans, secrets }, refuse, warn, (what, help) => unknown.push({ what, help }));
  if (config.vars?.BEACON_ONE_NETWORK === 'allow')
    warn(
      'BEACON_ONE_NETWORK lets the reports of one network decide, so whoever sends some may roll a release back.',
      'leave it out, unless all visitors come from one network',
    );
  for (const [flag, what] of Object.entries(FLAGS)) {
    if (!config.compatibility_flags?.includes(flag))
      warn(`The compatibility flag ${flag} is missing, so ${what}.`, `add "${flag}" to compatibility_flags`);
  }
  return { refused, warned, unknown };
}

/** The routes as `{ pattern, isDomain }`; a custom domain takes in all of its host. */
function routesOf({ routes, route }) {
  return [...(routes ?? []), ...(route ? [route] : [])].map((own) =>
    typeof own === 'string'
      ? { pattern: own, isDomain: false }
      : { pattern: own.pattern, isDomain: Boolean(own.custom_domain) },
  );
}

/** The host of a route's pattern, in lower case: `*.example.com`, `*example.com`, `*`. */
const hostOf = ({ pattern }) =>
  pattern
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .split('/')[0]
    .replace(/:\d+$/, '');

/** Whether a route takes requests for a host. */
function takes(route, host) {
  const own = hostOf(route);
  return own.startsWith('*') ? host.endsWith(own.slice(1)) : own === host;
}

function judgeKv({ kv_namespaces: namespaces }, refuse) {
  const way = '`npx wrangler kv namespace create ROLLOUTS` prints the id to put there';
  const own = namespaces?.find(({ binding }) => binding === 'ROLLOUTS');
  if (own === undefined)
    refuse(
      'No KV namespace is bound as ROLLOUTS, so plans and states cannot be read.',
      `add [[kv_namespaces]] with binding = "ROLLOUTS" and its id; ${way}`,
    );
  else if (NO_ID.test(own.id ?? '')) refuse('The KV namespace ROLLOUTS has the placeholder for an id.', way);
  else if (!IS_ID.test(own.id))
    refuse(`\`${own.id}\` is no id of a KV namespace, which has 32 hexadecimal digits.`, way);
}

/** Mail needs the platform's binding, and a sender. */
function judgeMail({ config, plans, secrets }, refuse) {
  const isSet = (name) => config.vars?.[name] !== undefined || (Array.isArray(secrets) && secrets.includes(name));
  for (const { file, plan } of plans) {
    for (const [name, channel] of Object.entries(plan?.channels ?? {})) {
      if (channel.mail === undefined && channel.email === undefined) continue;
      const binding = channel.binding ?? 'EMAIL';
      if (!config.send_email?.some((own) => own.name === binding))
        refuse(
          `${file}: the channel ${name} sends mail by ${binding}, and the worker has no such binding.`,
          `add [[send_email]] with name = "${binding}"`,
        );
      if (channel.from === undefined && !isSet('MAIL_FROM'))
        refuse(
          `${file}: the channel ${name} sends mail from nobody.`,
          '`from` in the channel, or MAIL_FROM under [vars]',
        );
    }
  }
}

function judgeWays({ workers_dev: isOnWorkersDev }, routes, host, refuse) {
  const isConsoleThere = host.endsWith('.workers.dev');
  if (!routes.some((route) => hostOf(route) !== host)) {
    refuse(
      'No route leads to the worker, so no visitor ever reaches it.',
      'routes = [{ pattern = "shop.example.com/*", zone_name = "example.com" }]',
    );
  }
  if (isOnWorkersDev && !isConsoleThere) {
    refuse(
      "With workers_dev the site also answers at *.workers.dev, past the zone's firewall, and without Cloudflare's cache, so without the copy of the configuration.",
      'workers_dev = false',
    );
  }
  if (isConsoleThere && isOnWorkersDev === false)
    refuse(
      `CONSOLE_HOST is ${host}, and workers_dev is off, so nothing answers there.`,
      'workers_dev = true, or a CONSOLE_HOST of your own zone',
    );
}

function judgeConsole({ ours, host, routes, plans }, refuse, warn) {
  if (host === '') {
    warn(
      "CONSOLE_HOST is not set: console and API have the site's own origin, so ANY script in its pages (an injected one, a tag of somebody else's, the new frontend) can operate as whoever is signed in.",
      'CONSOLE_HOST = "ops.example.com" under [vars] and { pattern = "ops.example.com", custom_domain = true } among the routes; for this once: make deploy CONSOLE_HOST=ops.example.com',
    );
    return;
  }
  if (!IS_HOST.test(host))
    return refuse(
      `CONSOLE_HOST is \`${ours}\`, which is no host, so console and API would answer nowhere.`,
      'CONSOLE_HOST = "ops.example.com"',
    );
  if (!host.endsWith('.workers.dev') && !routes.some((route) => takes(route, host))) {
    refuse(
      `No route leads ${host} to the worker, so console and API would answer nowhere.`,
      `add { pattern = "${host}", custom_domain = true } to routes`,
    );
  }
  for (const { file, plan } of plans) {
    const naming = plan?.routes?.find((route) => route.split('/')[0].toLowerCase() === host);
    if (naming)
      refuse(
        `${file}: the route \`${naming}\` of ${plan.key} is on CONSOLE_HOST, where nothing of a site may be.`,
        "take the site's own host; `/*` means every host but that one",
      );
  }
}

function judgeUpstreams({ config, routes, plans }, refuse) {
  const fallback = config.vars?.FALLBACK_UPSTREAM;
  const example = 'FALLBACK_UPSTREAM = "https://legacy.shop.example.com" under [vars]';
  if (!fallback)
    refuse(
      'FALLBACK_UPSTREAM is not set, so the site is down while no configuration can be read, as before the first plan.',
      example,
    );
  else if (!addressOf(fallback)) refuse(`FALLBACK_UPSTREAM is \`${fallback}\`, which is no address.`, example);
  const named = plans.flatMap(({ file, plan }) =>
    upstreamsOf(plan).map((to) => ({ who: `${file}: an upstream of ${plan.key}`, to })),
  );
  for (const { who, to } of [{ who: 'FALLBACK_UPSTREAM', to: fallback }, ...named]) {
    const host = addressOf(to)?.hostname;
    const route = host && routes.find((own) => takes(own, host));
    if (route)
      refuse(
        `${who}, ${to}, is on a host that the worker's route \`${route.pattern}\` takes: requests would go round in a loop.`,
        'give the frontend a host of its own that no route matches, such as legacy.shop.example.com with the route shop.example.com/*',
      );
    const service = /^service:(.+)$/.exec(to ?? '')?.[1];
    if (service && !config.services?.some(({ binding }) => binding === service))
      refuse(
        `${who} is ${to}, and the worker has no such service binding.`,
        `add [[services]] with binding = "${service}" and the name of the Worker as service`,
      );
  }
  for (const { file, why } of plans)
    if (why !== undefined) refuse(`${file} cannot be applied: ${why}`, `tidegate check ${file}`);
}

function addressOf(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Where a plan sends requests: addresses and `service:NAME`, each once. */
function upstreamsOf(plan) {
  const all = [...Object.values(plan?.upstreams ?? {}), ...(plan?.path ?? []).map(({ upstream }) => upstream)];
  const texts = all
    .map((own) => own?.url ?? own)
    .filter((own) => typeof own === 'string' && /^(https?:|service:)/.test(own));
  return [...new Set(texts)];
}

/** Which settings of Cloudflare Access are missing; none of them counts without the other two. */
function missingOfAccess({ vars = {} }, secrets) {
  const isSet = (name) =>
    (typeof vars[name] === 'string' && vars[name].trim() !== '') || (Array.isArray(secrets) && secrets.includes(name));
  return ACCESS.filter((name) => !isSet(name));
}

function judgeSecrets({ config, plans, secrets }, refuse, warn, unknown) {
  const missing = missingOfAccess(config, secrets);
  const isOpenByAccess = missing.length === 0;
  if (missing.length > 0 && missing.length < ACCESS.length && Array.isArray(secrets))
    refuse(
      `Cloudflare Access is set up in part, without ${missing.join(' and ')}, so nobody signs in with it.`,
      'set ACCESS_TEAM, ACCESS_AUD and ACCESS_ROLES under [vars], or none of them',
    );
  const named = new Set(
    plans.flatMap(({ plan }) =>
      [...JSON.stringify(plan ?? null).matchAll(/"secret:([^"]+)"/g)].map(([, name]) => name),
    ),
  );
  const needed = [
    ...Object.entries(SECRETS).filter(([name]) => name !== 'ADMIN_TOKENS' || !isOpenByAccess),
    ...[...named].map((name) => [name, 'a plan that names it cannot use it']),
  ];
  if (!Array.isArray(secrets)) {
    unknown(
      `Whether the secrets ${needed.map(([name]) => name).join(', ')} are set cannot be known here: ${secrets.why}.`,
      '`npx wrangler secret list` shows those that are set',
    );
    return;
  }
  if (isOpenByAccess && !secrets.includes('ADMIN_TOKENS'))
    warn(
      'The secret ADMIN_TOKENS is not set, so people sign in by Cloudflare Access alone, and not while Access is down.',
      'npx wrangler secret put ADMIN_TOKENS, with what `tidegate token ana --role operator` prints, for the command, scripts and emergencies; or keep it so, with a service token of Access for scripts',
    );
  for (const [name, what] of needed.filter(([name]) => !secrets.includes(name)))
    refuse(
      `The secret ${name} is not set, so ${what}.`,
      `npx wrangler secret put ${name}${name === 'ADMIN_TOKENS' ? ', with what `tidegate token ana --role operator` prints' : ''}`,
    );
}
