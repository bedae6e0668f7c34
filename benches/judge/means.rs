//! Numbers that pages report (`value.cart`): how often a harmless release's mean is shown to have fallen, and how
//! soon a fall is found.
//!
//! A site of so many subjects, each with what its carts usually come to: the tenth of them that spends most makes half
//! of all. A report is between half and one and a half times that.

use fastrand::Rng;
use tidegate::decide::means::MeanComparison;
use tidegate::decide::overdispersion::{SLICES, SideSlices};

use crate::figures::{Found, delay, head, row, share};
use crate::judges::ALPHA;
use crate::traffic::poisson;
use crate::{in_parallel, runs};

const REPORTS_PER_MINUTE: f64 = 120.0;
/// Of the logarithm of what is usual: so much makes a tenth spend half.
const DEVIATION: f64 = 1.28;
const HARMLESS_RUNS: usize = 1_000;
const HARMLESS_MINUTES: u32 = 1_440;
const BAD_RUNS: usize = 50;
/// So long a fall is watched.
const WATCHED_MINUTES: u32 = 7 * 1_440;
/// The bounds that harmless releases are asked for: `< legacy` and `< 0.98x legacy`.
const BOUNDS: [f64; 2] = [1.0, 0.98];
const FALLS: [f64; 2] = [0.95, 0.8];

struct Subject {
    slice: usize,
    is_new: bool,
    usual: f64,
}

struct Shop {
    random: Rng,
    subjects: Vec<Subject>,
}

impl Shop {
    fn new(seed: u64, subjects: usize, share: f64) -> Self {
        let mut random = Rng::with_seed(seed);
        let subjects = (0..subjects)
            .map(|_| {
                // Twelve uniform numbers add up to a normal one, near enough.
                let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
                let (slice, is_new) = (random.usize(..SLICES), random.f64() < share);
                Subject { slice, is_new, usual: 20.0 * (DEVIATION * normal).exp() }
            })
            .collect();
        Self { random, subjects }
    }

    /// A minute's reports, those of new multiplied.
    fn minute(&mut self, ratio: f64) -> SideSlices {
        let mut window = SideSlices::default();
        for _ in 0..poisson(&mut self.random, REPORTS_PER_MINUTE) {
            let Subject { slice, is_new, usual } = self.subjects[self.random.usize(..self.subjects.len())];
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

/// Takes a minute in; whether the fall is shown.
fn look(comparison: &mut MeanComparison, window: &SideSlices, minute: u32) -> bool {
    comparison.add(window, f64::from(minute));
    comparison.is_ready() && comparison.log_e() >= -ALPHA.ln()
}

/// Whether a harmless release is rolled back within a day, for each of the bounds.
fn harmless(subjects: usize, share: f64, seed: u64) -> [bool; 2] {
    let mut shop = Shop::new(seed, subjects, share);
    let mut comparisons = BOUNDS.map(|bound| MeanComparison::new(bound, true));
    let mut fired = [false; 2];
    for minute in 0..HARMLESS_MINUTES {
        let window = shop.minute(1.0);
        for (comparison, fired) in comparisons.iter_mut().zip(&mut fired) {
            *fired = look(comparison, &window, minute) || *fired;
        }
    }
    fired
}

fn fallen(subjects: usize, share: f64, ratio: f64, healthy: u32, seed: u64) -> Found {
    let mut shop = Shop::new(seed, subjects, share);
    let mut comparison = MeanComparison::new(BOUNDS[1], true);
    for minute in 0..healthy + WATCHED_MINUTES {
        let window = shop.minute(if minute < healthy { 1.0 } else { ratio });
        if look(&mut comparison, &window, minute) {
            let after = (minute + 1).checked_sub(healthy).filter(|after| *after > 0);
            return after.map_or(Found::Early, |after| Found::After(f64::from(after) / 60.0));
        }
    }
    Found::Never
}

pub fn tables() {
    println!("\n## Numbers per user: harmless releases rolled back within 24 hours, % (95 %)");
    head(["subjects", "on new", "`value.cart.mean < legacy`", "`< 0.98x legacy`"].map(str::to_owned));
    let rows =
        || [200_000, 20_000, 2_000].into_iter().flat_map(|subjects| [0.05, 0.25, 0.5].map(|share| (subjects, share)));
    let on_new = |share: f64| format!("{} %", share * 100.0);
    for (subjects, on) in rows() {
        let runs = in_parallel("means", runs(HARMLESS_RUNS), |seed| harmless(subjects, on, seed as u64));
        let cells = (0..BOUNDS.len()).map(|bound| share(runs.iter().filter(|fired| fired[bound]).count(), runs.len()));
        row([subjects.to_string(), on_new(on)].into_iter().chain(cells));
    }
    println!("\n## The same: hours until a fall is found by `< 0.98x legacy`, median / p90");
    head(
        ["subjects", "on new", "healthy h"]
            .map(str::to_owned)
            .into_iter()
            .chain(["by 5 %", "by 20 %"].map(str::to_owned)),
    );
    for (subjects, on) in rows() {
        for healthy in [0, 24] {
            let cells = FALLS.map(|ratio| {
                delay(&in_parallel("means", runs(BAD_RUNS), |seed| {
                    fallen(subjects, on, ratio, healthy * 60, seed as u64)
                }))
            });
            row([subjects.to_string(), on_new(on), healthy.to_string()].into_iter().chain(cells));
        }
    }
}
