//! The one place that makes sentences of what decided: of figures, of verdicts, and of what led to a
//! change. What decides hands over values; the API answers with the sentences beside them, so that the
//! command and the console only lay them out.

mod before;
mod broke;
mod cause;
mod condition;
mod rollout;
mod standing;

pub use before::known_before;
pub use broke::broke;
pub use cause::{LET_THROUGH, cause, gates, gates_left};
pub use condition::{condition, counted_from_two, metric, readable, spelled};
pub use rollout::{assignment, done, held_list, kill_reach, state, step};

use self::cause::because;
use self::standing::standing;
use super::judge::alone::MARGIN as ALONE_TIMES;
use super::judge::words::{count, counted, evidence, short};
use super::rollout::Order;
use tidegate_model::Instant;
use tidegate_model::figure::{Basis, Because, Counted, Exposures, Figure, Missing, Now, Shows, Stands, Unit};
use tidegate_model::history::{Entry, EntryCause};

/// What a guardrail says while nothing goes to new.
pub const NOBODY_ON_NEW: &str = "no traffic on new";
/// What a condition says that has not been judged.
pub const UNJUDGED: &str = "not judged yet";
/// The same of the gates of other stages.
pub const ELSEWHERE: &str = "judged while this is the current stage";
/// Why an event says nothing.
const NO_BEACON: &str = "unknown, since no page has reported anything; pages load /_tidegate/beacon.js";

/// What a guardrail says in a stage that it does not watch.
pub fn not_watched(stage: &str) -> String {
    format!("not in force in the stage {stage}")
}

/// What a condition says whose `after` is not over.
pub fn warming_up(after: &str) -> String {
    format!("starts {after} after the stage was entered")
}

/// Why a rollout was changed.
pub fn why(entry: &Entry) -> String {
    because(&entry.command, entry.cause.as_ref(), &entry.reason)
}

/// Why a rollout is to be changed, with the figures where a guardrail asks for it.
pub fn in_full(order: &Order) -> String {
    with_figures(because(&order.command, Some(&order.cause), &order.reason), Some(&order.cause), &order.measured)
}

/// Why a rollout was changed, with the figures where a guardrail asked for it.
pub fn of_entry(entry: &Entry) -> String {
    with_figures(why(entry), entry.cause.as_ref(), &entry.measured)
}

fn with_figures(why: String, cause: Option<&EntryCause>, measured: &[Figure]) -> String {
    if !matches!(cause, Some(EntryCause::Guardrail { .. })) || measured.is_empty() {
        return why;
    }
    let figures: Vec<String> = measured.iter().map(figure).collect();
    format!("{why}: {}", figures.join("; "))
}

/// The figures that decided, and what broke, as sentences.
pub fn figures(entry: &Entry) -> Vec<String> {
    let decided =
        if entry.measured.is_empty() { entry.figures.clone() } else { entry.measured.iter().map(figure).collect() };
    decided.into_iter().chain(entry.broke.iter().flat_map(broke)).collect()
}

/// A figure, in a sentence.
pub fn figure(figure: &Figure) -> String {
    let name = &figure.metric;
    match figure.because {
        Because::Missing { why } => format!("{name}{}: {}", span(figure), missing(why)),
        Because::LegacyGone { last } => {
            format!("{name}: no comparable users are left on legacy; {}", last_compared(last))
        }
        Because::TooFew { .. } | Because::TooFewUsers { .. } | Because::TooFewOfLegacy { .. }
            if figure.e_value.is_none() =>
        {
            format!("{name}: {}", decided(figure))
        }
        _ if is_quiet(figure) => measured(figure),
        _ => {
            let parts = [measured(figure), standing(figure), tested(figure), decided(figure)];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
        }
    }
}

/// Whether a comparison has nothing on either side to compare.
fn is_quiet(figure: &Figure) -> bool {
    let is_none = |observations: f64| observations <= 0.0;
    figure.basis == Basis::Legacy
        && figure.of != Counted::Nothing
        && is_none(figure.observations)
        && figure.observations_legacy.is_none_or(is_none)
}

