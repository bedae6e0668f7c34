// What src/edge/*.js meets: the worker's bindings and the wasm module.

export interface Env {
  ROLLOUTS: KVNamespace;
  CONTROLLER: DurableObjectNamespace<import('../src/edge/controller.js').Controller>;
  ASSETS?: Fetcher;
  /** Files of builds that are gone, beside the cache of each place. */
  ASSETS_KEPT?: R2Bucket;
  CONSOLE_HOST?: string;
  FALLBACK_UPSTREAM?: string;
  /** What a plan names: services and secrets. */
  [binding: string]: unknown;
}

/** What the wasm module exports. Times are in milliseconds since 1970; steps are texts (crates/protocol/src/step.rs). */
export interface Gate {
  fetch(request: Request, env: object): Promise<Response>;
  /** `undefined` for a step that `shape`, `number` and `own` tell, which hold for the last one alone. */
  start(text: Uint8Array, request: Request, env: Env, hasWaited: boolean, nowMs: number): string | undefined;
  number(): number;
  shape(): number;
  shapeText(): string;
  own(): string;
  neededMark(): number;
  isNeeded(isOfRequest: boolean, name: string): number;
  namesOthers(connection: string): boolean;
  prepare(env: Env, text: Uint8Array, request: Request, waitUntil: (promise: Promise<unknown>) => void): Promise<void>;
  answered(number: number, answer: Uint8Array, nowMs: number): string | undefined;
  failed(number: number, why: string, error: string, nowMs: number): string;
  left(number: number, isSent: boolean, nowMs: number): void;
  ended(number: number, isWhole: boolean, page: string | undefined, nowMs: number): void;
  bodiless(number: number, status: number, nowMs: number): void;
  copying(number: number): string;
  headersToKeep(answer: string): string | undefined;
  /** How the copy of a request goes to new: how much is read, then a step; empty where there is none. */
  copy(number: number): string;
  copied(
    number: number,
    answer: string | undefined,
    why: string,
    tookMs: number,
    legacy: Uint8Array | undefined,
    isLegacyWhole: boolean,
    own: Uint8Array | undefined,
    isOwnWhole: boolean,
    assets: string,
    nowMs: number,
  ): void;
  /** What is asked for of what new's page loads, and how; empty for nothing. */
  assetsBeside(number: number, answer: string, own: Uint8Array, isOwnWhole: boolean, nowMs: number): string;
  workDue(nowMs: number): number;
  countsDue(nowMs: number): boolean;
  refresh(env: Env): Promise<void>;
  flush(env: Env): Promise<void>;
  controllerOpened(): void;
  controllerCall(context: DurableObjectState, env: Env, text: string): Promise<string>;
  controllerFlush(context: DurableObjectState, env: Env, text: string): string;
  controllerTook(context: DurableObjectState, env: Env, ms: number, flushes: number): void;
  controllerAlarm(context: DurableObjectState, env: Env): Promise<void>;
  relayOpened(id: string): void;
  relayFlush(context: DurableObjectState, env: Env, name: string, text: string): Promise<string>;
  relayNews(context: DurableObjectState, env: Env, name: string, text: string): void;
  relayTook(context: DurableObjectState, env: Env, name: string, ms: number, flushes: number): void;
  relayAlarm(context: DurableObjectState, env: Env): void;
  /** Starts a new instance in place of one that has trapped. */
  __wbg_reset_state(): void;
}
