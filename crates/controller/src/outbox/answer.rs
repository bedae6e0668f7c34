//! What the API shows and asks of the outbox: its messages and channels, to send something again, and a sample.

use super::{Line, definition, stored};
use crate::answer::{Answered, limit};
use crate::state::State;
use crate::store::outbox::{Shown, Stored};
use crate::store::{Batch, Storage, StorageError};
use crate::turn::{Effect, Outgoing, Trial, Tried, Turn};
use tidegate_decide::notify::sample;
use tidegate_model::plan::Channel;
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::shapes::{self, Text, Time};
use tidegate_protocol::api::{Call, Reply, parameter};

/// A sample goes to so many channels at once.
const TRIALS_MAX: usize = 20;
/// The states of a message, and the words that ask for them.
const STATES: [&str; 3] = ["waiting", "dead", "sent"];

/// Shows what waits and what was given up, and with `state` also what was sent.
///
/// # Errors
/// When the storage refuses.
pub fn show(state: &State, storage: &mut dyn Storage, call: &Call, now: Instant) -> Result<Answered, StorageError> {
    let limit = match limit(call) {
        Ok(limit) => limit,
        Err(problem) => return Ok(Err(problem)),
    };
    let asked = parameter(&call.query, "state").unwrap_or_else(|| "waiting,dead".to_owned());
    let states: Vec<&str> = asked.split(',').filter(|state| !state.is_empty()).collect();
    if let Some(wrong) = states.iter().find(|state| !STATES.contains(state)) {
        return Ok(Err(Problem::malformed(
            format!("`state={wrong}` is no state of a message"),
            "`waiting`, `dead` or `sent`, or several with commas between them",
        )));
    }
    let rollout = parameter(&call.query, "rollout");
    let rows = stored::shown(storage, &states, rollout.as_deref(), limit)?;
    let totals = stored::totals(storage)?;
    let messages = rows.iter().map(|row| view(state, row, now)).collect();
    let unused = unused(state);
    let lines = state.outbox.lines().iter().chain(&unused);
    let mut channels: Vec<shapes::OutboxChannel> =
        lines.filter_map(|line| channel(state, line, &totals, now)).collect();
    let key = |own: &shapes::OutboxChannel| (own.channel.to_string(), own.rollouts.join(", "));
    channels.sort_by_key(key);
    Ok(Ok(Reply::json(200, &shapes::Outbox { messages, channels, at: now.into() })))
}

/// The channels of plans to which nothing was ever sent.
fn unused(state: &State) -> Vec<Line> {
    let mut unused: Vec<Line> = Vec::new();
    let rollouts = state.deployment.rollouts.iter();
    for (channel, target) in rollouts.flat_map(|rollout| &rollout.plan.channels.0) {
        let target = definition(target);
        let is_own = |line: &Line| line.channel == *channel && line.target == target;
        if !state.outbox.lines().iter().chain(&unused).any(is_own) {
            unused.push(Line::new(channel.clone(), target));
        }
    }
    unused
}

fn view(state: &State, row: &Shown, now: Instant) -> shapes::OutboxMessage {
    let Shown { message, notification, .. } = row;
    let target = state.outbox.line(&message.channel, &message.target);
    let is_waiting = row.state == "waiting";
    let held_until = target.filter(|_| is_waiting && message.tries == 0).and_then(|line| line.ready_at(now));
    shapes::OutboxMessage {
        id: message.id.clone(),
        at: message.at.into(),
        rollout: (&message.rollout).into(),
        revision: notification.revision,
        channel: (&message.channel).into(),
        channel_kind: target.and_then(|line| line.definition.as_ref()).map(kind),
        kind: Text::word(message.kind.as_str()),
        urgency: Text::word(notification.urgency.as_str()),
        headline: notification.headline.clone(),
        state: row.state.as_str().into(),
        tries: message.tries,
        next_try: Time::from(is_waiting.then_some(message.next_try)),
        held_until: held_until.filter(|at| *at > now).into(),
        error: Some(message.last_error.clone()).filter(|error| !error.is_empty()),
        folded: message.folded,
        ended_at: row.ended_at.into(),
    }
}

fn channel(state: &State, line: &Line, totals: &[(String, [u64; 3])], now: Instant) -> Option<shapes::OutboxChannel> {
    let rollouts = users(state, line);
    // A definition that no plan has any more is of interest for what waits for it.
    if rollouts.is_empty() && line.waiting() == 0 {
        return None;
    }
    let [sent, failed, dead] =
        totals.iter().find(|(name, _)| name == line.channel.as_str()).map(|(_, own)| *own).unwrap_or_default();
    Some(shapes::OutboxChannel {
        channel: (&line.channel).into(),
        kind: line.definition.as_ref().map(kind),
        rollouts: rollouts.iter().map(Text::from).collect(),
        waiting: line.waiting(),
        oldest: line.oldest().into(),
        is_dead: line.dead.is_some(),
        fault: line.fault(now).map(|(fault, _)| fault),
        error: line
            .dead
            .as_ref()
            .map(|(error, _)| error.as_str())
            .or_else(|| line.failing().map(|(error, ..)| error))
            .map(str::to_owned),
        sent,
        failed,
        dead,
    })
}