/// What was measured, without what was made of it.
pub fn measured(figure: &Figure) -> String {
    let name = &figure.metric;
    let now = figure.now.as_ref().map(|now| now_words(figure, now));
    match figure.basis {
        Basis::SampleRatio => format!(
            "{} of {} sampled users are on new, where {} should be",
            amount(Unit::Share, figure.value.unwrap_or_default()),
            count(figure.observations),
            amount(Unit::Share, figure.bound)
        ),
        Basis::Limit => {
            let now = now.map(|now| format!("{now}; ")).unwrap_or_default();
            let value = or_unknown(figure.unit, figure.value);
            format!("{name} is {now}{value}{}{}; {}", span(figure), of_new(figure), limit(figure))
        }
        Basis::Legacy if is_quiet(figure) => {
            format!("{name}: no {}s since this attempt began", noun(figure.of))
        }
        Basis::Legacy => {
            let (new, legacy) = (side(figure, figure.value), side(figure, figure.legacy));
            let of = of_both(figure);
            match now {
                Some(now) => format!("{name} is {now}; {new} vs {legacy} since this attempt began{of}"),
                None => format!("{name} is {new} on new vs {legacy} on legacy since this attempt began{of}"),
            }
        }
        Basis::OwnPast => format!(
            "{name} is {} on new in the last hour or two, and was about {} at this time of day before",
            or_unknown(figure.unit, figure.value),
            or_unknown(figure.unit, figure.usual)
        ),
        Basis::LegacyBefore => {
            let now = now.map(|now| format!("{now}, ")).unwrap_or_default();
            let until = figure.legacy_until.map(|until| format!(", until {}", until.to_words())).unwrap_or_default();
            let (new, legacy) = (side(figure, figure.value), side(figure, figure.legacy));
            format!(
                "{name} is {now}{new} on new since this stage began; legacy had {legacy} in its last day with traffic{until}"
            )
        }
    }
}

fn now_words(figure: &Figure, now: &Now) -> String {
    let value = or_unknown(figure.unit, now.value);
    let sides = if figure.basis == Basis::Legacy {
        format!("{} on new vs {} on legacy", side(figure, now.value), side(figure, now.legacy))
    } else {
        value
    };
    let over = match now.minutes {
        1 => "in the last minute".to_owned(),
        60 => "in the last hour".to_owned(),
        minutes => format!("in the last {minutes} minutes"),
    };
    let rescued =
        if now.rescued > 0.0 { format!(" ({} rescued)", counted(now.rescued, "request")) } else { String::new() };
    format!("{sides} {over}{rescued}")
}

/// What the sequential test says, and what it has counted.
fn tested(figure: &Figure) -> String {
    let (Some(value), Some(needed)) = (figure.e_value, figure.e_needed) else { return String::new() };
    if figure.basis == Basis::SampleRatio {
        return String::new();
    }
    if figure.basis == Basis::OwnPast {
        let times = short((figure.bound * 100.0).round() / 100.0);
        let (value, needed) = (evidence(value), evidence(needed));
        return format!(
            "evidence that it is now more than {times}x that: {value} (threshold {needed}, by design reached for nothing at most once in 90 days)"
        );
    }
    let times = if (figure.bound - 1.0).abs() < 1e-9 { String::new() } else { format!("{}x ", figure.bound) };
    let what = match figure.shows.unwrap_or_default() {
        Shows::More => format!("more than {times}legacy's"),
        Shows::Less => format!("less than {times}legacy's"),
        Shows::Doubled => above_last(figure),
    };
    let used = figure.exposures.filter(|used| used.new > 0.0 || used.legacy > 0.0);
    let from = used.map(|used| format!(", from {}", exposures(used))).unwrap_or_default();
    let (value, needed) = (evidence(value), evidence(needed));
    format!("evidence that it is {what}: {value} (threshold {needed}){from}")
}

