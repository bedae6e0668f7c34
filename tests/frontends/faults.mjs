// Failure on request: `POST /__fail` with any of these switches, `{}` to be well again.
//   rate, status   this share of the requests is answered with that status (500)
//   spared         requests of this path and what is under it are answered all the same
//   delayMs        each answer waits this long
//   off            connections are cut without an answer
//   jsErrors       this share of the pages carries a script that throws once the page is loaded
//   lcpMs          what a page is about, its largest picture or block, appears only after so long
import { setTimeout as sleep } from 'node:timers/promises';
import { chance } from '../edge/chance.mjs';

const WELL = { rate: 0, status: 500, spared: null, delayMs: 0, off: false, jsErrors: 0, lcpMs: 0 };

const isShare = (value) => typeof value === 'number' && value >= 0 && value <= 1;
const isTime = (value) => Number.isInteger(value) && value >= 0;

const VALID = {
  rate: isShare,
  status: (value) => Number.isInteger(value) && value >= 400 && value <= 599,
  spared: (value) => typeof value === 'string' && value.startsWith('/'),
  delayMs: isTime,
  off: (value) => typeof value === 'boolean',
  jsErrors: isShare,
  lcpMs: isTime,
};

/** Keeps what the page is about out of sight without moving anything. */
const late = (ms) =>
  `<style data-lcp-ms="${ms}">main { animation: late 0s ${ms}ms backwards; } @keyframes late { from { visibility: hidden; } to { visibility: hidden; } }</style>\n`;

export function faults(stats) {
  // From a seed, so that each run fails alike.
  const dice = chance(1, 'faults');
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

    /** A page as the switches have it; `thrower` is the address of a script that throws. */
    breakPage(html, thrower) {
      const { jsErrors, lcpMs } = failing.switches;
      const added =
        (lcpMs > 0 ? late(lcpMs) : '') + (dice.happens(jsErrors) ? `<script src="${thrower}" defer></script>\n` : '');
      return html.replace('</head>', `${added}</head>`);
    },

    /** Fails the request if its turn has come, and says whether it did. */
    async strike({ url }, res) {
      const { rate, status, spared, delayMs, off } = failing.switches;
      if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
      if (!off && (!dice.happens(rate) || (spared !== null && url.startsWith(spared)))) return false;
      stats.failed += 1;
      if (off) res.destroy();
      else
        res
          .writeHead(status, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' })
          .end(`failed on purpose: ${status}\n`);
      return true;
    },
  };
  return failing;
}
