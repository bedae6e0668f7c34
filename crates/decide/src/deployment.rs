//! All rollouts of a deployment as the controller holds them, and what becomes of each command.
//!
//! A change is made in two steps, so that nothing is ever known here that is not stored: a rollout's
//! `change` works it out and leaves everything as it is; once it is committed, `accept` takes it in.

use std::borrow::Cow;
use std::rc::Rc;

use super::broke;
use super::hooks::Hooks;
use super::judge::term::Manner;
use super::judge::{Evaluation, Judgement, Verdict};
use super::metrics::{MetricsOfAll, RolloutMetrics};
use super::offers::{Offers, offers};
use super::problems;
use super::rollout::{Change, Order, Rollout};
use super::schedule::{Facts, Outlook, failing_gates, is_held, outlook};
use super::transition::Refusal;
use tidegate_model::calendar::Window;
use tidegate_model::command::Command;
use tidegate_model::history::{EntryCause, GatesLeft};
use tidegate_model::plan::{Plan, ProblemKind, Response};
use tidegate_model::record::Record;
use tidegate_model::{Instant, Name};

/// The actor of what the plan asks for.
pub const SCHEDULE: &str = "schedule";

/// All rollouts of a deployment.
#[derive(Default)]
pub struct Deployment {
    /// The plans' revision.
    pub plans: u64,
    /// The revision of the plans that KV holds.
    pub plans_published: u64,
    /// In the order of their keys.
    pub rollouts: Rollouts,
    /// What was measured of them.
    pub metrics: MetricsOfAll,
    /// How they are evaluated.
    pub manner: Manner,
    /// Whether hooks count as having said go, as in a simulated life, which asks nobody.
    pub hooks_say_go: bool,
    /// When no rollout advances, beside what their plans say.
    pub freeze: Vec<Window>,
}

/// Rollouts in the order of their keys.
#[derive(Default)]
pub struct Rollouts(Vec<Rollout>);

impl Rollouts {
    fn find(&self, key: &Name) -> Result<usize, usize> {
        self.0.binary_search_by(|rollout| rollout.plan.key.cmp(key))
    }

    /// The rollout with this key.
    pub fn get(&self, key: &Name) -> Option<&Rollout> {
        self.find(key).ok().and_then(|index| self.0.get(index))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &Name) -> Option<&mut Rollout> {
        let index = self.find(key).ok()?;
        self.0.get_mut(index)
    }

    /// Takes a rollout in, in the place of the one with its key.
    pub fn insert(&mut self, rollout: Rollout) {
        match self.find(&rollout.plan.key) {
            Ok(index) => {
                if let Some(slot) = self.0.get_mut(index) {
                    *slot = rollout;
                }
            }
            Err(index) => self.0.insert(index, rollout),
        }
    }

    /// Takes the rollout with this key out.
    pub fn remove(&mut self, key: &Name) {
        if let Ok(index) = self.find(key) {
            self.0.remove(index);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Rollout> {
        self.0.iter()
    }

    /// All of them, to be changed in anything but their keys.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Rollout> {
        self.0.iter_mut()
    }

    /// Their keys.
    pub fn keys(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|rollout| &rollout.plan.key)
    }
}

impl Deployment {
    /// Takes in a change that has been stored.
    pub fn accept(&mut self, change: Change) {
        let record = &change.rollout.record;
        if record.begun_revision == record.live.revision {
            self.metrics.get_mut(&change.key).signals.begin(record.begun);
        }
        self.rollouts.insert(change.rollout);
    }

