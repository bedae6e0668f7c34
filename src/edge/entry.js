// The worker's entry: hands each request to the wasm module, and outlives it.
//
// worker-build's own entry wraps each request in two Proxies, an eighth of the CPU that a bare
// proxy takes. All that it does for a module without classes is done here: a trap (a panic aborts
// the instance) makes the next request start a new one.

import * as gate from "./index.js";

let isBroken = false;

export default {
  async fetch(request, env, context) {
    if (isBroken) {
      gate.__wbg_reset_state();
      isBroken = false;
    }
    try {
      return await gate.fetch(request, env, context);
    } catch (error) {
      isBroken = true;
      console.error(JSON.stringify({ tidegate: "trap", subject: "proxy", message: String(error) }));
      return withoutGate(request, env);
    }
  },
};

/** The user's request never fails because of Tidegate, not even of its crash. */
function withoutGate(request, env) {
  if (env.FALLBACK_UPSTREAM && !request.bodyUsed) {
    const { pathname, search } = new URL(request.url);
    return fetch(new Request(new URL(pathname + search, env.FALLBACK_UPSTREAM), request));
  }
  return new Response("The site is not available. Please try again.\n", {
    status: 503,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "tidegate-reason": "no_config" },
  });
}
