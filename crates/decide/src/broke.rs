//! What broke: of all that was counted, what new has more of than legacy, and whom it met.
//!
//! 1. It says what stands behind a verdict, and makes none: it is looked up once something has happened, and shown.
//! 2. What is more frequent is measured by the excess: how many more there are on new than legacy's rate would give.
//! 3. A narrower place stands for a wider one that it explains: five hundred failures at one endpoint are not failures
//!    everywhere.
//! 4. Of the plan's dimensions the value that stands out is named ([`stands_out`]).
//! 5. An error of pages is named once several page views had it: what only one had may say something of one user.

use super::metrics::RolloutMetrics;
use super::series::{Series, Span};
use super::stands_out;
use tidegate_model::broke::{Broke, Failure, FailureClass, People, ScriptError, Share};
use tidegate_model::measured::commonest::Kind;
use tidegate_model::measured::{Commonest, Sample, Side, Tally};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};

/// So far back it looks.
const MINUTES: u64 = 60;
/// So many of each kind are named.
pub const NAMED_MAX: usize = 3;
/// So many statuses of one.
const STATUSES_MAX: usize = 3;
/// An excess of fewer is none that anybody would look for.
const EXCESS_MIN: f64 = 3.0;
/// Where new's rate is not this much more than legacy's, it is no more frequent.
const RATIO_MIN: f64 = 1.2;
/// So much of the excess everywhere is explained by the place that has it.
const EXPLAINED: f64 = 0.8;
/// So many page views have to have had an error.
const VIEWS_MIN: u64 = 3;
/// For an interval of 95 %.
const Z: f64 = 1.96;

/// What broke in this attempt's last hour until `now`, with its minute; `None` where nothing stands out.
pub fn of(plan: &Plan, record: &Record, metrics: &RolloutMetrics, now: Instant) -> Option<Broke> {
    let series = &metrics.series;
    let minute = now.minute();
    let span = Span { revision: record.begun_revision, minute: Some(minute - MINUTES) };
    let mut sides = Sides::default();
    let (mut failing, mut erring, mut first) = (Sample::EMPTY, Sample::EMPTY, minute);
    for window in series.over(span).filter(|window| window.minute <= minute && !window.sides.is_empty()) {
        first = first.min(window.minute);
        window.sides.iter().for_each(|(side, tally)| sides.add(side, tally));
        failing.merge(&window.failing);
        erring.merge(&window.erring);
    }
    let failures = failures(plan, &sides);
    let scripts = scripts(&sides, series, record.begun_revision);
    let by = |variant: Variant| {
        let mut by = Tally::default();
        let windows = metrics.values.since(record.begun_revision, now);
        windows.filter_map(|window| window.tally(variant, None)).for_each(|own| by.merge(own));
        by.by
    };
    let stands_out = stands_out::of(&plan.dimensions, &by(Variant::New), &by(Variant::Legacy));
    let broke = Broke {
        minutes: u32::try_from((minute.minutes_since(first) + 1).min(MINUTES)).unwrap_or(u32::MAX),
        failing: people(&failing).filter(|_| !failures.is_empty()),
        erring: people(&erring).filter(|_| !scripts.is_empty()),
        failures,
        scripts,
        stands_out,
    };
    (!broke.is_empty()).then_some(broke)
}

/// What was counted on each side, without what takes long to add up.
#[derive(Default)]
struct Sides(Vec<(Side, Counts)>);

#[derive(Default)]
struct Counts {
    requests: u64,
    by_class: [u64; FailureClass::ALL.len()],
    statuses: Vec<(u16, u64)>,
    pages: u64,
    scripts: Commonest,
}

