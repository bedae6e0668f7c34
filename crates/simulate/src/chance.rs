//! Chance, seeded: the same seed, the same life, on every platform. Numbers and the usual distributions come from
//! `rand_xoshiro` and `rand_distr`; what is here is what traffic needs beside them.
//!
//! A life picks millions of subjects and values by weight, and looks at as many requests for the few of which something
//! comes. So [`Picks`] takes half of a number where the library takes two, and [`Rare`] skips what nothing comes of.

use rand_distr::{Distribution as _, Geometric, Poisson, StandardNormal};
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

/// Picks among things by their weight, in the same time however many there are (Walker, "An efficient method for
/// generating discrete random variables with general distributions", 1977).
#[derive(Clone, Debug, Default)]
pub struct Picks {
    /// For each thing: how much of its slot is its own, of 2^32, and whose the rest is.
    slots: Vec<(u32, u32)>,
}

impl Picks {
    /// By these weights, none under 0; of more things than there are numbers of 32 bits the first ones.
    pub fn new(weights: &[f64]) -> Self {
        let sum: f64 = weights.iter().sum();
        let of_slots = weights.len() as f64 / sum.max(f64::MIN_POSITIVE);
        let mut slots: Vec<(f64, u32)> = (0..).zip(weights).map(|(index, weight)| (weight * of_slots, index)).collect();
        let is_small = |slots: &[(f64, u32)], index: u32| slots.get(index as usize).is_some_and(|slot| slot.0 < 1.0);
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..).take(slots.len()).partition(|index| is_small(&slots, *index));
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            let mut given = 0.0;
            if let Some(slot) = slots.get_mut(poor as usize) {
                (given, slot.1) = (1.0 - slot.0, rich);
            }
            if let Some(slot) = slots.get_mut(rich as usize) {
                slot.0 -= given;
            }
            if is_small(&slots, rich) { small.push(rich) } else { large.push(rich) }
        }
        Self { slots: slots.into_iter().map(|(own, other)| ((own * 2_f64.powi(32)) as u32, other)).collect() }
    }

    /// One of them, by 32 bits of chance; 0 where there is none. Which slot it is and which part of that are the two
    /// halves of one product: of a million things, each has its weight to a few thousandths of a slot.
    pub fn pick(&self, number: u32) -> usize {
        let drawn = u64::from(number) * self.slots.len() as u64;
        let index = (drawn >> 32) as usize;
        match self.slots.get(index) {
            Some((own, other)) if drawn as u32 >= *own => *other as usize,
            Some(_) => index,
            None => 0,
        }
    }
}

/// Something that comes of few: those that it does not come of are skipped together.
#[derive(Clone, Copy, Debug)]
pub struct Rare {
    share: f64,
    /// Of so many it does not come before it does; `None` while nobody knows.
    skipped: Option<u64>,
}

impl Rare {
    /// Of this share, from 0 to 1.
    pub const fn new(share: f64) -> Self {
        Self { share, skipped: None }
    }

    /// The share of which it comes.
    pub const fn share(&self) -> f64 {
        self.share
    }

    /// Of how many of the next `count` it does not come before the first of which it does: all of them, where it comes
    /// of none. That one is not among the next any more.
    pub fn skip(&mut self, count: usize, chance: &mut Chance) -> usize {
        let skipped = self.skipped.unwrap_or_else(|| {
            // Of a share of 0 it never comes.
            Geometric::new(self.share.clamp(0.0, 1.0)).map_or(u64::MAX, |skipped| skipped.sample(chance))
        });
        let (count_left, is_reached) = (skipped.saturating_sub(count as u64), skipped < count as u64);
        self.skipped = (!is_reached).then_some(if skipped == u64::MAX { u64::MAX } else { count_left });
        if is_reached { skipped as usize } else { count }
    }

    /// Whether it comes of the next one.
    #[inline]
    pub fn comes(&mut self, chance: &mut Chance) -> bool {
        match &mut self.skipped {
            Some(skipped) if *skipped > 0 => {
                // Of what never comes there is always one more.
                *skipped -= u64::from(*skipped < u64::MAX);
                false
            }
            _ => self.skip(1, chance) == 0,
        }
    }
}

/// A log-normal distribution, as the buckets of a sketch.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The lowest bucket that occurs.
    pub first: i16,
    /// How many buckets occur.
    pub length: usize,
    /// Picks one of them by its weight.
    picks: Picks,
}

impl Spread {
    /// Around this median (over 0), its logarithm with this standard deviation.
    pub fn around(median: f64, sigma: f64) -> Self {
        let edge = |deviations: f64| bucket(median * (deviations * sigma).exp()).unwrap_or_default();
        let (first, last) = (edge(-DEVIATIONS_MAX), edge(DEVIATIONS_MAX));
        let under = |bucket: i16| share_under((f64::from(bucket) * GAMMA.ln() - median.ln()) / sigma);
        let weights: Vec<f64> = (first..=last).map(|bucket| (under(bucket) - under(bucket - 1)).max(0.0)).collect();
        Self { first, length: weights.len(), picks: Picks::new(&weights) }
    }

    /// The bucket of one value, counted from the first, by 32 bits of chance.
    pub fn pick(&self, number: u32) -> usize {
        self.picks.pick(number)
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;
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
            let bucket = spread.pick(chance.next_u32());
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
    fn picks_follow_their_weights() {
        let mut chance = Chance::seed_from_u64(2);
        let weights = [1.0, 0.0, 5.0, 2.0, 0.01];
        let picks = Picks::new(&weights);
        let (mut counts, count) = ([0_u32; 5], 400_000);
        (0..count).for_each(|_| counts[picks.pick(chance.next_u32())] += 1);
        assert_eq!(counts[1], 0);
        for (found, weight) in counts.into_iter().zip(weights) {
            let expected = f64::from(count) * weight / 8.01;
            // Five standard errors.
            assert!((f64::from(found) - expected).abs() <= 5.0 * expected.sqrt(), "{counts:?}");
        }
        assert_eq!((Picks::new(&[]).pick(7), Picks::new(&[3.0]).pick(u32::MAX)), (0, 0));
    }

    #[test]
    fn what_is_rare_comes_of_its_share_however_it_is_asked_for() {
        let mut chance = Chance::seed_from_u64(4);
        for share in [0.0, 0.001, 0.03, 0.5, 1.0] {
            let (mut rare, mut found, mut asked) = (Rare::new(share), 0_u32, 0);
            while asked < 200_000 {
                let count = 1 + chance.next_u32() as usize % 300;
                let mut left = count;
                while left > 0 {
                    let skipped = rare.skip(left, &mut chance);
                    found += u32::from(skipped < left);
                    left = left.saturating_sub(skipped + 1);
                }
                asked += count;
            }
            let expected = asked as f64 * share;
            assert!((f64::from(found) - expected).abs() <= 5.0 * (expected * (1.0 - share)).sqrt(), "{share}: {found}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let mut chance = Chance::seed_from_u64(7);
        // The browser has to live the life that the command lives.
        assert_eq!([(); 3].map(|()| poisson(&mut chance, 200.0)), [174, 210, 195]);
    }
}
