//! `tidegate explain`: which side one user gets, and why, in a sentence; or, without a user, how a rollout is: what is
//! wrong, how sure that is, what happens next, and what can be done.

use super::client::Client;
use super::clock::now;
use super::operator::ExplainArguments;
use super::paint::{BOLD, paint, print, print_raw};
use super::words::listed;
use super::wrap::{self, hung};
use super::{Failure, history, ladder, status};
use tidegate_decide::explain::{ended, sentence};
use tidegate_decide::judge::Verdict;
use tidegate_model::Instant;
use tidegate_protocol::api::shapes::{Assignment, Explanation, Guardrail, History, Rollout};

/// So far back a change that was decided by figures is looked for.
const ENTRIES: u64 = 20;

pub fn run(arguments: &ExplainArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let Some(id) = &arguments.id else {
        let answer = client.get(&status::path(Some(&arguments.key)), &[])?;
        if json {
            return print_raw(&answer.text);
        }
        let own: Rollout = answer.read()?;
        let last = last(&own, &client);
        return print(&rollout(&own, last.as_ref(), now(), wrap::of_stdout()));
    };
    let answer = client.get("assign", &[("rollout", arguments.key.as_str()), ("id", id)])?;
    if json { print_raw(&answer.text) } else { print(&said(&answer.read()?)) }
}

/// Why a rollout stands still: the last change that figures have decided. Where the history cannot be had, nothing.
pub fn last(own: &Rollout, client: &Client) -> Option<Explanation> {
    decided(own, || history::fetch(client, own.key.as_str(), ENTRIES).unwrap_or_default())
}

/// The last change that figures have decided, of a rollout that stands still since.
fn decided(own: &Rollout, history: impl FnOnce() -> History) -> Option<Explanation> {
    let stands = own.state.killed || matches!(own.state.phase.as_str(), "rolled_back" | "paused");
    let known = if stands { history().explanations } else { Vec::new() };
    known.into_iter().find(|own| !own.figures.is_empty())
}

