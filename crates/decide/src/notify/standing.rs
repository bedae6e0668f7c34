//! What lasts: a fault, a silence, a person who is waited for. One message goes out when it has lasted long enough,
//! for some of it others follow while it lasts, and its end is reported to those who got the first.

use super::Outgoing;
use super::memory::{Lasting, Memory};
use super::words::Words;
use tidegate_model::Name;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};

/// Something that is so now.
pub(super) struct Standing {
    /// Under which it is remembered.
    pub what: String,
    /// How long it has to last before it is reported, in milliseconds.
    pub after_ms: i64,
    /// After how long it is reported again, in milliseconds.
    pub again_ms: Option<i64>,
    /// What its end is about; `None` where its end shows in something else.
    pub title: Option<String>,
    /// Who gets the message.
    pub channels: Vec<Name>,
    /// The message.
    pub notification: Notification,
}

/// The messages about what has begun, what lasts and what has ended since the evaluation before.
pub(super) fn messages(words: &Words<'_>, memory: &mut Memory, now_so: Vec<Standing>) -> Vec<Outgoing> {
    let now = words.now;
    let mut outgoing = ended(words, memory, &now_so);
    for standing in now_so {
        let index = memory.standing.iter().position(|own| own.what == standing.what).unwrap_or_else(|| {
            memory.is_changed = true;
            memory.standing.push(Lasting {
                what: standing.what.clone(),
                since: now,
                sent: None,
                due: None,
                channels: Vec::new(),
                title: String::new(),
            });
            memory.standing.len() - 1
        });
        let Some(own) = memory.standing.get_mut(index) else { continue };
        let due = match own.sent {
            None => Some(own.since.plus_ms(standing.after_ms)),
            Some(sent) => standing.again_ms.map(|again_ms| sent.plus_ms(again_ms)),
        };
        let is_due = due.is_some_and(|due| due <= now);
        let next = if is_due { standing.again_ms.map(|again_ms| now.plus_ms(again_ms)) } else { due };
        memory.is_changed |= next != own.due;
        own.due = next;
        if !is_due {
            continue;
        }
        (own.sent, own.title) = (Some(now), standing.title.unwrap_or_default());
        own.channels.clone_from(&standing.channels);
        memory.is_changed = true;
        let mut notification = standing.notification;
        if !own.title.is_empty() {
            notification.incident = Some(incident(words, own));
        }
        outgoing.push(Outgoing { channels: standing.channels, notification });
    }
    outgoing
}

/// What is not so any more.
fn ended(words: &Words<'_>, memory: &mut Memory, now_so: &[Standing]) -> Vec<Outgoing> {
    let is_so = |own: &Lasting| now_so.iter().any(|standing| standing.what == own.what);
    let (lasting, over): (Vec<Lasting>, Vec<Lasting>) =
        std::mem::take(&mut memory.standing).into_iter().partition(is_so);
    memory.standing = lasting;
    memory.is_changed |= !over.is_empty();
    let reported = over.into_iter().filter(|own| own.sent.is_some() && !own.title.is_empty());
    let outgoing = reported.map(|own| {
        let what = format!("{}: resolved: {}", words.key(), own.title);
        let notification = Notification {
            why: format!("It had lasted since {}.", own.since.to_words()),
            incident: Some(incident(words, &own)),
            ..words.message(NotificationKind::Resolved, Urgency::Info, &what, None)
        };
        Outgoing { channels: own.channels, notification }
    });
    outgoing.collect()
}

fn incident(words: &Words<'_>, own: &Lasting) -> String {
    super::change::incident_of(words.key(), &own.what, own.since.as_epoch_ms())
}
