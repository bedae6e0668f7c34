// The server's clock in milliseconds, as the console estimates it. It moves once a second.
export const initial = 0;

export const reduce = (now, event) => (event.type === 'clock' ? event.now : now);
