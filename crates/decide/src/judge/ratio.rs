//! The sample-ratio check: whether the assignment by hash has reached the sides as configured.
//!
//! Each distinct subject is on new with a known probability p. For y of n on new, the likelihood of a
//! p drawn evenly from 0 to 1 against the configured one is
//! ```text
//! E = B(y + 1, n − y + 1) / (p^y · (1 − p)^(n − y))
//! ```
//! a martingale as subjects come one by one, so it may be looked at as often as one likes. The sample
//! keeps the subjects under a threshold that halves when there are too many; each halving begins
//! another such test, and the j-th of them has α / (j (j + 1)) of the error to spend, α in all.
//! (Lindon, Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.)

/// The chance that a deal as configured is ever called off, in one stretch of one percentage. It is a
/// tenth of what is usual for a rollback, since a false alarm here stops people for nothing.
pub const ALPHA: f64 = 0.001;

/// What the subjects of a stretch say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Distinct subjects sampled on legacy.
    pub legacy: u64,
    /// On new.
    pub new: u64,
    /// The share that should be on new.
    pub expected: f64,
    /// The natural logarithm of the evidence that it is another.
    pub log_e: f64,
    /// How much of it there has to be.
    pub log_e_needed: f64,
}

impl Ratio {
    /// Compares the subjects under the sample's threshold, halved `halvings` times, with the share
    /// `expected` (between 0 and 1).
    pub fn of(halvings: u32, legacy: u64, new: u64, expected: f64) -> Self {
        let (x, y) = (legacy as f64, new as f64);
        let log_beta = libm::lgamma(y + 1.0) + libm::lgamma(x + 1.0) - libm::lgamma(x + y + 2.0);
        let log_e = log_beta - y * expected.ln() - x * (1.0 - expected).ln();
        let part = f64::from(halvings + 1) * f64::from(halvings + 2);
        Self { legacy, new, expected, log_e, log_e_needed: (part / ALPHA).ln() }
    }

    /// The share of the sampled subjects on new.
    pub fn observed(&self) -> f64 {
        self.new as f64 / (self.legacy + self.new).max(1) as f64
    }

    /// Whether the share is shown to be another than the configured one.
    pub fn is_shown(&self) -> bool {
        self.log_e >= self.log_e_needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fair_deal_passes_and_a_skewed_one_does_not() {
        for (legacy, new, expected, shown) in [
            (900, 100, 0.1, false),
            (0, 0, 0.1, false),
            (950, 74, 0.1, false),
            (1_000, 24, 0.1, true),
            (500, 500, 0.5, false),
            (450, 550, 0.5, false),
            (380, 620, 0.5, true),
            (1_000, 0, 0.001, false),
            (1_000, 0, 0.05, true),
            (0, 12, 0.5, false),
            (0, 15, 0.5, true),
        ] {
            let ratio = Ratio::of(0, legacy, new, expected);
            assert_eq!(ratio.is_shown(), shown, "{ratio:?}");
        }
    }

    /// A thousand fair deals, looked at after each subject: about one in a thousand may be called off.
    #[test]
    fn looking_often_does_not_cry_wolf() {
        let mut chance = fastrand::Rng::with_seed(7);
        let wrong = (0..1_000).filter(|_| {
            let (mut legacy, mut new) = (0, 0);
            (0..1_000).any(|_| {
                if chance.f64() < 0.1 {
                    new += 1
                } else {
                    legacy += 1
                }
                Ratio::of(0, legacy, new, 0.1).is_shown()
            })
        });
        assert!(wrong.count() <= 4);
    }
}
