//! `tidegate notify preview`: the request that a message becomes, as the Worker would send it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::Failure;
use crate::clock::now;
use crate::paint::{BOLD, note, paint, print, print_raw};
use crate::plan_file::load_one;
use crate::report;
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::plan::words::SecretName;
use tidegate_model::plan::{Channel, Plan};
use tidegate_model::{Instant, Name};
use tidegate_protocol::notify::{Request, request, samples};

#[derive(Args)]
pub struct PreviewArguments {
    /// A kind of channel, such as slack or pagerduty; with --plan the name of one of its channels
    #[arg(long, value_name = "CHANNEL")]
    channel: String,
    /// Take the channel from this plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// The rollout, where the plan holds several
    #[arg(long, value_name = "KEY", requires = "plan")]
    rollout: Option<String>,
    /// What the message is about, as a sample of such a message [default: rollback]
    #[arg(long, value_name = "KIND", value_parser = kind, conflicts_with = "file")]
    kind: Option<NotificationKind>,
    /// When a sample is of, such as 2026-12-02T03:12:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = str::parse::<Instant>, conflicts_with = "file")]
    at: Option<Instant>,
    /// What an earlier message about the same incident brought back, such as a ticket's key
    #[arg(long, value_name = "REFERENCE")]
    reference: Option<String>,
    /// Print a mail as HTML
    #[arg(long, conflicts_with = "json")]
    html: bool,
    /// A notification as JSON, as a signed webhook gets it under `data.notification`; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

fn kind(text: &str) -> Result<NotificationKind, String> {
    let known = samples::KINDS.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or_else(|| {
        let words: Vec<&str> = samples::KINDS.iter().map(|kind| kind.as_str()).collect();
        format!("the kinds are {}", words.join(", "))
    })
}

pub fn run(arguments: &PreviewArguments, json: bool) -> Result<(), Failure> {
    let (channel, key) = channel(arguments)?;
    let notification = match &arguments.file {
        Some(path) => read(path)?,
        None => {
            let kind = arguments.kind.unwrap_or(NotificationKind::Rollback);
            samples::sample(kind, key, arguments.at.unwrap_or_else(now))
        }
    };
    let secrets = |name: &SecretName| Some(secret(name));
    let request = request("preview", &channel, &secrets, &notification, arguments.reference.as_deref(), now());
    match request {
        Err(message) => Err(Failure::WithHelp { message, help: "secrets are looked up in the environment".into() }),
        Ok(Request::Mail { html, .. }) if arguments.html => print_raw(&html),
        Ok(request) if json => print_raw(&as_json(&request).to_string()),
        Ok(request) => show(&request),
    }
}

fn channel(arguments: &PreviewArguments) -> Result<(Channel, Name), Failure> {
    let name = &arguments.channel;
    let Some(path) = &arguments.plan else {
        let kind: ChannelKind = name.parse().map_err(|_| {
            Failure::Usage(format!("`{name}` is not a kind of channel; a plan's own channels need --plan PLAN"))
        })?;
        return sample(kind).ok_or_else(|| Failure::Usage(format!("there is no sample of `{name}`")));
    };
    let loaded = load_one(path, None)?;
    if loaded.has_errors() {
        report::show(&loaded.sources)?;
        return Err(Failure::Refused);
    }
    let is_asked = |plan: &&Plan| arguments.rollout.as_ref().is_none_or(|key| plan.key.as_str() == key);
    let plans: Vec<&Plan> = loaded.plans.iter().map(|(_, plan)| plan).filter(is_asked).collect();
    let found =
        plans.iter().find_map(|plan| plan.channels.get(name).map(|channel| (channel.clone(), plan.key.clone())));
    found.ok_or_else(|| {
        let mut known: Vec<&str> = plans.iter().flat_map(|plan| plan.channels.names()).collect();
        known.sort_unstable();
        known.dedup();
        Failure::Usage(format!("the plan has no channel `{name}` (known: {})", known.join(", ")))
    })
}

/// A channel of each kind, with all that it can have.
fn sample(kind: ChannelKind) -> Option<(Channel, Name)> {
    let fields = match kind {
        ChannelKind::Slack => json!({ "slack": "secret:SLACK_URL" }),
        ChannelKind::Teams => json!({ "teams": "secret:TEAMS_URL" }),
        ChannelKind::PagerDuty => json!({ "pagerduty": "secret:PAGERDUTY_KEY" }),
        ChannelKind::Opsgenie => json!({ "opsgenie": "secret:OPSGENIE_KEY", "team": "platform" }),
        ChannelKind::Jsm => json!({ "jsm": "secret:JSM_KEY", "team": "platform" }),
        ChannelKind::Jira => {
            json!({ "jira": "secret:JIRA_URL", "user": "secret:JIRA_USER", "token": "secret:JIRA_TOKEN", "project": "OPS" })
        }
        ChannelKind::Mail => json!({ "mail": "ops@example.com", "from": "tidegate@example.com" }),
        ChannelKind::Statuspage => {
            json!({ "statuspage": "secret:STATUSPAGE_KEY", "page": "PAGE", "components": ["COMPONENT"] })
        }
        ChannelKind::Sentry => json!({ "sentry": "secret:SENTRY_URL", "signing_secret": "secret:SENTRY_SECRET" }),
        ChannelKind::Grafana => json!({ "grafana": "secret:GRAFANA_URL", "token": "secret:GRAFANA_TOKEN" }),
        ChannelKind::Webhook => json!({ "webhook": "secret:WEBHOOK_URL", "signing_secret": "secret:WEBHOOK_SECRET" }),
    };
    serde_json::from_value(fields).ok().zip("checkout".parse().ok())
}

/// A secret from the environment, or one that looks like it.
fn secret(name: &SecretName) -> String {
    let name = name.0.as_str();
    let made_up = || match name {
        "JIRA_URL" => "https://example.atlassian.net".to_owned(),
        "JIRA_USER" => "ana@example.com".to_owned(),
        "MAIL_FROM" => "tidegate@example.com".to_owned(),
        _ if name.ends_with("SECRET") => "whsec_bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaA==".to_owned(),
        _ if name.ends_with("URL") => format!("https://{}.example.com", name.to_lowercase().replace('_', "-")),
        _ => name.to_owned(),
    };
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(made_up)
}

fn read(path: &PathBuf) -> Result<Notification, Failure> {
    let failed = |error| Failure::Io(path.display().to_string(), error);
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        text
    } else {
        std::fs::read_to_string(path).map_err(failed)?
    };
    serde_json::from_str(&text).map_err(|error| Failure::WithHelp {
        message: format!("{} is no notification: {error}", path.display()),
        help: "see docs/reference.md, Messages".into(),
    })
}

