//! Comparisons with legacy: which ones a plan makes, and how what arrives becomes evidence.
//!
//! A rate is compared by its events. A quantile is reduced to events: from legacy's figures of the
//! last hour before, take the edge of the bucket in which its quantile lies; an observation of legacy
//! is an event over that edge, one of new over the edge that lies the bound's factor higher. If new's
//! quantile were more than that factor higher, it would have more of these events than legacy.
//!
//! One window of evidence is what arrived under one revision until both sides had exposures; its
//! events enter once.

use super::alone::Alone;
use super::by_bin::bins_of;
use super::by_slice::slices_of;
use super::metrics_view::Reading;
use crate::binned::BinnedComparison;
use crate::bins::SideBins;
use crate::comparison::Comparison;
use crate::firsts::{FirstEvidence, average, mixed};
use crate::interval::Ratios;
use crate::means::MeanComparison;
use crate::overdispersion::SideSlices;
use crate::own_past::OwnPast;
use crate::past::{Past, Pasts};
use crate::series::{Series, Span};
use tidegate_model::condition::{Metric, Op, Term};
use tidegate_model::measured::{Measure, Quantity, Sketch, SlicedCounts};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant, Minute, Name};

/// Legacy's quantile is taken from the last hour.
const EDGE_MINUTES: u64 = 60;
/// Fewer observations of legacy make no quantile.
const EDGE_MIN: u64 = 50;

/// What is to be shown of new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// That its figure is more than the bound times legacy's.
    More,
    /// That it is less.
    Less,
}

impl Direction {
    /// What a term says of new.
    pub const fn of(op: Op) -> Self {
        match op {
            Op::More | Op::AtLeast => Self::More,
            Op::Less | Op::AtMost | Op::Equal => Self::Less,
        }
    }

    /// The contrary.
    pub const fn other(self) -> Self {
        match self {
            Self::More => Self::Less,
            Self::Less => Self::More,
        }
    }
}

/// One comparison, as evidence is gathered for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonKey {
    /// What is compared.
    pub metric: Metric,
    /// Where.
    pub endpoint: Option<Name>,
    /// How many times legacy's figure.
    pub theta: f64,
    /// What is to be shown.
    pub direction: Direction,
    /// How long after a stage's entry nothing counts.
    pub after: Option<Duration>,
}

impl ComparisonKey {
    /// What a term asks, in this direction; `None` for a term that does not compare.
    pub fn of(term: &Term, direction: Direction, after: Option<Duration>) -> Option<Self> {
        let theta = Some(term.bound).filter(|bound| bound.is_legacy())?.figure();
        Some(Self { metric: term.metric.clone(), endpoint: term.endpoint.clone(), theta, direction, after })
    }

    /// Under which it is stored.
    pub fn key(&self) -> String {
        let sign = if self.direction == Direction::More { '>' } else { '<' };
        let endpoint = self.endpoint.as_ref().map(|endpoint| format!("@{endpoint}")).unwrap_or_default();
        format!("{}{endpoint} {sign} {}", self.metric, self.theta)
    }

    /// Whether legacy's quantile is the same for both: it is looked up once.
    pub fn has_edge_of(&self, other: &Self) -> bool {
        self.metric == other.metric && self.endpoint == other.endpoint
    }

    /// The quantile that it is about, in thousandths.
    pub(super) fn quantile(&self) -> Option<(Measure, u16)> {
        self.metric.distribution().map(|(measure, quantile)| (measure, quantile.per_mille()))
    }

    /// The rate that it is about: what an exposure is, and what an event. Whatever comes of requests has
    /// the exposures of errors, a subject's minutes; page views are those of an event.
    pub fn quantities(&self) -> Option<(Quantity, Quantity)> {
        match &self.metric {
            Metric::JsErrorRate => Some((Quantity::JsErrors, Quantity::JsErrors)),
            Metric::Event(name) => Some((Quantity::JsErrors, Quantity::Event(name.clone()))),
            metric => metric.of_requests().map(|of| (Quantity::Errors, of)),
        }
    }

