//! A notification of each kind, as Tidegate would write it: for previews, documents and tests.

use serde_json::json;
use tidegate_model::notification::{Link, Notification, NotificationKind, Urgency};
use tidegate_model::{Instant, Name};

/// The kinds of which there is a sample, in the order in which a release meets them.
pub const KINDS: [NotificationKind; 14] = [
    NotificationKind::Notice,
    NotificationKind::Stage,
    NotificationKind::Checkin,
    NotificationKind::Digest,
    NotificationKind::Waiting,
    NotificationKind::Blocked,
    NotificationKind::Fault,
    NotificationKind::Alert,
    NotificationKind::Rollback,
    NotificationKind::Escalation,
    NotificationKind::Kill,
    NotificationKind::Resolved,
    NotificationKind::Report,
    NotificationKind::Test,
];

/// What differs from kind to kind.
struct Words {
    urgency: Urgency,
    headline: &'static str,
    action: Option<&'static str>,
    why: &'static str,
    figures: &'static [&'static str],
    next: Option<&'static str>,
    command: Option<&'static str>,
    text: Option<&'static str>,
    is_of_incident: bool,
}

/// A kind that says nothing but its headline and why.
const QUIET: Words = Words {
    urgency: Urgency::Info,
    headline: "",
    action: None,
    why: "",
    figures: &[],
    next: None,
    command: None,
    text: None,
    is_of_incident: false,
};

fn words(kind: NotificationKind) -> Words {
    use NotificationKind as Kind;
    match kind {
        Kind::Notice => Words {
            headline: "checkout: the canary starts tomorrow. No action needed.",
            why: "The plan announces the stage canary a day before.",
            text: Some("Canary starts tomorrow at 09:00. Questions: #release."),
            next: Some("canary, 10 %, on 2026-12-02 at 09:00 Europe/Berlin"),
            ..QUIET
        },
        Kind::Stage => Words {
            headline: "checkout is at canary, 10 %. No action needed.",
            why: "The bake time of internal, 1 d, is over, and its gate passed.",
            figures: &["error_rate is 0.02 % over the stage; the gate asks for less than 0.1 %"],
            next: Some("half, 50 %, in 2 d if 3 gates pass"),
            command: Some("tidegate rollback checkout"),
            ..QUIET
        },
        Kind::Checkin => Words {
            headline: "checkout is healthy at canary, 10 %, after 4 h. No action needed.",
            why: "2 of 3 gates met, 1 without enough data: `lcp.p75 <= 1.2x legacy` waits for 1,200 more page views.",
            figures: &["error_rate: 0.03 % on new, 0.04 % on legacy", "lcp.p75: 1.9 s on new, 2.1 s on legacy"],
            next: Some("the next check-in in 15 min"),
            ..QUIET
        },
        Kind::Digest => Words {
            headline: "checkout this morning: canary, 10 %, day 2 of 2. No action needed.",
            why: "3 of 3 gates met; 0 of 2 guardrails are true.",
            figures: &["error_rate: 0.03 % on new, 0.04 % on legacy", "48,210 users on new"],
            next: Some("half, 50 %, today at 14:00 Europe/Berlin"),
            ..QUIET
        },
        Kind::Waiting => Words {
            urgency: Urgency::Warning,
            headline: "checkout has been waiting for a person for 3 h.",
            action: Some("Tick off “Rollback tested” in the console, or run `tidegate approve checkout`."),
            why: "The gates of canary pass; 1 item of its checklist is open.",
            next: Some("half, 50 %, once the item is ticked off"),
            ..QUIET
        },
        Kind::Blocked => Words {
            urgency: Urgency::Warning,
            headline: "checkout has been blocked at canary for 6 h.",
            action: Some("Look why nobody reports `signal.p1`: its last report came 6 h ago."),
            why: "The gate `signal.p1 = 0 over stage` is inconclusive: nothing was reported for longer than 10 min.",
            next: Some("half, 50 %, once the gate passes"),
            ..QUIET
        },
        Kind::Fault => Words {
            urgency: Urgency::Warning,
            headline: "checkout: a value in KV cannot be read. The last good state holds.",
            action: Some("Mend the KV key `stage/checkout`, or delete it."),
            why: "`stage/checkout` holds `ten`, which is neither a percentage nor a state.",
            next: Some("stays at canary, 10 %"),
            ..QUIET
        },
        Kind::Alert => Words {
            urgency: Urgency::Warning,
            headline: "checkout: pages of new are slow. It goes on by itself; somebody should look.",
            action: Some("Compare the slow pages with legacy's, and pause if it is no accident."),
            why: "lcp.p75 is 3.4 s on new and 2.1 s on legacy (1.6x), over the last hour, of 5,140 page views.",
            figures: &["the guardrail `lcp.p75 > 1.3x legacy` alerts"],
            next: Some("half, 50 %, in 5 h unless it is paused"),
            command: Some("tidegate pause checkout"),
            is_of_incident: true,
            ..QUIET
        },
        Kind::Rollback => Words {
            urgency: Urgency::Critical,
            headline: "checkout was rolled back from canary, 10 %, to 0 % (everybody is on legacy): error_rate is 5.1 % over 5m. Find the cause and approve 1 item; then resume it.",
            action: Some("Find the cause and approve 1 item; then resume it."),
            why: "The guardrail `error_rate > 5% over 5m` came true: error_rate is 5.1 % over 5m, of 12,480 requests; rolls back above 5 %.",
            figures: &["Of 640 failures on new 612 are answered with a 5xx, 590 of these 503"],
            next: Some("Rolled back: nothing happens until an operator resumes it."),
            command: Some("tidegate approve checkout 'Cause found'\ntidegate resume checkout"),
            is_of_incident: true,
            ..QUIET
        },
        Kind::Escalation => Words {
            urgency: Urgency::Critical,
            headline: "checkout: nobody has taken up the rollback of 30 min ago.",
            action: Some("Find somebody who looks at it. All users are on legacy."),
            why: "The guardrail `error_rate > 5% over 5m` rolled it back at 03:12 UTC, and nobody has approved or resumed since.",
            next: Some("the next escalation goes to lead in 30 min"),
            command: Some("tidegate resume checkout"),
            is_of_incident: true,
            ..QUIET
        },
        Kind::Kill => Words {
            urgency: Urgency::Warning,
            headline: "checkout was killed by ana: everybody is on legacy until it is revived. Find the cause; then revive it.",
            action: Some("Find the cause; then revive it."),
            why: "ana: payments fail for cards of one bank.",
            next: Some("Killed: an operator revives it."),
            command: Some("tidegate revive checkout"),
            is_of_incident: true,
            ..QUIET
        },
        Kind::Resolved => Words {
            headline: "checkout: resolved: guardrail `error_rate > 5% over 5m`. No action needed.",
            why: "Somebody has acted: checkout is running at canary, 10 %. It lasted 23 minutes.",
            next: Some("half, 50 %, in 2 d if 3 gates pass"),
            is_of_incident: true,
            ..QUIET
        },
        Kind::Report => Words {
            headline: "checkout has completed: everybody is on new. No action needed.",
            why: "5 stages in 9 d, 1 rollback, 2 alerts.",
            figures: &["error_rate: 0.03 % over the last stage", "legacy got no request in the last 24 h"],
            ..QUIET
        },
        Kind::Test => Words {
            headline: "This is a test of the channel. No action needed.",
            why: "Somebody ran `tidegate notify test`.",
            ..QUIET
        },
    }
}

