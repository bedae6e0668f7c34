// The schemas of crates/protocol/src/api/openapi.json as types. Written by scripts/api-types.mjs (make format).

/** Letters, digits, `_`, `-` and `.`; starts with a letter or a digit. */
export type Name = string;

/** Percent of all users, in steps of 0.001. A finer one is refused, never rounded. */
export type Percentage = number;

/** RFC 3339, in UTC. */
export type Time = string;

/** A whole number and `ms`, `s`, `m`, `h`, `d` or `w`, such as `48h`. */
export type Duration = string;

/** Days, or a recurring part of the week: `2026-12-24/2027-01-02 Europe/Berlin`, `Mon-Thu 08:00-16:00 UTC`, `Fri 17:00-Mon 08:00`. */
export type Window = string;

/** SHA-256 in lower-case hexadecimal. */
export type Hash = string;

/** Why. Kept in the history; only a dry run, and what stops something, needs none. */
export type Reason = string;

/** Why. It may be left out or empty, since nothing may be in the way of what stops something: the history then has `no reason given`, and the reason can follow by a `note`. */
export type StopReason = string;

/** `draft`: not started. `running`: the schedule advances it. `paused`: stays where it is. `rolled_back`: back at a smaller percentage, or at 0 %. `completed`: 100 % on new for good. */
export type Phase = 'draft' | 'running' | 'paused' | 'rolled_back' | 'completed';

/** Which frontend. */
export type Variant = 'legacy' | 'new';

/** What a condition says of the figures. `pass`: A gate's condition is true, a guardrail's is false. `fail`: A gate's condition is false, a guardrail's is true. `inconclusive`: Not enough data, which is never a pass and never a fail. */
export type Verdict = 'pass' | 'fail' | 'inconclusive';

/** A command of an operator. */
export type CommandName =
  | 'start'
  | 'advance'
  | 'set'
  | 'pause'
  | 'resume'
  | 'rollback'
  | 'kill'
  | 'revive'
  | 'approve'
  | 'complete'
  | 'note'
  | 'deployed';

/** The live state of a rollout, as it is also published to KV. */
export type State = {
  /** Grows by one with each change. */
  revision: number;
  /** The revision of the plan that it follows. */
  plan: number;
  /** One run through the stages; a resume after a rollback starts the next. */
  attempt: number;
  /** How far it has come. */
  phase: Phase;
  /** The kill switch: all traffic goes to legacy, whatever the phase. */
  killed: boolean;
  /** The current stage. */
  stage: Name;
  /** As set. What is in effect is the `percentage` of the rollout. */
  percentage: Percentage;
  /** On new beside the percentage: those of the stages up to the current one. */
  groups: Name[];
  /** Since when the same users get the same side by it. */
  since: Time;
  /** Present and true once its last stage is over, so that rollouts that come after it may go. */
  ended?: boolean;
  /** The version of new that answers, where that is known. */
  version?: string;
  /** How far the percentage has come since it last was 0. Present where the plan has `keep = "used"`: browsers that have used new since, and that the percentage covers no more, stay on new. */
  reached?: Reached;
  /** The edit by hand in KV that was adopted last. */
  kv?: Adopted;
};

/** Whom a change moves, together with what the schedule makes of it at once. Groups are not counted. */
export type Moves = {
  /** In effect before. */
  from: Percentage;
  /** In effect after. */
  to: Percentage;
  /** The side that users move to. */
  direction: 'new' | 'legacy' | 'none';
  /** How many move, in percentage points of all users. */
  share: Percentage;
  /** How many of the users of the last day that is; null where none were seen. */
  subjects: number | null;
  /** What `share` follows from. */
  basis: 'percentage' | 'traffic';
};

/** An item of a checklist. */
export type Item = {
  /** The text of the item. */
  item: string;
  /** Absent while it is open: while fewer have ticked it than it asks for. */
  approved?: Approved;
  /** Who has ticked it so far, where it asks for several people. Absent for none. */
  approvals?: Approved[];
  /** How many different people it asks for; absent for one. */
  needed?: number;
  /** Who sees to it. */
  owner?: string;
  /** The role that alone may tick it. */
  role?: Name;
  /** By when, as the plan has it: a day, a time, or around a stage's entry. */
  due?: string;
  /** A remark. */
  note?: string;
  /** Where to look. */
  link?: string;
};

/** What one comparison of a condition rests on. */
export type Figure = {
  /** The metric, with its endpoint: `latency.p95@api`. */
  metric: string;
  /** The endpoint alone. */
  endpoint?: string;
  /** The unit of `value`, `legacy` and, but for a factor, of `bound`. */
  unit: Unit;
  /** On new: shares as fractions of 1, times in milliseconds. */
  value: number | null;
  /** On legacy, where it is compared. */
  legacy?: number | null;
  /** What new's is at this time of day, where it is compared with its own past. */
  usual?: number | null;
  /** `<`, `<=`, `>`, `>=` or `=`. */
  op?: string;
  /** The bound in the same unit; the factor of a comparison with legacy. */
  bound: number | null;
  /** What it is compared with. */
  basis: Basis;
  /** When legacy was last measured, where its last day stands in. */
  legacy_until?: Time;
  /** What the guardrail does where it comes true, as the plan has it; none for a gate. */
  then?: string;
  /** The span measured: a duration, `stage` or `attempt`; none where the metric has no span. */
  span?: string;
  /** What `observations` counts. */
  of: Counted;
  /** On how many observations of new the value rests. */
  observations: number;
  /** On how many of legacy, where it is compared. */
  observations_legacy?: number;
  /** The exposures that the sequential test used: it counts a user's minutes, not requests. */
  exposures?: Exposures;
  /** The evidence of a comparison, as a number: how many times likelier what was seen is if the condition is true. */
  e_value?: number | null;
  /** How much of it there has to be. */
  e_needed?: number | null;
  /** What the evidence is for. */
  shows?: Shows;
  /** Between what new's figure lies, as a multiple of legacy's. */
  ratio?: Ratio;
  /** What the comparison says so far. */
  stands?: Stands;
  /** How much longer it needs. */
  needs?: Needs;
  /** The most that legacy's can have been, where that stands in for legacy. */
  legacy_most?: number;
  /** The same over the last minutes. */
  now?: Now;
  /** Why the answer is what it is, where the figures alone do not say it. */
  because?: Because;
  /** The same in a sentence. The API has it; the history does not store it. */
  text?: string;
};

/** A verdict and what it rests on. */
export type Judgement = {
  /** The verdict. */
  verdict: Verdict;
  /** Since when it has been this. */
  since?: Time;
  /** Why, in words. */
  text: string;
  /** The figures, one for each comparison. */
  figures: Figure[];
};

/** What was measured of a rollout. */
export type Metrics = {
  /** The rollout. */
  rollout: Name;
  /** From when on. */
  since: Time;
  /** Now, by the controller's clock. */
  at: Time;
  /** How many minutes a window spans: 1 or 60. */
  minutes: number;
  /** The one that was asked for. */
  endpoint?: Name;
  /** Those of the plan that are measured. */
  endpoints: Name[];
  /** The oldest first. Those that are over stand as they were stored. */
  windows: Measured[];
  /** The sequential tests. */
  evidence: Evidence[];
};

/** What was measured under one revision in one minute or hour. */
export type Measured = {
  /** When it begins. */
  at: Time;
  /** How many minutes it spans: 1 or 60. */
  minutes: number;
  /** Under which revision. */
  revision: number;
  /** In effect under this revision, where its history is known. */
  percentage?: Percentage;
  /** The version of new under this revision, where it was known. */
  version?: string;
  /** The sides: of the whole rollout, or of the endpoint that was asked for. */
  sides: MeasuredSide[];
  /** The share of users who chose legacy though the percentage has them on new, among them and those on new; absent where nobody did. */
  opt_out_rate?: number;
  /** Distinct users of the whole rollout; to 1,024 exactly, then to about 3 %. */
  subjects?: Subjects;
};

