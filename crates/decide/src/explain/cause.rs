//! What led to a change, in a few words that fit into a headline.

use super::{measured, or_unknown, span};
use tidegate_model::figure::{Basis, Figure};
use tidegate_model::history::{Entry, EntryCause};

/// What decided, in a few words that fit into a headline: `error_rate is 5.1 % over 5m`. Nothing where a person did.
pub fn cause(entry: &Entry) -> Option<String> {
    match &entry.cause {
        Some(EntryCause::Guardrail { condition, .. }) => {
            let known = entry.measured.iter().find(|own| own.value.is_some());
            Some(known.map_or_else(|| format!("`{condition}` came true"), briefly))
        }
        Some(EntryCause::Problem { problem, .. }) => Some(format!("the problem `{problem}` was found")),
        Some(EntryCause::Hook { hook, .. }) => Some(format!("the hook `{hook}` says stop")),
        _ => None,
    }
}

/// What was measured, in a few words.
fn briefly(figure: &Figure) -> String {
    let name = &figure.metric;
    let recent = figure.now.as_ref().filter(|now| now.value.is_some());
    let value = or_unknown(figure.unit, recent.and_then(|now| now.value).or(figure.value));
    let legacy = or_unknown(figure.unit, recent.and_then(|now| now.legacy).or(figure.legacy));
    match figure.basis {
        Basis::Legacy => format!("{name} is {value} on new, {legacy} on legacy"),
        Basis::LegacyBefore => {
            let (new, legacy) = (or_unknown(figure.unit, figure.value), or_unknown(figure.unit, figure.legacy));
            format!("{name} is {new} on new, and was {legacy} on legacy")
        }
        Basis::Limit => format!("{name} is {}{}", or_unknown(figure.unit, figure.value), span(figure)),
        Basis::OwnPast | Basis::SampleRatio => measured(figure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::figure::{Now, Unit};

    #[test]
    fn what_decided_is_said_with_its_figures_and_nothing_else() {
        let share = |basis| Figure {
            metric: "error_rate".into(),
            unit: Unit::Share,
            value: Some(0.051),
            basis,
            ..Figure::default()
        };
        let limit = Figure { span: Some("5m".into()), ..share(Basis::Limit) };
        assert_eq!(briefly(&limit), "error_rate is 5.1 % over 5m");
        let legacy = Figure { legacy: Some(0.001), ..share(Basis::Legacy) };
        assert_eq!(briefly(&legacy), "error_rate is 5.1 % on new, 0.1 % on legacy");
        let now = Now { value: Some(0.2), legacy: Some(0.002), minutes: 1, ..Now::default() };
        let recent = Figure { now: Some(now), ..legacy };
        assert_eq!(briefly(&recent), "error_rate is 20 % on new, 0.2 % on legacy");
        let before = Figure { legacy: Some(0.001), ..share(Basis::LegacyBefore) };
        assert_eq!(briefly(&before), "error_rate is 5.1 % on new, and was 0.1 % on legacy");
    }
}
