//! What people write, plans above all: read here, and told with line and column where it is wrong. The
//! command and the page Rehearse share it; the edge reads what was compiled and needs none of it.

pub mod plans;
pub mod told;

use crate::model::fault::Fault;

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
