// All rollouts, as the server lists them, and the faults of the deployment as a whole.

/** @import { ConfigFault, Rollout } from '../../types/api.js' */
/** @import { Event } from './events.js' */
/** @typedef {{ items: Rollout[] | null, faults: ConfigFault[], plans: unknown, at: number | null, filter: string }} List */

/** @type {List} */
export const initial = { items: null, faults: [], plans: null, at: null, filter: '' };

/**
 * @param {List} list
 * @param {Event} event
 * @returns {List}
 */
export function reduce(list, event) {
  switch (event.type) {
    case 'rollouts':
      if (list.at !== null && event.sentAt < list.at) return list;
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
