//! The one door through which every change of a rollout goes: an operator's, the schedule's, KV's.
//!
//! Total and pure: the same record, command and time give the same record, so a history can be replayed. What never
//! changes, whatever the command:
//!
//! 1. A revision is one more than the last.
//! 2. A kill and a rollback are possible from every phase.
//! 3. The percentage falls by a rollback, a `set` or the first stage of a new attempt alone; a kill leaves it as it is.
//! 4. A hold runs only while the rollout is running, not killed and not waiting for another one; whatever interrupts it
//!    makes it start over.
//! 5. So does another version of new, with the figures and the evidence, unless the plan has `redeploy = "continue"`.
//! 6. An operator may go around the hold and the gates, which are the clock's and the figures' part; what people have
//!    agreed upon (checklist, `start`, freeze, `enter`) only a `set` goes around. A `complete` with the rollout's key
//!    goes around the checklist.
//! 7. What stands in a history was allowed by the rules of its day, so [`replayed`] asks less.

pub mod amend;
mod complete;
pub mod refusal;
mod time;
mod version;

pub use refusal::Refusal;

use super::judge::GUARDRAIL;
use super::reconcile::isolate::held_at;
use tidegate_model::command::{Cause, Command, Setting, Target};
use tidegate_model::live::{Adopted, LiveState, Phase};
use tidegate_model::plan::Plan;
use tidegate_model::record::{Approval, Checklist, Record, Sent};
use tidegate_model::{Instant, Name, Percentage};

/// The actor of what stands in KV.
pub const KV: &str = "kv";

/// The record after a command, under `plan` (of an `apply`, the new one).
///
/// # Errors
/// With the reason, when the command is refused.
pub fn transition(
    plan: &Plan,
    record: &Record,
    command: &Command,
    actor: &str,
    now: Instant,
) -> Result<Record, Refusal> {
    moved(&Moving { plan, last: record, now, is_asked: true }, command, actor)
}

/// The record after a command of its history.
///
/// # Errors
/// With the reason, when no version would have accepted it.
pub fn replayed(plan: &Plan, record: &Record, command: &Command, actor: &str, now: Instant) -> Result<Record, Refusal> {
    moved(&Moving { plan, last: record, now, is_asked: false }, command, actor)
}

fn moved(moving: &Moving<'_>, command: &Command, actor: &str) -> Result<Record, Refusal> {
    let &Moving { last: record, now, .. } = moving;
    let mut next = match command {
        Command::Start => moving.start()?,
        Command::Advance => moving.advance()?,
        Command::Set(setting) => moving.set(setting),
        Command::Pause => moving.pause()?,
        Command::Resume(stage) => moving.resume(stage.as_ref())?,
        Command::Rollback(target) => moving.rollback(*target)?,
        Command::Kill(cause) => moving.kill(cause),
        Command::Revive(cause) => moving.revive(cause, actor)?,
        Command::Approve(item) => moving.approve(item, actor)?,
        Command::Complete(confirm) => moving.complete(confirm.as_ref())?,
        Command::Note => record.clone(),
        Command::Deployed(version) => moving.deployed(version, actor),
        Command::Apply { plan, .. } => moving.apply(*plan)?,
        Command::TakeOver(state) => moving.take_over(state),
        Command::Release | Command::Wait => moving.waiting(matches!(command, Command::Wait)),
        Command::End => moving.end()?,
    };
    next.live = LiveState { revision: record.live.revision.saturating_add(1), ..next.live }.reaching(moving.plan, now);
    let live = &mut next.live;
    if let Some(text) = command.kv_text() {
        live.kv = Some(Adopted { text: text.to_owned(), at: now });
    }
    live.killed = next.is_killed || next.kill_key.is_some();
    if is_alike(live, &record.live) {
        live.since = record.live.since;
    } else {
        (live.since, next.exposed_revision) = (now, live.revision);
    }
    let has_begun =
        (record.live.phase == Phase::Draft && live.phase != Phase::Draft) || live.attempt != record.live.attempt;
    if has_begun || live.stage != record.live.stage {
        (next.entered, next.entered_revision) = (now, live.revision);
    }
    next.been = been(record.been.as_deref(), command, &live.stage, has_begun);
    // What another build has shown says nothing of this one.
    let is_other_build = moving.is_other_build(live, actor);
    if is_other_build {
        (next.entered, next.entered_revision, next.exposed_revision) = (now, live.revision, live.revision);
    }
    // What was deployed before has had its start.
    next.is_deployed &= live.phase == Phase::Draft;
    if has_begun || is_other_build {
        (next.begun, next.begun_revision) = (now, live.revision);
    }
    if live.attempt != record.live.attempt {
        next.approvals.retain(|approval| approval.of == Checklist::Start);
        next.sent.clear();
    }
    next.acted = acted(record.acted, command, actor, now);
    next.held_since = held_since(&next, record, now).map(|since| if is_other_build { now } else { since });
    Ok(next)
}

