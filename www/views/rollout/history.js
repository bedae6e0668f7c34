// What has happened to the rollout as a timeline, newest first: who did what, why, and which figures
// decided. What is new appears at the top without moving what is being read.
import { el, keyed, setAttr, setHidden, setText } from '../../parts/dom.js';
import { hasOlder, timelineOf } from '../../state/history.js';
import { rolloutHash } from '../../state/route.js';
import { isOperator } from '../../state/session.js';
import { plural } from '../../text/numbers.js';
import { dayOf, second } from '../../text/time.js';
import { actor, messageKind } from '../../text/words.js';

/** @import { Dispatch, HistoryFilter } from '../../state/events.js' */

/** @type {[HistoryFilter, string][]} */
const FILTERS = [
  ['all', 'Everything'],
  ['changes', 'Changes'],
  ['alerts', 'Alerts'],
];
const NOTHING = {
  all: 'Nothing has happened yet.',
  changes: 'Nothing was changed yet.',
  alerts: 'No alerts yet.',
};
const BAD = new Set(['rollback', 'kill']);

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const filter = filters(dispatch);
  const failed = el('p', { class: 'history-failed small', role: 'status' });
  const empty = el('p', { class: 'muted' });
  const days = el('div', { class: 'history-days' });
  const older = el(
    'button',
    { type: 'button', class: 'button small history-older', onclick: () => dispatch({ type: 'loadOlder' }) },
    'Show older',
  );
  const noting = el(
    'button',
    { type: 'button', class: 'button small', onclick: () => dispatch({ type: 'ask', command: 'note' }) },
    'Add a note',
  );
  root.append(el('div', { class: 'history-top' }, filter.root, noting), failed, empty, days, older);
  const updateDays = keyed(days, ({ day }) => day, createDay);
  let drawnOf = null;
  let revealed = {};

  return {
    update(state) {
      const { history, metrics, now, route } = state;
      setHidden(noting, !isOperator(state));
      const today = new Date(now).toISOString().slice(0, 10);
      const isSettled = metrics.data !== null;
      if (history === drawnOf?.history && today === drawnOf.today && isSettled === drawnOf.isSettled) return;
      drawnOf = { history, today, isSettled };
      filter.update(history.filter);
      const isKnown = history.entries !== null && history.messages !== null;
      const timeline = isKnown ? timelineOf(history) : [];
      keepingPlace(days, () => updateDays(timeline, { key: route.key, now, revision: history.revision }));
      setText(failed, history.problem ? `The history could not be loaded: ${history.problem.detail}.` : '');
      setHidden(failed, !history.problem);
      setText(empty, isKnown ? NOTHING[history.filter] : 'Loading…');
      setHidden(empty, timeline.length > 0 || Boolean(history.problem));
      setHidden(older, !isKnown || !hasOlder(history));
      setText(older, history.isLoading ? 'Loading…' : 'Show older');
      setAttr(older, 'aria-disabled', String(history.isLoading));
      if (!isKnown) return;
      const isOther = history.revision !== revealed.revision;
      if (isOther || isSettled !== revealed.isSettled) reveal(days, history.revision, isOther);
      revealed = { revision: history.revision, isSettled };
    },
    unmount() {},
  };
}

/** @param {Dispatch} dispatch */
function filters(dispatch) {
  const buttons = FILTERS.map(([name, text]) => ({
    name,
    root: el(
      'button',
      { type: 'button', class: 'history-filter', onclick: () => dispatch({ type: 'filterHistory', filter: name }) },
      text,
    ),
  }));
  return {
    root: el(
      'div',
      { class: 'history-filters', role: 'group', 'aria-label': 'Show in the history' },
      buttons.map((button) => button.root),
    ),
    update(chosen) {
      for (const { name, root } of buttons) setAttr(root, 'aria-pressed', String(name === chosen));
    },
  };
}

/**
 * What is on the screen stays where it is while something appears above it. Browsers do that by
 * themselves where they know scroll anchoring.
 */
function keepingPlace(root, update) {
  if (CSS.supports('overflow-anchor', 'auto')) return update();
  const read = [...root.querySelectorAll('.history-item')].find((item) => item.getBoundingClientRect().bottom > 0);
  const top = read?.getBoundingClientRect().top;
  update();
  if (read?.isConnected && root.getBoundingClientRect().top < 0) scrollBy(0, read.getBoundingClientRect().top - top);
}

/** Goes to the entry that the address names; again once the plots above it are there, unless somebody has gone elsewhere. */
function reveal(root, revision, isOther) {
  const item = root.querySelector(`#history-r${revision}`);
  if (!item || (!isOther && document.activeElement !== item)) return;
  item.focus({ preventScroll: true });
  requestAnimationFrame(() => item.scrollIntoView({ block: 'center' }));
}

function createDay({ day }) {
  const title = el('h3', { class: 'history-day' });
  const list = el('ol', { class: 'history-list' });
  const updateItems = keyed(list, ({ id }) => id, createItem);
  return {
    root: el('div', {}, title, list),
    update({ items }, context) {
      setText(title, dayOf(day, context.now));
      updateItems(items, context);
    },
  };
}

const createItem = (item) => (item.entry ? createChange(item) : createMessage(item));

function createChange({ at, entry }) {
  const { revision, command, done, reason, figures = [], outcome } = entry;
  const id = `history-r${revision}`;
  const fromText = el('span', {});
  const link = el(
    'a',
    { class: 'history-link small' },
    `r${revision}`,
    el('span', { class: 'visually-hidden' }, ', link to this entry'),
  );
  const root = el(
    'li',
    { class: `history-item history-${BAD.has(command.command) ? 'bad' : 'change'}`, id, tabindex: '-1' },
    moment(at),
    el(
      'div',
      { class: 'history-body' },
      el('p', {}, el('b', {}, actor(entry.actor)), ` ${done}`, link),
      el('p', { class: 'history-way' }, fromText, el('span', { class: 'history-to' }, outcome)),
      reason && el('p', { class: 'history-reason' }, `“${reason}”`),
      figuresOf(figures),
    ),
  );
  return {
    root,
    update(item, context) {
      setText(fromText, item.from && `${item.from} → `);
      setHidden(fromText.parentElement, item.from === outcome);
      setAttr(link, 'href', `${rolloutHash(context.key)}/history/${revision}`);
      setAttr(root, 'data-linked', context.revision === revision);
    },
  };
}

function createMessage({ at, message, shown: by }) {
  const { kind, to } = message;
  const figures = by ? [] : (message.figures ?? []);
  const text = by ? `${message.text}; the figures are those of r${by}.` : message.text;
  const isAlert = kind === 'alert' || kind === 'escalation';
  const body = el(
    'div',
    { class: 'history-body' },
    el('p', {}, el('b', {}, messageKind(kind)), to.length > 0 && ` to ${to.join(', ')}`),
    el('p', { class: 'history-said' }, text),
    figuresOf(figures),
  );
  return { root: el('li', { class: `history-item history-${isAlert ? 'alert' : 'said'}` }, moment(at), body) };
}

const moment = (at) => el('time', { class: 'history-time number', datetime: at }, second(at).replace(' UTC', ''));

/** The figures that decided. */
function figuresOf(figures) {
  if (figures.length === 0) return null;
  return el(
    'details',
    { class: 'history-figures' },
    el('summary', {}, plural(figures.length, 'figure')),
    el(
      'ul',
      {},
      figures.map((figure) => el('li', {}, figure)),
    ),
  );
}
