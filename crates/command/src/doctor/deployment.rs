//! The deployment itself: its API, its tokens and keys, its clock, the controller and what it says of KV, channels and
//! sources.

use super::Findings;
use crate::Failure;
use crate::client::Client;
use crate::clock::now;
use crate::operator::Connection;
use crate::problem::Error;
use crate::words::span;
use tidegate_model::Instant;
use tidegate_model::node::Node;
use tidegate_model::plan::{Plan, read};
use tidegate_protocol::api::shapes::{Outbox, Rollout, Rollouts};

/// Clocks that are further apart make times in plans mean something else, in milliseconds.
const CLOCK_MS_MAX: i64 = 5_000;
/// A publication takes less; after this something is wrong, in milliseconds.
const PUBLISHED_MS_MAX: i64 = 30_000;
/// So many plans are fetched.
const PLANS_MAX: usize = 50;

/// Looks at the deployment. Returns the plans in force there.
pub fn check(connection: &Connection, api: &str, findings: &mut Findings) -> Result<Vec<Plan>, Failure> {
    let client = Client::new(connection)?;
    let asked_at = now();
    let all: Rollouts = match client.get("rollouts", &[]).and_then(|answer| answer.read()) {
        Ok(all) => all,
        Err(error) => {
            refused(&error, api, findings);
            return Ok(Vec::new());
        }
    };
    if let Some(at) = all.at.get() {
        clock(api, at, asked_at, now(), findings);
    }
    for fault in &all.faults {
        findings.error(
            "deployment-fault",
            api,
            format!("{}: {}", fault.subject, fault.message),
            "isolates go on with what they knew before, so what is changed now does not arrive",
            "mend what is named; `tidegate apply` writes the plans again",
        );
    }
    for rollout in &all.rollouts {
        of_rollout(rollout, all.at.get().unwrap_or(asked_at), findings);
    }
    keys(&client, &all.rollouts, api, findings);
    channels(&client, findings);
    let plans = all.rollouts.iter().take(PLANS_MAX).filter_map(|rollout| plan(&client, rollout.key.as_str()));
    Ok(plans.collect())
}

/// The plan of a rollout, as it is in force.
fn plan(client: &Client, key: &str) -> Option<Plan> {
    let answer = client.get(&format!("rollouts/{key}/plan"), &[]).ok()?;
    let node: Node = serde_json::from_str(&answer.text).ok()?;
    read::stored(&node).0
}

fn refused(error: &Error, api: &str, findings: &mut Findings) {
    let (code, help) = match error {
        Error::Problem(problem) => match problem.kind() {
            "no-tokens" => {
                ("no-tokens", "`tidegate token NAME --role operator`, then `npx wrangler secret put ADMIN_TOKENS`")
            }
            "bad-tokens" => ("bad-tokens", "set ADMIN_TOKENS again with what `tidegate token` prints"),
            "unauthorized" | "forbidden" => {
                ("token-refused", "set TIDEGATE_TOKEN to a token whose entry is in ADMIN_TOKENS")
            }
            "no-controller" | "unavailable" => {
                ("controller-down", "see `npx wrangler tail`; the worker needs the Durable Object CONTROLLER")
            }
            _ => ("api-refuses", "see what it says; docs/api.md explains each problem"),
        },
        _ => ("api-unreachable", "set TIDEGATE_URL (or --url) to the console's host, else to the site's"),
    };
    findings.error(
        code,
        api,
        format!("the API cannot be used: {}", error.message()),
        "no command and no console works, and in an incident only the kill key in KV is left",
        help,
    );
}

fn clock(api: &str, theirs: Instant, before: Instant, after: Instant, findings: &mut Findings) {
    let ms = theirs.as_epoch_ms();
    let off_ms = (before.as_epoch_ms() - ms).max(ms - after.as_epoch_ms());
    if off_ms > CLOCK_MS_MAX {
        findings.warn(
            "clock",
            api,
            format!("this machine's clock and the deployment's are {} apart", span(off_ms)),
            "tokens, preview links and `start` times made here mean another moment there",
            "set this machine's clock (NTP)",
        );
    }
}

fn of_rollout(rollout: &Rollout, at: Instant, findings: &mut Findings) {
    let key = rollout.key.as_str();
    for fault in &rollout.faults {
        findings.error(
            "rollout-fault",
            key,
            format!("{}: {}", fault.subject, fault.message),
            "what it is about is not in force, or cannot be relied on",
            format!("tidegate status {key}"),
        );
    }
    let since_ms = rollout.state.since.get().map_or(i64::MAX, |since| at.ms_since(since));
    if !rollout.published.is_current && since_ms > PUBLISHED_MS_MAX {
        findings.error(
            "kv-behind",
            key,
            format!(
                "KV holds revision {}, and the rollout is at {}",
                rollout.published.revision, rollout.state.revision
            ),
            "an isolate that starts without the controller goes by the old state",
            "see whether KV takes writes: `npx wrangler tail` shows `kv_unwritable`",
        );
    }
    // Before the start nobody has had anything to report.
    let is_started = matches!(rollout.state.phase.as_str(), "running" | "paused");
    if let Some(silence) = rollout.silence.as_ref().filter(|_| is_started) {
        findings.warn(
            "never-reported",
            key,
            silence.clone(),
            "a gate on it is never met, so its stage is never left; a guardrail on it never acts",
            "see that pages load /_tidegate/beacon.js, and that whoever reports signals does so",
        );
    }
}

/// Whether previews can be signed: the same key signs sessions, and what pages report under.
fn keys(client: &Client, rollouts: &[Rollout], api: &str, findings: &mut Findings) {
    let Some(rollout) = rollouts.iter().find(|rollout| !rollout.is_flag) else { return };
    let body = serde_json::json!({ "variant": "legacy" });
    let asked = client.send("POST", &format!("rollouts/{}/previews", rollout.key), &body);
    if let Err(Error::Problem(problem)) = asked
        && problem.kind() == "no-signing-key"
    {
        findings.error(
            "no-signing-key",
            api,
            "SIGNING_KEY is not set, or is too short".to_owned(),
            "there are no sessions in the console, no preview links, and pages cannot report",
            "npx wrangler secret put SIGNING_KEY, with 32 random bytes or more: openssl rand -base64 32",
        );
    }
}

fn channels(client: &Client, findings: &mut Findings) {
    let read = client.get("outbox", &[("limit", "1")]).and_then(|answer| answer.read::<Outbox>());
    for channel in read.unwrap_or_default().channels {
        if let Some(error) = channel.fault.as_ref().or(channel.error.as_ref()) {
            findings.error(
                "channel",
                channel.channel.as_str(),
                format!("messages do not arrive: {error}"),
                "nobody learns of an alert or a rollback by it",
                format!("mend it, then `tidegate notify test {}`", channel.channel),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_found_whichever_is_wrong() {
        let at = |s: i64| Instant::from_epoch_ms(s * 1_000);
        for (theirs, found) in [(100, false), (104, false), (120, true), (80, true)] {
            let mut findings = Findings::default();
            clock("api", at(theirs), at(99), at(101), &mut findings);
            assert_eq!(findings.codes() == ["clock"], found, "{theirs}");
        }
    }
}
