//! The log of both roles: a JSON line for each thing that an operator may have to know.
//!
//! A fault that meets every request is written once in a while, with how often it has happened since.

/// A fault of the same subject is written again after this long, in milliseconds.
const QUIET_MS: f64 = 10_000.0;
/// So many faults are kept apart; then all are forgotten. A flood of different ones must not fill the memory.
const FAULTS_MAX: usize = 1_000;

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

impl LogLine {
    /// A fault.
    pub fn warning(event: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_warning: true, event, subject: subject.into(), message: message.into() }
    }

    /// The line as JSON. `repeated` is how often the fault happened since it was last written.
    pub fn to_json(&self, repeated: u32) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let repeated = if repeated == 0 { String::new() } else { format!(",\"repeated\":{repeated}") };
        format!(
            "{{\"tidegate\":{},\"subject\":{},\"message\":{}{repeated}}}",
            quoted(self.event),
            quoted(&self.subject),
            quoted(&self.message)
        )
    }
}

/// The faults that were written a moment ago.
#[derive(Debug, Default)]
pub struct Repeats(Vec<Repeated>);

#[derive(Debug)]
struct Repeated {
    event: &'static str,
    subject: String,
    written_ms: f64,
    unwritten: u32,
}

impl Repeats {
    /// Nothing has been written yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The text of a line, or `None` where the same fault was written a moment ago. Times are in milliseconds since
    /// 1970.
    pub fn text(&mut self, line: &LogLine, now_ms: f64) -> Option<String> {
        let repeated = if line.is_warning { self.due(line, now_ms)? } else { 0 };
        Some(line.to_json(repeated))
    }

    /// How often the fault happened unwritten, or `None` while it is too early to write it again.
    fn due(&mut self, line: &LogLine, now_ms: f64) -> Option<u32> {
        match self.0.iter_mut().find(|last| last.subject == line.subject && last.event == line.event) {
            Some(last) if now_ms - last.written_ms < QUIET_MS => {
                last.unwritten += 1;
                None
            }
            Some(last) => {
                last.written_ms = now_ms;
                Some(std::mem::take(&mut last.unwritten))
            }
            None => {
                if self.0.len() >= FAULTS_MAX {
                    self.0.clear();
                }
                let (event, subject) = (line.event, line.subject.clone());
                self.0.push(Repeated { event, subject, written_ms: now_ms, unwritten: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(subject: &str) -> LogLine {
        LogLine::warning("upstream_failed", subject, "it said \"no\"")
    }

    #[test]
    fn a_fault_is_written_once_in_ten_seconds_with_how_often_it_happened_since() {
        let mut repeats = Repeats::new();
        let first = r#"{"tidegate":"upstream_failed","subject":"shop","message":"it said \"no\""}"#;
        assert_eq!(repeats.text(&fault("shop"), 0.0).as_deref(), Some(first));
        for now_ms in [1.0, 5_000.0, QUIET_MS - 1.0] {
            assert_eq!(repeats.text(&fault("shop"), now_ms), None);
        }
        assert_eq!(repeats.text(&fault("search"), 1.0).as_deref(), Some(first.replace("shop", "search").as_str()));
        let again = repeats.text(&fault("shop"), QUIET_MS).unwrap_or_default();
        assert!(again.ends_with(r#","repeated":3}"#), "{again}");
        assert_eq!(repeats.text(&fault("shop"), 3.0 * QUIET_MS).as_deref(), Some(first), "and from then on anew");
    }

    #[test]
    fn what_is_as_it_should_be_is_written_each_time() {
        let mut repeats = Repeats::new();
        let line = LogLine { is_warning: false, ..fault("shop") };
        assert!((0..3).all(|_| repeats.text(&line, 0.0).is_some()));
    }

    #[test]
    fn a_flood_of_different_faults_is_bounded() {
        let mut repeats = Repeats::new();
        for n in 0..10 * FAULTS_MAX {
            assert!(repeats.text(&fault(&n.to_string()), 0.0).is_some());
            assert!(repeats.0.len() <= FAULTS_MAX);
        }
    }
}
