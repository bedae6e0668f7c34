//! The steps on a request's way, as whoever drives it gets them.

use super::headers::HeaderEdits;

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request here; without headers within `timeout_ms` (0: no limit) it has failed.
    Ask {
        /// The service binding to send it by; `None` for the network.
        service: Option<String>,
        /// The URL.
        url: String,
        /// The changes to its headers.
        edits: HeaderEdits,
        /// The limit.
        timeout_ms: u64,
    },
    /// Pass an answer on.
    Answer {
        /// Which of the answers so far.
        which: Which,
        /// The changes to its headers; `None` leaves it untouched.
        edits: Option<HeaderEdits>,
        /// How long its body may take, where it is watched whether that ends as it should (0: it is not).
        watch_ms: u64,
    },
    /// Pass the last answer on, and keep a copy of its file, which is asked for behind it.
    Keep {
        /// The changes to its headers.
        edits: HeaderEdits,
    },
    /// Look up what was kept of a file that its side has lost.
    Recall {
        /// Under which URL it is kept.
        key: String,
    },
    /// Do that step, and something beside it that its visitor sees nothing of.
    Beside(Aside, Box<Step>),
    /// Answer with a plain sentence.
    Sentence {
        /// The status.
        status: u16,
        /// The value of `tidegate-reason`.
        reason: &'static str,
        /// The sentence.
        text: &'static str,
    },
    /// Answer with a service worker that unregisters itself.
    Unregister {
        /// The value of `tidegate-reason`.
        reason: &'static str,
        /// The script.
        script: &'static str,
    },
}

impl Step {
    /// Whether the request goes on: an answer is waited for, or watched.
    pub fn is_followed(&self) -> bool {
        match self {
            Self::Beside(_, step) => step.is_followed(),
            step => matches!(
                step,
                Self::Ask { .. } | Self::Answer { watch_ms: 1.., .. } | Self::Keep { .. } | Self::Recall { .. }
            ),
        }
    }

    /// The step of the request with this number, as the platform's driver reads it: its name on the first line, then
    /// a value on each. Edits come last, and may have several lines; so may a script.
    pub fn to_text(&self, number: u32) -> String {
        match self {
            Self::Ask { service, url, edits, timeout_ms } => {
                let service = service.as_deref().unwrap_or_default();
                let (number, timeout_ms) = (number.to_string(), timeout_ms.to_string());
                ["ask\n", &number, "\n", &timeout_ms, "\n", service, "\n", url, "\n", edits.as_str()].concat()
            }
            Self::Answer { which, edits: Some(edits), watch_ms } => {
                let (number, watch_ms) = (number.to_string(), watch_ms.to_string());
                ["answer\n", &number, "\n", &watch_ms, "\n", which.as_str(), "\n", edits.as_str()].concat()
            }
            Self::Answer { which, edits: None, .. } => format!("untouched\n{}", which.as_str()),
            // An answer like any other, but for what follows it.
            Self::Keep { edits } => ["keep\n", &number.to_string(), "\n0\nlast\n", edits.as_str()].concat(),
            Self::Recall { key } => format!("recall\n{number}\n{key}"),
            Self::Beside(aside, step) => [aside.as_str(), "\n", &step.to_text(number)].concat(),
            Self::Sentence { status, reason, text } => format!("sentence\n{status}\n{reason}\n{text}"),
            Self::Unregister { reason, script } => format!("unregister\n{reason}\n{script}"),
        }
    }
}

/// What is done beside a step, for a request that is copied to new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// Its body is kept, which the upstream that is asked takes.
    Spare,
    /// The copy is sent, once the answer is on its way.
    Copy,
}

impl Aside {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Spare => "spare",
            Self::Copy => "copy",
        }
    }
}

/// One of the answers to a request that was asked twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that came last.
    Last,
    /// The one before.
    Before,
    /// What was kept.
    Kept,
}

impl Which {
    /// As the driver reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Before => "before",
            Self::Kept => "kept",
        }
    }
}

