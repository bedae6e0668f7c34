//! What is wrong with a configuration, where, and the way out.
//!
//! A reader never stops at the first fault: whoever mends a plan wants all of them at once.

use std::fmt;
use std::ops::Range;

/// Whether a fault makes the plan unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The plan is refused.
    Error,
    /// The plan works, though perhaps not as meant.
    Warning,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the plan can be used all the same.
    pub severity: Severity,
    /// Where it stands, as keys and indices: `stage[1].gates[0]`.
    pub path: String,
    /// The bytes of the source that are meant, where the source is a text that people wrote.
    pub span: Option<Range<usize>>,
    /// What is wrong, with the value.
    pub message: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}", self.message)?;
        } else {
            write!(f, "{}: {}", self.path, self.message)?;
        }
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// An error of one small text (a percentage, a condition) that can say where in the text it is
/// and what would have been right.
pub trait Explain: fmt::Display {
    /// The bytes of the text that are meant; `None` means all of it.
    fn span(&self) -> Option<Range<usize>> {
        None
    }

    /// What is allowed there.
    fn help(&self) -> Option<String> {
        None
    }
}

/// The nearest of `known` to a misspelt `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(word, &mut known.into_iter())
}

/// One function for all kinds of lists.
#[inline(never)]
fn nearest_of<'a>(word: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}
