//! How the evidence of each comparison has gone lately, a point a minute for two hours: what plots show,
//! and nothing is decided by. A comparison that has ended, by a rollback say, stays as long, since that
//! is when people come to look. It is not stored; a controller that starts over begins a new one.

use std::collections::VecDeque;
use std::fmt::Display;

use super::judge::{Evaluation, Judgement};
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Minute, Name};

/// So many minutes are kept.
const MINUTES_MAX: u64 = 120;

/// The evidence of the last two hours.
#[derive(Clone, Debug, Default)]
pub struct EvidenceHistory(Vec<Line>);

/// That of one comparison.
#[derive(Clone, Debug)]
pub struct Line {
    /// `guardrail`, `gate` or `sample_ratio`.
    pub of: &'static str,
    /// What compares.
    pub condition: String,
    /// The metric, with its endpoint.
    pub metric: String,
    /// How much evidence there has to be.
    pub e_needed: f64,
    /// What the last look said.
    pub text: String,
    points: VecDeque<(Minute, f64)>,
    /// Between what the ratio of both sides lay, where that was known.
    intervals: VecDeque<(Minute, Option<f64>, Option<f64>)>,
    is_current: bool,
}

impl EvidenceHistory {
    /// Takes note of a look at a rollout in this stage. A minute's last look counts.
    pub fn note(&mut self, evaluation: &Evaluation, plan: &Plan, stage: &Name, now: Instant) {
        let minute = now.minute();
        for line in &mut self.0 {
            line.is_current = false;
            // Both ascend. A clock that has jumped back leaves points of the future.
            let is_kept = |own: Minute| own <= minute && own + MINUTES_MAX > minute;
            while line.points.pop_front_if(|(own, _)| !is_kept(*own)).is_some() {}
            while line.points.pop_back_if(|(own, _)| !is_kept(*own)).is_some() {}
            while line.intervals.pop_front_if(|(own, ..)| !is_kept(*own)).is_some() {}
            while line.intervals.pop_back_if(|(own, ..)| !is_kept(*own)).is_some() {}
        }
        for (guardrail, judgement) in plan.guardrails_in_force().zip(&evaluation.guardrails) {
            self.add("guardrail", &guardrail.when, judgement, minute);
        }
        if let Some(index) = plan.stage_index(stage.as_str()) {
            for (gate, judgement) in plan.gates_in_force(index).zip(&evaluation.gates) {
                self.add("gate", gate, judgement, minute);
            }
        }
        if let Some(judgement) = &evaluation.sample_ratio {
            self.add("sample_ratio", &"sample_ratio", judgement, minute);
        }
        self.0.retain(|line| line.is_current || !line.points.is_empty());
    }

    fn add(&mut self, of: &'static str, condition: &dyn Display, judgement: &Judgement, minute: Minute) {
        for figure in &judgement.figures {
            let (Some(e_value), Some(e_needed)) = (figure.e_value, figure.e_needed) else { continue };
            let condition = condition.to_string();
            let place = self
                .0
                .iter()
                .position(|line| line.of == of && line.condition == condition && line.metric == figure.metric);
            let mut line = match place {
                Some(place) => self.0.remove(place),
                None => Line {
                    of,
                    condition,
                    metric: figure.metric.clone(),
                    e_needed,
                    text: String::new(),
                    points: VecDeque::new(),
                    intervals: VecDeque::new(),
                    is_current: true,
                },
            };
            while line.points.pop_back_if(|(own, _)| *own >= minute).is_some() {}
            line.points.push_back((minute, e_value));
            while line.intervals.pop_back_if(|(own, ..)| *own >= minute).is_some() {}
            line.intervals.extend(figure.ratio.as_ref().map(|ratio| (minute, ratio.from, ratio.to)));
            self.0.push(Line { e_needed, text: figure.text.clone(), is_current: true, ..line });
        }
    }

    /// Each comparison: first those that have ended, then the others in the order of the plan.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }
}

impl Line {
    /// The evidence at the end of each minute, from the oldest on.
    pub fn points(&self) -> impl Iterator<Item = (Instant, f64)> {
        self.points.iter().map(|(minute, e_value)| (minute.start(), *e_value))
    }

    /// Between what new's figure lay at the end of each minute, as a multiple of legacy's, from the oldest on; `None`
    /// for no bound.
    pub fn intervals(&self) -> impl Iterator<Item = (Instant, Option<f64>, Option<f64>)> {
        self.intervals.iter().map(|(minute, from, to)| (minute.start(), *from, *to))
    }

    /// The evidence now, or as it was last.
    pub fn e_value(&self) -> Option<f64> {
        self.points.back().map(|(_, e_value)| *e_value)
    }

