//! Messages out: what waits to be sent, in which order, and what is next.
//!
//! 1. A message is stored in the transaction of what causes it, and is sent behind that. Nothing waits for it: what is
//!    due is handed out as an effect at the end of a turn, and what became of it is an input of its own.
//! 2. A line is a channel as it is defined: two rollouts whose plans define `chat` alike share a line, and a plan
//!    that is mended has a new one. Of a line one message is under way at a time, in the order in which they were
//!    written; one that is tried again holds up its own line and no other.
//! 3. A message has left the line when it was sent, or given up. Until that is stored it is sent again: so none is
//!    lost, and a crash repeats what was under way, under the same id.
//! 4. Few messages are under way at once: the platform has few connections, and KV needs some. Lines that failed last
//!    get half of them, so that whoever hangs takes none from whoever answers.

pub mod answer;
pub mod folds;
pub mod pauses;
pub mod rates;
pub mod sending;

use std::collections::VecDeque;

use self::rates::{OF_ALL_MAX, OF_ROLLOUT_MAX, Patience, STORM_MS, Sent, WINDOW_MS, free_at};
use super::store::outbox::{self as stored, Stored};
use super::store::{Storage, StorageError};
use tidegate_decide::deployment::Deployment;
use tidegate_model::notification::NotificationKind;
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::plan::{Channel, Plan};
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::prometheus::MessagesOf;

/// So many messages are under way at once.
const IN_FLIGHT_MAX: usize = 4;
/// So many of them on lines that failed last.
const FAILING_MAX: usize = 2;
/// A message that is under way longer than this, in milliseconds, is lost: a try takes ten seconds at the most.
const LOST_MS: i64 = 60_000;
/// Of rollbacks, kills and escalations so many go at once within a minute.
const URGENT_MAX: usize = 5;
/// A channel that has failed for so long is shown as a fault, in milliseconds.
const FAILING_MS: i64 = 120_000;

/// What waits, and what was sent lately.
#[derive(Default)]
pub struct Outbox {
    lines: Vec<Line>,
    /// The number of the last message.
    last_number: u64,
    /// What is under way: ids, and since when. It outlives a state that is dropped.
    pub in_flight: Vec<(String, Instant)>,
    /// Whether something has come that may have to be folded.
    is_unfolded: bool,
    /// What this turn has left open of messages that opened several incidents: their numbers, own incidents, members.
    left_open: Vec<(u64, String, Vec<String>)>,
}

/// A channel, and what waits for it.
pub struct Line {
    /// Its name.
    pub channel: Name,
    /// Its definition as JSON.
    pub target: String,
    /// The same; nothing where this version cannot read it.
    definition: Option<Channel>,
    queue: VecDeque<Stored>,
    sent: Vec<(Name, Sent, bool)>,
    /// Why its last message was given up, and when.
    pub dead: Option<(String, Instant)>,
}

/// What a kind of channel makes of several messages at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// People read them: several are one.
    Read,
    /// It keeps incidents: what opens one and what closes it stay apart.
    Incidents,
    /// It keeps a record of each change.
    Records,
}

impl Manner {
    const fn of(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::PagerDuty
            | ChannelKind::Opsgenie
            | ChannelKind::Jsm
            | ChannelKind::Jira
            | ChannelKind::Statuspage => Self::Incidents,
            // A program wants each change, as whoever plots them does.
            ChannelKind::Sentry | ChannelKind::Grafana | ChannelKind::Webhook => Self::Records,
            ChannelKind::Slack | ChannelKind::Teams | ChannelKind::Mail => Self::Read,
        }
    }
}

/// Whether a message waits for no storm to end.
const fn is_urgent(kind: NotificationKind) -> bool {
    matches!(kind, NotificationKind::Rollback | NotificationKind::Kill | NotificationKind::Escalation)
}

const fn patience(kind: NotificationKind) -> Patience {
    match kind {
        NotificationKind::Alert
        | NotificationKind::Rollback
        | NotificationKind::Kill
        | NotificationKind::Escalation
        // Who is on new: what was said of that before is not so any more.
        | NotificationKind::Stage => Patience::Critical,
        _ => Patience::Calm,
    }
}

impl Line {
    fn new(channel: Name, target: String) -> Self {
        let definition = Channel::parse(&target);
        Self { channel, target, definition, queue: VecDeque::new(), sent: Vec::new(), dead: None }
    }

    fn manner(&self) -> Manner {
        self.definition.as_ref().map_or(Manner::Read, |channel| Manner::of(channel.kind()))
    }

    /// Whether a plan defines the channel like this.
    pub fn is_of(&self, plan: &Plan) -> bool {
        plan.channels.get(self.channel.as_str()).is_some_and(|own| definition(own) == self.target)
    }

