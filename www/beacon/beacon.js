// Reports what a page's visitor experiences, under the exposure token that Tidegate put on the page.
// A page view counts once for each metric, whichever report brings it first. So a value leaves once,
// and only when it is final:
// - TTFB and FCP are as soon as they are known. They go some seconds after the load, with the view
//   itself: a page that crashes or hangs later counts, and healthy ones are not counted later than it.
// - LCP is at the first click or key, or when the page is hidden; CLS and INP when it is hidden.
// - Errors go soon after the first one. How many there were is what that report says.
// What comes back from the back/forward cache was not served: it has no token, and no values of its own.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';

const URL = '/_tidegate/beacon';
const SOON_MS = 5_000;
/** The server takes 32 metrics, five of them vitals, and 16 events in one report. */
const NAMES_MAX = 27;
const EVENTS_MAX = 16;
const NAME = /^[a-z\d][\w.-]{0,99}$/i;
/** What browsers say where a layout takes another frame. Nothing has failed. */
const NO_ERROR = /^ResizeObserver loop/;

const known = new Set();
let metrics = {}, events = [], errors = 0;
/** Whether errors were told. */
let hasFailed = false;
/** The view itself is the first thing to tell. */
let hasNews = true;
let token, timer;

/** Whatever happens in `act`, the page goes on as if nobody had measured. */
const safely = (act) => (...given) => {
  try {
    act(...given);
  } catch {}
};

/** Whether a word comes for the first time, and so counts. */
const isNew = (word) => {
  if (known.has(word)) return false;
  known.add(word);
  return hasNews = true;
};

const note = (metric, value) => {
  if (isNew(metric)) metrics[metric] = value;
};

const mayName = (name) => name === `${name}` && NAME.test(name) && known.size < NAMES_MAX;

const send = safely(() => {
  timer = 0;
  if (!hasNews || document.prerendering) return;
  const body = JSON.stringify({ token, metrics, events, js_errors: errors });
  hasFailed ||= errors > 0;
  [metrics, events, errors, hasNews] = [{}, [], 0, false];
  if (!navigator.sendBeacon?.(URL, body)) fetch(URL, { method: 'POST', body, keepalive: true }).catch(() => {});
});

const sendSoon = () => {
  timer ||= setTimeout(send, SOON_MS);
};

const fail = ({ message }) => {
  if (hasFailed || NO_ERROR.test(message)) return;
  errors += 1;
  hasNews = true;
  if (timer >= 0) sendSoon();
};

const tidegate = {
  rollouts: [],
  /** Notes how long something took, in milliseconds. The server leaves out what cannot be. */
  time: safely((name, ms) => {
    if (mayName(name) && ms === +ms) note(`timing.${name}`, ms);
  }),
  /** Notes that something has happened in this view; `used` is what `adoption` counts. */
  event: safely((name) => {
    if (mayName(name) && events.length < EVENTS_MAX && isNew(`event.${name}`)) events.push(name);
  }),
};

/** Measures, where the page has a token. */
const begin = safely(() => {
  token = performance.getEntriesByType('navigation')[0].serverTiming.find(({ name }) => name === 'tidegate').description;
  tidegate.rollouts = token.slice(0, token.lastIndexOf('.')).split('~').slice(3).map((exposure) => {
    const [rollout, variant, stage] = exposure.split(':');
    return { rollout, variant, stage };
  });
  Object.assign(tidegate, tidegate.rollouts[0]);
  const report = ({ name, value, navigationType }) => {
    if (navigationType !== 'back-forward-cache') note(name.toLowerCase(), value);
  };
  onLCP(report);
  onFCP(report);
  onCLS(report);
  onINP(report);
  // Told once the page is loaded, and not while it is prerendered.
  onTTFB((metric) => {
    report(metric);
    sendSoon();
  });
  // web-vitals listens while the event is captured, so its last values are there before this. A page that
  // goes while it is seen gets `pagehide` first and is hidden after it; a hidden one gets that alone.
  const sendIfHidden = () => {
    if (document.visibilityState === 'hidden') send();
  };
  addEventListener('visibilitychange', sendIfHidden);
  addEventListener('pagehide', sendIfHidden);
});

window.tidegate = tidegate;
addEventListener('error', fail);
addEventListener('unhandledrejection', fail);
begin();
// Safari knows the headers of a page once it has the whole page.
if (!token) addEventListener('load', begin);
