//! What people write, plans above all: read here, and reported with line and column where it is wrong. The
//! command and the page Rehearse share it; the edge reads what was compiled and needs none of it.

pub mod fault_lines;
pub mod plans;

use tidegate_model::fault::Fault;

/// A text that somebody wrote, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called: the path of its file.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl Source {
    /// A text that nothing is known to be wrong with.
    pub const fn new(name: String, text: String) -> Self {
        Self { name, text, faults: Vec::new() }
    }
}

/// Where the lines of a text begin, so that a place in it is found without counting anew.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// The lines of a text.
    pub fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The number of the line, from 1, that a byte stands in, and where that line begins.
    pub fn line(&self, at: usize) -> (usize, usize) {
        let number = self.starts.partition_point(|start| *start <= at).max(1);
        (number, self.starts.get(number - 1).copied().unwrap_or_default())
    }

    /// The line and column, both from 1, of a byte; columns count characters.
    pub fn position(&self, at: usize) -> (usize, usize) {
        let at = if self.text.is_char_boundary(at) { at } else { self.text.len() };
        let (line, start) = self.line(at);
        (line, self.text.get(start..at).unwrap_or_default().chars().count() + 1)
    }

    /// Where the line that a byte stands in ends, without its line break.
    pub fn end(&self, at: usize) -> usize {
        let (number, _) = self.line(at);
        self.starts.get(number).map_or(self.text.len(), |next| next - 1)
    }
}
