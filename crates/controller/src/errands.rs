//! Errands: probes, hooks and looks from outside. What is due is found in a turn and handed out as an effect; what
//! comes back is an input, and only its counts are stored.
//!
//! 1. Nothing waits for an errand: a step that needs a hook's word is taken in the turn in which that arrives.
//! 2. What is lost with the memory is asked again: a probe, a hook, a look from outside. So none of it has a table.
//! 3. An answer counts only where the plan still asks for it.

use std::rc::Rc;

use super::sources::is_watched;
use super::state::State;
use super::store::{Batch, StorageError};
use super::turn::{Effect, Turn};
use tidegate_decide::hooks::{HOOK, HookAnswer};
use tidegate_decide::notify;
use tidegate_decide::probes::{ProbeResult, counter};
use tidegate_decide::rollout::{Change, Order, Rollout};
use tidegate_decide::schedule::Blocker;
use tidegate_decide::verification::{self, Verification, settled};
use tidegate_model::command::Command;
use tidegate_model::history::EntryCause;
use tidegate_model::live::Phase;
use tidegate_model::plan::probe::ProbePath;
use tidegate_model::plan::words::SecretName;
use tidegate_model::plan::{Hook, Plan, Probe};
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};
use tidegate_protocol::errand::{self, Asked, ErrandAnswer, ErrandRequest, PUBLIC_ORIGIN};

/// A rollout that was taken back so long ago is verified no more after a restart, in milliseconds.
const RECENT_MS: i64 = 120_000;

/// Something that is asked of another host.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The rollout's key.
    pub key: Name,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// A page of one side.
    Probe { plan: Rc<Plan>, probe: Box<Probe>, variant: Variant },
    /// Whether a step may happen.
    Hook { index: usize, hook: Box<Hook>, visit: u64, id: String, event: String },
    /// What a visitor gets, after this revision.
    Outside { plan: Rc<Plan>, revision: u64, console: Option<String> },
    /// The file of new whose `ETag` is its version.
    Version { plan: Rc<Plan>, path: ProbePath },
}

impl Errand {
    /// The request. `text` looks up what the environment holds under a name: variables and secrets.
    ///
    /// # Errors
    /// When nothing can be asked as things are set up: why, in words that hold no secret.
    pub fn request(&self, text: &dyn Fn(&str) -> Option<String>, now: Instant) -> Result<ErrandRequest, String> {
        match &self.what {
            What::Probe { plan, probe, variant } => errand::probe(plan, probe, *variant),
            What::Hook { hook, id, event, .. } => {
                errand::hook(hook, id, event, &|name: &SecretName| text(name.0.as_str()), now)
            }
            What::Outside { plan, console, .. } => {
                errand::outside(plan, console.as_deref(), text(PUBLIC_ORIGIN).as_deref())
            }
            What::Version { plan, path } => errand::version(plan, path),
        }
    }
}

/// The path whose `ETag` is new's version, where the plan names one.
fn version_path(plan: &Plan) -> Option<&ProbePath> {
    plan.upstreams.as_ref()?.new.version.as_ref()?.path()
}

impl State {
    /// Takes note of a change: one that takes users back is verified, one that moves users is probed at once.
    pub(super) fn note_errands(&mut self, change: &Change, now: Instant) {
        if !self.rhythm.asks {
            return;
        }
        let (key, revision) = (&change.key, change.entry.revision);
        let moves = match &change.entry.command {
            Command::Rollback(_) | Command::Kill(_) => {
                self.verifications.insert(key.clone(), Verification::begin(revision, now));
                self.isolates.note_back(key, revision, now);
                true
            }
            Command::Start | Command::Advance | Command::Set(_) | Command::Resume(_) | Command::Revive(_) => {
                self.verifications.remove(key);
                true
            }
            _ => false,
        };
        if moves && !change.rollout.plan.probes.is_empty() {
            self.deployment.metrics.get_mut(key).probes.hasten();
        }
    }

    /// Verifications that were under way when the memory was lost.
    pub(super) fn restore_verifications(&mut self, now: Instant) {
        let is_back = |rollout: &&Rollout| {
            let live = &rollout.record.live;
            let age_ms = now.ms_since(live.since);
            (live.killed || live.phase == Phase::RolledBack) && (0..RECENT_MS).contains(&age_ms)
        };
        let back: Vec<(Name, u64)> = self
            .deployment
            .rollouts
            .iter()
            .filter(is_back)
            .map(|rollout| (rollout.plan.key.clone(), rollout.record.live.revision))
            .collect();
        for (key, revision) in back {
            self.isolates.note_back(&key, revision, now);
            self.verifications.insert(key, Verification::begin(revision, now));
        }
    }

