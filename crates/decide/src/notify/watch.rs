//! What evaluations and the time show of a rollout.

use super::change::incident_of;
use super::memory::{Incident, Memory};
use super::words::{self, Words};
use super::{Facts, Outgoing, address, digest, standing, troubles, waiting};
use crate::broke;
use crate::explain;
use crate::judge::guard::guardrail_key;
use crate::judge::notifications::Message;
use crate::judge::{Evaluation, Judge};
use crate::metrics::RolloutMetrics;
use crate::rollout::Rollout;
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::plan::words::Severity;
use tidegate_model::plan::{Guardrail, Mode, Plan, ProblemKind};
use tidegate_model::{Instant, Name};

/// The messages after an evaluation, or because of the time.
pub(super) fn messages(words: &Words<'_>, metrics: &mut RolloutMetrics, facts: &Facts) -> Vec<Outgoing> {
    let mut memory = std::mem::take(&mut metrics.judge.notified);
    let mut outgoing = Vec::new();
    let evaluation = metrics.last.as_ref().filter(|last| last.at == Some(words.now) && words.rollout.unread.is_none());
    if let Some(evaluation) = evaluation {
        outgoing.extend(alerts(words, evaluation, metrics, &mut memory));
        outgoing.extend(evaluation.messages.iter().filter_map(|message| of_message(words, message, &mut memory)));
        outgoing.extend(resolved(words, &metrics.judge, &mut memory));
    }
    let notifies = |kind: ProblemKind| words.plan().response(kind).notifies();
    let mut now_so = troubles::faults(words, metrics, facts);
    if let Some(evaluation) = evaluation.filter(|_| notifies(ProblemKind::Srm)) {
        now_so.extend(troubles::sample_ratio(words, evaluation));
        now_so.extend(troubles::own_past(words, evaluation));
    }
    if words.rollout.record.live.phase == Phase::Running && !words.rollout.record.live.killed {
        if notifies(ProblemKind::MeasuringStopped) {
            now_so.extend(troubles::silent_signals(words, metrics, &now_so));
        }
        if notifies(ProblemKind::NoTraffic) {
            now_so.extend(troubles::no_traffic(words, metrics));
        }
    }
    now_so.extend(troubles::found(words, metrics));
    now_so.extend(waiting::waiting(words, &memory));
    now_so.extend(waiting::asked(words));
    now_so.extend(waiting::overdue(words, &memory));
    now_so.extend(waiting::unsent(words, &metrics.judge));
    outgoing.extend(standing::messages(words, &mut memory, now_so));
    outgoing.extend(digest::messages(words, metrics, &mut memory));
    metrics.judge.notified = memory;
    outgoing
}

/// When there is a message because of the time alone; `plan` has the days off of the deployment.
pub(super) fn due_at(rollout: &Rollout, plan: &Plan, judge: Option<&Judge>, now: Instant) -> Option<Instant> {
    let memory = judge.map(|judge| &judge.notified);
    let standing = memory.into_iter().flat_map(|memory| &memory.standing).filter_map(|own| own.due).min();
    if rollout.unread.is_some() {
        return standing.filter(|at| *at > now);
    }
    let digest = digest::due_at(rollout, memory, now);
    let notices = Judge::notices_due_at(judge, plan, &rollout.record, now);
    [standing, digest, notices].into_iter().flatten().min()
}

