// What the bundlers resolve and TypeScript does not: files as their addresses or texts, and what
// scripts/build-rehearse.sh builds, whether or not it has.
declare module '*.wasm' {
  const address: string;
  export default address;
}

declare module '*.toml' {
  const text: string;
  export default text;
}

declare module 'worker:*' {
  const address: string;
  export default address;
}

declare module 'build/rehearse/rehearse.js' {
  export default function init(options: { module_or_path: WebAssembly.Module | BufferSource }): Promise<unknown>;
  /** Takes the plan and the scenario as texts and the settings as JSON, and answers in JSON. */
  export function check(plan: string, scenario: string, settings: string): string;
  export function summary(fates: string): string;
  export class Rehearsal {
    constructor(plan: string, scenario: string, settings: string);
    step(steps: number): string;
    points(): string;
    events(): string;
    report(): string;
    free(): void;
  }
}
