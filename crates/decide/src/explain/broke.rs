//! Sentences about what broke.

use tidegate_model::broke::{Broke, Failure, FailureClass, People, ScriptError, Share, StandsOut, Trouble};
use tidegate_model::dimension::Dimension;
use tidegate_model::figure::Unit;
use tidegate_model::number::Grouped;

use super::amount;

/// What broke, a sentence for each thing: `5xx at api (/api/*): 38 of 500 requests on new, 2 of 9,500 on legacy`.
pub fn broke(broke: &Broke) -> Vec<String> {
    let mut all: Vec<String> = broke.failures.iter().map(failure).collect();
    all.extend(broke.stands_out.iter().filter(|own| own.trouble != Trouble::JsErrors).map(stands_out));
    all.extend(
        broke.failing.as_ref().map(|people| format!("{} a failed request, rescued ones included", affected(people))),
    );
    all.extend(broke.scripts.iter().map(script));
    all.extend(broke.stands_out.iter().filter(|own| own.trouble == Trouble::JsErrors).map(stands_out));
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

/// `browser Safari stands out: 12 % (120 of 1,000) of its requests failed on new, of all others 0.1 % (9 of 9,000)`.
fn stands_out(own: &StandsOut) -> String {
    let StandsOut { trouble, dimension, value, new, others, legacy } = own;
    let name = match dimension {
        Dimension::Header(name) => format!("{name}: {value}"),
        plain => format!("{} {value}", plain.title()),
    };
    let (what, went) = match trouble {
        Trouble::Failures => ("requests", "failed"),
        Trouble::ClientErrors => ("requests", "were answered with a 4xx"),
        Trouble::JsErrors => ("page views", "had a JavaScript error"),
    };
    let of_legacy = match legacy.of {
        0 => String::new(),
        _ => format!("; of its own on legacy {}", share(legacy)),
    };
    format!("{name} stands out: {} of its {what} {went} on new, of all others {}{of_legacy}", share(new), share(others))
}

/// `12 % (120 of 1,000)`.
fn share(own: &Share) -> String {
    format!("{} ({} of {})", amount(Unit::Share, own.rate()), Grouped(own.count), Grouped(own.of))
}

fn script(own: &ScriptError) -> String {
    let first = own
        .first_on_new
        .map(|minute| format!("; first seen on new {}, and never on legacy", minute.start().to_words()));
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
    use tidegate_model::Minute;

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
                first_on_new: Some(Minute::new(29_000_000)),
            }],
            stands_out: vec![
                StandsOut {
                    trouble: Trouble::Failures,
                    dimension: Dimension::Browser,
                    value: "Safari".into(),
                    new: Share { count: 120, of: 1_000 },
                    others: Share { count: 9, of: 9_000 },
                    legacy: Share { count: 19, of: 19_000 },
                },
                StandsOut {
                    trouble: Trouble::JsErrors,
                    dimension: Dimension::Header("x-tier".into()),
                    value: "gold".into(),
                    new: Share { count: 30, of: 100 },
                    others: Share { count: 0, of: 700 },
                    legacy: Share::default(),
                },
            ],
            failing: Some(People { about: 120, from: 100, to: 150 }),
            erring: Some(People { about: 1, from: 1, to: 1 }),
        };
        assert_eq!(
            broke(&own),
            [
                "5xx at api (/api/cart): 38 of 500 requests on new, 2 of 9,500 on legacy (500 × 30, 502 × 8)",
                "browser Safari stands out: 12 % (120 of 1,000) of its requests failed on new, of all others 0.1 % (9 of 9,000); of its own on legacy 0.1 % (19 of 19,000)",
                "about 120 users of new (100 to 150) had a failed request, rescued ones included",
                "TypeError: x is undefined at app.js: 12 of 400 page views on new, 0 of 7,000 on legacy; first seen on new Wed 19 Feb 2025 21:20 UTC, and never on legacy",
                "x-tier: gold stands out: 30 % (30 of 100) of its page views had a JavaScript error on new, of all others 0 % (0 of 700)",
                "1 user of new had a JavaScript error"
            ]
        );
    }
}
