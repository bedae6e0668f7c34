//! Many messages as one: what is sent where more has happened than anybody wants to read one by one.
//!
//! 1. The first line is that of the gravest message, so that nothing grave hides in a pile.
//! 2. Each message is still there, as a line of its own, up to a number that a screen holds; the rest is counted.
//! 3. Machines lose nothing: the entries of the messages stand in `folded` of the last one's entry.

use serde_json::Value;

use crate::explain::ended;
use tidegate_model::notification::{Folded, Link, NOTHING_TO_DO, Notification, NotificationKind, Urgency};
use tidegate_model::{Instant, Name};

/// A folded message lists so many of its messages.
const LINES_MAX: usize = 30;
/// A folded message carries so many entries of its messages.
const ENTRIES_MAX: usize = 50;
/// Of the gravest message so many figures stand with its reason.
const LEAD_FIGURES: usize = 3;
/// A folded message has so many links.
const LINKS_MAX: usize = 5;

/// A message that is to be folded with others; it may be a folded one itself.
pub struct Part {
    /// What it says.
    pub notification: Notification,
    /// How many messages it is made of; 1 for one as it was written.
    pub folded: u64,
}

/// Makes one message of several, in the order in which they happened. Nothing without any.
pub fn fold(parts: &[Part]) -> Option<Notification> {
    let lead = lead(parts)?;
    let (first, last) = (&parts.first()?.notification, &parts.last()?.notification);
    let count: u64 = parts.iter().map(|part| part.folded.max(1)).sum();
    let of = about(parts);
    let rollouts = rollouts(&of);
    let is_one = rollouts.len() == 1;
    let since = first.folded.as_ref().and_then(|own| own.since).unwrap_or(first.at);
    // Of a folded one the line of its own gravest message, without what folding has put behind it.
    let own_line = lead.folded.as_ref().map_or_else(|| lead.what().to_owned(), |own| own.headline.clone());
    // Of one rollout the last message knows what is to be done: what the gravest says may be over.
    let is_over = is_one && !last.state.is_empty() && last.state != lead.state;
    let action = if is_over {
        last.action.clone()
    } else {
        lead.action.clone().or_else(|| parts.iter().find_map(|part| part.notification.action.clone()))
    };
    let ask = action.clone().unwrap_or_else(|| NOTHING_TO_DO.to_owned());
    let (headline, why) = if is_one {
        let now = if is_over { format!("; now {}", last.state) } else { String::new() };
        let figures: String = lead.figures.iter().take(LEAD_FIGURES).map(|own| format!(" {}", ended(own))).collect();
        let why = if lead.folded.is_some() { lead.why.clone() } else { format!("{}{figures}", lead.why) };
        (format!("{} ({count} messages since {}{now}). {ask}", own_line.trim_end_matches('.'), clock(since)), why)
    } else {
        let ask = if action.is_some() { "Needs attention." } else { NOTHING_TO_DO };
        (
            format!("{} rollouts within {}: {}. {ask}", rollouts.len(), within(since, last.at), tally(&of)),
            format!("{count} messages came at once; the gravest: {}", ended(&own_line)),
        )
    };
    Some(Notification {
        kind: lead.kind,
        urgency: parts.iter().map(|part| part.notification.urgency).max_by_key(|urgency| weight(*urgency))?,
        at: last.at,
        rollout: lead.rollout.clone(),
        description: lead.description.clone().filter(|_| is_one),
        revision: lead.revision,
        headline,
        action,
        why,
        figures: lines(parts, count, is_one),
        owner: lead.owner.clone().filter(|_| is_one),
        next: last.next.clone().filter(|_| is_one),
        links: links(lead, parts, is_one),
        command: match (is_one, is_over) {
            (true, true) => last.command.clone(),
            (true, false) => lead.command.clone(),
            (false, _) => Some("tidegate status".to_owned()),
        },
        state: last.state.clone(),
        incident: None,
        audience: lead.audience.clone(),
        text: lead.text.clone(),
        entry: entries(parts),
        folded: Some(Folded { since: Some(since), headline: own_line, of }),
    })
}

/// What messages are about, each kind and rollout once.
fn about(parts: &[Part]) -> Vec<(NotificationKind, Name)> {
    let mut of: Vec<(NotificationKind, Name)> = Vec::new();
    for own in parts.iter().map(|part| &part.notification) {
        let single = || vec![(own.kind, own.rollout.clone())];
        for one in own.folded.as_ref().map_or_else(single, |folded| folded.of.clone()) {
            if !of.contains(&one) {
                of.push(one);
            }
        }
    }
    of
}

/// The gravest message; of several equally grave ones the last.
fn lead(parts: &[Part]) -> Option<&Notification> {
    parts.iter().map(|part| &part.notification).max_by_key(|own| (rank(own.kind), weight(own.urgency)))
}

const fn weight(urgency: Urgency) -> u8 {
    match urgency {
        Urgency::Info => 0,
        Urgency::Warning => 1,
        Urgency::Critical => 2,
    }
}

