//! How the comparisons of a plan's guardrails share α.
//!
//! **By division** each would have to reach m/α, with m comparisons: whatever the others say. But where new
//! is broken, several see it: failures, a status, an endpoint.
//!
//! **By closed testing** a comparison is shown where each group of comparisons that it is in is shown
//! together, by the mean of their e-values (Vovk and Wang, "E-values: calibration, combination and
//! applications", Annals of Statistics 49, 2021, algorithm 1). The group that is hardest is that with all the
//! others that have not reached 1/α themselves, so it comes to
//! ```text
//! e_i ≥ 1/α + Σ (1/α − e_j)     over the others with e_j < 1/α
//! ```
//! which is m/α at the most, where the others say nothing, and 1/α where they have said it too. The chance
//! that any harmless comparison is ever shown is at most α, whatever is true of the others: a mean of
//! e-values is one, however they depend on each other.

/// The level of each of these comparisons, given the logarithms of the evidence of all of them.
pub fn levels(log_e: &[f64], alpha: f64) -> Vec<f64> {
    let needed = 1.0 / alpha;
    let missing = |log_e: &f64| (needed - log_e.exp()).max(0.0);
    let all: f64 = log_e.iter().map(missing).sum();
    log_e.iter().map(|own| 1.0 / (needed + (all - missing(own)).max(0.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed(e: &[f64]) -> Vec<f64> {
        let log_e: Vec<f64> = e.iter().map(|e| e.ln()).collect();
        levels(&log_e, 0.01).into_iter().map(|level| (1.0 / level).round()).collect()
    }

    #[test]
    fn one_alone_has_all_of_it_and_others_that_say_nothing_take_their_part() {
        assert_eq!(needed(&[7.0]), [100.0]);
        assert_eq!(needed(&[7.0, 0.0, 0.0]), [300.0, 293.0, 293.0]);
        assert_eq!(needed(&[f64::INFINITY, 0.0]), [200.0, 100.0]);
    }

    #[test]
    fn what_others_have_shown_is_not_asked_for_again() {
        assert_eq!(needed(&[120.0, 90.0, 110.0]), [110.0, 100.0, 110.0]);
    }

    /// Four comparisons of harmless releases, each of which doubles its evidence or loses it: one of them is
    /// shown as often as α allows, and no more.
    #[test]
    fn harmless_comparisons_are_shown_no_more_often_than_alpha() {
        let mut random = fastrand::Rng::with_seed(3);
        let shown = (0..20_000)
            .filter(|_| {
                let mut log_e = [0.0_f64; 4];
                (0..60).any(|_| {
                    log_e.iter_mut().for_each(|own| *own += if random.bool() { 1.5_f64.ln() } else { 0.5_f64.ln() });
                    log_e.iter().zip(levels(&log_e, 0.05)).any(|(own, level)| *own >= -level.ln())
                })
            })
            .count();
        assert!(shown <= 1_000, "{shown} of 20,000 at 5 %");
    }
}
