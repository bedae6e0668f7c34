//! The value of a dimension that stands out: of all countries, browsers, devices and header values the one whose
//! requests fail on new as those of no other do.
//!
//! 1. It is compared with all other values on new, and with itself on legacy: a browser that fails just as often on
//!    legacy is not what new has broken.
//! 2. Small numbers do not stand out. The difference of the two shares has to be above 0 by Newcombe's hybrid score
//!    interval (method 10 of "Interval estimation for the difference between independent proportions", Statistics in
//!    Medicine 17, 1998, made of Wilson's intervals of 1927), at [`Z`] standard errors: with hundreds of values to look
//!    at, one of a harmless release is named in about a hundred looks.
//! 3. Failures of one subject in one minute count once there, and they have to have met [`USERS_MIN`] subjects at least.
//! 4. A value that explains nearly all of the excess and fails the most often is named, else the one that explains the
//!    most of it, half at least. What explains less is not where to look first.

use tidegate_model::broke::{Share, StandsOut, Trouble};
use tidegate_model::dimension::Dimension;
use tidegate_model::measured::by_value::{ByValue, OTHER, Troubles, ValueCounts};

/// For an interval of which one in 30,000 lies above, on one side: a hundredth, divided among some 300 values.
const Z: f64 = 4.0;
/// With fewer subjects that fail it may be about them.
const USERS_MIN: u32 = 5;
/// With fewer failures that are their subjects' first in a minute there is nothing to look for.
const FIRST_MIN: u32 = 5;
/// Who fails less often than so many times as the others does not stand out, however certain the difference is.
const RATIO_MIN: f64 = 2.0;
/// With fewer requests on legacy nothing is known of a value there, and only the others are compared with.
const LEGACY_MIN: u64 = 50;
/// So much of the excess a value has to explain; and so much is nearly all.
const EXPLAINED_MIN: f64 = 0.5;
const EXPLAINED: f64 = 0.8;

impl Part {
    fn of(counts: &ValueCounts, trouble: Trouble) -> Self {
        let (of, troubles) = match trouble {
            Trouble::Failures => (counts.requests, counts.errors),
            Trouble::ClientErrors => (counts.requests, counts.client_errors),
            Trouble::JsErrors => (counts.pages, counts.failed_pages),
        };
        Self { of, troubles }
    }
}

/// What went wrong of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    of: u64,
    troubles: Troubles,
}

impl Part {
    const fn share(&self) -> Share {
        Share { count: self.troubles.count as u64, of: self.of }
    }

    /// What is left of a whole without it.
    const fn rest(&self, whole: &Self) -> Self {
        let troubles = Troubles {
            count: whole.troubles.count.saturating_sub(self.troubles.count),
            first: whole.troubles.first.saturating_sub(self.troubles.first),
            users: 0,
        };
        Self { of: whole.of.saturating_sub(self.of), troubles }
    }

    /// Wilson's interval of the share of first failures.
    fn interval(&self) -> (f64, f64, f64) {
        if self.of == 0 {
            return (0.0, 0.0, 1.0);
        }
        let n = self.of as f64;
        let p = (f64::from(self.troubles.first) / n).min(1.0);
        let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        (p, centre - half, centre + half)
    }

    /// Whether its share is the greater one, by Newcombe's interval of the difference.
    fn is_greater(&self, other: &Self) -> bool {
        let ((own, own_low, _), (theirs, _, theirs_high)) = (self.interval(), other.interval());
        own - theirs - ((own - own_low).powi(2) + (theirs_high - theirs).powi(2)).sqrt() > 0.0
    }
}

/// The values that stand out: one at the most of failures, 4xx and JavaScript errors each. Of values that are the same
/// requests the one is named whose dimension the plan names first.
pub fn of(dimensions: &[Dimension], new: &[ByValue], legacy: &[ByValue]) -> Vec<StandsOut> {
    let known = dimensions.iter().filter_map(|dimension| new.iter().find(|own| own.dimension() == dimension));
    let new: Vec<&ByValue> = known.collect();
    Trouble::ALL.into_iter().filter_map(|trouble| most(&new, legacy, trouble)).collect()
}

