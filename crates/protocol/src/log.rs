//! A line of the log, as the machines of both roles hand it to the edge, which writes it: so a line looks the
//! same whichever role it comes from.

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it is a fault, rather than something that is as it should be.
    pub is_warning: bool,
    /// Its stable name.
    pub event: &'static str,
    /// What it concerns: a rollout's key, a KV key.
    pub subject: String,
    /// What happened.
    pub message: String,
}
