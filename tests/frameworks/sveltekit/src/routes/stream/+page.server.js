const SLOW_MS = 700;

export function load() {
  return { fast: 'at once', slow: new Promise((resolve) => setTimeout(resolve, SLOW_MS, 'in the end')) };
}