    /// What a subject does for the first time, where that is evidence for it too: which subjects ask an
    /// endpoint for anything, nobody counts.
    pub fn first(&self) -> Option<Quantity> {
        self.metric.of_requests().filter(|_| self.endpoint.is_none())
    }

    /// The same by bin, of what comes of requests.
    fn binned(&self) -> Option<BinnedComparison> {
        self.metric.of_requests()?;
        Some(match self.direction {
            Direction::More => BinnedComparison::worse(self.theta),
            Direction::Less => BinnedComparison::not_worse(self.theta),
        })
    }

    /// The evidence of a mean that nothing has been added to.
    fn mean(&self) -> Option<Box<MeanComparison>> {
        self.metric.mean_of()?;
        Some(Box::new(MeanComparison::new(self.theta, self.direction == Direction::Less)))
    }

    /// Evidence for it that nothing has been added to.
    fn comparison(&self) -> Comparison {
        // The factor of a quantile is in the edges.
        let theta = if self.quantile().is_some() { 1.0 } else { self.theta };
        match self.direction {
            Direction::More => Comparison::worse(theta),
            Direction::Less => Comparison::not_worse(theta),
        }
    }
}

/// All comparisons that a plan makes: those of its guardrails, and those of its gates, which need the
/// evidence against them too.
pub fn questions(plan: &Plan) -> (Vec<ComparisonKey>, Vec<ComparisonKey>) {
    let mut guardrails: Vec<ComparisonKey> = Vec::new();
    let mut gates: Vec<ComparisonKey> = Vec::new();
    let keep = |list: &mut Vec<ComparisonKey>, question: Option<ComparisonKey>| {
        if let Some(question) = question
            && !list.contains(&question)
        {
            list.push(question);
        }
    };
    for guardrail in plan.guardrails_in_force() {
        for term in &guardrail.when.terms {
            keep(&mut guardrails, ComparisonKey::of(term, Direction::of(term.op), guardrail.after));
        }
    }
    for gate in (0..plan.stages.len()).flat_map(|index| plan.gates_in_force(index)) {
        for term in &gate.when.terms {
            let direction = Direction::of(term.op);
            keep(&mut gates, ComparisonKey::of(term, direction, gate.after));
            keep(&mut gates, ComparisonKey::of(term, direction.other(), gate.after));
        }
    }
    (guardrails, gates)
}