/// A value, by how much of the excess it explains.
struct Candidate {
    explains: f64,
    own: StandsOut,
}

fn most(new: &[&ByValue], legacy: &[ByValue], trouble: Trouble) -> Option<StandsOut> {
    let mut all: Vec<Candidate> = Vec::new();
    for by in new {
        let of_legacy = legacy.iter().find(|own| own.dimension() == by.dimension());
        let part = |counts: &ValueCounts| Part::of(counts, trouble);
        let (whole, whole_legacy) = (
            sum(by.iter().map(|(_, own)| part(own))),
            match of_legacy {
                Some(own) => sum(own.iter().map(|(_, own)| part(own))),
                None => Part::default(),
            },
        );
        let excess = |own: &Part, legacy: &Part| f64::from(own.troubles.count) - own.of as f64 * legacy.share().rate();
        let everywhere = excess(&whole, &whole_legacy);
        for (value, counts) in by.iter().filter(|(value, _)| *value != OTHER) {
            let own = part(counts);
            let known = of_legacy.and_then(|by| by.get(value)).map(part).unwrap_or_default();
            let is_known = known.of >= LEGACY_MIN;
            let others = own.rest(&whole);
            let explains = excess(&own, if is_known { &known } else { &whole_legacy }) / everywhere;
            let is_met = own.troubles.first >= FIRST_MIN
                && own.troubles.users_min() >= USERS_MIN
                && own.share().rate() >= RATIO_MIN * others.share().rate()
                && own.is_greater(&others)
                && (!is_known || own.share().rate() >= RATIO_MIN * known.share().rate() && own.is_greater(&known))
                && everywhere > 0.0
                && explains >= EXPLAINED_MIN;
            if is_met {
                let own = StandsOut {
                    trouble,
                    dimension: by.dimension().clone(),
                    value: value.to_owned(),
                    new: own.share(),
                    others: others.share(),
                    legacy: known.share(),
                };
                all.push(Candidate { explains, own });
            }
        }
    }
    let rate = |own: &Candidate| own.own.new.rate();
    let nearly = all.iter().rev().filter(|own| own.explains >= EXPLAINED).max_by(|a, b| rate(a).total_cmp(&rate(b)));
    let most = || all.iter().rev().max_by(|a, b| a.explains.total_cmp(&b.explains));
    nearly.or_else(most).map(|own| own.own.clone())
}

