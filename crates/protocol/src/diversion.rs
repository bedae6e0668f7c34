//! What passes between a circuit breaker and a request: whether new is asked, and what came of it. And what
//! isolates share of their breakers: that one is open, for a few seconds, and never more than that.

use serde::{Deserialize, Deserializer, Serialize};

use tidegate_model::Instant;
use tidegate_model::plan::Plan;

/// So many open breakers are shared at once.
pub const OPEN_MAX: usize = 64;
/// What was reported is passed on for so long, in milliseconds: longer than two flushes are apart.
const PASSED_ON_MS: i64 = 3_000;
/// The longest name of an upstream that is shared.
const NAME_CHARS_MAX: usize = 500;

/// What becomes of a request to new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// It is sent.
    #[default]
    Free,
    /// It is sent, and shows whether others may be. Where legacy can answer in its place, it is given up after so many
    /// milliseconds.
    Probe(u64),
    /// It is not sent, and counts as what the last one that failed was; legacy answers. Nothing is counted where new
    /// has failed for other isolates alone.
    Diverted(Option<Failure>),
}

/// How new has failed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The status; `None` where no answer came.
    pub status: Option<u16>,
    /// Whether headers did not come in time.
    pub is_timeout: bool,
}

/// A request that a breaker may keep from new.
#[derive(Clone, Copy, Debug)]
pub struct Guarded<'a> {
    /// The number of the rollout that takes it.
    pub number: usize,
    /// Its plan.
    pub plan: &'a Plan,
    /// The path that is asked for.
    pub path: &'a str,
    /// How long new may take to send headers, in milliseconds.
    pub limit_ms: f64,
    /// Whether legacy can answer it after new has failed.
    pub is_repeatable: bool,
}

/// What came of a request that a breaker has let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// How new failed, where it did.
    pub failure: Option<Failure>,
    /// From the request's arrival to headers or to the failure, in milliseconds.
    pub took_ms: f64,
    /// Whether it was a probe.
    pub is_probe: bool,
}

/// What a breaker learns of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// New was asked.
    Tried(Trial),
    /// Legacy was asked in its place, and failed as well.
    LegacyFailed,
    /// The client has left before there was an answer; of a probe, or of another.
    Left {
        /// Whether it was a probe.
        is_probe: bool,
    },
}

/// A breaker that is open in some isolate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBreaker {
    /// The rollout's key.
    pub rollout: String,
    /// Its upstream that is new: elsewhere the plan may name another already.
    pub new: String,
    /// The endpoint; `None` for what no endpoint takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// The breakers that are open in some isolate, as they were reported lately. Nothing of it is stored.
#[derive(Debug, Default)]
pub struct OpenBreakers(Vec<(OpenBreaker, Instant)>);

impl OpenBreakers {
    /// Takes note of what was reported.
    pub fn note(&mut self, reported: &[OpenBreaker], now: Instant) {
        self.0.retain(|(_, at)| is_recent(*at, now));
        for breaker in reported.iter().take(OPEN_MAX) {
            let is_full = self.0.len() >= OPEN_MAX;
            match self.0.iter_mut().find(|(own, _)| own == breaker) {
                Some((_, at)) => *at = now,
                None if !is_full => self.0.push((breaker.clone(), now)),
                None => {}
            }
        }
    }

    /// What is to be passed on.
    pub fn current(&self, now: Instant) -> Vec<OpenBreaker> {
        self.0.iter().filter(|(_, at)| is_recent(*at, now)).map(|(own, _)| own.clone()).collect()
    }
}

/// A clock that has been set back must not make anything stay.
fn is_recent(at: Instant, now: Instant) -> bool {
    now.ms_since(at).abs() < PASSED_ON_MS
}

/// Reads what was reported of breakers: it decides nothing, so what cannot be read takes nothing else with it.
///
/// # Errors
/// When it is no list.
pub fn read_open<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OpenBreaker>, D::Error> {
    let read = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let reported = read.into_iter().take(OPEN_MAX).filter_map(|own| serde_json::from_value(own).ok());
    Ok(reported.filter(|own: &OpenBreaker| own.new.chars().count() <= NAME_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(rollout: &str) -> OpenBreaker {
        OpenBreaker { rollout: rollout.to_owned(), new: "https://n.example".to_owned(), endpoint: None }
    }

    #[test]
    fn what_was_reported_is_passed_on_for_three_seconds_and_so_many_at_once() {
        let at = |ms: i64| Instant::from_epoch_ms(1_000_000 + ms);
        let mut breakers = OpenBreakers::default();
        breakers.note(&[open("a")], at(0));
        breakers.note(&[open("b"), open("a")], at(2_000));
        assert_eq!(breakers.current(at(4_900)), [open("a"), open("b")]);
        breakers.note(&[open("b")], at(4_900));
        assert_eq!(breakers.current(at(5_000)), [open("b")], "nobody says so any more");
        let many: Vec<OpenBreaker> = (0..1_000).map(|n| open(&n.to_string())).collect();
        breakers.note(&many, at(9_000));
        assert_eq!(breakers.current(at(9_000)).len(), OPEN_MAX);
    }
}
