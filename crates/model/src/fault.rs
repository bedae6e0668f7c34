//! What is wrong with a configuration, where, and the way out.
//!
//! A reader never stops at the first fault: whoever mends a plan wants all of them at once. Of thousands,
//! the first hundred are listed and the rest counted, so that a reader's time is bounded.

use std::fmt;
use std::ops::Range;

use crate::number::{Grouped, counted};

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

/// So many errors, and so many warnings, are listed; of the rest, how many there are.
pub const FAULTS_MAX: usize = 100;
/// Among so many, it is looked for what a misspelt word was meant to be.
pub const HELPED_MAX: usize = 10;

/// Faults as they are found: the first ones, and how many there are in all.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    reported: Vec<Fault>,
    errors: usize,
    warnings: usize,
}

impl Faults {
    fn count_of(&mut self, severity: Severity) -> &mut usize {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }

    /// Whether another of this severity would be listed.
    pub const fn has_room(&self, severity: Severity) -> bool {
        match severity {
            Severity::Error => self.errors < FAULTS_MAX,
            Severity::Warning => self.warnings < FAULTS_MAX,
        }
    }

    /// Counts a fault, and says whether it is to be listed too.
    pub fn count(&mut self, severity: Severity) -> bool {
        let count = self.count_of(severity);
        *count += 1;
        *count <= FAULTS_MAX
    }

    /// Takes in a fault.
    pub fn push(&mut self, fault: Fault) {
        if self.count(fault.severity) {
            self.reported.push(fault);
        }
    }

    /// Takes in what another reader found, each fault as `made` makes it; `None` leaves it out.
    pub fn extend(&mut self, others: Self, mut made: impl FnMut(&Self, Fault) -> Option<Fault>) {
        for fault in others.reported {
            if let Some(fault) = made(self, fault) {
                self.push(fault);
            }
        }
        self.errors += others.errors.saturating_sub(FAULTS_MAX);
        self.warnings += others.warnings.saturating_sub(FAULTS_MAX);
    }

    /// Whether there are so few yet that somebody may want help with the spelling.
    pub fn are_few(&self) -> bool {
        self.reported.len() < HELPED_MAX
    }

    /// Whether one of them is an error.
    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether there is nothing wrong.
    pub const fn is_empty(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// The faults that are listed.
    pub fn reported(&self) -> &[Fault] {
        &self.reported
    }

    /// Puts the faults that are listed in the order of the source.
    pub fn sort(&mut self) {
        self.reported.sort_by_key(|fault| fault.span.clone().map_or((0, 0), |span| (span.start, span.end)));
    }

    /// The errors alone, in the same way.
    pub fn into_errors(self) -> Vec<Fault> {
        let reported = self.reported.into_iter().filter(|fault| fault.severity == Severity::Error).collect();
        Self { reported, errors: self.errors, warnings: 0 }.into_vec()
    }

    /// The faults that are listed, and at the end how many more there are.
    pub fn into_vec(self) -> Vec<Fault> {
        let Self { mut reported, errors, warnings } = self;
        for (severity, count, what) in [(Severity::Error, errors, "error"), (Severity::Warning, warnings, "warning")] {
            let kept = reported.iter().filter(|fault| fault.severity == severity).count();
            if count > kept {
                reported.push(Fault {
                    severity,
                    path: String::new(),
                    span: None,
                    message: format!("and {}", counted(count - kept, &format!("more {what}"))),
                    help: None,
                });
            }
        }
        reported
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

/// A longer word was not meant to be a name.
const WORD_CHARS_MAX: usize = 100;
/// A word is compared with so many.
const COMPARED_MAX: usize = 200;
/// So many are named where all that is known is named.
const NAMED_MAX: usize = 20;

/// The nearest of `known` to a misspelt `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(word, &mut known.into_iter())
}

/// One function for all kinds of lists.
#[inline(never)]
fn nearest_of<'a>(word: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(WORD_CHARS_MAX + 1).count();
    if length > WORD_CHARS_MAX {
        return None;
    }
    let limit = |candidate: &str| candidate.len().max(3) / 3;
    known
        .take(COMPARED_MAX)
        // No two words are nearer to each other than their lengths.
        .filter(|candidate| {
            candidate.len() <= WORD_CHARS_MAX * 4 && candidate.chars().count().abs_diff(length) <= limit(candidate)
        })
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names for a sentence: the first of them, and how many more there are.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first: Vec<&str> = names.by_ref().take(NAMED_MAX).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {} more", first.join(", "), Grouped(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(severity: Severity, message: &str) -> Fault {
        Fault { severity, path: String::new(), span: None, message: message.to_owned(), help: None }
    }

    #[test]
    fn the_first_hundred_of_each_severity_are_reported_and_the_rest_counted() {
        let mut faults = Faults::default();
        for index in 0..5_000 {
            faults.push(fault(Severity::Warning, &format!("warning {index}")));
        }
        assert!(!faults.has_errors());
        for index in 0..101 {
            faults.push(fault(Severity::Error, &format!("error {index}")));
        }
        let mut all = Faults::default();
        all.push(fault(Severity::Error, "of another"));
        all.extend(faults, |_, fault| Some(fault));
        let reported: Vec<String> = all.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(reported.len(), 202);
        assert_eq!(reported[..2], ["of another", "warning 0"]);
        assert_eq!(reported[199..], ["error 98", "and 2 more errors", "and 4,900 more warnings"]);
    }

    #[test]
    fn a_word_is_compared_with_words_of_its_length() {
        assert_eq!(nearest("percentag", ["name", "percentage"]), Some("percentage"));
        assert_eq!(nearest(&"percentage".repeat(100_000), ["percentage"]), None);
        assert_eq!(nearest("é", ["è"]), Some("è"));
        assert_eq!(nearest("hold", ["a very long name that holds it"]), None);
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = (0..1_234).map(|n| n.to_string()).collect();
        assert_eq!(listed(names.iter().map(String::as_str).take(2)), "0, 1");
        assert!(listed(names.iter().map(String::as_str)).ends_with("18, 19 and 1,214 more"));
    }
}
