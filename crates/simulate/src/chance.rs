//! Chance, seeded: the same seed, the same run. Kept to what traffic needs: counts of arrivals, picks
//! by weight, and times that are log-normal.

use fastrand::Rng;

use tidegate_model::measured::sketch::{GAMMA, bucket};

/// Above this mean a Poisson count is drawn from the normal distribution, which then differs by less
/// than a count.
const POISSON_MEAN_MAX: f64 = 30.0;
/// A log-normal time further from its median than this many standard deviations does not occur.
const DEVIATIONS_MAX: f64 = 5.0;

/// How many arrive where `mean` do on average.
pub fn poisson(chance: &mut Rng, mean: f64) -> usize {
    if mean <= 0.0 {
        return 0;
    }
    if mean > POISSON_MEAN_MAX {
        let count = mean + mean.sqrt() * normal(chance);
        return count.round().max(0.0) as usize;
    }
    let limit = (-mean).exp();
    let mut product = chance.f64();
    let mut count = 0;
    while product > limit {
        product *= chance.f64();
        count += 1;
    }
    count
}

/// A number of the standard normal distribution (Box, Muller, 1958).
pub fn normal(chance: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - chance.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.f64()).cos()
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

/// Picks among things by their weight, in the same time however many there are (Walker, 1977).
#[derive(Clone, Debug, Default)]
pub struct Picks {
    /// For each thing: the share of its slot that is its own, and whose the rest is.
    slots: Vec<(f64, usize)>,
}

impl Picks {
    /// By these weights, none under 0.
    pub fn new(weights: &[f64]) -> Self {
        let count = weights.len();
        let sum: f64 = weights.iter().sum();
        let mut slots: Vec<(f64, usize)> = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| (weight * count as f64 / sum.max(f64::MIN_POSITIVE), index))
            .collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|index| slots.get(*index).is_some_and(|slot| slot.0 < 1.0));
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            let own = slots.get(poor).map_or(0.0, |slot| slot.0);
            if let Some(slot) = slots.get_mut(poor) {
                slot.1 = rich;
            }
            if let Some(slot) = slots.get_mut(rich) {
                slot.0 -= 1.0 - own;
                if slot.0 < 1.0 { small.push(rich) } else { large.push(rich) }
            }
        }
        Self { slots }
    }

    /// One of them; 0 where there is none.
    pub fn pick(&self, chance: &mut Rng) -> usize {
        let drawn = chance.f64() * self.slots.len() as f64;
        let index = drawn as usize;
        match self.slots.get(index) {
            Some((own, _)) if drawn - index as f64 <= *own => index,
            Some((_, other)) => *other,
            None => 0,
        }
    }
}

/// A log-normal distribution, as the buckets of a sketch.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    first: i16,
    picks: Picks,
}

impl Spread {
    /// Around this median (over 0), its logarithm with this standard deviation.
    pub fn around(median: f64, sigma: f64) -> Self {
        let edge = |deviations: f64| bucket(median * (deviations * sigma).exp()).unwrap_or_default();
        let (first, last) = (edge(-DEVIATIONS_MAX), edge(DEVIATIONS_MAX));
        let under = |bucket: i16| share_under((f64::from(bucket) * GAMMA.ln() - median.ln()) / sigma);
        let weights: Vec<f64> = (first..=last).map(|bucket| (under(bucket) - under(bucket - 1)).max(0.0)).collect();
        Self { first, picks: Picks::new(&weights) }
    }

    /// The bucket of one value.
    pub fn pick(&self, chance: &mut Rng) -> i16 {
        self.first.saturating_add(i16::try_from(self.picks.pick(chance)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Sketch;

    #[test]
    fn counts_have_their_mean() {
        let mut chance = Rng::with_seed(1);
        for mean in [0.0, 0.2, 3.0, 25.0, 100.0] {
            let sum: usize = (0..20_000).map(|_| poisson(&mut chance, mean)).sum();
            // Five standard errors.
            assert!((sum as f64 / 20_000.0 - mean).abs() <= 5.0 * (mean / 20_000.0).sqrt(), "{mean}: {sum}");
        }
    }

    #[test]
    fn picks_follow_their_weights() {
        let mut chance = Rng::with_seed(2);
        let picks = Picks::new(&[1.0, 0.0, 5.0, 2.0]);
        let mut counts = [0_u32; 4];
        (0..80_000).for_each(|_| counts[picks.pick(&mut chance)] += 1);
        assert_eq!(counts[1], 0);
        for (count, expected) in counts.into_iter().zip([10_000.0, 0.0, 50_000.0, 20_000.0]) {
            assert!((f64::from(count) - expected).abs() < 700.0, "{counts:?}");
        }
    }

    #[test]
    fn a_spread_has_its_quantiles() {
        let mut chance = Rng::with_seed(3);
        let spread = Spread::around(300.0, 0.45);
        let mut sketch = Sketch::default();
        (0..100_000).for_each(|_| sketch.add(spread.pick(&mut chance), 1));
        for per_mille in [500, 750, 950, 990] {
            let expected = 300.0 * (deviations(per_mille) * 0.45).exp();
            let found = sketch.quantile(per_mille).unwrap_or_default();
            assert!((found / expected - 1.0).abs() < 0.04, "p{per_mille}: {found} for {expected}");
        }
    }
}
