//! What the evidence promises, on made-up traffic: how seldom a harmless release is rolled back, and
//! how soon a bad one. The same seeds each time; `make judge-bench` does more of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

#[path = "../../benches/judge/traffic.rs"]
#[allow(dead_code, reason = "the bench uses all of it")]
mod traffic;

use tidegate::decide::binned::BinnedComparison;
use tidegate::decide::comparison::Comparison;
use tidegate::decide::evidence::{Count, Evidence, Window};
use tidegate::decide::firsts::{AtRisk, FirstEvidence, Firsts, average};
use tidegate::model::measured::Quantity;
use traffic::{Kind, Site, Traffic, poisson};

const ALPHA: f64 = 0.01;

/// The results of `run` for 0..count, on two threads.
fn runs<T: Send>(count: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let half = |first: u64| (first..count).step_by(2).map(&run).collect::<Vec<T>>();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut all = half(0);
        all.extend(other.join().unwrap());
        all
    })
}

/// How many of the runs say yes, by question.
fn yes<const N: usize>(runs: &[[bool; N]]) -> [usize; N] {
    std::array::from_fn(|question| runs.iter().filter(|run| run[question]).count())
}

fn z_score(seen: &Window) -> f64 {
    let pooled = (seen.legacy.x + seen.new.x) / (seen.legacy.n + seen.new.n);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / seen.legacy.n + 1.0 / seen.new.n)).sqrt();
    if deviation > 0.0 { (seen.new.x / seen.new.n - seen.legacy.x / seen.legacy.n) / deviation } else { 0.0 }
}

#[test]
fn of_a_thousand_harmless_ramps_looked_at_every_ten_seconds_hardly_any_is_rolled_back() {
    let site = Site::of(Kind::Independent, 2_000);
    let reported = yes(&runs(1_000, |seed| {
        let mut traffic = Traffic::new(site, 0.01, seed);
        let mut comparison = Comparison::worse(1.0);
        let (mut is_rolled_back, mut is_over_z) = (false, false);
        for look in 0..120_u32 {
            traffic.set_share([0.01, 0.05, 0.25, 0.5][look as usize / 30]);
            comparison.add(&traffic.window(1.0 / 6.0).slices, f64::from(look) / 6.0);
            is_rolled_back |= comparison.is_shown(ALPHA);
            is_over_z |= z_score(&comparison.observations()) > 2.326;
        }
        [is_rolled_back, is_over_z]
    }));
    assert!(reported[0] <= 10, "{} of 1,000", reported[0]);
    assert!(reported[1] > 100, "a z-test at the same level rolls back {} of 1,000: this traffic tempts", reported[1]);
}

/// 200 looks at 200,000 requests, 5 % on new, legacy at 1 %: after how many thousand requests the plain
/// evidence reaches the level.
fn thousands_until(alpha: f64, ratio: f64, seed: u64) -> Option<u32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut evidence = Evidence::plain(1.0);
    (1..=200).find(|_| {
        let legacy = Count { n: 950.0, x: poisson(&mut random, 9.5) as f64 };
        let new = Count { n: 50.0, x: poisson(&mut random, 0.5 * ratio) as f64 };
        evidence.add(&Window { legacy, new }, 1.0, 0.0);
        evidence.is_shown(alpha)
    })
}

#[test]
fn the_plain_evidence_finds_what_it_should_as_soon_as_it_should() {
    for (alpha, false_max, doubling, fivefold) in [(0.05, 25, 18..=24, 2..=3), (0.01, 7, 28..=36, 3..=4)] {
        let found = |ratio: f64, count: u64| {
            let mut found: Vec<u32> =
                runs(count, |seed| thousands_until(alpha, ratio, seed)).into_iter().flatten().collect();
            found.sort_unstable();
            found
        };
        let is_false = found(1.0, 600).len();
        assert!(is_false <= false_max, "α {alpha}: {is_false} of 600");
        let (twice, five) = (found(2.0, 300), found(5.0, 300));
        assert_eq!((twice.len(), five.len()), (300, 300), "α {alpha}: all are found");
        assert!(
            doubling.contains(&twice[150]) && fivefold.contains(&five[150]),
            "α {alpha}: {} and {} thousand requests",
            twice[150],
            five[150]
        );
    }
}

/// Releases of six hours at 5 %, judged by bin after a day of past, of whose heavy users so many have gone since:
/// after how many minutes each rolls back, counted from when it goes bad (`ratio` times legacy's own errors).
fn by_bin(churn: f64, ratio: f64, count: u64) -> Vec<Option<i32>> {
    let site = Site { churn, is_proportional: true, ..Site::of(Kind::Persistent, 20_000) };
    runs(count, |seed| {
        let mut traffic = Traffic::new(site, 0.05, seed);
        let mut comparison = BinnedComparison::worse(1.0);
        comparison.weigh(traffic.past(seed).weights());
        (0..360).find(|minute| {
            traffic.ratio = if *minute < 120 { 1.0 } else { ratio };
            comparison.add(&traffic.window(1.0).bins, f64::from(*minute));
            comparison.is_ready() && comparison.log_e() >= -ALPHA.ln()
        })
    })
}

