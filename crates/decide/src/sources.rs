//! Where signals come from: receivers that others send to, and sources that are asked. What they have said so far,
//! what a further delivery changes, when a source is asked again, and what is wrong with them.
//!
//! 1. An alert begins once and ends once, however often and in whatever order both are delivered.
//! 2. A gauge that alerts set is 1 while any of them fires, 0 when all are over, and unknown while the sender says
//!    that it has no data. Before anything was delivered it is unknown too: with a `heartbeat`, whoever delivers and
//!    has nothing to say means 0.
//! 3. A source that does not answer, or has no number, is a fault, and its gauge no pass.

mod asking;
mod health;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::asking::{PullState, Spacing};
pub use self::health::{faults, fresh_for, heartbeat_of, receiver_of};
use tidegate_model::Instant;
use tidegate_model::plan::Plan;
use tidegate_model::plan::receiver::{Receiver, RuleOutcome};

/// A delivery that tells of an alert's beginning so soon after its end is a late one: two Alertmanagers, or a
/// retry. Later it is believed, since Prometheus goes on with an alert under its old time after a restart.
const LATE_MS: i64 = 60_000;
/// Alerts that are over are remembered so long, against late deliveries.
pub const RESOLVED_MS_MAX: i64 = 7 * 86_400_000;
/// So many alerts of one receiver are remembered.
const ALERTS_MAX: usize = 5_000;
/// What an alert that is over was called is said for so long, in milliseconds.
const ABOUT_MS_MAX: i64 = 86_400_000;
/// What several alerts are called together is no longer than this and one of them.
const ABOUT_CHARS: usize = 200;
/// The most that one delivery counts of one signal.
const COUNT_MAX: f64 = 1e9;

/// Whether an alert is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// Whoever watches has no data.
    NoData,
    /// It is over.
    Resolved,
    /// It is no alert, but a fact of one moment.
    Moment,
}

/// What the sender of an alert calls it, for the messages about what it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The receiver that got it.
    pub receiver: String,
    /// The alert's name.
    pub name: String,
    /// What it says of itself; empty where it says nothing.
    pub text: String,
    /// Where to read on; empty where there is no such place.
    pub url: String,
    /// What to do about it, where the alert names such a page.
    pub runbook: String,
    /// When it was delivered.
    pub at: Option<Instant>,
}

/// An alert of a delivery with the rules that are about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// What the alert is known by.
    pub key: String,
    /// Whether it is there.
    pub status: AlertStatus,
    /// Since when, or when that was noticed.
    pub at: Instant,
    /// Whether `at` of one that fires is when it began.
    pub is_beginning: bool,
    /// What it is counted by, where that is not the alert's beginning.
    pub once: Option<String>,
    /// The rules.
    pub rules: Vec<Matched>,
    /// What the sender calls it, where it has a name for it.
    pub about: Option<About>,
}

/// A rule that is about an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Matched {
    /// What it does.
    pub outcome: RuleOutcome,
    /// Where the rule names a path: the number there.
    pub number: Option<Option<f64>>,
}

/// What is known of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAlert {
    /// Whether it is there.
    pub status: AlertStatus,
    /// Since when.
    pub at: Instant,
    /// When that was delivered.
    pub delivered_at: Instant,
    /// The gauges that it sets.
    pub signals: Vec<String>,
}

/// What a receiver has got so far.
#[derive(Clone, Debug, Default)]
pub struct ReceiverState {
    /// When something last arrived.
    pub last_at: Option<Instant>,
    /// The alerts, by their keys.
    pub alerts: BTreeMap<String, KnownAlert>,
}

/// What the receivers and sources of one rollout have said.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    receivers: BTreeMap<String, ReceiverState>,
    pulls: BTreeMap<String, PullState>,
    /// By signal: the alert that last began and is about it.
    about: BTreeMap<String, About>,
}

