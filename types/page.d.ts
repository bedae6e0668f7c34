// What a page has beside the DOM.

/** A message that the site shows to its user. */
interface PageMessage {
  id: string;
  rollout: string;
  kind: 'preview' | 'launch' | 'incident';
  title: string;
  text: string;
  link?: string;
  /** It does not come again. */
  dismiss(): void;
}

interface Beacon {
  rollouts: { rollout: string; variant: string; stage: string }[];
  /** What this page was given to show. */
  messages: PageMessage[];
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
