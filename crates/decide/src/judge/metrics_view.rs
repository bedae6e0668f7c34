//! What is measured, as a condition asks for it: one metric, over one span, on one side.

use std::borrow::Cow;

use super::adoption::{self, OPTED_OUT, VIEW};
use super::term::Manner;
use crate::past::Pasts;
use crate::probes;
use crate::series::{Series, Span};
use crate::signals::{Signals, before};
use crate::sources::{fresh_for, heartbeat_of};
use tidegate_model::condition::metric::Source;
use tidegate_model::condition::{Metric, Window as Over};
use tidegate_model::figure::Missing;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::measured::{Measure, Sample, Sketch, Tally, Window};
use tidegate_model::minute::{DAY_MINUTES, MINUTE_MS};
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant, Minute, Name, Percentage};

/// What is measured may be this old before it says nothing any more, whatever the span.
const STALE_MS_MIN: i64 = 2 * MINUTE_MS;
const STALE_MS_MAX: i64 = 60 * MINUTE_MS;
/// The event that a page reports when its visitor has used what is new.
const USED: &str = "used";

/// A side of legacy that is smaller shows little beside new.
const ALONE_SHARE: f64 = 0.9;

/// One rollout at one moment.
pub struct MetricsView<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Its state.
    pub record: &'a Record,
    /// What was counted.
    pub series: &'a mut Series,
    /// What others reported.
    pub signals: &'a Signals,
    /// What bins did before.
    pub pasts: &'a Pasts,
    /// Configuration faults that isolates report.
    pub faults: u64,
    /// When something counted last came in.
    pub arrived_at: Option<Instant>,
    /// The time.
    pub now: Instant,
    /// How it is evaluated.
    pub manner: Manner,
    /// How long after a stage's entry nothing counts, for the condition that is read for.
    pub after: Option<Duration>,
}

/// A figure, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Shares as fractions, times in milliseconds.
    pub value: Result<f64, Missing>,
    /// On how many observations it rests.
    pub observations: f64,
}

impl Reading {
    const fn of(value: f64, observations: f64) -> Self {
        Self { value: Ok(value), observations }
    }

    const fn none(why: Missing) -> Self {
        Self { value: Err(why), observations: 0.0 }
    }

    fn ratio(part: f64, whole: f64) -> Self {
        if whole > 0.0 { Self::of(part / whole, whole) } else { Self::none(Missing::Nothing) }
    }
}

