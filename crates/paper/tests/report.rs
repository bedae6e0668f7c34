//! The report of a release that failed at 100 %: when that began, how soon it was seen, whom it reached, and how it looks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails, as it should")]

use tidegate_decide::rollout::{Order, Rollout};
use tidegate_model::Instant;
use tidegate_model::command::{Command, Target};
use tidegate_model::figure::{Basis, Because, Counted, Exposures, Figure, Now, Stands, Unit};
use tidegate_model::history::{Entry, EntryCause, GatesLeft};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::Plan;
use tidegate_model::plan::set::read_rollout;
use tidegate_paper::report::{Input, SideFigures, Stretch, report};
use tidegate_paper::{html, markdown};

fn at(minute: i64, second: i64) -> Instant {
    let begin: Instant = "2026-12-02T08:00:00Z".parse().unwrap();
    Instant::from_epoch_ms(begin.as_epoch_ms() + minute * MINUTE_MS + second * 1_000)
}

fn plan() -> Plan {
    read_rollout(
        r#"{"key":"checkout","description":"The new checkout","routes":["shop.example.com/checkout/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
        "identity":{"from":["header:x-user-id"]},"roles":{"lead":{"person":"ben","tell":[],"hours":[]}},
        "freeze":"Sat-Sun Europe/Berlin","after_rollback":["Cause found","Users informed"],
        "stage":[{"name":"canary","percentage":10,"hold":"10m"},{"name":"full","percentage":100,"hold":"1d","gates":["error_rate < 1% over stage","latency.p95 < 500ms over stage"],"checklist":["KPIs met"]}]}"#,
    )
    .unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A rate of new beside legacy's, as the judge has it.
fn figure(value: f64) -> Figure {
    Figure {
        metric: "error_rate".into(),
        unit: Unit::Share,
        value: Some(value),
        legacy: Some(0.004),
        op: ">".into(),
        bound: 1.0,
        basis: Basis::Legacy,
        of: Counted::Requests,
        observations: 4_210.0,
        observations_legacy: Some(31_000.0),
        exposures: Some(Exposures { new: 3_900.0, legacy: 30_200.0 }),
        e_value: Some(48_211.0),
        e_needed: Some(200.0),
        now: Some(Now { value: Some(0.41), legacy: Some(0.004), minutes: 1, rescued: 280.0 }),
        ..Figure::default()
    }
}

/// The history of a release that starts, advances, and is taken back at 10:22:14 in Berlin.
fn history(plan: &Plan) -> (Vec<Entry>, Rollout) {
    let mut rollout = Rollout::new(std::rc::Rc::new(plan.clone()), "".into(), 0, at(0, 0));
    let mut entries = Vec::new();
    let guardrail = EntryCause::Guardrail { index: 0, condition: "error_rate > legacy".into() };
    let schedule =
        EntryCause::Schedule { stage: Some("canary".into()), hold: Some("10m".into()), after: Vec::new(), gates: None };
    let orders = [
        (at(60, 0), Order::new(Command::Start, "ana", "signed off by ben".into())),
        (
            at(71, 0),
            Order::caused(Command::Advance, "schedule", schedule, vec![Figure { bound: 1.0, ..figure(0.004) }]),
        ),
        (at(82, 14), Order::caused(Command::Rollback(Target::Off), "guardrail", guardrail, vec![figure(0.117)])),
        (at(90, 0), Order::new(Command::Note, "ben", "the payment service had been given the wrong address".into())),
        (at(95, 0), Order::new(Command::Approve("Cause found".into()), "ben", "the configuration of payments".into())),
    ];
    for (now, order) in orders {
        let change = rollout.change(order, now).unwrap();
        entries.push(change.entry);
        rollout = change.rollout;
    }
    (entries, rollout)
}

/// What was measured: new fails from minute 79 on, and is asked for the last time in minute 82.
fn minutes() -> Vec<Stretch> {
    let side = |requests: u64, errors: u64, rescued: u64, p95: f64| SideFigures {
        requests,
        errors,
        rescued,
        latency_p95_ms: (requests > 0).then_some(p95),
        pages: requests / 6,
        failed_pages: errors / 40,
        ..SideFigures::default()
    };
    (50..100)
        .map(|minute| {
            let wave = (minute % 7) as u64;
            let new = match minute {
                60..=70 => side(98 + wave, 0, 0, 184.0 + wave as f64),
                71..=78 => side(960 + 9 * wave, 4 + wave / 3, 3, 190.0 + wave as f64),
                79..=81 => side(980, 395 + 11 * wave, 290, 2_400.0),
                82 => side(240, 101, 70, 2_600.0),
                _ => SideFigures::default(),
            };
            let legacy = if (71..=82).contains(&minute) {
                side(0, 0, 0, 0.0)
            } else {
                side(880 + 11 * wave, 3, 0, 210.0 + wave as f64)
            };
            Stretch {
                at_ms: at(minute, 0).as_epoch_ms(),
                minutes: 1,
                users: (new.requests > 0).then_some(new.requests as f64 / 2.6),
                new,
                legacy,
                ..Stretch::default()
            }
        })
        .collect()
}

