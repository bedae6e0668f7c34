// What was done just now, in a sentence, until it is dismissed.
export const initial = [];

export function reduce(toasts, event) {
  switch (event.type) {
    case 'toast':
      return [...toasts, { id: event.id, text: event.text, tone: event.tone ?? 'good' }];
    case 'dismiss':
      return toasts.filter(({ id }) => id !== event.id);
    default:
      return toasts;
  }
}
