//! Which versions of new answer, by what its own answers say: while a deployment rolls, two at once.
//!
//! A version counts as deployed once it answers alone: figures and evidence that begin anew are then all its own.
//! 1. The first that is ever seen is taken for the one that was there all along.
//! 2. Another is deployed once it has been seen for half a minute and no other was in that time. Machines that are
//!    replaced one by one, or a deployment that is taken back half-way, restart nothing in between.

use crate::rollout::Noticed;
use tidegate_model::Instant;
use tidegate_model::version::Version;

/// So long a version has to answer alone, in milliseconds.
const ALONE_MS: i64 = 30_000;
/// Who has not been seen for so long is gone, in milliseconds.
const GONE_MS: i64 = 600_000;
/// So many versions are remembered; a header that is another with each answer names no build.
const VERSIONS_MAX: usize = 16;

/// Where a version is looked for, it is looked for so often, in milliseconds: three times in the span in which it has to
/// answer alone.
const LOOK_MS: i64 = 10_000;
/// A look that has had no answer for so long is given up, in milliseconds: longer than it may take.
const UNANSWERED_MS: i64 = 15_000;
/// So many looks in a row that find nothing are a fault, of which people are notified.
const FAILURES_MIN: u32 = 3;

/// The versions that were seen lately.
#[derive(Clone, Debug, Default)]
pub struct Versions(Vec<Sighting>);

/// The looks at a file of new that is another one in each version.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// When the last one was taken, while there is no answer.
    asked_at: Option<Instant>,
    next_at: Option<Instant>,
    /// How often in a row there was no version, since when, and why.
    failures: u32,
    failing: Option<(Instant, String)>,
}

impl Looks {
    /// When to look next.
    pub fn due_at(&self, now: Instant) -> Instant {
        match (self.asked_at, self.next_at) {
            // A clock that was set back says nothing.
            (Some(asked), _) if asked <= now => asked.plus_ms(UNANSWERED_MS),
            (_, next) => next.unwrap_or(now),
        }
    }

    /// It is looked.
    pub fn ask(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    /// What the look has found.
    pub fn answer(&mut self, failure: Option<String>, now: Instant) {
        let asked_at = self.asked_at.take().unwrap_or(now);
        self.next_at = Some(asked_at.plus_ms(LOOK_MS).max(now));
        match failure {
            Some(why) => {
                self.failures = self.failures.saturating_add(1);
                let since = self.failing.take().map_or(now, |(since, _)| since);
                self.failing = Some((since, why));
            }
            None => (self.failures, self.failing) = (0, None),
        }
    }

    /// That there was no version, again and again.
    pub fn fault(&self) -> Option<Noticed> {
        let (at, why) = self.failing.as_ref().filter(|_| self.failures >= FAILURES_MIN)?;
        let message = format!("new's version cannot be read, {} times in a row: {why}", self.failures);
        Some(Noticed { subject: "version".to_owned(), message, at: *at })
    }
}

#[derive(Clone, Debug)]
struct Sighting {
    version: Version,
    first: Instant,
    last: Instant,
}

impl Versions {
    /// An answer of new has said this.
    pub fn note(&mut self, version: Version, now: Instant) {
        self.0.retain(|own| now.ms_since(own.last) < GONE_MS);
        match self.0.iter_mut().find(|own| own.version == version) {
            Some(own) => own.last = now,
            None => {
                self.0.truncate(VERSIONS_MAX - 1);
                self.0.push(Sighting { version, first: now, last: now });
            }
        }
    }

    /// Those that were seen within the last half a minute.
    pub fn serving(&self, now: Instant) -> impl Iterator<Item = &Version> {
        self.0.iter().filter(move |own| now.ms_since(own.last) < ALONE_MS).map(|own| &own.version)
    }