/// What new alone is held to once nobody is left on legacy: `above 2.4 % (twice legacy's last rate, …)`.
fn above_last(figure: &Figure) -> String {
    let Some(most) = figure.legacy_most else { return "above twice legacy's last rate".to_owned() };
    let times = figure.bound * ALONE_TIMES;
    let limit = amount(figure.unit, most * times);
    let times = if (times - 2.0).abs() < 1e-9 { "twice".to_owned() } else { format!("{} times", short(times)) };
    format!("above {limit} ({times} legacy's last rate, taken as {} to allow for chance)", amount(figure.unit, most))
}

fn exposures(used: Exposures) -> String {
    format!("{} vs {}", count(used.new), counted(used.legacy, "exposure"))
}

/// What follows of it.
fn decided(figure: &Figure) -> String {
    match figure.because {
        Because::Plain | Because::Missing { .. } | Because::LegacyGone { .. } => String::new(),
        Because::TooFew { found, needed, rest_ms } => {
            let over = figure.span.as_deref().map(|span| format!(" over {span}")).unwrap_or_default();
            let rest = rest_ms
                .map(|rest| format!("; the rest takes about {} at this traffic", rounded(rest)))
                .unwrap_or_default();
            format!("not enough data: {} of {} on new{over}{rest}", count(found), counted(needed, noun(figure.of)))
        }
        Because::TooFewUsers { found, needed } => {
            let over = figure.span.as_deref().map(|span| format!(" over {span}")).unwrap_or_default();
            format!("not enough data: {} of {} on new{over}", count(found), counted(needed, "user"))
        }
        Because::TooFewOfLegacy { found, needed } => {
            format!("not enough data: {} of {} on legacy", count(found), counted(needed, noun(figure.of)))
        }
        Because::Held { for_ms, needed_ms } => {
            let needed = i64::try_from(needed_ms).unwrap_or(i64::MAX);
            format!("for {} of {}", rounded(for_ms), rounded(needed))
        }
        Because::FewAffected => {
            let is_enough = figure.e_value.zip(figure.e_needed).is_some_and(|(value, needed)| value >= needed);
            if is_enough {
                "significant, but too few users are affected to act on yet".to_owned()
            } else {
                "not significant; too few users are affected to tell".to_owned()
            }
        }
        Because::Significant if figure.basis == Basis::OwnPast => "it has changed".to_owned(),
        Because::NotSignificant if figure.basis == Basis::OwnPast => "as usual".to_owned(),
        Because::Significant if figure.basis == Basis::SampleRatio => {
            "sample ratio mismatch: chance does not explain it, so the comparison of both sides cannot be trusted"
                .to_owned()
        }
        Because::NotSignificant if figure.basis == Basis::SampleRatio => "within chance".to_owned(),
        Because::Significant => "significant".to_owned(),
        Because::NotSignificant => "not significant".to_owned(),
        Because::Contrary => "the contrary is significant".to_owned(),
        Because::NotShownWorse if figure.stands == Some(Stands::Unclear) => LET_THROUGH.to_owned(),
        Because::NotShownWorse => "not shown to be worse".to_owned(),
        Because::MostFail => "too few users to show anything, but too many requests fail to go on with".to_owned(),
    }
}

/// Where a guardrail acts, or what a gate asks for: `rolls back above 5 %`, `target: below 2 %`.
fn limit(figure: &Figure) -> String {
    let bound = amount(figure.unit, figure.bound);
    let side = match figure.op.as_str() {
        ">" => format!("above {bound}"),
        ">=" => format!("at {bound} or more"),
        "<" => format!("below {bound}"),
        "<=" => format!("at {bound} or less"),
        _ => format!("at exactly {bound}"),
    };
    match &figure.then {
        Some(then) => format!("{} {side}", acts(then)),
        None => format!("target: {}", side.strip_prefix("at ").unwrap_or(&side)),
    }
}