impl Sides {
    fn add(&mut self, side: &Side, tally: &Tally) {
        let index = self.0.iter().position(|(own, _)| own == side).unwrap_or_else(|| {
            self.0.push((side.clone(), Counts::default()));
            self.0.len() - 1
        });
        let Some((_, own)) = self.0.get_mut(index) else { return };
        own.requests = own.requests.saturating_add(tally.requests);
        own.pages = own.pages.saturating_add(tally.pages);
        for (own, class) in own.by_class.iter_mut().zip(FailureClass::ALL) {
            *own = own.saturating_add(counted(tally, class));
        }
        for (status, count) in &tally.statuses {
            match own.statuses.iter_mut().find(|(known, _)| known == status) {
                Some((_, known)) => *known = known.saturating_add(*count),
                None => own.statuses.push((*status, *count)),
            }
        }
        own.scripts.merge(&tally.scripts);
    }

    fn get(&self, variant: Variant, endpoint: Option<&Name>) -> Option<&Counts> {
        let is_it = |side: &Side| side.variant == variant && side.endpoint.as_ref() == endpoint;
        self.0.iter().find(|(side, _)| is_it(side)).map(|(_, counts)| counts)
    }
}

const fn counted(tally: &Tally, class: FailureClass) -> u64 {
    match class {
        FailureClass::ServerErrors => tally.server_errors,
        FailureClass::ClientErrors => tally.client_errors,
        FailureClass::Timeouts => tally.timeouts,
        FailureClass::Refused => tally.refused,
        FailureClass::Broken => tally.broken,
        FailureClass::Abandoned => tally.abandoned,
    }
}

impl Counts {
    fn share(&self, class: FailureClass) -> Share {
        let count = FailureClass::ALL.iter().zip(self.by_class).find(|(own, _)| **own == class);
        Share { count: count.map_or(0, |(_, count)| count), of: self.requests }
    }
}

/// How many more there are on new than there would be at legacy's rate.
fn excess(new: &Share, legacy: &Share) -> f64 {
    new.count as f64 - new.of as f64 * legacy.rate()
}

/// Whether new has notably more.
fn is_more(new: &Share, legacy: &Share) -> bool {
    excess(new, legacy) >= EXCESS_MIN && new.rate() > RATIO_MIN * legacy.rate()
}

fn failures(plan: &Plan, sides: &Sides) -> Vec<Failure> {
    let mut all: Vec<Failure> = Vec::new();
    for class in FailureClass::ALL {
        let at = |endpoint: Option<&Name>| failure(plan, sides, class, endpoint);
        let Some(everywhere) = at(None) else { continue };
        let whole = excess(&everywhere.new, &everywhere.legacy);
        let own = plan.endpoints.0.iter().filter_map(|(name, _)| at(Some(name)));
        let own: Vec<Failure> = own.filter(|own| is_more(&own.new, &own.legacy)).collect();
        let worst = own
            .into_iter()
            .filter(|own| excess(&own.new, &own.legacy) >= EXPLAINED * whole)
            .max_by(|one, other| one.new.rate().total_cmp(&other.new.rate()));
        all.extend(worst.or_else(|| Some(everywhere).filter(|own| is_more(&own.new, &own.legacy))));
    }
    all.sort_by(|one, other| excess(&other.new, &other.legacy).total_cmp(&excess(&one.new, &one.legacy)));
    all.truncate(NAMED_MAX);
    all
}

fn failure(plan: &Plan, sides: &Sides, class: FailureClass, endpoint: Option<&Name>) -> Option<Failure> {
    let new = sides.get(Variant::New, endpoint)?;
    let legacy = sides.get(Variant::Legacy, endpoint).map(|counts| counts.share(class)).unwrap_or_default();
    let range = match class {
        FailureClass::ServerErrors => 500..600,
        FailureClass::ClientErrors => 400..500,
        _ => 0..0,
    };
    let mut statuses: Vec<(u16, u64)> =
        new.statuses.iter().filter(|(status, _)| range.contains(status)).copied().collect();
    statuses.sort_by_key(|(status, count)| (std::cmp::Reverse(*count), *status));
    statuses.truncate(STATUSES_MAX);
    let path = endpoint.and_then(|name| plan.endpoints.get(name.as_str())).map(|endpoint| endpoint.0.to_string());
    Some(Failure { class, endpoint: endpoint.cloned(), path, new: new.share(class), legacy, statuses })
}