fn kind(channel: &Channel) -> Text<ChannelKind> {
    Text::word(channel.kind().as_str())
}

/// The rollouts whose plans define a line's channel like this.
fn users(state: &State, line: &Line) -> Vec<Name> {
    state.deployment.rollouts.iter().filter(|own| line.is_of(&own.plan)).map(|own| own.plan.key.clone()).collect()
}

/// Sends messages again: one, or all that were given up.
///
/// # Errors
/// When the storage refuses.
pub fn retry(
    state: &mut State,
    turn: &mut Turn<'_>,
    id: &str,
    keep: impl FnOnce(&mut Batch, &Reply),
) -> Result<Answered, StorageError> {
    let now = turn.now;
    let id = (!matches!(id, "*" | "%2A")).then_some(id);
    let mut found = stored::to_retry(turn.storage, id)?;
    if id.is_none() {
        let failing = state.outbox.lines.iter().filter_map(|line| line.queue.front()).filter(|head| head.tries > 0);
        found.extend(failing.map(|head| (head.clone(), "waiting".to_owned())));
    }
    if let (Some(id), true) = (id, found.is_empty()) {
        return Ok(Err(Problem::unknown_message(id)));
    }
    let (mut retried, mut skipped) = (Vec::new(), Vec::new());
    let mut batch = Batch::default();
    let mut again: Vec<Stored> = Vec::new();
    for (mut message, own) in found {
        if own == "sent" {
            skipped.push(shapes::NotRetried { id: message.id, why: "it was sent already".into() });
        } else if stored::is_over(turn.storage, &message)? {
            // It would open again what was closed meanwhile.
            skipped.push(shapes::NotRetried { id: message.id, why: "what it is about was resolved since".into() });
        } else {
            retried.push(message.id.clone());
            // It stays one that was tried: what its receiver may have already is not folded with what it has not.
            (message.since, message.next_try, message.tries) = (now, now, message.tries.min(1));
            batch.wait(&message);
            again.push(message);
        }
    }
    let reply = Reply::json(200, &shapes::Retried { retried, skipped });
    keep(&mut batch, &reply);
    turn.commit(batch)?;
    for message in again {
        state.outbox.take_again(message, &state.deployment);
    }
    Ok(Ok(reply))
}

/// Has a sample sent to a channel, or to all; the reply comes when the receivers have answered.
pub fn begin_trial(state: &State, turn: &mut Turn<'_>, name: &str, call: Box<Call>) {
    let effect = match trial(state, name, call, turn.now) {
        Ok(trial) => Effect::Try(trial),
        Err(problem) => Effect::Reply(problem.into()),
    };
    turn.push(effect);
}

fn trial(state: &State, name: &str, call: Box<Call>, now: Instant) -> Result<Trial, Problem> {
    let asked = parameter(&call.query, "rollout");
    let is_asked = |own: &Name| matches!(name, "*" | "%2A") || own.as_str() == name;
    let mut outgoing: Vec<(Outgoing, Vec<Name>)> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for rollout in state.deployment.rollouts.iter() {
        let key = &rollout.plan.key;
        for (channel, target) in &rollout.plan.channels.0 {
            if !known.iter().any(|own| own == channel.as_str()) {
                known.push(channel.to_string());
            }
            if !is_asked(channel) || asked.as_deref().is_some_and(|asked| asked != key.as_str()) {
                continue;
            }
            let same = outgoing.iter_mut().find(|(own, _)| own.channel == *channel && own.target == *target);
            if let Some((_, rollouts)) = same {
                rollouts.push(key.clone());
                continue;
            }
            let notification = sample(&rollout.plan, channel, state.console.as_deref(), now);
            let id = Stored::id_of(outgoing.len() as u64, key, channel, now).replacen("msg_", "test_", 1);
            let own = Outgoing { id, channel: channel.clone(), target: target.clone(), notification, reference: None };
            outgoing.push((own, vec![key.clone()]));
        }
    }
    if outgoing.is_empty() {
        return Err(Problem::unknown_channel(name, asked.as_deref(), &known));
    }
    outgoing.truncate(TRIALS_MAX);
    Ok(Trial { call, outgoing })
}

/// What has come back from a sample.
pub fn tried(trial: &Trial, tried: &[Tried]) -> Reply {
    let views = trial.outgoing.iter().zip(tried).map(|((own, rollouts), tried)| {
        let (outcome, error) = tried.delivery.reported();
        shapes::ChannelTest {
            channel: (&own.channel).into(),
            kind: kind(&own.target),
            rollouts: rollouts.iter().map(Text::from).collect(),
            outcome: Text::word(outcome),
            error: error.map(str::to_owned),
            status: tried.status,
            body: tried.body.clone(),
            took_ms: tried.took_ms,
        }
    });
    Reply::json(200, &shapes::ChannelTests { tests: views.collect() })
}
