// All rollouts, as the server lists them, and the faults of the deployment as a whole.
export const initial = { items: null, faults: [], plans: null, at: null, filter: '' };

export function reduce(list, event) {
  switch (event.type) {
    case 'rollouts':
      if (event.sentAt < list.at) return list;
      return { ...list, items: event.items, faults: event.faults, plans: event.plans, at: event.at };
    case 'rollout':
      if (!list.items?.some(({ key }) => key === event.key)) return list;
      return { ...list, items: list.items.map((item) => (item.key === event.key ? event.view : item)) };
    case 'filter':
      return { ...list, filter: event.text };
    case 'noSession':
    case 'sessionEnded':
      return initial;
    default:
      return list;
  }
}
