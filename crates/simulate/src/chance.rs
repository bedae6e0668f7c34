//! Chance, seeded: the same seed, the same life, on every platform. Numbers and the usual distributions come from
//! `rand_xoshiro` and `rand_distr`; what is here is what traffic needs beside them.

use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution as _, Poisson, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use tidegate_model::measured::sketch::{GAMMA, bucket};

/// Where all chance comes from.
pub type Chance = Xoshiro256PlusPlus;

/// A log-normal time further from its median than this many standard deviations does not occur.
const DEVIATIONS_MAX: f64 = 5.0;

/// How many arrive where `mean` do on average; nobody where that is no number over 0.
pub fn poisson(chance: &mut Chance, mean: f64) -> usize {
    Poisson::new(mean).map_or(0, |counts| counts.sample(chance) as usize)
}

/// A number of the standard normal distribution.
pub fn normal(chance: &mut Chance) -> f64 {
    StandardNormal.sample(chance)
}

/// The share of the standard normal distribution under `x`.
pub fn share_under(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// How many standard deviations the quantile lies over the median; `per_mille` from 1 to 999.
pub fn deviations(per_mille: u16) -> f64 {
    let wanted = f64::from(per_mille) / 1_000.0;
    let (mut low, mut high) = (-DEVIATIONS_MAX, DEVIATIONS_MAX);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if share_under(middle) < wanted { low = middle } else { high = middle }
    }
    low
}

/// A log-normal distribution, as the buckets of a sketch.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The lowest bucket that occurs.
    pub first: i16,
    /// How many buckets occur.
    pub length: usize,
    /// Picks one of them by its weight; `None` where a single one occurs.
    picks: Option<WeightedAliasIndex<f64>>,
}

impl Spread {
    /// Around this median (over 0), its logarithm with this standard deviation.
    pub fn around(median: f64, sigma: f64) -> Self {
        let edge = |deviations: f64| bucket(median * (deviations * sigma).exp()).unwrap_or_default();
        let (first, last) = (edge(-DEVIATIONS_MAX), edge(DEVIATIONS_MAX));
        let under = |bucket: i16| share_under((f64::from(bucket) * GAMMA.ln() - median.ln()) / sigma);
        let weights: Vec<f64> = (first..=last).map(|bucket| (under(bucket) - under(bucket - 1)).max(0.0)).collect();
        Self { first, length: weights.len(), picks: WeightedAliasIndex::new(weights).ok() }
    }

    /// One value's bucket, counted from the first.
    pub fn pick(&self, chance: &mut Chance) -> usize {
        self.picks.as_ref().map_or(0, |picks| picks.sample(chance))
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng as _;
    use tidegate_model::measured::Sketch;

    use super::*;

    #[test]
    fn counts_have_their_mean() {
        let mut chance = Chance::seed_from_u64(1);
        for mean in [0.0, 0.2, 3.0, 25.0, 100.0] {
            let sum: usize = (0..20_000).map(|_| poisson(&mut chance, mean)).sum();
            // Five standard errors.
            assert!((sum as f64 / 20_000.0 - mean).abs() <= 5.0 * (mean / 20_000.0).sqrt(), "{mean}: {sum}");
        }
        assert_eq!((poisson(&mut chance, -1.0), poisson(&mut chance, f64::NAN)), (0, 0));
    }

    #[test]
    fn a_spread_has_its_quantiles() {
        let mut chance = Chance::seed_from_u64(3);
        let spread = Spread::around(300.0, 0.45);
        let mut sketch = Sketch::default();
        (0..100_000).for_each(|_| {
            let bucket = spread.pick(&mut chance);
            assert!(bucket < spread.length);
            sketch.add(spread.first + bucket as i16, 1);
        });
        for per_mille in [500, 750, 950, 990] {
            let expected = 300.0 * (deviations(per_mille) * 0.45).exp();
            let found = sketch.quantile(per_mille).unwrap_or_default();
            assert!((found / expected - 1.0).abs() < 0.04, "p{per_mille}: {found} for {expected}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let mut chance = Chance::seed_from_u64(7);
        // The browser has to live the life that the command lives.
        assert_eq!([(); 3].map(|()| poisson(&mut chance, 200.0)), [174, 210, 195]);
    }
}
