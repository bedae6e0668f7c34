// What a page has beside the DOM.
interface Beacon {
  rollouts: { rollout: string; variant: string; stage: string }[];
  rollout?: string;
  variant?: string;
  stage?: string;
  time(name: string, ms: number): void;
  value(name: string, number: number): void;
  event(name: string): void;
  view(): void;
}

interface Window {
  tidegate: Beacon;
  trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
}

/** What the beacon puts on the page. */
declare var tidegate: Beacon;
