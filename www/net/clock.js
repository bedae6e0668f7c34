// The server's clock, estimated from answers that carry their time: the one that came back fastest
// says most about the difference. It forgets after a while, since clocks drift and laptops sleep.
const TRUSTED_MS = 120_000;

/** @typedef {ReturnType<typeof createClock>} Clock */

export function createClock(local = Date.now) {
  let offset_ms = 0;
  let best = { trip_ms: Infinity, at: 0 };
  return {
    now: () => local() + offset_ms,
    local,
    /**
     * An answer that says `server_ms`, to a request sent at `sentAt` (of `local`).
     * @param {number} server_ms
     * @param {number} sentAt
     */
    observe(server_ms, sentAt) {
      const at = local();
      const trip_ms = at - sentAt;
      if (!Number.isFinite(server_ms) || (trip_ms > best.trip_ms && at - best.at < TRUSTED_MS)) return;
      best = { trip_ms, at };
      offset_ms = server_ms - (sentAt + trip_ms / 2);
    },
  };
}