fn sum(parts: impl Iterator<Item = Part>) -> Part {
    parts.fold(Part::default(), |mut sum, own| {
        sum.of = sum.of.saturating_add(own.of);
        sum.troubles.count = sum.troubles.count.saturating_add(own.troubles.count);
        sum.troubles.first = sum.troubles.first.saturating_add(own.troubles.first);
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dimension; 3] = [Dimension::Country, Dimension::Device, Dimension::Browser];

    /// Requests of a value, of which so many fail, each of another subject.
    fn counts(requests: u64, errors: u64) -> ValueCounts {
        let users = if errors >= 32 { u32::MAX } else { (1 << errors) - 1 };
        let count = u32::try_from(errors).unwrap();
        ValueCounts { requests, errors: Troubles { count, first: count, users }, ..ValueCounts::default() }
    }

    fn by(dimension: Dimension, values: &[(&str, ValueCounts)]) -> ByValue {
        let mut own = ByValue::new(dimension);
        values.iter().for_each(|(value, counts)| own.add(value, counts));
        own
    }

    fn browsers(values: &[(&str, ValueCounts)]) -> Vec<ByValue> {
        vec![by(Dimension::Browser, values)]
    }

    #[track_caller]
    fn names(new: &[ByValue], legacy: &[ByValue], expected: &[&str]) {
        let found: Vec<String> =
            of(&ALL, new, legacy).iter().map(|own| format!("{}={}", own.dimension, own.value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_browser_that_fails_is_named_with_its_shares() {
        let new =
            browsers(&[("Safari", counts(1_000, 120)), ("Chrome", counts(8_000, 8)), ("Firefox", counts(1_000, 1))]);
        let legacy = browsers(&[("Safari", counts(19_000, 19)), ("Chrome", counts(152_000, 150))]);
        let found = of(&ALL, &new, &legacy);
        let expected = StandsOut {
            trouble: Trouble::Failures,
            dimension: Dimension::Browser,
            value: "Safari".into(),
            new: Share { count: 120, of: 1_000 },
            others: Share { count: 9, of: 9_000 },
            legacy: Share { count: 19, of: 19_000 },
        };
        assert_eq!(found, [expected]);
        names(&new, &[], &["browser=Safari"]);
    }

    #[test]
    fn what_fails_everywhere_alike_names_nothing() {
        let new =
            browsers(&[("Safari", counts(1_000, 100)), ("Chrome", counts(8_000, 800)), ("Firefox", counts(900, 95))]);
        names(&new, &browsers(&[("Chrome", counts(9_000, 9))]), &[]);
    }

    #[test]
    fn a_browser_that_fails_as_often_on_legacy_is_not_what_new_has_broken() {
        let new = browsers(&[("Safari", counts(1_000, 120)), ("Chrome", counts(8_000, 8))]);
        names(&new, &browsers(&[("Safari", counts(1_000, 110)), ("Chrome", counts(8_000, 8))]), &[]);
    }

    #[test]
    fn small_numbers_and_single_users_do_not_stand_out() {
        let few = browsers(&[("Safari", counts(8, 4)), ("Chrome", counts(800, 8))]);
        names(&few, &[], &[]);
        let mut one = counts(1_000, 120);
        one.errors.users = 0b111;
        names(&browsers(&[("Safari", one), ("Chrome", counts(8_000, 8))]), &[], &[]);
        let again = ValueCounts { errors: Troubles { first: 4, ..counts(0, 120).errors }, ..counts(1_000, 0) };
        names(&browsers(&[("Safari", again), ("Chrome", counts(8_000, 8))]), &[], &[]);
    }

    #[test]
    fn the_narrowest_value_that_explains_it_is_named_whatever_the_dimension() {
        let new = vec![
            by(Dimension::Device, &[("iPhone", counts(3_000, 121)), ("Windows", counts(7_000, 8))]),
            by(Dimension::Browser, &[("Safari", counts(1_000, 120)), ("Chrome", counts(9_000, 9))]),
        ];
        names(&new, &[], &["browser=Safari"]);
    }

    #[test]
    fn errors_of_pages_are_looked_at_by_pages() {
        let pages =
            |pages: u64, failed: u64| ValueCounts { pages, failed_pages: counts(0, failed).errors, ..counts(0, 0) };
        let new = browsers(&[("Safari", pages(1_000, 120)), ("Chrome", pages(8_000, 8))]);
        assert_eq!(of(&ALL, &new, &[]).iter().map(|own| own.trouble).collect::<Vec<_>>(), [Trouble::JsErrors]);
    }

    #[test]
    fn a_harmless_release_is_named_once_in_a_hundred_looks_at_most() {
        let mut named = 0;
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut side = |share: u64| {
                let values: Vec<(String, ValueCounts)> = (0..300)
                    .map(|n| {
                        // A few values have most of the requests, as countries do.
                        let requests = 20_000 * share / (100 * (n + 1)) + 3;
                        let errors = (0..requests).filter(|_| random.f64() < 0.01).count() as u64;
                        (format!("v{n}"), counts(requests, errors))
                    })
                    .collect();
                let values: Vec<(&str, ValueCounts)> =
                    values.iter().map(|(value, own)| (value.as_str(), *own)).collect();
                vec![by(Dimension::Country, &values)]
            };
            let (new, legacy) = (side(5), side(95));
            named += usize::from(!of(&ALL, &new, &legacy).is_empty());
        }
        assert!(named <= 20, "{named} of 2,000");
    }
}
