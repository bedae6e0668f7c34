//! What copies of legacy's requests have shown of new, in `tidegate status`.

use super::paint::{DIM, WARN, paint};
use super::words::{counted, relative};
use tidegate_decide::explain;
use tidegate_model::Instant;
use tidegate_model::figure::Unit;
use tidegate_protocol::api::shapes::{Shadow, ShadowAnswer, ShadowSample};

/// So many samples are shown.
const SAMPLES_MAX: usize = 5;

/// A line of figures, then one for each sample.
pub fn shadow_lines(shadow: &Shadow, now: Instant) -> Vec<(String, String)> {
    let mut facts = vec![format!("{} of legacy's requests copied", shadow.share)];
    if shadow.copies == 0 {
        facts.push("no copies in this stage yet".to_owned());
    } else {
        let share = |rate: Option<f64>| explain::amount(Unit::Share, rate.unwrap_or_default());
        facts.push(copies(shadow.copies));
        facts.push(format!("{} answered otherwise", share(shadow.mismatch_rate)));
        facts.push(format!("{} failed", share(shadow.error_rate)));
        if let Some((new, legacy)) = shadow.latency_ms_new.zip(shadow.latency_ms_legacy) {
            facts.push(format!("p95 {new:.0} ms on new, {legacy:.0} ms on legacy"));
        }
    }
    let mut lines = vec![(String::new(), facts.join(" · "))];
    for sample in shadow.samples.iter().take(SAMPLES_MAX) {
        lines.push((format!("{} ", paint(WARN, "≠")), line(sample, now)));
    }
    let more = shadow.samples.len().saturating_sub(SAMPLES_MAX);
    if more > 0 {
        let text = format!("and {} more: --json, or the console", counted(more, "sample"));
        lines.push((String::new(), paint(DIM, text)));
    }
    lines
}

fn copies(count: u64) -> String {
    let unit = if count == 1 { "copy" } else { "copies" };
    format!("{} {unit}", tidegate_model::number::Grouped(count))
}

fn line(sample: &ShadowSample, now: Instant) -> String {
    let place = sample.place.as_ref().filter(|place| !place.is_empty());
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    let at = sample.at.get().map(|at| format!(", {}", relative(at, now))).unwrap_or_default();
    format!(
        "{} {}{place}: legacy {}, new {}{at}",
        sample.path,
        sample.differences.join(", "),
        answer(&sample.legacy),
        answer(&sample.new),
    )
}

fn answer(answer: &ShadowAnswer) -> String {
    let Some(status) = answer.status else { return "nothing".to_owned() };
    let parts = [
        Some(status.to_string()),
        answer.content_type.clone(),
        answer.title.as_ref().map(|title| format!("title {title}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_first_and_then_what_differs() {
        let text = r#"{"share":100,"copies":1200,"mismatch_rate":0.025,"error_rate":0,"latency_ms_new":120.4,
            "latency_ms_legacy":100,"samples":[{"at":"2026-12-02T14:00:00Z","path":"/orders/*","differences":["json"],
            "place":"/items/*/price","legacy":{"status":200,"type":"application/json"},"new":{"status":200}},
            {"at":null,"path":"/a","differences":["no_answer"],"legacy":{"status":200,"title":"0a0b0c0d"},"new":{}}]}"#;
        let shadow: Shadow = serde_json::from_str(text).unwrap();
        let now = "2026-12-02T14:05:00Z".parse().unwrap();
        let lines: Vec<String> = shadow_lines(&shadow, now).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "100 % of legacy's requests copied · 1,200 copies · 2.5 % answered otherwise · 0 % failed · p95 120 ms on new, 100 ms on legacy",
                "/orders/* json at /items/*/price: legacy 200 application/json, new 200, 5 min ago",
                "/a no_answer: legacy 200 title 0a0b0c0d, new nothing",
            ]
        );
        let quiet = Shadow { share: shadow.share, ..Shadow::default() };
        let lines: Vec<String> = shadow_lines(&quiet, now).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["100 % of legacy's requests copied · no copies in this stage yet"]);
    }
}