/// For programs: the body as it is, since it is what was signed.
fn as_json(request: &Request) -> Value {
    match request {
        Request::Http { method, url, headers, body } => {
            let headers: serde_json::Map<String, Value> =
                headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            json!({ "method": method, "url": url, "headers": headers, "body": body })
        }
        Request::Mail { binding, from, to, subject, text, html, headers } => json!({ "mail": {
            "binding": binding, "from": from, "to": to, "subject": subject, "text": text, "html": html,
            "headers": headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect::<serde_json::Map<_, _>>(),
        }}),
        Request::Nothing => Value::Null,
    }
}

fn show(request: &Request) -> Result<(), Failure> {
    match request {
        Request::Nothing => {
            note("Nothing is sent: such a message is not for this kind of channel.");
            Ok(())
        }
        Request::Http { method, url, headers, body } => {
            print(&paint(BOLD, format!("{method} {url}")))?;
            for (name, value) in headers {
                print(&format!("{name}: {value}"))?;
            }
            let pretty =
                serde_json::from_str::<Value>(body).ok().and_then(|body| serde_json::to_string_pretty(&body).ok());
            print_raw(&format!("\n{}", pretty.unwrap_or_else(|| body.clone())))
        }
        Request::Mail { from, to, subject, text, headers, .. } => {
            print(&paint(BOLD, subject))?;
            print(&format!("from: {from}\nto: {}", to.join(", ")))?;
            for (name, value) in headers {
                print(&format!("{name}: {value}"))?;
            }
            print_raw(&format!("\n{text}"))
        }
    }
}