/// The errors of pages that new has more of. Whether legacy ever had one is asked of all that is remembered.
fn scripts(sides: &Sides, series: &Series, begun_revision: u64) -> Vec<ScriptError> {
    let nothing = Counts::default();
    let new = sides.get(Variant::New, None).unwrap_or(&nothing);
    let legacy = sides.get(Variant::Legacy, None).unwrap_or(&nothing);
    let of_legacy: Vec<&Tally> = series.iter().filter_map(|window| window.tally(Variant::Legacy, None)).collect();
    let of_new: Vec<&Tally> = series
        .iter()
        .filter(|window| window.revision >= begun_revision)
        .filter_map(|window| window.tally(Variant::New, None))
        .collect();
    // Where counts are missed, or no page of legacy has reported, nobody can tell that legacy never had it.
    let is_known =
        of_legacy.iter().any(|tally| tally.pages > 0) && of_legacy.iter().all(|tally| tally.scripts.missed() == 0);
    let error = |kind: &Kind| {
        let is_first = is_known && of_legacy.iter().all(|tally| tally.scripts.get(&kind.what).is_none());
        let first = of_new.iter().filter_map(|tally| tally.scripts.get(&kind.what)).map(|kind| kind.first).min();
        ScriptError {
            fingerprint: kind.what.clone(),
            new: Share { count: kind.count, of: new.pages },
            legacy: Share { count: legacy.scripts.get(&kind.what).map_or(0, |kind| kind.count), of: legacy.pages },
            first_on_new: first.filter(|_| is_first),
        }
    };
    let common = new.scripts.most().into_iter().filter(|kind| kind.count >= VIEWS_MIN);
    let mut all: Vec<ScriptError> =
        common.map(error).filter(|own| own.new.rate() > RATIO_MIN * own.legacy.rate()).collect();
    all.sort_by(|one, other| excess(&other.new, &other.legacy).total_cmp(&excess(&one.new, &one.legacy)));
    all.truncate(NAMED_MAX);
    all
}

/// How many subjects of new there are in a sample, with an interval: exact while everybody is in it, then within
/// two standard errors of a bottom-k sketch.
fn people(sample: &Sample) -> Option<People> {
    let kept = sample.iter().filter(|seen| seen.is_new).count() as f64;
    let about = sample.distinct(|seen| seen.is_new);
    if kept < 1.0 {
        return None;
    }
    let error = if sample.end().is_none() { 0.0 } else { Z / kept.sqrt() };
    let from = (about / (1.0 + error)).floor().max(kept);
    let to = if error < 1.0 { (about / (1.0 - error)).ceil() } else { about * 2.0 };
    let whole = |value: f64| value.round().max(0.0) as u64;
    Some(People { about: whole(about), from: whole(from), to: whole(to) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Seen;

    #[test]
    fn people_are_counted_exactly_and_then_estimated_within_the_interval() {
        let sample = |people: u64| {
            let mut sample = Sample::default();
            (0..people).for_each(|n| {
                sample.add(Seen::new(
                    tidegate_model::subject::fnv1a64(&n.to_le_bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    Variant::New,
                    true,
                ));
            });
            sample
        };
        assert_eq!(people(&sample(0)), None);
        assert_eq!(people(&sample(120)), Some(People { about: 120, from: 120, to: 120 }));
        for real in [2_000, 30_000] {
            let People { about, from, to } = people(&sample(real)).unwrap();
            assert!((from..=to).contains(&real) && (from..=to).contains(&about), "{real}: {from} to {to}");
            assert!(to - from < real / 5, "{real}: {from} to {to}");
        }
        let mut thinned = sample(1_000);
        thinned.thin(64);
        let People { from, to, .. } = people(&thinned).unwrap();
        assert!((from..=to).contains(&1_000) && to > from, "{from} to {to}");
    }
}