    /// What the schedule knows of the others, and of the figures.
    pub fn facts(&self, rollout: &Rollout) -> Facts {
        let has_ended = |name: &Name| self.rollouts.get(name).is_some_and(|other| other.record.live.has_ended());
        let awaited = rollout.plan.after.iter().filter(|name| !has_ended(name)).cloned().collect();
        let evaluation = self.look_at(rollout);
        let gates =
            evaluation.map_or_else(Vec::new, |evaluation| evaluation.gates.iter().map(|gate| gate.verdict).collect());
        let unfair = evaluation
            .and_then(|evaluation| evaluation.sample_ratio.as_ref())
            .filter(|ratio| ratio.verdict == Verdict::Fail && rollout.plan.response(ProblemKind::Srm) == Response::Hold)
            .map(|ratio| ratio.text.clone());
        let metrics = self.metrics.get(&rollout.plan.key).filter(|_| !rollout.plan.hooks.is_empty());
        let hooks = match metrics {
            _ if self.hooks_say_go || rollout.plan.hooks.is_empty() => Vec::new(),
            Some(metrics) => metrics.hooks.open(&rollout.plan, &rollout.record),
            None => Hooks::default().open(&rollout.plan, &rollout.record),
        };
        let held = evaluation.map_or(&[][..], |evaluation| &evaluation.problems).iter();
        let held = held.filter(|own| own.then == Response::Hold && own.kind != ProblemKind::Srm);
        let held = held.map(|own| (own.kind, own.text.clone())).collect();
        Facts { awaited, gates, unfair, held, hooks }
    }

    /// What becomes of a rollout under a person's order. Nobody completes a rollout whose gates fail, unless they
    /// name it.
    ///
    /// # Errors
    /// With the reason, when the command is refused.
    pub fn change(&self, rollout: &Rollout, order: Order, now: Instant) -> Result<Change, Refusal> {
        let completes = order.command == Command::Complete(None);
        let order = match self.metrics.get(&rollout.plan.key) {
            Some(metrics) => with_what_broke(order, rollout, metrics, now),
            None => order,
        };
        let mut change = match self.in_force(rollout) {
            Cow::Borrowed(_) => rollout.change(order, now)?,
            Cow::Owned(plan) => Rollout { plan: Rc::new(plan), ..rollout.clone() }.change(order, now)?,
        };
        change.rollout.plan = Rc::clone(&rollout.plan);
        match self.against_completion(rollout, now).filter(|_| completes) {
            Some(refusal) => Err(refusal),
            None => Ok(change),
        }
    }

    /// What people may ask of a rollout now, and what not.
    pub fn offers(&self, rollout: &Rollout, now: Instant) -> Offers {
        let against_completion = self.against_completion(rollout, now);
        offers(
            &self.in_force(rollout),
            &rollout.record,
            against_completion.as_ref(),
            |command| rollout.allows(command),
            now,
        )
    }

    /// What the figures say against completing a rollout.
    fn against_completion(&self, rollout: &Rollout, now: Instant) -> Option<Refusal> {
        let failing = failing_gates(&rollout.plan, &rollout.record, &self.facts(rollout), now);
        (!failing.is_empty()).then(|| Refusal::Unconfirmed(rollout.plan.key.clone(), Box::new(Refusal::Gates(failing))))
    }

    /// The last look at a rollout, if that was in its present stage.
    pub fn look_at(&self, rollout: &Rollout) -> Option<&Evaluation> {
        let evaluation = self.metrics.get(&rollout.plan.key).and_then(|metrics| metrics.last.as_ref())?;
        let record = &rollout.record;
        (evaluation.revision >= record.entered_revision && evaluation.revision >= record.exposed_revision)
            .then_some(evaluation)
    }

    /// Looks at every rollout, and returns what guardrails ask for. `faults` counts the configuration
    /// faults that isolates report of one.
    pub fn evaluate(&mut self, faults: impl Fn(&Name) -> u64, now: Instant) -> Vec<(Name, Order)> {
        let mut orders = Vec::new();
        self.metrics.bound_bins();
        for rollout in self.rollouts.iter().filter(|rollout| rollout.unread.is_none()) {
            let key = &rollout.plan.key;
            let metrics = self.metrics.get_mut(key);
            metrics.manner = self.manner;
            let plan = with_days_off(&self.freeze, rollout);
            let evaluation = metrics.evaluate(&plan, &rollout.record, faults(key), now);
            let order = evaluation.order().cloned();
            let asked = problems::look(rollout, metrics, faults(key), order.is_none(), now);
            let order = order.or(asked).map(|order| with_what_broke(order, rollout, metrics, now));
            let order = order.or_else(|| rollout.deployed(&metrics.versions, now));
            orders.extend(order.map(|order| (key.clone(), order)));
            metrics.note_evidence(&rollout.plan, &rollout.record, now);
        }
        orders
    }

