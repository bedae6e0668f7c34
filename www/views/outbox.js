// Messages out: the channels and whether they work, what waits or was given up with what it failed over, and what was
// sent lately.
import { el, keyed, replaceFor, setAttr, setHidden, setText } from '../parts/dom.js';
import { badge, note } from '../parts/small.js';
import { messagesOf } from '../state/outbox.js';
import { rolloutHash } from '../state/route.js';
import { isOperator } from '../state/session.js';
import { plural } from '../text/numbers.js';
import { ago, time, until } from '../text/time.js';
import { messageKind } from '../text/words.js';

/** @import { Dispatch } from '../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const summary = el('p', { class: 'muted', 'aria-live': 'polite' });
  const again = el(
    'button',
    { type: 'button', class: 'button', onclick: () => dispatch({ type: 'sendAgain', id: '*' }) },
    'Send all again',
  );
  const failed = el('div');
  const channels = part('Channels', 'outbox-channels');
  const open = part('Waiting and given up', 'outbox-open');
  const sent = part('Sent lately', 'outbox-sent');
  root.append(
    el(
      'div',
      { class: 'list-head' },
      el('div', {}, el('h1', { tabindex: '-1' }, 'Messages'), summary),
      el('div', { class: 'list-actions' }, again),
    ),
    el('div', { class: 'stack-wide' }, failed, channels.root, open.root, sent.root),
  );
  const updateChannels = keyed(channels.list, channelKey, () => createChannel(dispatch));
  const updateOpen = keyed(
    open.list,
    ({ id }) => id,
    () => createMessage(dispatch),
  );
  const updateSent = keyed(
    sent.list,
    ({ id }) => id,
    () => createMessage(dispatch),
  );

  return {
    update(state) {
      const { outbox, now } = state;
      const messages = messagesOf(outbox);
      const context = { now, busy: outbox.busy, isOperator: isOperator(state) };
      const dead = messages.open.filter((message) => message.state === 'dead').length;
      setText(summary, shown(outbox.view, messages.open.length - dead, dead));
      setHidden(again, !context.isOperator || messages.open.every(({ tries }) => tries === 0));
      setAttr(again, 'aria-disabled', String(outbox.busy !== null));
      replaceFor(failed, outbox.problem?.detail ?? '', () =>
        outbox.problem
          ? note('warn', 'The messages could not be fetched.', el('p', {}, `${outbox.problem.detail}.`))
          : [],
      );
      updateChannels(outbox.view?.channels ?? [], context);
      updateOpen(messages.open, context);
      updateSent(messages.sent, context);
      const isKnown = outbox.view !== null;
      channels.update(isKnown, outbox.view?.channels.length, 'No plan has a channel, so messages go nowhere.');
      open.update(isKnown, messages.open.length, 'Nothing waits, and nothing was given up.');
      sent.update(isKnown, messages.sent.length, 'Nothing was sent in the last days.');
    },
    unmount() {},
  };
}

const channelKey = ({ channel, rollouts }) => `${channel} ${rollouts.join(' ')}`;

function shown(view, waiting, dead) {
  if (view === null) return 'Loading …';
  return `${plural(waiting, 'message waits', 'messages wait')}, ${dead === 0 ? 'none was' : plural(dead, 'was', 'were')} given up`;
}

function part(title, id) {
  const list = el('ul', { class: 'outbox-list' });
  const empty = el('p', { class: 'muted' });
  return {
    list,
    root: el('section', { class: 'card', 'aria-labelledby': id }, el('h2', { id }, title), empty, list),
    update(isKnown, count, text) {
      setText(empty, isKnown ? text : 'Loading …');
      setHidden(empty, count > 0);
      setHidden(list, !count);
    },
  };
}

/** @param {Dispatch} dispatch */
function createChannel(dispatch) {
  let current;
  const name = el('b', {});
  const kind = el('span', { class: 'muted' });
  const state = badge();
  const detail = el('p', { class: 'small muted' });
  const fault = el('p', { class: 'small outbox-error' });
  const button = el(
    'button',
    {
      type: 'button',
      class: 'button small',
      onclick: () => dispatch({ type: 'testChannel', channel: current.channel, rollout: current.rollouts[0] }),
    },
    'Send a test',
  );
  return {
    root: el(
      'li',
      { class: 'outbox-item' },
      el('div', { class: 'outbox-text' }, el('p', {}, name, ' ', kind, ' ', state.root), detail, fault),
      button,
    ),
    update(channel, { now, busy, isOperator: may }) {
      current = channel;
      setText(name, channel.channel);
      setText(kind, channel.kind ?? '');
      state.update(stateOf(channel));
      const waits =
        channel.waiting > 0 ? `${plural(channel.waiting, 'message waits', 'messages wait')}` : 'nothing waits';
      const oldest = channel.oldest ? `, the oldest since ${ago(channel.oldest, now)}` : '';
      const of = channel.rollouts.length > 0 ? `Of ${channel.rollouts.join(', ')}: ` : '';
      setText(
        detail,
        `${of}${waits}${oldest}; ${channel.sent} sent, ${channel.failed} tries failed, ${channel.dead} given up`,
      );
      setText(fault, channel.fault ?? '');
      setHidden(fault, !channel.fault);
      setHidden(button, !may || channel.rollouts.length === 0);
      setText(button, busy === `channel ${channel.channel}` ? 'Sending …' : 'Send a test');
      setAttr(button, 'aria-label', `Send a test to ${channel.channel}`);
    },
  };
}