    /// Whether a message says that a rollout has gone on, where the last that was sent of it says that it was taken back.
    fn revokes(&self, message: &Stored) -> bool {
        let last = self.sent.iter().rev().find(|(key, ..)| *key == message.rollout);
        message.kind == NotificationKind::Stage && last.is_some_and(|(.., is_urgent)| *is_urgent)
    }

    /// When its first message may go, where nothing of it is under way.
    fn ready_at(&self, now: Instant) -> Option<Instant> {
        let head = self.queue.front()?;
        if head.tries > 0 || head.next_try > now {
            return Some(head.next_try);
        }
        let minute_ms = now.as_epoch_ms().saturating_sub(WINDOW_MS);
        let urgent = || self.sent.iter().filter(|(_, sent, urgent)| *urgent && sent.at.as_epoch_ms() > minute_ms);
        // What is urgent takes what waits before it along: the order stays.
        let is_news = |own: &Stored| is_urgent(own.kind) || self.revokes(own);
        if self.queue.iter().any(is_news) && urgent().count() < URGENT_MAX {
            return Some(now);
        }
        if self.manner() == Manner::Records {
            return Some(now);
        }
        let of = |key: Option<&Name>| -> Vec<Sent> {
            self.sent.iter().filter(|(own, ..)| key.is_none_or(|key| own == key)).map(|(_, sent, _)| *sent).collect()
        };
        let patience = patience(head.kind);
        let of_rollout = free_at(&of(Some(&head.rollout)), OF_ROLLOUT_MAX, patience, now);
        // A storm of one rollout is held by its own rate; those of all are only counted.
        let all: Vec<Sent> = of(None).into_iter().map(|sent| Sent { is_storm: false, ..sent }).collect();
        Some(of_rollout.max(free_at(&all, OF_ALL_MAX, patience, now)))
    }

    /// Since when its first message fails, and why.
    pub fn failing(&self) -> Option<(&str, Instant, bool)> {
        let head = self.queue.front().filter(|head| head.tries > 0)?;
        Some((&head.last_error, head.since, head.is_configuration))
    }

    /// What is wrong with it, as a sentence, and since when: it has given a message up, or fails for long, or
    /// cannot be sent to as things are set up.
    pub fn fault(&self, now: Instant) -> Option<(String, Instant)> {
        if let Some((error, at)) = &self.dead {
            return Some((
                format!(
                    "messages to {} are given up: {error}. Once that is mended: tidegate outbox --retry all",
                    self.channel
                ),
                *at,
            ));
        }
        let (error, since, is_configuration) = self.failing()?;
        let is_long = now.ms_since(since) >= FAILING_MS;
        (is_configuration || is_long).then(|| {
            let waiting = match self.queue.len() {
                1 => "1 message waits".to_owned(),
                count => format!("{count} messages wait"),
            };
            (format!("{waiting} for {}: {error}", self.channel), since)
        })
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When the oldest of those that wait was caused.
    pub fn oldest(&self) -> Option<Instant> {
        self.queue.iter().map(|own| own.at).min()
    }
}

/// A channel of a rollout's plan, as its line is known by.
fn target_of(deployment: &Deployment, rollout: &Name, channel: &Name) -> Option<String> {
    let plan = &deployment.rollouts.get(rollout)?.plan;
    plan.channels.get(channel.as_str()).map(definition)
}

/// The definition of a channel, as its line is known by.
pub fn definition(channel: &Channel) -> String {
    serde_json::to_string(channel).unwrap_or_default()
}

impl Outbox {
    /// What is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn load(storage: &mut dyn Storage, deployment: &Deployment, now: Instant) -> Result<Self, StorageError> {
        let mut outbox = Self { is_unfolded: true, last_number: stored::last_number(storage)?, ..Self::default() };
        for mut message in stored::waiting(storage)? {
            message.target = target_of(deployment, &message.rollout, &message.channel).unwrap_or(message.target);
            // Whoever has started this anew may have set what was missing.
            if message.is_configuration {
                message.next_try = now;
            }
            outbox.put_in_order(message);
        }
        let since = now.minus_ms(STORM_MS);
        for (channel, target, rollout, at, folded) in stored::sent_since(storage, since)? {
            let sent = Sent { at, is_storm: folded > 1 };
            if let Some(line) = outbox.line_mut(&channel, &target) {
                line.sent.push((rollout, sent, false));
            }
        }
        for (channel, target, error, at) in stored::dead_channels(storage)? {
            if let Some(line) = outbox.line_mut(&channel, &target) {
                line.dead = Some((error, at));
            }
        }
        Ok(outbox)
    }

