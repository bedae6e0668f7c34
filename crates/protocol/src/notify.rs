//! Messages out, as values: what is sent to a channel, and what its answer means.
//!
//! Rules that every channel keeps. The first line says what happened, to which rollout, and whether somebody
//! has to act. What people wrote (descriptions, reasons, notes) is text in every format, never markup, and
//! mentions nobody. Only links with http or https are links. What is too long is cut at a character and ends
//! with `…`: a message that a vendor refuses for its length is worse than a short one. A secret stands in
//! the request alone, never in an error.

mod alerts;
mod answer;
mod grafana;
mod jira;
pub(crate) mod keys;
mod mail;
pub(crate) mod markup;
mod pagerduty;
pub mod samples;
mod sentry;
mod slack;
mod statuspage;
mod teams;
mod text;
pub(crate) mod webhook;

use serde_json::Value;
use tidegate_model::Instant;
use tidegate_model::notification::Notification;
use tidegate_model::plan::Channel;
use tidegate_model::plan::words::SecretName;

use self::alerts::Alerts;
pub use self::answer::Outcome;
use self::keys::Keys;

/// What is to be done to send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A request, to be sent without following redirects.
    Http {
        /// `POST`, `PUT` or `PATCH`.
        method: &'static str,
        /// Where to.
        url: String,
        /// Its headers, their names in lower case.
        headers: Vec<(String, String)>,
        /// Its body, as it was signed.
        body: String,
    },
    /// A mail, by the platform's binding.
    Mail {
        /// The binding's name.
        binding: String,
        /// The sender's address.
        from: String,
        /// The recipients' addresses.
        to: Vec<String>,
        /// One line.
        subject: String,
        /// The message as plain text.
        text: String,
        /// The message as HTML.
        html: String,
        /// Headers beside those that the platform sets.
        headers: Vec<(String, String)>,
    },
    /// Nothing: such a message is not for this kind of channel.
    Nothing,
}

impl Request {
    /// A JSON body to an address.
    fn json(method: &'static str, url: String, headers: &[(&str, String)], body: &Value) -> Self {
        let mut all = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Self::Http { method, url, headers: all, body: body.to_string() }
    }
}

/// Puts a field into an object of JSON.
fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// What sends a notification to a channel.
///
/// `id` stays the same however often it is sent. `secrets` looks up the Worker's secrets and variables.
/// `reference` is what an earlier delivery about the same incident brought back.
///
/// # Errors
/// A sentence for operators when the channel is not set up: a secret is not set, or is not what it should be.
pub fn request(
    id: &str,
    channel: &Channel,
    secrets: &dyn Fn(&SecretName) -> Option<String>,
    n: &Notification,
    reference: Option<&str>,
    sent_at: Instant,
) -> Result<Request, String> {
    let keys = Keys(secrets);
    let n = &*text::for_audience(n);
    match channel {
        Channel::Slack { url } => Ok(Request::json("POST", keys.address(url)?, &[], &slack::message(n))),
        Channel::Teams { url } => Ok(teams::request(keys.address(url)?, n)),
        Channel::PagerDuty { key, region, url, .. } => pagerduty::request(&keys, key, *region, url.as_ref(), id, n),
        Channel::Opsgenie { key, region, team, url } => {
            let to = Alerts { key, base: alerts::opsgenie(*region), team: team.as_deref(), url: url.as_ref() };
            to.request(&keys, id, n)
        }
        Channel::Jsm { key, team, url } => {
            let to = Alerts { key, base: alerts::JSM, team: team.as_deref(), url: url.as_ref() };
            to.request(&keys, id, n)
        }
        Channel::Jira { .. } => jira::request(&keys, channel, n, reference),
        Channel::Mail { to, from, binding, .. } => mail::request(&keys, to, from.as_ref(), binding, id, n),
        Channel::Statuspage { key, page, components, url } => {
            let to = statuspage::Page { key, page, components, url: url.as_ref() };
            to.request(&keys, n, reference)
        }
        Channel::Sentry { url, signing_secret } => sentry::request(&keys, url, signing_secret, id, n),
        Channel::Grafana { url, token, dashboard } => {
            grafana::request(&keys, url, token, dashboard.as_ref(), n, reference)
        }
        Channel::Webhook { url, signing_secret } => {
            webhook::request(&keys, url, signing_secret.as_ref(), id, n, sent_at)
        }
    }
}

/// What an answer means. `status` is 0 for mail that the platform refused, with `CODE: message` as the body.
/// The names of `headers` are in lower case.
pub fn outcome(channel: &Channel, status: u16, headers: &[(String, String)], body: &str) -> Outcome {
    let answer = answer::Answer { status, headers, body };
    match channel {
        Channel::Slack { .. } => slack::outcome(&answer),
        Channel::Teams { .. } => teams::outcome(&answer),
        Channel::PagerDuty { .. } => pagerduty::outcome(&answer),
        Channel::Opsgenie { .. } => alerts::outcome(&answer, "Opsgenie"),
        Channel::Jsm { .. } => alerts::outcome(&answer, "Jira Service Management"),
        Channel::Jira { .. } => jira::outcome(&answer),
        Channel::Mail { .. } => mail::outcome(&answer),
        Channel::Statuspage { .. } => statuspage::outcome(&answer),
        Channel::Sentry { .. } => sentry::outcome(&answer),
        Channel::Grafana { .. } => grafana::outcome(&answer),
        Channel::Webhook { .. } => webhook::outcome(&answer),
    }
}
