// What is wrong with the rollout's configuration: what, where, since when, and the way out. The last
// good value stays in force meanwhile, so nothing here is lost in silence.
import { el, replaceFor, setHidden } from '../../parts/dom.js';
import { icon } from '../../parts/icon.js';
import { time } from '../../text/time.js';
import { sentence } from '../../text/words.js';

export function mount(root) {
  return {
    update({ rollout: { view } }) {
      const { faults, kill_key, key } = view;
      setHidden(root, faults.length === 0 && !kill_key);
      replaceFor(root, JSON.stringify([kill_key, faults]), () => [
        kill_key && killed(kill_key),
        ...faults.map(({ subject, message, at }) =>
          panel(subject, `${sentence(message)} Seen ${time(at)}.`, ...wayOut(subject, key)),
        ),
      ]);
    },
  };
}

const killed = (key) =>
  panel(
    `${key} stands in KV`,
    'While the key is there, all traffic goes to legacy, and a revive is refused.',
    `npx wrangler kv key delete --remote --binding ROLLOUTS '${key}'`,
    'Only deleting it ends the kill:',
  );

function panel(subject, text, command, way) {
  return el(
    'section',
    { class: 'fault', 'aria-label': `Fault: ${subject}` },
    el('h2', {}, icon('warning'), el('span', {}, 'Fault: '), el('code', {}, subject.replaceAll('`', ''))),
    el('p', {}, text),
    way && el('p', {}, way),
    command && el('pre', { class: 'way-out' }, el('code', {}, command)),
  );
}

/** A command that mends it, and what to say before it. */
function wayOut(subject, key) {
  const kind = subject.replace(/^`/, '').split('/')[0];
  return (
    WAYS[kind]?.(subject.replaceAll('`', ''), key) ?? [null, 'The last good value stays in force until this is fixed.']
  );
}

const WAYS = {
  signal: () => [
    null,
    'Its conditions are inconclusive meanwhile, and no pass. Look at the source that the plan names.',
  ],
  receiver: () => [
    null,
    'Its signals are inconclusive meanwhile, and no pass. Look whether the tool runs, and sends with the right secret.',
  ],
  stage: (subject) => [
    `npx wrangler kv key delete --remote --binding ROLLOUTS '${subject}'`,
    'The last good state stays in force. Write a percentage or `off` there, or delete it: the controller writes it again.',
  ],
  plans: () => [
    'tidegate check PLAN.toml && tidegate apply PLAN.toml',
    'The last good plan stays in force. Check the plan, which names the line, and apply it again:',
  ],
  group: (subject) => [
    `tidegate group ${subject.slice('group/'.length)} < ids.txt`,
    'The last good list stays in force; where there is none, nobody is in the group. Write it again:',
  ],
};