    /// What happens next to a rollout.
    pub fn outlook(&self, rollout: &Rollout, now: Instant) -> Outlook {
        outlook(&self.in_force(rollout), &rollout.record, &self.facts(rollout), now)
    }

    /// A rollout's plan with the freeze of the whole deployment in it.
    pub fn in_force<'r>(&self, rollout: &'r Rollout) -> Cow<'r, Plan> {
        with_freeze(&self.freeze, rollout)
    }

    /// A rollout's plan with the freeze of the whole deployment in it, where its messages ask for business days.
    pub(crate) fn with_days_off<'r>(&self, rollout: &'r Rollout) -> Cow<'r, Plan> {
        with_days_off(&self.freeze, rollout)
    }

    /// What the schedule wants done now, of any rollout.
    pub fn due(&self, now: Instant) -> Option<(Name, Order)> {
        let open = |rollout: &&Rollout| !is_held(&rollout.plan, &rollout.record, now);
        self.readable().filter(open).find_map(|rollout| {
            let command = self.outlook(rollout, now).due?;
            let gates = self.look_at(rollout).map_or(&[][..], |evaluation| &evaluation.gates);
            let cause = cause(&rollout.plan, &rollout.record, &command, gates);
            let measured = gates.iter().flat_map(|gate| gate.figures.iter().cloned()).collect();
            Some((rollout.plan.key.clone(), Order::caused(command, SCHEDULE, cause, measured)))
        })
    }

    /// When the schedule must look again, because of the time alone.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        self.readable().filter_map(|rollout| self.outlook(rollout, now).wake).min()
    }

    /// The rollouts on whose plans one can act.
    fn readable(&self) -> impl Iterator<Item = &Rollout> {
        self.rollouts.iter().filter(|rollout| rollout.unread.is_none())
    }
}

/// An order that takes something back, with what broke.
fn with_what_broke(order: Order, rollout: &Rollout, metrics: &RolloutMetrics, now: Instant) -> Order {
    let takes_back = matches!(order.command, Command::Rollback(_) | Command::Kill(_))
        || order.cause != EntryCause::Operator && matches!(order.command, Command::Set(_) | Command::Pause);
    let is_known = order.broke.is_some() || rollout.unread.is_some() || !takes_back;
    let broke = if is_known { order.broke } else { broke::of(&rollout.plan, &rollout.record, metrics, now) };
    Order { broke, ..order }
}

/// What the schedule has found.
fn cause(plan: &Plan, record: &Record, command: &Command, gates: &[Judgement]) -> EntryCause {
    let stage = &record.live.stage;
    let hold = plan.stage_index(stage.as_str()).and_then(|index| plan.stages.get(index)).and_then(|stage| stage.hold);
    let (stage, hold, after) = match command {
        Command::Start => (None, None, Vec::new()),
        Command::Release | Command::Wait => (None, None, plan.after.iter().map(ToString::to_string).collect()),
        _ => (Some(stage.to_string()), hold.map(|hold| hold.to_string()), Vec::new()),
    };
    let undecided = gates.iter().filter(|own| own.is_let_through()).count();
    let gates = stage.is_some().then(|| GatesLeft { met: gates.len() - undecided, undecided });
    EntryCause::Schedule { stage, hold, after, gates }
}
/// A rollout's plan with the freeze of the whole deployment in it.
fn with_freeze<'r>(freeze: &[Window], rollout: &'r Rollout) -> Cow<'r, Plan> {
    if freeze.is_empty() {
        return Cow::Borrowed(&rollout.plan);
    }
    let freeze = rollout.plan.freeze.iter().chain(freeze).cloned().collect();
    Cow::Owned(Plan { freeze, ..rollout.plan.as_ref().clone() })
}

/// The same where messages ask for business days. Every look needs it, and most plans need no copy.
fn with_days_off<'r>(freeze: &[Window], rollout: &'r Rollout) -> Cow<'r, Plan> {
    let asks = rollout.plan.notices.iter().any(|notice| notice.at.waits_for_business_day());
    with_freeze(if asks { freeze } else { &[] }, rollout)
}