/// The statuses that a plan compares with legacy's, ascending.
pub fn statuses(plan: &Plan) -> Vec<u16> {
    let terms = plan
        .guardrails_in_force()
        .map(|guardrail| &guardrail.when)
        .chain(plan.stages.iter().flat_map(|stage| &stage.gates).map(|gate| &gate.when))
        .flat_map(|condition| &condition.terms);
    let compared = terms.filter(|term| term.bound.is_legacy()).filter_map(|term| match term.metric {
        Metric::StatusRate(status) => Some(status),
        _ => None,
    });
    let mut statuses: Vec<u16> = compared.collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// The evidence for one question in this attempt.
#[derive(Clone, Debug)]
pub struct ComparisonTracker {
    /// The question.
    pub question: ComparisonKey,
    /// The evidence of exposures and events.
    pub comparison: Comparison,
    /// The same with each bin measured by its own past.
    pub binned: Option<BinnedComparison>,
    /// That of the subjects' first failures.
    pub first: Option<FirstEvidence>,
    /// The evidence of means, which takes the place of all that.
    pub mean: Option<Box<MeanComparison>>,
    /// Between what the ratio of both rates lies.
    pub ratios: Ratios,
    /// What new's rate tells beside legacy's last one, where legacy has gone.
    pub alone: Option<Alone>,
    /// What new does where nobody is on legacy, and whether that has changed.
    pub own: Option<Box<OwnPast>>,
    /// What has arrived while one side had no exposures, by revision.
    pub open: Vec<(u64, SideSlices)>,
    /// The same by bin, of the last revision.
    pub(super) open_bins: (u64, SideBins),
    /// The bucket in which legacy's quantile lies, and the minute in which that was looked up.
    pub edge: Option<(i16, Minute)>,
    /// When evidence was last added.
    pub added_at: Option<Instant>,
}

impl ComparisonTracker {
    /// No evidence yet.
    pub fn new(question: ComparisonKey) -> Self {
        let first = question.first().map(|_| FirstEvidence::new(question.theta, question.direction == Direction::Less));
        Self {
            comparison: question.comparison(),
            binned: question.binned(),
            first,
            mean: question.mean(),
            ratios: Ratios::default(),
            alone: None,
            own: None,
            question,
            open: Vec::new(),
            open_bins: (0, SideBins::default()),
            edge: None,
            added_at: None,
        }
    }

    /// The natural logarithm of the evidence; 0 is none.
    pub fn log_e(&self) -> f64 {
        self.together([true; 3])
    }

    /// Whether enough has been seen to show anything.
    pub fn is_ready(&self) -> bool {
        self.ready().contains(&true)
    }

    /// Whether it is shown at the level `alpha`.
    pub fn is_shown(&self, alpha: f64) -> bool {
        self.together(self.ready()) >= -alpha.ln()
    }

    /// Whether the subjects alone show it, of whom a handful may be enough.
    pub fn is_shown_by_subjects(&self, alpha: f64) -> bool {
        let [_, _, first] = self.ready();
        first && self.together([false, false, true]) >= -alpha.ln()
    }

    /// Which parts have seen enough to show anything: slices, bins and first failures.
    fn ready(&self) -> [bool; 3] {
        if let Some(mean) = &self.mean {
            return [mean.is_ready(), false, false];
        }
        [
            self.comparison.is_ready(),
            self.binned.as_ref().is_some_and(BinnedComparison::is_ready),
            self.first.as_ref().is_some_and(FirstEvidence::is_ready),
        ]
    }

    /// The evidence of these parts. Until bins are enough to show anything, as with isolates that do not count
    /// them and where a handful of bins is on new, slices and first failures share it evenly.
    fn together(&self, [slices, bins, first]: [bool; 3]) -> f64 {
        if let Some(mean) = &self.mean {
            return if slices { mean.log_e() } else { f64::NEG_INFINITY };
        }
        let log_e = |is_used: bool, log_e: Option<f64>| log_e.filter(|_| is_used);
        let slices = log_e(slices, Some(self.comparison.log_e()));
        let firsts = self.first.as_ref().map(|own| log_e(first, Some(own.log_e())));
        let binned = self.binned.as_ref().filter(|own| own.is_ready()).map(|own| log_e(bins, Some(own.log_e())));
        match (binned, firsts) {
            (Some(bins), Some(firsts)) => mixed([slices, bins, firsts]),
            (Some(other), None) | (None, Some(other)) => average(slices, other),
            (None, None) => slices.unwrap_or(f64::NEG_INFINITY),
        }
    }

    /// Takes in what has arrived under a revision, `minute` minutes after the attempt began.
    pub fn take(&mut self, revision: u64, compared: &SlicedCounts, minute: f64, now: Instant) {
        let Some(arrived) = slices_of(&self.question, self.edge, compared) else { return };
        let window = match self.open.iter().position(|(own, _)| *own == revision) {
            Some(index) => {
                let Some((_, window)) = self.open.get_mut(index) else { return };
                window.merge(&arrived);
                if !window.is_closed() {
                    return;
                }
                let (_, window) = self.open.remove(index);
                window
            }
            None => {
                // An older revision gets nothing more that would close its window.
                self.open.retain(|(own, _)| *own + 8 > revision);
                if !arrived.is_closed() {
                    self.open.push((revision, arrived));
                    return;
                }
                arrived
            }
        };
        self.added_at = Some(now);
        if let Some(mean) = &mut self.mean {
            mean.add(&window, minute);
            return;
        }
        let total = window.total();
        let factor = self.comparison.add_with(&window, &total, minute);
        if self.binned.is_none() || compared.binned.is_empty() {
            self.ratios.add(&total, factor, minute);
        }
    }

    /// Weighs the bins by what they did before: whenever bins have moved.
    pub fn weigh(&mut self, pasts: &Pasts) {
        let Some(binned) = &mut self.binned else { return };
        let past = self.question.metric.of_requests().and_then(|of| pasts.get(&of, self.question.endpoint.as_ref()));
        binned.weigh(past.map(Past::weights).unwrap_or_default());
    }

    /// Takes in the same by bin. A window of an older revision waits no longer.
    pub fn take_bins(&mut self, revision: u64, compared: &SlicedCounts, minute: f64) {
        let Some(binned) = &mut self.binned else { return };
        let Some(arrived) = bins_of(&self.question, compared) else { return };
        if self.open_bins.0 != revision {
            self.open_bins = (revision, SideBins::default());
        }
        let (_, window) = &mut self.open_bins;
        window.merge(&arrived);
        if window.is_closed() {
            let window = std::mem::take(window);
            self.ratios.add(&binned.weighed(&window), binned.factor(), minute);
            binned.add(&window, minute);
        }
    }

    /// Exposures of legacy and of new, or what they reported, that the evidence rests on.
    pub fn used(&self) -> [f64; 2] {
        let used = self.comparison.observations();
        self.mean.as_ref().map_or([used.legacy.n, used.new.n], |mean| mean.reports())
    }

    /// By how much events cluster, and the hash may have set the sides apart: as bins tell, or slices.
    pub fn corrections(&self) -> (f64, f64) {
        match &self.binned {
            Some(binned) if binned.has_exposures() => (binned.factor(), binned.margin()),
            _ => (self.comparison.factor(), self.comparison.margin()),
        }
    }

    /// The evidence of what is ready, as a logarithm: what it counts among other comparisons.
    pub fn log_e_ready(&self) -> f64 {
        self.together(self.ready())
    }

    /// Takes in what has arrived of new where nobody comparable is on legacy. `legacy` reads its last rate.
    pub fn take_alone(&mut self, compared: &SlicedCounts, minute: f64, legacy: impl FnOnce(&ComparisonKey) -> Reading) {
        if self.question.direction != Direction::More || self.question.quantities().is_none() {
            return;
        }
        let Some(arrived) = slices_of(&self.question, self.edge, compared) else { return };
        let factor = self.comparison.factor();
        if self.alone.is_none() {
            self.alone = Alone::new(self.question.theta, &legacy(&self.question), factor);
        }
        if let Some(alone) = &mut self.alone {
            alone.add(&arrived.new, factor, minute);
        }
    }

    /// Takes in what has arrived of new where all are on new, by this minute. Of quantiles there is none.
    pub fn take_own(&mut self, compared: &SlicedCounts, minute: Minute) {
        if self.question.direction == Direction::More
            && self.question.quantities().is_some()
            && let Some(arrived) = slices_of(&self.question, self.edge, compared)
        {
            self.own.get_or_insert_default().add(&arrived.new, minute);
        }
    }

    /// Looks legacy's quantile up for what will arrive, once a minute.
    pub fn look_up_edge(&mut self, series: &Series, now: Instant) {
        let Some((measure, per_mille)) = self.question.quantile() else { return };
        let minute = now.minute();
        if self.edge.is_some_and(|(_, looked_up)| looked_up == minute) {
            return;
        }
        let mut sketch = Sketch::default();
        for window in series.over(Span { revision: 0, minute: Some(minute - EDGE_MINUTES) }) {
            let tally = window.tally(Variant::Legacy, self.question.endpoint.as_ref());
            if let Some(own) = tally.and_then(|tally| tally.sketch(&measure)) {
                sketch.merge(own);
            }
        }
        // Without legacy's traffic the last edge stays.
        if sketch.count() >= EDGE_MIN
            && let Some(bucket) = sketch.bucket_at(per_mille)
        {
            self.edge = Some((bucket, minute));
        }
    }
}
