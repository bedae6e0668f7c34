//! Shadow traffic: copies of requests that legacy answers go to new, behind legacy's answer, and are compared.
//!
//! 1. The visitor never waits for a copy, and nothing of its answer reaches anybody: no header, no cookie, no page.
//! 2. A copy is no request of new: it exposes nobody, and counts in figures of its own alone.
//! 3. What is copied is bounded by the plan's share, by copies a second, by copies under way, and by how much of
//!    each answer is read.
//! 4. Nothing is copied that may change anything: GET and HEAD alone, and others where the plan names the path.

pub mod assets;
pub mod compare;
mod json;
mod page;

use std::rc::Rc;

use self::compare::{Comparison, Side};
use super::config::Snapshot;
use super::decision::Assigned;
use super::measuring::Instruments;
use super::message::AnswerText;
use super::meter::Visit;
use super::step::{NoAnswer, Step};
use tidegate_model::plan::{FailureKind, Plan};
use tidegate_model::shadow::{Answered, Difference, SampleOf, ShadowSample, masked};
use tidegate_model::subject::SubjectHash;
use tidegate_model::{Instant, Minute, Percentage};

/// A copy that marks itself so, for new's own figures and for what it must not do.
pub const MARK: &str = "tidegate-shadow";
/// A body of a request that is longer is not copied, in bytes: it is kept until legacy has answered.
pub const UPLOAD_BYTES_MAX: u64 = 65_536;
/// A copy that takes longer than this is given up, in milliseconds: the runtime lets work go on for 30 s.
pub const LIMIT_MS_MAX: u64 = 20_000;

/// How many copies a second may go: a bucket of tokens that holds those of one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    left: f64,
    at_ms: f64,
}

impl Budget {
    /// A full one.
    pub const fn new(per_second: u32, now_ms: f64) -> Self {
        Self { left: per_second as f64, at_ms: now_ms }
    }

    /// Whether another copy may go now; if so, it has.
    pub fn admit(&mut self, per_second: u32, now_ms: f64) -> bool {
        let rate = f64::from(per_second);
        let filled = self.left + (now_ms - self.at_ms).max(0.0) / 1_000.0 * rate;
        *self = Self { left: filled.min(rate), at_ms: self.at_ms.max(now_ms) };
        let is_admitted = self.left >= 1.0;
        if is_admitted {
            self.left -= 1.0;
        }
        is_admitted
    }
}

/// Whether a request is among the share that is copied, by a number that is drawn evenly from all.
pub fn is_drawn(number: u64, share: Percentage) -> bool {
    let of = u128::from(Percentage::FULL.limit());
    // The upper bits are the better ones of most generators.
    (u128::from(number) * of) >> 64 < u128::from(share.limit())
}

/// What of an answer's body is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON.
    Json,
    /// A page.
    Page,
    /// Something else, of which the length alone says something.
    Other,
}

