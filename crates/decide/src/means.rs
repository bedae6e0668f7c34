//! Whether the mean of what pages report (`value.cart.mean > 0.98x legacy`) is more or less on new than so many
//! times legacy's, valid at every look.
//!
//! Numbers that pages report have no bound, so a betting confidence sequence (Waudby-Smith and Ramdas 2024) would
//! bet on next to nothing. This is an *asymptotic* one (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform
//! central limit theory and asymptotic confidence sequences", Annals of Statistics 2024): with d the difference of
//! the means in the direction that is asked for, V its variance, and τ a tenth of the bound,
//! ```text
//! E = 2/√(1 + k) · exp(z²/2 · k/(1 + k)) · Φ(z · √(k/(1 + k)))        k = τ²/V, z = d/√V
//! ```
//! which is the mean, over effects spread about τ, of the likelihood ratio against "none". The chance that it ever
//! reaches 1/α is about α, the nearer the more subjects report.
//!
//! **V is that of subjects, not of reports**: the sums of 100 slices of each side differ by more than single
//! reports would where subjects differ for good, since a subject lies in one slice. A number on which one subject
//! has most weight makes V as large as d², and shows nothing. The larger of both sides' variances stands for both:
//! of few reports that are alike by chance, nobody would else know that they can differ.
//!
//! **New starts**: half of the stake is laid when the attempt begins, and parts of the rest every four hours, as in
//! [`evidence`](super::evidence). The last of these are kept; what was laid on others is lost.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, log_sum};
use super::overdispersion::{SideSlices, Slices};

/// New starts come so often, in minutes.
const START_MINUTES: f64 = 240.0;
/// So many of them are kept, beside the attempt's.
const STARTS_MAX: usize = 3;
/// Effects that are expected, as a share of the bound.
const EFFECT: f64 = 0.1;
/// So many slices of either side have to hold reports.
const SLICES_MIN: usize = 20;
/// A variance of few clusters is a rough one: it counts `1 + 6/clusters` times.
const ROUGH: f64 = 6.0;
const TAIL: f64 = 8.0;

/// The comparison of two means, growing window by window. It starts over with each attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanComparison {
    theta: f64,
    /// Whether it is asked if new's is less.
    is_less: bool,
    /// That of the attempt first, then the last new starts.
    starts: Vec<Start>,
    /// How much has been laid so far.
    laid: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Start {
    /// Which of the four hours of the attempt it began in.
    turn: f64,
    weight: f64,
    /// Reports in the place of exposures, and their sum in the place of events.
    seen: SideSlices,
}

impl MeanComparison {
    /// Is new's mean more (or less) than `theta` (above 0) times legacy's?
    #[must_use]
    pub const fn new(theta: f64, is_less: bool) -> Self {
        Self { theta, is_less, starts: Vec::new(), laid: 0.0 }
    }

    /// Takes a window in, which began `minute` minutes (from 0) after the attempt: by slice, how many reports there
    /// were and what they add up to.
    pub fn add(&mut self, window: &SideSlices, minute: f64) {
        let turn = (minute.max(0.0) / START_MINUTES).floor();
        if self.starts.last().is_none_or(|last| turn > last.turn) {
            let weight = if self.starts.is_empty() { Evidence::weight_first() } else { Evidence::weight_of(turn) };
            self.laid += weight;
            self.starts.push(Start { turn, weight, seen: SideSlices::default() });
            if self.starts.len() > STARTS_MAX + 1 {
                self.starts.remove(1);
            }
        }
        self.starts.iter_mut().for_each(|start| start.seen.merge(window));
    }

    /// Reports of legacy and of new since the attempt began.
    #[must_use]
    pub fn reports(&self) -> [f64; 2] {
        self.starts.first().map_or([0.0; 2], |first| [first.seen.legacy.total().n, first.seen.new.total().n])
    }

    /// Whether enough has been seen to show anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let with_reports = |side: &Slices| side.counts().iter().filter(|count| count.n > 0.0).count();
        self.starts
            .first()
            .is_some_and(|first| with_reports(&first.seen.legacy).min(with_reports(&first.seen.new)) >= SLICES_MIN)
    }

    /// The natural logarithm of the evidence; 0 is none.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        let rest = (1.0 - self.laid).max(0.0).ln();
        self.starts.iter().map(|start| start.weight.ln() + self.log_e_of(&start.seen)).fold(rest, log_sum)
    }

    fn log_e_of(&self, seen: &SideSlices) -> f64 {
        let (Some(legacy), Some(new)) = (Side::of(&seen.legacy), Side::of(&seen.new)) else { return 0.0 };
        let deviation = legacy.per_report.max(new.per_report);
        let rough = 1.0 + ROUGH / legacy.clusters.min(new.clusters);
        let variance = rough * deviation * (1.0 / new.reports + self.theta.powi(2) / legacy.reports);
        let bound = self.theta * legacy.mean;
        let more = if self.is_less { bound - new.mean } else { new.mean - bound };
        if !(variance > 0.0 && bound > 0.0) {
            return 0.0;
        }
        let k = (EFFECT * bound).powi(2) / variance;
        let z = more / variance.sqrt() * (k / (1.0 + k)).sqrt();
        let log = if z < -TAIL {
            // z²/2 + ln 2Φ(z) far in the tail, where neither can be computed alone.
            (2.0 / (-z * std::f64::consts::TAU.sqrt())).ln()
        } else {
            z * z / 2.0 + libm::erfc(-z / std::f64::consts::SQRT_2).ln()
        };
        log - k.ln_1p() / 2.0
    }
}

