//! Everything measured of one rollout, and what is judged of it.

use fnv::FnvHashMap;

use super::evidence_history::EvidenceHistory;
use super::hooks::Hooks;
use super::judge::by_bin::rates;
use super::judge::metrics_view::MetricsView;
use super::judge::term::Manner;
use super::judge::{Evaluation, Judge};
use super::past::Pasts;
use super::probes::Probes;
use super::rollout::Noticed;
use super::series::{FRUGALITY_MAX, Series};
use super::signals::Signals;
use super::sources::{self, Sources};
use super::values::{self, Values};
use super::versions::{Looks, Versions};
use super::{hooks, probes};
use tidegate_model::measured::{SlicedCounts, Window};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::shadow::ShadowSamples;
use tidegate_model::{Instant, Minute, Name};

/// The series of all rollouts together get more frugal at this size: half of what the controller may have.
const SERIES_BYTES_MAX: usize = 24 << 20;
/// Once bins take so much memory, those of rollouts that have none yet are not kept: slices judge them.
const BINS_BYTES_MAX: usize = 12 << 20;

/// The measurements of one rollout.
#[derive(Clone, Debug, Default)]
pub struct RolloutMetrics {
    /// What was counted.
    pub series: Series,
    /// What was counted by the plan's dimensions.
    pub values: Values,
    /// What others reported.
    pub signals: Signals,
    /// Where that comes from.
    pub sources: Sources,
    /// Which versions of new answer.
    pub versions: Versions,
    /// The looks at the file whose `ETag` says so.
    pub looks: Looks,
    /// What new has answered otherwise than legacy lately. It is kept in memory alone.
    pub shadow: ShadowSamples,
    /// What was last seen of the plan's probes.
    pub probes: Probes,
    /// What the plan's hooks have said.
    pub hooks: Hooks,
    /// What bins did on legacy.
    pub pasts: Pasts,
    /// What the judge remembers.
    pub judge: Judge,
    /// The last look.
    pub last: Option<Evaluation>,
    /// How the evidence has gone lately.
    pub trail: EvidenceHistory,
    /// What comparisons may use of what has come in since then, by revision.
    arrived: Vec<(u64, SlicedCounts)>,
    /// When something counted last came in.
    pub arrived_at: Option<Instant>,
    /// How it is evaluated.
    pub manner: Manner,
    /// Whether others leave no room for its bins.
    is_crowded: bool,
    has_arrived: bool,
}

impl RolloutMetrics {
    /// Counts a part of a batch. Returns the minute and the revision of the window that it went to.
    pub fn count(&mut self, mut window: Window, compared: &SlicedCounts, now: Instant) -> (Minute, u64) {
        let revision = window.revision;
        if !compared.is_empty() {
            match self.arrived.iter_mut().find(|(own, _)| *own == revision) {
                Some((_, own)) => own.merge(compared),
                None => self.arrived.push((revision, compared.clone())),
            }
            if self.is_crowded {
                self.arrived.iter_mut().for_each(|(_, own)| own.binned.clear());
            }
        }
        self.arrived_at = Some(now);
        self.has_arrived = true;
        let values = window.take_values();
        let place = self.series.add(window, now);
        if let Some(values) = values {
            self.values.add(values, place.0, now);
        }
        place
    }

    /// Takes in a window that was stored.
    pub fn restore(&mut self, mut window: Window) {
        if window.minutes == values::MINUTES {
            self.values.restore(window);
        } else {
            // An earlier release kept them by the minute. They say where to look in the next hour, no more.
            window.take_values();
            self.series.restore(window);
        }
    }

    /// How much memory its bins take, in bytes.
    fn bins_bytes(&self) -> usize {
        self.pasts.bytes() + self.judge.bins_bytes()
    }

    /// Whether something has come in since the last look.
    pub const fn has_arrived(&self) -> bool {
        self.has_arrived
    }

    /// Evaluates guardrails, gates of the current stage and the sample ratio, and takes in what has come
    /// in as evidence. `faults` counts the configuration faults that isolates report.
    pub fn evaluate(&mut self, plan: &Plan, record: &Record, faults: u64, now: Instant) -> &Evaluation {
        let arrived = std::mem::take(&mut self.arrived);
        self.has_arrived = false;
        let mut metrics_view = MetricsView {
            plan,
            record,
            series: &mut self.series,
            signals: &self.signals,
            pasts: &self.pasts,
            faults,
            arrived_at: self.arrived_at,
            now,
            manner: self.manner,
            after: None,
        };
        let evaluation = self.judge.evaluate(&mut metrics_view, &arrived);
        // A window is judged by what was known before it.
        if arrived.iter().any(|(_, compared)| !compared.binned.is_empty()) {
            self.pasts.keep(&rates(plan));
            arrived.iter().for_each(|(_, compared)| self.pasts.take(compared, now.minute()));
        }
        self.last.insert(evaluation)
    }

