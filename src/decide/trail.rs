//! How the evidence of each comparison has gone lately, a point a minute for two hours: what plots show,
//! and nothing is decided by. It is not stored; a controller that starts anew begins a new one.

use std::collections::VecDeque;

use super::judge::Look;
use super::series::{MINUTE_MS, minute_of};
use crate::model::subject::fnv1a64;
use crate::model::{Instant, Name};

/// So many minutes are kept.
const MINUTES_MAX: u64 = 120;

/// What compares.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// The guardrail of this number.
    Guardrail(usize),
    /// The gate of this number in this stage.
    Gate(&'a Name, usize),
    /// Whether the deal was fair.
    SampleRatio,
}

impl Of<'_> {
    fn hash(self, metric: &str) -> u64 {
        fnv1a64(format!("{self:?} {metric}").as_bytes())
    }
}

/// The evidence of the last two hours.
#[derive(Clone, Debug, Default)]
pub struct Trail(VecDeque<Point>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    minute: u64,
    /// Of which comparison.
    of: u64,
    e_value: f64,
}

impl Trail {
    /// Takes note of a look at a rollout in this stage. A minute's last look counts.
    pub fn note(&mut self, look: &Look, stage: &Name, now: Instant) {
        let minute = minute_of(now);
        while self.0.back().is_some_and(|last| last.minute >= minute) {
            self.0.pop_back();
        }
        while self.0.front().is_some_and(|first| first.minute + MINUTES_MAX <= minute) {
            self.0.pop_front();
        }
        let guardrails = look.guardrails.iter().enumerate().map(|(index, judgement)| (Of::Guardrail(index), judgement));
        let gates = look.gates.iter().enumerate().map(|(index, judgement)| (Of::Gate(stage, index), judgement));
        for (of, judgement) in guardrails.chain(gates).chain(look.sample_ratio.iter().map(|judgement| (Of::SampleRatio, judgement))) {
            let figures = judgement.figures.iter().filter_map(|figure| Some((figure, figure.e_value?)));
            self.0.extend(figures.map(|(figure, e_value)| Point { minute, of: of.hash(&figure.metric), e_value }));
        }
    }

    /// What it was of the comparison of this metric, from the oldest on.
    pub fn points(&self, of: Of<'_>, metric: &str) -> impl Iterator<Item = (Instant, f64)> {
        let of = of.hash(metric);
        let at = |minute: u64| Instant::from_epoch_ms(i64::try_from(minute).unwrap_or(i64::MAX).saturating_mul(MINUTE_MS));
        self.0.iter().filter(move |point| point.of == of).map(move |point| (at(point.minute), point.e_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::judge::{Figure, Judgement};

    fn look(e_value: f64) -> Look {
        let figure = Figure { metric: "error_rate".into(), value: None, legacy: None, bound: 1.0, observations: 1.0, e_value: Some(e_value), e_needed: Some(100.0), text: String::new() };
        Look { guardrails: vec![Judgement::default(), Judgement { figures: vec![figure], ..Judgement::default() }], ..Look::default() }
    }

    fn stage() -> Name {
        "canary".parse().unwrap_or_else(|_| unreachable!())
    }

    fn seen(trail: &Trail) -> Vec<(i64, f64)> {
        trail.points(Of::Guardrail(1), "error_rate").map(|(at, e_value)| (at.as_epoch_ms() / MINUTE_MS, e_value)).collect()
    }

    #[test]
    fn a_minutes_last_look_counts_and_two_hours_are_kept() {
        let mut trail = Trail::default();
        for (second, e_value) in [(0, 1.0), (30, 2.0), (60, 3.0)] {
            trail.note(&look(e_value), &stage(), Instant::from_epoch_ms(second * 1_000));
        }
        assert_eq!(seen(&trail), [(0, 2.0), (1, 3.0)]);
        trail.note(&look(4.0), &stage(), Instant::from_epoch_ms(120 * MINUTE_MS));
        assert_eq!(seen(&trail), [(1, 3.0), (120, 4.0)]);
        assert_eq!(trail.points(Of::Gate(&stage(), 1), "error_rate").count() + trail.points(Of::Guardrail(0), "error_rate").count(), 0);
    }

    #[test]
    fn a_clock_that_jumps_back_takes_its_future_away() {
        let mut trail = Trail::default();
        trail.note(&look(1.0), &stage(), Instant::from_epoch_ms(9 * MINUTE_MS));
        trail.note(&look(2.0), &stage(), Instant::from_epoch_ms(3 * MINUTE_MS));
        assert_eq!(seen(&trail), [(3, 2.0)]);
    }
}
