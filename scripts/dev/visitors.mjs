// Visitors of the sample shops: each keeps an id, an address and a cache, looks at a page for some
// seconds and then reports what it experienced.
import { setTimeout as sleep } from 'node:timers/promises';
import { client, load, report } from './browsing.mjs';

const PAGES = ['/', '/', '/products', '/products/rope', '/products/lantern', '/about'];
/** More would wait for an answer only where the gate is overrun. */
const VIEWS_MAX = 1_000;
const SOCKETS_MAX = 200;
const TICK_MS = 20;

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const between = (least, most) => least + Math.random() * (most - least);

/**
 * Sends `rate` page views a second until closed. `take()` returns what happened since it was last
 * asked: answers by side (`legacy`, `new`, `rescued`), `failed` ones as visitors saw them, `unanswered`
 * ones, `views`, `reports` taken, `thrown` pages.
 */
export function openVisitors({ port, visitors, rate }) {
  const http = client(port, SOCKETS_MAX);
  const crowd = Array.from({ length: visitors }, (_, n) => newVisitor(n));
  const started = performance.now();
  let counts = nothing(),
    sent = 0,
    open = 0,
    isClosed = false;

  const reported = ({ status, headers }) => {
    if (status === 0) counts.unanswered += 1;
    else if (status >= 500) counts.failed += 1;
    else if (headers['tidegate-reason'] === 'rescued') counts.rescued += 1;
    else counts[headers['tidegate-variant'] === 'new' ? 'new' : 'legacy'] += 1;
  };

  async function view(visitor) {
    const seen = await load(http, visitor, pick(PAGES), reported);
    counts.views += 1;
    if (seen === undefined) return;
    counts.thrown += seen.js_errors;
    await sleep(seen.metrics.lcp + between(500, 2_500), undefined, { ref: false });
    if (!isClosed && (await report(http, visitor, seen))) counts.reports += 1;
  }

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1_000) * rate);
    for (; sent < due; sent += 1) {
      if (open >= VIEWS_MAX) continue;
      open += 1;
      view(pick(crowd)).finally(() => {
        open -= 1;
      });
    }
  }, TICK_MS);

  return {
    take() {
      const taken = counts;
      counts = nothing();
      return taken;
    },
    close() {
      isClosed = true;
      clearInterval(timer);
      http.close();
    },
  };
}

const nothing = () => ({ legacy: 0, new: 0, rescued: 0, failed: 0, unanswered: 0, views: 0, reports: 0, thrown: 0 });

/** Lines and devices differ from visitor to visitor, and are the same on both sides. */
function newVisitor(n) {
  return {
    id: `visitor-${n}`,
    address: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
    lineMs: between(20, 150),
    deviceMs: between(300, 900),
    cache: new Set(),
  };
}