    /// The version that is to be noted as deployed in the place of `current`, if any is.
    pub fn settled(&self, current: Option<&Version>, now: Instant) -> Option<&Version> {
        let mut serving = self.0.iter().filter(|own| now.ms_since(own.last) < ALONE_MS);
        let only = serving.next().filter(|_| serving.next().is_none())?;
        let is_other = current != Some(&only.version);
        let is_long_enough = current.is_none() || now.ms_since(only.first) >= ALONE_MS;
        (is_other && is_long_enough).then_some(&only.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap_or_else(|_| unreachable!())
    }

    fn at(second: i64) -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000 + second * 1_000)
    }

    /// When each version was seen: its name, and the first and last second, once a second.
    fn seen(spans: &[(&str, i64, i64)], until: i64) -> Versions {
        let mut versions = Versions::default();
        for second in 0..=until {
            for (name, first, last) in spans {
                if (*first..=*last).contains(&second) {
                    versions.note(version(name), at(second));
                }
            }
        }
        versions
    }

    fn settled(spans: &[(&str, i64, i64)], current: Option<&str>, now: i64) -> Option<String> {
        let current = current.map(version);
        seen(spans, now).settled(current.as_ref(), at(now)).map(ToString::to_string)
    }

    #[test]
    fn the_first_is_taken_at_once() {
        assert_eq!(settled(&[("v1", 0, 0)], None, 0).as_deref(), Some("v1"));
        assert_eq!(settled(&[("v1", 0, 0), ("v2", 0, 0)], None, 0), None, "of two nobody knows which");
        assert_eq!(settled(&[("v1", 0, 9)], Some("v1"), 9), None);
    }

    #[test]
    fn another_is_deployed_once_it_answers_alone() {
        let rolling = [("v1", 0, 100), ("v2", 60, 200)];
        assert_eq!(settled(&rolling, Some("v1"), 90), None, "both answer");
        assert_eq!(settled(&rolling, Some("v1"), 129), None, "the old one may answer again");
        assert_eq!(settled(&rolling, Some("v1"), 130).as_deref(), Some("v2"));
        assert_eq!(settled(&[("v1", 0, 10), ("v2", 40, 60)], Some("v1"), 60), None, "too new to be sure");
    }

    #[test]
    fn a_deployment_that_is_taken_back_restarts_nothing() {
        let taken_back = [("v1", 0, 300), ("v2", 60, 90)];
        assert!((0..300).all(|now| settled(&taken_back, Some("v1"), now).is_none()));
    }

    #[test]
    fn both_show_while_it_rolls() {
        let versions = seen(&[("v1", 0, 70), ("v2", 60, 90)], 90);
        let serving = |now: i64| versions.serving(at(now)).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((serving(90), serving(110)), (vec!["v1".into(), "v2".into()], vec!["v2".to_owned()]));
    }

    #[test]
    fn a_header_that_is_another_each_time_grows_nothing() {
        let mut versions = Versions::default();
        (0..1_000).for_each(|n| versions.note(version(&format!("r{n}")), at(0)));
        assert_eq!(versions.0.len(), VERSIONS_MAX);
        assert_eq!(versions.settled(Some(&version("v1")), at(40)), None);
    }

    #[test]
    fn a_look_is_taken_every_ten_seconds_and_several_without_a_version_are_a_fault() {
        let at = |s: i64| Instant::from_epoch_ms(1_780_000_000_000 + s * 1_000);
        let mut looks = Looks::default();
        assert_eq!(looks.due_at(at(0)), at(0));
        looks.ask(at(0));
        assert_eq!(looks.due_at(at(1)), at(15), "one that is lost is taken again");
        looks.answer(None, at(2));
        assert_eq!(looks.due_at(at(3)), at(10));
        for n in 1..=3 {
            assert_eq!(looks.fault(), None);
            looks.answer(Some("it answers 404, and 200 is expected".into()), at(n * 10));
        }
        let fault = looks.fault().unwrap();
        assert_eq!(fault.at, at(10));
        assert_eq!(
            fault.message,
            "new's version cannot be read, 3 times in a row: it answers 404, and 200 is expected"
        );
        looks.answer(None, at(40));
        assert_eq!(looks.fault(), None);
    }
}
