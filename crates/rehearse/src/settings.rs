//! What is made up, as the page asks for it, within the bounds that the command keeps too.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use tidegate_model::plan::Plan;
use tidegate_model::{Duration, Instant};
use tidegate_simulate::{REQUESTS_PER_HOUR, SUBJECTS, Settings};

/// The settings; what is absent is left to the simulation. Named as the command's options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    seed: Option<f64>,
    subjects: Option<f64>,
    requests_per_hour: Option<f64>,
    start: Option<String>,
    until: Option<String>,
    rollout: Option<String>,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingFault {
    setting: &'static str,
    message: String,
}

/// What numbers may be, and what they are where nobody says.
#[derive(Serialize)]
pub struct Limits {
    seed: Limit,
    subjects: Limit,
    requests_per_hour: Limit,
}

#[derive(Clone, Copy, Serialize)]
struct Limit {
    min: u64,
    max: u64,
    default: u64,
}

impl Limits {
    /// The bounds of the simulation.
    pub fn new() -> Self {
        let settings = Settings::default();
        let of = |range: RangeInclusive<u32>, default: u64| Limit {
            min: u64::from(*range.start()),
            max: u64::from(*range.end()),
            default,
        };
        Self {
            // A page's numbers are exact up to this.
            seed: Limit { min: 0, max: (1 << 53) - 1, default: settings.seed },
            subjects: of(SUBJECTS, settings.subjects as u64),
            requests_per_hour: of(REQUESTS_PER_HOUR, settings.requests_per_hour as u64),
        }
    }
}

/// Reads settings, with all that is wrong with them.
pub fn read(text: &str, plans: &[Plan]) -> (Settings, Vec<SettingFault>) {
    let mut settings = Settings::default();
    let mut faults = Vec::new();
    let mut refuse = |setting: &'static str, message: String| faults.push(SettingFault { setting, message });
    let wanted: Wanted = serde_json::from_str(text).unwrap_or_else(|error| {
        refuse("settings", format!("the settings cannot be read: {error}"));
        Wanted::default()
    });
    let limits = Limits::new();
    let mut number = |setting: &'static str, value: Option<f64>, Limit { min, max, default }: Limit| {
        let value = value.unwrap_or(default as f64);
        let is_sound = value.fract() == 0.0 && (min as f64..=max as f64).contains(&value);
        if !is_sound {
            refuse(setting, format!("{value} is not a whole number from {min} to {max}"));
        }
        if is_sound { value as u64 } else { default }
    };
    settings.seed = number("seed", wanted.seed, limits.seed);
    settings.subjects = usize::try_from(number("subjects", wanted.subjects, limits.subjects)).unwrap_or_default();
    settings.requests_per_hour = number("requests_per_hour", wanted.requests_per_hour, limits.requests_per_hour) as f64;
    match wanted.start.map(|text| text.parse::<Instant>()).transpose() {
        Ok(start) => settings.start = start,
        Err(error) => refuse("start", error.to_string()),
    }
    match wanted.until.map(|text| text.parse::<Duration>()).transpose() {
        Ok(until) => settings.until_ms = until.map(|until| i64::try_from(until.as_ms()).unwrap_or(i64::MAX)),
        Err(error) => refuse("until", error.to_string()),
    }
    if let Some(key) = wanted.rollout {
        let found = plans.iter().find(|plan| plan.key.as_str() == key);
        if found.is_none() && !plans.is_empty() {
            let known: Vec<&str> = plans.iter().map(|plan| plan.key.as_str()).collect();
            refuse("rollout", format!("no rollout has the key `{key}` (known: {})", known.join(", ")));
        }
        settings.rollout = found.map(|plan| plan.key.clone());
    }
    (settings, faults)
}
