//! Reads typed values out of a tree, collecting every fault on the way instead of stopping at the first.
//!
//! Dozens of types are read here, and what is generic is compiled once for each of them. So a
//! generic function only calls `read` or `parse`, between two steps that know nothing of the type.

mod asked;

use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::str::FromStr;

pub use self::asked::Fields;
use super::Table;
use crate::fault::{Explain, FAULTS_MAX, Fault, Faults, HELPED_MAX, Severity};
use crate::node::{Entry, Node, Value};
use crate::{Name, Percentage};

/// Collects faults, and knows at which place of the tree it is.
#[derive(Default)]
pub struct Reader {
    /// What was wrong so far: the first faults.
    pub faults: Vec<Fault>,
    /// How many more there were.
    more: usize,
    /// Whether fields that are not known are passed over.
    is_tolerant: bool,
    path: String,
    /// The lengths of `path` to go back to, the innermost place last.
    outer: Vec<usize>,
}

impl Reader {
    /// A reader of what a part of Tidegate has written, maybe one of another release: fields that are not
    /// known are passed over.
    pub fn of_stored() -> Self {
        Self { is_tolerant: true, ..Self::default() }
    }

    /// Whether fields that are not known are passed over.
    pub const fn is_tolerant(&self) -> bool {
        self.is_tolerant
    }

    /// Notes an error at the current place.
    pub fn error(&mut self, span: Option<Range<usize>>, message: impl Display, help: Option<String>) {
        self.note(span, &message, help);
    }

    /// Whether there are so few faults yet that somebody may want help with the spelling.
    fn may_help(&self) -> bool {
        self.faults.len() < HELPED_MAX
    }

    /// How many faults were found, listed or not.
    pub fn found(&self) -> usize {
        self.faults.len() + self.more
    }

    /// All that was found.
    pub fn into_faults(self) -> Faults {
        let mut faults = Faults::default();
        self.faults.into_iter().for_each(|fault| faults.push(fault));
        for _ in 0..self.more {
            faults.count(Severity::Error);
        }
        faults
    }

    #[inline(never)]
    fn note(&mut self, span: Option<Range<usize>>, message: &dyn Display, help: Option<String>) {
        if self.faults.len() >= FAULTS_MAX {
            self.more += 1;
            return;
        }
        let fault =
            Fault { severity: Severity::Error, path: self.path.clone(), span, message: message.to_string(), help };
        self.faults.push(fault);
    }

    /// Notes why the text of a node could not be read.
    #[inline(never)]
    fn refuse(&mut self, node: &Node, text: &str, error: &dyn Explain) {
        self.note(inside(node, text, error.span()), &error, error.help());
    }

    #[inline(never)]
    fn expected(&mut self, node: &Node, what: &str) {
        let message = format!("{} is not {what}", node.value);
        self.error(node.span.clone(), message, None);
    }

    #[inline(never)]
    pub(super) fn enter_field(&mut self, key: &str) {
        self.outer.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
    }

    pub(super) fn enter_item(&mut self, index: usize) {
        self.outer.push(self.path.len());
        let _ = write!(self.path, "[{index}]");
    }

    #[inline(never)]
    pub(super) fn leave(&mut self) {
        self.path.truncate(self.outer.pop().unwrap_or_default());
    }