/// The stages that the attempt has been in.
fn been(last: Option<&[Name]>, command: &Command, stage: &Name, has_begun: bool) -> Option<Vec<Name>> {
    if matches!(command, Command::TakeOver(_)) {
        // Where it was before that is not known.
        return None;
    }
    let last = if has_begun { &[][..] } else { last? };
    let new = (!last.contains(stage)).then_some(stage);
    Some(last.iter().chain(new).cloned().collect())
}

/// When a guardrail acted, until somebody lets the rollout go on.
fn acted(last: Option<Instant>, command: &Command, actor: &str, now: Instant) -> Option<Instant> {
    let goes_on = matches!(
        command,
        Command::Start
            | Command::Advance
            | Command::Set(_)
            | Command::Resume(_)
            | Command::Revive(_)
            | Command::Complete(_)
    );
    if actor == GUARDRAIL { Some(now) } else { last.filter(|_| !goes_on) }
}

/// Whether two states expose the same subjects to the same side.
fn is_alike(one: &LiveState, other: &LiveState) -> bool {
    let key = |state: &LiveState| {
        (state.phase, state.killed, state.attempt, state.stage.clone(), state.percentage, state.groups.clone())
    };
    key(one) == key(other)
}

struct Moving<'a> {
    plan: &'a Plan,
    last: &'a Record,
    now: Instant,
    /// Asked for now, and not read from a history.
    is_asked: bool,
}

