// GrowthBook's edge app as its example installs it. For each request it reads its payload from KV and
// parses it, derives the user's attributes from the cookie, the user agent and the URL, evaluates
// one URL-redirect experiment at 50 %, fetches the origin with a request of its own (no header
// of the browser's is passed on), reads the whole body as text, and builds a new response, without the
// origin's headers.
//
// It is spared what the others do not do: writing its script into each page (`DISABLE_INJECTIONS`;
// 45 kB more a page), sticky buckets, and the visual editor's changes to the HTML.
import { handleRequest } from '@growthbook/edge-cloudflare';

export default {
  fetch: (request, env) => handleRequest(request, env),
};
