// The schemas of crates/protocol/src/api/openapi.json as types. Written by scripts/api-types.mjs (make format).

/** Letters, digits, `_`, `-` and `.`; starts with a letter or a digit. */
export type Name = string;

/** Percent of all subjects, in steps of 0.001. A finer one is refused, never rounded. */
export type Percentage = number;

/** RFC 3339, in UTC. */
export type Time = string;

/** Grows by one with each history entry of a rollout; for plans, with each change of any plan. */
export type Revision = number;

/** A whole number and `ms`, `s`, `m`, `h`, `d` or `w`, such as `48h`. */
export type Duration = string;

/** A recurring part of the week: `Mon-Thu 08:00-16:00 UTC`, or `Fri 17:00-Mon 08:00 UTC`. */
export type Window = string;

/** SHA-256 in lower-case hexadecimal. */
export type Hash = string;

/** Why. Kept in the history; only a dry run, and what stops something, needs none. */
export type Reason = string;

/** Why. It may be left out or empty, since nothing may be in the way of what stops something: the history then has `no reason given`, and the reason can follow by a `note`. */
export type StopReason = string;

/** `draft`: not started. `running`: the schedule advances it. `paused`: stays where it is. `rolled_back`: back at less, or at nobody. `completed`: everybody is on new. */
export type Phase = 'draft' | 'running' | 'paused' | 'rolled_back' | 'completed';

/** Which frontend. */
export type Variant = 'legacy' | 'new';

/** No data is `inconclusive`, never a pass and never a fail. A guardrail passes while its condition is false. */
export type Verdict = 'pass' | 'fail' | 'inconclusive';

/** The name of the token; or `schedule` (the plan), `kv` (an edit by hand in KV), `guardrail`. */
export type Actor = string;

/** `phase`: not in this phase. `killed`: revive it first. `not-killed`: there is nothing to revive. `kill-key`: a kill key stands in KV and only deleting it there ends the kill. `checklist`: items are open. `early`: before the plan's `start`. `guardrail`: one has acted, and nobody has gone on since. `gates`: gates of the stage fail. `other-key`: `confirm` names another rollout. `nothing-open`: nothing is left to approve. `frozen`: in a `freeze`. `enter`: outside the next stage's `enter`. `last-stage`: there is no next one. `unknown-stage`, `unknown-item`: the plan has none of that name. `approved-already`. `would-rise`: a rollback goes down. `running-plan`: the plan of a started rollout cannot change in this way. `unread-plan`: what is stored of the rollout cannot be read; kill, pause and a rollback to 0 % work, and applying its plan anew mends it. */
export type Refusal =
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
  | 'would-rise'
  | 'running-plan'
  | 'unread-plan';

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
  | 'complete';

/** The live state of a rollout, as it is also published to KV. */
export type State = {
  revision: Revision;
  /** The revision of the plan that it follows. */
  plan: number;
  /** One run through the stages; a resume after a rollback starts the next. */
  attempt: number;
  phase: Phase;
  /** The kill switch: everybody is on legacy, whatever the phase. */
  killed: boolean;
  /** The current stage. */
  stage: Name;
  /** As set. What is in effect is the `percentage` of the rollout. */
  percentage: Percentage;
  /** On new beside the percentage: those of the stages up to the current one. */
  groups: Name[];
  /** Since when the same subjects get the same side by it. */
  since: Time;
  /** Present and true once it has done its time in the last stage, so that rollouts that come after it may go. */
  ended?: boolean;
  /** The edit by hand in KV that was adopted last. */
  kv?: {
    /** The value of the key `stage/KEY`, as it was read. */
    text: string;
    at: Time;
  };
};

/** Whom a change moves, together with what the schedule makes of it at once. Groups are not counted. */
export type Moves = {
  /** In effect before, in percent. */
  from: Percentage;
  /** In effect after, in percent. */
  to: Percentage;
  /** The side to which subjects move. */
  direction: 'new' | 'legacy' | 'none';
  /** How many move, in percentage points of all subjects. */
  share: Percentage;
  /** How many of the subjects of the last day that is; null where none were seen. */
  subjects: number | null;
  /** Whether `share` follows from the percentages alone or from measured traffic. */
  basis: 'percentage' | 'traffic';
};

