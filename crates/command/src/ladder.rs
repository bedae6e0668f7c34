//! One rollout in full: where it stands on its ladder of stages, what comes next, what is in the
//! way, and what can be done now.

use anstyle::Style;

use super::paint::{BAD, BOLD, DIM, GOOD, NEXT, WARN, cell, paint};
use super::shadow::shadow_lines;
use super::signals::{probe_line, receiver_line, signal_line};
use super::words::{counted, listed, moment, relative, span, when};
use super::wrap::hung;
use tidegate_decide::explain::sentence;
use tidegate_decide::judge::Verdict;
use tidegate_model::Instant;
use tidegate_protocol::api::shapes::{
    Blocker, Checklist, Gate, Guardrail, Hold, Percent, ProblemState, Rollout, StageView,
};

/// The width of the progress bar of a hold.
const BAR_WIDTH: u64 = 20;
/// The width of the labels under the ladder.
const LABEL_WIDTH: usize = 11;

/// The whole page, on lines of this width. `why` it stands still is said first.
pub fn page(rollout: &Rollout, why: &[String], now: Instant, width: usize) -> String {
    let mut lines: Vec<String> = headline(rollout, now).iter().map(|line| hung("", line, width)).collect();
    if !why.is_empty() {
        lines.push(String::new());
        lines.extend(why.iter().map(|line| hung("", line, width)));
    }
    lines.push(String::new());
    lines.extend(ladder(rollout, now).into_iter().map(|(head, body)| hung(&head, &body, width)));
    lines.push(String::new());
    if rollout.checklist.as_ref().is_some_and(|list| !list.items.is_empty()) {
        lines.extend(rollout.checklist.iter().flat_map(|list| checklist(list, now, width)));
        lines.push(String::new());
    }
    for (label, values) in rows(rollout, now) {
        for (index, (mark, value)) in values.iter().enumerate() {
            lines.push(hung(
                &format!("{} {mark}", cell(BOLD, if index == 0 { label } else { "" }, LABEL_WIDTH)),
                value,
                width,
            ));
        }
    }
    lines.join("\n")
}

/// Where a rollout is, in the server's words; of an older deployment, in as few as there are.
pub fn summary(rollout: &Rollout) -> String {
    match &rollout.state {
        _ if !rollout.summary.is_empty() => rollout.summary.clone(),
        state if state.killed => "killed".to_owned(),
        state => state.phase.replace('_', " "),
    }
}

/// The colour that tells how a rollout is.
pub fn style(rollout: &Rollout) -> Style {
    match rollout.state.phase.as_str() {
        _ if rollout.state.killed => BAD.bold(),
        "running" => GOOD,
        "paused" => WARN,
        "rolled_back" => BAD,
        "completed" => DIM,
        _ => Style::new(),
    }
}

fn headline(rollout: &Rollout, now: Instant) -> Vec<String> {
    let state = &rollout.state;
    let mut first = format!("{}  {}", paint(BOLD, &rollout.key), paint(style(rollout), summary(rollout)));
    let claims = if state.phase == "draft" { Percent(0.0) } else { state.percentage };
    if state.killed {
        first.push_str(": 0 % on new");
    } else if rollout.percentage != claims {
        first.push_str(&format!(", in effect {}", rollout.percentage));
    }
    let mut facts = vec![format!("revision {}", state.revision), format!("attempt {}", state.attempt)];
    facts.extend(
        state
            .since
            .get()
            .filter(|_| state.revision > 0)
            .map(|since| format!("since {} ({})", moment(since, now), relative(since, now))),
    );
    facts.extend(versions(rollout));
    if rollout.advance == "manual" {
        facts.push("advances by hand only".into());
    }
    let mut lines = vec![first];
    lines.extend(rollout.description.as_ref().filter(|text| !text.is_empty()).cloned());
    let place = if rollout.is_flag { "a flag".to_owned() } else { rollout.routes.join(" ") };
    lines.extend([place, facts.join(" · ")].into_iter().filter(|line| !line.is_empty()).map(|line| paint(DIM, line)));
    lines
}