    fn line_mut(&mut self, channel: &Name, target: &str) -> Option<&mut Line> {
        let found = self.lines.iter().position(|line| line.channel == *channel && line.target == target);
        let index = found.unwrap_or_else(|| {
            self.lines.push(Line::new(channel.clone(), target.to_owned()));
            self.lines.len() - 1
        });
        self.lines.get_mut(index)
    }

    /// Plans have changed: what waits goes where they say now.
    pub fn regroup(&mut self, deployment: &Deployment) {
        let mut moved: Vec<Stored> = Vec::new();
        for line in &mut self.lines {
            let is_moved = |own: &Stored| {
                target_of(deployment, &own.rollout, &own.channel).is_some_and(|target| target != own.target)
            };
            let (gone, stays): (Vec<Stored>, Vec<Stored>) = line.queue.drain(..).partition(is_moved);
            line.queue = stays.into();
            moved.extend(gone);
        }
        for mut message in moved {
            message.target = target_of(deployment, &message.rollout, &message.channel).unwrap_or(message.target);
            self.put_in_order(message);
        }
    }

    /// Puts a message into its line, by its number.
    fn put_in_order(&mut self, message: Stored) {
        self.is_unfolded = true;
        let (channel, target) = (message.channel.clone(), message.target.clone());
        if let Some(line) = self.line_mut(&channel, &target) {
            let index = line.queue.partition_point(|own| own.number < message.number);
            line.queue.insert(index, message);
        }
    }

    /// A message that is to be sent again, whatever it was: in its place by its number, however old it is.
    pub fn take_again(&mut self, mut message: Stored, deployment: &Deployment) {
        for line in &mut self.lines {
            line.queue.retain(|own| own.number != message.number);
        }
        message.target = target_of(deployment, &message.rollout, &message.channel).unwrap_or(message.target);
        self.put_in_order(message);
    }

    /// The lines to which something was or is to be sent.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many messages there were and are, by channel.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn counts(&self, storage: &mut dyn Storage) -> Result<Vec<MessagesOf>, StorageError> {
        let of = |(channel, [sent, failed, dead]): (String, [u64; 3])| MessagesOf {
            channel,
            sent,
            failed,
            dead,
            ..MessagesOf::default()
        };
        let mut counts: Vec<MessagesOf> = stored::totals(storage)?.into_iter().map(of).collect();
        for line in &self.lines {
            let index = counts.iter().position(|own| own.channel == line.channel.as_str()).unwrap_or_else(|| {
                counts.push(MessagesOf { channel: line.channel.to_string(), ..MessagesOf::default() });
                counts.len() - 1
            });
            if let Some(own) = counts.get_mut(index) {
                own.waiting += line.waiting();
                own.oldest = own.oldest.into_iter().chain(line.oldest()).min();
            }
        }
        Ok(counts)
    }

    /// The line of a channel as it is defined.
    pub fn line(&self, channel: &Name, target: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.channel == *channel && line.target == target)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.queue.is_empty())
    }

    fn is_in_flight(&self, line: &Line) -> bool {
        line.queue.iter().any(|own| self.in_flight.iter().any(|(id, _)| *id == own.id))
    }

    /// The lines whose first message goes now, by their index.
    fn due(&mut self, now: Instant) -> Vec<usize> {
        self.in_flight.retain(|(_, since)| now.ms_since(*since) < LOST_MS);
        let is_failing = |line: &Line| line.queue.front().is_some_and(|head| head.tries > 0);
        let flying: Vec<&Line> = self.lines.iter().filter(|line| self.is_in_flight(line)).collect();
        let mut failing = flying.iter().filter(|line| is_failing(line)).count();
        let mut all = flying.len().max(self.in_flight.len());
        let mut ready: Vec<(Instant, usize)> = (0..)
            .zip(&self.lines)
            .filter(|(_, line)| !self.is_in_flight(line))
            .filter_map(|(index, line)| Some((line.ready_at(now).filter(|at| *at <= now)?, index)))
            .collect();
        // Whoever has waited longest comes first.
        ready.sort_unstable();
        let mut due = Vec::new();
        for (_, index) in ready {
            let fails = self.lines.get(index).is_some_and(is_failing);
            if all >= IN_FLIGHT_MAX || fails && failing >= FAILING_MAX {
                continue;
            }
            all += 1;
            failing += usize::from(fails);
            due.push(index);
        }
        due
    }

    /// When something is due next, where nothing else happens before.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let lost = self.in_flight.iter().map(|(_, since)| since.plus_ms(LOST_MS));
        let resting = self.lines.iter().filter(|line| !self.is_in_flight(line));
        // What is due and has found no connection goes when one of those under way has come back.
        let ready = resting.filter_map(|line| line.ready_at(now)).filter(|at| *at > now);
        ready.chain(lost.filter(|_| !self.is_empty())).min()
    }
}