impl Moving<'_> {
    fn phase(&self) -> Phase {
        self.last.live.phase
    }

    /// The last record with another live state, which has not ended.
    fn with(&self, live: LiveState) -> Record {
        Record { live: LiveState { ended: false, ..live }, ..self.last.clone() }
    }

    fn in_stage(&self, index: usize, percentage: Percentage) -> LiveState {
        let stage =
            self.plan.stages.get(index).map_or_else(|| self.last.live.stage.clone(), |stage| stage.name.clone());
        LiveState {
            phase: Phase::Running,
            stage,
            percentage,
            groups: self.plan.groups_through(index),
            ..self.last.live.clone()
        }
    }

    /// The index of the current stage; the first for one that the plan has lost.
    fn index(&self) -> usize {
        self.plan.stage_index(self.last.live.stage.as_str()).unwrap_or(0)
    }

    fn percentage_of(&self, index: usize) -> Percentage {
        self.plan.stages.get(index).map_or(self.last.live.percentage, |stage| stage.percentage)
    }

    fn is_not_killed(&self) -> Result<(), Refusal> {
        if self.last.live.killed { Err(Refusal::Killed) } else { Ok(()) }
    }

    fn is_checked(&self) -> Result<(), Refusal> {
        let Some(of) = self.last.checklist(self.plan) else { return Ok(()) };
        let open = self.last.open_items(&of, self.plan);
        if open.is_empty() { Ok(()) } else { Err(Refusal::Checklist(of, open)) }
    }

    fn start(&self) -> Result<Record, Refusal> {
        match self.phase() {
            Phase::Draft => {}
            phase @ Phase::RolledBack => return Err(Refusal::Phase(phase, "`resume` starts the next attempt")),
            phase @ Phase::Paused => return Err(Refusal::Phase(phase, "`resume` goes on")),
            phase @ (Phase::Running | Phase::Completed) => {
                return Err(Refusal::Phase(phase, "only a draft can be started"));
            }
        }
        self.is_not_killed()?;
        self.is_checked()?;
        self.is_begun()?;
        self.is_time(Some(0))?;
        let live = self.in_stage(0, self.percentage_of(0));
        Ok(Record { is_waiting: !self.plan.after.is_empty(), ..self.with(live) })
    }

    fn advance(&self) -> Result<Record, Refusal> {
        self.is_under_way("`start` begins it", "`resume` starts the next attempt")?;
        self.is_not_killed()?;
        let next = self.index() + 1;
        if next >= self.plan.stages.len() {
            return Err(Refusal::LastStage);
        }
        self.is_checked()?;
        self.is_time(Some(next))?;
        // A plan applied since may have lowered the stage under the percentage that is in force.
        let percentage = self.percentage_of(next).max(self.last.live.percentage);
        Ok(self.with(self.in_stage(next, percentage)))
    }

    fn is_under_way(&self, of_draft: &'static str, of_rolled_back: &'static str) -> Result<(), Refusal> {
        match self.phase() {
            Phase::Running | Phase::Paused => Ok(()),
            phase @ Phase::Draft => Err(Refusal::Phase(phase, of_draft)),
            phase @ Phase::RolledBack => Err(Refusal::Phase(phase, of_rolled_back)),
            phase @ Phase::Completed => Err(Refusal::Phase(phase, "`set` and `rollback` still work")),
        }
    }

    fn set(&self, setting: &Setting) -> Record {
        let named = setting.stage.as_ref().and_then(|name| self.plan.stage_index(name.as_str()));
        let index = named.unwrap_or_else(|| self.plan.stage_reached_by(setting.percentage));
        let live = held_at(self.plan, &self.last.live, index, setting.percentage, self.now);
        // Where there is only KV, a number that reaches the last stage is the only way to end one.
        let ended = setting.kv.is_some() && index + 1 == self.plan.stages.len();
        let record = self.started(self.with(live));
        Record {
            is_killed: setting.killed.unwrap_or(self.last.is_killed),
            live: LiveState { ended, ..record.live.clone() },
            ..record
        }
    }

    /// A record that may have left the draft without a `start`.
    fn started(&self, record: Record) -> Record {
        if self.phase() != Phase::Draft {
            return record;
        }
        Record { is_waiting: !self.plan.after.is_empty(), ..record }
    }

    fn pause(&self) -> Result<Record, Refusal> {
        self.is_under_way("nothing has begun; `kill` keeps it from starting", "nothing advances until it is resumed")?;
        Ok(self.with(LiveState { phase: Phase::Paused, ..self.last.live.clone() }))
    }

    fn resume(&self, stage: Option<&Name>) -> Result<Record, Refusal> {
        if matches!(self.phase(), Phase::Paused | Phase::RolledBack) {
            self.is_not_killed()?;
        }
        match self.phase() {
            Phase::Paused if stage.is_none() => {
                Ok(self.with(LiveState { phase: Phase::Running, ..self.last.live.clone() }))
            }
            phase @ Phase::Paused => {
                Err(Refusal::Phase(phase, "a resume goes on where it is; `stage` is for one after a rollback"))
            }
            Phase::RolledBack => self.next_attempt(stage),
            phase @ Phase::Draft => Err(Refusal::Phase(phase, "`start` begins it")),
            phase @ Phase::Running => Err(Refusal::Phase(phase, "there is nothing to resume")),
            phase @ Phase::Completed => Err(Refusal::Phase(phase, "`set` and `rollback` still work")),
        }
    }

    fn next_attempt(&self, stage: Option<&Name>) -> Result<Record, Refusal> {
        let unknown = |name: &Name| {
            Refusal::UnknownStage(
                name.to_string(),
                self.plan.stages.iter().map(|stage| stage.name.to_string()).collect(),
            )
        };
        let index = stage.map_or(Ok(0), |name| self.plan.stage_index(name.as_str()).ok_or_else(|| unknown(name)))?;
        self.is_checked()?;
        self.is_time(Some(index))?;
        let live = self.in_stage(index, self.percentage_of(index));
        Ok(self.with(LiveState { attempt: live.attempt.saturating_add(1), ..live }))
    }

    fn rollback(&self, target: Target) -> Result<Record, Refusal> {
        let last = &self.last.live;
        let off =
            LiveState { phase: Phase::RolledBack, percentage: Percentage::ZERO, groups: Vec::new(), ..last.clone() };
        let to_stage = |index: usize, percentage: Percentage| LiveState {
            phase: Phase::RolledBack,
            ..self.in_stage(index, percentage)
        };
        let is_nobody = last.percentage == Percentage::ZERO && last.groups.is_empty();
        let live = match target {
            Target::Off => off,
            Target::Percentage(percentage) if percentage > last.percentage => {
                return Err(Refusal::WouldRise(last.percentage, percentage));
            }
            Target::Percentage(percentage) if percentage == Percentage::ZERO => off,
            Target::Percentage(percentage) => {
                to_stage(self.plan.stage_reached_by(percentage).min(self.index()), percentage)
            }
            Target::Previous => match self.index().checked_sub(1).filter(|_| !is_nobody) {
                None => off,
                Some(before) => to_stage(before, self.percentage_of(before).min(last.percentage)),
            },
        };
        Ok(self.started(self.with(live)))
    }

    fn kill(&self, cause: &Cause) -> Record {
        let record = self.with(LiveState { ended: self.last.live.ended, ..self.last.live.clone() });
        match cause {
            Cause::Key(key) => Record { kill_key: Some(key.clone()), ..record },
            Cause::Command | Cause::Text(_) => Record { is_killed: true, ..record },
        }
    }

    fn revive(&self, cause: &Cause, actor: &str) -> Result<Record, Refusal> {
        let record = self.last.clone();
        match (cause, &self.last.kill_key) {
            // That a key is gone ends its own kill; an operator who revives then means every kill.
            (Cause::Key(_), _) => Ok(Record { kill_key: None, is_killed: record.is_killed && actor == KV, ..record }),
            (_, Some(key)) => Err(Refusal::KillKey(key.clone())),
            (_, None) if !self.last.is_killed => Err(Refusal::NotKilled),
            (_, None) => Ok(Record { is_killed: false, ..record }),
        }
    }

    /// A message that a person was handed has been sent. One that comes again is sent again.
    fn sent(&self, comes_again: bool, item: &str, actor: &str) -> Result<Record, Refusal> {
        if let Some(sent) = self.last.sent(item).filter(|_| !comes_again) {
            return Err(Refusal::ApprovedAlready(item.to_owned(), sent.by.clone()));
        }
        let mut record = self.last.clone();
        record.sent.retain(|sent| sent.item != item);
        record.sent.push(Sent { item: item.to_owned(), by: actor.to_owned(), at: self.now });
        Ok(record)
    }

    fn approve(&self, item: &str, actor: &str) -> Result<Record, Refusal> {
        let of = self.last.checklist(self.plan);
        let known = of.as_ref().map_or(&[][..], |of| of.items(self.plan));
        let Some((of, own)) = of.as_ref().zip(known.iter().find(|own| own.text == item)) else {
            if let Some(notice) = self.plan.notices.iter().find(|own| own.by.is_some() && own.item() == item) {
                return self.sent(notice.every.is_some(), item, actor);
            }
            let known = known.iter().map(|own| own.text.clone()).collect();
            return Err(Refusal::UnknownItem(item.to_owned(), known));
        };
        if let Some(approval) = self.last.approval(of, own) {
            return Err(Refusal::ApprovedAlready(item.to_owned(), approval.by.clone()));
        }
        if self.is_asked && self.last.approvals(of, item).any(|approval| approval.by == actor) {
            return Err(Refusal::SamePerson(item.to_owned(), own.approvals));
        }
        let mut record = self.last.clone();
        record.approvals.push(Approval { of: of.clone(), item: item.to_owned(), by: actor.to_owned(), at: self.now });
        Ok(record)
    }

    fn apply(&self, revision: u64) -> Result<Record, Refusal> {
        let last = &self.last.live;
        if last.phase == Phase::Draft {
            let draft = LiveState::draft(self.plan);
            return Ok(Record {
                live: LiveState { plan: revision, stage: draft.stage, ..last.clone() },
                ..self.last.clone()
            });
        }
        if self.plan.stage_index(last.stage.as_str()).is_none() {
            return Err(Refusal::RunningPlan("has lost its current stage"));
        }
        Ok(Record { live: LiveState { plan: revision, ..last.clone() }, ..self.last.clone() })
    }

    /// A state as it stands in KV, held where this plan does not know its stage.
    fn take_over(&self, state: &LiveState) -> Record {
        let known = self.plan.stage_index(state.stage.as_str()).map(|_| state.clone());
        let live = known.unwrap_or_else(|| {
            held_at(self.plan, state, self.plan.stage_reached_by(state.percentage), state.percentage, self.now)
        });
        let live = LiveState {
            revision: self.last.live.revision,
            plan: self.last.live.plan,
            since: self.now,
            kv: None,
            ..live
        };
        self.started(Record { is_killed: live.killed, live, ..self.last.clone() })
    }

    fn waiting(&self, is_waiting: bool) -> Record {
        Record { is_waiting, ..self.last.clone() }
    }

    fn end(&self) -> Result<Record, Refusal> {
        if self.phase() != Phase::Running {
            return Err(Refusal::Phase(self.phase(), "only a running one can do its time"));
        }
        let mut record = self.last.clone();
        record.live.ended = true;
        Ok(record)
    }
}

/// Since when the hold runs after a change from `last` to `next`: only while the rollout is running, not killed and
/// not waiting for another one.
fn held_since(next: &Record, last: &Record, now: Instant) -> Option<Instant> {
    let runs = |record: &Record| record.live.phase == Phase::Running && !record.live.killed && !record.is_waiting;
    let goes_on = runs(last) && last.live.stage == next.live.stage && last.live.attempt == next.live.attempt;
    match (runs(next), last.held_since) {
        (false, _) => None,
        (true, Some(since)) if goes_on => Some(since),
        (true, _) => Some(now),
    }
}