/** One side: of the whole rollout, or of the endpoint that was asked for. */
export type MeasuredSide = {
  /** Which. */
  variant: Variant;
  /** Absent for the whole rollout. */
  endpoint?: Name;
  /** That the side was asked to answer. */
  requests: number;
  /** Those that failed, as the plan defines it: answered with a 5xx, too late or not at all. */
  errors: number;
  /** Those that it answered with a 4xx. This and the next three are absent in windows of older versions. */
  client_errors?: number;
  /** Those that had no headers in time. */
  timeouts?: number;
  /** Those that their clients gave up before there were headers. */
  abandoned?: number;
  /** Pages whose body ended early or stalled. */
  broken?: number;
  /** Those that legacy answered in its place. */
  rescued: number;
  /** Page views that reported. */
  pages: number;
  /** Those with a JavaScript error. */
  failed_pages: number;
  /** JavaScript errors. */
  js_errors: number;
  /** Copies that it was sent of requests on legacy; none of them is a request. This and the next two are absent for none. */
  shadowed?: number;
  /** Those of them that failed. */
  shadow_errors?: number;
  /** Those of them that it answered otherwise than legacy, or not at all. */
  shadow_mismatches?: number;
  /** By status from 400: those answered with it. The lowest 16; absent for none. */
  statuses?: Record<string, number>;
  /** By `errors`, `client_errors`, `timeouts`, `abandoned`, `broken` or `status.NNN`: those of a user or client that had one in the same minute already. Rates leave them out; absent for none. */
  repeats?: Record<string, number>;
  /** By measure (`latency`, `waited`, `shadow_latency`, `lcp`, `fcp`, `cls`, `inp`, `ttfb`, `timing.NAME`): quantiles to 2 %, in milliseconds but for `cls`. */
  measures: Record<string, Quantiles>;
};

/** How far a comparison is from its decision: a sequential test, which may be evaluated as often as one likes. */
export type Evidence = {
  /** What it serves. */
  of: 'guardrail' | 'gate' | 'sample_ratio';
  /** The condition. */
  condition: string;
  /** The metric. */
  metric: string;
  /** Null where it is too large for a number. */
  e_value: number | null;
  /** The threshold from which it is significant. */
  e_needed: number | null;
  /** The same in words. */
  text: string;
  /** The last minute of a comparison that is not made any more, such as after a rollback; it is shown for two hours. */
  ended?: Time;
  /** `e_value` at the end of each minute of the last two hours in which it was evaluated, the oldest first. A controller that is restarted begins a new one. */
  trail: [Time, number | null][];
  /** Between what new's figure lay at the end of each of these minutes, as a multiple of legacy's: an interval that holds the true one at all times together, but for α. Null for no bound; absent where none is known. */
  intervals?: [Time, number | null, number | null][];
};

/** A condition that must be true before the stage is left. */
export type Gate = {
  /** The condition, as in the plan. */
  condition: string;
  /** Its comparisons. */
  terms: Term[];
  /** What it says now. */
  verdict: Verdict;
  /** The figures behind the verdict, in words. */
  text: string;
  /** Since when the verdict has been this. */
  since?: Time;
  /** The figures, one for each comparison. */
  figures?: Figure[];
  /** It holds without being in the plan; `defaults = "none"` in the plan switches it off. Absent for the plan's own. */
  built_in?: boolean;
  /** It passes although its comparison cannot tell, since it asks only that new is not shown to be worse. Absent where that is not so. */
  let_through?: boolean;
};

/** A condition that acts when it comes true. */
export type Guardrail = {
  /** The condition that must not come true. */
  when: string;
  /** Its comparisons. */
  terms: Term[];
  /** How long after a stage's entry nothing counts for it yet, such as `5m`; absent for none. */
  after?: Duration;
  /** What is done: `off`, `rollback`, `previous`, `pause`, `alert`, or a percentage such as `5%`. */
  then: string;
  /** The same in words: `rolls back`; of one that observes, `would have rolled back`. */
  acts: string;
  /** `observe`: it is judged and shown, and acts on nobody. */
  mode: 'act' | 'observe';
  /** Of one that observes: when it last came true in this attempt, and would have acted. */
  observed_at?: Time;
  /** `critical` pages somebody. */
  severity: 'critical' | 'warning';
  /** What it says now. */
  verdict: Verdict;
  /** The figures behind the verdict, in words. */
  text: string;
  /** Since when the verdict has been this. */
  since?: Time;
  /** The figures, one for each comparison. */
  figures?: Figure[];
  /** The stages in which it watches; all where absent. */
  stages?: Name[];
  /** It is in force without being in the plan; `defaults = "none"` in the plan switches it off. Absent for the plan's own. */
  built_in?: boolean;
};

/** A stage of the plan and how far it is. */
export type StageView = {
  /** Its name. */
  name: Name;
  /** Its percentage. */
  percentage: Percentage;
  /** On new from this stage on. */
  groups?: Name[];
  /** How long it lasts at least: its bake time. */
  hold?: Duration;
  /** How long it is meant to last at most: its owner gets a message then. */
  deadline?: Duration;
  /** The role that looks after it. */
  owner?: Name;
  /** When it may be entered. */
  enter?: Window[];
  /** Before this it is not entered. */
  not_before?: Time;
  /** What has to be true before it is left. */
  gates: Gate[];
  /** Guards leaving the stage. */
  checklist: Item[];
  /** It lies behind the current stage, and this attempt was never in it: it was jumped over. Absent where that is not so. */
  skipped?: boolean;
};

/** The checklist that counts now. */
export type Checklist = {
  /** What it guards. */
  of: 'start' | 'stage' | 'rollback';
  /** Its items. */
  items: Item[];
};

/** The least time in the current stage. */
export type Hold = {
  /** Milliseconds. */
  length_ms: number;
  /** Milliseconds. It runs only while the rollout is running. */
  elapsed_ms: number;
  /** Absent while it does not run. */
  until?: Time;
};

/** What the schedule will do next. */
export type Next = {
  /** The step. */
  command: 'start' | 'advance' | 'complete' | 'release' | 'wait' | 'end';
  /** The same in words: `advances to quarter (25 %)`. */
  text: string;
  /** The stage that it leads to. */
  stage?: Name;
  /** The percentage that it leads to. */
  percentage?: Percentage;
  /** Absent while something other than time blocks. */
  at?: Time;
  /** When at the earliest, where `condition` has to be met as well. */
  earliest?: Time;
  /** What has to be met beside the time: `2 gates pass and 1 item is approved`. */
  condition?: string;
};

/** Something that keeps the schedule from going on. */
export type Blocker = {
  /** What it is. */
  by:
    | 'hold'
    | 'gates'
    | 'sample_ratio'
    | 'problem'
    | 'checklist'
    | 'hook'
    | 'freeze'
    | 'enter'
    | 'manual'
    | 'after'
    | 'start'
    | 'killed'
    | 'paused'
    | 'rolled_back'
    | 'completed'
    | 'draft'
    | 'last_stage';
  /** The same in words. */
  text: string;
  /** When it ends by itself. */
  until?: Time;
  /** Whether the state says the same, such as `paused`: whoever shows the state need not show it again. */
  is_state?: boolean;
};

/** A configuration fault. The last good value stays in force. */
export type ConfigFault = {
  /** What is at fault, such as a KV key. */
  subject: string;
  /** What is wrong with it. */
  message: string;
  /** Since when. */
  at: Time;
};

/** The value of `group/NAME` in KV, as isolates hold it. */
export type HeldList = {
  /** The group. */
  group: Name;
  /** How many ids it has; several numbers while isolates hold different versions. */
  ids: number[];
  /** The same in words. */
  text: string;
};