/// Why an upstream has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It sent no headers in time.
    Timeout(String),
    /// It could not be reached, or closed the connection.
    Unreachable(String),
    /// The request's own body has not all been sent: the client broke off, and nobody has failed.
    Unsent(String),
}

impl NoAnswer {
    /// What the platform's driver says: `timeout`, `unsent`, or anything else.
    pub fn new(why: &str, message: String) -> Self {
        match why {
            "timeout" => Self::Timeout(message),
            "unsent" => Self::Unsent(message),
            _ => Self::Unreachable(message),
        }
    }

    /// What the platform says.
    pub fn message(&self) -> &str {
        match self {
            Self::Timeout(message) | Self::Unreachable(message) | Self::Unsent(message) => message,
        }
    }
}

/// Something that an operator may have to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its stable name.
    pub event: &'static str,
    /// What it concerns.
    pub subject: String,
    /// What happened.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_text_whose_first_line_names_it() {
        let mut edits = HeaderEdits::default();
        edits.set("a", "b:c");
        edits.remove("d");
        let url = "https://n.example/x".to_owned();
        let ask = Step::Ask { service: None, url, edits: edits.clone(), timeout_ms: 300 };
        assert_eq!(ask.to_text(7), "ask\n7\n300\n\nhttps://n.example/x\n=a:b:c\n-d");
        let Step::Ask { url, edits: own, .. } = &ask else { unreachable!() };
        let (url, own, service) = (url.clone(), own.clone(), Some("NEW".to_owned()));
        let bound = Step::Ask { service, url, edits: own, timeout_ms: 0 };
        assert_eq!(bound.to_text(7), "ask\n7\n0\nNEW\nhttps://n.example/x\n=a:b:c\n-d");
        let answer = |which, edits, watch_ms| Step::Answer { which, edits, watch_ms };
        assert_eq!(answer(Which::Last, Some(edits.clone()), 5).to_text(7), "answer\n7\n5\nlast\n=a:b:c\n-d");
        assert_eq!(answer(Which::Before, None, 0).to_text(7), "untouched\nbefore");
        let Step::Answer { edits: Some(edits), .. } = answer(Which::Last, Some(edits), 0) else { unreachable!() };
        assert_eq!(Step::Keep { edits }.to_text(7), "keep\n7\n0\nlast\n=a:b:c\n-d");
        assert_eq!(Step::Recall { key: "https://k/x".to_owned() }.to_text(7), "recall\n7\nhttps://k/x");
        let copied = Step::Beside(Aside::Copy, Box::new(answer(Which::Last, None, 0)));
        assert_eq!(copied.to_text(7), "copy\nuntouched\nlast");
        let sentence = Step::Sentence { status: 404, reason: "unrouted", text: "No." };
        assert_eq!(sentence.to_text(0), "sentence\n404\nunrouted\nNo.");
        let unregister = Step::Unregister { reason: "killed", script: "a\nb" };
        assert_eq!(unregister.to_text(0), "unregister\nkilled\na\nb");
    }

    #[test]
    fn a_request_goes_on_while_an_answer_is_waited_for_or_watched() {
        let answer = |watch_ms| Step::Answer { which: Which::Last, edits: None, watch_ms };
        let ask = Step::Ask { service: None, url: String::new(), edits: HeaderEdits::default(), timeout_ms: 0 };
        assert!(ask.is_followed() && answer(1).is_followed() && !answer(0).is_followed());
        assert!(!Step::Sentence { status: 404, reason: "", text: "" }.is_followed());
    }

    #[test]
    fn what_the_driver_says_of_silence_is_understood() {
        let of = |why| NoAnswer::new(why, "x".to_owned());
        assert_eq!(of("timeout"), NoAnswer::Timeout("x".to_owned()));
        assert_eq!(of("unsent"), NoAnswer::Unsent("x".to_owned()));
        assert_eq!(of("unreachable"), NoAnswer::Unreachable("x".to_owned()));
    }
}