const fn rank(kind: NotificationKind) -> u8 {
    match kind {
        NotificationKind::Kill => 9,
        NotificationKind::Rollback => 8,
        NotificationKind::Escalation => 7,
        NotificationKind::Alert => 6,
        NotificationKind::Fault => 5,
        NotificationKind::Blocked => 4,
        NotificationKind::Waiting => 3,
        NotificationKind::Stage | NotificationKind::Notice => 2,
        NotificationKind::Resolved => 1,
        NotificationKind::Checkin | NotificationKind::Digest | NotificationKind::Report | NotificationKind::Test => 0,
    }
}

fn rollouts(of: &[(NotificationKind, Name)]) -> Vec<&str> {
    let mut keys: Vec<&str> = of.iter().map(|(_, key)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// How many rollouts each kind of message is about: `40 rolled back, 2 killed`.
fn tally(of: &[(NotificationKind, Name)]) -> String {
    let mut kinds: Vec<(u8, &str, Vec<&str>)> = Vec::new();
    for (kind, key) in of {
        let (kind, key) = (*kind, key.as_str());
        let did = did(kind);
        match kinds.iter_mut().find(|(_, own, _)| *own == did) {
            Some((_, _, keys)) if keys.contains(&key) => {}
            Some((_, _, keys)) => keys.push(key),
            None => kinds.push((rank(kind), did, vec![key])),
        }
    }
    kinds.sort_by(|(a, ..), (b, ..)| b.cmp(a));
    let reported: Vec<String> = kinds.iter().map(|(_, did, keys)| format!("{} {did}", keys.len())).collect();
    reported.join(", ")
}

/// What has happened to a rollout, after a number of them.
const fn did(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Kill => "killed",
        NotificationKind::Rollback => "rolled back",
        NotificationKind::Escalation => "escalated",
        NotificationKind::Alert => "with an alert",
        NotificationKind::Resolved => "resolved",
        NotificationKind::Fault => "with a fault",
        NotificationKind::Blocked => "blocked",
        NotificationKind::Waiting => "waiting for a person",
        NotificationKind::Stage => "with a new stage",
        _ => "with news",
    }
}

/// A line for each message: when, where several rollouts are meant which, and its first line. The newest ones stay:
/// what is so now matters more than how it began.
fn lines(parts: &[Part], count: u64, is_one: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for Part { notification: own, folded } in parts {
        if *folded > 1 {
            // Where it lists fewer than it is made of, its last line says how many more there were.
            let is_all = own.figures.len() as u64 == *folded;
            let listed = own.figures.len().saturating_sub(usize::from(!is_all));
            lines.extend(own.figures.iter().take(listed).cloned());
        } else {
            let key = if is_one { String::new() } else { format!(" {}:", own.rollout) };
            lines.push(format!("{}{key} {}", clock(own.at), own.headline.trim_end_matches(NOTHING_TO_DO).trim_end()));
        }
    }
    let surplus = lines.len().saturating_sub(LINES_MAX);
    lines.drain(..surplus);
    let more = count.saturating_sub(lines.len() as u64);
    if more > 0 {
        let key = parts.first().map(|part| &part.notification.rollout).filter(|_| is_one);
        let place =
            key.map_or_else(|| "the history of each rollout".to_owned(), |key| format!("`tidegate history {key}`"));
        lines.push(format!("and {more} earlier ones, in {place}"));
    }
    lines
}

fn links(lead: &Notification, parts: &[Part], is_one: bool) -> Vec<Link> {
    if is_one {
        return lead.links.iter().take(LINKS_MAX).cloned().collect();
    }
    let mut links: Vec<Link> = Vec::new();
    for own in std::iter::once(lead).chain(parts.iter().map(|part| &part.notification)) {
        // A folded one names the rollout in each already.
        let of = if own.folded.is_some() { String::new() } else { format!(" of {}", own.rollout) };
        let count = if own.folded.is_some() { LINKS_MAX } else { 1 };
        for link in own.links.iter().take(count) {
            if links.len() < LINKS_MAX && !links.iter().any(|known| known.url == link.url) {
                links.push(Link { title: format!("{}{of}", link.title), url: link.url.clone() });
            }
        }
    }
    links
}

/// The last entry, with the others in its `folded`.
fn entries(parts: &[Part]) -> Option<Value> {
    let mut all: Vec<Value> = Vec::new();
    for mut entry in parts.iter().filter_map(|part| part.notification.entry.clone()) {
        let folded = entry.as_object_mut().and_then(|entry| entry.remove("folded"));
        if let Some(Value::Array(folded)) = folded {
            all.extend(folded);
        }
        // An alert and the rollback that it led to are about one entry.
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    let mut last = all.pop()?;
    let surplus = all.len().saturating_sub(ENTRIES_MAX);
    all.drain(..surplus);
    if let Some(last) = last.as_object_mut().filter(|_| !all.is_empty()) {
        last.insert("folded".to_owned(), Value::Array(all));
    }
    Some(last)
}

/// The time of day.
fn clock(at: Instant) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(11..19).unwrap_or(&text))
}

