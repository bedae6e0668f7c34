//! Who is waited for: to approve, to look at gates that do not pass, to resume, to send a message.

use super::address;
use super::memory::Memory;
use super::standing::Standing;
use super::watch::{owners, phase};
use super::words::{self, Words};
use crate::explain;
use crate::judge::Judge;
use crate::schedule::Blocker;
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};

const HOUR_MS: i64 = 60 * 60_000;
/// A rollout whose gates are not met when its time has come is reported as blocked after this long: many are met soon.
const BLOCKED_MS: i64 = HOUR_MS;
/// Whoever is waited for is reminded this often.
const REMINDER_MS: i64 = 24 * HOUR_MS;

/// A person who is waited for, and gates that are not met though the time has come.
pub(super) fn waiting(words: &Words<'_>, memory: &Memory) -> Option<Standing> {
    let (key, live, blocked) = (words.key(), &words.rollout.record.live, &words.outlook.blocked);
    let is_person = |own: &Blocker| matches!(own, Blocker::Checklist(_) | Blocker::Manual);
    let is_figures = |own: &Blocker| matches!(own, Blocker::Gates(..) | Blocker::SampleRatio(_));
    let is_asked = words.outlook.next.is_some() && !blocked.is_empty();
    let reasons: Vec<String> = blocked.iter().map(ToString::to_string).collect();
    let (what, kind, after_ms, headline, action, command) = if live.killed {
        let headline = format!("{key} is still killed");
        let action = "Revive it, or roll it back.".to_owned();
        ("killed".to_owned(), NotificationKind::Waiting, REMINDER_MS, headline, action, "revive")
    } else if matches!(live.phase, Phase::RolledBack | Phase::Paused) {
        let word = phase(words);
        let headline = format!("{key} is still {word} at {} %", live.percentage);
        (
            word,
            NotificationKind::Waiting,
            REMINDER_MS,
            headline,
            "Resume it when the cause is found.".to_owned(),
            "resume",
        )
    } else if is_asked && blocked.iter().all(is_person) {
        let open =
            blocked.iter().find_map(|own| if let Blocker::Checklist(items) = own { Some(items.len()) } else { None });
        let place = words.stage().map(|stage| stage.name.to_string()).unwrap_or_default();
        let (action, command) = match open {
            Some(1) => ("Approve 1 item.".to_owned(), "approve"),
            Some(items) => (format!("Approve {items} items."), "approve"),
            None => ("Advance it, or leave it where it is.".to_owned(), "advance"),
        };
        let of = if live.phase == Phase::Draft {
            "before it starts".to_owned()
        } else {
            format!("before it leaves {place}")
        };
        let headline = format!("{key} waits for a person {of}");
        (
            format!("waiting {} {place} {}", live.attempt, command),
            NotificationKind::Waiting,
            0,
            headline,
            action,
            command,
        )
    } else if is_asked && live.phase == Phase::Running && blocked.iter().all(|own| is_person(own) || is_figures(own)) {
        let headline = format!("{key} does not leave {}: its time is over, but not all gates pass", live.stage);
        let action = "Look at the gates.".to_owned();
        (
            format!("blocked {} {}", live.attempt, live.stage),
            NotificationKind::Blocked,
            BLOCKED_MS,
            headline,
            action,
            "status",
        )
    } else {
        return None;
    };
    let since = memory.since(&what).unwrap_or(words.now);
    let urgency = if kind == NotificationKind::Waiting && after_ms == 0 { Urgency::Info } else { Urgency::Warning };
    let notification = Notification {
        why: format!("{} This has been so since {}.", explain::sentence(&reasons.join("; ")), since.to_words()),
        command: Some(format!("tidegate {command} {key}")),
        revision: Some(live.revision),
        ..words.message(kind, urgency, &headline, Some(action))
    };
    Some(Standing {
        what,
        after_ms,
        again_ms: Some(REMINDER_MS),
        title: None,
        channels: owners(words, urgency),
        notification,
    })
}

