//! The messages about a change of a rollout, with its history entry.

use super::memory::{Incident, Memory};
use super::words::{self, Words};
use super::{Outgoing, address};
use crate::explain;
use crate::judge::guard::guardrail_key;
use crate::rollout::Change;
use crate::sources::Sources;
use tidegate_model::Name;
use tidegate_model::command::{Cause, Command};
use tidegate_model::history::{Entry, EntryCause};
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::Guardrail;
use tidegate_model::record::Record;
use tidegate_model::subject::fnv1a64;

/// The messages about a change; none about those that concern only the rollout itself.
pub(super) fn messages(
    words: &Words<'_>,
    before: Option<&Record>,
    change: &Change,
    sources: &Sources,
    memory: &mut Memory,
) -> Option<Outgoing> {
    let entry = &change.entry;
    let guardrail = guardrail(words, entry);
    let telling = Telling { words, entry, before, guardrail, sources };
    let mut notification = telling.notification()?;
    notification.revision = Some(entry.revision);
    notification.links = words.links(Some(entry.revision), guardrail.map(|own| &own.links));
    notification.figures = explain::figures(entry);
    notification.entry = serde_json::from_str(&change.text).ok();
    if let Some(guardrail) = guardrail {
        notification.text.clone_from(&guardrail.text);
        words.add_alerts(&mut notification, guardrail, sources);
    }
    let channels = telling.channels(notification.urgency);
    if is_incident(notification.kind) {
        let key = incident(words.key(), entry);
        notification.incident = Some(key.clone());
        memory.open(Incident {
            key,
            guardrail: telling.guardrail_key(),
            has_acted: true,
            is_kill: matches!(entry.command, Command::Kill(_)),
            title: telling.title(),
            since: Some(entry.at),
            channels: channels.clone(),
        });
    }
    Some(Outgoing { channels, notification })
}

const fn is_incident(kind: NotificationKind) -> bool {
    matches!(kind, NotificationKind::Rollback | NotificationKind::Kill)
}

/// What the beginning and the end of what this entry began have in common.
fn incident(key: &Name, entry: &Entry) -> String {
    match &entry.cause {
        Some(EntryCause::Guardrail { condition, .. }) => incident_of(key, condition, entry.at.as_epoch_ms()),
        _ => format!("tidegate-{key}-r{}", entry.revision),
    }
}

/// The same of a guardrail that came true at this time.
pub(super) fn incident_of(key: &Name, condition: &str, epoch_ms: i64) -> String {
    format!("tidegate-{key}-{:08x}-{}", fnv1a64(condition.as_bytes()) >> 32, epoch_ms.div_euclid(1_000))
}

fn guardrail<'a>(words: &'a Words<'_>, entry: &Entry) -> Option<&'a Guardrail> {
    let Some(EntryCause::Guardrail { index, condition }) = &entry.cause else { return None };
    words.plan().guardrail(*index).filter(|own| own.when.to_string() == *condition)
}

struct Telling<'a> {
    words: &'a Words<'a>,
    entry: &'a Entry,
    before: Option<&'a Record>,
    guardrail: Option<&'a Guardrail>,
    sources: &'a Sources,
}

