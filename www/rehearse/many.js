// The same with other seeds: one life may be luck. In the background, and it says how sure it is.

import { el, replaceFor, setHidden, setText } from '../parts/dom.js';
import { bar, icon } from '../parts/small.js';
import { MANY } from '../state/rehearse.js';
import { count, plural } from '../text/numbers.js';
import { hours, OUTCOMES, rateLine } from '../text/rehearse.js';

/** @import { RehearseDispatch } from '../state/rehearse-events.js' */

/** @param {RehearseDispatch} dispatch */
export function mount(root, dispatch) {
  const lead = el(
    'p',
    { class: 'muted' },
    `A single run may be luck. ${MANY} runs with other seeds show how often each outcome occurs.`,
  );
  const button = el('button', {
    type: 'button',
    class: 'button small',
    onclick: () => dispatch({ type: isRunning ? 'stopMany' : 'runMany' }),
  });
  const own = bar('run-bar');
  const shown = el('p', { class: 'small number' });
  const progress = el('div', { class: 'run-progress' }, shown, own.root);
  const live = el('p', { class: 'visually-hidden', role: 'status' });
  const list = el('ul', { class: 'rates' });
  root.append(lead, el('p', {}, button), progress, live, list);
  let isRunning = false;

  return {
    update({ run, many }) {
      setHidden(root, !run?.report || run.status !== 'done');
      isRunning = many?.status === 'running';
      setText(button, isRunning ? 'Stop' : many ? `Run ${MANY} seeds again` : `Run ${MANY} seeds`);
      setHidden(progress, !many);
      setText(shown, many ? progressOf(many) : '');
      own.update(many ? many.fates.length / many.wanted : 0, 'accent');
      setText(live, many && !isRunning ? progressOf(many) : '');
      const [summary] = many?.summary ?? [];
      setHidden(list, !summary);
      replaceFor(list, summary && JSON.stringify(summary), () => summary?.outcomes.map(row));
    },
    unmount() {},
  };
}

function progressOf({ status, fates, wanted, problem }) {
  if (status === 'failed') return `The runs have failed: ${problem}`;
  if (status === 'running') return `${count(fates.length)} of ${count(wanted)} runs`;
  return status === 'stopped' ? `Stopped after ${plural(fates.length, 'run')}` : plural(fates.length, 'run');
}

function row(rate) {
  const { word, icon: name, tone } = OUTCOMES[rate.outcome];
  const noticed = rate.requests_until_detection;
  const facts = [
    `after ${hours(rate.at_hours.median)} (${hours(rate.at_hours.p90)})`,
    `${plural(rate.subjects_exposed.median, 'user')} on new (${count(rate.subjects_exposed.p90)})`,
    `${plural(rate.requests_failed.median, 'failed request')} (${count(rate.requests_failed.p90)})`,
    noticed && `detected after ${plural(noticed.median, 'request')} to new (${count(noticed.p90)})`,
  ];
  const share = bar('rate-bar');
  share.update(rate.rate, tone);
  return el(
    'li',
    { class: 'rate', 'data-tone': tone },
    el('p', { class: 'rate-head' }, icon(name), el('b', {}, word), el('span', { class: 'number' }, rateLine(rate))),
    share.root,
    el('p', { class: 'muted small number' }, `Median (p90): ${facts.filter(Boolean).join(', ')}.`),
  );
}
