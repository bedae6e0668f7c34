//! Probes: when each is made, what came of it, and the share that passed.
//!
//! 1. A probe counts twice: as made, and as passed. Both are kept as reports by the minute, beside those of signals,
//!    under names that no signal can have; so a share over any span is a quotient of two sums.
//! 2. A probe that was not made says nothing: silence is no pass and no failure.
//! 3. After a change that moves users every probe is made at once: that is the smoke test of the step.

use std::collections::BTreeMap;

use crate::rollout::Noticed;
use crate::signals::Signals;
use tidegate_model::figure::Missing;
use tidegate_model::plan::{Plan, Probe};
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant, Name};

/// A probe that has had no answer for so long is given up, in milliseconds: longer than it may take.
const UNANSWERED_MS: i64 = 30_000;
/// What was last seen counts for so many times the probe's own rhythm.
const FRESH_ROUNDS: i64 = 3;
/// And for so long at the least, in milliseconds.
const FRESH_MS_MIN: i64 = 120_000;
/// So many failures in a row are a fault, of which people are notified.
const FAILURES_MIN: u32 = 3;

/// What is known of the probes of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Probes(BTreeMap<(String, bool), ProbeState>);

/// What is known of a probe on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeState {
    /// When it was made, while there is no answer.
    asked_at: Option<Instant>,
    /// When it is made next; at once where that is not known.
    next_at: Option<Instant>,
    /// What came of the last one.
    pub last: Option<ProbeResult>,
    /// How often in a row it has failed.
    pub failures: u32,
    /// Since when it fails.
    pub failing_since: Option<Instant>,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// When it was answered.
    pub at: Instant,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// What was not as expected; nothing where it passed.
    pub failure: Option<String>,
}

/// Under which name a probe's rounds, or those of them that passed, are counted.
pub fn counter(name: &Name, variant: Variant, is_passed: bool) -> String {
    format!("probe/{name}/{variant}/{}", if is_passed { "passed" } else { "made" })
}

impl Probes {
    /// What is known of a probe.
    pub fn get(&self, name: &Name, variant: Variant) -> Option<&ProbeState> {
        self.0.get(&(name.to_string(), variant == Variant::New))
    }

    fn get_mut(&mut self, name: &Name, variant: Variant) -> &mut ProbeState {
        self.0.entry((name.to_string(), variant == Variant::New)).or_default()
    }

    /// When a probe is to be made.
    pub fn due_at(&self, name: &Name, variant: Variant, now: Instant) -> Instant {
        let Some(state) = self.get(name, variant) else { return now };
        match (state.asked_at, state.next_at) {
            // A clock that was set back says nothing.
            (Some(asked), _) if asked <= now => asked.plus_ms(UNANSWERED_MS),
            (_, next) => next.unwrap_or(now),
        }
    }

    /// It is made.
    pub fn ask(&mut self, name: &Name, variant: Variant, now: Instant) {
        self.get_mut(name, variant).asked_at = Some(now);
    }

    /// Something came of it.
    pub fn answer(&mut self, probe: &Probe, variant: Variant, result: ProbeResult) {
        let state = self.get_mut(&probe.name, variant);
        let asked_at = state.asked_at.take().unwrap_or(result.at);
        let every_ms = i64::try_from(probe.every.as_ms()).unwrap_or(i64::MAX);
        state.next_at = Some(asked_at.plus_ms(every_ms).max(result.at));
        if result.failure.is_some() {
            state.failures = state.failures.saturating_add(1);
            state.failing_since.get_or_insert(result.at);
        } else {
            (state.failures, state.failing_since) = (0, None);
        }
        state.last = Some(result);
    }

    /// All are made at once, whatever their rhythm.
    pub fn hasten(&mut self) {
        for state in self.0.values_mut() {
            state.next_at = None;
        }
    }
}

/// The share of a probe's rounds since a moment that passed, and how many there were.
///
/// # Errors
/// With why there is no share.
pub fn share(
    probe: &Probe,
    variant: Variant,
    signals: &Signals,
    since: Instant,
    now: Instant,
) -> Result<(f64, f64), Missing> {
    let made = counter(&probe.name, variant, false);
    let Some((last_at, _)) = signals.last(&made) else { return Err(Missing::NothingYet) };
    let age_ms = now.ms_since(last_at);
    if age_ms > fresh_ms(probe.every) {
        return Err(Missing::Stale { age_ms });
    }
    let all = signals.sum_since(&made, since);
    if all <= 0.0 {
        return Err(Missing::Nothing);
    }
    let passed = signals.sum_since(&counter(&probe.name, variant, true), since);
    Ok(((passed / all).clamp(0.0, 1.0), all))
}