/** A rollout, as an operator sees it. */
export type Rollout = {
  /** Names it everywhere. */
  key: Name;
  /** For people. */
  description?: string;
  /** The requests that it takes; none for a flag. */
  routes: string[];
  /** Without upstreams: assigned on each request, and passed on to the upstream. */
  is_flag: boolean;
  /** Where it is, in words: `running in canary at 10 %`. */
  summary: string;
  /** The live state. */
  state: State;
  /** In effect now: 0 while killed, draft or waiting for another rollout. */
  percentage: Percentage;
  /** The key in KV that kills it. Only deleting it there ends the kill. */
  kill_key?: string;
  /** The stages of the plan. */
  stages: StageView[];
  /** The guardrails in force: the plan's own, then those that are built in. */
  guardrails: Guardrail[];
  /** Whether as many users are on each side as the percentage says; absent where they are not split. */
  sample_ratio?: Judgement;
  /** Where nobody is on legacy: whether each rate that guardrails compare is what it was at this time of day, by new's own past. `fail` is an alert, and never a rollback. Absent where it is not watched, or not yet for a day. */
  own_past?: Judgement[];
  /** What makes the figures worth less: each kind, with what is done about it and whether it is found now. */
  problems: ProblemState[];
  /** What new has more of than legacy in the last hour: failures, where, errors of pages, how many people. */
  broke?: Broke;
  /** The same in sentences. */
  what_broke?: string[];
  /** The checklist that counts now. */
  checklist?: Checklist;
  /** The messages of the plan that people were handed to send (`by` of a `[[notice]]`). `approve` ticks one off; nothing waits for them. Absent for none. */
  to_send?: Item[];
  /** The versions of new that have answered in the last half a minute, where they are several: one is being deployed. */
  versions?: string[];
  /** The bake time of the current stage. */
  hold?: Hold;
  /** What the schedule will do next. */
  next?: Next;
  /** All that keeps the schedule from going on. */
  blocked: Blocker[];
  /** The commands that would be accepted now. */
  commands: CommandName[];
  /** The commands that may be sent without `If-Match`: those that stop something, and a note. */
  unconditional: ('kill' | 'pause' | 'rollback' | 'note')[];
  /** The commands that would be refused now. */
  not_now: NotNow[];
  /** How far a kill has come. */
  reach?: Reach;
  /** Who takes the next step: the schedule or an operator. */
  advance: 'auto' | 'manual';
  /** When nothing advances. Rolling back always works. */
  freeze?: Window[];
  /** It waits until these rollouts have ended. */
  after?: Name[];
  /** The plan's checklist for after a rollback. */
  after_rollback?: string[];
  /** Remarks for operators. */
  notes?: string[];
  /** What is wrong with its configuration. */
  faults: ConfigFault[];
  /** The plan's signals, with the last report of each. */
  signals: SignalState[];
  /** Where other tools deliver what becomes signals. */
  receivers: ReceiverState[];
  /** The plan's probes, each on each of its sides, with what came of the last one. Absent for none. */
  probes?: ProbeState[];
  /** What copies of legacy's requests have shown of new. Absent where the plan copies nothing. */
  shadow?: Shadow;
  /** Events, timings, web vitals, JavaScript errors and signals that gates or guardrails rely on, and that were never reported. */
  never_reported?: string[];
  /** The same in a sentence. */
  silence?: string;
  /** While nobody is on new: what is known of legacy, and how soon a doubling of its errors would be found. Absent where nothing is. */
  known?: string;
  /** The lists of its groups in KV, as isolates held them within the last minute. */
  lists?: HeldList[];
  /** What KV holds. */
  published: Published;
};

/** A command that would be refused now. */
export type NotNow = {
  /** The command. */
  command: CommandName;
  /** Why. */
  refusal: RefusalCode;
  /** Why, in a sentence. */
  reason: string;
  /** What to do. */
  help?: string;
  /** When it will be possible, where the time alone stands in the way. */
  at?: Time;
  /** Whether it becomes possible from here once the reason is gone. The others are no way on. */
  waits: boolean;
  /** It is done for whoever names the rollout in `confirm`. */
  confirmable?: boolean;
};

/** How far a kill has come, for the first ten minutes. An isolate that gets no requests confirms nothing; its next request may still be answered from what it knew. */
export type Reach = {
  /** The revision that killed it. */
  revision: number;
  /** How many isolates have reported in the last minute. */
  isolates: number;
  /** How many of them have not confirmed the kill. */
  behind: number;
  /** For how long no request to new was reported, where none is behind. */
  quiet_ms?: number;
  /** The same in words. */
  text: string;
};

/** A step of the schedule, and the state that it leads to. */
export type Step = {
  /** The step. */
  command: 'start' | 'advance' | 'complete' | 'release' | 'wait' | 'end';
  /** The stage that it leads to. */
  stage: Name;
  /** The percentage that it leads to. */
  percentage: Percentage;
  /** The phase that it leads to. */
  phase: Phase;
};

/** Something that ends when a rollout completes. */
export type Ends = {
  /** What. */
  what: 'rescue' | 'skew' | 'holdout' | 'eligible' | 'comparisons';
  /** The same in a sentence. */
  text: string;
};

