//! How long plans take to be read that hold thousands of one thing (`make bench-native`): by the command,
//! with all that it prints, and by the controller, for which a kill waits.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark has no input, and reads the clock"
)]

#[path = "../tests/shapes/mod.rs"]
mod shapes;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tidegate::decide::deployment::Deployment;
use tidegate::protocol::api::{body, plans};

/// No input under 1 MB may take longer.
const GOAL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    println!("goal: no plan under 1 MB takes longer than a second to read\n");
    println!("{:<45} {:>9} {:>10} {:>12} {:>8}", "shape", "bytes", "check", "controller", "faults");
    let mut slowest = Duration::ZERO;
    for shape in shapes::all() {
        let (checked, faults) = check(&shape.text);
        let sent = sent(&shape.text).map(|body| apply(&body));
        println!(
            "{:<45} {:>9} {:>7} ms {:>12} {faults:>8}",
            shape.name,
            shape.text.len(),
            checked.as_millis(),
            sent.map_or("-".to_owned(), |took| format!("{} ms", took.as_millis()))
        );
        slowest = slowest.max(checked).max(sent.unwrap_or_default());
    }
    println!("\nslowest: {} ms", slowest.as_millis());
    if slowest < GOAL { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `tidegate check`, from its start to its end.
fn check(text: &str) -> (Duration, usize) {
    let path = std::env::temp_dir().join(format!("tidegate-shape-{}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let begun = Instant::now();
    let output =
        Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("check").arg(&path).stdout(Stdio::null()).output().unwrap();
    let took = begun.elapsed();
    std::fs::remove_file(&path).unwrap();
    let faults = output
        .stderr
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"error") || line.starts_with(b"warning"))
        .count();
    (took, faults)
}

/// The plan as the API takes it; none where it is no TOML, or too long as JSON.
fn sent(text: &str) -> Option<String> {
    let plan: serde_json::Value =
        if text.starts_with('{') { serde_json::from_str(text).ok()? } else { toml::from_str(text).ok()? };
    let rollouts = match plan.get("rollout") {
        Some(rollouts) => rollouts.clone(),
        None => serde_json::json!([plan]),
    };
    Some(serde_json::json!({ "rollouts": rollouts }).to_string())
}

fn apply(text: &str) -> Duration {
    let begun = Instant::now();
    let sent = body::plans(text).unwrap();
    let _ = plans::apply(&Deployment::default(), sent, "bench", 1, |_| 0, tidegate::model::Instant::from_epoch_ms(0));
    begun.elapsed()
}
