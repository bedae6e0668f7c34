//! Judges what was measured: guardrails, gates, and whether users are split as the percentage says.
//!
//! A condition is true, false, or nobody can tell. Nobody can tell without figures, with too few, with
//! old ones, or where a clock has jumped; and what nobody can tell neither advances nor rolls back.
//! Every judgement carries the figures that it rests on, and [`crate::explain`] says them in a sentence.

pub mod adoption;
mod against;
pub mod alone;
pub mod by_bin;
mod by_slice;
pub mod comparing;
pub mod guard;
mod ingest;
pub mod metrics_view;
pub mod notifications;
mod own_past;
pub mod ratio;
pub mod sharing;
mod stored;
mod stored_bins;
pub mod term;
pub mod words;

pub use guard::{Fired, GUARDRAIL};
pub use tidegate_model::figure::Figure;

use serde::{Deserialize, Serialize};

use self::comparing::ComparisonTracker;
use self::guard::guardrail_key;
use self::metrics_view::MetricsView;
use self::notifications::{Message, Notifications};
use self::ratio::Ratio;
use self::sharing::levels;
use self::term::{Evaluator, Truth};
use super::binned::BinnedComparison;
use super::explain;
use super::firsts::Firsts;
use super::notify::Memory;
use super::problems::{Found, Lasting};
use super::rollout::Order;
use tidegate_model::condition::{Condition, Term};
use tidegate_model::figure::{Basis, Because, Counted, Missing, Stands, Unit};
use tidegate_model::measured::SlicedCounts;
use tidegate_model::plan::{ALPHA_DEFAULT, Gate, Guardrail, Plan};
use tidegate_model::record::Record;
use tidegate_model::{Duration, Instant};

/// What a condition says of the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A gate's condition is true, a guardrail's is false.
    Pass,
    /// A gate's condition is false, a guardrail's is true.
    Fail,
    /// Not enough data, which is never a pass and never a fail.
    #[default]
    #[serde(other)]
    Inconclusive,
}

impl Verdict {
    /// The verdict's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A verdict and what it rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when it has been this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// Why, in a sentence.
    pub text: String,
    /// The figures, one for each comparison.
    pub figures: Vec<Figure>,
}

impl Judgement {
    /// Whether a gate passes although its comparison cannot tell: it asks only that new is not shown to be worse.
    pub fn is_let_through(&self) -> bool {
        let is_undecided = |own: &Figure| own.because == Because::NotShownWorse && own.stands == Some(Stands::Unclear);
        self.verdict == Verdict::Pass && self.figures.iter().any(is_undecided)
    }
}

/// One look at a rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// When.
    pub at: Option<Instant>,
    /// The revision of the state that was looked at.
    pub revision: u64,
    /// By guardrail in force: the plan's own, then those that are built in.
    pub guardrails: Vec<Judgement>,
    /// By gate of the current stage.
    pub gates: Vec<Judgement>,
    /// Whether users are split as the percentage says; `None` where they are not split.
    pub sample_ratio: Option<Judgement>,
    /// Where nobody is on legacy: whether new's rates are still what they were at this time of day, one for each.
    pub own_past: Vec<Judgement>,
    /// What makes the figures worth less.
    pub problems: Vec<Found>,
    /// The guardrails that came true at this look, the severest first.
    pub fired: Vec<Fired>,
    /// What people are to be reported since the look before.
    pub messages: Vec<Message>,
}

impl Evaluation {
    /// What the severest guardrail asks for.
    pub fn order(&self) -> Option<&Order> {
        self.fired.iter().find_map(|fired| fired.order.as_ref())
    }
}

/// What a judge has to remember from one look to the next.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// The revision that began the attempt that all this is about.
    begun_revision: u64,
    /// The evidence of each comparison.
    pub gatherings: Vec<ComparisonTracker>,
    /// The percentage under which the bins were last weighed, by the revision that set it.
    weighed_revision: Option<u64>,
    /// The subjects that have failed.
    firsts: Vec<Firsts>,
    /// Since when each condition of time has been true, and when that was last seen.
    held: Vec<(String, Instant, Instant)>,
    /// Guardrails that are true, and so do not fire again.
    fired: Vec<String>,
    /// The guardrails that only observe and would have acted in this attempt: when they last came true.
    observed: Vec<(String, Instant)>,
    /// The problems that there are.
    pub problems: Vec<Lasting>,
    /// Since when each verdict has been what it is.
    since: Vec<(String, Verdict, Instant)>,
    /// The revision of which those are: with another one there may be another plan, or another stage.
    since_revision: Option<u64>,
    /// What has been sent in this attempt.
    notifications: Notifications,
    /// What has been reported to channels.
    pub notified: Memory,
    /// The stretch in which a sample ratio mismatch was shown.
    unfair_revision: Option<u64>,
    /// The last look.
    looked_at: Option<Instant>,
}