impl Kind {
    /// That of an answer with this type.
    pub fn of(content_type: Option<&str>) -> Self {
        let essence = compare::essence(content_type.unwrap_or_default());
        match essence.as_str() {
            "application/json" | "text/json" => Self::Json,
            "text/html" | "application/xhtml+xml" => Self::Page,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// What legacy has answered to a request that is copied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The type.
    pub content_type: Option<String>,
    /// Where it redirects to, as the visitor sees it.
    pub target: Option<String>,
    /// How long the body is, where the headers say so.
    pub length: Option<u64>,
    /// The time to headers, where it says something of the upstream.
    pub latency_ms: Option<f64>,
}

impl Seen {
    /// What an answer says. `target` is where it redirects to, as the visitor sees it.
    pub fn of(answer: &AnswerText, target: Option<String>, latency_ms: Option<f64>) -> Self {
        let is_encoded = answer.header("content-encoding").is_some();
        let length = answer.header("content-length").filter(|_| !is_encoded).and_then(|length| length.parse().ok());
        let content_type = answer.content_type().map(str::to_owned);
        Self { status: answer.status(), content_type, target, length, latency_ms }
    }
}

/// A request that is copied to new.
#[derive(Debug)]
pub struct ShadowCopy {
    /// What it was decided on.
    pub snapshot: Rc<Snapshot>,
    /// What the request was assigned.
    pub assigned: Assigned,
    /// What stands in for a subject.
    pub client: Option<SubjectHash>,
    /// The path that it asks for.
    pub path: String,
    /// What legacy has answered.
    pub legacy: Seen,
    /// How the copy is asked for.
    pub ask: Step,
    /// How much of each answer's body is read, in bytes; 0 for none.
    pub bytes_max: u32,
    /// Whether the time to headers says something of the upstream: a request's own body takes time.
    pub has_latency: bool,
    /// Whether the address asked for has a host of new's: for redirects.
    pub redirects: Redirects,
    /// New's address before a path; `None` where that is not known.
    pub base: Option<String>,
    /// The paths that are asked for of what new's page loads.
    pub asked: Vec<String>,
}

/// Names one page by one address, whichever side has written it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirects {
    /// The public address's scheme and host.
    pub origin: String,
    /// The hosts of both upstreams, each with its base path.
    pub upstreams: Vec<(String, String)>,
}

impl Redirects {
    /// An address as a visitor sees it: without the scheme, on the public host.
    pub fn public(&self, address: &str) -> String {
        let authority = |address: &str| address.split_once("://").map(|(_, rest)| rest.to_owned());
        let Some(own) = authority(address) else { return address.to_owned() };
        let public = authority(&self.origin).unwrap_or_default();
        for (host, base) in &self.upstreams {
            if let Some(rest) = own.strip_prefix(host.as_str()).and_then(|rest| rest.strip_prefix(base.as_str()))
                && (rest.is_empty() || rest.starts_with(['/', '?']))
            {
                return format!("{public}{rest}");
            }
        }
        own
    }
}

/// What was read of one side's body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<'a> {
    /// Its first bytes; `None` where none were read.
    pub bytes: Option<&'a [u8]>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// What came of a copy.
pub struct Finished<'a> {
    /// New's answer, or why there is none.
    pub outcome: Result<AnswerText, NoAnswer>,
    /// How long that took, in milliseconds.
    pub took_ms: f64,
    /// What was read of legacy's body.
    pub legacy: Body<'a>,
    /// What was read of new's.
    pub new: Body<'a>,
    /// What was answered of each asset that was asked for: status and type, a line each.
    pub assets: &'a str,
}

impl ShadowCopy {
    fn plan(&self) -> Option<&Plan> {
        self.snapshot.catalogue.plan(self.assigned.number).map(AsRef::as_ref)
    }

    /// Counts what came of it; a sample of it where new's answer is another.
    pub fn finish(&self, finished: &Finished<'_>, instruments: &mut Instruments<'_>) -> Option<SampleOf> {
        let plan = self.plan()?;
        let (comparison, is_failure) = self.compare(plan, finished);
        let visit = Visit {
            plan,
            assigned: self.assigned,
            path: &self.path,
            minute: Minute::of_epoch_ms(instruments.now_ms),
            client: self.client,
            has_opted_out: false,
            traits: None,
        };
        let is_mismatch = !comparison.differences.is_empty();
        let latency = self.legacy.latency_ms.filter(|_| self.has_latency && finished.outcome.is_ok());
        let latency = latency.map(|legacy_ms| (legacy_ms, finished.took_ms));
        instruments.meter.count_copy(&visit, is_failure, is_mismatch, latency);
        if !is_mismatch {
            return None;
        }
        let answered = |status, content_type: Option<&str>, title: Option<String>| Answered {
            status,
            content_type: content_type.map(compare::essence).filter(|own| own.len() <= 100),
            title,
        };
        let new = finished.outcome.as_ref().ok();
        let sample = ShadowSample {
            at: Instant::from_epoch_ms(instruments.now_ms as i64),
            path: masked(&self.path),
            differences: comparison.differences,
            place: comparison.place.map(|place| masked(&place)),
            legacy: answered(Some(self.legacy.status), self.legacy.content_type.as_deref(), comparison.titles.0),
            new: answered(new.map(AnswerText::status), new.and_then(AnswerText::content_type), comparison.titles.1),
        };
        Some(SampleOf { rollout: plan.key.clone(), sample })
    }