    /// What is wrong with the receivers, sources, probes and hooks of a plan.
    pub fn faults(&self, plan: &Plan, record: &Record, now: Instant) -> Vec<Noticed> {
        let mut faults = sources::faults(plan, &self.sources, &self.signals, now);
        faults.extend(probes::faults(plan, &self.probes));
        faults.extend(hooks::faults(plan, record, &self.hooks));
        faults.extend(self.looks.fault());
        faults
    }

    /// Takes note of how the evidence goes, for those who want to see it.
    pub fn note_evidence(&mut self, plan: &Plan, record: &Record, now: Instant) {
        if let Some(evaluation) = &self.last {
            self.trail.note(evaluation, plan, &record.live.stage, now);
        }
    }
}

/// The metrics of a deployment.
#[derive(Debug, Default)]
pub struct MetricsOfAll(FnvHashMap<Name, RolloutMetrics>);

impl MetricsOfAll {
    /// The metrics of a rollout, if anything was ever written into it.
    pub fn get(&self, key: &Name) -> Option<&RolloutMetrics> {
        self.0.get(key)
    }

    /// The metrics of a rollout, to be written into.
    pub fn get_mut(&mut self, key: &Name) -> &mut RolloutMetrics {
        self.0.entry(key.clone()).or_default()
    }

    /// Takes the metrics of a rollout away.
    pub fn remove(&mut self, key: &Name) {
        self.0.remove(key);
    }

    /// How frugal their series have to be, given how frugal they have been: one step more where they take more
    /// memory than there is for them. It never goes back: what was thinned does not come again.
    pub fn frugality(&self, so_far: usize) -> usize {
        let bytes: usize = self.0.values().map(|metrics| metrics.series.bytes() + metrics.values.bytes()).sum();
        if bytes > SERIES_BYTES_MAX { (so_far + 1).min(FRUGALITY_MAX) } else { so_far }
    }

    /// Keeps bins within their memory.
    pub fn bound_bins(&mut self) {
        let bytes: usize = self.0.values().map(RolloutMetrics::bins_bytes).sum();
        for metrics in self.0.values_mut() {
            metrics.is_crowded = bytes > BINS_BYTES_MAX && metrics.bins_bytes() == 0;
        }
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Name, &mut RolloutMetrics)> {
        self.0.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Quantity;
    use tidegate_model::plan::set::read_rollout;
    use tidegate_model::variant::Variant;

    #[test]
    fn bins_of_many_rollouts_stay_within_their_memory() {
        let mut all = MetricsOfAll::default();
        let now = Instant::from_epoch_ms(60_000);
        let mut compared = SlicedCounts::default();
        compared.binned(&Quantity::Errors, None, Variant::Legacy).unwrap().add(7, 1, 1);
        let plan = r#"{"key":"r","identity":{"from":["cookie:uid"]},"stage":[{"name":"full","percentage":50}],"guardrail":[{"when":"error_rate > legacy","then":"alert"}]}"#;
        let plan = read_rollout(plan).unwrap_or_else(|_| unreachable!());
        for number in 0..4_000 {
            let metrics = all.get_mut(&format!("r{number}").parse().unwrap());
            metrics.count(Window::at(Minute::new(1), 1), &compared, now);
            let arrived = std::mem::take(&mut metrics.arrived);
            if arrived.iter().any(|(_, own)| !own.binned.is_empty()) {
                metrics.pasts.keep(&rates(&plan));
                arrived.iter().for_each(|(_, own)| metrics.pasts.take(own, Minute::new(1)));
            }
            all.bound_bins();
            // A rollout that is new is counted from its first look on.
            all.get_mut(&format!("r{}", number + 1).parse().unwrap());
            all.bound_bins();
        }
        let bytes: usize = all.0.values().map(RolloutMetrics::bins_bytes).sum();
        assert!((BINS_BYTES_MAX..BINS_BYTES_MAX + 64_000).contains(&bytes), "{bytes}");
    }
}