fn fresh_ms(every: Duration) -> i64 {
    i64::try_from(every.as_ms()).unwrap_or(i64::MAX).saturating_mul(FRESH_ROUNDS).max(FRESH_MS_MIN)
}

/// What is wrong with the probes of a plan: those that have failed again and again.
pub fn faults(plan: &Plan, probes: &Probes) -> Vec<Noticed> {
    let sides = plan.probes.iter().flat_map(|probe| probe.on.iter().map(move |variant| (probe, *variant)));
    let failing = sides.filter_map(|(probe, variant)| {
        let state = probes.get(&probe.name, variant).filter(|state| state.failures >= FAILURES_MIN)?;
        let why = state.last.as_ref().and_then(|last| last.failure.clone()).unwrap_or_default();
        let message = format!("{} fails on {variant}, {} times in a row: {why}", probe.path, state.failures);
        Some(Noticed { subject: format!("probe/{}", probe.name), message, at: state.failing_since? })
    });
    failing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::probe::Expectation;

    fn at(s: i64) -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000 + s * 1_000)
    }

    fn probe() -> Probe {
        Probe {
            name: "login".parse().unwrap(),
            path: "/login".parse().unwrap(),
            on: vec![Variant::New],
            every: Duration::minutes(1),
            expect: Expectation::default(),
        }
    }

    fn result(s: i64, failure: Option<&str>) -> ProbeResult {
        ProbeResult { at: at(s), took_ms: 12, failure: failure.map(str::to_owned) }
    }

    #[test]
    fn a_probe_is_made_at_once_and_then_in_its_rhythm() {
        let (mut probes, own) = (Probes::default(), probe());
        assert_eq!(probes.due_at(&own.name, Variant::New, at(0)), at(0));
        probes.ask(&own.name, Variant::New, at(0));
        assert_eq!(probes.due_at(&own.name, Variant::New, at(1)), at(30), "one that is lost is made again");
        probes.answer(&own, Variant::New, result(2, None));
        assert_eq!(probes.due_at(&own.name, Variant::New, at(3)), at(60));
        probes.hasten();
        assert_eq!(probes.due_at(&own.name, Variant::New, at(3)), at(3));
    }

    #[test]
    fn failures_in_a_row_are_a_fault_and_end_with_a_pass() {
        let (mut probes, own) = (Probes::default(), probe());
        let plan = |probe: Probe| {
            let text =
                r#"{"key":"a","identity":{"from":["header:x-user-id"]},"stage":[{"name":"b","percentage":100}]}"#;
            let mut plan = tidegate_model::plan::set::read_rollout(text).unwrap();
            plan.probes.push(probe);
            plan
        };
        let plan = plan(own.clone());
        for s in 0..2 {
            probes.answer(&own, Variant::New, result(s, Some("it answers 500, and 200 is expected")));
        }
        assert!(faults(&plan, &probes).is_empty());
        probes.answer(&own, Variant::New, result(2, Some("it answers 500, and 200 is expected")));
        let found = faults(&plan, &probes);
        assert_eq!(found[0].subject, "probe/login");
        assert_eq!(found[0].message, "/login fails on new, 3 times in a row: it answers 500, and 200 is expected");
        assert_eq!(found[0].at, at(0));
        probes.answer(&own, Variant::New, result(3, None));
        assert!(faults(&plan, &probes).is_empty());
    }

    #[test]
    fn the_share_is_of_those_that_were_made_and_silence_is_no_share() {
        let (own, mut signals) = (probe(), Signals::default());
        let read = |signals: &Signals, s: i64| share(&own, Variant::New, signals, at(-600), at(s));
        assert_eq!(read(&signals, 0), Err(Missing::NothingYet));
        for (s, passed) in [(0, 1.0), (60, 0.0), (120, 1.0), (180, 1.0)] {
            signals.report(&counter(&own.name, Variant::New, false), 1.0, at(s));
            signals.report(&counter(&own.name, Variant::New, true), passed, at(s));
        }
        assert_eq!(read(&signals, 200), Ok((0.75, 4.0)));
        assert_eq!(read(&signals, 180 + 181), Err(Missing::Stale { age_ms: 181_000 }));
        assert_eq!(share(&own, Variant::Legacy, &signals, at(-600), at(200)), Err(Missing::NothingYet));
    }
}
