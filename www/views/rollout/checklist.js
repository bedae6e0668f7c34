// The checklist that counts now, the messages that people were handed to send, and the remarks of the plan. A tick is the
// command `approve`, with a reason; what is ticked says by whom.
import { el, keyed, replaceFor, setHidden, setText } from '../../parts/dom.js';
import { icon } from '../../parts/small.js';
import { isOperator } from '../../state/session.js';
import { plural } from '../../text/numbers.js';
import { ago } from '../../text/time.js';

/** @import { Dispatch } from '../../state/events.js' */
/** @import { Item } from '../../../types/api.js' */

const BEFORE = { start: 'Before it starts', stage: 'Before it leaves this stage', rollback: 'Before it is resumed' };

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const lead = el('p', { class: 'muted small' });
  const list = el('ul', { class: 'checklist' });
  root.append(lead, list);
  const update = keyed(
    list,
    ({ item }) => item,
    (item) => row(item, dispatch),
  );

  return {
    update(state) {
      const { view, problem } = state.rollout;
      const items = view.checklist?.items ?? [];
      const messages = view.to_send ?? [];
      setHidden(root, items.length + messages.length === 0);
      if (items.length + messages.length === 0) return;
      const done = items.filter(({ approved }) => approved).length;
      const unsent = messages.filter(({ approved }) => !approved).length;
      setText(
        lead,
        [
          items.length && `${BEFORE[view.checklist.of]}: ${done} of ${items.length} done`,
          messages.length && `${unsent} of ${plural(messages.length, 'message')} to be sent; nothing waits for them`,
        ]
          .filter(Boolean)
          .join('. '),
      );
      update([...items, ...messages], state.now, isOperator(state) && !problem && view.commands.includes('approve'));
    },
    unmount() {},
  };
}

/**
 * @param {Item} item
 * @param {Dispatch} dispatch
 */
function row({ item }, dispatch) {
  const by = el('span', { class: 'muted small' });
  const mark = el('span', { class: 'check-mark' });
  const button = el(
    'button',
    {
      type: 'button',
      class: 'button small',
      'aria-label': `Approve: ${item}`,
      onclick: () => dispatch({ type: 'ask', command: 'approve', item }),
    },
    'Approve…',
  );
  const root = el('li', {}, mark, el('span', { class: 'check-text' }, el('span', {}, item), by), button);
  return {
    root,
    update(shown, now, isAllowed) {
      const { approved } = shown;
      replaceFor(mark, String(Boolean(approved)), () =>
        approved
          ? [icon('pass'), el('span', { class: 'visually-hidden' }, 'Done: ')]
          : el('span', { class: 'visually-hidden' }, 'Open: '),
      );
      root.dataset.done = String(Boolean(approved));
      const said = about(shown, now);
      setText(by, said);
      setHidden(by, said === '');
      setHidden(button, Boolean(approved) || !isAllowed);
    },
  };
}

/** Who has ticked it and when; while it is open, who is to, by when, and where to look. */
function about({ approved, approvals = [], needed, owner, role, due, note }, now) {
  const by = ({ by: name, at }) => `${name}, ${ago(at, now)}`;
  if (approved) return (needed ? approvals : [approved]).map(by).join('; ');
  return [
    needed &&
      `${approvals.length} of ${needed} people${approvals.length > 0 ? `: ${approvals.map(by).join('; ')}` : ''}`,
    role && `only ${role} may approve it`,
    owner && `owner: ${owner}`,
    due && `due: ${due}`,
    note,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** Remarks of the plan for operators, and when nothing advances. */
export function mountNotes(root) {
  const list = el('ul', { class: 'notes' });
  root.append(list);
  return {
    update({ rollout: { view } }) {
      const notes = [
        ...(view.notes ?? []),
        ...(view.freeze ?? []).map((window) => `Nothing advances ${window}.`),
        ...(view.after?.length ? [`Waits until ${view.after.join(', ')} has ended.`] : []),
      ];
      setHidden(root, notes.length === 0);
      replaceFor(list, notes.join('\n'), () => notes.map((text) => el('li', {}, text)));
    },
    unmount() {},
  };
}
