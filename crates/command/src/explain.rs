//! `tidegate explain`: which side one subject gets, and why, in a sentence.

use super::Failure;
use super::client::Client;
use super::operator::ExplainArguments;
use super::paint::{BOLD, paint, print, print_raw};
use super::view::Assignment;
use super::words::percent;

/// The buckets in one percent.
const BUCKETS_PER_PERCENT: f64 = 1_000.0;

pub fn run(arguments: &ExplainArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let answer = client.get("assign", &[("rollout", arguments.key.as_str()), ("id", &arguments.id)])?;
    if json { print_raw(&answer.text) } else { print(&told(&answer.read()?)) }
}

fn told(assignment: &Assignment) -> String {
    let Assignment { rollout, id, bucket, variant, reason, stage } = assignment;
    let place = bucket.map(|bucket| percent(f64::from(bucket) / BUCKETS_PER_PERCENT)).unwrap_or_default();
    let why = match reason.as_str() {
        "killed" => "it is killed".to_owned(),
        "override" => "a preview's override says so".into(),
        "inactive" => "it has not started, waits for another rollout, or is rolled back to 0 %".into(),
        "robot" => "it is a robot's request".into(),
        "unidentified" => "there is no id".into(),
        "excluded" => "they are in a group that the plan excludes".into(),
        "required" => "they are on legacy in a rollout that this one requires".into(),
        "completed" => "it has completed".into(),
        "group" => format!("they are in a group that is on new in the stage {stage}"),
        "ineligible" => "they are not in the plan's eligible group".into(),
        "holdout" => "they are in the share that stays on legacy at every percentage".into(),
        "bucketed" if variant == "new" => format!("bucket {place} is under the percentage of the stage {stage}"),
        "bucketed" => format!("bucket {place} is above the percentage of the stage {stage}"),
        "no_config" => "no configuration can be read".into(),
        other => other.to_owned(),
    };
    format!("{} gets {} in {rollout}: {why}.", paint(BOLD, format!("`{id}`")), paint(BOLD, variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(assignment: &str, text: &str) {
        assert_eq!(anstream::adapter::strip_str(&told(&serde_json::from_str(assignment).unwrap())).to_string(), text);
    }

    #[test]
    fn an_assignment_is_a_sentence() {
        says(
            r#"{"rollout":"demo","id":"user-1","bucket":46629,"variant":"legacy","reason":"bucketed","stage":"quarter"}"#,
            "`user-1` gets legacy in demo: bucket 46.629 % is above the percentage of the stage quarter.",
        );
        says(
            r#"{"rollout":"demo","id":"ana","bucket":1,"variant":"new","reason":"group","stage":"first"}"#,
            "`ana` gets new in demo: they are in a group that is on new in the stage first.",
        );
        says(
            r#"{"rollout":"demo","id":"ana","variant":"legacy","reason":"killed"}"#,
            "`ana` gets legacy in demo: it is killed.",
        );
        says(r#"{"rollout":"demo","id":"x","variant":"new","reason":"moonphase"}"#, "`x` gets new in demo: moonphase.");
    }
}
