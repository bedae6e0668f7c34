// The plots of a rollout: over which time, of which endpoint, and a grid of what was measured. What was
// not is listed once, with the way to get it.
import { el, keyed, replaceFor, setAttr, setHidden, setText } from '../../parts/dom.js';
import * as plot from '../../parts/plot.js';
import { chartsOf } from '../../state/charts.js';
import { emptinessOf } from '../../state/missing.js';
import { beginOf } from '../../state/windows.js';
import { ago, time } from '../../text/time.js';

/** @import { Dispatch, Since } from '../../state/events.js' */

/** @type {[Since, string][]} */
const RANGES = [
  ['30m', '30 min'],
  ['2h', '2 h'],
  ['24h', '24 h'],
  ['7d', '7 days'],
  ['90d', '90 days'],
];
const GROUPS = [
  ['server', 'Errors and response time'],
  ['interval', 'New as a multiple of legacy: between what it lies'],
  ['evidence', 'Sequential test: evidence vs. threshold'],
  ['browser', 'In the browser'],
  ['traffic', 'Traffic'],
];
/** Longer than two fetches, also where hours are fetched by the minute. */
const FRESH_MS_MAX = { minute: 25_000, hour: 140_000 };

/** @param {Dispatch} dispatch */
export function mount(root, dispatch) {
  const range = ranges(dispatch);
  const endpoint = endpoints(dispatch);
  const begin = el('span', { class: 'muted small' });
  const stale = el('p', { class: 'plots-stale small', role: 'status' });
  const empty = el('p', { class: 'muted' });
  const groups = el('div', { class: 'plots-groups' });
  const missing = el('div', { class: 'plots-missing' });
  root.append(el('div', { class: 'plots-bar' }, range.root, endpoint.root, begin), stale, empty, groups, missing);
  const updateGroups = keyed(groups, ({ name }) => name, createGroup);
  let drawnOf = [];
  let charts = [];

  return {
    update(state) {
      const { metrics, rollout, history, now } = state;
      range.update(metrics.since);
      tellState({ root, stale, empty, begin }, metrics, rollout.view, now, state.contact.isLost);
      const inputs = [metrics.data, metrics.endpoint, history.entries, rollout.view?.state.revision];
      if (inputs.every((input, index) => input === drawnOf[index])) return;
      drawnOf = inputs;
      const found = chartsOf({ metrics, view: rollout.view, entries: history.entries });
      charts = found.charts;
      endpoint.update(found.endpoints, metrics.endpoint);
      updateGroups(
        GROUPS.map(([name, title]) => ({ name, title, charts: charts.filter(({ group }) => group === name) })).filter(
          (group) => group.charts.length > 0,
        ),
      );
      tellMissing(missing, found.missing);
    },
    unmount() {
      updateGroups([]);
    },
  };
}

function tellState({ root, stale, empty, begin }, { data, at, problem, since }, view, now, isLost) {
  const why = data ? emptinessOf({ data, view }) : problem ? null : 'Loading metrics…';
  setText(empty, why);
  setHidden(empty, !why);
  const isOld = data && (isLost || problem || now - at > FRESH_MS_MAX[data.minutes === 60 ? 'hour' : 'minute']);
  const failed = problem ? ` The metrics could not be loaded: ${problem.detail}.` : '';
  setText(stale, isOld ? `These plots are from ${ago(at, now)}.${failed}` : failed.trim());
  setHidden(stale, stale.textContent === '');
  const first = data && beginOf(data);
  setText(begin, `${first ? `No data before ${time(first, now).replace(' UTC', '')}. ` : ''}Times are UTC.`);
  setAttr(root, 'aria-busy', String(!data && !problem));
  setAttr(root, 'data-since', since);
}

/** @param {Dispatch} dispatch */
function ranges(dispatch) {
  const options = RANGES.map(([since, text]) => {
    const input = el('input', {
      type: 'radio',
      name: 'plots-since',
      value: since,
      class: 'visually-hidden',
      onchange: () => dispatch({ type: 'chooseSince', since }),
    });
    return { since, input, root: el('label', { class: 'plots-range' }, input, el('span', {}, text)) };
  });
  return {
    root: el(
      'fieldset',
      { class: 'plots-ranges' },
      el('legend', { class: 'visually-hidden' }, 'Time shown, until now'),
      options.map((option) => option.root),
    ),
    update(since) {
      for (const option of options) option.input.checked = option.since === since;
    },
  };
}

/** @param {Dispatch} dispatch */
function endpoints(dispatch) {
  const select = el('select', {
    class: 'input',
    onchange: () => dispatch({ type: 'chooseEndpoint', endpoint: select.value || null }),
  });
  const label = el('label', { class: 'plots-endpoint' }, el('span', {}, 'Endpoint'), select);
  label.hidden = true;
  return {
    root: label,
    update(names, chosen) {
      const wanted = chosen && !names.includes(chosen) ? [...names, chosen] : names;
      setHidden(label, wanted.length === 0);
      replaceFor(select, wanted.join(' '), () => [
        el('option', { value: '' }, 'all'),
        wanted.map((name) => el('option', { value: name }, name)),
      ]);
      if (select.value !== (chosen ?? '')) select.value = chosen ?? '';
    },
  };
}

function createGroup({ title }) {
  const grid = el('div', { class: 'plots-grid' });
  const updatePlots = keyed(grid, ({ id }) => id, createPlot);
  const root = el('div', { class: 'plots-group' }, el('h3', {}, title), grid);
  return { root: withRemoval(root, () => updatePlots([])), update: ({ charts }) => updatePlots(charts) };
}

function createPlot() {
  const root = el('div', { class: 'plots-cell' });
  const view = plot.mount(root);
  return { root: withRemoval(root, view.unmount), update: view.update };
}

/** `keyed` removes elements; what hangs on them ends with that. */
function withRemoval(root, ended) {
  root.remove = () => {
    ended();
    Element.prototype.remove.call(root);
  };
  return root;
}

function tellMissing(root, missing) {
  setHidden(root, missing.length === 0);
  replaceFor(root, JSON.stringify(missing), () => [
    el('h3', {}, 'Not measured yet'),
    el(
      'ul',
      { class: 'plots-missing-list' },
      missing.map(({ what, how, code }) =>
        el('li', {}, el('p', {}, what), el('p', { class: 'muted' }, how, code && [' ', el('code', {}, code)])),
      ),
    ),
  ]);
}