/// What a delivery comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// What is reported of which signals: an event's count, or a gauge's value.
    pub reports: Vec<(String, f64)>,
    /// Gauges of which nothing is known any more.
    pub blank: Vec<String>,
    /// The keys of alerts that are to be stored.
    pub changed: Vec<String>,
    /// The keys of alerts that are forgotten.
    pub forgotten: Vec<String>,
    /// What the senders of alerts that have begun call them, by the signals that they are about.
    pub about: Vec<(String, About)>,
    /// How many alerts began, or ended, or facts were new.
    pub news: usize,
}

/// What a delivery does to an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Begins,
    GoesOn,
    Ends,
    IsOld,
}

impl Sources {
    /// What a receiver has got.
    pub fn receiver(&self, name: &str) -> Option<&ReceiverState> {
        self.receivers.get(name)
    }

    /// The same, to be written into.
    pub fn receiver_mut(&mut self, name: &str) -> &mut ReceiverState {
        self.receivers.entry(name.to_owned()).or_default()
    }

    /// What is known of a source.
    pub fn pull(&self, signal: &str) -> Option<&PullState> {
        self.pulls.get(signal)
    }

    /// The same, to be written into.
    pub fn pull_mut(&mut self, signal: &str) -> &mut PullState {
        self.pulls.entry(signal.to_owned()).or_default()
    }

    /// The alert that last began and is about this signal, while it fires or for a day.
    pub fn about(&self, signal: &str, now: Instant) -> Option<&About> {
        let is_recent = |own: &About| own.at.is_some_and(|at| now.ms_since(at) < ABOUT_MS_MAX);
        self.about.get(signal).filter(|own| is_recent(own) || self.level(signal) == AlertStatus::Firing)
    }

    /// Remembers what the sender of an alert about this signal calls it; several of one delivery together.
    pub fn remember_about(&mut self, signal: String, about: About) {
        match self.about.get_mut(&signal).filter(|own| own.at.is_some() && own.at == about.at) {
            Some(own) if own.name.split(", ").any(|name| name == about.name) => {}
            Some(own) if own.name.chars().count() + own.text.chars().count() < ABOUT_CHARS => {
                own.name = format!("{}, {}", own.name, about.name);
                let separator = if own.text.is_empty() || about.text.is_empty() { "" } else { "; " };
                own.text = format!("{}{separator}{}", own.text, about.text);
            }
            Some(_) => {}
            None => {
                self.about.insert(signal, about);
            }
        }
    }

    /// Takes in a delivery for a receiver of the plan. `is_known` says what was counted before.
    pub fn take(
        &mut self,
        plan: &Plan,
        name: &str,
        occurrences: Vec<Occurrence>,
        is_known: &dyn Fn(&str) -> bool,
        now: Instant,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut counts: Vec<(String, f64)> = Vec::new();
        let mut touched: Vec<String> = Vec::new();
        let own = self.receivers.entry(name.to_owned()).or_default();
        own.last_at = Some(now);
        let mut counted: Vec<String> = Vec::new();
        for occurrence in occurrences {
            let Occurrence { key, status, at, is_beginning, once, rules, about } = occurrence;
            let is_new = once.as_ref().is_some_and(|once| !is_known(once) && !counted.contains(once));
            counted.extend(once.iter().cloned());
            let step = if status == AlertStatus::Moment {
                if is_new { Step::Begins } else { Step::GoesOn }
            } else {
                if rules.is_empty() && !own.alerts.contains_key(&key) {
                    continue;
                }
                let signals = rules.iter().filter_map(|rule| match &rule.outcome {
                    RuleOutcome::Set(signal) => Some(signal.to_string()),
                    _ => None,
                });
                let signals: Vec<String> = signals.collect();
                touched.extend(signals.iter().cloned());
                let alert = KnownAlert { status, at, delivered_at: now, signals };
                let step = own.step(&key, alert, is_beginning, &mut touched);
                if step != Step::IsOld {
                    taken.changed.push(key);
                }
                step
            };
            taken.news += usize::from(matches!(step, Step::Begins | Step::Ends) || is_new);
            let counts_now = if once.is_some() { is_new } else { step == Step::Begins };
            if let Some(about) = about.filter(|_| counts_now || step == Step::Begins) {
                let about = About { receiver: name.to_owned(), at: Some(now), ..about };
                taken.about.extend(rules.iter().map(|rule| (rule.outcome.signal().to_string(), about.clone())));
            }
            for Matched { outcome, number } in rules {
                match outcome {
                    RuleOutcome::Set(_) => {}
                    RuleOutcome::Count(signal) if counts_now && status != AlertStatus::NoData => {
                        let count = number.map_or(1.0, Option::unwrap_or_default).floor().clamp(0.0, COUNT_MAX);
                        add(&mut counts, signal.as_str(), count);
                    }
                    RuleOutcome::Value(signal) if step != Step::IsOld && status != AlertStatus::NoData => {
                        taken.reports.extend(number.flatten().map(|number| (signal.to_string(), number)));
                    }
                    _ => {}
                }
            }
        }
        taken.forgotten = own.forget(now);
        for (signal, about) in &mut taken.about {
            self.remember_about(signal.clone(), about.clone());
            if let Some(all) = self.about.get(signal) {
                about.clone_from(all);
            }
        }
        if let Some(receiver) = plan.receivers.get(name) {
            self.sum_up(plan, receiver, counts, touched, &mut taken);
        }
        taken
    }