function stateOf({ is_dead: isDead, fault, error }) {
  if (isDead) return { icon: 'fail', word: 'Dead', tone: 'bad' };
  if (fault || error) return { icon: 'warning', word: 'Failing', tone: 'warn' };
  return { icon: 'pass', word: 'Works', tone: 'good' };
}

/** @param {Dispatch} dispatch */
function createMessage(dispatch) {
  let current;
  const headline = el('p', {});
  const about = el('p', { class: 'small muted' });
  const rollout = el('a', {});
  const rest = el('span', {});
  about.append(rollout, rest);
  const error = el('p', { class: 'small outbox-error' });
  const state = badge();
  const button = el(
    'button',
    { type: 'button', class: 'button small', onclick: () => dispatch({ type: 'sendAgain', id: current.id }) },
    'Send again',
  );
  return {
    root: el(
      'li',
      { class: 'outbox-item' },
      el('div', { class: 'outbox-text' }, headline, about, error),
      state.root,
      button,
    ),
    update(message, { now, busy, isOperator: may }) {
      current = message;
      setText(headline, message.headline);
      setText(rollout, message.rollout);
      const entry = message.revision === undefined ? '' : `/history/${message.revision}`;
      setAttr(rollout, 'href', `${rolloutHash(message.rollout)}${entry}`);
      const folded = message.folded > 1 ? `, ${message.folded} in one` : '';
      setText(rest, ` · ${messageKind(message.kind)} to ${message.channel}${folded} · ${ago(message.at, now)}`);
      setAttr(about, 'title', time(message.at));
      setText(error, message.error ?? '');
      setHidden(error, !message.error);
      state.update(progressOf(message, now));
      setHidden(button, !may || message.state === 'sent' || message.tries === 0);
      setText(button, busy === message.id ? 'Sending …' : 'Send again');
    },
  };
}

function progressOf({ state, tries, next_try: next, held_until: held }, now) {
  if (state === 'sent') return { icon: 'pass', word: 'Sent', tone: 'good' };
  if (state === 'dead') return { icon: 'fail', word: 'Given up', tone: 'bad' };
  if (tries === 0 && held) return { icon: 'clock', word: `Held back, sent ${until(held, now)}`, tone: 'calm' };
  if (tries === 0) return { icon: 'clock', word: 'Waiting', tone: 'calm' };
  return { icon: 'warning', word: `Next try ${until(next, now)}`, tone: 'warn' };
}
