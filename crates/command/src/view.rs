//! What the API answers, as far as the command shows it.
//!
//! Readers are lenient: a field that is missing is empty and one that is unknown is left alone, so
//! that an older command can still stop a rollout of a newer deployment.

mod ahead;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use ahead::{Changed, End, NotNow, Reach};

use super::words::percent;
use tidegate_model::Instant;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rollouts {
    pub rollouts: Vec<Rollout>,
    /// What is wrong with the deployment as a whole.
    pub faults: Vec<Fault>,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rollout {
    pub key: String,
    pub description: Option<String>,
    pub routes: Vec<String>,
    pub is_flag: bool,
    pub state: State,
    pub percentage: f64,
    pub kill_key: Option<String>,
    pub stages: Vec<Stage>,
    pub guardrails: Vec<Guardrail>,
    pub checklist: Option<Checklist>,
    pub to_send: Vec<Item>,
    pub hold: Option<Hold>,
    pub next: Option<Next>,
    pub blocked: Vec<Block>,
    pub commands: Vec<String>,
    pub not_now: Vec<NotNow>,
    pub reach: Option<Reach>,
    pub advance: String,
    pub owner: Option<String>,
    pub faults: Vec<Fault>,
    /// What conditions rely on and was never reported, in a sentence.
    pub silence: Option<String>,
    pub signals: Vec<Signal>,
    pub receivers: Vec<Receiver>,
    pub lists: Vec<List>,
    pub published: Option<Published>,
}

/// A fact from outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Signal {
    pub name: String,
    pub kind: String,
    pub source: String,
    pub receiver: Option<String>,
    pub value: Option<f64>,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
    pub is_stale: bool,
    pub error: Option<String>,
}

/// Where other tools send what becomes signals.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Receiver {
    pub kind: String,
    pub path: String,
    #[serde(deserialize_with = "instant")]
    pub last_at: Option<Instant>,
    pub is_silent: bool,
    pub firing: usize,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    pub revision: u64,
    pub attempt: u32,
    pub phase: String,
    pub killed: bool,
    pub stage: String,
    pub percentage: f64,
    pub groups: Vec<String>,
    #[serde(deserialize_with = "instant")]
    pub since: Option<Instant>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stage {
    pub name: String,
    pub percentage: f64,
    pub groups: Vec<String>,
    pub hold: Option<Value>,
    pub owner: Option<String>,
    pub enter: Vec<String>,
    pub gates: Vec<Gate>,
    pub checklist: Vec<Item>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    #[default]
    #[serde(other)]
    Inconclusive,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gate {
    pub condition: String,
    pub verdict: Verdict,
    pub text: String,
    pub built_in: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Guardrail {
    pub when: String,
    pub then: Value,
    pub severity: String,
    pub verdict: Verdict,
    pub text: String,
    pub built_in: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Checklist {
    pub of: String,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    pub item: String,
    pub approved: Option<Approved>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Approved {
    pub by: String,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hold {
    pub length_ms: i64,
    pub elapsed_ms: i64,
    #[serde(deserialize_with = "instant")]
    pub until: Option<Instant>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    pub command: String,
    pub stage: Option<String>,
    pub percentage: Option<f64>,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
    #[serde(deserialize_with = "instant")]
    pub earliest: Option<Instant>,
    pub condition: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Block {
    pub by: String,
    pub text: String,
    #[serde(deserialize_with = "instant")]
    pub until: Option<Instant>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fault {
    pub subject: String,
    pub message: String,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
}

/// A list of ids in KV, as isolates hold it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    pub group: String,
    /// Several while isolates hold different versions.
    pub ids: Vec<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Published {
    pub revision: Option<u64>,
    pub is_current: bool,
}

/// The answer to a command to every rollout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AllChanged {
    pub rollouts: Vec<Rollout>,
    pub refused: Vec<Refused>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refused {
    pub rollout: String,
    pub detail: String,
    pub help: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Entry {
    pub revision: u64,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
    pub actor: String,
    pub command: Asked,
    pub reason: String,
    pub figures: Vec<String>,
    pub state: State,
}

/// What led to an entry, in sentences.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Explanation {
    pub revision: u64,
    pub reason: String,
    pub figures: Vec<String>,
}

/// A message to people.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
    pub kind: String,
    pub to: Vec<String>,
    pub text: String,
    pub figures: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Messages {
    pub messages: Vec<Message>,
}

/// A command as the history keeps it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub command: String,
    pub percentage: Option<f64>,
    pub stage: Option<String>,
    pub to: Option<Value>,
    pub item: Option<String>,
    pub plan: Option<u64>,
    pub key: Option<String>,
    pub kv: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Applied {
    pub revision: u64,
    pub changes: Vec<PlanChange>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PlanChange {
    pub rollout: String,
    pub change: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Assignment {
    pub rollout: String,
    pub id: String,
    pub bucket: Option<u32>,
    pub variant: String,
    pub reason: String,
    pub stage: String,
}

impl State {
    /// `running in canary at 10 %`, `killed (was paused in half at 50 %)`.
    pub fn told(&self) -> String {
        let at = percent(self.percentage);
        let phase = match self.phase.as_str() {
            "draft" => "a draft".to_owned(),
            "rolled_back" => format!("rolled back to {at}"),
            "completed" => "completed".to_owned(),
            phase => format!("{phase} in {} at {at}", self.stage),
        };
        if self.killed { format!("killed (was {phase})") } else { phase }
    }

    /// The phase in a word or two.
    pub fn phase_words(&self) -> String {
        self.phase.replace('_', " ")
    }
}

impl Rollout {
    /// The place of the current stage on the ladder, from 0.
    pub fn position(&self) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == self.state.stage)
    }
}

pub fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Instant>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_empty_and_what_is_new_is_left_alone() {
        let rollout: Rollout = serde_json::from_str(r#"{"key":"demo","mood":"calm","state":{"phase":"running","stage":"canary","percentage":10,"since":"soon"},"guardrails":[{"verdict":"unheard of"}]}"#).unwrap();
        assert_eq!(rollout.state.told(), "running in canary at 10 %");
        assert_eq!((rollout.state.since, rollout.guardrails[0].verdict), (None, Verdict::Inconclusive));
    }

    #[test]
    fn a_state_is_told_in_a_few_words() {
        let state = |phase: &str, killed| State {
            phase: phase.into(),
            killed,
            stage: "half".into(),
            percentage: 50.0,
            ..State::default()
        };
        assert_eq!(state("draft", false).told(), "a draft");
        assert_eq!(state("rolled_back", false).told(), "rolled back to 50 %");
        assert_eq!(state("completed", false).told(), "completed");
        assert_eq!(state("paused", true).told(), "killed (was paused in half at 50 %)");
    }
}