    /// What counts and gauges come to after a delivery.
    fn sum_up(
        &self,
        plan: &Plan,
        receiver: &Receiver,
        mut counts: Vec<(String, f64)>,
        mut touched: Vec<String>,
        taken: &mut Taken,
    ) {
        // Of plain JSON, several may send to one receiver: whoever has a heartbeat of their own speaks for themselves.
        let speaks_alone = |signal: &str| {
            !receiver.kind.has_alerts() && plan.signals.get(signal).is_some_and(|own| own.heartbeat.is_some())
        };
        for rule in &receiver.signals {
            match &rule.outcome {
                // A zero says that somebody is there.
                RuleOutcome::Count(signal) if !speaks_alone(signal.as_str()) => add(&mut counts, signal.as_str(), 0.0),
                RuleOutcome::Set(signal) if receiver.heartbeat.is_some() => touched.push(signal.to_string()),
                _ => {}
            }
        }
        taken.reports.extend(counts);
        touched.sort_unstable();
        touched.dedup();
        for signal in touched {
            match self.level(&signal) {
                AlertStatus::Firing => taken.reports.push((signal, 1.0)),
                AlertStatus::NoData => taken.blank.push(signal),
                AlertStatus::Resolved | AlertStatus::Moment => taken.reports.push((signal, 0.0)),
            }
        }
    }

    /// What the alerts of all receivers make of a gauge.
    pub fn level(&self, signal: &str) -> AlertStatus {
        let alerts = self.receivers.values().flat_map(|state| state.alerts.values());
        let sets = alerts.filter(|alert| alert.signals.iter().any(|own| own == signal));
        sets.fold(AlertStatus::Resolved, |level, alert| match (level, alert.status) {
            (AlertStatus::Firing, _) | (_, AlertStatus::Firing) => AlertStatus::Firing,
            (AlertStatus::NoData, _) | (_, AlertStatus::NoData) => AlertStatus::NoData,
            _ => AlertStatus::Resolved,
        })
    }

    /// The gauges that alerts set, each with when one of them last changed.
    pub fn levels(&self) -> Vec<(String, Instant)> {
        let mut levels: BTreeMap<&str, Instant> = BTreeMap::new();
        for alert in self.receivers.values().flat_map(|state| state.alerts.values()) {
            for signal in &alert.signals {
                let at = levels.entry(signal).or_insert(alert.delivered_at);
                *at = alert.delivered_at.max(*at);
            }
        }
        levels.into_iter().map(|(signal, at)| (signal.to_owned(), at)).collect()
    }

    /// When an alert that sets this gauge last changed.
    pub fn changed_at(&self, signal: &str) -> Option<Instant> {
        self.levels().into_iter().find(|(own, _)| own == signal).map(|(_, at)| at)
    }

