// What the tests put on the pages that a browser shows.

/** A script that throws and rejects as it is reported to. */
interface Failing {
  raise(text: string): void;
  refuse(text: string): void;
  say(text: string): void;
  ask(url: string, options?: RequestInit): void;
}

interface Window {
  isTheSame?: boolean;
  isShown?: boolean;
  failed: Promise<string>;
  failedFile: string;
  reports: { js_errors: number }[];
  /** The messages that its listener got. */
  got: { id: string; kind: string; title: string }[];
  /** Of a browser's extension. */
  extended(): void;
}

/** The page's own. */
declare var own: Failing;
/** Of another file. */
declare var widget: Failing;