    /// The last minute of a comparison that is not made any more.
    pub fn ended(&self) -> Option<Instant> {
        self.points.back().map(|(minute, _)| minute.start()).filter(|_| !self.is_current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Figure;
    use tidegate_model::plan::set::read_rollout;

    const PLAN: &str = r#"{"key":"flag","identity":{"from":["cookie:uid"]},"stage":[{"name":"full","percentage":50}],"guardrail":[{"when":"signal.p1 > 0 over 1m","then":"alert"},{"when":"error_rate > legacy","then":"rollback"}],"signals":{"p1":{"kind":"count"}}}"#;

    fn evaluate(e_value: Option<f64>) -> Evaluation {
        let figure = |e_value| Figure {
            metric: "error_rate".into(),
            e_value: Some(e_value),
            e_needed: Some(100.0),
            text: "so".into(),
            ratio: Some(tidegate_model::figure::Ratio { from: Some(0.5), to: None, level: 0.99, minutes: 5.0 }),
            ..Figure::default()
        };
        Evaluation {
            guardrails: vec![
                Judgement::default(),
                Judgement { figures: e_value.map(figure).into_iter().collect(), ..Judgement::default() },
            ],
            ..Evaluation::default()
        }
    }

    /// The comparison after looks at these seconds.
    fn noted(looks: &[(i64, Option<f64>)]) -> Vec<Line> {
        let plan = read_rollout(PLAN).unwrap_or_else(|_| unreachable!());
        let stage: Name = "full".parse().unwrap_or_else(|_| unreachable!());
        let mut trail = EvidenceHistory::default();
        for (second, e_value) in looks {
            trail.note(&evaluate(*e_value), &plan, &stage, Instant::from_epoch_ms(second * 1_000));
        }
        trail.0
    }

    fn points(line: &Line) -> Vec<(u64, f64)> {
        line.points().map(|(at, e_value)| (at.minute().get(), e_value)).collect()
    }

    #[test]
    fn a_minutes_last_look_counts_and_two_hours_are_kept() {
        let mut looks = vec![(0, Some(1.0)), (30, Some(2.0)), (60, Some(3.0))];
        let lines = noted(&looks);
        assert_eq!((lines.len(), lines[0].of, lines[0].condition.as_str()), (1, "guardrail", "error_rate > legacy"));
        assert_eq!(
            (points(&lines[0]), lines[0].e_value(), lines[0].ended()),
            (vec![(0, 2.0), (1, 3.0)], Some(3.0), None)
        );
        let between: Vec<_> = lines[0].intervals().map(|(at, from, to)| (at.minute().get(), from, to)).collect();
        assert_eq!(between, [(0, Some(0.5), None), (1, Some(0.5), None)]);
        looks.push((120 * 60, Some(4.0)));
        assert_eq!(points(&noted(&looks)[0]), [(1, 3.0), (120, 4.0)]);
    }

    #[test]
    fn a_comparison_that_has_ended_stays_for_as_long() {
        let mut looks = vec![(0, Some(1.0)), (60, Some(3.0)), (70, None), (119 * 60, None)];
        let lines = noted(&looks);
        assert_eq!(
            (points(&lines[0]), lines[0].ended().map(Instant::as_epoch_ms)),
            (vec![(0, 1.0), (1, 3.0)], Some(60_000))
        );
        looks.push((121 * 60, None));
        assert!(noted(&looks).is_empty());
    }

    #[test]
    fn comparisons_keep_the_order_of_the_plan() {
        let plan = read_rollout(&PLAN.replace("signal.p1 > 0 over 1m", "js_error_rate > legacy"))
            .unwrap_or_else(|_| unreachable!());
        let stage: Name = "full".parse().unwrap_or_else(|_| unreachable!());
        let one = evaluate(Some(1.0)).guardrails.remove(1);
        let evaluation =
            Evaluation { guardrails: vec![one.clone(), one.clone()], sample_ratio: Some(one), ..Evaluation::default() };
        let mut trail = EvidenceHistory::default();
        for second in 0..3 {
            trail.note(&evaluation, &plan, &stage, Instant::from_epoch_ms(second * 1_000));
            assert_eq!(
                trail.lines().iter().map(|line| line.condition.as_str()).collect::<Vec<_>>(),
                ["js_error_rate > legacy", "error_rate > legacy", "sample_ratio"]
            );
        }
    }

    #[test]
    fn a_clock_that_jumps_back_takes_its_future_away() {
        assert_eq!(points(&noted(&[(9 * 60, Some(1.0)), (3 * 60, Some(2.0))])[0]), [(3, 2.0)]);
    }
}
