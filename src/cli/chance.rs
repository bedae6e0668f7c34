//! What chance will do to a plan that is about to be started, as the API foretells it from what was
//! measured. Read leniently, as everything that the API answers.

use serde::Deserialize;

/// What chance will do to a plan.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Forecast {
    pub alarms: Vec<Alarm>,
    pub stages: Vec<Reach>,
}

/// How often a guardrail fires by chance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alarm {
    pub is_frequent: bool,
    pub text: String,
}

/// What a stage sees.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reach {
    pub stage: String,
    pub needs: Vec<Need>,
}

/// Something that has to be seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Need {
    pub is_reached: bool,
    pub text: String,
}

impl Forecast {
    /// What alarms too often, and what is never seen.
    pub fn warnings(&self) -> Vec<String> {
        let alarms = self.alarms.iter().filter(|alarm| alarm.is_frequent).map(|alarm| alarm.text.clone());
        let needs = self.stages.iter().flat_map(|reach| {
            reach.needs.iter().filter(|need| !need.is_reached).map(|need| format!("in {}: {}", reach.stage, need.text))
        });
        alarms.chain(needs).collect()
    }
}
