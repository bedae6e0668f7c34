// Shadow traffic: what copies of legacy's requests have shown of new since the stage began, and samples of answers that
// differ. Paths and what kind of answer each was; no bodies.
import { el, replaceFor, setHidden } from '../../parts/dom.js';
import { milliseconds, percent, plural, share } from '../../text/numbers.js';
import { ago } from '../../text/time.js';

/** @import { Shadow, ShadowAnswer, ShadowSample } from '../../../types/api.js' */

/** Ages change all the time; so often is enough for them. */
const AGE_MS = 5_000;

export function mount(root) {
  const facts = el('div', { class: 'stack' });
  const samples = el('ul', { class: 'signals' });
  const heading = el('h3', {}, 'Answers that differ');
  root.append(facts, heading, samples);
  return {
    update({ rollout: { view }, now }) {
      const own = view.shadow;
      setHidden(root, !own);
      if (!own) return;
      const all = own.samples ?? [];
      for (const part of [heading, samples]) setHidden(part, all.length === 0);
      const tick = Math.floor(now / AGE_MS);
      replaceFor(facts, JSON.stringify({ ...own, samples: undefined }), () => lines(own));
      replaceFor(samples, JSON.stringify([all, tick]), () => all.map((sample) => row(sample, now)));
    },
    unmount() {},
  };
}

/** @param {Shadow} shadow */
function lines(shadow) {
  const now =
    shadow.share > 0
      ? `${percent(shadow.share)} of the requests on legacy are copied to new.`
      : 'Nothing is copied to new now.';
  if (shadow.copies === 0) return [el('p', {}, now), el('p', { class: 'muted' }, 'No copy in this stage yet.')];
  const [legacy, own] = [shadow.latency_ms_legacy, shadow.latency_ms_new].map((ms) =>
    ms === undefined || ms === null ? '–' : milliseconds(ms),
  );
  const figures = [
    ['Answered otherwise', share(shadow.mismatch_rate ?? 0)],
    ['Failed on new', share(shadow.error_rate ?? 0)],
    ['Latency p95', `${own} on new, ${legacy} on legacy`],
  ];
  return [
    el('p', {}, now),
    el('p', { class: 'muted' }, `${plural(shadow.copies, 'copy', 'copies')} since the stage began.`),
    el(
      'ul',
      { class: 'signals' },
      figures.map(([name, value]) =>
        el('li', { class: 'signal' }, el('span', {}, name), el('span', { class: 'signal-value' }, value)),
      ),
    ),
  ];
}

/** @param {ShadowSample} sample */
function row({ path, differences, place, at, legacy, new: own }, now) {
  const sides = `legacy ${answer(legacy)}, new ${answer(own)}`;
  return el(
    'li',
    { class: 'signal' },
    el('code', {}, path),
    el('span', { class: 'signal-value' }, differences.map((name) => WORDS[name] ?? name).join(', ')),
    el('span', { class: 'muted small' }, [sides, place && `at ${place}`, ago(at, now)].filter(Boolean).join(', ')),
  );
}

const WORDS = {
  no_answer: 'no answer',
  status: 'status',
  type: 'type',
  redirect: 'redirect',
  size: 'size',
  json: 'shape of JSON',
  title: 'title',
  landmarks: 'parts of the page',
  links: 'links',
  assets: 'a script or style sheet is missing',
};

/** @param {ShadowAnswer} answer */
const answer = ({ status, type, title }) =>
  status === undefined || status === null
    ? 'nothing'
    : [status, type, title && `title ${title}`].filter((part) => part !== undefined).join(' ');