/// What the reports of a side come to.
struct Side {
    reports: f64,
    mean: f64,
    /// The variance of the mean, times the number of reports: that of a report where they are independent.
    per_report: f64,
    clusters: f64,
}

impl Side {
    fn of(slices: &Slices) -> Option<Self> {
        let total = slices.total();
        let with_reports = || slices.counts().iter().filter(|count| count.n > 0.0);
        let clusters = with_reports().count();
        if clusters < SLICES_MIN {
            return None;
        }
        let (mean, clusters) = (total.x / total.n, clusters as f64);
        let squares: f64 = with_reports().map(|count| (count.x - mean * count.n).powi(2)).sum();
        Some(Self { reports: total.n, mean, per_report: squares / total.n * clusters / (clusters - 1.0), clusters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subjects of whom each reports what is usual for it, a few of them a great deal.
    struct Shop {
        random: fastrand::Rng,
        /// Slice, side and what is usual, of each subject.
        subjects: Vec<(usize, bool, f64)>,
    }

    impl Shop {
        fn new(seed: u64, subjects: usize, share: f64) -> Self {
            let mut random = fastrand::Rng::with_seed(seed);
            let subjects = (0..subjects).map(|_| {
                let usual = (1.5 * ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0)).exp();
                (random.usize(..100), random.f64() < share, 20.0 * usual)
            });
            let subjects = subjects.collect();
            Self { random, subjects }
        }

        /// So many reports, those of new multiplied.
        fn window(&mut self, reports: usize, ratio: f64) -> SideSlices {
            let mut window = SideSlices::default();
            for _ in 0..reports {
                let (slice, is_new, usual) = self.subjects[self.random.usize(..self.subjects.len())];
                let value = usual * (0.5 + self.random.f64());
                if is_new {
                    window.new.add(slice, 1.0, value * ratio);
                } else {
                    window.legacy.add(slice, 1.0, value);
                }
            }
            window
        }
    }

    fn found(seed: u64, subjects: usize, share: f64, theta: f64, ratio: f64, healthy: u32) -> Option<u32> {
        let mut shop = Shop::new(seed, subjects, share);
        let mut comparison = MeanComparison::new(theta, true);
        (0..healthy + 720).step_by(4).find(|minute| {
            let ratio = if *minute < healthy { 1.0 } else { ratio };
            comparison.add(&shop.window(200, ratio), f64::from(*minute));
            comparison.is_ready() && comparison.log_e() >= 100_f64.ln()
        })
    }

    #[test]
    fn equal_means_are_shown_to_differ_no_more_often_than_alpha_however_subjects_cluster() {
        for (subjects, share) in [(20_000, 0.5), (20_000, 0.1), (1_000, 0.1), (1_000, 0.5)] {
            let wrong = (0..100).filter(|seed| found(*seed, subjects, share, 1.0, 1.0, 0).is_some()).count();
            assert!(wrong <= 3, "{wrong} of 100 with {subjects} subjects at {share}");
        }
    }

    #[test]
    fn a_mean_that_falls_by_a_third_is_found_within_hours_and_also_after_healthy_ones() {
        let mut after: Vec<u32> =
            (0..20).map(|seed| found(seed, 20_000, 0.5, 0.98, 0.65, 0).unwrap_or(9_999)).collect();
        after.sort_unstable();
        assert!(after[10] < 120, "{after:?}");
        let mut later: Vec<u32> =
            (0..20).map(|seed| found(seed, 20_000, 0.5, 0.98, 0.65, 960).unwrap_or(9_999)).collect();
        later.sort_unstable();
        assert!((960..1_400).contains(&later[10]), "{later:?}");
    }

    #[test]
    fn one_subject_with_a_huge_number_and_reports_that_are_all_alike_show_nothing() {
        let mut shop = Shop::new(1, 20_000, 0.5);
        let mut comparison = MeanComparison::new(1.0, false);
        for minute in 0..120 {
            let mut window = shop.window(100, 1.0);
            window.new.add(7, 1.0, 20_000.0);
            comparison.add(&window, f64::from(minute));
        }
        assert!(comparison.log_e() < 3.0, "{}", comparison.log_e());
        let mut alike = MeanComparison::new(1.0, true);
        let mut window = SideSlices::default();
        (0..100).for_each(|slice| window.legacy.add(slice, 20.0, 20.0 + f64::from(u8::from(slice < 4)) * 6.0));
        (0..25).for_each(|slice| window.new.add(slice, 1.0, 1.0));
        alike.add(&window, 0.0);
        let mut opposite = MeanComparison::new(1.0, true);
        (0..200).for_each(|minute| opposite.add(&shop.window(2_000, 4.0), f64::from(minute)));
        assert!(opposite.log_e() < 0.0, "{}", opposite.log_e());
        assert!(alike.is_ready() && alike.log_e() < 1.0, "{}", alike.log_e());
    }

    #[test]
    fn what_is_stored_reads_back_and_goes_on_alike() {
        let mut shop = Shop::new(3, 1_000, 0.5);
        let mut comparison = MeanComparison::new(0.98, true);
        (0..600).for_each(|minute| comparison.add(&shop.window(20, 1.0), f64::from(minute)));
        let text = serde_json::to_string(&comparison).unwrap();
        let read: MeanComparison = serde_json::from_str(&text).unwrap();
        assert!((read.log_e() - comparison.log_e()).abs() < 1e-9 && read.reports() == comparison.reports());
    }
}
