//! Sentences about what broke.

use tidegate_model::Instant;
use tidegate_model::broke::{Broke, Failure, FailureClass, People, ScriptError, Share};
use tidegate_model::number::Grouped;

use crate::series::MINUTE_MS;

/// What broke, a sentence for each thing: `5xx at api (/api/*): 38 of 500 requests on new, 2 of 9,500 on legacy`.
pub fn broke(broke: &Broke) -> Vec<String> {
    let mut all: Vec<String> = broke.failures.iter().map(failure).collect();
    all.extend(broke.failing.as_ref().map(|people| format!("{} a failed request", affected(people))));
    all.extend(broke.scripts.iter().map(script));
    all.extend(broke.erring.as_ref().map(|people| format!("{} a JavaScript error", affected(people))));
    all
}

const fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::ServerErrors => "5xx",
        FailureClass::ClientErrors => "4xx",
        FailureClass::Timeouts => "time-outs",
        FailureClass::Refused => "no answer (refused or reset)",
        FailureClass::Broken => "pages that broke off",
        FailureClass::Abandoned => "clients that gave up",
    }
}

fn failure(own: &Failure) -> String {
    let at = match (&own.endpoint, &own.path) {
        (Some(endpoint), Some(path)) => format!(" at {endpoint} ({path})"),
        (Some(endpoint), None) => format!(" at {endpoint}"),
        (None, _) => String::new(),
    };
    let statuses: Vec<String> =
        own.statuses.iter().map(|(status, count)| format!("{status} × {}", Grouped(*count))).collect();
    let statuses = if statuses.is_empty() { String::new() } else { format!(" ({})", statuses.join(", ")) };
    format!("{}{at}: {}{statuses}", class(own.class), both(&own.new, &own.legacy, "requests"))
}

fn script(own: &ScriptError) -> String {
    let first = own.first_on_new.map(|minute| {
        let at = Instant::from_epoch_ms(i64::try_from(minute).unwrap_or_default().saturating_mul(MINUTE_MS));
        format!("; first seen on new {}, and never on legacy", at.to_words())
    });
    format!("{}: {}{}", own.fingerprint, both(&own.new, &own.legacy, "page views"), first.unwrap_or_default())
}

fn both(new: &Share, legacy: &Share, what: &str) -> String {
    let of_legacy = match legacy.of {
        0 => ", legacy had none".to_owned(),
        of => format!(", {} of {} on legacy", Grouped(legacy.count), Grouped(of)),
    };
    format!("{} of {} {what} on new{of_legacy}", Grouped(new.count), Grouped(new.of))
}

/// `about 120 users of new (100 to 150) had`.
fn affected(people: &People) -> String {
    let People { about, from, to } = *people;
    let users = if about == 1 { "user" } else { "users" };
    if from == to {
        format!("{} {users} of new had", Grouped(about))
    } else {
        format!("about {} {users} of new ({} to {}) had", Grouped(about), Grouped(from), Grouped(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_is_said_with_its_counts_on_both_sides() {
        let own = Broke {
            minutes: 12,
            failures: vec![Failure {
                class: FailureClass::ServerErrors,
                endpoint: "api".parse().ok(),
                path: Some("/api/cart".into()),
                new: Share { count: 38, of: 500 },
                legacy: Share { count: 2, of: 9_500 },
                statuses: vec![(500, 30), (502, 8)],
            }],
            scripts: vec![ScriptError {
                fingerprint: "TypeError: x is undefined at app.js".into(),
                new: Share { count: 12, of: 400 },
                legacy: Share { count: 0, of: 7_000 },
                first_on_new: Some(29_000_000),
            }],
            failing: Some(People { about: 120, from: 100, to: 150 }),
            erring: Some(People { about: 1, from: 1, to: 1 }),
        };
        assert_eq!(
            broke(&own),
            [
                "5xx at api (/api/cart): 38 of 500 requests on new, 2 of 9,500 on legacy (500 × 30, 502 × 8)",
                "about 120 users of new (100 to 150) had a failed request",
                "TypeError: x is undefined at app.js: 12 of 400 page views on new, 0 of 7,000 on legacy; first seen on new Wed 19 Feb 2025 21:20 UTC, and never on legacy",
                "1 user of new had a JavaScript error"
            ]
        );
    }
}
