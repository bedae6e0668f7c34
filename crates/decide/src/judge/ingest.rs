//! What has arrived becomes evidence.

use super::Judge;
use super::comparing::{ComparisonTracker, questions};
use super::metrics_view::MetricsView;
use crate::evidence::Window;
use crate::firsts::{AtRisk, Firsts};
use crate::past::Pasts;
use tidegate_model::Duration;
use tidegate_model::measured::{Quantity, SlicedCounts};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

impl Judge {
    /// A new attempt begins without evidence; another plan asks other questions. Returns how many its
    /// guardrails ask, and its gates.
    pub(super) fn begin(&mut self, plan: &Plan, record: &Record, pasts: &Pasts) -> (usize, usize) {
        if self.begun_revision != record.begun_revision {
            *self = Self {
                begun_revision: record.begun_revision,
                looked_at: self.looked_at,
                notified: std::mem::take(&mut self.notified),
                ..Self::default()
            };
        }
        let (mut questions, gates) = questions(plan);
        let counts = (questions.len(), gates.len());
        questions.extend(gates.into_iter().filter(|gate| !questions.contains(gate)).collect::<Vec<_>>());
        self.gatherings.retain(|gathering| questions.contains(&gathering.question));
        for question in &questions {
            if !self.gatherings.iter().any(|gathering| gathering.question == *question) {
                let mut gathering = ComparisonTracker::new(question.clone());
                gathering.weigh(pasts);
                self.gatherings.push(gathering);
            }
        }
        // Those of guardrails first: they share α.
        self.gatherings.sort_by_key(|own| questions.iter().position(|question| *question == own.question));
        if self.weighed_revision != Some(record.exposed_revision) {
            self.weighed_revision = Some(record.exposed_revision);
            for gathering in &mut self.gatherings {
                gathering.weigh(pasts);
            }
        }
        let wanted: Vec<(Quantity, Option<Duration>)> =
            self.gatherings.iter().filter_map(|own| Some((own.question.first()?, own.question.after))).collect();
        let is_of =
            |firsts: &Firsts, (of, after): &(Quantity, Option<Duration>)| firsts.of == *of && firsts.after == *after;
        self.firsts.retain(|firsts| wanted.iter().any(|wanted| is_of(firsts, wanted)));
        for wanted in wanted {
            if !self.firsts.iter().any(|firsts| is_of(firsts, &wanted)) {
                self.firsts.push(Firsts::new(wanted.0, wanted.1));
            }
        }
        counts
    }

    /// Takes in what has arrived, but in a warm-up.
    pub(super) fn take(&mut self, metrics_view: &mut MetricsView<'_>, arrived: &[(u64, SlicedCounts)]) {
        let (record, now) = (metrics_view.record, metrics_view.now);
        // What has arrived began with the look before: a stake that is laid now must not be played on it.
        let since = self.looked_at.unwrap_or(now).clamp(record.begun.min(now), now);
        let minute = since.ms_since(record.begun) as f64 / 60_000.0;
        let is_alone = metrics_view.is_alone();
        for (revision, compared) in arrived.iter().filter(|(revision, _)| *revision >= record.begun_revision) {
            for gathering in self.gatherings.iter_mut().filter(|own| !metrics_view.is_warming_up(own.question.after)) {
                gathering.take(*revision, compared, minute, now);
                gathering.take_bins(*revision, compared, minute);
                if is_alone && !metrics_view.has_legacy() {
                    gathering.take_own(compared, now.minute());
                }
                if !is_alone {
                    gathering.alone = None;
                } else if *revision >= record.exposed_revision {
                    gathering.take_alone(compared, minute, |question| {
                        metrics_view.read_last_of_legacy(&question.metric, question.endpoint.as_ref()).0
                    });
                }
            }
        }
        self.take_firsts(metrics_view, arrived, minute);
    }

    /// First failures: of a change of the percentage the subjects at risk are counted anew, and whoever
    /// failed before it is only remembered.
    fn take_firsts(&mut self, metrics_view: &mut MetricsView<'_>, arrived: &[(u64, SlicedCounts)], minute: f64) {
        let record = metrics_view.record;
        let share = metrics_view.share();
        for firsts in &mut self.firsts {
            if metrics_view.is_warming_up(firsts.after) {
                continue;
            }
            let mut found = Vec::new();
            for (revision, compared) in arrived.iter().filter(|(revision, _)| *revision >= record.begun_revision) {
                let Some(failed) = compared.failed.iter().find(|failed| failed.of == firsts.of) else { continue };
                let is_compared = *revision >= record.exposed_revision && share.is_some();
                let seen = &metrics_view.series.since(record.exposed_revision).subjects;
                let at_risk = share.filter(|_| is_compared).map(|share| AtRisk { seen, share });
                found.push(firsts.take(&failed.subjects, at_risk));
            }
            for gathering in self
                .gatherings
                .iter_mut()
                .filter(|own| own.question.after == firsts.after && own.question.first().as_ref() == Some(&firsts.of))
            {
                if let Some(first) = &mut gathering.first {
                    // Without a failure the time passes all the same.
                    first.add(&Window::default(), minute);
                    found.iter().for_each(|window| first.add(window, minute));
                }
            }
        }
    }
}
