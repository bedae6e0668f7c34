//! The judges that are compared. Each sees the same windows and says whether it would roll back now.

use std::collections::VecDeque;

use tidegate::decide::binned::BinnedComparison;
use tidegate::decide::comparison::Comparison;
use tidegate::decide::evidence::{Count, Evidence, Window};
use tidegate::decide::firsts::{FirstEvidence, average, mixed};
use tidegate::decide::overdispersion::{SideSlices, Slices, factor};
use tidegate::decide::past::Weights;

use crate::traffic::Minutes;

pub const ALPHA: f64 = 0.01;

#[derive(Clone)]
pub enum Judge {
    /// The grid mixture alone, without corrections for clusters.
    Bare(Box<Evidence>),
    /// With restarts, divided by φ over the whole attempt.
    WholeFactor(Box<(Evidence, SideSlices)>),
    /// What operates: exposures by slice and by bin, and subjects' first failures.
    Tidegate(Box<(Comparison, BinnedComparison, FirstEvidence)>),
    /// What operated before: exposures by slice, and subjects' first failures.
    Before(Box<(Comparison, FirstEvidence)>),
    /// Exposures by bin alone.
    Bins(Box<BinnedComparison>),
    /// Exposures alone.
    Exposures(Box<Comparison>),
    /// First failures alone.
    Subjects(Box<FirstEvidence>),
    /// A bound on the success rate, checked every so many minutes; so many failed checks are one too many.
    Fixed { success_min: f64, every: f64, failures_max: u32, count: Count, until: f64, failures: u32 },
    /// A two-proportion z-test of everything so far, at each look.
    ZTest(Window),
    /// Mann-Whitney on the error rates of the last hour's minutes.
    MannWhitney(Box<MannWhitney>),
}

/// Which judges are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All of them.
    All,
    /// Tidegate, the judge of before, two of its parts, and the z-test.
    Own,
    /// Tidegate, the judge of before and the z-test: these are asked of many more releases.
    Few,
}

/// The columns of the tables, in this order.
pub fn columns(columns: Columns) -> Vec<(&'static str, Judge)> {
    let asked: &[&str] = match columns {
        Columns::All => return all(),
        Columns::Own => &["**Tidegate**", "before", "bins only", "subjects only", "z-test"],
        Columns::Few => &["**Tidegate**", "before", "z-test"],
    };
    all().into_iter().filter(|(name, _)| asked.contains(name)).collect()
}

fn all() -> Vec<(&'static str, Judge)> {
    let fixed = |success_min, every, failures_max| Judge::Fixed {
        success_min,
        every,
        failures_max,
        count: Count::default(),
        until: every,
        failures: 0,
    };
    vec![
        (
            "**Tidegate**",
            Judge::Tidegate(Box::new((
                Comparison::worse(1.0),
                BinnedComparison::worse(1.0),
                FirstEvidence::new(1.0, false),
            ))),
        ),
        (
            "before",
            Judge::Before(Box::new((
                Comparison::worse(1.0).restarting_quickly(),
                FirstEvidence::new(1.0, false).restarting_quickly(),
            ))),
        ),
        ("bins only", Judge::Bins(Box::new(BinnedComparison::worse(1.0)))),
        ("slices only", Judge::Exposures(Box::new(Comparison::worse(1.0)))),
        ("subjects only", Judge::Subjects(Box::new(FirstEvidence::new(1.0, false)))),
        ("φ of all", Judge::WholeFactor(Box::new((Evidence::restarting(1.0), SideSlices::default())))),
        ("restart only", Judge::Bare(Box::new(Evidence::restarting(1.0)))),
        ("plain", Judge::Bare(Box::new(Evidence::plain(1.0)))),
        ("z-test", Judge::ZTest(Window::default())),
        ("Mann-Whitney", Judge::MannWhitney(Box::default())),
        ("99 %, 1 min", fixed(0.99, 1.0, 5)),
        ("95 %, 5 min", fixed(0.95, 5.0, 4)),
    ]
}

impl Judge {
    /// Tells it what bins did before. It is reported again whenever bins move.
    pub fn weigh(&mut self, weights: &Weights) {
        match self {
            Self::Tidegate(inner) => inner.1.weigh(weights.clone()),
            Self::Bins(binned) => binned.weigh(weights.clone()),
            _ => {}
        }
    }