/// Which version of new answers, and which others do while one is being deployed.
fn versions(rollout: &Rollout) -> Option<String> {
    let known = rollout.state.version.as_deref();
    let others: Vec<&str> = rollout.versions.iter().map(String::as_str).filter(|own| Some(*own) != known).collect();
    match (known, others.as_slice()) {
        (known, []) => known.map(|version| format!("new is {version}")),
        (Some(version), others) => Some(format!("new is {version} and, in part, {}", others.join(", "))),
        (None, others) => Some(format!("new is {}", others.join(" and "))),
    }
}

/// What stands at the beginning of a line, and what hangs beside it where the line is too long.
type Hanging = (String, String);

fn ladder(rollout: &Rollout, now: Instant) -> Vec<Hanging> {
    let current = rollout.position();
    let name_width = rollout.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or_default();
    let share_width =
        rollout.stages.iter().map(|stage| stage.percentage.to_string().chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (index, stage) in rollout.stages.iter().enumerate() {
        let (mark, style, is_current) = match (rollout.state.phase.as_str(), current) {
            _ if stage.skipped => ("↷", DIM, false),
            ("completed", _) => ("✓", GOOD, false),
            ("draft", _) => ("·", DIM, false),
            (_, Some(current)) if index < current => ("✓", GOOD, false),
            (_, Some(current)) if index == current => ("▸", BOLD, true),
            _ => ("·", DIM, false),
        };
        let share = format!("{:>share_width$}", stage.percentage.to_string());
        let about = if is_current { current_words(rollout, stage) } else { paint(DIM, stage_words(stage)) };
        lines.push((
            format!("  {} {} {}  ", paint(style, mark), cell(style, &stage.name, name_width), paint(style, share)),
            about,
        ));
        if is_current {
            lines.extend(rollout.hold.iter().map(|hold| ("      ".to_owned(), bar(hold, now))));
            // What has been rolled back passes no gate before it is resumed.
            let gates = stage.gates.iter().filter(|_| rollout.state.phase != "rolled_back");
            lines.extend(gates.map(gate_line));
        }
    }
    lines
}

fn current_words(rollout: &Rollout, stage: &StageView) -> String {
    let mut words = Vec::new();
    if rollout.state.percentage != stage.percentage {
        words.push(format!("now at {}", rollout.state.percentage));
    }
    if !rollout.state.groups.is_empty() {
        words.push(format!("and {}", listed(&rollout.state.groups)));
    }
    words.extend(stage.owner.as_ref().map(|owner| format!("owner {owner}")));
    words.join(", ")
}

/// What a stage asks for that is not the current one.
fn stage_words(stage: &StageView) -> String {
    let mut words = Vec::new();
    if stage.skipped {
        words.push("skipped".to_owned());
    }
    if !stage.groups.is_empty() {
        words.push(format!("and {}", listed(&stage.groups)));
    }
    words.extend(stage.hold.as_ref().map(|hold| format!("bake time {hold}")));
    words.extend(stage.deadline.as_ref().map(|deadline| format!("at most {deadline}")));
    let gates = stage.gates.iter().filter(|gate| !gate.built_in).count();
    for (count, what) in [(gates, "gate"), (stage.checklist.len(), "check")] {
        if count > 0 {
            words.push(counted(count, what));
        }
    }
    if !stage.enter.is_empty() {
        words.push(format!("entered {}", stage.enter.join(", ")));
    }
    words.join(", ")
}

fn bar(hold: &Hold, now: Instant) -> String {
    let length = hold.length_ms.max(1);
    let elapsed = hold.elapsed_ms.min(length);
    let filled = elapsed * BAR_WIDTH / length;
    let part = |symbol: &str, count: u64| symbol.repeat(usize::try_from(count).unwrap_or_default());
    let bar = format!("{}{}", paint(NEXT, part("█", filled)), paint(DIM, part("░", BAR_WIDTH - filled)));
    let rest = match (hold.until.get(), elapsed >= length) {
        (_, true) => "done".to_owned(),
        (Some(until), false) => format!("until {}", moment(until, now)),
        (None, false) => "paused".to_owned(),
    };
    let span = |ms: u64| span(i64::try_from(ms).unwrap_or(i64::MAX));
    format!("bake time {bar} {} of {}, {rest}", span(elapsed), span(length))
}

fn gate_line(gate: &Gate) -> Hanging {
    let (mark, style) = match gate.verdict {
        Verdict::Pass if gate.let_through => ("~", WARN),
        Verdict::Pass => ("✓", GOOD),
        Verdict::Fail => ("✗", BAD),
        Verdict::Inconclusive => ("?", WARN),
    };
    let built_in = if gate.built_in { " (built in)" } else { "" };
    (format!("      gate {} ", paint(style, mark)), format!("{}{built_in}  {}", gate.condition, paint(DIM, &gate.text)))
}

fn mark_of(verdict: Verdict) -> String {
    let (mark, style) = match verdict {
        Verdict::Pass => ("✓", GOOD),
        Verdict::Fail => ("✗", BAD),
        Verdict::Inconclusive => ("?", DIM),
    };
    format!("{} ", paint(style, mark))
}

fn judged_line(verdict: Verdict, text: &str) -> Hanging {
    (mark_of(verdict), paint(DIM, text))
}

/// A guardrail fails when what must not come true has come true.
fn guardrail_line(guardrail: &Guardrail, now: Instant) -> Hanging {
    let observes = guardrail.mode == "observe";
    let remark = match (guardrail.built_in, observes) {
        (true, _) => " (built in)",
        (_, true) => " (observes)",
        _ => "",
    };
    let would = guardrail.observed_at.get().map(|at| format!("{} at {}; now: ", guardrail.acts, moment(at, now)));
    let text = format!("{}{}", would.unwrap_or_default(), guardrail.text);
    (mark_of(guardrail.verdict), format!("{} → {}{remark}  {}", guardrail.when, guardrail.then, paint(DIM, text)))
}

/// A problem that there is, and what is done about it.
fn problem_line(problem: &ProblemState, now: Instant) -> Hanging {
    let since = problem.since.get().map(|at| format!("  {}", paint(DIM, relative(at, now)))).unwrap_or_default();
    (format!("{} ", paint(WARN, "!")), format!("{}{since}", self::problem(problem)))
}

/// A problem that there is, as sentences: what it is, how it shows, and what is done about it.
pub fn problem(own: &ProblemState) -> String {
    let what = if own.what.is_empty() { own.on.as_str() } else { &own.what };
    let done = match own.then.as_str() {
        "show" => " Nobody is notified.",
        "alert" => " The channels of the plan are notified; the rollout goes on.",
        "hold" => " No stage is left while it lasts; guardrails go on.",
        "pause" => " It pauses the rollout.",
        "rollback" => " It takes everybody back to legacy.",
        _ => "",
    };
    let shows = if own.text.is_empty() { String::new() } else { format!(" {}", sentence(&own.text)) };
    format!("{}{shows}{done}", sentence(what))
}

/// The checklist that counts now, with the numbers that `approve` takes.
pub fn checklist(list: &Checklist, now: Instant, width: usize) -> Vec<String> {
    let title = match list.of.as_str() {
        "start" => "Checklist, before it starts",
        "rollback" => "Checklist, before it is resumed",
        _ => "Checklist, before it leaves this stage",
    };
    let mut lines = vec![paint(BOLD, title)];
    for (index, item) in list.items.iter().enumerate() {
        let (mark, text) = match &item.approved {
            Some(approved) => {
                let at = approved.at.get().map(|at| format!(", {}", relative(at, now))).unwrap_or_default();
                (paint(GOOD, "[✓]"), format!("{}  {}", item.item, paint(DIM, format!("{}{at}", approved.by))))
            }
            None => ("[ ]".to_owned(), item.item.clone()),
        };
        lines.push(hung(&format!("  {} {mark} ", index + 1), &text, width));
    }
    lines
}

fn rows(rollout: &Rollout, now: Instant) -> Vec<(&'static str, Vec<Hanging>)> {
    let unmarked = |text: String| (String::new(), text);
    let mut rows = vec![("Next", vec![unmarked(next(rollout, now))])];
    rows.push(("Blocked by", blockers(rollout).map(|block| unmarked(blocked_line(block, now))).collect()));
    rows.push(("Guardrails", rollout.guardrails.iter().map(|own| guardrail_line(own, now)).collect()));
    rows.push(("Own past", rollout.own_past.iter().map(|own| judged_line(own.verdict, &own.text)).collect()));
    if let Some(key) = &rollout.kill_key {
        let way_out = [
            paint(BAD, format!("`{key}` exists in KV")),
            "only deleting it there ends the kill (--local for `make dev`):".to_owned(),
            format!("npx wrangler kv key delete --binding ROLLOUTS '{key}' --remote"),
        ];
        rows.push(("Kill key", way_out.map(unmarked).into()));
    }
    let fault = |subject: &str, message: &str, at: Option<Instant>| {
        let at = at.map(|at| format!("  {}", paint(DIM, relative(at, now)))).unwrap_or_default();
        (format!("{} ", paint(BAD, "!")), format!("{subject}: {message}{at}"))
    };
    rows.push((
        "Faults",
        rollout.faults.iter().map(|found| fault(&found.subject, &found.message, found.at.get())).collect(),
    ));
    rows.push(("What broke", rollout.what_broke.iter().cloned().map(unmarked).collect()));
    let found = rollout.problems.iter().filter(|own| own.is_found);
    rows.push(("Problems", found.map(|own| problem_line(own, now)).collect()));
    rows.push((
        "No reports",
        rollout.silence.iter().map(|text| (format!("{} ", paint(WARN, "!")), text.clone())).collect(),
    ));
    rows.push(("Before", rollout.known.iter().cloned().map(unmarked).collect()));
    rows.push(("Signals", rollout.signals.iter().map(|own| signal_line(own, now)).collect()));
    rows.push(("Receivers", rollout.receivers.iter().map(|own| receiver_line(own, now)).collect()));
    rows.push(("Probes", rollout.probes.iter().map(|own| probe_line(own, now)).collect()));
    rows.push(("Shadow", rollout.shadow.iter().flat_map(|own| shadow_lines(own, now)).collect()));
    rows.push(("Lists", rollout.lists.iter().map(|list| unmarked(list.text.clone())).collect()));
    let revision = rollout.published.revision;
    let published = if rollout.published.is_current {
        paint(DIM, format!("published (revision {revision})"))
    } else {
        paint(WARN, format!("still holds revision {revision}; writing is retried until it succeeds"))
    };
    rows.push(("KV", vec![unmarked(published)]));
    rows.push((
        "Isolates",
        rollout
            .reach
            .iter()
            .map(|reach| unmarked(paint(if reach.behind == 0 { DIM } else { WARN }, &reach.text)))
            .collect(),
    ));
    rows.push((
        "Allowed now",
        Some(rollout.commands.join(", ")).filter(|commands| !commands.is_empty()).map(unmarked).into_iter().collect(),
    ));
    rows.push(("Not now", not_now(rollout, now).into_iter().map(unmarked).collect()));
    rows
}

/// The commands that somebody may be waiting for, those with the same reason together.
fn not_now(rollout: &Rollout, now: Instant) -> Vec<String> {
    let mut lines: Vec<(Vec<&str>, String)> = Vec::new();
    for own in rollout.not_now.iter().filter(|own| own.waits) {
        let until =
            own.at.get().map(|at| format!(", until {} ({})", moment(at, now), relative(at, now))).unwrap_or_default();
        let why = format!("{}{until}", own.reason);
        match lines.iter_mut().find(|(_, known)| *known == why) {
            Some((commands, _)) => commands.push(&own.command),
            None => lines.push((vec![&own.command], why)),
        }
    }
    lines.into_iter().map(|(commands, why)| format!("{} ({why})", commands.join(", "))).collect()
}

/// What blocks a rollout beside its own state, which is reported already.
pub fn blockers(rollout: &Rollout) -> impl Iterator<Item = &Blocker> {
    rollout.blocked.iter().filter(|block| !block.is_state)
}

pub fn blocked_line(block: &Blocker, now: Instant) -> String {
    let text = if block.text.is_empty() { block.by.as_str() } else { &block.text };
    let until = block
        .until
        .get()
        .map(|until| format!(", until {} ({})", moment(until, now), relative(until, now)))
        .unwrap_or_default();
    format!("{text}{until}")
}

/// What the schedule will do, or who has to.
pub fn next(rollout: &Rollout, now: Instant) -> String {
    let words = next_words(rollout, now);
    if rollout.next.is_some() && !rollout.state.killed { paint(NEXT, words) } else { words }
}

/// The same, without colours.
pub fn next_words(rollout: &Rollout, now: Instant) -> String {
    let key = &rollout.key;
    if rollout.state.killed {
        return if rollout.kill_key.is_some() {
            "stays killed until the key in KV is deleted".into()
        } else {
            format!("stays killed until `tidegate revive {key}`")
        };
    }
    let Some(next) = &rollout.next else {
        return match rollout.state.phase.as_str() {
            "draft" => {
                let opens = rollout.not_now.iter().find(|own| own.command == "start").and_then(|own| own.at.get());
                format!(
                    "waits for `tidegate start {key}`{}",
                    opens.map(|at| format!(", possible {}", when(at, now))).unwrap_or_default()
                )
            }
            "paused" => format!("stays until `tidegate resume {key}`"),
            "rolled_back" => {
                let open = rollout.checklist.iter().flat_map(|list| &list.items).filter(|item| item.approved.is_none());
                let first = match open.count() {
                    0 => String::new(),
                    open => format!("approve {}, then ", counted(open, "item")),
                };
                let from = rollout.stages.first().map(|stage| format!(", from {}", stage.percentage));
                let attempt = rollout.state.attempt + 1;
                let opens = rollout.not_now.iter().find(|own| own.command == "resume").and_then(|own| own.at.get());
                let opens = opens.map(|at| format!(", possible {}", when(at, now))).unwrap_or_default();
                format!("{first}`tidegate resume {key}` (attempt {attempt}{}){opens}", from.unwrap_or_default())
            }
            "completed" => "nothing: it is done".into(),
            _ => "nothing by itself".into(),
        };
    };
    let at = match (next.at.get().or(next.earliest.get()), &next.condition) {
        (Some(at), Some(condition)) => format!("{} if {condition}", when(at, now)),
        (Some(at), None) => when(at, now),
        (None, Some(condition)) => format!("as soon as {condition}"),
        (None, None) => "as soon as nothing blocks it".to_owned(),
    };
    let what = if next.text.is_empty() { next.command.as_str() } else { &next.text };
    format!("{what} {at}")
}

#[cfg(test)]
mod tests {
    use super::super::wrap::UNBROKEN;
    use super::*;

    fn shown(rollout: &str) -> String {
        let rollout: Rollout = serde_json::from_str(rollout).unwrap();
        anstream::adapter::strip_str(&page(&rollout, &[], "2026-12-02T14:00:00Z".parse().unwrap(), UNBROKEN))
            .to_string()
    }

    #[test]
    fn what_broke_problems_and_what_an_observer_would_have_done_have_lines_of_their_own() {
        let text = r#"{"key":"demo","state":{"phase":"running"},
            "guardrails":[{"when":"error_rate > 5%","then":"rollback","mode":"observe","acts":"would have rolled back","observed_at":"2026-12-02T13:12:00Z","verdict":"fail","text":"7 %"}],
            "what_broke":["5xx at api (/api/*): 38 of 500 requests on new, 2 of 9,500 on legacy","120 users of new had a failed request"],
            "problems":[{"on":"srm","then":"hold","is_found":false},{"on":"no_traffic","then":"rollback","is_found":true,"text":"The last request came at 13:40.","since":"2026-12-02T13:55:00Z"}]}"#;
        let page = shown(text);
        for line in [
            "Guardrails  ✗ error_rate > 5% → rollback (observes)  would have rolled back at 13:12 UTC; now: 7 %",
            "What broke  5xx at api (/api/*): 38 of 500 requests on new, 2 of 9,500 on legacy",
            "            120 users of new had a failed request",
            "Problems    ! no_traffic. The last request came at 13:40. It takes everybody back to legacy.  5 min ago",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}\n{page}");
        }
        assert!(!page.contains("srm"), "what is not found is not shown");
    }

    #[test]
    fn a_running_rollout_shows_its_ladder_and_what_is_in_the_way() {
        let text = r#"{"key":"demo","description":"The new shop","routes":["/*"],"advance":"auto","percentage":25,"summary":"running in quarter at 25 %",
            "state":{"revision":12,"attempt":1,"phase":"running","stage":"quarter","percentage":25,"groups":["team"],"since":"2026-12-02T13:24:00Z"},
            "stages":[{"name":"canary","percentage":10,"hold":"48h"},
                {"name":"quarter","percentage":25,"hold":"48m","gates":[{"condition":"error_rate < 1%","verdict":"pass","text":"0.2 % of 1,204"},{"condition":"lcp.p75 <= 1.2x legacy","verdict":"inconclusive","text":"too few"},{"condition":"error_rate <= legacy","verdict":"pass","let_through":true,"text":"cannot tell yet"}]},
                {"name":"full","percentage":100,"groups":["all"],"hold":"1d","gates":[{}],"checklist":[{},{}],"enter":["Mon-Thu 08:00-16:00 UTC"]}],
            "checklist":{"of":"stage","items":[{"item":"Backups","approved":{"by":"ben","at":"2026-12-02T13:57:00Z"}},{"item":"Rollback tested"}]},
            "guardrails":[{"when":"error_rate > 5%","then":"rollback","verdict":"pass","text":"0.2 %"},{"when":"latency.p95 > 1s","then":"5%","verdict":"fail"}],
            "hold":{"length_ms":2880000,"elapsed_ms":2160000,"until":"2026-12-02T14:12:00Z"},
            "next":{"command":"advance","text":"advances to full (100 %)","stage":"full","percentage":100,"at":"2026-12-02T14:12:00Z"},
            "blocked":[{"by":"hold","text":"bake time of 48m not over","until":"2026-12-02T14:12:00Z"}],"commands":["advance","kill"],
            "faults":[{"subject":"group/team","message":"is damaged","at":"2026-12-02T13:59:00Z"}],"silence":"Never reported: event.order.","lists":[{"group":"beta","ids":[2],"text":"group beta: 2 ids"}],
            "published":{"revision":11,"is_current":false}}"#;
        assert_eq!(
            shown(text),
            "demo  running in quarter at 25 %
The new shop
/*
revision 12 · attempt 1 · since 13:24 UTC (36 min ago)

  ✓ canary   10 %  bake time 48h
  ▸ quarter  25 %  and team
      bake time ███████████████░░░░░ 36 min of 48 min, until 14:12 UTC
      gate ✓ error_rate < 1%  0.2 % of 1,204
      gate ? lcp.p75 <= 1.2x legacy  too few
      gate ~ error_rate <= legacy  cannot tell yet
  · full    100 %  and all, bake time 1d, 1 gate, 2 checks, entered Mon-Thu 08:00-16:00 UTC

Checklist, before it leaves this stage
  1 [✓] Backups  ben, 3 min ago
  2 [ ] Rollback tested

Next        advances to full (100 %) in 12 min (14:12 UTC)
Blocked by  bake time of 48m not over, until 14:12 UTC (in 12 min)
Guardrails  ✓ error_rate > 5% → rollback  0.2 %
            ✗ latency.p95 > 1s → 5%
Faults      ! group/team: is damaged  1 min ago
No reports  ! Never reported: event.order.
Lists       group beta: 2 ids
KV          still holds revision 11; writing is retried until it succeeds
Allowed now advance, kill"
        );
    }

    #[test]
    fn a_stage_that_was_jumped_over_has_no_tick() {
        for phase in ["running", "completed"] {
            let text = format!(
                r#"{{"key":"demo","state":{{"phase":"{phase}","stage":"full","percentage":100}},
                    "stages":[{{"name":"canary","percentage":10}},{{"name":"half","percentage":50,"hold":"48h","skipped":true}},{{"name":"full","percentage":100}}]}}"#
            );
            let shown = shown(&text);
            assert!(shown.contains("  ✓ canary  10 %\n  ↷ half    50 %  skipped, bake time 48h\n"), "{shown}");
        }
    }

    #[test]
    fn on_a_narrow_terminal_no_word_is_broken_and_what_is_too_long_hangs() {
        let text = "error_rate is 0.686 % on new and 0 % on legacy in this attempt, of 4,080 and 13,249 observations";
        let rollout: Rollout = serde_json::from_value(serde_json::json!({
            "key": "demo", "state": { "revision": 1, "phase": "running", "stage": "half", "percentage": 50 },
            "stages": [{ "name": "half", "percentage": 50, "gates": [{ "condition": "error_rate < 1%", "verdict": "pass", "text": text }] }],
            "guardrails": [{ "when": "error_rate > legacy", "then": "rollback", "verdict": "fail", "text": text }],
            "own_past": [{ "verdict": "fail", "text": "twice what is usual" }],
        }))
        .unwrap();
        let shown =
            anstream::adapter::strip_str(&page(&rollout, &[], "2026-12-02T14:00:00Z".parse().unwrap(), 60)).to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        assert!(shown.contains("\n      gate ✓ error_rate < 1%  error_rate is 0.686 % on new\n             and 0 % on legacy in this attempt, of 4,080 and\n             13,249 observations\n"), "{shown}");
        assert!(shown.contains("\nGuardrails  ✗ error_rate > legacy → rollback  error_rate is\n              0.686 % on new and 0 % on legacy in this\n"), "{shown}");
        assert!(shown.contains("\nOwn past    ✗ twice what is usual\n"), "{shown}");
    }

    #[test]
    fn a_killed_rollout_says_so_first_and_how_it_ends() {
        let text = r#"{"key":"demo","kill_key":"kill/*","summary":"killed (was paused in half at 50 %)","state":{"revision":3,"attempt":1,"phase":"paused","killed":true,"stage":"half","percentage":50},"stages":[{"name":"half","percentage":50}]}"#;
        let shown = shown(text);
        assert!(shown.starts_with("demo  killed (was paused in half at 50 %): 0 % on new\n"), "{shown}");
        assert!(
            shown.contains(
                "Next        stays killed until the key in KV is deleted\nKill key    `kill/*` exists in KV\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn a_draft_has_no_current_stage() {
        let text = r#"{"key":"dark","is_flag":true,"state":{"phase":"draft","stage":"on","percentage":0},"stages":[{"name":"on","percentage":100}],"checklist":{"of":"start","items":[{"item":"Signed off"}]}}"#;
        let shown = shown(text);
        assert!(
            shown.contains("a flag\n")
                && shown.contains("  · on 100 %\n")
                && shown.contains("Checklist, before it starts\n  1 [ ] Signed off\n"),
            "{shown}"
        );
        assert!(shown.contains("Next        waits for `tidegate start dark`"), "{shown}");
    }

    #[test]
    fn what_is_not_possible_now_says_why_and_until_when() {
        let text = r#"{"key":"demo","state":{"phase":"draft","stage":"half"},"stages":[{"name":"half"}],"commands":["set","kill"],"not_now":[
            {"command":"start","reason":"change freeze","at":"2026-12-04T00:00:00Z","waits":true},
            {"command":"resume","reason":"the rollout has not been started","waits":false},
            {"command":"advance","reason":"the rollout is killed","waits":true},{"command":"complete","reason":"the rollout is killed","waits":true}],
            "reach":{"revision":3,"isolates":2,"behind":1,"text":"1 of 2 isolates has not confirmed"}}"#;
        let shown = shown(text);
        assert!(shown.ends_with("Allowed now set, kill\nNot now     start (change freeze, until Fri 4 Dec 00:00 UTC (in 1 d 10 h))\n            advance, complete (the rollout is killed)"), "{shown}");
        assert!(
            shown.contains("Next        waits for `tidegate start demo`, possible in 1 d 10 h (Fri 4 Dec 00:00 UTC)\n"),
            "{shown}"
        );
        assert!(shown.contains("Isolates    1 of 2 isolates has not confirmed"), "{shown}");
    }

    #[test]
    fn a_percentage_beside_its_stage_is_reported() {
        let text = r#"{"key":"demo","percentage":0,"summary":"running in half at 40 %","state":{"phase":"running","stage":"half","percentage":40},"stages":[{"name":"half","percentage":50}],"hold":{"length_ms":60000,"elapsed_ms":15000}}"#;
        let shown = shown(text);
        assert!(shown.starts_with("demo  running in half at 40 %, in effect 0 %\n"), "{shown}");
        assert!(
            shown.contains("▸ half 50 %  now at 40 %\n      bake time █████░░░░░░░░░░░░░░░ 15 s of 1 min, paused"),
            "{shown}"
        );
    }
}
