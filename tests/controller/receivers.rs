//! Whom messages go to: each channel answers as a test has it, and remembers what it got.

use std::collections::HashMap;

use tidegate::controller::{Delivery, Outgoing, Tried};
use tidegate::model::notification::Notification;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It takes what it gets, after so many milliseconds.
    Takes(i64),
    /// It answers 500.
    Fails,
    /// It asks to wait so many milliseconds.
    Busy(u64),
    /// It never answers.
    Hangs,
    /// It is gone for good.
    Gone,
    /// A secret of it is not set.
    Unset,
}

/// A message that has reached a receiver.
#[derive(Clone, Debug)]
pub struct Got {
    pub at_ms: i64,
    pub channel: String,
    pub id: String,
    pub notification: Notification,
    pub reference: Option<String>,
}

#[derive(Default)]
pub struct Receivers {
    /// How the channels of these names answer; the others take what they get within 100 ms.
    pub answers: HashMap<&'static str, Answer>,
    /// What has arrived, in its order.
    pub got: Vec<Got>,
    /// When what was sent, whether it arrived or not.
    pub tries: Vec<(i64, String, String)>,
}

impl Receivers {
    fn of(&self, channel: &str) -> Answer {
        self.answers.get(channel).cloned().unwrap_or(Answer::Takes(100))
    }

    /// What a receiver says to a message, and after how long.
    pub fn answer(&mut self, outgoing: &Outgoing, now_ms: i64) -> (Delivery, i64) {
        self.tries.push((now_ms, outgoing.channel.to_string(), outgoing.id.clone()));
        let failed = |after_ms, error: &str, is_configuration| Delivery::Failed {
            after_ms,
            error: error.to_owned(),
            is_configuration,
        };
        match self.of(outgoing.channel.as_str()) {
            Answer::Takes(ms) => {
                let reference = outgoing.notification.incident.as_ref().map(|incident| format!("ref {incident}"));
                (Delivery::Sent { reference }, ms)
            }
            Answer::Fails => (failed(None, "500", false), 100),
            Answer::Busy(ms) => (failed(Some(ms), "429", false), 100),
            Answer::Hangs => (failed(None, "no answer within 10 s", false), i64::MAX / 4),
            Answer::Gone => (Delivery::Dead { error: "410 Gone".to_owned() }, 100),
            Answer::Unset => (failed(None, "the secret CHAT_URL is not set", true), 0),
        }
    }

    /// A message has arrived, unless the receiver only says no.
    pub fn take(&mut self, outgoing: Outgoing, now_ms: i64) {
        if let Answer::Takes(_) = self.of(outgoing.channel.as_str()) {
            self.got.push(Got {
                at_ms: now_ms,
                channel: outgoing.channel.to_string(),
                id: outgoing.id,
                notification: outgoing.notification,
                reference: outgoing.reference,
            });
        }
    }

    /// What comes back from a sample.
    pub fn tried(&mut self, outgoing: &Outgoing) -> Tried {
        let (delivery, _) = self.answer(outgoing, 0);
        let status = matches!(delivery, Delivery::Sent { .. }).then_some(200);
        Tried { delivery, status, body: "ok".to_owned(), took_ms: 50 }
    }

    /// The first lines of what a channel got.
    pub fn headlines(&self, channel: &str) -> Vec<String> {
        self.of_channel(channel).map(|own| own.notification.headline.clone()).collect()
    }

    pub fn of_channel<'a>(&'a self, channel: &'a str) -> impl Iterator<Item = &'a Got> {
        self.got.iter().filter(move |own| own.channel == channel)
    }
}