    /// `found` are the subjects at risk, and those that failed for the first time.
    pub fn evaluate(&mut self, seen: &Minutes, found: &Window, minute: f64, minutes: f64, share: f64) -> bool {
        let window = &seen.slices;
        let first = |evidence: &mut FirstEvidence| {
            evidence.add(found, minute);
            evidence.is_ready().then(|| evidence.log_e())
        };
        let total = window.total();
        match self {
            Self::Bare(evidence) => {
                evidence.add(&total, 1.0, minute);
                evidence.is_shown(ALPHA)
            }
            Self::WholeFactor(inner) => {
                let (evidence, seen) = inner.as_mut();
                evidence.add(&total, factor(seen.legacy.spread(), seen.new.spread()), minute);
                seen.merge(window);
                seen.legacy.with_events().max(seen.new.with_events()) >= 20 && evidence.is_shown(ALPHA)
            }
            Self::Tidegate(inner) => {
                let (comparison, binned, evidence) = inner.as_mut();
                comparison.add(window, minute);
                binned.add(&seen.bins, minute);
                let ready = |is_ready: bool, log_e: f64| is_ready.then_some(log_e);
                let slices = ready(comparison.is_ready(), comparison.log_e());
                let log_e = match ready(binned.is_ready(), binned.log_e()) {
                    None => average(slices, first(evidence)),
                    bins => mixed([slices, bins, first(evidence)]),
                };
                log_e >= -ALPHA.ln()
            }
            Self::Bins(binned) => {
                binned.add(&seen.bins, minute);
                binned.is_ready() && binned.log_e() >= -ALPHA.ln()
            }
            Self::Before(inner) => {
                let (comparison, evidence) = inner.as_mut();
                comparison.add(window, minute);
                let exposures = comparison.is_ready().then(|| comparison.log_e());
                average(exposures, first(evidence)) >= -ALPHA.ln()
            }
            Self::Exposures(comparison) => {
                comparison.add(window, minute);
                comparison.is_shown(ALPHA)
            }
            Self::Subjects(evidence) => first(evidence).is_some_and(|log_e| log_e >= -ALPHA.ln()),
            Self::Fixed { success_min, every, failures_max, count, until, failures } => {
                count.n += total.new.n;
                count.x += total.new.x;
                if minute + minutes + 1e-9 >= *until {
                    *failures += u32::from(1.0 - count.x / count.n < *success_min);
                    *until += *every;
                    *count = Count::default();
                }
                failures >= failures_max
            }
            Self::ZTest(seen) => {
                for (sum, more) in [(&mut seen.legacy, total.legacy), (&mut seen.new, total.new)] {
                    sum.n += more.n;
                    sum.x += more.x;
                }
                z_score(seen) > Z_OF_ALPHA
            }
            Self::MannWhitney(judge) => judge.evaluate(window, minute + minutes, share),
        }
    }
}

/// The one-sided quantile of [`ALPHA`].
const Z_OF_ALPHA: f64 = 2.326_348;

/// How many standard deviations new's rate lies over legacy's.
pub fn z_score(window: &Window) -> f64 {
    let Window { legacy, new } = window;
    let pooled = (legacy.x + new.x) / (legacy.n + new.n);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / legacy.n + 1.0 / new.n)).sqrt();
    if deviation > 0.0 { (new.x / new.n - legacy.x / legacy.n) / deviation } else { 0.0 }
}

/// In Kayenta's manner: a baseline of new's size out of legacy, a sample of both error rates per minute,
/// and every half an hour a Mann-Whitney test of the last hour. The metric is `High`, which fails a
/// judgement of one metric, where the lower bound of the shift at 98 % confidence is over a quarter of
/// the estimated shift.
#[derive(Clone, Default)]
pub struct MannWhitney {
    baseline: Count,
    new: Count,
    samples: VecDeque<(f64, f64)>,
    judged: u32,
}

const HOUR: usize = 60;
const JUDGED_EVERY: f64 = 30.0;
const FRACTION: f64 = 0.25;

impl MannWhitney {
    fn evaluate(&mut self, window: &SideSlices, end: f64, share: f64) -> bool {
        let baseline = first_slices(&window.legacy, share / (1.0 - share));
        self.baseline = Count { n: self.baseline.n + baseline.n, x: self.baseline.x + baseline.x };
        let new = window.new.total();
        self.new = Count { n: self.new.n + new.n, x: self.new.x + new.x };
        // Whole minutes, whatever the looks add up to.
        if (end + 1e-6).fract() > 1e-3 {
            return false;
        }
        let rate = |count: Count| if count.n > 0.0 { count.x / count.n } else { 0.0 };
        self.samples.push_back((rate(self.baseline), rate(self.new)));
        if self.samples.len() > HOUR {
            self.samples.pop_front();
        }
        (self.baseline, self.new) = (Count::default(), Count::default());
        let due = ((end + 1e-6) / JUDGED_EVERY).floor() as u32;
        if due <= self.judged {
            return false;
        }
        self.judged = due;
        self.is_high()
    }

    /// The bounds by the normal approximation: order statistics of all pairwise differences.
    fn is_high(&self) -> bool {
        let mut shifts: Vec<f64> = self
            .samples
            .iter()
            .flat_map(|(_, new)| self.samples.iter().map(move |(baseline, _)| new - baseline))
            .collect();
        shifts.sort_by(f64::total_cmp);
        let n = self.samples.len() as f64;
        let rank = n * n / 2.0 - Z_OF_ALPHA * (n * n * (2.0 * n + 1.0) / 12.0).sqrt();
        let lower = shifts[rank.max(0.0) as usize];
        lower > FRACTION * shifts[shifts.len() / 2].abs()
    }
}

/// A part of a side that holds whole subjects: the first so many of its slices.
fn first_slices(side: &Slices, part: f64) -> Count {
    let slices = (part * 100.0).round().clamp(1.0, 100.0) as usize;
    side.counts()
        .iter()
        .take(slices)
        .fold(Count::default(), |sum, count| Count { n: sum.n + count.n, x: sum.x + count.x })
}
