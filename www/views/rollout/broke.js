// What broke: what new has more of than legacy, each thing with its counts on both sides. Hidden while that is nothing.
import { el, replaceFor, setHidden } from '../../parts/dom.js';
import { count, plural, share } from '../../text/numbers.js';
import { time } from '../../text/time.js';

/** @import { Broke, Failure, People, Rollout, ScriptError, Share, StandsOut } from '../../../types/api.js' */

const MINUTE_MS = 60_000;

const CLASSES = {
  '5xx': '5xx',
  '4xx': '4xx',
  timeout: 'Time-outs',
  refused: 'No answer (refused or reset)',
  broken: 'Pages that broke off',
  abandoned: 'Clients that gave up',
};

const TROUBLES = {
  failures: ['requests', 'failed'],
  '4xx': ['requests', 'were answered with a 4xx'],
  js_errors: ['page views', 'had a JavaScript error'],
};

export function mount(root) {
  const body = el('div', { class: 'stack' });
  root.append(body);
  return {
    update({ rollout: { view } }) {
      setHidden(root, !view.broke);
      if (!view.broke) return;
      const lead = leadOf(view);
      replaceFor(body, JSON.stringify([view.broke, lead]), () => parts(view.broke, lead));
    },
    unmount() {},
  };
}

/**
 * What the figures are of. After a rollback or a kill they are those until then.
 * @param {Rollout} view
 */
function leadOf({ broke: { minutes }, state }) {
  if (!state.killed && state.phase !== 'rolled_back')
    return `What new has more of than legacy, in ${minutes === 1 ? 'the last minute' : `${minutes} minutes`} of this attempt.`;
  const what = state.killed ? 'kill' : 'rollback';
  return `What new had more of than legacy, in ${plural(minutes, 'minute')} of this attempt before the ${what}.`;
}

/**
 * @param {Broke} broke
 * @param {string} lead
 */
function parts({ failures = [], scripts = [], stands_out: standsOut = [], failing, erring }, lead) {
  return [
    el('p', { class: 'muted small' }, lead),
    failures.length + scripts.length > 0 &&
      el(
        'table',
        { class: 'broke' },
        el('thead', {}, el('tr', {}, [el('td'), column('New'), column('Legacy')])),
        el('tbody', {}, [...failures.map(failureRow), ...scripts.map(scriptRow)]),
      ),
    ...standsOut.map(standing),
    failing && el('p', {}, `${people(failing)} had a failed request, rescued ones included.`),
    erring && el('p', {}, `${people(erring)} had a JavaScript error.`),
  ].filter(Boolean);
}

const column = (text) => el('th', { scope: 'col', class: 'number' }, text);

/** @param {Failure} failure */
function failureRow({ class: of, endpoint, path, new: own, legacy, statuses = [] }) {
  const at = endpoint ? ` at ${endpoint}` : '';
  const times = statuses.map(([status, often]) => el('span', { class: 'broke-times' }, `${status} × ${count(often)}`));
  const more = [path, ...times].filter(Boolean).flatMap((part, index) => (index > 0 ? [', ', part] : [part]));
  return row(el('span', {}, `${CLASSES[of] ?? of}${at}`), more, own, legacy, 'requests');
}

/** @param {ScriptError} error */
function scriptRow({ fingerprint, new: own, legacy, first_on_new: first }) {
  const seen =
    first === undefined ? '' : `First seen on new ${time(new Date(first * MINUTE_MS).toISOString())}, never on legacy`;
  return row(el('code', {}, fingerprint), seen, own, legacy, 'page views');
}

/** @param {StandsOut} found */
function standing({ trouble, dimension, value, new: own, others, legacy }) {
  const [what, went] = TROUBLES[trouble] ?? ['requests', 'failed'];
  const name = dimension.startsWith('header:') ? `${dimension.slice('header:'.length)}: ${value}` : value;
  const of = ({ count: times, of: all }) => `${share(all > 0 ? times / all : 0)} (${count(times)} of ${count(all)})`;
  const before = legacy.of > 0 ? `; of its own on legacy ${of(legacy)}` : '';
  return el(
    'p',
    {},
    el('b', {}, name),
    ` stands out: ${of(own)} of its ${what} ${went} on new, of all others ${of(others)}${before}.`,
  );
}

function row(name, more, own, legacy, what) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name, more.length > 0 && el('span', { class: 'muted small broke-more' }, more)),
    el('td', { class: 'number' }, shareOf(own, what)),
    el('td', { class: 'number' }, shareOf(legacy, what)),
  );
}

/** @param {Share} own */
const shareOf = ({ count: times, of }, what) => [
  el('b', {}, of > 0 ? share(times / of) : '–'),
  el('span', { class: 'muted small broke-more' }, `${count(times)} of ${count(of)} ${what}`),
];

/** @param {People} people */
const people = ({ about, from, to }) =>
  from === to
    ? `${count(about)} ${about === 1 ? 'user' : 'users'} of new`
    : `About ${count(about)} users of new (${count(from)} to ${count(to)})`;
