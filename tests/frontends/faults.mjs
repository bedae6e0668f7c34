// Failure on request: `POST /__fail` with any of these switches, `{}` to be well again.
//   rate, status   this share of the requests is answered with that status (500)
//   delayMs        each answer waits this long
//   off            connections are cut without an answer
import { setTimeout as sleep } from 'node:timers/promises';

const WELL = { rate: 0, status: 500, delayMs: 0, off: false };

const VALID = {
  rate: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  status: (value) => Number.isInteger(value) && value >= 400 && value <= 599,
  delayMs: (value) => Number.isInteger(value) && value >= 0,
  off: (value) => typeof value === 'boolean',
};

export function faults(stats) {
  const failing = {
    stats,
    switches: { ...WELL },

    /** Replaces all switches; throws a `TypeError` that names the wrong one. */
    set(changes) {
      for (const [name, value] of Object.entries(changes)) {
        if (!VALID[name]?.(value)) throw new TypeError(`${name}: ${JSON.stringify(value)} is not possible`);
      }
      failing.switches = { ...WELL, ...changes };
    },

    /** Fails the request if its turn has come, and says whether it did. */
    async strike(res) {
      const { rate, status, delayMs, off } = failing.switches;
      if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
      if (!off && Math.random() >= rate) return false;
      stats.failed += 1;
      if (off) res.destroy();
      else res.writeHead(status, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' }).end(`failed on purpose: ${status}\n`);
      return true;
    },
  };
  return failing;
}
