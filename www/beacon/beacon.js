// Reports what a page's visitor experiences, under the exposure token that Tidegate put on the page.
// A page view counts once for each metric, whichever report brings it first. So a value leaves once,
// and only when it is final:
// - TTFB and FCP are as soon as they are known. They go some seconds after the load, with the view
//   itself: a page that crashes or hangs later counts, and healthy ones are not counted later than it.
// - LCP is at the first click or key, or when the page is hidden; CLS and INP when it is hidden.
// - So are the numbers that a page reports: how many there are of something is known at the end.
// - Errors go soon after the first one. How many there were is what that report says, and what the first were.
// A page that follows one of the other side in the same tab, with no step of the rollout in between, says so: its
// browser has changed its id.
// A screen of an app that changes its screens in the browser is a page view of its own for errors, events
// and timings, with a number that the server makes a nonce of. The five vitals stay those of the load.
// What comes back from the back/forward cache was not served: it has no token, and no values of its own.
// While the page is seen, a report also asks for messages that the page is to show: see messages.js.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';
import { described, isOwn, watch } from './errors.js';
import { show } from './messages.js';

const { src, dataset } = /** @type {Partial<HTMLScriptElement>} */ (document.currentScript ?? {});
/** Reports go where the script comes from, which may have a name of the operator's. */
const URL = src ? src.replace(/(\.js)?([?#].*)?$/, '') : '/_tidegate/beacon';
const SOON_MS = 5_000;
/** The server takes 32 metrics, five of them vitals, and 16 events in one report. */
const NAMES_MAX = 27;
const EVENTS_MAX = 16;
/** And makes fingerprints of so many errors. */
const ERRORS_MAX = 3;
/** Where the sides of the page before stand, for as long as the tab is open. */
const SIDES = 'tidegate-sides';
/** The server takes so many screens of one page. */
const SCREENS_MAX = 200;
/** A screen that another follows so soon was never seen: a redirect, or an effect that runs twice. */
const SCREEN_MS_MIN = 100;
const NAME = /^[a-z\d][\w.-]{0,99}$/i;

let view = 0,
  sinceMs = 0;
let known = new Set(),
  metrics = {},
  events = [],
  errors = 0;
/** Numbers, by name, that are not final yet. */
let numbers = {};
/** Vitals that are final only after the screen that was loaded. */
let late = {};
const vitals = new Set();
/** Whether errors were reported. */
let hasFailed = false;
/** The view itself is the first thing to tell. */
let hasNews = true;
/** What the first errors were. */
let failures = [];
/** Rollouts of which this tab has just had the other side. */
let mixed;
let token, timer;

/** Whatever happens in `act`, the page goes on as if nobody had measured. */
const safely =
  (act) =>
  (...given) => {
    try {
      act(...given);
    } catch {}
  };

/** Whether a word comes for the first time, and so counts. */
const isNew = (word) => {
  if (known.has(word)) return false;
  known.add(word);
  return (hasNews = true);
};

const mayName = (name) => name === `${name}` && NAME.test(name) && known.size < NAMES_MAX;

const post = (report) => {
  const messages = document.visibilityState === 'visible' || undefined;
  const body = JSON.stringify({ token, ...report, messages });
  // A beacon brings no answer, and goes where the page does.
  if (messages || !navigator.sendBeacon?.(URL, body))
    fetch(URL, { method: 'POST', body, keepalive: true })
      .then((answer) => messages && answer.status === 200 && answer.json())
      .then((answer) => answer && show(answer.messages, tidegate.messages))
      .catch(() => {});
};

const send = safely(() => {
  clearTimeout(timer);
  timer = 0;
  if (document.prerendering) return;
  const ofLoad = late;
  late = {};
  if (Object.keys(ofLoad).length > 0) post({ metrics: ofLoad });
  if (!hasNews) return;
  const shown = failures.length > 0 ? failures : undefined;
  const report = { view: view || undefined, metrics, events, js_errors: errors, errors: shown, mixed };
  mixed = undefined;
  failures = [];
  hasFailed ||= errors > 0;
  [metrics, events, errors, hasNews] = [{}, [], 0, false];
  post(report);
});

/** What the screen leaves behind is final. */
const sendAll = () => {
  for (const name in numbers) [metrics[name], hasNews] = [numbers[name], true];
  numbers = {};
  send();
};

const sendSoon = () => {
  timer ||= setTimeout(send, SOON_MS);
};

const fail = (event) => {
  if (hasFailed || !isOwn(event)) return;
  errors += 1;
  const own = described(event);
  if (own && failures.length < ERRORS_MAX) failures.push(own);
  hasNews = true;
  if (timer >= 0) sendSoon();
};

const tidegate = {
  rollouts: [],
  /** What this page was given to show. */
  messages: [],
  /** Notes how long something took, in milliseconds. The server leaves out what cannot be. */
  time: safely((name, ms) => {
    if (mayName(name) && ms === +ms && isNew(`timing.${name}`)) metrics[`timing.${name}`] = ms;
  }),
  /** Notes a number, such as how many charts were opened. The last one counts, once the page is hidden. */
  value: safely((name, number) => {
    const key = `value.${name}`;
    if (number === +number && (key in numbers || (mayName(name) && isNew(key)))) numbers[key] = number;
  }),
  /** Notes that something has happened in this view; `used` is what `adoption` counts. */
  event: safely((name) => {
    if (mayName(name) && events.length < EVENTS_MAX && isNew(`event.${name}`)) events.push(name);
  }),
  /** Says that the page shows another screen from now on, which counts as a page view of its own. */
  view: safely(() => {
    const nowMs = performance.now();
    const isUntouched = known.size + errors < 1 && !hasFailed;
    if (!token || document.prerendering || view >= SCREENS_MAX || (isUntouched && nowMs - sinceMs < SCREEN_MS_MIN))
      return;
    sendAll();
    view += 1;
    [known, hasFailed, hasNews, sinceMs] = [new Set(), false, true, nowMs];
    sendSoon();
  }),
};

/**
 * Which rollouts had the other side on the page before, under the same revision.
 * @param {string[][]} exposures
 */
const findMixed = safely((exposures) => {
  const before = JSON.parse(sessionStorage.getItem(SIDES) ?? '{}');
  const now = {};
  for (const [rollout, variant, , revision] of exposures) now[rollout] = [variant, revision];
  sessionStorage.setItem(SIDES, JSON.stringify(now));
  const other = Object.keys(now).filter(
    (rollout) => before[rollout]?.[1] === now[rollout][1] && before[rollout][0] !== now[rollout][0],
  );
  if (other.length > 0) mixed = other;
});

/** Measures, where the page has a token. */
const begin = safely(() => {
  token = performance
    .getEntriesByType('navigation')[0]
    .serverTiming.find(({ name }) => name === 'tidegate').description;
  const exposures = token
    .slice(0, token.lastIndexOf('.'))
    .split('~')
    .slice(3)
    // A rollout that has given this page nothing has a message for it at most.
    .filter((exposure) => !exposure.endsWith(':-'))
    .map((exposure) => exposure.split(':'));
  tidegate.rollouts = exposures.map(([rollout, variant, stage]) => ({ rollout, variant, stage }));
  findMixed(exposures);
  Object.assign(tidegate, tidegate.rollouts[0]);
  const report = ({ name, value, navigationType }) => {
    const vital = name.toLowerCase();
    if (navigationType === 'back-forward-cache' || vitals.has(vital)) return;
    vitals.add(vital);
    if (view > 0) late[vital] = value;
    else [metrics[vital], hasNews] = [value, true];
  };
  onLCP(report);
  onFCP(report);
  onCLS(report);
  onINP(report);
  // Reported once the page is loaded, and not while it is prerendered.
  onTTFB((metric) => {
    report(metric);
    sendSoon();
  });
  // web-vitals listens while the event is captured, so its last values are there before this. A page that
  // goes while it is seen gets `pagehide` first and is hidden after it; a hidden one gets that alone.
  const sendIfHidden = () => {
    if (document.visibilityState === 'hidden') sendAll();
  };
  addEventListener('visibilitychange', sendIfHidden);
  addEventListener('pagehide', sendIfHidden);
});

window.tidegate = tidegate;
watch(dataset?.ignore);
addEventListener('error', fail);
addEventListener('unhandledrejection', fail);
begin();
// Safari knows the headers of a page once it has the whole page.
if (!token) addEventListener('load', begin);
