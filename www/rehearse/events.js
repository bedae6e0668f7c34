// What happened in a run, in order, each with the figures that it rests on.

import { el, keyed, setText } from '../parts/dom.js';
import { coded, icon } from '../parts/small.js';
import { percent, plural } from '../text/numbers.js';
import { EVENT_ICONS, elapsed, eventWord } from '../text/rehearse.js';
import { sentence } from '../text/words.js';

export function mount(root) {
  const title = el('h3', {}, 'Events');
  const list = el('ol', { class: 'life-events' });
  root.append(title, list);
  const update = keyed(
    list,
    ({ place }) => place,
    ({ event }) => ({ root: row(event) }),
  );
  let shown = null;
  return {
    update(run) {
      if (run.events === shown) return;
      if (shown === null || run.events.length === 0 || run.events[0] !== shown[0]) update([]);
      shown = run.events;
      setText(title, plural(run.events.length, 'event'));
      update(run.events.map((event, place) => ({ event, place })));
    },
  };
}

function row(event) {
  const [name, tone] = EVENT_ICONS[event.kind];
  const figures = event.figures.filter((figure) => !event.text.includes(figure));
  return el(
    'li',
    { class: 'life-event', 'data-tone': tone },
    el('span', { class: 'life-event-at number' }, elapsed(event.at_ms)),
    icon(name),
    el(
      'div',
      { class: 'life-event-text' },
      el(
        'p',
        {},
        el('b', {}, eventWord(event)),
        el('span', { class: 'muted' }, ` · ${event.stage}, `),
        el('span', { class: 'muted number' }, percent(event.percentage)),
      ),
      event.text &&
        el(
          'p',
          { class: 'small' },
          event.kind === 'scenario' ? el('code', {}, event.text) : coded(sentence(event.text)),
        ),
      figures.length > 0 &&
        el(
          'ul',
          { class: 'life-figures' },
          figures.map((figure) => el('li', { class: 'small muted' }, figure)),
        ),
    ),
  );
}
