// What happens on the page Rehearse, and what the simulation answers, which is Rust (crates/rehearse) behind
// texts in JSON: as far as the page reads it.
import type { Plan } from '../../types/api.js';
import type { Problem } from './events.js';

/** A fault of a text, with its place. */
export type TextFault = { severity: 'error' | 'warning'; line: number; column: number; message: string; help?: string };

/** A rollout of a plan, as far as the page shows it. */
export type Outline = {
  key: string;
  description: string | null;
  stages: { name: string; percentage: number; hold_ms: number }[];
  guardrails: { when: string; then: string }[];
  endpoints: string[];
  events: string[];
  timings: string[];
  signals: { name: string; is_count: boolean }[];
  checklist: string[];
};

export type Limit = { default: number; min: number; max: number };
export type Amount = 'subjects' | 'requests_per_hour' | 'seed';

/** What a check finds. */
export type Checked = {
  ok: boolean;
  plan: TextFault[];
  scenario: TextFault[];
  settings: { setting: string; message: string }[];
  rollouts: Outline[];
  limits: Record<Amount, Limit>;
};

/** What the simulation is asked. */
export type Asked = {
  plan: string;
  scenario: string;
  settings: Partial<Record<Amount, number>> & { rollout?: string };
};

/** How far a run is. */
export type Progress = { over: boolean; start_ms: number; at_ms: number; until_ms: number };
export type Side = { requests: number; error_rate: number | null; latency_ms: number | null };

/** A moment of a run: `evidence` is what each comparison has come to, and what it needs. */
export type Point = {
  at_ms: number;
  stage: string;
  percentage: number;
  subjects_exposed: number;
  legacy: Side;
  new: Side;
  evidence: ([number, number] | null)[];
};

export type Comparison = { text: string; guardrail: number };
export type Track = { points: Point[]; comparisons: Comparison[] };

/** Something that happened in a run. */
export type Happened = {
  at_ms: number;
  kind: 'forward' | 'back' | 'change' | 'alert' | 'scenario' | 'refused' | 'waiting';
  command: string;
  by: string;
  stage: string;
  percentage: number;
  text: string;
  figures: string[];
};

/** How a run has ended, as `tidegate simulate --json` prints it. */
export type Fate = {
  outcome: 'completed' | 'rolled_back' | 'paused' | 'unfinished';
  reason: string;
  stage: string;
  percentage: number;
  at_hours: number;
  subjects_exposed: number;
  subjects_kept: number;
  requests_failed: number;
  requests_rescued: number;
  hours_until_detection: number | null;
  requests_until_detection: number | null;
  alerts: number;
};

export type Report = { over: boolean; fates: Fate[]; never: string[] };
type Spread = { median: number; p90: number };

/** How often an outcome came, with its interval of 95 %, and what it cost. */
export type Rate = {
  outcome: Fate['outcome'];
  rate: number;
  low: number;
  high: number;
  at_hours: Spread;
  subjects_exposed: Spread;
  requests_failed: Spread;
  requests_until_detection: Spread | null;
};

export type Summary = { outcomes: Rate[] }[];

/** Where the plan comes from. */
export type Source = { kind: 'ready' | 'deployed' | 'own'; name: string; title: string };

export type RehearseEvent =
  | { type: 'open' }
  | { type: 'loadAgain' }
  | { type: 'engine'; status: 'loading' | 'ready' | 'failed'; problem?: string }
  | { type: 'deployed'; plans?: Plan[]; problem?: Problem }
  | { type: 'choosePlan'; source: Source; text: string; rollout?: string }
  | { type: 'editPlan'; text: string }
  | { type: 'editScenario'; text: string }
  | { type: 'addLine'; line: string }
  | { type: 'removeLine'; index: number }
  | { type: 'setSetting'; name: Amount; value: number | null }
  | { type: 'setSetting'; name: 'rollout'; value: string }
  | { type: 'checked'; edition: number; answer: Checked }
  | { type: 'run' }
  | { type: 'stop' }
  | { type: 'begin'; asked: Asked }
  | { type: 'shown'; progress: Progress; tracks: Track[]; events: Happened[] }
  | { type: 'ended'; report: Report; took_ms: number }
  | { type: 'failed'; problem: string }
  | { type: 'runMany' }
  | { type: 'stopMany' }
  | { type: 'beginMany' }
  | { type: 'fates'; fates: Fate[] }
  | { type: 'summary'; summary: Summary }
  | { type: 'endedMany'; status: 'stopped' | 'done' }
  | { type: 'endedMany'; problem: string };

export type RehearseDispatch = (event: RehearseEvent) => void;