impl Judge {
    /// Looks at everything. `arrived` is what came in since the last look, by revision.
    pub fn evaluate(&mut self, metrics_view: &mut MetricsView<'_>, arrived: &[(u64, SlicedCounts)]) -> Evaluation {
        let now = metrics_view.now;
        let (plan, record) = (metrics_view.plan, metrics_view.record);
        if self.looked_at.is_some_and(|last| last > now) {
            // The clock has jumped back: what was measured then is of the future.
            self.held.clear();
        }
        let (of_guardrails, of_gates) = self.begin(plan, record, metrics_view.pasts);
        self.take(metrics_view, arrived);
        let alpha = plan.alpha.unwrap_or(ALPHA_DEFAULT);
        // Those of guardrails come first.
        let log_e: Vec<f64> = self.gatherings.iter().take(of_guardrails).map(ComparisonTracker::log_e_ready).collect();
        let mut evaluation = Evaluation { at: Some(now), revision: record.live.revision, ..Evaluation::default() };
        let mut evaluator = Evaluator {
            metrics_view,
            gatherings: &self.gatherings,
            held: &mut self.held,
            alphas: levels(&log_e, alpha),
            then: None,
        };
        evaluation.guardrails = plan
            .guardrails_in_force()
            .map(|guardrail| match watched(&mut evaluator, guardrail) {
                judgement if judgement.verdict == Verdict::Fail => in_words(&mut evaluator, guardrail, judgement),
                judgement => judgement,
            })
            .collect();
        evaluator.alphas = vec![alpha / (of_gates / 2).max(1) as f64; self.gatherings.len()];
        let stage = plan.stage_index(record.live.stage.as_str());
        evaluation.gates = stage.map_or_else(Vec::new, |stage| {
            plan.gates_in_force(stage).map(|gate| passed(&mut evaluator, gate)).collect()
        });
        evaluation.sample_ratio = self.sample_ratio(metrics_view);
        evaluation.own_past = own_past::judged(&self.gatherings, metrics_view);
        self.fire(plan, record, &mut evaluation, now);
        self.note_since(plan, record, &mut evaluation, now);
        evaluation.messages = self.notifications.due(plan, record, &evaluation, &self.fired, now);
        for index in 0..self.gatherings.len() {
            let (before, rest) = self.gatherings.split_at_mut(index);
            let Some(gathering) = rest.first_mut() else { continue };
            match before.iter().find(|other| other.question.has_edge_of(&gathering.question)) {
                Some(other) => gathering.edge = other.edge,
                None => gathering.look_up_edge(metrics_view.series, now),
            }
        }
        self.held.retain(|(_, _, seen)| *seen == now);
        self.looked_at = Some(now);
        evaluation
    }

    /// How much memory bins take, in bytes.
    pub fn bins_bytes(&self) -> usize {
        self.gatherings.iter().filter_map(|own| own.binned.as_ref()).map(BinnedComparison::bytes).sum()
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.gatherings.len() * size_of::<ComparisonTracker>() + self.bins_bytes()
    }

    fn sample_ratio(&mut self, metrics_view: &mut MetricsView<'_>) -> Option<Judgement> {
        let expected = metrics_view.share()?;
        let revision = metrics_view.record.exposed_revision;
        let (halvings, legacy, new) = metrics_view.series.since(revision).subjects.dealt();
        let ratio = Ratio::of(halvings, legacy, new, expected);
        if ratio.is_shown() {
            self.unfair_revision = Some(revision);
        }
        let is_mismatch = self.unfair_revision == Some(revision);
        let (observed, total) = (ratio.observed(), (legacy + new) as f64);
        let (verdict, because) = match (is_mismatch, legacy + new) {
            (true, _) => (Verdict::Fail, Because::Significant),
            (false, 0) => (Verdict::Inconclusive, Because::Missing { why: Missing::NothingYet }),
            (false, _) => (Verdict::Pass, Because::NotSignificant),
        };
        let mut figure = Figure {
            metric: "share".into(),
            unit: Unit::Share,
            value: Some(observed),
            bound: expected,
            basis: Basis::SampleRatio,
            of: Counted::Users,
            observations: total,
            e_value: Some(ratio.log_e.exp()),
            e_needed: Some(ratio.log_e_needed.exp()),
            because,
            ..Figure::default()
        };
        // What holds a rollout is reported to people.
        if metrics_view.manner.explains || verdict == Verdict::Fail {
            figure.text = explain::figure(&figure);
        }
        Some(Judgement { verdict, since: None, text: figure.text.clone(), figures: vec![figure] })
    }