#[test]
fn it_says_when_it_began_how_soon_it_was_seen_and_whom_it_reached() {
    let plan = plan();
    let (history, rollout) = history(&plan);
    let minutes = minutes();
    let sent = [(at(82, 14), "critical guardrail `error_rate > legacy` came true and rolls back".to_owned())];
    let document = report(&Input {
        plan: &plan,
        record: &rollout.record,
        history: &history,
        measured: &minutes,
        minutes: &minutes,
        users: Some(1_120.0),
        sent: &sent,
        gates: &[],
        wrong: &[],
        console: None,
        now: at(100, 0),
    });
    let (text, page) = (markdown::print(&document), html::print(&document));
    if let Ok(folder) = std::env::var("PAPERS") {
        std::fs::write(format!("{folder}/report.md"), &text).unwrap();
        std::fs::write(format!("{folder}/report.html"), &page).unwrap();
    }
    for sent in [
        // 79 minutes after 9:00 in Berlin it began; 82 min 14 s after, it was seen.
        "| **Began** | Wed 2 Dec 2026 10:19 |",
        "| **Detected** | Wed 2 Dec 2026 10:22:14 | Tidegate rolled it back to 0 %, from full at 100 %, because the share of requests that fail is measurably above legacy's (the guardrail `error_rate > legacy`).",
        "| **Over** | Wed 2 Dec 2026 10:23 |",
        "| **Time to detect** | at most 3 min 14 s |",
        "| **Time to recover** | at most 46 s |",
        "It lasted about 4 min. In that time 1,385 of 3,180 requests to the new version failed; legacy answered 940 of them in its place, which the users did not see: 445 failures reached users. About 377 users were on the new version then.",
        "| **ben** | 10:30:00 added a note",
        "signed off by ben",
        "0 of 5 met",
        "| Users informed |",
    ] {
        assert!(text.contains(sent), "{sent}\n{text}");
    }
    assert_eq!(page.matches("<svg ").count(), 5, "share, failures, requests, times, JavaScript");
    assert!(page.contains("It blames nobody") && !page.contains("<script"));
}

/// A report of a rollout that the schedule has completed, with these gates left behind and this wrong now.
fn completed(gates: (usize, usize), stands: Stands, wrong: &[String]) -> String {
    let plan = read_rollout(
        r#"{"key":"checkout","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"defaults":"none",
        "identity":{"from":["header:x-user-id"]},"stage":[{"name":"full","percentage":100,"hold":"1h","gates":["error_rate <= legacy"]}]}"#,
    )
    .unwrap();
    let mut rollout = Rollout::new(std::rc::Rc::new(plan.clone()), "".into(), 0, at(0, 0));
    let (met, undecided) = gates;
    let schedule = EntryCause::Schedule {
        stage: Some("full".into()),
        hold: Some("1h".into()),
        after: Vec::new(),
        gates: Some(GatesLeft { met, undecided }),
    };
    let figure = Figure { because: Because::NotShownWorse, stands: Some(stands), ..figure(0.004) };
    let mut history = Vec::new();
    for (now, order) in [
        (at(0, 0), Order::new(Command::Start, "ana", String::new())),
        (at(61, 0), Order::caused(Command::Complete(None), "schedule", schedule, vec![figure])),
    ] {
        let change = rollout.change(order, now).unwrap();
        history.push(change.entry);
        rollout = change.rollout;
    }
    let document = report(&Input {
        plan: &plan,
        record: &rollout.record,
        history: &history,
        measured: &[],
        minutes: &[],
        users: None,
        sent: &[],
        gates: &[],
        wrong,
        console: None,
        now: at(62, 0),
    });
    markdown::print(&document)
}

#[test]
fn nothing_is_green_while_something_is_wrong_and_what_was_undecided_is_not_met() {
    let fine = completed((1, 0), Stands::NotWorse, &[]);
    for said in ["[!TIP]", "By the schedule: its gate passed.", "1 of 1 met.", "| no requests | no requests |"] {
        assert!(fine.contains(said), "{said}\n{fine}");
    }
    let undecided = completed((0, 1), Stands::Unclear, &[]);
    for said in [
        "By the schedule: 0 of 1 gate passed, 1 undecided and let through (the plan asks only that new is not shown to be worse).",
        "0 of 1 met, 1 let through.",
        "| undecided, let through |",
    ] {
        assert!(undecided.contains(said), "{said}\n{undecided}");
    }
    let wrong = completed((1, 0), Stands::NotWorse, &["channel/chat: the secret CHAT_URL is not set".to_owned()]);
    for said in ["[!NOTE]", "1 thing is wrong now; the next section says what.", "- Channel/chat: the secret CHAT"] {
        assert!(wrong.contains(said), "{said}\n{wrong}");
    }
    assert!(!wrong.contains("[!TIP]"), "{wrong}");
}

#[test]
fn who_went_back_is_plotted_where_anybody_did() {
    let plan = plan();
    let (history, rollout) = history(&plan);
    let mut minutes = minutes();
    for minute in minutes.iter_mut().filter(|minute| minute.new.requests > 0) {
        minute.opt_out_rate = Some(0.04);
    }
    let document = report(&Input {
        plan: &plan,
        record: &rollout.record,
        history: &history,
        measured: &minutes,
        minutes: &minutes,
        users: Some(1_120.0),
        sent: &[],
        gates: &[],
        wrong: &[],
        console: None,
        now: at(100, 0),
    });
    let page = html::print(&document);
    assert_eq!(page.matches("<svg ").count(), 6, "one more than where nobody did");
    assert!(page.contains("Share of users on new who went back to legacy"));
    assert!(markdown::print(&document).contains("Share of users on new who went back to legacy"));
}
