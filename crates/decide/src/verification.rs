//! Verification: whether a rollback or a kill has come to where it counts.
//!
//! 1. It looks from outside, at the isolates and at the figures, and says what it saw. What nobody could see is said
//!    so, and is neither fine nor wrong.
//! 2. It ends as soon as all is as it should be, and in two minutes at the latest; whatever was found then stands
//!    beside the history, and goes to those who are notified of rollbacks. It changes nothing, and makes no revision: who
//!    decides meanwhile is not in its way.

use crate::judge::notifications::Message;
use crate::series::{Series, Span};
use crate::versions::Versions;
use tidegate_model::live::LiveState;
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Minute, Percentage};

/// The kind of the message that says what was found.
pub const VERIFICATION: &str = "verification";
/// The first look is this long after the change, in milliseconds: isolates learn of it within two seconds.
const FIRST_MS: i64 = 3_000;
/// From one look to the next, in milliseconds.
const AGAIN_MS: i64 = 5_000;
/// A look that has had no answer for so long is given up, in milliseconds.
const UNANSWERED_MS: i64 = 15_000;
/// What is not as it should be by then is reported, in milliseconds.
const END_MS: i64 = 120_000;
/// Figures are waited for this long where all else is fine, in milliseconds: a minute has to be over.
const FIGURES_MS: i64 = 75_000;
/// Fewer requests than this say nothing of errors.
const REQUESTS_MIN: u64 = 20;
/// Legacy's errors of this long before are what it is held against, in minutes.
const BEFORE_MINUTES: u64 = 60;
/// Errors have settled under twice what they were before, or under this share more.
const SETTLED_FACTOR: f64 = 2.0;
const SETTLED_SHARE: f64 = 0.01;
/// With so many errors legacy itself fails, whatever it did in the hour before.
const FAILING_SHARE: f64 = 0.05;

/// Something that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was seen, as a sentence without its full stop.
    pub text: String,
    /// Whether that is as it should be; absent where nobody could tell.
    pub is_fine: Option<bool>,
}

/// A verification under way.
#[derive(Clone, Debug)]
pub struct Verification {
    /// The revision that took the rollout back.
    pub revision: u64,
    began: Instant,
    asked_at: Option<Instant>,
    next_at: Instant,
    /// What the last look from outside saw.
    outside: Option<Found>,
}

/// How far isolates have come: how many there are, and how many of them go by an older state.
pub type Isolates = (usize, usize);

impl Verification {
    /// A rollout has been taken back by this revision.
    pub fn begin(revision: u64, now: Instant) -> Self {
        Self { revision, began: now, asked_at: None, next_at: now.plus_ms(FIRST_MS), outside: None }
    }

    /// When to look from outside next.
    pub fn due_at(&self, now: Instant) -> Instant {
        match self.asked_at {
            // A clock that was set back says nothing.
            Some(asked) if asked <= now => asked.plus_ms(UNANSWERED_MS),
            _ => self.next_at,
        }
    }