    /// Runs what is due.
    ///
    /// # Errors
    /// When the storage refuses.
    pub(super) fn run_errands(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        if !self.rhythm.asks {
            return Ok(());
        }
        let now = turn.now;
        for (key, plan, probe, variant) in self.due_probes(now) {
            self.deployment.metrics.get_mut(&key).probes.ask(&probe.name, variant, now);
            turn.push(Effect::Errand(Errand { key, what: What::Probe { plan, probe: Box::new(probe), variant } }));
        }
        for (key, plan, path) in self.due_looks(now) {
            self.deployment.metrics.get_mut(&key).looks.ask(now);
            turn.push(Effect::Errand(Errand { key, what: What::Version { plan, path } }));
        }
        for (key, index) in self.hooks_to_ask(now).into_iter().filter(|(_, _, at)| *at <= now).map(|own| (own.0, own.1))
        {
            let Some(rollout) = self.deployment.rollouts.get(&key) else { continue };
            let (plan, record) = (Rc::clone(&rollout.plan), rollout.record.clone());
            let Some(hook) = plan.hooks.get(index) else { continue };
            let asked = Asked { plan: &plan, record: &record, hook, index };
            let (id, event, visit) = (asked.id(), asked.event(now), record.entered_revision);
            self.deployment.metrics.get_mut(&key).hooks.ask(index, &record, now);
            let what = What::Hook { index, hook: Box::new(hook.clone()), visit, id, event };
            turn.push(Effect::Errand(Errand { key, what }));
        }
        self.verify(turn)
    }

    fn due_probes(&self, now: Instant) -> Vec<(Name, Rc<Plan>, Probe, Variant)> {
        let due = |(key, probe, variant): &(&Rollout, &Probe, Variant)| {
            self.probe_due_at(&key.plan.key, probe, *variant, now) <= now
        };
        let own = |(rollout, probe, variant): (&Rollout, &Probe, Variant)| {
            (rollout.plan.key.clone(), Rc::clone(&rollout.plan), probe.clone(), variant)
        };
        self.probed().filter(due).map(own).collect()
    }

    /// The probes of all rollouts of which anybody may want to know, on each of their sides.
    fn probed(&self) -> impl Iterator<Item = (&Rollout, &Probe, Variant)> {
        let rollouts = self.deployment.rollouts.iter().filter(|rollout| rollout.unread.is_none());
        let watched = rollouts.filter(|own| {
            !own.plan.is_flag() && (is_watched(&own.record) || self.verifications.contains_key(&own.plan.key))
        });
        watched.flat_map(|rollout| {
            let sides = |probe: &'_ Probe| probe.on.clone();
            rollout
                .plan
                .probes
                .iter()
                .flat_map(move |probe| sides(probe).into_iter().map(move |variant| (rollout, probe, variant)))
        })
    }

    fn probe_due_at(&self, key: &Name, probe: &Probe, variant: Variant, now: Instant) -> Instant {
        let metrics = self.deployment.metrics.get(key);
        metrics.map_or(now, |metrics| metrics.probes.due_at(&probe.name, variant, now))
    }

    /// The files of new whose `ETag` is its version, of rollouts of which anybody may want to know.
    fn looked_at(&self) -> impl Iterator<Item = (&Rollout, &ProbePath)> {
        let rollouts = self.deployment.rollouts.iter().filter(|own| own.unread.is_none() && is_watched(&own.record));
        rollouts.filter_map(|own| Some((own, version_path(&own.plan)?)))
    }

    fn look_due_at(&self, key: &Name, now: Instant) -> Instant {
        self.deployment.metrics.get(key).map_or(now, |metrics| metrics.looks.due_at(now))
    }

    fn due_looks(&self, now: Instant) -> Vec<(Name, Rc<Plan>, ProbePath)> {
        let due = self.looked_at().filter(|(own, _)| self.look_due_at(&own.plan.key, now) <= now);
        due.map(|(own, path)| (own.plan.key.clone(), Rc::clone(&own.plan), path.clone())).collect()
    }