impl MetricsView<'_> {
    /// Whether the rollout sends anybody to new.
    pub fn serves(&self) -> bool {
        let live = &self.record.live;
        let is_exposed = match live.phase {
            Phase::Draft => false,
            Phase::Completed => true,
            Phase::Running | Phase::Paused | Phase::RolledBack => {
                live.percentage > Percentage::ZERO || !live.groups.is_empty()
            }
        };
        is_exposed && !live.killed && !self.record.is_waiting
    }

    /// Whether requests of users on legacy are copied to new.
    pub fn shadows(&self) -> bool {
        let live = &self.record.live;
        let index = self.plan.stage_index(live.stage.as_str()).unwrap_or_default();
        matches!(live.phase, Phase::Running | Phase::Paused)
            && !live.killed
            && !self.record.is_waiting
            && self.plan.shadow_share(index) > Percentage::ZERO
    }

    /// The share of subjects that the hash assigns to new; `None` unless it deals some out to either side.
    pub fn share(&self) -> Option<f64> {
        let live = &self.record.live;
        let dealt = dealt(live, self.plan.holdout);
        (self.serves() && live.phase != Phase::Completed && dealt > 0.0 && dealt < 1.0).then_some(dealt)
    }

    /// Whether so few or none are left on legacy that its last day has to stand in.
    pub fn is_alone(&self) -> bool {
        self.serves()
            && self.share().is_none_or(|share| share >= ALONE_SHARE)
            && (self.record.live.percentage > Percentage::ZERO || self.record.live.phase == Phase::Completed)
    }

    /// Whether nothing counts yet, so soon after the stage's entry.
    pub fn is_warming_up(&self, after: impl Into<Option<Duration>>) -> bool {
        after.into().is_some_and(|after| self.now < self.record.entered.plus(after))
    }

    /// Whether anybody comparable is on legacy.
    pub fn has_legacy(&self) -> bool {
        let live = &self.record.live;
        let is_left = live.left_behind().end.max(live.percentage.limit()) < Percentage::FULL.limit();
        live.phase != Phase::Completed && (is_left || self.plan.holdout > Percentage::ZERO)
    }

    /// Reads a metric of one side.
    pub fn read(&mut self, metric: &Metric, endpoint: Option<&Name>, over: Over, variant: Variant) -> Reading {
        match metric {
            Metric::Signal(name) => return self.signal(name, over),
            Metric::Percentage => {
                return Reading::of(
                    f64::from(self.record.live.percentage.limit()) / f64::from(Percentage::FULL.limit()),
                    1.0,
                );
            }
            Metric::Faults => return Reading::of(self.faults as f64, 1.0),
            Metric::Probe(name) => return self.probe(name, over, variant),
            _ => {}
        }
        if let Some(why) = self.stale(over) {
            return Reading::none(why);
        }
        if matches!(metric, Metric::Sessions | Metric::ErrorsPerSession) {
            return self.sessions(metric, over, variant);
        }
        let windows = self.windows(over);
        let gathered = Gathered { windows, variant, endpoint };
        gathered.read(metric)
    }

    /// The same of legacy, over the last day in which it had traffic.
    pub fn read_last_of_legacy(&self, metric: &Metric, endpoint: Option<&Name>) -> (Reading, Option<Instant>) {
        let has_traffic = |window: &&Window| {
            window.tally(Variant::Legacy, endpoint).is_some_and(|tally| tally.requests + tally.pages > 0)
        };
        let Some(end) = self.series.iter().filter(has_traffic).map(Window::end).max() else {
            return (Reading::none(Missing::NoLegacy), None);
        };
        let windows = self.series.over(Span { revision: 0, minute: Some(end - DAY_MINUTES) }).collect();
        let reading = Gathered { windows, variant: Variant::Legacy, endpoint }.read(metric);
        (reading, Some(end.start()))
    }

    /// Why nothing can be said, when nothing has come in for too long.
    fn stale(&self, over: Over) -> Option<Missing> {
        let Some(arrived_at) = self.arrived_at else { return Some(Missing::NothingYet) };
        let age_ms = self.now.ms_since(arrived_at);
        let limit_ms = (self.length_ms(over) / 4).clamp(STALE_MS_MIN, STALE_MS_MAX);
        (age_ms > limit_ms).then_some(Missing::Stale { age_ms })
    }

    /// How many different subjects have reported an event in this attempt, on either side.
    pub fn reporters(&mut self, event: &str) -> f64 {
        let window = self.series.since(self.record.begun_revision);
        let sample = window.events.iter().find(|(name, _)| name.as_str() == event).map(|(_, sample)| sample);
        sample.map_or(0.0, |sample| sample.distinct(|_| true))
    }

    /// How long a span is by now, in milliseconds.
    pub fn length_ms(&self, over: Over) -> i64 {
        let since = match over {
            Over::Last(duration) => return i64::try_from(duration.as_ms()).unwrap_or(i64::MAX),
            Over::Stage => self.record.entered,
            Over::Attempt => self.record.begun,
        };
        self.now.ms_since(since)
    }

    /// The first whole minute that counts, where something is left out after the stage's entry.
    fn warm(&self, over: Over) -> Option<Minute> {
        let since = if over == Over::Attempt { self.record.begun } else { self.record.entered };
        self.after.map(|after| since.plus(after).plus(Duration::minutes(1)).minute())
    }

    /// Since when a span measures; none reaches before the attempt.
    fn span(&self, over: Over) -> Span {
        let (begun, warm) = (self.record.begun_revision, self.warm(over));
        match over {
            Over::Stage => Span { revision: self.record.entered_revision.max(begun), minute: warm },
            Over::Attempt => Span { revision: begun, minute: warm },
            Over::Last(duration) => {
                // Whole minutes, the one under way included.
                let minutes = duration.as_ms().div_ceil(MINUTE_MS.unsigned_abs());
                let minute = self.now.minute() - minutes;
                Span { revision: begun, minute: Some(minute.max(warm.unwrap_or_default())) }
            }
        }
    }

    fn probe(&self, name: &Name, over: Over, variant: Variant) -> Reading {
        let Some(probe) = self.plan.probe(name.as_str()) else { return Reading::none(Missing::Nothing) };
        match probes::share(probe, variant, self.signals, self.begin_of(over), self.now) {
            Ok((share, rounds)) => Reading::of(share, rounds),
            Err(why) => Reading::none(why),
        }
    }

    /// When a span begins; none reaches before the attempt.
    fn begin_of(&self, over: Over) -> Instant {
        match over {
            Over::Last(duration) => before(self.now, duration.as_ms()).max(self.record.begun),
            Over::Stage => self.record.entered,
            Over::Attempt => self.record.begun,
        }
    }

    /// The windows of a span.
    fn windows(&mut self, over: Over) -> Vec<&Window> {
        match (over, self.span(over)) {
            // Kept up to date, however long it is.
            (Over::Stage | Over::Attempt, Span { revision, minute: None }) => vec![self.series.since(revision)],
            (_, span) => self.series.over(span).collect(),
        }
    }

    /// Sessions of a span, and what failed in them. They are found minute by minute, so no running sum has them.
    fn sessions(&self, metric: &Metric, over: Over, variant: Variant) -> Reading {
        let span = self.span(over);
        let sessions = self.series.sessions(span).of(variant);
        if *metric == Metric::Sessions {
            return Reading::of(sessions.round(), sessions);
        }
        let gathered = Gathered { windows: self.series.over(span).collect(), variant, endpoint: None };
        Reading::ratio(gathered.sum(|tally| tally.errors), sessions)
    }

    fn signal(&self, name: &Name, over: Over) -> Reading {
        let Some(signal) = self.plan.signals.get(name.as_str()) else {
            return Reading::none(Missing::NoSignal);
        };
        let last = self.signals.last(name.as_str());
        match (signal.kind, last) {
            (SignalKind::Gauge, _) => match gauge(self.plan, self.signals, name, self.now) {
                Ok(value) => Reading::of(value, 1.0),
                Err(why) => Reading::none(why),
            },
            (SignalKind::Count, None) => Reading::none(Missing::NoCount),
            (SignalKind::Count, last) => {
                if let Some(heartbeat) = heartbeat_of(self.plan, name.as_str())
                    && !last.is_some_and(|(at, _)| is_within(at, heartbeat, self.now))
                {
                    return Reading::none(Missing::silent(heartbeat));
                }
                Reading::of(self.signals.sum_since(name.as_str(), self.begin_of(over)), 1.0)
            }
        }
    }
}