/** draft → running, in the first stage. Refused while the start's checklist is open, before the plan's `start`, in a `freeze`, and outside the first stage's `enter`. */
export type StartCommand = {
  command: 'start';
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** running or paused → the next stage, running. Skips the hold and the gates, but not the checklist, a `freeze` or `enter`. */
export type AdvanceCommand = {
  command: 'advance';
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** Paused at this percentage, in the last stage that it reaches. From rolled_back it starts the next attempt. A killed rollout stays killed. */
export type SetCommand = {
  command: 'set';
  percentage: Percentage;
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** running or paused → paused, at the same percentage. */
export type PauseCommand = {
  command: 'pause';
  reason?: StopReason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** paused → running, at the same percentage; the hold starts anew. rolled_back → the next attempt, in the first stage or in `stage`; refused while the checklist for after a rollback is open. */
export type ResumeCommand = {
  command: 'resume';
  /** Only from rolled_back. */
  stage?: Name;
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** In any phase → rolled_back: to nobody, to the previous stage, or to a smaller percentage. Needs no approval. */
export type RollbackCommand = {
  command: 'rollback';
  /** `off`: 0 %, and no groups. */
  to?: ('off' | 'previous') | Percentage;
  reason?: StopReason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** In any phase: everybody is on legacy at once. The rest of the state stays. */
export type KillCommand = {
  command: 'kill';
  reason?: StopReason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** Ends the kill: what it was before is in force again, and its hold starts anew. Refused while a kill key stands in KV. */
export type ReviveCommand = {
  command: 'revive';
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** Approves one item of the checklist that counts now. */
export type ApproveCommand = {
  command: 'approve';
  /** The exact text of the item. */
  item: string;
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** running, paused or rolled_back → completed: 100 %. Refused while the stage's checklist is open, from rolled_back, while nobody has gone on since a guardrail acted, and in a `freeze`. All but the freeze is gone around with `confirm`; the problem then has `confirm` and `ends`. */
export type CompleteCommand = {
  command: 'complete';
  /** The rollout's key: do it although something speaks against it. */
  confirm?: Name;
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** Adds `reason` to the history, in any phase, and changes nothing else: why somebody has killed it, what was found. It makes a revision and an entry of its own. */
export type NoteCommand = {
  command: 'note';
  /** The note. */
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** Another version of new was deployed: the bake time of its stage, its figures and its evidence begin anew, unless the plan says `redeploy = "continue"`. It needs no reason and no `If-Match`. The history keeps it as a `note` with a `version`. */
export type DeployedCommand = {
  command: 'deployed';
  /** At most 100 visible ASCII characters, without `"` and `\`. */
  version: string;
  /** What is in it. */
  reason?: Reason;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** What an operator asks for. */
export type Command =
  | StartCommand
  | AdvanceCommand
  | SetCommand
  | PauseCommand
  | ResumeCommand
  | RollbackCommand
  | KillCommand
  | ReviveCommand
  | ApproveCommand
  | CompleteCommand
  | NoteCommand
  | DeployedCommand;

/** What can be asked for all rollouts at once. */
export type CommandForAll =
  | {
      command: 'kill';
      reason?: StopReason;
    }
  | {
      command: 'revive' | 'note';
      reason: Reason;
    };

/** A command as the history keeps it, with the arguments that it has. */
export type RecordedCommand = {
  /** What was asked for. */
  command:
    | 'start'
    | 'advance'
    | 'set'
    | 'pause'
    | 'resume'
    | 'rollback'
    | 'kill'
    | 'revive'
    | 'approve'
    | 'complete'
    | 'note'
    | 'apply'
    | 'release'
    | 'wait'
    | 'take_over'
    | 'end';
  /** Of `set`. */
  percentage?: Percentage;
  /** Of `resume` after a rollback, and of `set` where an edit in KV named another stage than the percentage reaches. */
  stage?: Name;
  /** Of `set`, where an edit in KV killed or revived too. */
  killed?: boolean;
  /** Of `rollback`. */
  to?: RollbackTo;
  /** Of `approve`: the exact text of the item. */
  item?: string;
  /** Of `complete`, where something spoke against it: the rollout's key. */
  confirm?: Name;
  /** Of `note`, where it says which version of new was deployed. */
  version?: string;
  /** Of `apply`: the revision of the plans. */
  plan?: number;
  /** Of `apply`: of the plan as JSON. */
  digest?: Hash;
  /** The key in KV that killed or revived it, where the actor is `kv`. */
  key?: string;
  /** The value of `stage/KEY` in KV that asked for it, where the actor is `kv`. */
  kv?: string;
  /** Of `take_over`: the state that KV held. */
  state?: State;
};

/** An entry of the history, read tolerantly. Replaying the entries rebuilds the state. */
export type Entry = {
  /** The rollout's key. */
  rollout: Name;
  /** Of the rollout, after the change. */
  revision: number;
  /** When. */
  at: Time;
  /** The name of the token; or `schedule` (the plan), `kv` (an edit by hand in KV), `guardrail`. */
  actor: string;
  /** What was asked for. */
  command: RecordedCommand;
  /** What led to it; absent in entries of older versions. */
  cause?: Cause;
  /** Why, in the actor's words; empty where `cause` says all. Entries of older versions have the controller's own words here. */
  reason: string;
  /** The figures that decided, as sentences: in entries of older versions alone. */
  figures?: string[];
  /** The figures that decided: those of the guardrail, or of the gates of the stage that was left. */
  measured?: Figure[];
  /** What broke, of what took something back. */
  broke?: Broke;
  /** The state after the change. */
  state: State;
  /** `hash` of the entry before; zeros for the first. */
  previous: Hash;
  /** SHA-256 of this entry and of `previous`: a history that was tampered with does not add up. */
  hash: Hash;
};

/** What led to a change: `operator`, a person's command; `schedule`, the plan, with the `stage` that was left, its `hold` and its `gates`, or the rollouts that it comes `after`; `guardrail`, one that came true, by its `index` among those of the rollout and its `condition`; `problem`, one that makes the figures worth less and that the plan acts on; `kv`, what was found under a `key`; `served`, the version that answers of new name in a `header`; `hook`, a hook of the plan that said stop. */
export type Cause = {
  by: 'operator' | 'schedule' | 'guardrail' | 'problem' | 'kv' | 'served' | 'hook';
  stage?: string;
  hold?: Duration;
  after?: Name[];
  /** The gates of that stage. Absent in entries of before. */
  gates?: {
    met: number;
    /** Let through although their comparison could not tell: they ask only that new is not shown to be worse. */
    undecided: number;
  };
  index?: number;
  condition?: string;
  /** Which one, such as `srm`. */
  problem?: string;
  key?: string;
  /** What was read under the key. */
  text?: string;
  header?: string;
  /** Of KV what it was: `text` that somebody wrote, `edited_state` of the controller, `earlier_state` from before the controller knew the rollout, a key that is `gone`, or the `key` itself. Of a problem how it showed. */
  found?: string;
  /** When the hook is asked, such as `before canary`. */
  hook?: string;
  /** What it said. */
  said?: string;
};

/** What a command does, in sentences: the command `tidegate` and the console show these. */
export type Consequences = {
  /** Where the rollout stands before. */
  before: Standing;
  /** Where it stands after the command alone. */
  after: Standing;
  /** What the schedule makes of it at once, and what it waits for then. */
  following: string[];
  /** Who changes sides. */
  movers: string[];
  /** What a person should know before they agree. */
  warnings: Warning[];
  /** It stops something, and so needs no reason. */
  is_unconditional: boolean;
  /** It needs `If-Match`. */
  needs_revision: boolean;
};

/** Where a rollout stands. */
export type Standing = {
  /** The stage. */
  stage: Name;
  /** The percentage in effect. */
  percentage: Percentage;
  /** What else the command changes: the phase, a kill, the attempt. */
  facts: string[];
};

/** What led to an entry, in sentences. */
export type Explanation = {
  /** Whose. */
  revision: number;
  /** What was done: `rolled it back to 0 %`. */
  done: string;
  /** Where the rollout was afterwards: `running in canary at 10 %`. */
  outcome: string;
  /** The actor's own words, else what `cause` says. */
  reason: string;
  /** The figures that decided. */
  figures?: string[];
};

/** What was done. */
export type Done = {
  /** The rollout, as the change leaves it. */
  rollout: Rollout;
  /** The entry of the history, byte for byte as it is stored. */
  entry: Entry;
  /** Whom it moves. */
  moves: Moves;
  /** What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered count as inconclusive. */
  then: Step[];
  /** What it waits for then. */
  waits: Blocker[];
  /** What ends, where all this completes the rollout. */
  ends: Ends[];
  /** The same in sentences. */
  explanation: Consequences;
};

/** What would be done. */
export type Tried = {
  /** Always true: nothing was done. */
  dry_run: boolean;
  /** The state now. */
  from: State;
  /** The state after the command alone. */
  to: State;
  /** Whom it moves. */
  moves: Moves;
  /** What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered count as inconclusive. */
  then: Step[];
  /** What it waits for then. */
  waits: Blocker[];
  /** What ends, where all this completes the rollout. */
  ends: Ends[];
  /** Of a start, where legacy was measured for ten minutes or more. */
  forecast?: Forecast;
  /** The same in sentences. */
  explanation: Consequences;
};

/** What chance alone does to a plan. */
export type Forecast = {
  /** At so many requests an hour. */
  requests_per_hour: number;
  /** The absolute guardrails that watch a rate, a count or a quantile. */
  alarms: Alarm[];
  /** The guardrails that nobody can foretell: others report what they watch. */
  unforeseen?: string[];
  /** The stages with anybody on new by percentage. */
  stages: StageReach[];
};

/** How often a guardrail fires by chance. */
export type Alarm = {
  /** Its condition. */
  when: string;
  /** What it does. */
  then: string;
  /** The stage in which it fires most often. */
  stage: Name;
  /** There, so many hours pass between two such alarms on average; absent for hardly ever. */
  every_hours?: number;
  /** The chance that it fires on a healthy release in all holds together. */
  chance: number;
  /** Whether that is more often than once in a week, or on more than one in twenty healthy releases. */
  is_frequent: boolean;
  /** Conditions that see the same and would not. */
  would_not?: string[];
  /** All of this in a sentence. */
  text: string;
};

/** A stage at the traffic that is expected. */
export type StageReach = {
  /** The stage. */
  stage: Name;
  /** Its share of subjects. */
  percentage: Percentage;
  /** How long it lasts at least. */
  hold?: Duration;
  /** Requests an hour to new. */
  new_per_hour: number;
  /** Requests an hour to legacy, from those who are compared. */
  legacy_per_hour: number;
  /** What has to be seen. */
  needs: Need[];
};

/** A page of messages. */
export type Messages = {
  /** The newest first, as they are stored. */
  messages: Message[];
  /** Pass it on for the next page; null on the last. */
  before: Time | null;
};

/** A message to people. */
export type Message = {
  /** When it was due. */
  at: Time;
  /** What it is. */
  kind: 'alert' | 'observed' | 'escalation' | 'checkin' | 'notice' | 'verification';
  /** Channels; of an escalation and a check-in the role. */
  to: string[];
  /** What it says. */
  text: string;
  /** The figures that go with it. */
  figures?: string[];
  /** Which guardrail it is about, by its place in `guardrails` of the rollout. */
  guardrail?: number;
};

/** A page of a history. */
export type History = {
  /** The newest first, byte for byte as their hashes cover them. */
  entries: Entry[];
  /** What led to each of them, in sentences. */
  explanations: Explanation[];
  /** Pass it on for the next page; null on the last. */
  before: number | null;
};

/** A plan as JSON, as `tidegate compile` prints it. Its fields are explained in docs/reference.md. */
export type Plan = {
  /** Names the rollout in KV, headers and logs; the salt, where there is none. */
  key: Name;
  /** For people. */
  description?: string;
  /** `HOST/PATH`, the most specific wins; `/*` is any host. */
  routes?: string[];
  /** Absent for a flag. */
  upstreams?: {
    /** URL, with a base path if needed. */
    legacy: string;
    /** URL, with a base path if needed. */
    new: string;
    /** Legacy answers where new fails; with `true` after the completion too. */
    rescue?: true | false | 'until_completed';
    /** To headers. Default: `10s`. */
    timeout?: Duration;
  };
  /** What shared caches may keep of answers that depend on the cohort. */
  cache?: 'private' | 'upstream';
  /** Default: anonymous ids. */
  identity?: {
    /** `header:NAME`, `cookie:NAME`, `jwt:TOKEN.CLAIM` or `country`; the first that is present counts. */
    from?: string[];
    /** A visitor without an id gets one in a cookie. */
    anonymous?: boolean;
    /** Shares that cookie among hosts. */
    domain?: string;
    /** How tokens are verified, by their names. */
    jwt?: Record<string, Token>;
  };
  /** Parts of the site by name: `path:/api/*`. */
  endpoints?: Record<string, string>;
  /** Named sets of subjects. */
  groups?: Record<string, Group>;
  /** Facts from outside, by name. */
  signals?: Record<string, SignalKind>;
  /** Where other tools send what becomes signals, by name. */
  receivers?: Record<string, Receiver>;
  /** Pages that the controller asks for again and again. */
  probe?: {
    name?: Name;
    path: string;
    on?: Variant[];
    every?: Duration;
    expect?: {
      status?: number;
      contains?: string;
      under?: Duration;
    };
  }[];
  /** What is asked before a stage is entered, or left. */
  hook?: {
    /** `before STAGE` or `after STAGE`. */
    at: string;
    webhook: string;
    signing_secret: string;
    timeout?: Duration;
    description?: string;
  }[];
  /** Who is who. */
  roles?: Record<string, string>;
  /** When it starts by itself, after the checklist: then, or with the next version of new. */
  start?: string | 'on deploy';
  /** Before the start. */
  checklist?: ChecklistItem[];
  /** Who takes the next step. */
  advance?: 'auto' | 'manual';
  /** When nothing advances. */
  freeze?: Window[];
  /** Whether `error_rate > legacy` and `client_error_rate > legacy` roll back although no guardrail of the plan says so. */
  defaults?: 'builtin' | 'none';
  /** Stays on legacy whatever the stage says. */
  holdout?: Percentage;
  /** Groups that stay on legacy. */
  exclude?: Name[];
  /** The percentage applies to this group only. */
  eligible?: Name;
  /** Seeds the buckets. */
  salt?: string;
  /** The chance that comparisons roll a harmless release back. */
  alpha?: number;
  /** Waits until these rollouts have ended. */
  after?: Name[];
  /** Legacy for whoever is on legacy in one of these. */
  requires?: Name[];
  /** Flags only: what `tidegate-flags` says for each side. */
  values?: {
    new: Name;
    legacy: Name;
  };
  /** The checklist after a rollback. */
  after_rollback?: ChecklistItem[];
  notes?: string[];
  /** Where messages go: one of `slack`, `teams`, `webhook`, `pager` as `secret:NAME`, or `email`. */
  channels?: Record<string, Record<string, string>>;
  /** In their order; percentages do not fall. */
  stage: Stage[];
  guardrail?: PlannedGuardrail[];
  problem?: {
    on: 'srm' | 'no_traffic' | 'low_traffic' | 'measuring_stopped' | 'identity_mixed' | 'config_fault';
    then: 'show' | 'alert' | 'hold' | 'pause' | 'rollback';
  }[];
  notice?: Notice[];
  risk?: Risk[];
};

/** How a JWT is verified. */
export type Token = {
  from?: string;
  /** `secret:NAME`, for HS256. */
  secret?: string;
  /** URL of the issuer's keys. */
  jwks?: string;
  issuer?: string;
  audience?: string;
};

/** Whoever fits any of these. */
export type Group = {
  ids?: string[];
  /** `SOURCE = VALUE | VALUE` */
  match?: string;
  /** Also the ids in the KV key `group/NAME`. */
  kv?: boolean;
};

export type Receiver = {
  kind: 'alertmanager' | 'grafana' | 'sentry' | 'datadog' | 'pagerduty' | 'json';
  /** `secret:NAME`: each delivery brings it as a bearer token or as a password. */
  token?: string;
  /** `secret:NAME`: the sender signs with it. */
  signing_secret?: string;
  /** No delivery for longer is a fault, and its signals are inconclusive. */
  heartbeat?: Duration;
  signals?: {
    /** Labels, fields or JSON pointers, and the values that they may have. */
    match?: Record<string, string | string[]>;
    /** A gauge: 1 while an alert fires. */
    set?: Name;
    /** A count: 1 for each new alert. */
    count?: Name;
    /** A gauge: the number at `at`. */
    value?: Name;
    /** A JSON pointer. */
    at?: string;
  }[];
  description?: string;
};

export type SignalKind = {
  /** Events that are added up, or a level whose last value counts. */
  kind?: 'count' | 'gauge';
  /** Counts: silence for longer is inconclusive. */
  heartbeat?: Duration;
  /** Gauges: how long a value counts. Default: `5m`. */
  fresh?: Duration;
  /** A query that Prometheus, or what speaks its API, answers with one number. The signal is a gauge. */
  prometheus?: {
    /** Its address, or `secret:NAME`. */
    url: string;
    /** PromQL. */
    query: string;
    /** How often. Default: `1m`. */
    every?: Duration;
    /** `secret:NAME`: a bearer token, or a whole `Authorization`. */
    token?: string;
  };
  /** A JSON document that has a number at a path. The signal is a gauge. */
  json?: {
    /** Its address, or `secret:NAME`. */
    url: string;
    /** A JSON pointer. */
    at: string;
    /** How often. Default: `1m`. */
    every?: Duration;
    /** `secret:NAME`: a bearer token, or a whole `Authorization`. */
    token?: string;
  };
  description?: string;
};

/** One step of a plan. */
export type Stage = {
  name: Name;
  percentage: Percentage;
  groups?: Name[];
  hold?: Duration;
  enter?: Window[];
  /** Before this it is not entered. */
  not_before?: string;
  owner?: Name;
  /** `15m until 8h`, or `1h` for the rest. */
  checkins?: string[];
  /** Conditions. */
  gates?: string[];
  checklist?: ChecklistItem[];
  notes?: string[];
};

export type PlannedGuardrail = {
  /** A condition. */
  when: string;
  then: string;
  /** `observe`: judged and shown, and acts on nobody. */
  mode?: 'act' | 'observe';
  severity?: 'critical' | 'warning';
  notify?: Name[];
  stages?: Name[];
  escalate?: {
    after: Duration;
    to: Name;
    text?: string;
  }[];
  text?: string;
};

export type Notice = {
  /** `canary-1d`: a stage, `start`, `end` or `rollback`, minus or plus a time. */
  at: string;
  to: Name[];
  text: string;
};

export type Risk = {
  what: string;
  likelihood: 'low' | 'medium' | 'high';
  impact: 'low' | 'medium' | 'high';
  mitigation: string;
};

/** All plans, as in the KV key `plans`. */
export type Plans = {
  v: 1;
  revision: number;
  rollouts: Plan[];
};

/** Plans to add or to change. */
export type PlansToApply = {
  rollouts: Plan[];
  /** Also remove every rollout that is not named, with its history. */
  prune?: boolean;
  /** Why. Kept in the history. */
  reason?: string;
  /** Only say what would happen; change nothing. */
  dry_run?: boolean;
};

/** What applying plans has done, or would do. */
export type PlansApplied = {
  /** Of the plans, after the change. */
  revision: number;
  /** By rollout. */
  changes: PlanApplied[];
  /** Whether nothing was changed. */
  dry_run: boolean;
};

/** A fact from outside, declared under `signals` in the plan. */
export type SignalReport =
  | {
      name: Name;
      /** How many events, for `kind = "count"`. */
      count: number;
      /** Somebody's words about it, which go to the plan's `feedback`: 200 characters of them. Without `feedback` they are dropped. */
      note?: string;
    }
  | {
      name: Name;
      /** The level now, for `kind = "gauge"`. */
      value: number;
      /** As with a count. */
      note?: string;
    };

/** A signal, as it was last reported. */
export type SignalState = {
  /** Its name. */
  name: Name;
  /** What it is. */
  kind: 'count' | 'gauge';
  /** Whether somebody reports it, a receiver gets it, or Tidegate asks for it. */
  source: 'reported' | 'receiver' | 'prometheus' | 'json';
  /** The receiver that gets it. */
  receiver?: Name;
  /** For people. */
  description?: string;
  /** The last report: a gauge's value, or a number of events. */
  value?: number;
  /** Of events: how many there were in this attempt. */
  counted?: number;
  /** When the last report came. */
  at?: Time;
  /** It is too old to count, or its source has no data now. */
  is_stale?: boolean;
  /** Why its source has no value. */
  error?: string;
  /** Since when it has none. */
  since?: Time;
};

/** A probe of one side, as it was last made. */
export type ProbeState = {
  /** Its name, as in `probe.NAME`. */
  name: Name;
  /** The path that is asked for. */
  path: string;
  /** The side that is asked. */
  on: Variant;
  /** How often. */
  every: Duration;
  /** The share that passed since the stage was entered, from 0 to 1; absent where none was made. */
  passed?: number;
  /** When the last one was answered. */
  at?: Time;
  /** How long that took, in milliseconds. */
  took_ms?: number;
  /** What was not as expected; absent where it passed. */
  failure?: string;
};

/** A receiver, and what has arrived there. */
export type ReceiverState = {
  /** Its name. */
  name: Name;
  /** What sends to it. */
  kind: 'alertmanager' | 'grafana' | 'sentry' | 'datadog' | 'pagerduty' | 'json';
  /** Where the tool posts to, on any host that Tidegate serves. */
  path: string;
  /** No delivery for longer is a fault. */
  heartbeat?: Duration;
  /** When something last arrived. */
  last_at?: Time;
  /** That is longer ago than its heartbeat. */
  is_silent?: boolean;
  /** How many alerts fire that its rules are about. */
  firing: number;
};

/** A delivery that was taken in. */
export type DeliveryTaken = {
  /** The receiver. */
  receiver: Name;
  /** Those whose plan has it, and whose secret proves the delivery. */
  rollouts: DeliveryTakenBy[];
};

/** A signal that was taken in. */
export type SignalTaken = {
  /** The rollout. */
  rollout: Name;
  /** The signal. */
  name: Name;
  /** When. */
  at: Time;
};

/** What one user gets, and why. An id alone says nothing about groups that match a header, a cookie, a claim or a country. */
export type Assignment = {
  /** The rollout. */
  rollout: Name;
  /** The id that was asked for. */
  id: string;
  /** In steps of 0.001 %: under the percentage × 1,000 is new. */
  bucket: number;
  /** The side. */
  variant: Variant;
  /** Why. */
  reason:
    | 'killed'
    | 'inactive'
    | 'excluded'
    | 'required'
    | 'completed'
    | 'chosen'
    | 'visit'
    | 'group'
    | 'ineligible'
    | 'holdout'
    | 'stepped_down'
    | 'bucketed'
    | 'unidentified';
  /** The same as the end of a sentence: `bucket 46.629 % is above the current 25 %`. */
  why: string;
  /** The current stage. */
  stage: Name;
  /** The revision of the state that decided. */
  revision: number;
};

export type PreviewWanted = {
  variant: Variant;
  /** How long the link and its cookie work. At most `7d`. */
  for: Duration;
  /** The host that the link is for. Default: the host of this request; on CONSOLE_HOST, the first host that a route of the rollout names. */
  host?: string;
};

/** A link that shows one browser the side of its choice. */
export type Preview = {
  /** Open it in a browser. It holds a signature: whoever has it sees this variant. */
  url: string;
  /** The side. */
  variant: Variant;
  /** The host that it is for. */
  host: string;
  /** When the link and its cookie end. */
  expires: Time;
};

/** Who is signed in. */
export type Session = {
  /** The actor in the history. */
  name: string;
  /** What they may do. */
  role: 'viewer' | 'operator' | 'reporter';
  /** When the session ends; a token has no such time. */
  expires?: Time;
  /** Where the sign-in is ended, where `DELETE` does not end it: of Cloudflare Access. */
  sign_out?: string;
};

/** That the worker runs, and what the isolate that answers knows. */
export type Health = {
  /** Always `ok`. */
  status: string;
  /** Of the worker. */
  version: string;
  /** The configuration in the memory of the isolate that answers. */
  snapshot: SnapshotHealth;
};

/** One of several things that are wrong with a body. */
export type Fault = {
  /** Whose plan it is in: its key, or `rollouts[N]` where that cannot be read. */
  rollout?: string;
  /** The field, such as `percentage` or `stage[1].gates[0]`; empty for the whole. */
  path: string;
  /** What is wrong with the value. */
  message: string;
  /** What is allowed, or what to do. */
  help?: string;
};

/** RFC 9457. */
export type Problem = {
  /** Stable: programs decide by it. */
  type:
    | 'urn:tidegate:problem:no-tokens'
    | 'urn:tidegate:problem:bad-tokens'
    | 'urn:tidegate:problem:unauthorized'
    | 'urn:tidegate:problem:forbidden'
    | 'urn:tidegate:problem:cross-site'
    | 'urn:tidegate:problem:plain-http'
    | 'urn:tidegate:problem:not-found'
    | 'urn:tidegate:problem:unknown-message'
    | 'urn:tidegate:problem:unknown-channel'
    | 'urn:tidegate:problem:unknown-rollout'
    | 'urn:tidegate:problem:method-not-allowed'
    | 'urn:tidegate:problem:too-large'
    | 'urn:tidegate:problem:too-many'
    | 'urn:tidegate:problem:malformed'
    | 'urn:tidegate:problem:revision-required'
    | 'urn:tidegate:problem:stale-revision'
    | 'urn:tidegate:problem:refused'
    | 'urn:tidegate:problem:key-reused'
    | 'urn:tidegate:problem:invalid-plans'
    | 'urn:tidegate:problem:no-controller'
    | 'urn:tidegate:problem:unavailable'
    | 'urn:tidegate:problem:no-signing-key'
    | 'urn:tidegate:problem:unknown-receiver'
    | 'urn:tidegate:problem:no-secret';
  /** The kind in words. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What is wrong with the value. */
  detail: string;
  /** What to do. */
  help?: string;
  /** Each fault, with its place. */
  faults?: Fault[];
  /** Why the command was refused. */
  refusal?: RefusalCode;
  /** The rollout as it is now. */
  current?: Rollout;
  /** The key that has to be sent as `confirm` to do it all the same. */
  confirm?: Name;
  /** What would end then. */
  ends?: Ends[];
  /** Which plans were refused. None was applied. */
  refusals?: RefusedPlan[];
};

/** All rollouts. */
export type Rollouts = {
  /** By their keys. */
  rollouts: Rollout[];
  /** The revision of the plans. */
  plans: number;
  /** Now, by the controller's clock. */
  at: Time;
  /** What is wrong with the deployment as a whole, such as with the KV key `plans`. */
  faults: ConfigFault[];
};

/** How far a percentage has come since it last was 0. */
export type Reached = {
  /** The highest percentage. */
  percentage: Percentage;
  /** When it left 0. */
  from: Time;
};

/** An edit by hand in KV that the controller has adopted. */
export type Adopted = {
  /** The value of the key `stage/KEY`, as it was read. */
  text: string;
  /** When it was adopted. */
  at: Time;
};

/** One comparison of a condition. */
export type Term = {
  /** The metric, with its endpoint: `latency.p95@api`. */
  metric: string;
  /** The bound: shares from 0 to 1, times in milliseconds. Absent for a comparison with legacy. */
  bound?: number;
};

/** The unit of a figure. `share`: A fraction of 1, shown as percent. `milliseconds`: Milliseconds. `number`: A plain number. */
export type Unit = 'share' | 'milliseconds' | 'number';

/** What a figure is compared with. `legacy`: The same figure of legacy, times the bound, by a sequential test. `legacy_before`: Legacy's figure of its last day with traffic, since too few users or none are on legacy. `own_past`: New's own figure at this time of day before, since nobody is on legacy. `sample_ratio`: The share of users that the percentage promises. `limit`: A number. */
export type Basis = 'legacy' | 'legacy_before' | 'own_past' | 'sample_ratio' | 'limit';

/** What observations are. `requests`: Requests to the upstreams. `page_views`: Reports of browsers. `users`: Different users. `sessions`: Visits without a pause of half an hour. `copies`: Requests on legacy that were copied to new. `nothing`: Nothing that could be too few: a signal, a percentage, a count. */
export type Counted = 'requests' | 'page_views' | 'users' | 'sessions' | 'copies' | 'nothing';

/** What the sequential test has counted on either side. */
export type Exposures = {
  /** Of new. */
  new: number;
  /** Of legacy. */
  legacy: number;
};

/** What evidence is for. `less`: That new's figure is less than the bound times legacy's. `doubled`: That it is more than twice the bound times the most that legacy's can have been. `more`: That it is more than the bound times legacy's. */
export type Shows = 'less' | 'doubled' | 'more';

/** A figure over the last minutes. */
export type Now = {
  /** How many minutes: 1, 5 or 60. */
  minutes: number;
  /** On new. */
  value: number | null;
  /** On legacy, where it is compared. */
  legacy?: number;
  /** Requests of new in that time that legacy answered instead. */
  rescued: number;
};

/** Why the verdict is what it is, where the figures alone do not say it. */
export type Because = {
  code:
    | 'missing'
    | 'too_few'
    | 'too_few_users'
    | 'too_few_of_legacy'
    | 'held'
    | 'few_affected'
    | 'significant'
    | 'not_significant'
    | 'contrary'
    | 'not_shown_worse'
    | 'most_fail'
    | 'legacy_gone';
  missing?:
    | 'stale'
    | 'nothing_yet'
    | 'no_legacy'
    | 'no_page'
    | 'no_beacon'
    | 'no_event'
    | 'no_signal'
    | 'no_gauge'
    | 'old_gauge'
    | 'no_data'
    | 'no_count'
    | 'silent'
    | 'nothing';
  age_ms?: number;
  for_ms?: number;
  needed_ms?: number;
  found?: number;
  needed?: number;
  /** How long the rest takes at the traffic so far. */
  rest_ms?: number;
  last?: Time;
};

/** Who has approved something, and when. */
export type Approved = {
  /** Who. */
  by: string;
  /** When. */
  at: Time;
};

/** Why a command is refused. `phase`: not in this phase. `killed`: revive it first. `not-killed`: there is nothing to revive. `kill-key`: a kill key stands in KV and only deleting it there ends the kill. `checklist`: items are open. `early`: before the plan's `start`. `guardrail`: one has acted, and the rollout was not resumed since. `gates`: gates of the stage fail. `other-key`: `confirm` names another rollout. `nothing-open`: nothing is left to approve. `frozen`: in a `freeze`. `enter`: outside the next stage's `enter`. `last-stage`: there is no next one. `unknown-stage`, `unknown-item`: the plan has none of that name. `approved-already`. `same-person`: the item needs several people. `other-role`: it is for another role. `would-rise`: a rollback goes down. `running-plan`: the plan of a started rollout cannot change in this way. `unread-plan`: what is stored of the rollout cannot be read; kill, pause and a rollback to 0 % work, and applying its plan again mends it. */
export type RefusalCode =
  | 'phase'
  | 'killed'
  | 'not-killed'
  | 'kill-key'
  | 'checklist'
  | 'early'
  | 'frozen'
  | 'enter'
  | 'guardrail'
  | 'gates'
  | 'other-key'
  | 'nothing-open'
  | 'last-stage'
  | 'unknown-stage'
  | 'unknown-item'
  | 'approved-already'
  | 'same-person'
  | 'other-role'
  | 'would-rise'
  | 'running-plan'
  | 'unread-plan';

/** The revision that KV holds. */
export type Published = {
  /** The revision. */
  revision: number;
  /** Whether that is the current one. If not, publishing is tried again until it succeeds. */
  is_current: boolean;
};

/** Where a rollback goes: `off` (0 %, and no groups), `previous` (the stage before), or a smaller percentage. */
export type RollbackTo = Percentage | ('off' | 'previous');

/** Something to know before agreeing. */
export type Warning = {
  /** What it is about. */
  code: 'confirmed' | 'skipped' | 'chance' | 'never_reported' | 'jump' | 'held' | 'attempt' | 'killed' | 'all' | 'ends';
  /** The sentence. */
  text: string;
};

/** Something that has to be seen. */
export type Need = {
  /** The term that asks for it; absent for what every comparison needs. */
  of?: string;
  /** How much. */
  count: number;
  /** Of what, and on which side. */
  what: string;
  /** How long it takes, in milliseconds; absent for ever. */
  takes_ms?: number;
  /** Within what it has to be, in milliseconds: the stage's hold, or the term's own window. */
  within_ms?: number;
  /** Whether it is. */
  is_reached: boolean;
  /** All of this in a sentence. */
  text: string;
};

/** The answer to a command to all rollouts. */
export type AllDone = {
  /** Those that it changed, as they are now. */
  rollouts: Rollout[];
  /** Those that refused it. */
  refused: Refused[];
};

/** A rollout that refused a command to all. */
export type Refused = {
  /** Its key. */
  rollout: Name;
  /** Why. */
  detail: string;
  /** What to do. */
  help?: string;
};

/** Quantiles of what was measured; null without observations. */
export type Quantiles = {
  /** How many observations. */
  count: number;
  /** The median. */
  p50: number | null;
  /** The third quartile. */
  p75: number | null;
  /** The 95th percentile. */
  p95: number | null;
  /** The 99th percentile. */
  p99: number | null;
};

/** Distinct users by side. */
export type Subjects = {
  /** On legacy. */
  legacy: number;
  /** On new. */
  new: number;
};

/** What applying plans has done to one rollout. */
export type PlanApplied = {
  /** The rollout. */
  rollout: Name;
  /** What has become of it. */
  change: 'added' | 'changed' | 'unchanged' | 'removed';
  /** The entry of its history, where there is a new one. */
  entry?: Entry;
};

/** What a delivery was to one rollout. */
export type DeliveryTakenBy = {
  /** The rollout. */
  rollout: Name;
  /** How many alerts or facts it held. */
  alerts: number;
  /** How many of them were news. */
  new: number;
  /** The signals that were reported. */
  signals: Name[];
  /** Those of which nothing was taken in: where the receiver's `at` leads there is no number. */
  without_number?: Name[];
};

/** The configuration in the memory of an isolate. */
export type SnapshotHealth = {
  /** Of the plans. */
  revision: number;
  /** How many. */
  rollouts: number;
  /** Milliseconds since KV last confirmed it; null before the first read. */
  age_ms: number | null;
};

/** A plan that a started rollout does not allow. */
export type RefusedPlan = {
  /** Its key. */
  rollout: Name;
  /** Why. */
  refusal: RefusalCode;
  /** Why, in a sentence. */
  detail: string;
  /** What to do. */
  help?: string;
};

/** Messages out, and the channels that they go to. */
export type Outbox = {
  /** The newest first. */
  messages: OutboxMessage[];
  /** The channels of all plans, and those that something waits for. */
  channels: OutboxChannel[];
  /** When this was so. */
  at: Time;
};

/** A message. */
export type OutboxMessage = {
  /** Its receiver gets it too, each time that it is sent. */
  id: string;
  /** When what it tells of happened. */
  at: Time;
  /** The rollout that it is about; of several, one of them. */
  rollout: Name;
  /** The history entry that it is about. */
  revision?: number;
  /** The channel. */
  channel: Name;
  /** What carries it. */
  channel_kind?:
    | 'slack'
    | 'teams'
    | 'pagerduty'
    | 'opsgenie'
    | 'jsm'
    | 'jira'
    | 'mail'
    | 'statuspage'
    | 'sentry'
    | 'grafana'
    | 'webhook';
  /** What it is about. */
  kind: NotificationKind;
  /** How soon somebody should look. */
  urgency: Urgency;
  /** Its first line. */
  headline: string;
  /** Whether it was sent. */
  state: 'waiting' | 'sent' | 'dead';
  /** How often it was tried. */
  tries: number;
  /** When it is tried next, of one that waits. */
  next_try?: Time;
  /** Until when it is held back, of one that waits and was not tried: to be one message with what comes until then, or since one before it fails. */
  held_until?: Time;
  /** Why the last try failed. */
  error?: string;
  /** How many messages it is made of. */
  folded: number;
  /** When it was sent or given up. */
  ended_at?: Time;
};

/** A channel as one or several plans define it alike. */
export type OutboxChannel = {
  /** Its name. */
  channel: Name;
  /** What carries its messages. */
  kind?:
    | 'slack'
    | 'teams'
    | 'pagerduty'
    | 'opsgenie'
    | 'jsm'
    | 'jira'
    | 'mail'
    | 'statuspage'
    | 'sentry'
    | 'grafana'
    | 'webhook';
  /** The rollouts whose plans define it like this. */
  rollouts: Name[];
  /** How many messages wait. */
  waiting: number;
  /** When the oldest of them was caused. */
  oldest?: Time;
  /** Whether its last message was given up. */
  is_dead: boolean;
  /** What is wrong with it, as a sentence. */
  fault?: string;
  /** What its last try failed over. */
  error?: string;
  /** Messages that were ever sent to channels of this name. */
  sent: number;
  /** Tries that have ever failed. */
  failed: number;
  /** Messages that were ever given up. */
  dead: number;
};

/** Messages that are sent again. */
export type Retried = {
  /** The ids of the messages that are sent again now. */
  retried: string[];
  /** Those that are not. */
  skipped: NotRetried[];
};

/** Samples that were sent to channels. */
export type ChannelTests = {
  /** For each channel. */
  tests: ChannelTest[];
};

/** A sample that was sent to a channel. */
export type ChannelTest = {
  /** The channel. */
  channel: Name;
  /** What carries its messages. */
  kind:
    | 'slack'
    | 'teams'
    | 'pagerduty'
    | 'opsgenie'
    | 'jsm'
    | 'jira'
    | 'mail'
    | 'statuspage'
    | 'sentry'
    | 'grafana'
    | 'webhook';
  /** The rollouts whose plans define it like this. */
  rollouts: Name[];
  /** What has become of it. */
  outcome: 'sent' | 'nothing' | 'failed' | 'refused';
  /** What went wrong. */
  error?: string;
  /** The status of the answer, where there was one. */
  status?: number;
  /** The beginning of the answer's body. */
  body?: string;
  /** How long it took, in milliseconds. */
  took_ms: number;
};

/** What a notification is about. `alert`: A guardrail came true. `resolved`: What an earlier notification was about is over. `escalation`: A guardrail has been true for so long that somebody else is to know. `checkin`: The figures, at an interval of the stage. `digest`: The figures, at an hour of the day. `notice`: A message that the plan has for this time. `stage`: The rollout has gone on: started, advanced, set, paused, resumed, completed. `rollback`: The rollout was sent back. `kill`: All traffic goes to legacy until it is revived. `waiting`: A person is waited for. `blocked`: It does not go on, though its time has come. `fault`: Something is wrong with what Tidegate relies on. `report`: A report on a rollout that has ended. `test`: A sample, to see whether a channel works. */
export type NotificationKind =
  | 'alert'
  | 'resolved'
  | 'escalation'
  | 'checkin'
  | 'digest'
  | 'notice'
  | 'stage'
  | 'rollback'
  | 'kill'
  | 'waiting'
  | 'blocked'
  | 'fault'
  | 'report'
  | 'test';

/** How soon somebody should look. `info`: Whenever they like. `warning`: In working hours. `critical`: At once. */
export type Urgency = 'info' | 'warning' | 'critical';

/** A message that is not sent again. */
export type NotRetried = {
  /** Its id. */
  id: string;
  /** Why not. */
  why: string;
};

/** An item of a checklist: a text, or a text and what else is known of it. */
export type ChecklistItem =
  | string
  | {
      /** Names the item. */
      text: string;
      /** Who sees to it: a role, or a person. */
      owner?: string;
      /** The role that alone may tick it. */
      role?: Name;
      /** By when: `2026-12-01`, or a stage, `start` or `end` with an offset such as `-1d`. */
      due?: string;
      note?: string;
      link?: string;
      /** How many different people have to tick it. */
      approvals?: number;
    };

export type FreezeWanted = {
  /** None lifts it. */
  freeze: Window[];
  reason?: Reason;
};

/** What was and what is to come. */
export type Timeline = {
  /** Now, by the controller's clock. */
  at: Time;
  /** The address that calendars can subscribe to. Whoever has it can read the dates; another `SIGNING_KEY` ends it. Absent where nothing is signed. */
  feed?: string;
  /** The rollouts, by their keys. */
  rollouts: RolloutTimeline[];
};

/** The dates of a rollout. */
export type RolloutTimeline = {
  /** Its key. */
  rollout: Name;
  /** When it will be done, in a sentence. */
  outlook: string;
  /** When it started or will; absent where nobody can tell. */
  start?: Time;
  /** When it will be done at the earliest: if every gate passes and every item is ticked in time. */
  end?: Time;
  /** In the order of time. */
  events: TimelineEvent[];
};

/** Something that has a date. */
export type TimelineEvent = {
  /** The same whenever it is asked for, within its rollout. */
  id: string;
  /** When, or from when on. */
  at: Time;
  /** Until when, of what lasts. */
  until?: Time;
  /** What it is: `done` (it was done), `start`, `stage`, `hold` (bake time over), `checkin`, `notice`, `freeze`, `approval` (an item is due), `end`. */
  kind: 'done' | 'start' | 'hold' | 'stage' | 'checkin' | 'notice' | 'freeze' | 'approval' | 'end';
  /** What happens, or happened. */
  title: string;
  /** More of it. */
  detail?: string;
  /** Who has to act, or has acted. */
  who?: string;
  /** Whether it is over, or has begun. */
  past: boolean;
};

/** When no rollout of the deployment advances. Rolling back always works. */
export type Freeze = {
  /** The windows; none for no freeze. */
  freeze: Window[];
  /** Who has set it. */
  by?: string;
  /** When. */
  at?: Time;
  /** Why. */
  reason?: string;
};

/** New's figure as a multiple of legacy's: an interval that may be read at any time. */
export type Ratio = {
  /** At least so many times; none where nothing can be said yet. */
  from?: number;
  /** At most so many times; none where nothing can be said yet. */
  to?: number;
  /** How sure that is, from 0 to 1: the chance that the truth is never outside. */
  level: number;
  /** Over the last so many minutes. */
  minutes: number;
};

/** What a comparison says so far. `worse`: New is worse than the bound. `not_worse`: New is not worse, or by less than a quarter. `unclear`: More is needed. */
export type Stands = 'worse' | 'not_worse' | 'unclear';

/** How much longer a comparison needs, at this traffic. */
export type Needs = {
  /** About so many minutes. */
  minutes: number;
  /** If new's figure is so many times legacy's; none for as much as it seems to be. */
  ratio?: number;
};

/** Something that makes a rollout's figures worth less. */
export type ProblemState = {
  /** Which. */
  on: 'srm' | 'no_traffic' | 'low_traffic' | 'measuring_stopped' | 'identity_mixed' | 'config_fault';
  /** What it is, in a clause. */
  what: string;
  /** What is done about it. */
  then: 'show' | 'alert' | 'hold' | 'pause' | 'rollback';
  /** Whether it is found now. */
  is_found: boolean;
  /** How it shows, in words; empty where it is not found. */
  text?: string;
  /** Since when it is found. */
  since?: Time;
};

/** What broke. */
export type Broke = {
  /** How many minutes this is about, up to now. */
  minutes: number;
  /** Failures of requests, those with the most over legacy first. */
  failures?: Failure[];
  /** JavaScript errors, likewise. */
  scripts?: ScriptError[];
  /** Values of the plan's dimensions that stand out. */
  stands_out?: StandsOut[];
  /** Users of new with a failed request. */
  failing?: People;
  /** Users of new with a JavaScript error. */
  erring?: People;
};

/** A class of failures that is more frequent on new, somewhere or everywhere. */
export type Failure = {
  /** Which failures. */
  class: '5xx' | '4xx' | 'timeout' | 'refused' | 'broken' | 'abandoned';
  /** The plan's endpoint; absent for everywhere. */
  endpoint?: Name;
  /** The endpoint's path. */
  path?: string;
  /** Of its requests on new. */
  new: Share;
  /** Of its requests on legacy. */
  legacy: Share;
  /** The statuses, the most frequent first: the status and how often new answered with it. */
  statuses?: [number, number][];
};

/** How many of how many. */
export type Share = {
  /** So many. */
  count: number;
  /** Of so many. */
  of: number;
};

/** A JavaScript error that is more frequent on new. */
export type ScriptError = {
  /** Its fingerprint: name, message and file without their variable parts. */
  fingerprint: string;
  /** Page views of new with it, at least, of those that reported. */
  new: Share;
  /** Page views of legacy with it. */
  legacy: Share;
  /** The minute in which new first had it, counted since 1970, where legacy never had it. */
  first_on_new?: number;
};

/** How many people: an estimate with its interval. */
export type People = {
  /** About so many. */
  about: number;
  /** At least, with a confidence of 95 %. The same as `about` where everybody was counted. */
  from: number;
  /** At most, likewise. */
  to: number;
};

/** What copies of legacy's requests have shown of new since the stage began. */
export type Shadow = {
  /** The share of requests on legacy that is copied now. */
  share: Percentage;
  /** How many copies there were. */
  copies: number;
  /** The share of them that new answered otherwise than legacy, or not at all, from 0 to 1; null without copies. */
  mismatch_rate: number | null;
  /** The share of them that new failed; null without copies. */
  error_rate: number | null;
  /** The 95th percentile of legacy's times to headers, of the requests that were copied, in milliseconds. */
  latency_ms_legacy: number | null;
  /** The same of new's, to the copies. */
  latency_ms_new: number | null;
  /** Copies that new answered otherwise, the newest first, at most 20. A controller that is restarted begins anew. */
  samples: ShadowSample[];
};

/** A copy that new answered otherwise than legacy. */
export type ShadowSample = {
  /** When. */
  at: Time;
  /** The path, without what looks like an id. */
  path: string;
  /** In what the answers differ: `no_answer`, `status`, `type`, `redirect`, `size`, `json`, `title`, `landmarks`, `links`. */
  differences: string[];
  /** The place in JSON at which they do, or what new lacks. */
  place?: string;
  /** Legacy's answer. */
  legacy: ShadowAnswer;
  /** New's. */
  new: ShadowAnswer;
};

/** What is kept of an answer. */
export type ShadowAnswer = {
  /** Its status; null where there was none. */
  status: number | null;
  /** Its type. */
  type?: string;
  /** A hash of the page's title. */
  title?: string;
};

/** A value of one of the plan's dimensions that has much more of a trouble on new than all others have. */
export type StandsOut = {
  /** What goes wrong. */
  trouble: 'failures' | '4xx' | 'js_errors';
  /** The dimension. */
  dimension: string;
  /** The value. */
  value: string;
  /** Of its requests, or page views, on new. */
  new: Share;
  /** Of those of all other values on new. */
  others: Share;
  /** Of its own on legacy. */
  legacy: Share;
};
