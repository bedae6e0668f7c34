// Guardrails, the gates of the current stage, the sample ratio and problems: each with its verdict, in
// a sentence, and its figures.
import { el, keyed, setHidden, setText } from '../../parts/dom.js';
import { verdict } from '../../parts/verdict.js';
import { actedOf, lastMove, position } from '../../text/rollout.js';
import { second } from '../../text/time.js';
import { MEANINGS } from '../../text/words.js';

const TRIGGERED = { rollback: 'rollback', kill: 'kill', pause: 'pause' };

export function mount(root) {
  const guardrails = group('guardrail', 'Guardrails', 'They act automatically when their condition comes true.');
  const gates = group('gate', 'Gates', '');
  const ratio = group('ratio', 'Sample ratio', 'Whether as many users are on new as the percentage says.');
  const past = group(
    'past',
    'Own past',
    'With nobody on legacy: whether new is as it was at this time of day. It alerts, and rolls nothing back.',
  );
  const words = meanings();
  const none = el('p', { class: 'muted' }, 'This plan has neither guardrails nor gates: only its operators watch it.');
  root.append(guardrails.root, gates.root, ratio.root, past.root, none, words);

  return {
    update({ rollout: { view }, history, now }) {
      const stage = view.stages[position(view)];
      const isGated = stage && !['draft', 'rolled_back', 'completed'].includes(view.state.phase);
      const last = lastMove(history.entries);
      const acted = actedOf(view, last);
      const { killed } = view.state;
      guardrails.update(
        view.guardrails.map((guardrail, index) => guardrailRow(guardrail, index, guardrail === acted && last)),
        now,
      );
      gates.update(
        isGated ? stage.gates.map((gate, index) => gateRow(gate, `${stage.name} ${index}`, killed)) : [],
        now,
      );
      setText(
        gates.lead,
        killed ? 'Killed: 0 % on new, and nothing advances.' : `They must be met before ${stage?.name} is left.`,
      );
      ratio.update(view.sample_ratio ? [{ id: 'ratio', ...view.sample_ratio, condition: 'users on new' }] : [], now);
      past.update(
        (view.own_past ?? []).map((own) => ({
          id: own.figures[0]?.metric,
          ...own,
          condition: own.figures[0]?.metric,
          then: '→ alert',
        })),
        now,
      );
      const isWatched = view.guardrails.length > 0 || view.stages.some((one) => one.gates.length > 0);
      setHidden(none, isWatched);
      setHidden(words, !isWatched);
    },
    unmount() {},
  };
}

/** What makes the figures worth less; hidden while that is nothing. */
export function mountProblems(root) {
  const list = el('ul', { class: 'verdicts' });
  root.append(el('p', { class: 'muted small' }, 'They make the figures worth less.'), list);
  const update = keyed(
    list,
    ({ id }) => id,
    () => verdict('problem'),
  );
  return {
    update({ rollout: { view }, now }) {
      const found = (view.problems ?? []).filter(({ is_found: isFound }) => isFound);
      setHidden(root, found.length === 0);
      update(found.map(problemRow), now);
    },
    unmount() {},
  };
}

/** `change` is the last one, where that was its doing. */
function guardrailRow(guardrail, index, change) {
  const { when, then, stages, text, built_in: isBuiltIn, mode, acts, observed_at: observedAt } = guardrail;
  const acted = change && {
    hasActed: true,
    text: `This guardrail triggered the ${TRIGGERED[change.command.command] ?? 'last change'} at ${second(change.at)}. Now: ${text}`,
  };
  const observes = mode === 'observe';
  const observed = observedAt && { text: `This ${acts} at ${second(observedAt)}: it only observes. Now: ${text}` };
  return {
    id: `${index} ${when}`,
    ...guardrail,
    ...observed,
    ...acted,
    condition: when,
    then: `→ ${then}${stages?.length ? `, in ${stages.join(', ')}` : ''}${isBuiltIn ? ', built in' : ''}${observes ? ', observes only' : ''}`,
  };
}

/** A problem that there is. */
const problemRow = ({ on, then, text, since }) => ({
  id: on,
  condition: on,
  then: `→ ${then}`,
  verdict: 'fail',
  text,
  since,
});

/** Verdicts from before a kill say nothing of now. */
const gateRow = ({ condition, built_in: isBuiltIn, ...gate }, place, isOff) => ({
  id: `${place} ${condition}`,
  condition,
  then: isBuiltIn ? 'built in' : '',
  isOff,
  ...(isOff ? {} : gate),
});

const meanings = () =>
  el(
    'details',
    { class: 'meanings small' },
    el('summary', {}, 'What the words mean'),
    el(
      'dl',
      {},
      MEANINGS.map(([word, meaning]) => [el('dt', {}, word), el('dd', {}, meaning)]),
    ),
  );

function group(kind, title, text) {
  const lead = el('p', { class: 'muted small' }, text);
  const list = el('ul', { class: 'verdicts' });
  const root = el('div', { class: 'verdict-group' }, el('h3', {}, title), lead, list);
  const update = keyed(
    list,
    ({ id }) => id,
    () => verdict(kind),
  );
  return {
    root,
    lead,
    update(items, now) {
      setHidden(root, items.length === 0);
      update(items, now);
    },
  };
}
