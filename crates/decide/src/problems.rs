//! What makes a rollout's figures worth less, found at each look, and what is done about it.
//!
//! 1. Whether something is a problem is decided here alone; what is done about it stands in the plan, or in the table
//!    of [`tidegate_model::plan::problem`].
//! 2. Each acts once for as long as it lasts, and again only after it was gone.
//! 3. What nobody can tell is no problem: little traffic is not called silence, nor a short silence a long one.

use super::judge::words::count;
use super::judge::{GUARDRAIL, Judge, Verdict};
use super::metrics::RolloutMetrics;
use super::reports::relied_on;
use super::rollout::{Order, Rollout};
use super::series::Series;
use tidegate_model::command::{Command, Target};
use tidegate_model::condition::Metric;
use tidegate_model::history::EntryCause;
use tidegate_model::live::Phase;
use tidegate_model::measured::Tally;
use tidegate_model::minute::{HOUR_MINUTES, MINUTE_MS};
use tidegate_model::plan::signal::FRESH_DEFAULT;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::plan::{Plan, ProblemKind, Response, Signal};
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant, Minute, Name, Percentage};

/// No request, or no report of a page, for this long counts, where so many came before that chance does not
/// explain it.
pub const SILENCE_MS: i64 = SILENCE_MINUTES as i64 * MINUTE_MS;
const SILENCE_MINUTES: u64 = 15;
/// At this rate chance leaves a quarter of an hour empty once in 10^10 times.
const REQUESTS_AN_HOUR_MIN: f64 = 100.0;
/// Of so many expected reports, chance leaves out all once in 10^8 times.
const REPORTS_MIN: f64 = 20.0;
/// In an hour with fewer requests on new nothing can be shown: a share needs as many.
const REQUESTS_MIN: f64 = 50.0;
/// A fault of a configuration that is gone sooner was a slip, or a read that came late.
const FAULT_MS: i64 = 2 * MINUTE_MS;
/// So many page views that follow one of the other side in the same browser, and so large a share of all.
const MIXED_MIN: f64 = 20.0;
const MIXED_SHARE_MIN: f64 = 0.01;

/// A problem that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which.
    pub kind: ProblemKind,
    /// What is done about it.
    pub then: Response,
    /// Since when it has been found.
    pub since: Instant,
    /// How it shows, in a sentence without its end.
    pub text: String,
}

/// What is remembered of a problem for as long as it lasts: which, since when, and whether it has acted.
pub type Lasting = (String, Instant, bool);

/// Looks at everything that may be wrong, and notes it in the last evaluation. What is returned is to be done; where
/// somebody else acts at this look (not `may_act`) that is at the next one.
pub fn look(
    rollout: &Rollout,
    metrics: &mut RolloutMetrics,
    faults: u64,
    may_act: bool,
    now: Instant,
) -> Option<Order> {
    let (plan, record) = (&*rollout.plan, &rollout.record);
    let found = if record.live.phase == Phase::Draft || record.live.killed || record.is_waiting {
        Vec::new()
    } else {
        found(rollout, metrics, faults, now)
    };
    let is_found = |kind: &str| found.iter().any(|(own, _)| own.to_string() == kind);
    metrics.judge.problems.retain(|(kind, ..)| is_found(kind));
    let mut order = None;
    let mut all = Vec::new();
    for (kind, text) in found {
        let (since, has_acted) = remembered(&mut metrics.judge, kind, now);
        if kind == ProblemKind::ConfigFault && now.ms_since(since) < FAULT_MS {
            continue;
        }
        let then = plan.response(kind);
        if may_act
            && order.is_none()
            && !has_acted
            && let Some(command) = asks(record, then)
        {
            let cause = EntryCause::Problem { problem: kind.to_string(), found: text.clone() };
            order = Some(Order::caused(command, GUARDRAIL, cause, Vec::new()));
            let own = metrics.judge.problems.iter_mut().find(|(own, ..)| *own == kind.to_string());
            own.into_iter().for_each(|(.., has_acted)| *has_acted = true);
        }
        all.push(Found { kind, then, since, text });
    }
    if let Some(evaluation) = &mut metrics.last {
        evaluation.problems = all;
    }
    order
}

/// Since when it has lasted, and whether it has acted.
fn remembered(judge: &mut Judge, kind: ProblemKind, now: Instant) -> (Instant, bool) {
    let name = kind.to_string();
    let known = judge.problems.iter().find(|(own, ..)| *own == name).map(|(_, since, has_acted)| (*since, *has_acted));
    known.unwrap_or_else(|| {
        judge.problems.push((name, now, false));
        (now, false)
    })
}

