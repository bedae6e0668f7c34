// Which side one subject gets, and why. The server decides; it is asked again whenever the rollout has
// changed, so that the answer on the screen is the one that holds.
import { el, setAttr, setHidden, setText, svg } from '../../parts/dom.js';
import { placeOf } from '../../state/explain.js';
import { percent } from '../../text/numbers.js';
import { sentence } from '../../text/words.js';

/** @import { Dispatch } from '../../state/events.js' */

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const input = el('input', {
    id: 'explain-id',
    class: 'input',
    name: 'id',
    type: 'text',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    'aria-describedby': 'explain-help',
  });
  const ask = (event) => {
    event.preventDefault();
    dispatch({ type: 'explain', id: input.value.trim() });
    if (input.value.trim() === '') input.focus();
  };
  const form = el(
    'form',
    { class: 'explain-form', onsubmit: ask },
    el('label', { for: 'explain-id' }, 'Id'),
    el('div', { class: 'explain-row' }, input, el('button', { type: 'submit', class: 'button' }, 'Explain')),
  );
  const help = el(
    'p',
    { class: 'muted small', id: 'explain-help' },
    'As the plan’s identity reads it: a user id, or the value of a cookie. Groups by header, cookie, claim or country are not evaluated here.',
  );
  const answer = createAnswer();
  const problem = el('p', { class: 'explain-problem' });
  root.append(form, help, el('div', { class: 'explain-result', role: 'status' }, answer.root, problem));

  return {
    update({ explain, rollout }) {
      answer.update(explain.answer, rollout.view);
      setText(problem, explain.problem ? [explain.problem.detail, explain.problem.help].map(sentence).join(' ') : '');
      setHidden(problem, !explain.problem);
      setAttr(input, 'aria-invalid', explain.id === '' && explain.problem && 'true');
      setAttr(root, 'aria-busy', String(explain.isAsking));
    },
    unmount() {},
  };
}

function createAnswer() {
  const variant = el('b', { class: 'explain-variant' });
  const id = el('b', { class: 'explain-id' });
  const why = el('span', {});
  const bar = createBar();
  const basis = el('p', { class: 'muted small' });
  const root = el('div', { class: 'explain-answer' }, el('p', {}, id, ' gets ', variant, ': ', why), bar.root, basis);
  return {
    root,
    update(answer, view) {
      setHidden(root, !answer);
      if (!answer) return;
      setText(id, `“${answer.id}”`);
      setText(variant, answer.variant);
      setAttr(variant, 'data-variant', answer.variant);
      setText(why, `${answer.why}.`);
      bar.update(answer, view);
      setText(
        basis,
        `Bucket ${answer.bucket.toLocaleString('en-GB')} of 100,000, in the stage ${answer.stage}, at revision ${answer.revision}.`,
      );
    },
  };
}

/** The percentage as a bar from 0 to 100 %, and on it the subject's place. */
function createBar() {
  const share = svg('rect', { class: 'explain-share', x: 0, y: 8, height: 8, rx: 1 });
  const place = svg('path', { class: 'explain-place' });
  const drawing = svg(
    'svg',
    { class: 'explain-bar', viewBox: '-1 0 102 18', preserveAspectRatio: 'none', role: 'img' },
    svg('rect', { class: 'explain-whole', x: 0, y: 8, width: 100, height: 8, rx: 1 }),
    share,
    place,
  );
  const left = el('span', {});
  const right = el('span', {});
  return {
    root: el('div', { class: 'explain-scale' }, drawing, el('div', { class: 'explain-ends small muted' }, left, right)),
    update(answer, view) {
      const percentage = view?.percentage ?? 0;
      const at = placeOf(answer);
      setAttr(share, 'width', percentage);
      setAttr(place, 'd', `M${at} 17V4M${at - 0.9} 1h1.8L${at} 6z`);
      setText(left, `bucket ${percent(at)}`);
      setText(right, percentage > 0 ? `new: below ${percent(percentage)}` : '0 % on new');
      setAttr(drawing, 'aria-label', `Their bucket is ${percent(at)}, and ${percent(percentage)} of users are on new`);
    },
  };
}
