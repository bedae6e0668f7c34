// Times in words. Absolute ones are in UTC, as in the history and in logs.
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The two largest units: `2 d 4 h`, `3 min 20 s`, `8 s`. */
export function duration(ms) {
  const left = Math.max(0, Math.round(ms / SECOND_MS) * SECOND_MS);
  if (left >= DAY_MS) return pair(left, DAY_MS, 'd', HOUR_MS, 'h');
  if (left >= HOUR_MS) return pair(left, HOUR_MS, 'h', MINUTE_MS, 'min');
  if (left >= MINUTE_MS) return pair(left, MINUTE_MS, 'min', SECOND_MS, 's');
  return `${left / SECOND_MS} s`;
}

function pair(ms, large_ms, large, small_ms, small) {
  const rest = Math.floor((ms % large_ms) / small_ms);
  return `${Math.floor(ms / large_ms)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}

/** How long ago a moment was; one unit is enough there. */
export function ago(at, now) {
  const ms = now - millis(at);
  if (ms < 5 * SECOND_MS) return 'just now';
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s ago`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ago`;
  return `${Math.floor(ms / DAY_MS)} d ago`;
}

/** How long it is until a moment: `in 3 min 20 s`; what is due is `now`. */
export function until(at, now) {
  const ms = millis(at) - now;
  return ms < SECOND_MS / 2 ? 'now' : `in ${duration(ms)}`;
}

/** `14:03 UTC` today, `Fri 4 Dec 14:03 UTC` on another day. */
export function time(at, now) {
  const date = new Date(millis(at));
  const clock = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())} UTC`;
  if (now !== undefined && sameDay(date, new Date(now))) return clock;
  return `${dateOf(date, now)} ${clock}`;
}

function dateOf(date, now) {
  const year =
    now !== undefined && date.getUTCFullYear() === new Date(now).getUTCFullYear() ? '' : ` ${date.getUTCFullYear()}`;
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}${year}`;
}

/** `14:03:20 UTC` */
export function second(at) {
  const date = new Date(millis(at));
  return `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())} UTC`;
}

/** A day such as `2026-12-04` as `Today`, `Yesterday` or `Fri 4 Dec`, in another year with that. */
export function dayOf(day, now) {
  const [today, yesterday] = [now, now - DAY_MS].map((ms) => new Date(ms).toISOString().slice(0, 10));
  if (day === today) return 'Today';
  return day === yesterday ? 'Yesterday' : dateOf(new Date(`${day}T00:00:00Z`), now);
}

/** Milliseconds of a moment that is a number already or RFC 3339. */
export const millis = (at) => (typeof at === 'number' ? at : Date.parse(at));

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const pad = (value) => String(value).padStart(2, '0');
const sameDay = (a, b) => a.toISOString().slice(0, 10) === b.toISOString().slice(0, 10);