/// What is to be done, unless that would change nothing.
fn asks(record: &Record, then: Response) -> Option<Command> {
    let live = &record.live;
    let is_somebody = live.percentage > Percentage::ZERO || !live.groups.is_empty();
    match then {
        Response::Show | Response::Alert | Response::Hold => None,
        Response::Pause => (live.phase == Phase::Running).then_some(Command::Pause),
        Response::Rollback => {
            (live.phase != Phase::RolledBack || is_somebody).then_some(Command::Rollback(Target::Off))
        }
    }
}

fn found(rollout: &Rollout, metrics: &RolloutMetrics, faults: u64, now: Instant) -> Vec<(ProblemKind, String)> {
    let (plan, record) = (&*rollout.plan, &rollout.record);
    let mut all = Vec::new();
    let ratio = metrics.last.as_ref().and_then(|last| last.sample_ratio.as_ref());
    all.extend(ratio.filter(|own| own.verdict == Verdict::Fail).map(|own| (ProblemKind::Srm, own.text.clone())));
    if record.live.phase == Phase::Running {
        let silence = no_traffic(record, metrics, now);
        let is_silent = silence.is_some();
        all.extend(silence.map(|own| (ProblemKind::NoTraffic, own.why)));
        if !is_silent {
            all.extend(low_traffic(record, metrics, now).map(|text| (ProblemKind::LowTraffic, text)));
        }
        let signals = silent_signals(plan, metrics, now);
        let signal =
            signals.first().map(|own| format!("the signal {} was last reported at {}", own.name, own.last.to_words()));
        let stopped = signal.or_else(|| silent_pages(plan, record, metrics, now));
        all.extend(stopped.map(|text| (ProblemKind::MeasuringStopped, text)));
    }
    if record.live.phase != Phase::RolledBack {
        all.extend(identity_mixed(record, metrics).map(|text| (ProblemKind::IdentityMixed, text)));
    }
    let fault = rollout.fault.as_ref().map(|fault| format!("{}: {}", fault.subject, fault.message));
    let reported = (faults > 0).then(|| match faults {
        1 => "isolates report a fault of its configuration".to_owned(),
        _ => format!("isolates report {faults} faults of its configuration"),
    });
    all.extend(fault.or(reported).map(|text| (ProblemKind::ConfigFault, text)));
    all
}

/// A silence where there should be requests.
pub struct Silence {
    /// Of what: `traffic` or `traffic on new`.
    pub of: &'static str,
    /// How it shows.
    pub why: String,
}

/// No requests at all, where many came before; or none on new, where legacy has many.
pub fn no_traffic(record: &Record, metrics: &RolloutMetrics, now: Instant) -> Option<Silence> {
    let last = metrics.arrived_at?;
    let since = last.max(record.live.since);
    let is_quiet = now.ms_since(since) >= SILENCE_MS;
    let hour = last.minute() - HOUR_MINUTES;
    let of = |from: Minute, variant: Variant| sum(&metrics.series, from, variant, |tally| tally.requests);
    let before = of(hour, Variant::Legacy) + of(hour, Variant::New);
    if is_quiet && before >= REQUESTS_AN_HOUR_MIN {
        let why = format!("The last request came at {}; in the hour before it there were {before}.", last.to_words());
        return Some(Silence { of: "traffic", why });
    }
    let share = f64::from(record.live.percentage.limit()) / f64::from(Percentage::FULL.limit());
    let from = now.minute() - SILENCE_MINUTES;
    let (legacy, new) = (of(from, Variant::Legacy), of(from, Variant::New));
    let expected = if share < 1.0 { legacy * share / (1.0 - share) } else { 0.0 };
    if !is_settled(record, SILENCE_MS, now) || new > 0.0 || expected < REQUESTS_AN_HOUR_MIN {
        return None;
    }
    let why = format!(
        "In the last 15 minutes legacy had {} requests and new had none, where about {} should have gone there.",
        count(legacy),
        count(expected)
    );
    Some(Silence { of: "traffic on new", why })
}

/// Requests on new, and too few of them in a whole hour.
fn low_traffic(record: &Record, metrics: &RolloutMetrics, now: Instant) -> Option<String> {
    let live = &record.live;
    if live.percentage == Percentage::ZERO || !is_settled(record, HOUR_MINUTES as i64 * MINUTE_MS, now) {
        return None;
    }
    let from = now.minute() - HOUR_MINUTES;
    let new = sum(&metrics.series, from, Variant::New, |tally| tally.requests);
    let legacy = sum(&metrics.series, from, Variant::Legacy, |tally| tally.requests);
    // Nothing at all is a silence, or a night.
    (new < REQUESTS_MIN && new + legacy > 0.0).then(|| {
        format!(
            "in the last hour new had {} requests at {} %, and a comparison needs {}",
            count(new),
            live.percentage,
            count(REQUESTS_MIN)
        )
    })
}