    /// In what the answers differ, and whether new has failed.
    fn compare(&self, plan: &Plan, finished: &Finished<'_>) -> (Comparison, bool) {
        let answer = match &finished.outcome {
            Ok(answer) => answer,
            Err(_) => {
                let comparison = Comparison { differences: vec![Difference::NoAnswer], ..Comparison::default() };
                return (comparison, true);
            }
        };
        let target = answer.target().map(|target| self.redirects.public(target));
        let seen = Seen::of(answer, target, None);
        let shadow = plan.shadow.clone().unwrap_or_default();
        let legacy = Side { seen: &self.legacy, body: finished.legacy };
        let new = Side { seen: &seen, body: finished.new };
        let rules = tidegate_model::plan::PathRules::of(&plan.paths, &self.path);
        let failures = rules.find(|rule| rule.failure.as_ref()).unwrap_or(&plan.failure);
        let is_late = failures.has(FailureKind::Timeout)
            && self.has_latency
            && matches!(&self.ask, Step::Ask { timeout_ms, .. } if finished.took_ms > *timeout_ms as f64);
        let is_failure = failures.has_status(answer.status()) || is_late;
        let mut comparison = compare::compare(&legacy, &new, &shadow.compare);
        if let Some(missing) = self.missing(finished.assets).next().filter(|_| comparison.differences.is_empty()) {
            comparison.differences.push(Difference::Assets);
            comparison.place = Some(missing.to_owned());
        }
        if is_failure && comparison.differences.is_empty() {
            comparison.differences.push(Difference::Status);
        }
        (comparison, is_failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lets_no_more_through_than_it_has_whatever_comes() {
        let mut seed = 7_u64;
        for rps in [1, 5, 100] {
            let (mut budget, mut now_ms, mut sent) = (Budget::new(rps, 0.0), 0.0, 0_u32);
            for _ in 0..50_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now_ms += (seed >> 60) as f64;
                sent += u32::from(budget.admit(rps, now_ms));
            }
            let most = f64::from(rps) * (1.0 + now_ms / 1_000.0);
            assert!(f64::from(sent) <= most && f64::from(sent) > most * 0.9, "{rps}: {sent} of {most}");
        }
        let mut budget = Budget::new(3, 1_000.0);
        assert_eq!((0..9).filter(|_| budget.admit(3, 1_000.0)).count(), 3);
        assert!(!budget.admit(3, 900.0), "a clock that goes back gives nothing");
    }

    #[test]
    fn the_share_that_is_drawn_is_the_plans() {
        let share = |text: &str| text.parse::<Percentage>().unwrap();
        let mut state = 1_u64;
        let numbers: Vec<u64> = (0..100_000)
            .map(|_| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
            })
            .collect();
        for (text, most) in [("0%", 0), ("5%", 5_400), ("50%", 51_000), ("100%", 100_000)] {
            let drawn = numbers.iter().filter(|number| is_drawn(**number, share(text))).count();
            assert!(drawn <= most && drawn * 100 >= most * 85, "{text}: {drawn}");
            let wider = numbers.iter().filter(|number| is_drawn(**number, share("60%")));
            assert!(text == "100%" || wider.count() >= drawn);
        }
        assert!(!is_drawn(0, share("0%")) && is_drawn(u64::MAX, share("100%")));
    }

    #[test]
    fn one_page_has_one_address_whoever_has_written_it() {
        let redirects = Redirects {
            origin: "https://shop.example".into(),
            upstreams: vec![("old.example".into(), String::new()), ("new.example".into(), "/base".into())],
        };
        for (address, public) in [
            ("https://shop.example/a?b", "shop.example/a?b"),
            ("http://old.example/a?b", "shop.example/a?b"),
            ("https://new.example/base/a?b", "shop.example/a?b"),
            ("https://new.example/other", "new.example/other"),
            ("https://old.example.evil/a", "old.example.evil/a"),
            ("https://elsewhere.example/", "elsewhere.example/"),
        ] {
            assert_eq!(redirects.public(address), public, "{address}");
        }
    }
}