/** An item of a checklist. */
export type Item = {
  /** The text of the item. */
  item: string;
  /** Absent while it is open. */
  approved?: {
    by: Actor;
    at: Time;
  };
};

/** What one comparison rests on. */
export type Figure = {
  /** With its endpoint: `latency.p95@api`. */
  metric: string;
  /** The endpoint alone. */
  endpoint?: string;
  /** Of `value`, `legacy` and, but for a factor, `bound`. */
  unit: 'share' | 'milliseconds' | 'number';
  /** Of new: shares from 0 to 1, times in milliseconds. Null without observations. */
  value: number | null;
  /** The same of legacy, where it is compared. */
  legacy?: number | null;
  op?: '<' | '<=' | '>' | '>=' | '=';
  /** In the same unit; the factor of a comparison with legacy. */
  bound: number | null;
  /** What it is compared with: a number; legacy, by a sequential test; legacy's last day with traffic; the split that the percentage promises. */
  basis: 'limit' | 'legacy' | 'legacy_before' | 'sample_ratio';
  /** When legacy was last measured. */
  legacy_until?: Time;
  /** What the guardrail does where it comes true. */
  then?: string;
  /** What it is measured over: a duration, `stage` or `attempt`. */
  span?: string;
  /** What observations are. */
  of: 'requests' | 'page_views' | 'users' | 'nothing';
  /** How many observations of new. */
  observations: number;
  /** How many of legacy. */
  observations_legacy?: number;
  /** What the sequential test has counted on either side: a user's minutes, not requests. */
  exposures?: {
    new: number;
    legacy: number;
  };
  /** The evidence of a comparison with legacy; null where it is too large for a number. */
  e_value?: number | null;
  /** The threshold from which evidence is significant: one in so many harmless releases reaches it. */
  e_needed?: number | null;
  /** What the evidence is for: that new has more than `bound` times legacy's, less, or more than twice that of the most that legacy's last day can have been. */
  shows?: 'more' | 'less' | 'doubled';
  /** The most that legacy's last day can have been. */
  legacy_most?: number;
  /** The same over the last minutes. */
  now?: {
    minutes: number;
    value: number | null;
    legacy?: number | null;
    /** Requests that legacy answered in new's place. */
    rescued: number;
  };
  /** Why the verdict is what it is, where the figures alone do not say it. */
  because?: {
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
  /** The same in words. */
  text: string;
};

/** A figure as the history keeps it: the same without words. */
export type StoredFigure = {
  /** With its endpoint: `latency.p95@api`. */
  metric: string;
  /** The endpoint alone. */
  endpoint?: string;
  /** Of `value`, `legacy` and, but for a factor, `bound`. */
  unit: 'share' | 'milliseconds' | 'number';
  /** Of new: shares from 0 to 1, times in milliseconds. Null without observations. */
  value: number | null;
  /** The same of legacy, where it is compared. */
  legacy?: number | null;
  op?: '<' | '<=' | '>' | '>=' | '=';
  /** In the same unit; the factor of a comparison with legacy. */
  bound: number | null;
  /** What it is compared with: a number; legacy, by a sequential test; legacy's last day with traffic; the split that the percentage promises. */
  basis: 'limit' | 'legacy' | 'legacy_before' | 'sample_ratio';
  /** When legacy was last measured. */
  legacy_until?: Time;
  /** What the guardrail does where it comes true. */
  then?: string;
  /** What it is measured over: a duration, `stage` or `attempt`. */
  span?: string;
  /** What observations are. */
  of: 'requests' | 'page_views' | 'users' | 'nothing';
  /** How many observations of new. */
  observations: number;
  /** How many of legacy. */
  observations_legacy?: number;
  /** What the sequential test has counted on either side: a user's minutes, not requests. */
  exposures?: {
    new: number;
    legacy: number;
  };
  /** The evidence of a comparison with legacy; null where it is too large for a number. */
  e_value?: number | null;
  /** The threshold from which evidence is significant: one in so many harmless releases reaches it. */
  e_needed?: number | null;
  /** What the evidence is for: that new has more than `bound` times legacy's, less, or more than twice that of the most that legacy's last day can have been. */
  shows?: 'more' | 'less' | 'doubled';
  /** The most that legacy's last day can have been. */
  legacy_most?: number;
  /** The same over the last minutes. */
  now?: {
    minutes: number;
    value: number | null;
    legacy?: number | null;
    /** Requests that legacy answered in new's place. */
    rescued: number;
  };
  /** Why the verdict is what it is, where the figures alone do not say it. */
  because?: {
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
};

/** The sample ratio: whether as many users are on each side as the percentage says. */
export type Judgement = {
  verdict: Verdict;
  /** Since when it has been this. */
  since?: Time;
  /** Why, in words. */
  text: string;
  figures: Figure[];
};

export type Metrics = {
  rollout: Name;
  since: Time;
  /** Now, by the controller's clock. */
  at: Time;
  /** How many minutes a window spans. */
  minutes: 1 | 60;
  /** The one that was asked for. */
  endpoint?: Name;
  /** Those of the plan that are measured. */
  endpoints: Name[];
  windows: Measured[];
  evidence: Evidence[];
};

/** What was measured under one revision in one minute or hour. */
export type Measured = {
  /** When it begins. */
  at: Time;
  minutes: 1 | 60;
  revision: Revision;
  /** In effect under this revision, where its history is known. */
  percentage?: Percentage;
  sides: MeasuredSide[];
  /** Distinct subjects of the whole rollout; to 1,024 exactly, then to about 3 %. */
  subjects?: {
    legacy: number;
    new: number;
  };
};

/** One side: of the whole rollout, or of the endpoint that was asked for. */
export type MeasuredSide = {
  variant: Variant;
  /** Absent for the whole rollout. */
  endpoint?: Name;
  /** That the side was asked to answer. */
  requests: number;
  /** Those that failed, as the plan defines it: answered with a 5xx, too late or not at all. */
  errors: number;
  /** Those that it answered with a 4xx. This and what follows is absent in windows that were counted before it was. */
  client_errors?: number;
  /** Those that had no headers in time. */
  timeouts?: number;
  /** Those that their clients gave up before there were headers. */
  abandoned?: number;
  /** Pages whose body ended early or stalled. */
  broken?: number;
  /** By status from 400: those answered with it. The lowest 16; absent for none. */
  statuses?: Record<string, number>;
  /** By `errors`, `client_errors`, `timeouts`, `abandoned`, `broken` or `status.NNN`: those of a subject or client that had one in the same minute already. Rates leave them out; absent for none. */
  repeats?: Record<string, number>;
  /** Those that legacy answered in its place. */
  rescued: number;
  /** Page views that reported. */
  pages: number;
  /** Those with a JavaScript error. */
  failed_pages: number;
  js_errors: number;
  /** By measure (`latency`, `waited`, `lcp`, `fcp`, `cls`, `inp`, `ttfb`, `timing.NAME`): quantiles to 2 %, in milliseconds but for `cls`. */
  measures: Record<
    string,
    {
      count: number;
      p50: number | null;
      p75: number | null;
      p95: number | null;
      p99: number | null;
    }
  >;
};

/** How far a comparison is from its decision. Evidence that is valid at every look: it may be looked at as often as one likes. */
export type Evidence = {
  of: 'guardrail' | 'gate' | 'sample_ratio';
  condition: string;
  metric: string;
  /** Null where it is too large for a number. */
  e_value: number | null;
  e_needed: number | null;
  /** The same in words. */
  text: string;
  /** The last minute of a comparison that is not made any more, such as after a rollback; it is shown for two hours. */
  ended?: Time;
  /** `e_value` at the end of each minute of the last two hours in which it was looked at, the oldest first. A controller that starts anew begins a new one. */
  trail: [Time, number | null][];
};

/** A condition that must be true before the stage is left. */
export type Gate = {
  /** The condition, as in the plan. */
  condition: string;
  verdict: Verdict;
  /** The figures behind the verdict, in words. */
  text: string;
  /** Since when the verdict has been this. */
  since?: Time;
  figures?: Figure[];
  /** It holds without being in the plan; `defaults = "none"` in the plan switches it off. Absent for the plan's own. */
  built_in?: true;
};

/** A condition that acts when it comes true. */
export type Guardrail = {
  /** The condition that must not come true. */
  when: string;
  /** How long after a stage's entry nothing counts for it yet, such as `5m`; from the entry on where absent. */
  after?: string;
  /** What is done: `off`, `rollback`, `previous`, `pause`, `alert`, or a percentage such as `5%`. */
  then: string;
  /** `critical` wakes somebody up. */
  severity: 'critical' | 'warning';
  verdict: Verdict;
  /** The figures behind the verdict, in words. */
  text: string;
  /** Since when the verdict has been this. */
  since?: Time;
  figures?: Figure[];
  /** The stages in which it watches; all where absent. */
  stages?: Name[];
  /** It is in force without being in the plan; `defaults = "none"` in the plan switches it off. Absent for the plan's own. */
  built_in?: true;
};

/** A stage of the plan and how far it is. */
export type StageView = {
  name: Name;
  percentage: Percentage;
  /** On new from this stage on. */
  groups?: Name[];
  /** How long it lasts at least. */
  hold?: Duration;
  /** The role that looks after it. */
  owner?: Name;
  /** When it may be entered. */
  enter?: Window[];
  gates: Gate[];
  /** Guards leaving the stage. */
  checklist: Item[];
};

/** The checklist that counts now. */
export type Checklist = {
  /** Before the start, before the current stage is left, or before the resume after a rollback. */
  of: 'start' | 'stage' | 'rollback';
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
  command: 'start' | 'advance' | 'complete' | 'end' | 'release';
  stage?: Name;
  percentage?: Percentage;
  /** Absent while something other than time blocks. */
  at?: Time;
  /** When at the earliest, where `condition` has to be met as well. */
  earliest?: Time;
  /** What has to be met beside the time: `2 gates pass`. */
  condition?: string;
};

/** Something that keeps the schedule from going on. */
export type Blocker = {
  by:
    | 'hold'
    | 'gates'
    | 'sample_ratio'
    | 'checklist'
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
  /** In words. */
  text: string;
  /** When it ends by itself. */
  until?: Time;
};

/** A configuration fault. The last good value stays in force. */
export type ConfigFault = {
  /** What is at fault, such as a KV key. */
  subject: string;
  /** What is wrong with it. */
  message: string;
  at: Time;
};

/** The value of `group/NAME` in KV, as isolates hold it. */
export type HeldList = {
  group: Name;
  /** How many ids it has; several numbers while isolates hold different versions. */
  ids: number[];
};

/** A rollout, as an operator sees it. */
export type Rollout = {
  key: Name;
  /** For people. */
  description?: string;
  /** The requests that it takes; none for a flag. */
  routes: string[];
  /** Without upstreams: assigned on each request and told to the upstream. */
  is_flag: boolean;
  state: State;
  /** In effect now: 0 while killed, draft or waiting for another rollout. */
  percentage: Percentage;
  /** The key in KV that kills it. Only deleting it there ends the kill. */
  kill_key?: string;
  stages: StageView[];
  guardrails: Guardrail[];
  sample_ratio?: Judgement;
  checklist?: Checklist;
  /** The messages of the plan that people were handed to send (`by` of a `[[notice]]`). `approve` ticks one off; nothing waits for them. Absent for none. */
  to_send?: Item[];
  hold?: Hold;
  next?: Next;
  /** All that keeps the schedule from going on. */
  blocked: Blocker[];
  /** The commands that would be accepted now. */
  commands: CommandName[];
  /** The commands that may be sent without `If-Match`: those that stop something, and a note. */
  unconditional: ('kill' | 'pause' | 'rollback' | 'note')[];
  /** The commands that would be refused now. */
  not_now: NotNow[];
  reach?: Reach;
  /** It waits until these rollouts have ended. */
  after?: Name[];
  /** Remarks for operators. */
  notes?: string[];
  /** The plan's checklist for after a rollback. */
  after_rollback?: string[];
  /** When nothing advances. Rolling back always works. */
  freeze?: Window[];
  /** Who takes the next step: the schedule or an operator. */
  advance: 'auto' | 'manual';
  /** The role that looks after the current stage. */
  owner?: Name;
  faults: ConfigFault[];
  /** The plan's signals, with the last report of each. */
  signals?: SignalState[];
  /** Where other tools deliver what becomes signals. */
  receivers?: ReceiverState[];
  /** Events, timings, web vitals, JavaScript errors and signals that gates or guardrails rely on, and that nobody has ever reported. */
  never_reported?: string[];
  /** The same in a sentence. */
  silence?: string;
  /** The lists of its groups in KV, as isolates held them within the last minute. */
  lists?: HeldList[];
  /** The revision that KV holds. */
  published: {
    revision: Revision;
    /** Whether that is the current one. If not, publishing is tried again until it succeeds. */
    is_current: boolean;
  };
};

/** A command that would be refused now. */
export type NotNow = {
  command: CommandName;
  refusal: Refusal;
  /** Why, in a sentence. */
  reason: string;
  /** What to do. */
  help?: string;
  /** When it will be possible, where the time alone stands in the way. */
  at?: Time;
  /** Whether it becomes possible from here once the reason is gone. The others are no way on. */
  waits: boolean;
  /** It is done for whoever names the rollout in `confirm`. */
  confirmable?: true;
};

/** How far a kill has come, for the first ten minutes. An isolate that gets no requests tells nothing; its next request may still be answered from what it knew. */
export type Reach = {
  /** The revision that killed it. */
  revision: Revision;
  /** How many isolates were heard in the last minute. */
  isolates: number;
  /** How many of them have not told that they know of the kill. */
  behind: number;
  /** For how long no request to new was told of, where none is behind. */
  quiet_ms?: number;
};

/** A step of the schedule, and the state that it leads to. */
export type Step = {
  command: 'start' | 'advance' | 'complete' | 'release' | 'wait' | 'end';
  stage: Name;
  percentage: Percentage;
  phase: Phase;
};

/** Something that ends when a rollout completes. */
export type Ends = {
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
  | NoteCommand;

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

/** A command in the history: one of the operators', or `apply` (the plan changed), `release` and `wait` (the rollouts named in `after` have ended, or no longer), `take_over` (the rollout goes on as KV held it before the controller knew it), `end` (a last stage under 100 % has done its time). */
export type RecordedCommand =
  | {
      command: 'start';
    }
  | {
      command: 'advance';
    }
  | {
      command: 'set';
      percentage: Percentage;
      /** Where an edit in KV named another one than the percentage reaches. */
      stage?: Name;
      /** Where an edit in KV killed or revived too. */
      killed?: boolean;
      /** The value of `stage/KEY` in KV that asked for it, where the actor is `kv`. */
      kv?: string;
    }
  | {
      command: 'pause';
    }
  | {
      command: 'resume';
      /** Only from rolled_back. */
      stage?: Name;
    }
  | {
      command: 'rollback';
      /** `off`: 0 %, and no groups. */
      to?: ('off' | 'previous') | Percentage;
    }
  | {
      command: 'kill';
      /** The key in KV that did it, where the actor is `kv`. */
      key?: string;
      /** The value of `stage/KEY` in KV that asked for it, where the actor is `kv`. */
      kv?: string;
    }
  | {
      command: 'revive';
      /** The key in KV that did it, where the actor is `kv`. */
      key?: string;
      /** The value of `stage/KEY` in KV that asked for it, where the actor is `kv`. */
      kv?: string;
    }
  | {
      command: 'approve';
      /** The exact text of the item. */
      item: string;
    }
  | {
      command: 'complete';
      confirm?: Name;
    }
  | {
      command: 'note';
    }
  | {
      command: 'apply';
      plan: Revision;
      /** Of the plan as JSON. */
      digest: Hash;
    }
  | {
      command: 'release' | 'wait' | 'end';
    }
  | {
      command: 'take_over';
      state: State;
    };

/** An entry of the history. Replaying the entries rebuilds the state. */
export type Entry = {
  rollout: Name;
  /** Of the rollout, after the change. */
  revision: Revision;
  at: Time;
  actor: Actor;
  command: RecordedCommand;
  cause?: Cause;
  /** Why, in the actor's words; empty where `cause` says all. Entries of older versions have the controller's own words here. */
  reason: string;
  /** The figures that decided, as sentences: in entries of older versions alone. */
  figures?: string[];
  /** The figures that decided: those of the guardrail, or of the gates of the stage that was left. */
  measured?: StoredFigure[];
  /** The state after the change. */
  state: State;
  /** `hash` of the entry before; zeros for the first. */
  previous: Hash;
  /** Of this entry and of `previous`: a history that was tampered with does not add up. */
  hash: Hash;
};

/** What led to a change: `operator`, a person's command; `schedule`, the plan, with the `stage` that was left and its `hold`, or the rollouts that it comes `after`; `guardrail`, one that came true, by its `index` among those of the rollout and its `condition`; `kv`, what was found under a `key`. */
export type Cause = {
  by: 'operator' | 'schedule' | 'guardrail' | 'kv';
  stage?: string;
  hold?: Duration;
  after?: Name[];
  index?: number;
  condition?: string;
  key?: string;
  /** What was read under the key. */
  text?: string;
  /** What it was: a text that somebody wrote, a state of the controller that somebody edited, one from before the controller knew the rollout, a key that is gone, or the key itself. */
  found?: 'text' | 'edited_state' | 'earlier_state' | 'gone' | 'key';
};

/** What a command does, in sentences: the command and the console show these. */
export type Consequences = {
  before: Standing;
  /** After the command alone. */
  after: Standing;
  /** What the schedule makes of it at once, and what it waits for then. */
  following: string[];
  /** Who changes sides. */
  movers: string[];
  /** What a person should know before they agree. */
  warnings: {
    code:
      | 'confirmed'
      | 'skipped'
      | 'chance'
      | 'never_reported'
      | 'jump'
      | 'held'
      | 'attempt'
      | 'killed'
      | 'all'
      | 'ends';
    text: string;
  }[];
  /** It stops something, and so needs no reason. */
  is_unconditional: boolean;
  /** It needs `If-Match`. */
  needs_revision: boolean;
};

/** Where a rollout stands. */
export type Standing = {
  stage: string;
  /** The percentage in force. */
  percentage: number;
  /** What else the command changes: the phase, a kill, the attempt. */
  facts: string[];
};

/** What led to an entry, in sentences. */
export type Explanation = {
  revision: Revision;
  /** The actor's own words, else what `cause` says. */
  reason: string;
  /** The figures that decided. */
  figures?: string[];
};

/** What was done. */
export type Done = {
  rollout: Rollout;
  entry: Entry;
  explanation: Consequences;
  moves: Moves;
  /** What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered count as inconclusive. */
  then: Step[];
  /** What it waits for then. */
  waits: Blocker[];
  /** What ends, where all this completes the rollout. */
  ends: Ends[];
};

/** What would be done. */
export type Tried = {
  dry_run: true;
  explanation: Consequences;
  from: State;
  to: State;
  moves: Moves;
  /** What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered count as inconclusive. */
  then: Step[];
  /** What it waits for then. */
  waits: Blocker[];
  /** What ends, where all this completes the rollout. */
  ends: Ends[];
  /** Of a start, where legacy was measured for ten minutes or more. */
  forecast?: Forecast;
};

/** What chance alone does to the plan on a healthy release, which is one like legacy of the last day. */
export type Forecast = {
  /** As measured, to both sides together. */
  requests_per_hour: number;
  /** The guardrails that compare a rate, a count or a quantile with a number. */
  alarms: Alarm[];
  /** Those that cannot be foretold: others report what they watch, or too little was measured. */
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
  /** Where it fires most often. */
  stage: Name;
  /** There, from one such alarm to the next on average; absent for hardly ever. */
  every_hours?: number;
  /** That it fires on a healthy release in all holds together. */
  chance: number;
  /** More often than once in a week, or on more than one in twenty healthy releases. */
  is_frequent: boolean;
  /** Conditions that see the same and hardly ever fire by chance. */
  would_not?: string[];
  /** All of this in a sentence. */
  text: string;
};

/** What a stage sees. */
export type StageReach = {
  stage: Name;
  percentage: Percentage;
  /** How long it lasts at least. */
  hold?: string;
  new_per_hour: number;
  legacy_per_hour: number;
  needs: {
    /** The comparison that asks for it; absent for the 50 on each side that every comparison needs. */
    of?: string;
    count: number;
    /** Of what, and on which side. */
    what: string;
    /** Absent for ever. */
    takes_ms?: number;
    /** The stage's hold, or the comparison's own window. */
    within_ms?: number;
    is_reached: boolean;
    text: string;
  }[];
};

export type Messages = {
  /** The newest first. */
  messages: Message[];
  /** Pass it on for the next page; null on the last. */
  before: Time | null;
};

export type Message = {
  at: Time;
  /** What it is. */
  kind: 'alert' | 'escalation' | 'checkin' | 'notice';
  /** Channels; of an escalation and a check-in the role. */
  to: string[];
  /** What it says. */
  text: string;
  /** The figures that go with it. */
  figures?: string[];
  /** Which guardrail it is about, by its place in `guardrails` of the rollout. */
  guardrail?: number;
};

export type Outbox = {
  messages: OutboxMessage[];
  /** The channels of all plans, and those that something waits for. */
  channels: OutboxChannel[];
  at: Time;
};

export type OutboxMessage = {
  /** Its receiver gets it too, each time that it is sent. */
  id: string;
  at: Time;
  rollout: Name;
  revision?: Revision;
  channel: Name;
  channel_kind?: ChannelKind;
  /** What it is about. */
  kind:
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
  urgency: 'info' | 'warning' | 'critical';
  /** Its first line. */
  headline: string;
  state: 'waiting' | 'sent' | 'dead';
  tries: number;
  next_try?: Time;
  /** Why the last try failed. */
  error?: string;
  /** How many messages it is made of. */
  folded: number;
  ended_at?: Time;
};

export type OutboxChannel = {
  channel: Name;
  kind?: ChannelKind;
  /** The rollouts whose plans define it like this. */
  rollouts: Name[];
  waiting: number;
  oldest?: Time;
  /** Whether its last message was given up. */
  is_dead: boolean;
  /** What is wrong with it. */
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

/** What carries the messages of a channel. */
export type ChannelKind =
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

export type Retried = {
  /** The ids of the messages that are sent again now. */
  retried: string[];
  /** Those that are not. */
  skipped: {
    id: string;
    why: string;
  }[];
};

export type ChannelTests = {
  tests: ChannelTest[];
};

export type ChannelTest = {
  channel: Name;
  kind: ChannelKind;
  rollouts: Name[];
  /** `nothing` where this kind of channel has no test message. */
  outcome: 'sent' | 'nothing' | 'failed' | 'refused';
  error?: string;
  status?: number;
  /** The beginning of the answer. */
  body?: string;
  took_ms: number;
};

export type History = {
  /** The newest first, byte for byte as their hashes cover them. */
  entries: Entry[];
  /** What led to each of them, in sentences. */
  explanations: Explanation[];
  /** Pass it on for the next page; null on the last. */
  before: Revision | null;
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
  /** Who is who. */
  roles?: Record<string, string>;
  /** When it starts by itself, after the checklist. */
  start?: string;
  /** Before the start. */
  checklist?: string[];
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
  after_rollback?: string[];
  notes?: string[];
  /** Where messages go: one of `slack`, `teams`, `webhook`, `pager` as `secret:NAME`, or `email`. */
  channels?: Record<string, Record<string, string>>;
  /** In their order; percentages do not fall. */
  stage: Stage[];
  guardrail?: PlannedGuardrail[];
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
  owner?: Name;
  /** `15m until 8h`, or `1h` for the rest. */
  checkins?: string[];
  /** Conditions. */
  gates?: string[];
  checklist?: string[];
  notes?: string[];
};

export type PlannedGuardrail = {
  /** A condition. */
  when: string;
  then: string;
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
  revision: Revision;
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

export type PlansApplied = {
  /** Of the plans, after the change. */
  revision: Revision;
  changes: {
    rollout: Name;
    change: 'added' | 'changed' | 'unchanged' | 'removed';
    entry?: Entry;
  }[];
  /** Whether nothing was changed. */
  dry_run: boolean;
};

/** A fact from outside, declared under `signals` in the plan. */
export type SignalReport =
  | {
      name: Name;
      /** How many events, for `kind = "count"`. */
      count: number;
    }
  | {
      name: Name;
      /** The level now, for `kind = "gauge"`. */
      value: number;
    };

/** A signal, as it was last reported. */
export type SignalState = {
  name: Name;
  kind: 'count' | 'gauge';
  /** Whether somebody reports it, a receiver gets it, or Tidegate asks for it. */
  source: 'reported' | 'receiver' | 'prometheus' | 'json';
  receiver?: Name;
  description?: string;
  /** The last report: a gauge's value, or how many events it told of. */
  value?: number;
  at?: Time;
  /** That is too old to count, or is known no more. */
  is_stale?: boolean;
  /** Why its source has no value. */
  error?: string;
  /** Since when it has none. */
  since?: Time;
};

/** A receiver, and what has arrived there. */
export type ReceiverState = {
  name: Name;
  kind: 'alertmanager' | 'grafana' | 'sentry' | 'datadog' | 'pagerduty' | 'json';
  /** Where the tool posts to, on any host that Tidegate serves. */
  path: string;
  heartbeat?: Duration;
  /** When something last arrived. */
  last_at?: Time;
  /** That is longer ago than its heartbeat. */
  is_silent?: boolean;
  /** How many alerts fire that its rules are about. */
  firing: number;
};

export type DeliveryTaken = {
  receiver: Name;
  rollouts: {
    rollout: Name;
    /** How many alerts or facts it held. */
    alerts: number;
    /** How many of them were news. */
    new: number;
    signals: Name[];
  }[];
};

export type SignalTaken = {
  rollout: Name;
  name: Name;
  at: Time;
};

/** What one subject gets, and why. An id alone tells nothing about groups that match a header, a cookie, a claim or a country. */
export type Assignment = {
  rollout: Name;
  id: string;
  /** In steps of 0.001 %: under the percentage × 1,000 is new. */
  bucket: number;
  variant: Variant;
  /** The first rule that fitted. */
  reason:
    | 'killed'
    | 'inactive'
    | 'excluded'
    | 'required'
    | 'completed'
    | 'group'
    | 'ineligible'
    | 'holdout'
    | 'bucketed'
    | 'unidentified';
  stage: Name;
  revision: Revision;
};

export type PreviewWanted = {
  variant: Variant;
  /** How long the link and its cookie work. At most `7d`. */
  for: Duration;
  /** The host that the link is for. Default: the host of this request; on CONSOLE_HOST, the first host that a route of the rollout names. */
  host?: string;
};

export type Preview = {
  /** Open it in a browser. It holds a signature: whoever has it sees this variant. */
  url: string;
  variant: Variant;
  host: string;
  expires: Time;
};

export type Session = {
  /** The actor in the history. */
  name: string;
  role: 'viewer' | 'operator';
  /** When the session ends; a token has no such time. */
  expires?: Time;
};

export type Health = {
  status: 'ok';
  version: string;
  /** The configuration in the memory of the isolate that answers. */
  snapshot: {
    /** Of the plans. */
    revision: Revision;
    /** How many. */
    rollouts: number;
    /** Milliseconds since KV last confirmed it; null before the first read. */
    age_ms: number | null;
  };
};

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
  faults?: Fault[];
  /** The rollout as it is now. */
  current?: Rollout;
  refusal?: Refusal;
  /** The key that has to be sent as `confirm` to do it all the same. */
  confirm?: Name;
  /** What would end then. */
  ends?: Ends[];
  /** Which plans were refused. None was applied. */
  refusals?: {
    rollout: Name;
    refusal: Refusal;
    detail: string;
    help?: string;
  }[];
};