/// A notification of a kind about a rollout.
pub fn sample(kind: NotificationKind, rollout: Name, at: Instant) -> Notification {
    let words = words(kind);
    let named = |text: &str| text.replace("checkout", rollout.as_str());
    let link = |title: &str, url: &str| Link { title: title.into(), url: url.into() };
    let is_change = matches!(kind, NotificationKind::Stage | NotificationKind::Rollback | NotificationKind::Kill);
    let actor = match kind {
        NotificationKind::Kill => "ana",
        NotificationKind::Rollback => "guardrail",
        _ => "schedule",
    };
    Notification {
        kind,
        urgency: words.urgency,
        at,
        description: Some(named("The new checkout")),
        revision: is_change.then_some(31),
        headline: named(words.headline),
        state: String::new(),
        action: words.action.map(named),
        why: named(words.why),
        figures: words.figures.iter().map(|figure| named(figure)).collect(),
        owner: Some("on-call (ana)".into()),
        next: words.next.map(named),
        links: vec![
            link("Console", &named("https://ops.example.com/_tidegate/#/rollouts/checkout/history/31")),
            link("Dashboard", &named("https://grafana.example.com/d/checkout?from=now-1h&to=now")),
            link("Runbook", &named("https://wiki.example.com/checkout")),
        ],
        command: words.command.map(named),
        incident: words.is_of_incident.then(|| named("tidegate-checkout-4f1c2a90-1796008320")),
        audience: (kind == NotificationKind::Notice).then(|| "team".into()),
        text: words.text.map(named),
        folded: None,
        entry: is_change.then(|| {
            json!({ "rollout": rollout, "revision": 31, "at": at, "actor": actor, "command": { "command": kind.as_str() } })
        }),
        rollout,
    }
}