    #[inline(never)]
    fn borrowed<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) => Some(text),
            _ => {
                self.expected(node, "a text");
                None
            }
        }
    }

    /// A text.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        self.borrowed(node).map(str::to_owned)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.expected(node, "`true` or `false`");
                None
            }
        }
    }

    /// Any number.
    pub fn number(&mut self, node: &Node) -> Option<f64> {
        match node.value {
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => {
                self.expected(node, "a number");
                None
            }
        }
    }

    /// A whole number from 0.
    pub fn whole(&mut self, node: &Node) -> Option<u64> {
        match node.value {
            Value::Integer(number) if number >= 0 => u64::try_from(number).ok(),
            _ => {
                self.expected(node, "a whole number");
                None
            }
        }
    }

    /// A text in one of the small languages of a plan.
    pub fn parsed<T: FromStr<Err: Explain>>(&mut self, node: &Node) -> Option<T> {
        self.parsed_by(node, str::parse)
    }

    /// A text read by `parse`.
    pub fn parsed_by<T, E: Explain>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.borrowed(node)?;
        parse(text).map_err(|error| self.refuse(node, text, &error)).ok()
    }

    /// A percentage, as a number or a text.
    pub fn percentage(&mut self, node: &Node) -> Option<Percentage> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            // The shortest text that reads back as the same double is what people wrote.
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            _ => {
                self.expected(node, "a percentage");
                return None;
            }
        };
        text.parse().map_err(|error| self.refuse(node, &text, &error)).ok()
    }

    /// A list; items that cannot be read are left out, their faults noted.
    pub fn list<T>(&mut self, node: &Node, item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        self.collect(node, false, item)
    }

    /// One value, or a list of them.
    pub fn one_or_more<T>(&mut self, node: &Node, item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        self.collect(node, true, item)
    }

    fn collect<T>(
        &mut self,
        node: &Node,
        may_be_one: bool,
        mut item: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        let is_read =
            self.each(node, may_be_one, &mut |reader, node| item(reader, node).map(|value| list.push(value)).is_some());
        if is_read { Some(list) } else { None }
    }

    /// Reads every item of a list, or the node itself where it `may_be_one`, and tells whether that
    /// is a list or could be read.
    #[inline(never)]
    fn each(&mut self, node: &Node, may_be_one: bool, item: &mut dyn FnMut(&mut Self, &Node) -> bool) -> bool {
        let Value::List(nodes) = &node.value else {
            if may_be_one {
                return item(self, node);
            }
            self.expected(node, "a list");
            return false;
        };
        for (index, node) in nodes.iter().enumerate() {
            self.enter_item(index);
            item(self, node);
            self.leave();
        }
        true
    }

    /// A list of texts in one of the small languages.
    pub fn parsed_list<T: FromStr<Err: Explain>>(&mut self, node: &Node) -> Option<Vec<T>> {
        self.collect(node, false, Self::parsed)
    }

    /// A text in one of the small languages, or a list of them.
    pub fn parsed_one_or_more<T: FromStr<Err: Explain>>(&mut self, node: &Node) -> Option<Vec<T>> {
        self.collect(node, true, Self::parsed)
    }

    /// A list of texts.
    pub fn texts(&mut self, node: &Node) -> Option<Vec<String>> {
        self.collect(node, false, Self::text)
    }

    /// A text, or a list of them.
    pub fn text_or_more(&mut self, node: &Node) -> Option<Vec<String>> {
        self.collect(node, true, Self::text)
    }

    /// A table of named things.
    pub fn table<T>(&mut self, node: &Node, mut item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Table<T>> {
        let mut table = Vec::new();
        self.each_named(node, &mut |reader, name, node| {
            if let (Some(thing), Some(name)) = (item(reader, node), name) {
                table.push((name, thing));
            }
        })?;
        Some(Table(table))
    }

    /// Reads every thing of a table, also one whose name is none.
    #[inline(never)]
    pub(super) fn each_named(
        &mut self,
        node: &Node,
        item: &mut dyn FnMut(&mut Self, Option<Name>, &Node),
    ) -> Option<()> {
        let Value::Table(entries) = &node.value else {
            self.expected(node, "a table");
            return None;
        };
        for Entry { key, key_span, node } in entries {
            self.enter_field(key);
            let name = key.parse::<Name>();
            if let Err(error) = &name {
                self.error(key_span.clone(), error, error.help());
            }
            item(self, name.ok(), node);
            self.leave();
        }
        Some(())
    }

    /// The fields of a table, to be asked for one by one.
    pub fn fields<'a>(&mut self, node: &'a Node) -> Option<Fields<'a>> {
        match &node.value {
            Value::Table(entries) => Some(Fields::of(entries, node.span.clone())),
            _ => {
                self.expected(node, "a table");
                None
            }
        }
    }
}

/// The bytes of the source that `span` of the text means: a quoted text on one line without
/// escapes stands in the source as it is, between its quotes.
fn inside(node: &Node, text: &str, span: Option<Range<usize>>) -> Option<Range<usize>> {
    let whole = node.span.clone()?;
    match span {
        Some(part) if whole.len() == text.len() + 2 => {
            let start = whole.start + 1 + part.start;
            Some(start..(whole.start + 1 + part.end).max(start))
        }
        _ => Some(whole),
    }
}