/// How a rollout is, in paragraphs of sentences on lines of this width.
fn rollout(own: &Rollout, last: Option<&Explanation>, now: Instant, width: usize) -> String {
    let paragraphs = [
        (String::new(), vec![ended(&format!("{} is {}", paint(BOLD, &own.key), ladder::summary(own)))]),
        ("Why it stands still".to_owned(), last.map(why).unwrap_or_default()),
        ("What is wrong".to_owned(), wrong(own)),
        ("How sure that is".to_owned(), certainty(own)),
        ("What happens next".to_owned(), coming(own, now)),
        ("What you can do".to_owned(), ways(own)),
    ];
    let paragraph = |(title, sentences): (String, Vec<String>)| {
        let title = (!title.is_empty()).then(|| paint(BOLD, title));
        let indent = if title.is_some() { "  " } else { "" };
        let lines = sentences.iter().map(|text| hung(indent, text, width));
        title.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    };
    paragraphs
        .into_iter()
        .filter(|(_, sentences)| !sentences.is_empty())
        .map(paragraph)
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn wrong(own: &Rollout) -> Vec<String> {
    let mut all: Vec<String> = own.guardrails.iter().filter_map(come_true).collect();
    all.extend(own.what_broke.iter().map(|text| sentence(text)));
    all.extend(own.problems.iter().filter(|problem| problem.is_found).map(ladder::problem));
    all.extend(
        own.faults
            .iter()
            .map(|fault| ended(&format!("The configuration has a fault, {}: {}", fault.subject, fault.message))),
    );
    all.extend(own.silence.as_ref().map(|text| sentence(text)));
    if all.is_empty() {
        all.push("Nothing that anybody knows of: no guardrail has come true, and no problem is found.".to_owned());
    }
    all
}

/// A guardrail that has come true, and one that only observes and has been true.
fn come_true(own: &Guardrail) -> Option<String> {
    let when = &own.when;
    let observed = own.observed_at.get().map(|at| format!("it only observes: it {} at {}", own.acts, at.to_words()));
    match (observed, own.verdict) {
        (Some(observed), Verdict::Fail) => Some(format!("Guardrail `{when}` has come true, but {observed}.")),
        (Some(observed), Verdict::Pass) => {
            Some(format!("Guardrail `{when}` is not true any more. But it had come true, and {observed}."))
        }
        (Some(observed), Verdict::Inconclusive) => {
            let unknown = ended(&format!("Whether it is still true cannot be said: {}", unmeasured(own)));
            Some(format!("Guardrail `{when}` had come true, but {observed}. {unknown}"))
        }
        (None, verdict) => (verdict == Verdict::Fail).then(|| format!("Guardrail `{when}` has come true.")),
    }
}

/// Why a guardrail is undecided.
fn unmeasured(own: &Guardrail) -> String {
    match own.text.as_str() {
        "" => "nothing was measured".to_owned(),
        text if own.figures.iter().all(|figure| figure.value.is_none()) => format!("nothing was measured ({text})"),
        text => text.to_owned(),
    }
}

/// What was done, because of what, and the figures.
pub fn why(last: &Explanation) -> Vec<String> {
    let done = if last.reason.is_empty() { last.done.clone() } else { format!("{}: {}", last.done, last.reason) };
    let done = sentence(&format!("revision {} {done}", last.revision));
    std::iter::once(done).chain(last.figures.iter().map(|text| sentence(text))).collect()
}

/// What each guardrail has measured: the figures say how much of it there is. Where nobody is on new there is nothing
/// to measure.
fn certainty(own: &Rollout) -> Vec<String> {
    if own.state.killed || matches!(own.state.phase.as_str(), "draft" | "rolled_back") {
        return Vec::new();
    }
    let judged = |verdict: Verdict| match verdict {
        Verdict::Fail => "has come true",
        Verdict::Pass => "has not come true",
        Verdict::Inconclusive => "is undecided",
    };
    let guardrails = own.guardrails.iter().map(|own| format!("`{}` {}: {}", own.when, judged(own.verdict), own.text));
    guardrails.map(|text| ended(&text)).collect()
}

fn coming(own: &Rollout, now: Instant) -> Vec<String> {
    let next = ladder::next_words(own, now);
    let mut all = vec![match own.state.phase.as_str() {
        "rolled_back" if !own.state.killed => format!("{} To go on: {next}.", left(own)),
        _ => sentence(&next),
    }];
    all.extend(ladder::blockers(own).map(|block| ended(&format!("It waits: {}", ladder::blocked_line(block, now)))));
    all
}

/// Who is on new while it is rolled back.
fn left(own: &Rollout) -> String {
    let groups: Vec<String> = own.state.groups.iter().map(ToString::to_string).collect();
    let share = (own.state.percentage.0 > 0.0).then(|| format!("{} % of users", own.state.percentage.0));
    let word = if groups.len() == 1 { "group" } else { "groups" };
    let groups = (!groups.is_empty()).then(|| format!("the {word} {}", listed(&groups)));
    let who: Vec<String> = share.into_iter().chain(groups).collect();
    if who.is_empty() {
        return "Everybody stays on legacy.".to_owned();
    }
    format!("Still on new: {}. To take them off it too: `tidegate rollback {}`.", who.join(" and "), own.key)
}

fn ways(own: &Rollout) -> Vec<String> {
    let (key, phase) = (&own.key, own.state.phase.as_str());
    let may = |command: &str| own.commands.iter().any(|known| known.as_str() == command);
    let is_wrong = !own.what_broke.is_empty() || own.guardrails.iter().any(|own| own.verdict == Verdict::Fail);
    let mut all = Vec::new();
    if may("rollback") && is_wrong && phase == "running" {
        all.push(format!("Take everybody back to legacy: `tidegate rollback {key}`."));
    }
    if phase == "rolled_back" {
        all.push(format!("See which figures led to it: `tidegate history {key}`."));
        let list = &own.after_rollback;
        if !list.is_empty() {
            let ticked = format!("ticked off by `tidegate approve {key}`");
            all.push(format!("Before it goes on, {ticked}: {}.", list.join("; ")));
        }
        if may("resume") {
            all.push(format!("Once new is mended: `tidegate resume {key}`."));
        }
    }
    for (causes, safe) in own.problems.iter().filter(|own| own.is_found).filter_map(|own| looked_for(&own.on)) {
        let safe = may(safe).then(|| format!(" To be safe meanwhile: `tidegate {safe} {key}`."));
        all.push(format!("{causes}.{}", safe.unwrap_or_default()));
    }
    let names: Vec<String> = own.commands.iter().map(ToString::to_string).collect();
    if !names.is_empty() {
        all.push(format!("Allowed now: {}.", listed(&names)));
    }
    all
}

/// Where to look for the cause of a problem, and the command that is safe meanwhile.
fn looked_for(problem: &str) -> Option<(&'static str, &'static str)> {
    Some(match problem {
        "srm" => (
            "Usual causes: users leave one side before they are counted (a redirect to another host, a crash at the start), or robots and caches are on one side only",
            "rollback",
        ),
        "no_traffic" => ("Look at the routes and at what stands in front of Tidegate: `tidegate doctor`", "pause"),
        "measuring_stopped" => {
            ("Look whether pages still load /_tidegate/beacon.js, and whether what reports signals runs", "pause")
        }
        _ => return None,
    })
}

fn said(assignment: &Assignment) -> String {
    let Assignment { rollout, id, variant, reason, why, .. } = assignment;
    // An older deployment says no more than the code.
    let why = if why.is_empty() { reason.as_str() } else { why };
    format!("{} gets {} in {rollout}: {why}.", paint(BOLD, format!("`{id}`")), paint(BOLD, variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(assignment: &str, text: &str) {
        assert_eq!(anstream::adapter::strip_str(&said(&serde_json::from_str(assignment).unwrap())).to_string(), text);
    }

    #[track_caller]
    fn explains(text: &str, expected: &str) {
        let own: Rollout = serde_json::from_str(text).unwrap();
        let now = "2026-11-30T09:00:00Z".parse().unwrap();
        let last = Explanation {
            revision: 9,
            done: "rolled it back to 0 %".into(),
            reason: "the guardrail `error_rate > legacy` came true".into(),
            figures: vec!["error_rate is 7.1 % on new, 0.1 % on legacy".into()],
            ..Explanation::default()
        };
        let last = decided(&own, || History { explanations: vec![last], ..History::default() });
        assert_eq!(anstream::adapter::strip_str(&rollout(&own, last.as_ref(), now, 2_000)).to_string(), expected);
    }

    #[test]
    fn a_rollout_that_was_rolled_back_says_what_was_wrong_and_what_to_do() {
        explains(
            r#"{"key":"shop","summary":"rolled back","state":{"phase":"rolled_back","revision":9},
                "guardrails":[{"when":"error_rate > legacy","then":"rollback","verdict":"fail","text":"error_rate is 7.1 % on new, 0.1 % on legacy"}],
                "what_broke":["browser Safari stands out: 12 % (120 of 1,000) of its requests failed on new, of all others 0.1 % (9 of 9,000)"],
                "problems":[{"on":"srm","what":"users are not split as the percentage says (sample ratio mismatch)","then":"hold","is_found":true,"text":"12 % of users are on new instead of 10 %"}],
                "after_rollback":["Tell support"],"commands":["resume","note"]}"#,
            "shop is rolled back.\n\n\
             Why it stands still\n  \
             Revision 9 rolled it back to 0 %: the guardrail `error_rate > legacy` came true.\n  \
             error_rate is 7.1 % on new, 0.1 % on legacy.\n\n\
             What is wrong\n  \
             Guardrail `error_rate > legacy` has come true.\n  \
             Browser Safari stands out: 12 % (120 of 1,000) of its requests failed on new, of all others 0.1 % (9 of 9,000).\n  \
             Users are not split as the percentage says (sample ratio mismatch). 12 % of users are on new instead of 10 %. No stage is left while it lasts; guardrails go on.\n\n\
             What happens next\n  \
             Everybody stays on legacy. To go on: `tidegate resume shop` (attempt 1).\n\n\
             What you can do\n  \
             See which figures led to it: `tidegate history shop`.\n  \
             Before it goes on, ticked off by `tidegate approve shop`: Tell support.\n  \
             Once new is mended: `tidegate resume shop`.\n  \
             Usual causes: users leave one side before they are counted (a redirect to another host, a crash at the start), or robots and caches are on one side only.\n  \
             Allowed now: resume and note.",
        );
    }

    #[test]
    fn a_rollout_that_was_taken_back_to_a_share_says_who_is_still_on_new() {
        let text = r#"{"key":"shop","state":{"phase":"rolled_back","percentage":10,"groups":["team"]}}"#;
        let own: Rollout = serde_json::from_str(text).unwrap();
        assert_eq!(
            left(&own),
            "Still on new: 10 % of users and the group team. To take them off it too: `tidegate rollback shop`."
        );
    }

    #[test]
    fn a_rollout_with_nothing_wrong_says_so() {
        explains(
            r#"{"key":"shop","summary":"running in canary at 10 %","state":{"phase":"running"},
                "guardrails":[{"when":"error_rate > legacy","then":"rollback","verdict":"inconclusive","text":"no data yet"}],
                "commands":["rollback"]}"#,
            "shop is running in canary at 10 %.\n\n\
             What is wrong\n  \
             Nothing that anybody knows of: no guardrail has come true, and no problem is found.\n\n\
             How sure that is\n  \
             `error_rate > legacy` is undecided: no data yet.\n\n\
             What happens next\n  \
             Nothing by itself.\n\n\
             What you can do\n  \
             Allowed now: rollback.",
        );
    }

    #[test]
    fn a_guardrail_that_only_observes_says_so_and_what_it_has_seen() {
        let of = |verdict: &str, text: &str, figures: &str| {
            let text = format!(
                r#"{{"when":"latency.p95 > 1.5x legacy","then":"rollback","acts":"would have rolled back","mode":"observe","verdict":"{verdict}","text":"{text}","figures":[{figures}],"observed_at":"2026-11-30T08:00:00Z"}}"#
            );
            come_true(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        assert_eq!(
            of("fail", "", ""),
            "Guardrail `latency.p95 > 1.5x legacy` has come true, but it only observes: it would have rolled back at Mon 30 Nov 2026 08:00 UTC."
        );
        assert_eq!(
            of("pass", "", ""),
            "Guardrail `latency.p95 > 1.5x legacy` is not true any more. But it had come true, and it only observes: it would have rolled back at Mon 30 Nov 2026 08:00 UTC."
        );
        for (text, figures, unknown) in [
            ("no traffic on new", "", "nothing was measured (no traffic on new)"),
            ("", "", "nothing was measured"),
            (
                "latency.p95: no data yet",
                r#"{"metric":"latency.p95"}"#,
                "nothing was measured (latency.p95: no data yet)",
            ),
            (
                "latency.p95: not enough data: 3 of 50 requests on new",
                r#"{"metric":"latency.p95","value":900}"#,
                "latency.p95: not enough data: 3 of 50 requests on new",
            ),
        ] {
            assert_eq!(
                of("inconclusive", text, figures),
                format!(
                    "Guardrail `latency.p95 > 1.5x legacy` had come true, but it only observes: it would have rolled back at Mon 30 Nov 2026 08:00 UTC. Whether it is still true cannot be said: {unknown}."
                )
            );
        }
    }

    #[test]
    fn an_assignment_is_a_sentence() {
        says(
            r#"{"rollout":"demo","id":"user-1","bucket":46629,"variant":"legacy","reason":"bucketed","why":"bucket 46.629 % is above the current 25 %","stage":"quarter"}"#,
            "`user-1` gets legacy in demo: bucket 46.629 % is above the current 25 %.",
        );
        says(r#"{"rollout":"demo","id":"x","variant":"new","reason":"moonphase"}"#, "`x` gets new in demo: moonphase.");
    }
}
