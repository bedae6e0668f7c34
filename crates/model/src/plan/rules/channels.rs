//! Channels that work otherwise than their writer may think.

use super::Rules;
use super::Step::Key;
use crate::plan::Channel;

/// Checks a plan's channels.
pub fn check(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    for (name, channel) in &plan.channels.0 {
        let at = |field| [Key("channels"), Key(name.as_str()), Key(field)];
        match channel {
            Channel::Webhook { signing_secret: None, .. } => rules.warn(
                &at("webhook"),
                format!(
                    "what `{name}` gets is not signed: whoever knows its address can write to it in Tidegate's name"
                ),
                Some("`signing_secret = \"secret:NAME\"`, a key of Standard Webhooks".into()),
            ),
            Channel::PagerDuty { word: "pager", .. } => rules.warn(
                &at("pager"),
                "`pager` is called `pagerduty` by now, and its secret holds the integration key, no address".into(),
                Some("`pagerduty = \"secret:NAME\"`".into()),
            ),
            Channel::Mail { word: "email", .. } => {
                rules.warn(
                    &at("email"),
                    "`email` is called `mail` by now".into(),
                    Some("`mail = \"ops@example.com\"`".into()),
                );
            }
            _ => {}
        }
    }
}
