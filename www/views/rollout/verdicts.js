// Guardrails, the gates of the current stage, and whether the deal was fair: each with its verdict, in
// a sentence, and its figures.
import { el, keyed, setHidden, setText } from '../../parts/dom.js';
import { verdict } from '../../parts/verdict.js';
import { position } from '../../text/rollout.js';

export function mount(root) {
  const guardrails = group('Guardrails', 'They act by themselves when they come true.');
  const gates = group('Gates', '');
  const deal = group('Sample ratio', 'Whether as many subjects are on new as the percentage promises.');
  const none = el('p', { class: 'muted' }, 'This plan has neither guardrails nor gates: nobody but its operators watches it.');
  root.append(guardrails.root, gates.root, deal.root, none);

  return {
    update({ rollout: { view }, history, now }) {
      const stage = view.stages[position(view)];
      const isGated = stage && !['draft', 'rolled_back', 'completed'].includes(view.state.phase);
      guardrails.update(view.guardrails.map((guardrail, index) => asRow(guardrail, index, hasActed(guardrail, history.entries?.[0]))), now);
      gates.update(isGated ? stage.gates.map((item, index) => ({ id: `${stage.name} ${index} ${item.condition}`, ...item })) : [], now);
      setText(gates.lead, isGated ? `They have to pass before ${stage.name} is left.` : '');
      deal.update(view.sample_ratio ? [{ id: 'deal', ...view.sample_ratio, condition: 'subjects on new' }] : [], now);
      setHidden(none, view.guardrails.length > 0 || view.stages.some((one) => one.gates.length > 0));
    },
    unmount() {},
  };
}

/** Whether the last change was this guardrail's doing: its verdict of now says nothing of that. */
const hasActed = ({ when }, entry) => entry?.actor === 'guardrail' && entry.reason.includes(`\`${when}\``);

function asRow(guardrail, index, isActor) {
  const { when, then, stages } = guardrail;
  const acted = isActor && { verdict: 'acted', text: `The last change was its doing; the history has the figures. Now: ${guardrail.text}` };
  return { id: `${index} ${when}`, ...guardrail, ...acted, condition: when, then: `→ ${then}${stages?.length ? `, in ${stages.join(', ')}` : ''}` };
}

function group(title, text) {
  const lead = el('p', { class: 'muted small' }, text);
  const list = el('ul', { class: 'verdicts' });
  const root = el('div', { class: 'verdict-group' }, el('h3', {}, title), lead, list);
  const update = keyed(list, ({ id }) => id, () => verdict());
  return {
    root,
    lead,
    update(items, now) {
      setHidden(root, items.length === 0);
      update(items, now);
    },
  };
}
