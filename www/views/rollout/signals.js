// Signals: facts from outside. Each with its last value, where and when it came from, and what is wrong with its
// source; and the receivers that other tools deliver to.
import { el, replaceFor, setHidden } from '../../parts/dom.js';
import { ago } from '../../text/time.js';
import { sentence } from '../../text/words.js';

/** @import { ReceiverState, SignalState } from '../../../types/api.js' */

/** Ages change all the time; so often is enough for them. */
const AGE_MS = 5_000;

export function mount(root) {
  const signals = el('ul', { class: 'signals' });
  const receivers = el('ul', { class: 'signals' });
  const heading = el('h3', {}, 'Receivers');
  root.append(signals, heading, receivers);
  return {
    update({ rollout: { view }, now }) {
      const [own, from] = [view.signals ?? [], view.receivers ?? []];
      setHidden(root, own.length + from.length === 0);
      for (const part of [heading, receivers]) setHidden(part, from.length === 0);
      const tick = Math.floor(now / AGE_MS);
      replaceFor(signals, JSON.stringify([own, tick]), () => own.map((signal) => signalRow(signal, now)));
      replaceFor(receivers, JSON.stringify([from, tick]), () => from.map((receiver) => receiverRow(receiver, now)));
    },
    unmount() {},
  };
}

const SOURCES = { prometheus: 'from Prometheus', json: 'from JSON', reported: '' };

/** @param {SignalState} signal */
function signalRow({ name, kind, source, receiver, description, value, at, is_stale: isStale, error }, now) {
  const from = source === 'receiver' && receiver ? `from ${receiver}` : SOURCES[source];
  const when = at === undefined ? 'never reported' : ago(at, now);
  const unit = kind === 'count' ? ' counted' : '';
  return el(
    'li',
    { class: error || isStale ? 'signal is-wrong' : 'signal', title: description },
    el('code', {}, name),
    el('span', { class: 'signal-value' }, value === undefined ? '–' : `${value}${unit}`),
    el('span', { class: 'muted small' }, [when, from, isStale && 'counts no more'].filter(Boolean).join(', ')),
    error && el('p', { class: 'signal-error small' }, sentence(error)),
  );
}

/** @param {ReceiverState} receiver */
function receiverRow({ kind, path, heartbeat, last_at: lastAt, is_silent: isSilent, firing }, now) {
  const last = lastAt === undefined ? 'nothing has arrived' : `last ${ago(lastAt, now)}`;
  const alive = heartbeat && `expected every ${heartbeat}`;
  return el(
    'li',
    { class: isSilent ? 'signal is-wrong' : 'signal' },
    el('code', {}, path),
    el('span', { class: 'signal-value' }, firing > 0 ? `${firing} firing` : ''),
    el('span', { class: 'muted small' }, [kind, last, alive].filter(Boolean).join(', ')),
  );
}
