//! `tidegate outbox`: the messages that wait or were given up, and `--retry` to send them again; and the half of
//! `tidegate notify` that asks a deployment to send a sample.

use clap::Args;
use serde_json::json;

use super::Failure;
use super::client::Client;
use super::clock::now;
use super::operator::Connection;
use super::paint::{BAD, BOLD, DIM, GOOD, WARN, paint, print, print_raw};
use super::words::relative;
use super::wrap::{self, hung};
use tidegate_model::Instant;
use tidegate_model::number::counted;
use tidegate_protocol::api::shapes::{ChannelTest, ChannelTests, Outbox, OutboxChannel, OutboxMessage, Retried};

#[derive(Args)]
pub struct OutboxArguments {
    /// Send a message again that was given up or fails: its id, or `all`
    #[arg(long, value_name = "ID")]
    pub retry: Option<String>,
    /// The messages of one rollout alone
    #[arg(long, value_name = "KEY", conflicts_with = "retry")]
    pub rollout: Option<String>,
    /// Also those that were sent in the last days
    #[arg(long, conflicts_with = "retry")]
    pub sent: bool,
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
    /// End with exit code 1 where a channel fails, or has given up a message
    #[arg(long, conflicts_with = "retry")]
    pub check: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct NotifyTestArguments {
    /// The channel, as in [channels.NAME] [default: all]
    #[arg(value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// As the plan of this rollout defines it
    #[arg(long, value_name = "KEY")]
    pub rollout: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

pub fn run(arguments: &OutboxArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    if let Some(id) = &arguments.retry {
        let id = if id == "all" { "*" } else { id };
        let answer = client.send("POST", &format!("outbox/{id}/retry"), &json!({}))?;
        if json {
            return print_raw(&answer.text);
        }
        return print(&retried(&answer.read()?));
    }
    let limit = arguments.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(arguments.sent.then_some(("state", "waiting,dead,sent")));
    query.extend(arguments.rollout.as_deref().map(|key| ("rollout", key)));
    let answer = client.get("outbox", &query)?;
    let outbox: Outbox = answer.read()?;
    if json {
        print_raw(&answer.text)?;
    } else {
        print(&shown(&outbox, now(), wrap::of_stdout()))?;
    }
    let is_well = |own: &OutboxChannel| !own.is_dead && own.fault.is_none() && own.error.is_none();
    let is_any_dead = outbox.messages.iter().any(|message| message.state == "dead");
    if arguments.check && (is_any_dead || !outbox.channels.iter().all(is_well)) {
        Err(Failure::Refused)
    } else {
        Ok(())
    }
}

/// Has samples sent, and fails where one does not arrive.
pub fn test(arguments: &NotifyTestArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let channel = arguments.channel.as_deref().unwrap_or("*");
    let rollout = arguments.rollout.as_ref().map(|key| format!("?rollout={key}")).unwrap_or_default();
    let answer = client.send("POST", &format!("channels/{channel}/test{rollout}"), &json!({}))?;
    let tests: ChannelTests = answer.read()?;
    if json {
        print_raw(&answer.text)?;
    } else {
        let lines: Vec<String> = tests.tests.iter().map(|test| tested(test, wrap::of_stdout())).collect();
        print(&lines.join("\n"))?;
    }
    if tests.tests.iter().all(|test| matches!(test.outcome.as_str(), "sent" | "nothing")) {
        Ok(())
    } else {
        Err(Failure::Refused)
    }
}

fn retried(done: &Retried) -> String {
    let mut lines = vec![match done.retried.len() {
        0 => "Nothing to send again.".to_owned(),
        count => format!("{} on the way again: tidegate outbox shows what becomes of it", counted(count, "message")),
    }];
    lines.extend(done.skipped.iter().map(|own| format!("  {} is not sent again: {}", own.id, own.why)));
    lines.join("\n")
}

/// What a sample has brought back.
fn tested(test: &ChannelTest, width: usize) -> String {
    let (mark, outcome) = match test.outcome.as_str() {
        "sent" => (paint(GOOD, "✓"), "the receiver took it"),
        "nothing" => (paint(DIM, "–"), "this kind of channel has no test message"),
        _ => (paint(BAD, "✗"), "not sent"),
    };
    let status = test.status.map(|status| format!(", status {status}")).unwrap_or_default();
    let error = test.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let name = format!("{} ({}, of {})", paint(BOLD, &test.channel), test.kind, test.rollouts.join(", "));
    let mut text = hung(&format!("{mark} "), &format!("{name}: {outcome}{status}, {} ms{error}", test.took_ms), width);
    if !test.body.trim().is_empty() {
        let body = test.body.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push('\n');
        text.push_str(&hung("  ", &paint(DIM, body), width));
    }
    text
}

/// The channels, and under them the messages.
fn shown(outbox: &Outbox, now: Instant, width: usize) -> String {
    let now = outbox.at.get().unwrap_or(now);
    let mut lines = Vec::new();
    if outbox.channels.is_empty() {
        lines.push(
            "No plan has channels: messages go nowhere. `[channels.chat]` with `slack = \"secret:CHAT_URL\"` adds one."
                .to_owned(),
        );
    }
    for channel in &outbox.channels {
        lines.push(of_channel(channel, now, width));
    }
    if outbox.messages.is_empty() && !outbox.channels.is_empty() {
        lines.push(paint(DIM, "Nothing waits, and nothing was given up."));
    }
    for message in &outbox.messages {
        let is_of = |own: &&OutboxChannel| own.channel == message.channel && own.rollouts.contains(&message.rollout);
        let fails = outbox.channels.iter().find(is_of).is_some_and(|own| own.error.is_some());
        lines.push(of_message(message, fails, now, width));
    }
    if outbox.messages.iter().any(|message| message.state == "dead") {
        lines.push(paint(DIM, "Send what was given up again: tidegate outbox --retry all"));
    }
    lines.join("\n")
}

fn of_channel(channel: &OutboxChannel, now: Instant, width: usize) -> String {
    let kind = channel.kind.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    let (style, mark) = match (channel.is_dead, &channel.fault, &channel.error) {
        (true, ..) => (BAD, "✗"),
        (_, None, None) => (GOOD, "✓"),
        _ => (WARN, "!"),
    };
    let state = match (channel.is_dead, channel.waiting) {
        (true, _) => "dead".to_owned(),
        (_, 0) => "nothing waits".to_owned(),
        (_, count) => {
            let oldest =
                channel.oldest.get().map(|at| format!(", the oldest {}", relative(at, now))).unwrap_or_default();
            format!("{} wait{}{oldest}", counted(count, "message"), if count == 1 { "s" } else { "" })
        }
    };
    let of = if channel.rollouts.is_empty() { String::new() } else { format!(" of {}", channel.rollouts.join(", ")) };
    let fault = match (&channel.fault, &channel.error) {
        (Some(fault), _) => format!("; {fault}"),
        (None, Some(error)) => format!("; the last try failed: {error}"),
        (None, None) => String::new(),
    };
    hung(
        &format!("{} ", paint(style, mark)),
        &format!("{}{kind}{of}: {state}{fault}", paint(BOLD, &channel.channel)),
        width,
    )
}

/// A message; `fails` says whether its channel does, so that it waits behind another one.
fn of_message(message: &OutboxMessage, fails: bool, now: Instant, width: usize) -> String {
    let when = message.at.get().map(|at| relative(at, now)).unwrap_or_default();
    let state = match message.state.as_str() {
        "dead" => {
            let at = message.ended_at.get().map(|at| format!(" {}", relative(at, now))).unwrap_or_default();
            paint(BAD, format!("given up{at}"))
        }
        "sent" => paint(GOOD, "sent"),
        _ if message.tries == 0 && fails => paint(DIM, "waits behind one that fails"),
        _ if message.tries == 0 => match message.held_until.get() {
            Some(at) => {
                let until = relative(at, now);
                paint(DIM, format!("held back, to be sent {until} as one message with what comes until then"))
            }
            None => paint(DIM, "being sent"),
        },
        _ => {
            let next = message.next_try.get().map_or_else(String::new, |at| match at > now {
                true => format!(", next try {}", relative(at, now)),
                false => ", tried again now".to_owned(),
            });
            paint(WARN, format!("{} failed{next}", counted(message.tries, "try")))
        }
    };
    let error = message.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let kind = message.kind.replace("checkin", "check-in");
    hung(
        "  ",
        &format!(
            "{}  {} to {}, {when}, {state}{error}\n  “{}”",
            paint(DIM, &message.id),
            kind,
            paint(BOLD, &message.channel),
            message.headline
        ),
        width,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_dead_channel_and_its_messages_are_shown_with_the_way_out() {
        let outbox: Outbox = serde_json::from_str(
            r#"{"at":"2026-12-02T14:00:00Z","channels":[
                {"channel":"chat","kind":"slack","rollouts":["shop"],"waiting":0,"is_dead":true,"fault":"messages to chat are given up: 410 Gone"},
                {"channel":"page","kind":"pagerduty","rollouts":["shop","ai"],"waiting":2,"oldest":"2026-12-02T13:56:00Z","is_dead":false,"error":"no answer within 10 s"}],
              "messages":[
                {"id":"msg_4","at":"2026-12-02T13:59:00Z","rollout":"shop","channel":"mail","kind":"stage","headline":"It goes on","state":"waiting","tries":0,"held_until":"2026-12-02T14:00:30Z"},
                {"id":"msg_3","at":"2026-12-02T13:59:00Z","rollout":"shop","channel":"page","kind":"alert","headline":"Another alert","state":"waiting","tries":0,"held_until":"2026-12-02T14:02:00Z"},
                {"id":"msg_1","at":"2026-12-02T13:50:00Z","rollout":"shop","channel":"chat","kind":"rollback","headline":"Rolled back","state":"dead","tries":1,"error":"410 Gone","ended_at":"2026-12-02T13:50:01Z"},
                {"id":"msg_2","at":"2026-12-02T13:56:00Z","rollout":"shop","channel":"page","kind":"alert","headline":"An alert","state":"waiting","tries":3,"next_try":"2026-12-02T14:02:00Z","error":"no answer within 10 s"}]}"#,
        )
        .unwrap();
        let now = "2026-12-02T14:00:00Z".parse().unwrap();
        assert_eq!(
            plain(&shown(&outbox, now, wrap::UNBROKEN)),
            "✗ chat (slack) of shop: dead; messages to chat are given up: 410 Gone
! page (pagerduty) of shop, ai: 2 messages wait, the oldest 4 min ago; the last try failed: no answer within 10 s
  msg_4  stage to mail, 1 min ago, held back, to be sent in 30 s as one message with what comes until then
  “It goes on”
  msg_3  alert to page, 1 min ago, waits behind one that fails
  “Another alert”
  msg_1  rollback to chat, 10 min ago, given up 9 min ago: 410 Gone
  “Rolled back”
  msg_2  alert to page, 4 min ago, 3 tries failed, next try in 2 min: no answer within 10 s
  “An alert”
Send what was given up again: tidegate outbox --retry all"
        );
    }

    #[test]
    fn what_a_sample_brought_back_is_reported_with_its_status_and_body() {
        let test: ChannelTest = serde_json::from_str(
            r#"{"channel":"chat","kind":"slack","rollouts":["shop"],"outcome":"refused","error":"403 Forbidden","status":403,"body":"invalid_token\n","took_ms":83}"#,
        )
        .unwrap();
        assert_eq!(
            plain(&tested(&test, wrap::UNBROKEN)),
            "✗ chat (slack, of shop): not sent, status 403, 83 ms: 403 Forbidden\n  invalid_token"
        );
    }
}
