//! What goes wrong with messages and channels.

use super::Problem;

impl Problem {
    /// No such message.
    pub fn unknown_message(id: &str) -> Self {
        Self::new(
            "unknown-message",
            404,
            "No such message",
            format!("no message has the id `{id}`"),
            "`tidegate outbox` lists them; those that were sent are kept for a week",
        )
    }

    /// No plan has such a channel, or none at all.
    pub fn unknown_channel(name: &str, rollout: Option<&str>, known: &[String]) -> Self {
        let whose = rollout.map_or_else(|| "no plan has".to_owned(), |key| format!("the plan of `{key}` has not"));
        let what = if matches!(name, "*" | "%2A") { "a channel".to_owned() } else { format!("a channel `{name}`") };
        let mut problem = Self::new("unknown-channel", 404, "No such channel", format!("{whose} {what}"), None);
        problem.help = Some(match tidegate_model::fault::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                "`[channels.chat]` with `slack = \"secret:CHAT_URL\"` in a plan adds one".to_owned()
            }
            None => format!("known: {}", known.join(", ")),
        });
        problem
    }
}