/// A gauge's figure now, or why there is none.
pub(super) fn gauge(plan: &Plan, signals: &Signals, name: &Name, now: Instant) -> Result<f64, Missing> {
    if signals.blank_since(name.as_str()).is_some() {
        return Err(Missing::NoData);
    }
    let (at, value) = signals.last(name.as_str()).ok_or(Missing::NoGauge)?;
    let is_fresh = fresh_for(plan, name.as_str()).is_none_or(|limit| is_within(at, limit, now));
    if is_fresh { Ok(value) } else { Err(Missing::OldGauge { age_ms: now.ms_since(at) }) }
}

fn is_within(at: Instant, limit: Duration, now: Instant) -> bool {
    now.ms_since(at) <= i64::try_from(limit.as_ms()).unwrap_or(i64::MAX)
}

/// Of those who are compared, the share that the hash has on new: what a step down has left is compared on neither side.
fn dealt(live: &LiveState, holdout: Percentage) -> f64 {
    let share = |limit: u32| f64::from(limit) / f64::from(Percentage::FULL.limit());
    let in_play = 1.0 - share(holdout.limit());
    let left = share(live.left_behind().len() as u32);
    share(live.percentage.limit()) * in_play / (1.0 - left * in_play)
}

/// The windows of one span, on one side.
struct Gathered<'a> {
    windows: Vec<&'a Window>,
    variant: Variant,
    endpoint: Option<&'a Name>,
}

