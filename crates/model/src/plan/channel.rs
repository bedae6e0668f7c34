//! Where messages go: one channel, as a plan declares it.
//!
//! A channel has one kind, the field that names it; that field holds what the kind cannot do without, and
//! options stand beside it. Addresses that carry a key, and keys, are secrets of the Worker and stand in a
//! plan by their names alone: a plan is read by many, and lies in KV and in a repository.

mod written;

use std::fmt;
use std::str::FromStr;

use super::fields::Reader;
use super::words::{SecretName, WordError, words};
use crate::{Name, serialize_as_text};
pub(super) use written::read;

/// The binding that sends mail where a channel names none.
pub const MAIL_BINDING: &str = "EMAIL";
/// The variable that names the sender of mail where a channel names none.
pub const MAIL_FROM: &str = "MAIL_FROM";
/// The platform sends one mail to so many addresses.
pub const RECIPIENTS_MAX: usize = 50;
/// The issue type of a ticket where a channel names none: each Jira project has it.
pub const ISSUE_TYPE: &str = "Task";

words! {
    /// What carries a message.
    ChannelKind is "a kind of channel" of {
        /// An incoming webhook of Slack.
        Slack = "slack",
        /// A workflow webhook of Microsoft Teams.
        Teams = "teams",
        /// PagerDuty's Events API v2, or what speaks it.
        PagerDuty = "pagerduty",
        /// Opsgenie's alerts.
        Opsgenie = "opsgenie",
        /// The alerts of Jira Service Management.
        Jsm = "jsm",
        /// Tickets of Jira.
        Jira = "jira",
        /// Mail, sent by the platform.
        Mail = "mail",
        /// Incidents on a public status page of Statuspage.
        Statuspage = "statuspage",
        /// Sentry's change tracking of feature flags.
        Sentry = "sentry",
        /// Annotations in Grafana.
        Grafana = "grafana",
        /// Anything else: an event, signed, at an address.
        Webhook = "webhook",
    } allows "`slack`, `teams`, `pagerduty`, `opsgenie`, `jsm`, `jira`, `mail`, `statuspage`, `sentry`, `grafana` or `webhook`"
}

impl ChannelKind {
    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::PagerDuty => "pagerduty",
            Self::Opsgenie => "opsgenie",
            Self::Jsm => "jsm",
            Self::Jira => "jira",
            Self::Mail => "mail",
            Self::Statuspage => "statuspage",
            Self::Sentry => "sentry",
            Self::Grafana => "grafana",
            Self::Webhook => "webhook",
        }
    }
}

words! {
    /// Where a vendor keeps an account.
    Region is "a region" of {
        /// The United States.
        Us = "us",
        /// The European Union.
        Eu = "eu",
    } allows "`us` or `eu`"
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// An incoming webhook of Slack.
    Slack {
        /// Its address.
        url: SecretName,
    },
    /// A workflow webhook of Microsoft Teams.
    Teams {
        /// Its address.
        url: SecretName,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// The word that the plan names it by: `pagerduty`, or `pager` as before.
        word: &'static str,
        /// The integration key.
        key: SecretName,
        /// Where the account is.
        region: Region,
        /// Another address that speaks the same: a proxy's, or a compatible service's.
        url: Option<SecretName>,
    },
    /// Opsgenie's alerts.
    Opsgenie {
        /// The key of an API integration.
        key: SecretName,
        /// Where the account is.
        region: Region,
        /// The team that answers; otherwise the integration's own routing says who does.
        team: Option<String>,
        /// Another address that speaks the same.
        url: Option<SecretName>,
    },
    /// The alerts of Jira Service Management.
    Jsm {
        /// The key of an API integration.
        key: SecretName,
        /// The team that answers; otherwise the integration's own routing says who does.
        team: Option<String>,
        /// Another address that speaks the same.
        url: Option<SecretName>,
    },
    /// Tickets of Jira.
    Jira {
        /// The site, such as `https://example.atlassian.net`.
        url: SecretName,
        /// Whose API token it is, by mail address; absent for a personal access token of Jira Data Center.
        user: Option<SecretName>,
        /// The token.
        token: SecretName,
        /// The project's key.
        project: Name,
        /// The issue type's name.
        issue_type: String,
    },
    /// Mail.
    Mail {
        /// The word that the plan names it by: `mail`, or `email` as before.
        word: &'static str,
        /// To whom, 1 to [`RECIPIENTS_MAX`].
        to: Vec<MailAddress>,
        /// From whom; otherwise the Worker's variable `MAIL_FROM` says.
        from: Option<MailAddress>,
        /// The name of the Worker's `send_email` binding.
        binding: Name,
    },
    /// Incidents on a public status page.
    Statuspage {
        /// The key of its API.
        key: SecretName,
        /// The page's id.
        page: Name,
        /// The ids of the components that an incident concerns.
        components: Vec<Name>,
        /// Another address that speaks the same.
        url: Option<SecretName>,
    },
    /// Sentry's change tracking of feature flags, as its generic provider.
    Sentry {
        /// The address that Sentry shows for the provider.
        url: SecretName,
        /// The signing secret that was given to Sentry.
        signing_secret: SecretName,
    },
    /// Annotations in Grafana.
    Grafana {
        /// Grafana's address.
        url: SecretName,
        /// The token of a service account that may write annotations.
        token: SecretName,
        /// The dashboard's uid; otherwise every dashboard can show them, by their tags.
        dashboard: Option<Name>,
    },
    /// An event, signed, at an address.
    Webhook {
        /// The address.
        url: SecretName,
        /// The key that the events are signed with; unsigned without one.
        signing_secret: Option<SecretName>,
    },
}

