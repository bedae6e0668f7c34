// The rollout that is open. `view` is the API's Rollout, `at` when it was received, `problem` why
// there is none: `view` with `problem` is one that has disappeared.
export const initial = { key: null, view: null, etag: null, at: null, problem: null };

export function reduce(rollout, event, state) {
  switch (event.type) {
    case 'route':
      return event.key === rollout.key ? rollout : opened(event.key, state);
    case 'rollout':
      if (event.key !== rollout.key || event.sentAt < rollout.at) return rollout;
      return { ...rollout, view: event.view, etag: event.etag, at: event.at, problem: null };
    case 'noRollout':
      return event.key === rollout.key ? { ...rollout, problem: event.problem } : rollout;
    case 'noSession':
    case 'sessionEnded':
      return { ...initial, key: rollout.key };
    default:
      return rollout;
  }
}

/** What the list knows of it is shown until the server has answered. */
function opened(key, { rollouts }) {
  const view = rollouts.items?.find((item) => item.key === key) ?? null;
  return { ...initial, key, view, etag: view && `"${view.state.revision}"`, at: view && rollouts.at };
}