    /// The hooks that steps wait for, each with when it is asked: those before a step once nothing else blocks it.
    fn hooks_to_ask(&self, now: Instant) -> Vec<(Name, usize, Instant)> {
        let mut wanted = Vec::new();
        let with_hooks =
            self.deployment.rollouts.iter().filter(|own| own.unread.is_none() && !own.plan.hooks.is_empty());
        for rollout in with_hooks.filter(|own| own.record.live.phase == Phase::Running && !own.record.live.killed) {
            let blocked = self.deployment.outlook(rollout, now).blocked;
            let is_alone = blocked.len() == 1;
            let open = blocked.iter().find_map(|own| if let Blocker::Hook(open) = own { Some(open) } else { None });
            wanted.extend(self.asked(rollout, open.into_iter().flatten().filter(|own| is_alone || !own.is_last), now));
        }
        wanted
    }

    fn asked<'a>(
        &self,
        rollout: &Rollout,
        open: impl Iterator<Item = &'a tidegate_decide::hooks::OpenHook>,
        now: Instant,
    ) -> Vec<(Name, usize, Instant)> {
        let key = &rollout.plan.key;
        let hooks = self.deployment.metrics.get(key).map(|metrics| &metrics.hooks);
        let due_at = |index| hooks.map_or(now, |hooks| hooks.due_at(index, &rollout.record, now));
        open.map(|own| (key.clone(), own.index, due_at(own.index))).collect()
    }

    /// When an errand is due next.
    pub(super) fn errands_at(&self, now: Instant) -> Option<Instant> {
        if !self.rhythm.asks {
            return None;
        }
        let probes = self.probed().map(|(own, probe, variant)| self.probe_due_at(&own.plan.key, probe, variant, now));
        let hooks = self.hooks_to_ask(now).into_iter().map(|(_, _, at)| at);
        let verifications = self.verifications.values().map(|own| verification::wake(own, now));
        let looks = self.looked_at().map(|(own, _)| self.look_due_at(&own.plan.key, now));
        probes.chain(hooks).chain(verifications).chain(looks).min()
    }

    /// Looks from outside where that is due, and tells what was found where there is nothing more to wait for.
    fn verify(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        let now = turn.now;
        let keys: Vec<Name> = self.verifications.keys().cloned().collect();
        for key in keys {
            let Some(rollout) = self.deployment.rollouts.get(&key) else {
                self.verifications.remove(&key);
                continue;
            };
            let Some(own) = self.verifications.get_mut(&key) else { continue };
            let figures = match self.deployment.metrics.get(&key) {
                Some(metrics) => settled(&metrics.series, &rollout.record, own.revision, now),
                None => verification::Found { text: "nothing was measured".to_owned(), is_fine: None },
            };
            let version =
                self.deployment.metrics.get(&key).and_then(|metrics| {
                    verification::version(&rollout.plan, &rollout.record.live, &metrics.versions, now)
                });
            let isolates = self.isolates.back(&key, now);
            if let Some(found) = own.conclude(isolates, figures, version, now) {
                self.verifications.remove(&key);
                self.tell_verified(turn, &key, &found)?;
            } else if own.due_at(now) <= now && !rollout.plan.is_flag() {
                own.ask(now);
                let (plan, revision, console) = (Rc::clone(&rollout.plan), own.revision, self.console.clone());
                turn.push(Effect::Errand(Errand { key, what: What::Outside { plan, revision, console } }));
            }
        }
        Ok(())
    }

    fn tell_verified(
        &mut self,
        turn: &mut Turn<'_>,
        key: &Name,
        found: &[verification::Found],
    ) -> Result<(), StorageError> {
        let now = turn.now;
        let addressed = notify::verified(&self.deployment, key, found, self.console.as_deref(), now);
        let to = addressed.iter().map(|own| own.channel.to_string()).collect();
        let mut batch = Batch::default();
        batch.message(key, &verification::message(found, to, now));
        self.post(turn, &mut batch, addressed)?;
        turn.commit(batch)?;
        turn.note("verified", key.as_str(), &verification::reported(found));
        Ok(())
    }

    /// Takes in what has come of an errand.
    ///
    /// # Errors
    /// When the storage refuses; then it is run again.
    pub(super) fn returned(
        &mut self,
        turn: &mut Turn<'_>,
        errand: Errand,
        answer: Result<ErrandAnswer, String>,
    ) -> Result<(), StorageError> {
        let Errand { key, what } = errand;
        let now = turn.now;
        match what {
            What::Probe { probe, variant, .. } => self.take_probe(turn, &key, &probe, variant, &answer)?,
            What::Hook { index, hook, visit, .. } => {
                let Some(rollout) = self.deployment.rollouts.get(&key) else { return Ok(()) };
                let record = rollout.record.clone();
                if rollout.plan.hooks.get(index) != Some(&*hook) || record.entered_revision != visit {
                    return self.advance(turn);
                }
                let answer = errand::hook_answer(answer);
                let stop = match &answer {
                    Ok(HookAnswer::Stop(said)) => Some(said.clone()),
                    _ => None,
                };
                let line = match &answer {
                    Ok(HookAnswer::Go) => "go".to_owned(),
                    Ok(HookAnswer::Wait(_, why)) => format!("wait {why}"),
                    Ok(HookAnswer::Stop(why)) => format!("stop {why}"),
                    Err(why) => why.clone(),
                };
                let is_fault = answer.is_err();
                if self.deployment.metrics.get_mut(&key).hooks.answer(index, &record, answer, now) {
                    let text = format!("the hook `{}`: {line}", hook.at);
                    if is_fault {
                        turn.warn("hook", key.as_str(), &text)
                    } else {
                        turn.note("hook", key.as_str(), &text)
                    }
                }
                if let Some(said) = stop {
                    let cause = EntryCause::Hook { hook: hook.at.to_string(), said };
                    self.carry_out(turn, &key, Order::caused(Command::Pause, HOOK, cause, Vec::new()))?;
                }
            }
            What::Outside { revision, .. } => {
                let Some(rollout) = self.deployment.rollouts.get(&key) else { return Ok(()) };
                if let Some(own) = self.verifications.get_mut(&key).filter(|own| own.revision == revision) {
                    own.see(errand::seen(&answer, &rollout.plan, &rollout.record.live), now);
                }
            }
            What::Version { path, .. } => {
                let is_its = |rollout: &Rollout| version_path(&rollout.plan) == Some(&path);
                if let Some(rollout) = self.deployment.rollouts.get(&key).filter(|own| is_its(own)) {
                    let metrics = self.deployment.metrics.get_mut(&key);
                    let found = errand::version_found(&answer);
                    metrics.looks.answer(found.as_ref().err().cloned(), now);
                    found.into_iter().for_each(|version| metrics.versions.note(version, now));
                    // An evaluation notes it, in a draft too, of which nothing else is evaluated.
                    if rollout.deployed(&metrics.versions, now).is_some() {
                        self.counting.note_arrival();
                    }
                }
            }
        }
        self.advance(turn)
    }

    fn take_probe(
        &mut self,
        turn: &mut Turn<'_>,
        key: &Name,
        probe: &Probe,
        variant: Variant,
        answer: &Result<ErrandAnswer, String>,
    ) -> Result<(), StorageError> {
        let now = turn.now;
        let plan = self.deployment.rollouts.get(key).map(|rollout| Rc::clone(&rollout.plan));
        if plan.as_ref().and_then(|plan| plan.probe(probe.name.as_str())) != Some(probe) {
            return Ok(());
        }
        let failure = errand::probe_failure(&probe.expect, answer);
        let took_ms = answer.as_ref().map_or(0, |answer| answer.took_ms);
        let passed = if failure.is_none() { 1.0 } else { 0.0 };
        let counts = [(counter(&probe.name, variant, false), 1.0), (counter(&probe.name, variant, true), passed)];
        let mut batch = Batch::default();
        let minute = self.deployment.metrics.get_mut(key).signals.minute(now);
        for (name, value) in &counts {
            batch.signal(key, name, minute, *value, now);
        }
        turn.commit(batch)?;
        let metrics = self.deployment.metrics.get_mut(key);
        let before = metrics.probes.get(&probe.name, variant).and_then(|own| own.last.clone());
        let had_failed = before.is_some_and(|last| last.failure.is_some());
        for (name, value) in &counts {
            metrics.signals.report(name, *value, now);
        }
        metrics.probes.answer(probe, variant, ProbeResult { at: now, took_ms, failure: failure.clone() });
        match failure {
            Some(why) if !had_failed => {
                turn.warn("probe", key.as_str(), &format!("{} on {variant}: {why}", probe.path));
            }
            None if had_failed => {
                turn.note("probe", key.as_str(), &format!("{} on {variant} passes again", probe.path))
            }
            _ => {}
        }
        Ok(())
    }
}