impl Channel {
    /// Reads a channel as it was stored: a field that is not known is passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let node = serde_json::from_str(text).ok()?;
        let mut reader = Reader::of_stored();
        read(&mut reader, &node).filter(|_| reader.faults.is_empty())
    }

    /// What carries its messages.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Slack { .. } => ChannelKind::Slack,
            Self::Teams { .. } => ChannelKind::Teams,
            Self::PagerDuty { .. } => ChannelKind::PagerDuty,
            Self::Opsgenie { .. } => ChannelKind::Opsgenie,
            Self::Jsm { .. } => ChannelKind::Jsm,
            Self::Jira { .. } => ChannelKind::Jira,
            Self::Mail { .. } => ChannelKind::Mail,
            Self::Statuspage { .. } => ChannelKind::Statuspage,
            Self::Sentry { .. } => ChannelKind::Sentry,
            Self::Grafana { .. } => ChannelKind::Grafana,
            Self::Webhook { .. } => ChannelKind::Webhook,
        }
    }

    /// The secrets that must be set before it can send.
    pub fn secrets(&self) -> Vec<&SecretName> {
        let (first, others): (Option<&SecretName>, [Option<&SecretName>; 2]) = match self {
            Self::Slack { url } | Self::Teams { url } => (Some(url), [None, None]),
            Self::PagerDuty { key, url, .. }
            | Self::Opsgenie { key, url, .. }
            | Self::Jsm { key, url, .. }
            | Self::Statuspage { key, url, .. } => (Some(key), [url.as_ref(), None]),
            Self::Jira { url, user, token, .. } => (Some(url), [user.as_ref(), Some(token)]),
            Self::Mail { .. } => (None, [None, None]),
            Self::Sentry { url, signing_secret } => (Some(url), [Some(signing_secret), None]),
            Self::Grafana { url, token, .. } => (Some(url), [Some(token), None]),
            Self::Webhook { url, signing_secret } => (Some(url), [signing_secret.as_ref(), None]),
        };
        first.into_iter().chain(others.into_iter().flatten()).collect()
    }

    /// Whether it wakes somebody up.
    pub const fn is_pager(&self) -> bool {
        matches!(self, Self::PagerDuty { .. } | Self::Opsgenie { .. } | Self::Jsm { .. })
    }

    /// Whether it is mail.
    pub const fn is_mail(&self) -> bool {
        matches!(self, Self::Mail { .. })
    }

    /// Whether it takes everything that happens and wakes nobody: a room where people talk, or a record.
    pub const fn is_chat(&self) -> bool {
        matches!(
            self,
            Self::Slack { .. } | Self::Teams { .. } | Self::Sentry { .. } | Self::Grafana { .. } | Self::Webhook { .. }
        )
    }
}

/// A mail address, without a name before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(String);

impl MailAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether mail can be sent to it. Plans of before held any text.
    pub fn is_valid(&self) -> bool {
        let Some((user, host)) = self.0.rsplit_once('@') else { return false };
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"@".contains(&byte);
        let is_host = host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
        is_host && !user.is_empty() && self.0.len() <= 254 && user.bytes().chain(host.bytes()).all(is_plain)
    }
}

impl FromStr for MailAddress {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let address = Self(text.trim().to_owned());
        if address.is_valid() {
            return Ok(address);
        }
        Err(WordError::new(text, "a mail address", "one address without a name, such as `ops@example.com`"))
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(MailAddress);
