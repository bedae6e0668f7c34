// Many visitors of one rollout at once, each with an id of its own, as a site has them.
import http from 'node:http';
import { chance } from './chance.mjs';

/**
 * Sends `perSecond` requests a second through the gate, each of one of so many visitors, to `path`, with
 * these `headers` besides.
 * `failed()` tells how many were answered with a 5xx or not at all, `sides()` how many by side.
 * @param {Pick<import('./control.mjs').Gate, 'fetch'>} gate
 * @param {{ count?: number, perSecond?: number, path?: string, headers?: object }} [options]
 */
export function visitors(gate, { count = 2_000, perSecond = 300, path = '/page', headers = {} } = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const dice = chance(1, path);
  /** @type {Record<string, number>} */
  const sides = {};
  let failed = 0,
    sent = 0,
    stopped = false,
    waiting = 0;
  const started = performance.now();
  const one = async () => {
    waiting += 1;
    const id = `visitor-${dice.below(count)}`;
    try {
      const { status, get } = await gate.fetch(path, { headers: { ...headers, 'x-user-id': id }, agent });
      const side = get('tidegate-variant');
      sides[side] = (sides[side] ?? 0) + 1;
      if (status >= 500) failed += 1;
    } catch {
      if (!stopped) failed += 1;
    }
    waiting -= 1;
  };
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1_000) * perSecond);
    // A machine that is too slow for this gets fewer, not ever more at once.
    while (sent < due) {
      sent += 1;
      if (waiting < 64) void one();
    }
  }, 10);
  return {
    failed: () => failed,
    sides: () => ({ ...sides }),
    async stop() {
      stopped = true;
      clearInterval(timer);
      while (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      agent.destroy();
    },
  };
}