fn alerts(words: &Words<'_>, evaluation: &Evaluation, metrics: &RolloutMetrics, memory: &mut Memory) -> Vec<Outgoing> {
    // The severest one that acts is reported with the change that it makes.
    let acting = evaluation.fired.iter().position(|fired| fired.order.is_some());
    let mut alerts = Vec::new();
    // The same for all of them, and found once where there are any.
    let mut broke: Option<Vec<String>> = None;
    for (_, fired) in evaluation.fired.iter().enumerate().filter(|(index, _)| Some(*index) != acting) {
        let Some(guardrail) = words.plan().guardrail(fired.guardrail) else { continue };
        let decided = evaluation.guardrails.get(fired.guardrail).into_iter().flat_map(|judgement| &judgement.figures);
        let mut figures: Vec<String> = decided.map(|figure| explain::sentence(&figure.text)).collect();
        figures.extend_from_slice(broke.get_or_insert_with(|| what_broke(words, metrics)));
        let observes = guardrail.mode == Mode::Observe;
        // What is decided already needs nobody's decision.
        let is_beside = acting.is_some() && !observes;
        let asks = !observes && !is_beside;
        let urgency = if asks { words::urgency(guardrail.severity) } else { Urgency::Info };
        let key = words.key();
        let would = if observes {
            format!(", and {}: it only observes", explain::would_have(&guardrail.then.to_string()))
        } else if is_beside {
            ", as did another guardrail that acts".to_owned()
        } else {
            String::new()
        };
        let what = format!("{key}: `{}` came true at {}{would}", guardrail.when, words.place());
        let condition = guardrail.when.to_string();
        let incident = incident_of(key, &condition, words.now.as_epoch_ms());
        let mut notification = Notification {
            why: explain::sentence(&fired.text),
            figures,
            text: guardrail.text.clone(),
            links: words.links(None, Some(&guardrail.links)),
            command: Some(format!("tidegate rollback {key}")),
            incident: Some(incident.clone()),
            revision: Some(words.rollout.record.live.revision),
            ..words.message(NotificationKind::Alert, urgency, &what, asks.then(|| to_do(guardrail)))
        };
        words.add_alerts(&mut notification, guardrail, &metrics.sources);
        let channels = reached(words, &guardrail.notify, urgency);
        if !asks {
            alerts.push(Outgoing { channels, notification: Notification { incident: None, ..notification } });
            continue;
        }
        memory.open(Incident {
            key: incident,
            guardrail: Some(guardrail_key(fired.guardrail, guardrail)),
            has_acted: false,
            is_kill: false,
            title: format!("guardrail `{condition}`"),
            since: Some(words.now),
            channels: channels.clone(),
        });
        alerts.push(Outgoing { channels, notification });
    }
    alerts
}

fn what_broke(words: &Words<'_>, metrics: &RolloutMetrics) -> Vec<String> {
    let broke = broke::of(words.plan(), &words.rollout.record, metrics, words.now);
    broke.iter().flat_map(explain::broke).map(|text| explain::ended(&text)).collect()
}

fn to_do(guardrail: &Guardrail) -> String {
    match guardrail.severity {
        Severity::Critical => "Decide now: go on, or roll it back.".to_owned(),
        Severity::Warning => "Look at it, and decide whether to go on.".to_owned(),
    }
}

/// Those who are named, else those whom what nobody is named for reaches; and those who look after the stage.
pub(super) fn reached(words: &Words<'_>, names: &[Name], urgency: Urgency) -> Vec<Name> {
    let mut channels = address::resolve(words.plan(), names, urgency, words.now);
    if urgency > Urgency::Info {
        for name in address::of_owner(words.plan(), words.owner(), urgency, words.now) {
            if !channels.contains(&name) {
                channels.push(name);
            }
        }
    }
    channels
}

/// Those who look after the stage, else those whom what nobody is named for reaches.
pub(super) fn owners(words: &Words<'_>, urgency: Urgency) -> Vec<Name> {
    let owners = address::of_owner(words.plan(), words.owner(), urgency, words.now);
    if owners.is_empty() { address::resolve(words.plan(), &[], urgency, words.now) } else { owners }
}

/// A message of the plan's schedule: a check-in, an escalation, a notice.
fn of_message(words: &Words<'_>, message: &Message, memory: &mut Memory) -> Option<Outgoing> {
    let to: Vec<Name> = message.to.iter().filter_map(|name| name.parse().ok()).collect();
    let guardrail = message.guardrail.and_then(|index| Some((index, words.plan().guardrail(index)?)));
    let outgoing = match (message.kind, guardrail) {
        ("escalation", Some((index, guardrail))) => {
            let key = guardrail_key(index, guardrail);
            let incident = memory.incidents.iter().rfind(|own| own.guardrail.as_deref() == Some(key.as_str()));
            let urgency = words::urgency(guardrail.severity);
            let what = format!("{}: `{}` is still true", words.key(), guardrail.when);
            let action = message.own_text.clone().map(|text| explain::ended(&text));
            let is_back = words.rollout.record.live.phase == Phase::RolledBack;
            let command = if is_back { "resume" } else { "rollback" };
            let notification = Notification {
                why: explain::sentence(&message.text),
                text: message.own_text.clone().or_else(|| guardrail.text.clone()),
                links: words.links(None, Some(&guardrail.links)),
                command: Some(format!("tidegate {command} {}", words.key())),
                incident: incident.map(|own| own.key.clone()),
                ..words.message(
                    NotificationKind::Escalation,
                    urgency,
                    &what,
                    Some(action.unwrap_or_else(|| to_do(guardrail))),
                )
            };
            Outgoing { channels: address::resolve(words.plan(), &to, urgency, words.now), notification }
        }
        ("checkin", _) => {
            let what = format!("{}: {}", words.key(), message.text);
            let notification = Notification {
                why: explain::sentence(&message.text),
                figures: message.figures.iter().map(|figure| explain::sentence(figure)).collect(),
                command: Some(format!("tidegate rollback {}", words.key())),
                ..words.message(NotificationKind::Checkin, Urgency::Info, &what, None)
            };
            Outgoing { channels: owners(words, Urgency::Info), notification }
        }
        ("notice", _) => notice(words, message, &to, memory)?,
        // Alerts are reported with all that is known of them.
        _ => return None,
    };
    Some(Outgoing { notification: Notification { at: message.at, ..outgoing.notification }, ..outgoing })
}