impl Telling<'_> {
    fn channels(&self, urgency: Urgency) -> Vec<Name> {
        let (plan, at) = (self.words.plan(), self.entry.at);
        let names = self.guardrail.map(|own| own.notify.as_slice()).unwrap_or_default();
        let mut channels = address::resolve(plan, names, urgency, at);
        if urgency > Urgency::Info {
            for name in address::of_owner(plan, self.words.owner(), urgency, at) {
                if !channels.contains(&name) {
                    channels.push(name);
                }
            }
        }
        channels
    }

    fn guardrail_key(&self) -> Option<String> {
        let Some(EntryCause::Guardrail { index, .. }) = &self.entry.cause else { return None };
        self.guardrail.map(|own| guardrail_key(*index, own))
    }

    /// What an incident was, for its end.
    fn title(&self) -> String {
        match &self.entry.cause {
            Some(EntryCause::Guardrail { condition, .. }) => format!("guardrail `{condition}`"),
            Some(EntryCause::Problem { problem, .. }) => format!("problem `{problem}`"),
            _ if matches!(self.entry.command, Command::Kill(_)) => "the kill".to_owned(),
            _ => "the rollback".to_owned(),
        }
    }

    /// The urgency of what is taken back: a guardrail's own; a person who does it knows already.
    fn severity(&self) -> Urgency {
        match (&self.entry.cause, self.guardrail) {
            (_, Some(guardrail)) => words::urgency(guardrail.severity),
            (Some(EntryCause::Guardrail { .. } | EntryCause::Problem { .. }), None) => Urgency::Critical,
            _ => Urgency::Warning,
        }
    }

    fn notification(&self) -> Option<Notification> {
        let (words, live) = (self.words, &self.entry.state);
        let key = words.key();
        match &self.entry.command {
            Command::Rollback(_) => Some(self.taken_back()),
            // What a guardrail sets is less.
            Command::Set(_) | Command::Pause if self.is_guardrail() || self.is_hook() => Some(self.taken_back()),
            Command::Kill(cause) => Some(self.killed(cause)),
            Command::Revive(_) if !live.killed => {
                let what = format!("{key} was revived{}: {}", self.by(), explain::state(live));
                Some(self.gone_on(&what))
            }
            Command::Start => {
                let what = format!("{key} has started{}: {}", self.by(), words.place());
                Some(self.gone_on(&what))
            }
            Command::Advance => {
                let what = format!("{key} has advanced to {}{}", words.place(), self.by());
                Some(self.gone_on(&what))
            }
            Command::Release => {
                let what = format!("{key} goes on: the rollouts before it have ended");
                Some(self.gone_on(&what))
            }
            Command::Resume(_) => {
                let was_back = self.before.is_some_and(|before| before.live.phase == Phase::RolledBack);
                let attempt = if was_back { format!(", attempt {}", live.attempt) } else { String::new() };
                let what = format!("{key} was resumed{}: {}{attempt}", self.by(), words.place());
                Some(self.gone_on(&what))
            }
            Command::Set(_) => Some(self.set()),
            Command::Pause => {
                let what = format!("{key} was paused{} at {} %", self.by(), live.percentage);
                let decide = format!("tidegate resume {key}\ntidegate rollback {key}");
                Some(Notification { command: Some(decide), ..self.gone_on(&what) })
            }
            Command::Complete(_) => {
                let what = format!("{key} is complete{}: 100 % on new", self.by());
                Some(self.gone_on(&what))
            }
            Command::End => {
                let what = format!("{key} has done its time in {} and counts as ended", words.place());
                Some(self.gone_on(&what))
            }
            Command::Wait => {
                let what = format!("{key} waits again: a rollout before it has not ended any more");
                Some(self.gone_on(&what))
            }
            Command::Revive(_)
            | Command::Approve(_)
            | Command::Note
            | Command::Deployed(_)
            | Command::Apply { .. }
            | Command::TakeOver(_) => None,
        }
    }

    fn is_guardrail(&self) -> bool {
        matches!(self.entry.cause, Some(EntryCause::Guardrail { .. } | EntryCause::Problem { .. }))
    }

    fn is_hook(&self) -> bool {
        matches!(self.entry.cause, Some(EntryCause::Hook { .. }))
    }

    /// ` by ana`; nothing of what the plan's schedule does.
    fn by(&self) -> String {
        match &self.entry.cause {
            Some(EntryCause::Operator) | None => format!(" by {}", self.entry.actor),
            Some(EntryCause::Kv { .. }) => " by hand in KV".to_owned(),
            _ => String::new(),
        }
    }

    /// Why, in one short sentence: the figures stand below it.
    fn why(&self) -> String {
        let why = match (&self.entry.cause, explain::cause(self.entry)) {
            (Some(EntryCause::Guardrail { .. }), Some(cause)) => format!("{}: {cause}", explain::why(self.entry)),
            _ => explain::of_entry(self.entry),
        };
        match &self.entry.cause {
            Some(EntryCause::Operator) | None if why.is_empty() => format!("{} gave no reason.", self.entry.actor),
            // Names stay as they are written.
            Some(EntryCause::Operator) | None => format!("{}: {}", self.entry.actor, explain::ended(&why)),
            _ => explain::sentence(&why),
        }
    }

    /// Something that needs nobody: it can be taken back.
    fn gone_on(&self, what: &str) -> Notification {
        let key = self.words.key();
        Notification {
            why: self.why(),
            command: Some(format!("tidegate rollback {key}")),
            ..self.words.message(NotificationKind::Stage, Urgency::Info, what, None)
        }
    }

    /// A percentage that a person has set: in KV it may have been a slip, or somebody else.
    fn set(&self) -> Notification {
        let (key, live) = (self.words.key(), &self.entry.state);
        let before = self.before.map(|before| before.live.percentage).unwrap_or_default();
        let what = format!("{key} was set from {before} % to {} %{}, and is held there", live.percentage, self.by());
        let undo = Some(format!("tidegate set {key} {before}"));
        if !matches!(self.entry.cause, Some(EntryCause::Kv { .. })) {
            return Notification { command: undo, ..self.gone_on(&what) };
        }
        let action = "Check that this was meant.".to_owned();
        Notification {
            why: self.why(),
            command: undo,
            ..self.words.message(NotificationKind::Stage, Urgency::Warning, &what, Some(action))
        }
    }

    fn taken_back(&self) -> Notification {
        let (words, live) = (self.words, &self.entry.state);
        let key = words.key();
        let alert = self.guardrail.and_then(|own| words.alert_of(own, self.sources));
        let cause = alert.map(|about| format!("the alert “{}” fires", about.name));
        let cause = cause.or_else(|| explain::cause(self.entry)).map(|cause| format!(": {cause}")).unwrap_or_default();
        let from = self.before.map(|before| format!(" from {}, {} %,", before.live.stage, before.live.percentage));
        let from = from.unwrap_or_default();
        let resume = format!("tidegate resume {key}");
        let either = format!("{resume}\ntidegate rollback {key}");
        let (what, action, command) = match (&self.entry.command, live.phase) {
            (Command::Pause, _) => {
                let what = format!("{key} was paused at {} %{cause}", live.percentage);
                (what, "Decide: resume it, or roll it back.".to_owned(), either)
            }
            (_, Phase::Paused) => {
                let what = format!("{key} was taken back{from} to {} % and is held there{cause}", live.percentage);
                (what, "Find the cause, then resume it or roll it back.".to_owned(), either)
            }
            _ => {
                let to = if live.percentage == tidegate_model::Percentage::ZERO && live.groups.is_empty() {
                    "0 % (everybody is on legacy)".to_owned()
                } else {
                    format!("{} %", live.percentage)
                };
                let what = format!("{key} was rolled back{}{from} to {to}{cause}", self.by());
                let items = words.plan().after_rollback.iter();
                let approvals = items.map(|item| format!("tidegate approve {key} {}\n", words::quoted(&item.text)));
                (what, self.after_rollback(), approvals.collect::<String>() + &resume)
            }
        };
        Notification {
            why: self.why(),
            command: Some(command),
            ..words.message(NotificationKind::Rollback, self.severity(), &what, Some(action))
        }
    }

    fn after_rollback(&self) -> String {
        match self.words.plan().after_rollback.len() {
            0 => "Find the cause; then resume it.".to_owned(),
            1 => "Find the cause and approve 1 item; then resume it.".to_owned(),
            items => format!("Find the cause and approve {items} items; then resume it."),
        }
    }

    fn killed(&self, cause: &Cause) -> Notification {
        let key = self.words.key();
        let what = format!("{key} was killed{}: everybody is on legacy until it is revived", self.by());
        let action = "Find the cause; then revive it.".to_owned();
        let command = match cause {
            Cause::Key(name) => format!("npx wrangler kv key delete --remote --binding ROLLOUTS {name}"),
            Cause::Command | Cause::Text(_) => format!("tidegate revive {key}"),
        };
        Notification {
            why: self.why(),
            command: Some(command),
            ..self.words.message(NotificationKind::Kill, self.severity(), &what, Some(action))
        }
    }
}