#[test]
fn a_day_of_past_shows_a_doubling_of_what_few_users_cause_and_rolls_no_harmless_release_back() {
    for churn in [0.0, 0.5, 1.0] {
        let early = by_bin(churn, 1.0, 40).iter().filter(|found| found.is_some()).count();
        assert!(early <= 1, "{early} of 40 harmless ones, with a churn of {churn}");
    }
    let mut found: Vec<i32> = by_bin(0.0, 2.0, 40).into_iter().map(|found| found.map_or(999, |at| at - 120)).collect();
    found.sort_unstable();
    assert!(found[0] >= 0 && found[20] <= 25 && found[36] <= 60, "{found:?}");
}

/// Harmless releases of six hours, looked at every minute: how many of the comparisons roll back, and
/// how many of the same evidence without regard to clusters.
fn clustered(kind: Kind, subjects: usize, share: f64, count: u64) -> [usize; 2] {
    let site = Site::of(kind, subjects);
    yes(&runs(count, |seed| {
        let mut traffic = Traffic::new(site, share, seed);
        let (mut comparison, mut bare) = (Comparison::worse(1.0), Evidence::restarting(1.0));
        let mut reported = [false; 2];
        for minute in 0..360 {
            let window = traffic.window(1.0).slices;
            comparison.add(&window, f64::from(minute));
            bare.add(&window.total(), 1.0, f64::from(minute));
            reported = [reported[0] || comparison.is_shown(ALPHA), reported[1] || bare.is_shown(ALPHA)];
        }
        reported
    }))
}

#[test]
fn errors_that_cluster_by_user_roll_hardly_anything_back() {
    for (kind, subjects) in [
        (Kind::Episodes(10), 20_000),
        (Kind::Episodes(60), 20_000),
        (Kind::Persistent, 50_000),
        (Kind::Persistent, 10_000),
    ] {
        let [own, bare] = clustered(kind, subjects, 0.05, 100);
        assert!(own <= 3, "{kind:?}, {subjects} subjects: {own} of 100");
        assert!(bare >= 20, "{kind:?}, {subjects} subjects: without regard to clusters only {bare} of 100");
    }
}

#[test]
fn a_release_that_turns_bad_after_a_day_is_found_although_some_users_are_always_in_trouble() {
    let site = Site::of(Kind::Persistent, 100_000);
    let mut delays = runs(10, |seed| {
        let mut traffic = Traffic::new(site, 0.05, seed);
        let mut comparison = Comparison::worse(1.0);
        (0..1_440).for_each(|minute| comparison.add(&traffic.window(1.0).slices, f64::from(minute)));
        traffic.ratio = 5.0;
        (0..360).find(|minute| {
            comparison.add(&traffic.window(1.0).slices, 1_440.0 + f64::from(*minute));
            comparison.is_shown(ALPHA)
        })
    });
    delays.sort_unstable_by_key(|delay| delay.unwrap_or(i32::MAX));
    assert!(delays[5].is_some_and(|minutes| minutes < 30), "{delays:?}");
}

/// After how many minutes subjects' first failures show a release whose rate is `ratio` times legacy's, if
/// they do within so many minutes.
fn first_failures(site: Site, share: f64, ratio: f64, minutes: u32, seed: u64) -> Option<u32> {
    let mut traffic = Traffic::new(site, share, seed);
    traffic.ratio = ratio;
    let (mut firsts, mut evidence) = (Firsts::new(Quantity::Errors, None), FirstEvidence::new(1.0, false));
    (0..minutes).find(|minute| {
        let failed = traffic.window(1.0).failed;
        evidence.add(&firsts.take(&failed, Some(AtRisk { seen: &traffic.everybody, share })), f64::from(*minute));
        // Half of it counts beside the exposures.
        evidence.is_ready() && average(Some(evidence.log_e()), None) >= -ALPHA.ln()
    })
}

#[test]
fn first_failures_show_a_doubling_where_few_subjects_cause_most_errors_and_nothing_where_there_is_nothing() {
    let site = Site::of(Kind::Persistent, 20_000);
    let harmless = runs(200, |seed| first_failures(site, 0.05, 1.0, 360, seed)).into_iter().flatten().count();
    assert!(harmless <= 2, "{harmless} of 200");
    let mut delays: Vec<u32> =
        runs(40, |seed| first_failures(site, 0.05, 2.0, 360, seed).unwrap_or(u32::MAX)).into_iter().collect();
    delays.sort_unstable();
    assert!(delays[20] < 90, "{delays:?}");
}
