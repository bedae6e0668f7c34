//! Pages of a rollout's history: each entry as it is stored, byte for byte, so that its hash can be
//! checked, and beside it what led to it in sentences.

use super::Reply;
use super::shapes::{Explanation, History};
use tidegate_decide::explain;
use tidegate_model::history::Entry;

/// A page of entries, newest first, each with its revision; `before` is where the next page goes on.
pub fn page(entries: &[(u64, String)], before: Option<u64>) -> Reply {
    let history = History {
        entries: entries.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect(),
        explanations: entries.iter().filter_map(|(_, text)| explanation(text)).collect(),
        before,
    };
    Reply::json(200, &history)
}

fn explanation(text: &str) -> Option<Explanation> {
    let (entry, _) = Entry::parse(text).ok()?;
    Some(Explanation {
        revision: entry.revision,
        done: explain::done(&entry.command),
        outcome: explain::state(&entry.state),
        reason: explain::why(&entry),
        figures: explain::figures(&entry),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::figure::{Figure, Unit};
    use tidegate_model::history::EntryCause;

    const STATE: &str = r#"{"revision":3,"plan":1,"attempt":1,"phase":"rolled_back","killed":false,"stage":"canary","percentage":0,"groups":[],"since":"2026-11-20T10:00:00Z"}"#;

    fn entry() -> Entry {
        let body = format!(
            r#"{{"rollout":"demo","revision":3,"at":"2026-11-20T10:00:00Z","actor":"guardrail","command":{{"command":"rollback","to":"off"}},"reason":"old words","figures":["old figure"],"state":{STATE},"previous":"00"}}"#
        );
        let hash = tidegate_model::history::sha256_hex(body.as_bytes());
        let text = format!("{},\"hash\":\"{hash}\"}}", body.strip_suffix('}').unwrap());
        Entry::parse(&text).unwrap().0
    }

    #[test]
    fn entries_stand_as_they_are_stored_and_are_explained_beside() {
        let before = entry();
        let now = Entry {
            cause: Some(EntryCause::Guardrail { index: 0, condition: "error_rate > 5%".into() }),
            reason: String::new(),
            figures: Vec::new(),
            measured: vec![Figure {
                metric: "error_rate".into(),
                unit: Unit::Share,
                value: Some(0.07),
                op: ">".into(),
                bound: 0.05,
                then: Some("rollback".into()),
                span: Some("5m".into()),
                ..Figure::default()
            }],
            ..entry()
        };
        let texts = [(4, now.print().0), (3, before.print().0)];
        let body = page(&texts, None).body;
        assert!(texts.iter().all(|(_, text)| body.contains(text)), "{body}");
        let reported: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            reported["explanations"],
            serde_json::json!([
                {"revision": 3, "done": "rolled it back to 0 %", "outcome": "rolled back to 0 %", "reason": "the guardrail `error_rate > 5%` came true",
                 "figures": ["error_rate is 7 % over 5m; rolls back above 5 %"]},
                {"revision": 3, "done": "rolled it back to 0 %", "outcome": "rolled back to 0 %", "reason": "old words", "figures": ["old figure"]},
            ])
        );
    }
}