/// What a guardrail does, in the third person; `then` as the plan has it.
pub fn acts(then: &str) -> String {
    match then {
        "off" => "kills".to_owned(),
        "rollback" => "rolls back".to_owned(),
        "previous" => "goes back a stage".to_owned(),
        "pause" => "pauses".to_owned(),
        "alert" => "alerts".to_owned(),
        share => format!("goes to {} %", share.trim_end_matches('%')),
    }
}

/// What a guardrail would have done that only observes.
pub fn would_have(then: &str) -> String {
    let what = match then {
        "off" => "killed it".to_owned(),
        "rollback" => "rolled back".to_owned(),
        "previous" => "gone back a stage".to_owned(),
        "pause" => "paused it".to_owned(),
        "alert" => "alerted".to_owned(),
        share => format!("gone to {} %", share.trim_end_matches('%')),
    };
    format!("would have {what}")
}

/// Why there is no figure.
pub fn missing(why: Missing) -> String {
    match why {
        Missing::Stale { age_ms } => format!("no data for {}", rounded(age_ms)),
        Missing::NothingYet => "no data yet".to_owned(),
        Missing::Nothing => "no data".to_owned(),
        Missing::NoLegacy => "legacy was never measured".to_owned(),
        Missing::NoPage => "no page has reported".to_owned(),
        Missing::NoBeacon => NO_BEACON.to_owned(),
        Missing::NoEvent => "never reported, so it shows nothing".to_owned(),
        Missing::NoSignal => "the plan has no such signal".to_owned(),
        Missing::NoGauge => "never reported".to_owned(),
        Missing::OldGauge { age_ms } => format!("the last report is {} old", rounded(age_ms)),
        Missing::NoData => "its source has no data".to_owned(),
        Missing::NoCount => "never reported; report 0 to show that its source is connected".to_owned(),
        Missing::Silent { for_ms } => {
            format!("not reported for {}", rounded(i64::try_from(for_ms).unwrap_or(i64::MAX)))
        }
    }
}

fn last_compared(last: Option<Instant>) -> String {
    last.map_or_else(|| "both sides were never compared".to_owned(), |at| format!("last compared at {at}"))
}

fn span(figure: &Figure) -> String {
    match (&figure.span, figure.basis) {
        (Some(span), Basis::Limit) => format!(" over {span}"),
        _ => String::new(),
    }
}

fn of_new(figure: &Figure) -> String {
    match figure.of {
        Counted::Nothing => String::new(),
        of => format!(", of {}", counted(figure.observations, noun(of))),
    }
}

fn of_both(figure: &Figure) -> String {
    let legacy = counted(figure.observations_legacy.unwrap_or_default(), noun(figure.of));
    format!(", of {} vs {legacy}", count(figure.observations))
}

const fn noun(of: Counted) -> &'static str {
    match of {
        Counted::Requests => "request",
        Counted::PageViews => "page view",
        Counted::Users => "user",
        Counted::Sessions => "session",
        Counted::Copies => "copied request",
        Counted::Nothing => "observation",
    }
}

/// One side's figure; where it has none, what it had none of.
fn side(figure: &Figure, value: Option<f64>) -> String {
    match (value, figure.of) {
        (Some(value), _) => amount(figure.unit, value),
        (None, Counted::Nothing) => "unknown".to_owned(),
        (None, of) => format!("unknown (no {}s)", noun(of)),
    }
}

fn or_unknown(unit: Unit, value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| amount(unit, value))
}