/// Approvals that the stage asks for, announced when it is entered: whoever gives them may need days for it.
pub(super) fn asked(words: &Words<'_>) -> Option<Standing> {
    let (key, live, blocked) = (words.key(), &words.rollout.record.live, &words.outlook.blocked);
    if live.killed || live.phase != Phase::Running {
        return None;
    }
    let open = blocked.iter().find_map(|own| if let Blocker::Checklist(items) = own { Some(items) } else { None })?;
    // Where nothing else is in the way, a person is waited for and gets a message of that.
    let is_last = blocked.iter().all(|own| matches!(own, Blocker::Checklist(_) | Blocker::Manual));
    let (asks, action) = match open.len() {
        1 => ("an approval".to_owned(), "Approve it once it is done.".to_owned()),
        items => (format!("{items} approvals"), "Approve each once it is done.".to_owned()),
    };
    let item = open.first().filter(|_| open.len() == 1).map(|item| format!(" {}", words::quoted(item)));
    let headline = format!("{key} asks for {asks} before it leaves {}", live.stage);
    let notification = Notification {
        why: format!("{} has begun, and its checklist is open.", live.stage),
        figures: open.iter().map(|item| explain::sentence(item)).collect(),
        command: Some(format!("tidegate approve {key}{}", item.unwrap_or_default())),
        revision: Some(live.revision),
        ..words.message(NotificationKind::Waiting, Urgency::Info, &headline, Some(action))
    };
    Some(Standing {
        what: format!("asked {} {}", live.attempt, live.stage),
        after_ms: if is_last { i64::MAX } else { 0 },
        again_ms: None,
        title: None,
        channels: owners(words, Urgency::Info),
        notification,
    })
}

/// A stage that lasts longer than it is meant to, once.
pub(super) fn overdue(words: &Words<'_>, memory: &Memory) -> Option<Standing> {
    let (key, record) = (words.key(), &words.rollout.record);
    let live = &record.live;
    let deadline = words.stage()?.deadline.filter(|_| matches!(live.phase, Phase::Running | Phase::Paused))?;
    let what = format!("overdue {} {}", live.attempt, live.stage);
    let due = record.entered.plus(deadline);
    let reasons: Vec<String> = words.outlook.blocked.iter().map(ToString::to_string).collect();
    let entered = format!("It was entered at {}.", record.entered.to_words());
    let why =
        if reasons.is_empty() { entered } else { format!("{entered} {}", explain::sentence(&reasons.join("; "))) };
    let longest = explain::spelled(&deadline.to_string());
    let headline = format!("{key} is still at {} after {longest}, as long as it is meant to be there", live.stage);
    let notification = Notification {
        why,
        command: Some(format!("tidegate status {key}")),
        revision: Some(live.revision),
        ..words.message(
            NotificationKind::Waiting,
            Urgency::Warning,
            &headline,
            Some("Decide: go on, or back.".to_owned()),
        )
    };
    Some(Standing {
        after_ms: due.ms_since(memory.since(&what).unwrap_or(words.now)),
        what,
        again_ms: None,
        title: None,
        channels: owners(words, Urgency::Warning),
        notification,
    })
}

/// Messages that somebody was handed and has not sent: they are handed over again each day.
pub(super) fn unsent(words: &Words<'_>, judge: &Judge) -> Vec<Standing> {
    let (plan, record) = (words.plan(), &words.rollout.record);
    if record.live.has_ended() {
        return Vec::new();
    }
    let open = judge.handed(plan, record).filter(|own| own.sent.is_none());
    let standing = open.map(|own| {
        let headline = format!("{}: not sent yet: {}", words.key(), own.item);
        let action = "Send the text, then tick it off.".to_owned();
        let notification = Notification {
            why: format!("It was handed over on {}.", own.since.to_words()),
            command: Some(format!("tidegate approve {} {}", words.key(), words::quoted(&own.item))),
            audience: own.notice.audience.map(|audience| audience.to_string()),
            text: Some(own.notice.text.clone()),
            ..words.message(NotificationKind::Waiting, Urgency::Info, &headline, Some(action))
        };
        let by = own.notice.by.as_slice();
        Standing {
            what: format!("unsent {} {}", own.since.as_epoch_ms(), own.item),
            after_ms: REMINDER_MS,
            again_ms: Some(REMINDER_MS),
            title: None,
            channels: address::resolve(plan, by, Urgency::Info, words.now),
            notification,
        }
    });
    standing.collect()
}