/// A signal that conditions use, that was reported once and is not any more.
pub struct SilentSignal<'a> {
    /// Its name.
    pub name: &'a Name,
    /// When it was last reported.
    pub last: Instant,
    /// For how long that counts.
    pub limit: Duration,
}

/// The signals that conditions use and that were reported once, and are not any more.
pub fn silent_signals<'a>(plan: &'a Plan, metrics: &RolloutMetrics, now: Instant) -> Vec<SilentSignal<'a>> {
    let silent = |(name, signal): &'a (Name, Signal)| {
        let limit = match signal.kind {
            SignalKind::Count => signal.heartbeat,
            SignalKind::Gauge => Some(signal.fresh.unwrap_or(FRESH_DEFAULT)),
        }?;
        let last = metrics.signals.last(name.as_str()).map(|(at, _)| at)?;
        (last.plus(limit) < now && is_used(plan, name)).then_some(SilentSignal { name, last, limit })
    };
    plan.signals.0.iter().filter_map(silent).collect()
}

fn is_used(plan: &Plan, name: &Name) -> bool {
    let guardrails = plan.guardrails.iter().map(|own| &own.when);
    let gates = plan.stages.iter().flat_map(|stage| &stage.gates).map(|own| &own.when);
    guardrails
        .chain(gates)
        .flat_map(|own| &own.terms)
        .any(|term| matches!(&term.metric, Metric::Signal(own) if own == name))
}

/// Pages that conditions rely on and that report nothing any more, where as many requests come as before.
pub fn silent_pages(plan: &Plan, record: &Record, metrics: &RolloutMetrics, now: Instant) -> Option<String> {
    let minute = now.minute();
    let from = minute - SILENCE_MINUTES;
    let requests = |variant: Variant| sum(&metrics.series, from, variant, |tally| tally.requests);
    let pages = |from: Minute, variant: Variant| sum(&metrics.series, from, variant, |tally| tally.pages);
    if !is_settled(record, SILENCE_MS, now)
        || pages(from, Variant::New) > 0.0
        || !relied_on(plan).iter().any(super::reports::Reported::is_from_pages)
    {
        return None;
    }
    let (new, legacy) = (requests(Variant::New), requests(Variant::Legacy));
    if new < REQUESTS_AN_HOUR_MIN {
        return None;
    }
    let expected = if legacy > 0.0 { pages(from, Variant::Legacy) * new / legacy } else { 0.0 };
    if expected >= REPORTS_MIN {
        return Some(format!(
            "in the last 15 minutes no page of new has reported, where about {} should have",
            count(expected)
        ));
    }
    let earlier = from - HOUR_MINUTES;
    let before = pages(earlier, Variant::New) + pages(earlier, Variant::Legacy);
    let is_nobody = pages(from, Variant::Legacy) <= 0.0;
    (is_nobody && before >= REQUESTS_AN_HOUR_MIN).then(|| {
        format!("in the last 15 minutes no page has reported; in the hour before it {} page views did", count(before))
    })
}

/// Page views that followed one of the other side in the same browser, with no step in between.
fn identity_mixed(record: &Record, metrics: &RolloutMetrics) -> Option<String> {
    let own = metrics.series.iter().filter(|window| window.revision >= record.exposed_revision);
    let tallies = own.flat_map(|window| [Variant::Legacy, Variant::New].map(|side| window.tally(side, None)));
    let (mixed, pages) = tallies
        .flatten()
        .fold((0.0, 0.0), |(mixed, pages), tally| (mixed + tally.mixed as f64, pages + tally.pages as f64));
    (mixed >= MIXED_MIN && mixed >= MIXED_SHARE_MIN * pages).then(|| {
        format!(
            "{} of {} page views followed one of the other side in the same browser: its id changes, as at a sign-in",
            count(mixed),
            count(pages)
        )
    })
}

fn is_settled(record: &Record, ms: i64, now: Instant) -> bool {
    now.ms_since(record.live.since) >= ms
}

fn sum(series: &Series, from: Minute, variant: Variant, of: impl Fn(&Tally) -> u64) -> f64 {
    let windows = series.iter().filter(|window| window.minute >= from);
    windows.filter_map(|window| window.tally(variant, None)).map(|tally| of(tally) as f64).sum()
}