    /// Somebody says by hand what a gauge is: alerts that set it do so no more until they begin anew. Returns the
    /// receivers and keys of those that are to be stored.
    pub fn overrule(&mut self, signal: &str) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        for (receiver, state) in &mut self.receivers {
            for (key, alert) in &mut state.alerts {
                let before = alert.signals.len();
                alert.signals.retain(|own| own != signal);
                if alert.signals.len() < before {
                    changed.push((receiver.clone(), key.clone()));
                }
            }
        }
        changed
    }

    /// The gauges of which a sender says that it has no data, of what was stored.
    pub fn blank_levels(&self) -> Vec<String> {
        let alerts = self.receivers.values().flat_map(|state| state.alerts.values());
        let mut blank: Vec<String> = alerts
            .filter(|alert| alert.status == AlertStatus::NoData)
            .flat_map(|alert| alert.signals.clone())
            .collect();
        blank.sort_unstable();
        blank.dedup();
        blank.retain(|signal| self.level(signal) == AlertStatus::NoData);
        blank
    }
}

impl ReceiverState {
    /// Takes in what a delivery says of an alert.
    fn step(&mut self, key: &str, alert: KnownAlert, is_beginning: bool, touched: &mut Vec<String>) -> Step {
        let Some(own) = self.alerts.get_mut(key) else {
            let step = if alert.status == AlertStatus::Resolved { Step::Ends } else { Step::Begins };
            self.alerts.insert(key.to_owned(), alert);
            return step;
        };
        let is_over = alert.status == AlertStatus::Resolved;
        let step = match (own.status, is_over) {
            (AlertStatus::Resolved, true) if alert.at > own.at => Step::GoesOn,
            (AlertStatus::Resolved, true) => return Step::IsOld,
            (AlertStatus::Resolved, false) if alert.at > own.at => Step::Begins,
            (AlertStatus::Resolved, false) => {
                let since_ms = alert.delivered_at.ms_since(own.delivered_at);
                if !is_beginning || since_ms < LATE_MS {
                    return Step::IsOld;
                }
                Step::Begins
            }
            (_, true) if alert.at < own.at => return Step::IsOld,
            (_, true) => Step::Ends,
            (before, false) => {
                let is_another = is_beginning && alert.at > own.at && before == AlertStatus::Firing;
                let is_first = before == AlertStatus::NoData && alert.status == AlertStatus::Firing;
                if is_another || is_first { Step::Begins } else { Step::GoesOn }
            }
        };
        if step == Step::Ends || step == Step::Begins {
            touched.extend(own.signals.iter().cloned());
        }
        let signals = match step {
            // What ends sets what it has set, whichever rules are about it by now.
            Step::Ends => own.signals.clone(),
            // What was overruled by hand stays so until the alert begins anew.
            Step::GoesOn if own.status == alert.status => own.signals.clone(),
            _ => alert.signals.clone(),
        };
        *own = KnownAlert { at: alert.at.max(own.at), signals, ..alert };
        step
    }

    /// Forgets what has been over for long, and the oldest where there is too much.
    fn forget(&mut self, now: Instant) -> Vec<String> {
        let oldest_ms = now.as_epoch_ms().saturating_sub(RESOLVED_MS_MAX);
        let is_old =
            |alert: &KnownAlert| alert.status == AlertStatus::Resolved && alert.delivered_at.as_epoch_ms() < oldest_ms;
        let mut gone: Vec<String> =
            self.alerts.iter().filter(|(_, alert)| is_old(alert)).map(|(key, _)| key.clone()).collect();
        let excess = self.alerts.len().saturating_sub(gone.len()).saturating_sub(ALERTS_MAX);
        if excess > 0 {
            let mut rest: Vec<_> = self.alerts.iter().filter(|(_, alert)| !is_old(alert)).collect();
            rest.sort_by_key(|(_, alert)| (alert.status != AlertStatus::Resolved, alert.delivered_at));
            gone.extend(rest.into_iter().take(excess).map(|(key, _)| key.clone()));
        }
        gone.iter().for_each(|key| {
            self.alerts.remove(key);
        });
        gone
    }
}

fn add(counts: &mut Vec<(String, f64)>, signal: &str, count: f64) {
    match counts.iter_mut().find(|(own, _)| own == signal) {
        Some((_, sum)) => *sum += count,
        None => counts.push((signal.to_owned(), count)),
    }
}