/// A message of the communication plan: it goes out, or a person gets the text to send.
fn notice(words: &Words<'_>, message: &Message, to: &[Name], memory: &mut Memory) -> Option<Outgoing> {
    let notice = message.notice.and_then(|index| words.plan().notices.get(index))?;
    if notice.in_app.is_some() && notice.to.is_empty() && notice.by.is_none() {
        // The site's pages show it, and nobody else.
        return None;
    }
    let whom = notice.audience.map(|audience| format!(" to {}", audience.with_article()));
    let (what, action, command) = if notice.by.is_some() {
        let whom = whom.unwrap_or_default();
        let what = format!("{}: a message{whom} is to be sent", words.key());
        let command = format!("tidegate approve {} {}", words.key(), words::quoted(&notice.item()));
        (what, Some("Send the text, then tick it off.".to_owned()), Some(command))
    } else {
        let what = whom.map(|whom| format!(", message{whom}")).unwrap_or_default();
        (format!("{}{what}: {}", words.key(), notice.text), None, None)
    };
    let names = notice.by.as_ref().map_or(to, std::slice::from_ref);
    let channels = address::resolve(words.plan(), names, Urgency::Info, words.now);
    // A public page shows an incident until it is over. Clients and users do not read of its end in the team's words.
    let is_page = |name: &&Name| {
        words.plan().channels.get(name.as_str()).is_some_and(|channel| channel.kind() == ChannelKind::Statuspage)
    };
    let incident = notice.at.is_of_incident().then(|| memory.shown_on(channels.iter().filter(is_page))).flatten();
    let notification = Notification {
        why: format!("The plan has this message for {}.", notice.at),
        incident,
        command,
        audience: notice.audience.map(|audience| audience.to_string()),
        text: Some(notice.text.clone()),
        ..words.message(NotificationKind::Notice, Urgency::Info, &what, action)
    };
    Some(Outgoing { channels, notification })
}

/// Incidents that are over: the guardrail is false and, where the rollout was changed by it, a person has acted.
fn resolved(words: &Words<'_>, judge: &Judge, memory: &mut Memory) -> Vec<Outgoing> {
    let record = &words.rollout.record;
    let is_over = |own: &Incident| {
        let is_true = own.guardrail.as_ref().is_some_and(|guardrail| judge.is_true(guardrail));
        let has_person_acted = match (own.has_acted, own.is_kill, &own.guardrail) {
            (false, ..) => true,
            (true, true, _) => !record.live.killed,
            (true, false, Some(_)) => record.acted.is_none(),
            (true, false, None) => record.live.phase != Phase::RolledBack,
        };
        !is_true && has_person_acted
    };
    let (over, open): (Vec<Incident>, Vec<Incident>) =
        std::mem::take(&mut memory.incidents).into_iter().partition(is_over);
    memory.incidents = open;
    memory.is_changed |= !over.is_empty();
    let resolved = over.into_iter().map(|own| {
        let what = format!("{}: resolved: {}", words.key(), own.title);
        let why = if own.has_acted {
            format!("Somebody has acted: {} is {} at {}.", words.key(), phase(words), words.place())
        } else {
            "Its condition is not true any more.".to_owned()
        };
        let lasted = own
            .since
            .map(|since| format!(" It lasted {}.", explain::spelled(&explain::rounded(words.now.ms_since(since)))));
        let notification = Notification {
            why: why + &lasted.unwrap_or_default(),
            incident: Some(own.key),
            ..words.message(NotificationKind::Resolved, Urgency::Info, &what, None)
        };
        Outgoing { channels: own.channels, notification }
    });
    resolved.collect()
}

pub(super) fn phase(words: &Words<'_>) -> String {
    words.rollout.record.live.phase.to_string().replace('_', " ")
}