    fn note_since(&mut self, plan: &Plan, record: &Record, evaluation: &mut Evaluation, now: Instant) {
        let count = evaluation.guardrails.len() + evaluation.gates.len();
        let is_known = self.since.len() == count && self.since_revision == Some(record.live.revision);
        self.since_revision = Some(record.live.revision);
        if is_known {
            let judgements = evaluation.guardrails.iter_mut().chain(&mut evaluation.gates);
            for ((_, verdict, since), judgement) in self.since.iter_mut().zip(judgements) {
                if *verdict != judgement.verdict {
                    (*verdict, *since) = (judgement.verdict, now);
                }
                judgement.since = Some(*since);
            }
            return;
        }
        let guardrails =
            plan.guardrails_in_force().enumerate().map(|(index, guardrail)| guardrail_key(index, guardrail));
        let gates = (0..evaluation.gates.len()).map(|index| format!("gate {index} of {}", record.live.stage));
        let keys: Vec<String> = guardrails.chain(gates).collect();
        let mut stored = Vec::with_capacity(keys.len());
        for (key, judgement) in keys.into_iter().zip(evaluation.guardrails.iter_mut().chain(&mut evaluation.gates)) {
            let known = self.since.iter().find(|(own, verdict, _)| *own == key && *verdict == judgement.verdict);
            let since = known.map_or(now, |(_, _, since)| *since);
            judgement.since = Some(since);
            stored.push((key, judgement.verdict, since));
        }
        self.since = stored;
    }
}

/// What a guardrail says now: `fail` where its condition is true.
fn watched(evaluator: &mut Evaluator<'_, '_>, guardrail: &Guardrail) -> Judgement {
    let stage = &evaluator.metrics_view.record.live.stage;
    if !guardrail.stages.is_empty() && !guardrail.stages.contains(stage) {
        return Judgement { text: explain::not_watched(stage.as_str()), ..Judgement::default() };
    }
    let is_of_copies = guardrail.when.terms.iter().all(|term| term.metric.is_of_shadow());
    let is_measured = evaluator.metrics_view.serves() || is_of_copies && evaluator.metrics_view.shadows();
    if !is_measured {
        return Judgement { text: explain::NOBODY_ON_NEW.into(), ..Judgement::default() };
    }
    evaluator.then = Some(guardrail.does());
    let judgement = judged(evaluator, &guardrail.when, guardrail.after, false);
    evaluator.then = None;
    judgement
}

/// The same with its words, where it has none yet: what comes true is reported to people.
fn in_words(evaluator: &mut Evaluator<'_, '_>, guardrail: &Guardrail, judgement: Judgement) -> Judgement {
    if std::mem::replace(&mut evaluator.metrics_view.manner.explains, true) {
        return judgement;
    }
    let judgement = watched(evaluator, guardrail);
    evaluator.metrics_view.manner.explains = false;
    judgement
}

/// What a gate says now: `pass` where its condition is true.
fn passed(evaluator: &mut Evaluator<'_, '_>, gate: &Gate) -> Judgement {
    judged(evaluator, &gate.when, gate.after, true)
}

fn judged(
    evaluator: &mut Evaluator<'_, '_>,
    condition: &Condition,
    after: Option<Duration>,
    is_gate: bool,
) -> Judgement {
    if let Some(after) = after.filter(|_| evaluator.metrics_view.is_warming_up(after)) {
        return Judgement { text: explain::warming_up(&after.to_string()), ..Judgement::default() };
    }
    evaluator.metrics_view.after = after;
    let explains = evaluator.metrics_view.manner.explains;
    let mut answer = |term: &Term| {
        let (truth, mut figure) = if is_gate { evaluator.gate(term) } else { evaluator.guardrail(term) };
        if explains {
            figure.text = explain::figure(&figure);
        }
        (truth, figure)
    };
    let answers: Vec<(Truth, Figure)> = condition.terms.iter().map(&mut answer).collect();
    let has = |wanted: Truth| answers.iter().any(|(truth, _)| *truth == wanted);
    let truth = if has(Truth::False) {
        Truth::False
    } else if has(Truth::Unknown) {
        Truth::Unknown
    } else {
        Truth::True
    };
    let verdict = match (truth, is_gate) {
        (Truth::Unknown, _) => Verdict::Inconclusive,
        (Truth::True, true) | (Truth::False, false) => Verdict::Pass,
        (Truth::True, false) | (Truth::False, true) => Verdict::Fail,
    };
    evaluator.metrics_view.after = None;
    // The terms that made it what it is; all of them where all had to hold.
    let texts: Vec<&str> =
        answers.iter().filter(|(own, _)| *own == truth).map(|(_, figure)| figure.text.as_str()).collect();
    Judgement {
        verdict,
        since: None,
        text: texts.join("; "),
        figures: answers.into_iter().map(|(_, figure)| figure).collect(),
    }
}