/// A value in its unit: `5.2 %`, `1.84 s`, `420 ms`, `12`.
pub fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{} %", short(value * 100.0)),
        Unit::Milliseconds if value >= 1_000.0 => format!("{} s", short(value / 1_000.0)),
        Unit::Milliseconds => format!("{} ms", short(value)),
        Unit::Number => short(value),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(items: &[impl AsRef<str>]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// The text as a sentence: its first letter large, unless it begins with a name such as `error_rate` or
/// `lcp.p75`, and with an end.
pub fn sentence(text: &str) -> String {
    let word: String = text.chars().take_while(|letter| !letter.is_whitespace()).collect();
    let is_name = word.trim_end_matches([',', ';', ':', '.']).contains(['_', '.', '`', '@']);
    let mut letters = text.chars();
    let first = letters.next().map(|first| if is_name { first.to_string() } else { first.to_uppercase().collect() });
    ended(&format!("{}{}", first.unwrap_or_default(), letters.as_str()))
}

/// The text with an end.
pub fn ended(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']) { "" } else { "." };
    format!("{text}{end}")
}

/// A span of time as people say it, in its largest unit.
pub fn rounded(ms: i64) -> String {
    let s = ms / 1_000;
    match s {
        ..120 => format!("{s}s"),
        120..7_200 => format!("{}m", s / 60),
        7_200..172_800 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comparison of error rates, with so many requests on each side.
    fn compared(new: f64, legacy: f64) -> Figure {
        let rate = |requests: f64, rate: f64| (requests > 0.0).then_some(rate);
        Figure {
            metric: "error_rate".into(),
            unit: Unit::Share,
            value: rate(new, 0.002),
            legacy: rate(legacy, 0.001),
            basis: Basis::Legacy,
            bound: 1.0,
            of: Counted::Requests,
            observations: new,
            observations_legacy: Some(legacy),
            exposures: Some(Exposures { new: (new / 2.0).floor(), legacy: (legacy / 2.0).floor() }),
            e_value: Some(1.0),
            e_needed: Some(400.0),
            because: Because::NotSignificant,
            ..Figure::default()
        }
    }

    #[test]
    fn a_comparison_without_requests_says_so_and_shows_no_figures() {
        for because in [Because::NotSignificant, Because::FewAffected] {
            let quiet = Figure { because, ..compared(0.0, 0.0) };
            assert_eq!(figure(&quiet), "error_rate: no requests since this attempt began");
        }
        let few = Because::TooFew { found: 0.0, needed: 50.0, rest_ms: None };
        let quiet = Figure { because: few, ..compared(0.0, 0.0) };
        assert_eq!(figure(&quiet), "error_rate: no requests since this attempt began");
        assert_eq!(
            figure(&compared(0.0, 900.0)),
            "error_rate is unknown (no requests) on new vs 0.1 % on legacy since this attempt began, of 0 vs 900 requests; evidence that it is more than legacy's: 1 (threshold 400), from 0 vs 450 exposures; not significant"
        );
        let not_counted = Figure { exposures: Some(Exposures::default()), ..compared(1.0, 900.0) };
        assert!(figure(&not_counted).contains("1 (threshold 400); not significant"), "{}", figure(&not_counted));
    }

    #[test]
    fn without_anybody_on_legacy_the_limit_is_a_number() {
        let own = Figure {
            basis: Basis::LegacyBefore,
            shows: Some(Shows::Doubled),
            legacy_most: Some(0.012),
            legacy_until: "2026-12-02T14:00:00.25Z".parse().ok(),
            exposures: None,
            e_needed: Some(200.0),
            ..compared(5_000.0, 90_000.0)
        };
        assert_eq!(
            figure(&own),
            "error_rate is 0.2 % on new since this stage began; legacy had 0.1 % in its last day with traffic, until Wed 2 Dec 2026 14:00 UTC; evidence that it is above 2.4 % (twice legacy's last rate, taken as 1.2 % to allow for chance): 1 (threshold 200); not significant"
        );
        let wide = Figure { bound: 1.3, ..own };
        assert!(
            figure(&wide).contains("above 3.12 % (2.6 times legacy's last rate, taken as 1.2 % to allow for chance)"),
            "{}",
            figure(&wide)
        );
    }
}
