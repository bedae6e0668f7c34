//! What becomes of what other tools send: signals that the plan has, of the right kind, each from one place.

use super::Rules;
use super::Step::{Index, Key};
use super::names::Known;
use crate::fault::nearest;
use crate::plan::receiver::RuleOutcome;
use crate::plan::words::SignalKind;

/// Checks the receivers of one plan.
pub fn check(rules: &mut Rules<'_>, known: &Known<'_>) {
    let plan = rules.plan;
    for (name, receiver) in &plan.receivers.0 {
        let (receivers, own) = (Key("receivers"), Key(name.as_str()));
        if receiver.signals.is_empty() && receiver.heartbeat.is_none() {
            rules.warn(
                &[receivers, own],
                format!("nothing becomes of what arrives at the receiver `{name}`"),
                "give it `signals`, such as `[{ match = { alertname = \"DbCpuHigh\" }, set = \"db_cpu_high\" }]`"
                    .to_owned(),
            );
        }
        if receiver.heartbeat.is_none()
            && let Some(index) = receiver.signals.iter().position(|rule| matches!(rule.outcome, RuleOutcome::Set(_)))
        {
            let signal = receiver.signals.get(index).map(|rule| rule.outcome.signal().as_str()).unwrap_or_default();
            rules.warn(
                &[receivers, own, Key("signals"), Index(index)],
                format!("`{signal}` stays unknown until an alert of it arrives, and nobody notices when none can"),
                "give the receiver a `heartbeat`, and let the sender send one alert that always fires".to_owned(),
            );
        }
        for (index, rule) in receiver.signals.iter().enumerate() {
            let signal = rule.outcome.signal();
            let at = [receivers, own, Key("signals"), Index(index), Key(rule.outcome.field())];
            let Some(declared) = plan.signals.get(signal.as_str()) else {
                if !known.signals.contain(signal.as_str()) {
                    let help = nearest(signal.as_str(), plan.signals.names()).map_or_else(
                        || format!("declare it in [signals.{signal}]"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    rules.unwise(&at, format!("no signal is called `{signal}`"), help);
                }
                continue;
            };
            let wanted = match rule.outcome {
                RuleOutcome::Count(_) => SignalKind::Count,
                RuleOutcome::Set(_) | RuleOutcome::Value(_) => SignalKind::Gauge,
            };
            if declared.kind != wanted {
                rules.unwise(
                    &at,
                    format!(
                        "`{}` makes a {wanted}, and the signal `{signal}` is a {}",
                        rule.outcome.field(),
                        declared.kind
                    ),
                    format!("`kind = \"{wanted}\"` in [signals.{signal}]"),
                );
            }
            if declared.pull().is_some() {
                rules.unwise(
                    &at,
                    format!("`{signal}` is asked for already"),
                    "a gauge has one source: what is asked would take the place of what arrives".to_owned(),
                );
            }
        }
    }
}