/// How much time lies between two moments, for people.
fn within(first: Instant, last: Instant) -> String {
    let seconds = last.ms_since(first).max(0) / 1_000;
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(key: &str, kind: NotificationKind, second: i64, headline: &str) -> Part {
        let notification = Notification {
            kind,
            urgency: if kind == NotificationKind::Rollback { Urgency::Critical } else { Urgency::Info },
            at: Instant::from_epoch_ms(1_795_424_400_000 + second * 1_000),
            rollout: key.parse().unwrap(),
            headline: headline.to_owned(),
            why: format!("{headline}, because"),
            entry: Some(serde_json::json!({"revision": second})),
            ..Notification::default()
        };
        Part { notification, folded: 1 }
    }

    #[test]
    fn the_gravest_message_leads_and_each_has_its_line() {
        let parts = [
            part("shop", NotificationKind::Alert, 0, "An alert"),
            part("shop", NotificationKind::Rollback, 1, "Rolled back shop to 0 %"),
            part("shop", NotificationKind::Checkin, 2, "Check-in"),
        ];
        let folded = fold(&parts).unwrap();
        assert_eq!(folded.headline, "Rolled back shop to 0 % (3 messages since 09:00:00 UTC). No action needed.");
        assert_eq!((folded.kind, folded.urgency), (NotificationKind::Rollback, Urgency::Critical));
        assert_eq!(
            folded.figures,
            ["09:00:00 UTC An alert", "09:00:01 UTC Rolled back shop to 0 %", "09:00:02 UTC Check-in"]
        );
        assert_eq!(
            folded.entry,
            Some(serde_json::json!({"revision": 2, "folded": [{"revision": 0}, {"revision": 1}]}))
        );
    }

    #[test]
    fn what_the_gravest_says_is_followed_by_what_is_so_since() {
        let mut kill = part("shop", NotificationKind::Kill, 0, "shop was killed. Find the cause; then revive it.");
        kill.notification.action = Some("Find the cause; then revive it.".into());
        kill.notification.command = Some("tidegate revive shop".into());
        kill.notification.state = "killed (was running in canary at 10 %)".into();
        let mut revival = part("shop", NotificationKind::Stage, 9, "shop was revived. No action needed.");
        revival.notification.command = Some("tidegate rollback shop".into());
        revival.notification.state = "running in canary at 10 %".into();
        let folded = fold(&[kill, revival]).unwrap();
        assert_eq!(
            folded.headline,
            "shop was killed (2 messages since 09:00:00 UTC; now running in canary at 10 %). No action needed."
        );
        assert_eq!((folded.command.as_deref(), &folded.action), (Some("tidegate rollback shop"), &None));
        assert_eq!(folded.figures.last().unwrap(), "09:00:09 UTC shop was revived.");
    }

    #[test]
    fn forty_rollouts_are_one_message_that_counts_them() {
        let parts: Vec<Part> = (0..40)
            .map(|index| part(&format!("r{index}"), NotificationKind::Rollback, 0, &format!("Rolled back r{index}")))
            .collect();
        let folded = fold(&parts).unwrap();
        assert_eq!(folded.headline, "40 rollouts within a second: 40 rolled back. No action needed.");
        assert_eq!(folded.figures.len(), LINES_MAX + 1);
        assert_eq!(folded.figures.last().unwrap(), "and 10 earlier ones, in the history of each rollout");
    }

    #[test]
    fn a_folded_message_is_folded_again_without_losing_count() {
        let many: Vec<Part> =
            (0..40).map(|index| part("shop", NotificationKind::Alert, index, &format!("Alert {index}"))).collect();
        let first = Part { notification: fold(&many).unwrap(), folded: 40 };
        let again = fold(&[first, part("shop", NotificationKind::Alert, 41, "The last")]).unwrap();
        assert_eq!(again.figures.last().unwrap(), "and 11 earlier ones, in `tidegate history shop`");
        assert_eq!(again.headline, "The last (41 messages since 09:00:00 UTC). No action needed.");
        let quiet = part("shop", NotificationKind::Checkin, 42, "Check-in");
        let third = fold(&[Part { notification: again, folded: 41 }, quiet]).unwrap();
        assert_eq!(third.headline, "The last (42 messages since 09:00:00 UTC). No action needed.");
    }

    #[test]
    fn what_is_folded_with_messages_of_several_rollouts_still_counts_them_all() {
        let linked = |key: &str| {
            let mut own = part(key, NotificationKind::Rollback, 0, &format!("Rolled back {key}"));
            own.notification.links = vec![Link { title: "console".into(), url: format!("https://x/{key}") }];
            own
        };
        let first = Part { notification: fold(&[linked("a"), linked("b")]).unwrap(), folded: 2 };
        let titles = |own: &Notification| own.links.iter().map(|link| link.title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&first.notification), ["console of b", "console of a"]);
        let again = fold(&[first, part("b", NotificationKind::Alert, 3, "An alert")]).unwrap();
        assert_eq!(again.headline, "2 rollouts within 3 s: 2 rolled back, 1 with an alert. No action needed.");
        assert_eq!(again.why, "3 messages came at once; the gravest: Rolled back b.");
        assert_eq!(titles(&again), ["console of b", "console of a"]);
    }
}