    /// It is looked at from outside.
    pub fn ask(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    /// What was seen from outside.
    pub fn see(&mut self, found: Found, now: Instant) {
        self.asked_at = None;
        // Once it is as it should be, only the time is waited for.
        self.next_at = if found.is_fine == Some(false) { now.plus_ms(AGAIN_MS) } else { self.began.plus_ms(END_MS) };
        self.outside = Some(found);
    }

    /// What was found, once there is nothing more to wait for.
    pub fn conclude(
        &self,
        isolates: Isolates,
        figures: Found,
        version: Option<Found>,
        now: Instant,
    ) -> Option<Vec<Found>> {
        let age_ms = now.ms_since(self.began);
        let outside = self
            .outside
            .clone()
            .unwrap_or_else(|| Found { text: "nobody could look from outside".to_owned(), is_fine: None });
        let isolates = of_isolates(isolates, self.revision);
        let is_seen = self.outside.is_some() && outside.is_fine != Some(false);
        let is_settled = figures.is_fine == Some(true) || figures.is_fine.is_none() && age_ms >= FIGURES_MS;
        let is_version_fine = version.as_ref().is_none_or(|own| own.is_fine != Some(false));
        let is_over = age_ms >= END_MS || is_seen && isolates.is_fine == Some(true) && is_settled && is_version_fine;
        is_over.then(|| [outside].into_iter().chain(version).chain([isolates, figures]).collect())
    }
}

/// What was found, from outside first, as one sentence: what is not as it should be first, then what nobody could tell last.
pub fn reported(found: &[Found]) -> String {
    let those = |wanted: Option<bool>| found.iter().filter(move |own| own.is_fine == wanted);
    let is_seen_outside = found.first().is_some_and(|own| own.is_fine.is_some());
    let lead = match those(Some(false)).next() {
        Some(_) => "not as it should be",
        None if is_seen_outside => "verified",
        None => "verified, but not from outside",
    };
    let all = those(Some(false)).chain(those(Some(true))).chain(those(None));
    format!("{lead}: {}", all.map(|own| own.text.as_str()).collect::<Vec<_>>().join("; "))
}

/// The message that stands beside the history.
pub fn message(found: &[Found], to: Vec<String>, now: Instant) -> Message {
    let text = reported(found);
    Message {
        at: now,
        kind: VERIFICATION,
        to,
        text,
        figures: Vec::new(),
        guardrail: None,
        notice: None,
        own_text: None,
    }
}

fn of_isolates((all, behind): Isolates, revision: u64) -> Found {
    let text = match (all, behind) {
        (0, _) => "no isolate was there in the last minute".to_owned(),
        (1, 0) => format!("the one isolate of the last minute goes by revision {revision} or later"),
        (_, 0) => format!("all {all} isolates of the last minute go by revision {revision} or later"),
        _ => format!("{behind} of {all} isolates go by a state before revision {revision}"),
    };
    Found { text, is_fine: Some(behind == 0) }
}

/// Whether a state sends everybody to legacy.
pub fn is_all_legacy(live: &LiveState) -> bool {
    live.killed || live.percentage == Percentage::ZERO && live.groups.is_empty()
}

/// Whether the version of new that answers is the one wanted, where a step back leaves users on new and new says which
/// it is. A deployment that went on beneath the step is seen here.
pub fn version(plan: &Plan, live: &LiveState, versions: &Versions, now: Instant) -> Option<Found> {
    plan.upstreams.as_ref()?.new.version.as_ref().filter(|_| !is_all_legacy(live))?;
    let wanted = live.version.as_ref()?;
    let serving: Vec<String> = versions.serving(now).map(ToString::to_string).collect();
    let (text, is_fine) = match serving.as_slice() {
        [] => (format!("new has not said which version it is; {wanted} is wanted"), None),
        [one] if *one == *wanted.as_str() => (format!("new is {wanted}, as is wanted"), Some(true)),
        all => (format!("new is {}, and {wanted} is wanted", all.join(" and ")), Some(false)),
    };
    Some(Found { text, is_fine })
}

/// Whether errors have settled since a revision, on legacy, where users are now.
pub fn settled(series: &Series, record: &Record, revision: u64, now: Instant) -> Found {
    let tally = |is_wanted: &dyn Fn(u64) -> bool, minute: Option<Minute>| {
        let windows = series.over(Span { revision: record.begun_revision, minute });
        let tallies =
            windows.filter(|window| is_wanted(window.revision)).filter_map(|own| own.tally(Variant::Legacy, None));
        tallies.fold((0_u64, 0_u64), |(requests, errors), own| (requests + own.requests, errors + own.errors))
    };
    let (requests, errors) = tally(&|own| own >= revision, None);
    if requests < REQUESTS_MIN {
        let text = format!("too few requests since then to say whether errors settle ({requests})");
        return Found { text, is_fine: None };
    }
    let since = now.minute() - BEFORE_MINUTES;
    let (before, failed_before) = tally(&|own| own < revision, Some(since));
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let (rate, rate_before) = (share(errors, requests), share(failed_before, before));
    let is_as_before = rate <= (rate_before * SETTLED_FACTOR).max(rate_before + SETTLED_SHARE);
    let is_fine = is_as_before && rate < FAILING_SHARE;
    let text = format!(
        "errors on legacy: {:.2} % of {requests} requests since, {:.2} % in the hour before",
        rate * 100.0,
        rate_before * 100.0
    );
    Found { text, is_fine: Some(is_fine) }
}

/// When a verification has to be looked at again, because of the time alone.
pub fn wake(verification: &Verification, now: Instant) -> Instant {
    let ends = [verification.began.plus_ms(FIGURES_MS), verification.began.plus_ms(END_MS)];
    let ends = ends.into_iter().filter(|at| *at > now);
    ends.chain([verification.due_at(now)]).min().unwrap_or(now).max(now.plus_ms(MINUTE_MS / 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Window;
    use tidegate_model::plan::set::read_rollout;

    fn at(s: i64) -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000 + s * 1_000)
    }

    fn found(is_fine: Option<bool>) -> Found {
        Found { text: "x".into(), is_fine }
    }

    #[test]
    fn it_ends_once_all_is_as_it_should_be() {
        let mut own = Verification::begin(7, at(0));
        assert_eq!(own.due_at(at(0)), at(3));
        assert_eq!(own.conclude((2, 0), found(Some(true)), None, at(3)), None, "nobody has looked yet");
        own.ask(at(3));
        own.see(found(Some(false)), at(4));
        assert_eq!(own.conclude((2, 0), found(Some(true)), None, at(5)), None);
        assert_eq!(own.due_at(at(5)), at(9));
        own.see(found(Some(true)), at(9));
        assert_eq!(own.conclude((2, 1), found(Some(true)), None, at(10)), None, "an isolate is behind");
        let all = own.conclude((2, 0), found(Some(true)), None, at(11)).unwrap();
        assert_eq!(all[1].text, "all 2 isolates of the last minute go by revision 7 or later");
    }

    #[test]
    fn it_ends_in_any_case_and_says_what_is_wrong() {
        let own = Verification::begin(7, at(0));
        let all = own.conclude((3, 1), found(None), None, at(120)).unwrap();
        assert_eq!(
            all.iter().map(|own| (own.text.as_str(), own.is_fine)).collect::<Vec<_>>(),
            [
                ("nobody could look from outside", None),
                ("1 of 3 isolates go by a state before revision 7", Some(false)),
                ("x", None)
            ]
        );
        assert_eq!(
            reported(&all),
            "not as it should be: 1 of 3 isolates go by a state before revision 7; nobody could look from outside; x"
        );
        let all = own.conclude((3, 0), found(Some(true)), None, at(120)).unwrap();
        assert!(reported(&all).starts_with("verified, but not from outside: all 3 isolates"), "{}", reported(&all));
    }

    #[test]
    fn errors_are_held_against_the_hour_before() {
        let text = r#"{"key":"a","identity":{"from":["header:x-user-id"]},"stage":[{"name":"b","percentage":100}]}"#;
        let record = Record::draft(&read_rollout(text).unwrap(), at(0));
        let (mut series, now) = (Series::default(), at(0));
        let mut count = |revision: u64, requests: u64, errors: u64| {
            let mut window = Window::at(now.minute(), revision);
            if let Some(tally) = window.tally_mut(Variant::Legacy, None) {
                (tally.requests, tally.errors) = (requests, errors);
            }
            series.add(window, now);
            series.clone()
        };
        assert_eq!(settled(&count(6, 1_000, 1), &record, 7, now).is_fine, None);
        let found = settled(&count(7, 100, 1), &record, 7, now);
        assert_eq!(found.text, "errors on legacy: 1.00 % of 100 requests since, 0.10 % in the hour before");
        assert_eq!(found.is_fine, Some(true));
        assert_eq!(settled(&count(7, 100, 50), &record, 7, now).is_fine, Some(false));
        count(6, 1_000, 1_000);
        let failing = settled(&count(7, 1_000, 1_000), &record, 7, now);
        assert_eq!(failing.is_fine, Some(false), "legacy failed before as well: {}", failing.text);
    }

    #[test]
    fn a_step_back_that_leaves_users_on_new_is_held_against_its_version() {
        let text = r#"{"key":"a","routes":["/*"],"identity":{"from":["header:x-user-id"]},
            "upstreams":{"legacy":"https://l.example","new":{"url":"https://n.example","version":"header:x-build"}},
            "stage":[{"name":"b","percentage":100}]}"#;
        let plan = read_rollout(text).unwrap();
        let mut live = Record::draft(&plan, at(0)).live;
        (live.percentage, live.version) = ("5".parse().unwrap(), "v2".parse().ok());
        let mut versions = Versions::default();
        let said = |live: &LiveState, versions: &Versions| {
            version(&plan, live, versions, at(0)).map(|found| (found.text, found.is_fine))
        };
        let is = |text: &str, is_fine| Some((text.to_owned(), is_fine));
        assert_eq!(said(&live, &versions), is("new has not said which version it is; v2 is wanted", None));
        versions.note("v2".parse().unwrap(), at(0));
        assert_eq!(said(&live, &versions), is("new is v2, as is wanted", Some(true)));
        versions.note("v1".parse().unwrap(), at(0));
        assert_eq!(said(&live, &versions), is("new is v2 and v1, and v2 is wanted", Some(false)));
        live.killed = true;
        assert_eq!(said(&live, &versions), None, "nobody is on new");
        let own = Verification { outside: Some(found(Some(true))), ..Verification::begin(7, at(0)) };
        assert_eq!(own.conclude((1, 0), found(Some(true)), Some(found(Some(false))), at(11)), None);
        assert_eq!(own.conclude((1, 0), found(Some(true)), Some(found(None)), at(11)).map(|all| all.len()), Some(4));
    }
}