impl Gathered<'_> {
    fn sum(&self, count: impl Fn(&Tally) -> u64) -> f64 {
        // Not `sum`, whose sum of nothing is -0.
        self.windows
            .iter()
            .filter_map(|window| window.tally(self.variant, self.endpoint))
            .fold(0.0, |sum, tally| sum + count(tally) as f64)
    }

    fn sketch(&self, measure: &Measure) -> Cow<'_, Sketch> {
        let mut sketches =
            self.windows.iter().filter_map(|window| window.tally(self.variant, self.endpoint)?.sketch(measure));
        let Some(first) = sketches.next() else { return Cow::Owned(Sketch::default()) };
        let mut all = Cow::Borrowed(first);
        for sketch in sketches {
            all.to_mut().merge(sketch);
        }
        all
    }

    fn sample<'s>(&'s self, sample: impl Fn(&'s Window) -> Option<&'s Sample>) -> Cow<'s, Sample> {
        let mut samples = self.windows.iter().filter_map(|window| sample(window));
        let Some(first) = samples.next() else { return Cow::Owned(Sample::EMPTY) };
        let mut all = Cow::Borrowed(first);
        for sample in samples {
            all.to_mut().merge(sample);
        }
        all
    }

    fn reporters(&self, event: &str) -> Cow<'_, Sample> {
        self.sample(|window| window.events.iter().find(|(name, _)| name.as_str() == event).map(|(_, sample)| sample))
    }

    fn quantile(&self, measure: &Measure, per_mille: u16) -> Reading {
        let sketch = self.sketch(measure);
        match sketch.quantile(per_mille) {
            Some(value) => Reading::of(value, sketch.count() as f64),
            None => Reading::none(Missing::Nothing),
        }
    }

    /// The mean of the numbers that pages report under a name.
    fn mean(&self, name: &Name) -> Reading {
        let tallies = self.windows.iter().filter_map(|window| window.tally(self.variant, self.endpoint));
        let (sum, count) = tallies
            .map(|tally| tally.sum_of(name))
            .fold((0.0, 0_u64), |(sum, all), (own, count)| (sum + own, all.saturating_add(count)));
        Reading::ratio(sum, count as f64)
    }

    /// How many requests something came of, each subject or client counted once a minute: one that tries
    /// again and again makes no rate, and an outage is still one of 100 %.
    fn rate(&self, metric: &Metric, requests: f64) -> Reading {
        let Some(of) = metric.of_requests() else { return Reading::none(Missing::Nothing) };
        let repeats = self.sum(|tally| tally.repeats(&of)).min(requests);
        Reading::ratio((self.sum(|tally| tally.count(&of)) - repeats).max(0.0), requests - repeats)
    }

    fn read(&self, metric: &Metric) -> Reading {
        let is_new = self.variant == Variant::New;
        let spec = metric.spec();
        let requests = || self.sum(|tally| tally.requests);
        let observations = || if spec.is_from_browsers { self.sum(|tally| tally.pages) } else { requests() };
        let subjects = || self.sample(|window| Some(&window.subjects));
        match spec.source {
            Source::Rate(_) => return self.rate(metric, requests()),
            Source::Count(count) => return Reading::of(self.sum(count), observations()),
            Source::CopyShare(count) => return Reading::ratio(self.sum(count), self.sum(|tally| tally.shadowed)),
            Source::PageShare(count) => return Reading::ratio(self.sum(count), observations()),
            Source::Quantile(measure) => {
                let distribution = measure(metric).zip(metric.quantile());
                return distribution.map_or(Reading::none(Missing::Nothing), |(measure, quantile)| {
                    self.quantile(&measure, quantile.per_mille())
                });
            }
            Source::Mean => {
                return metric.name().map_or(Reading::none(Missing::Nothing), |name| self.mean(name));
            }
            Source::Subjects | Source::Stated => {}
        }
        match metric {
            Metric::Subjects => {
                let subjects = subjects();
                Reading::of(subjects.distinct(|seen| seen.is_new == is_new), subjects.distinct(|_| true))
            }
            Metric::Share => {
                let subjects = subjects();
                Reading::ratio(subjects.distinct(|seen| seen.is_new == is_new), subjects.distinct(|_| true))
            }
            Metric::Adoption => {
                let reporters = self.reporters(VIEW);
                let share = adoption::share(&reporters, &self.reporters(USED));
                share.map_or_else(
                    || Reading::none(Missing::NoPage),
                    |share| Reading::of(share, reporters.distinct(|_| true)),
                )
            }
            Metric::OptOutRate => {
                let (share, observations) = adoption::opted_out(&subjects(), &self.reporters(OPTED_OUT));
                share.map_or(Reading::none(Missing::Nothing), |share| Reading::of(share, observations))
            }
            Metric::Event(name) => Reading::ratio(
                self.reporters(name.as_str()).distinct(|seen| seen.is_new == is_new),
                subjects().distinct(|seen| seen.is_new == is_new),
            ),
            Metric::Reporters(name) => {
                let reporters = self.reporters(name.as_str()).distinct(|seen| seen.is_new == is_new);
                Reading::of(reporters, reporters)
            }
            // Read without windows, or above.
            _ => Reading::none(Missing::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    #[test]
    fn the_share_that_is_compared_leaves_out_what_a_step_down_has_left() {
        let text = r#"{"key":"shop","routes":["/*"],"keep":"used","upstreams":{"legacy":"https://l.example","new":"https://n.example"},"stage":[{"name":"full","percentage":100}]}"#;
        let plan = read_rollout(text).unwrap_or_else(|_| unreachable!());
        let percent = |text: &str| text.parse::<Percentage>().unwrap_or_default();
        let now = Instant::from_epoch_ms(0);
        let at = |percentages: &[&str]| {
            let draft = LiveState { phase: Phase::Running, ..LiveState::draft(&plan) };
            let step = |live, text: &&str| LiveState { percentage: percent(text), ..live }.reaching(&plan, now);
            percentages.iter().fold(draft, step)
        };
        for (percentages, holdout, share) in [
            (&["50"][..], "0", 0.5),
            (&["50", "10"][..], "0", 0.1 / 0.6),
            (&["50", "10", "25"][..], "0", 0.25 / 0.75),
            (&["50", "10", "60"][..], "0", 0.6),
            (&["50", "0", "10"][..], "0", 0.1),
            (&["100", "10"][..], "0", 1.0),
            (&["100", "10"][..], "20", 0.08 / 0.28),
        ] {
            let found = dealt(&at(percentages), percent(holdout));
            assert!((found - share).abs() < 1e-12, "{percentages:?} {holdout}: {found}");
        }
    }
}
