//! Reads typed values out of a tree, collecting every fault on the way instead of stopping at the first.

use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::str::FromStr;

use super::Table;
use crate::model::fault::{Explain, Fault, Severity, nearest};
use crate::model::node::{Entry, Node, Value};
use crate::model::{Name, Percentage};

/// Collects faults, and knows at which place of the tree it is.
#[derive(Default)]
pub struct Reader {
    /// What was wrong so far.
    pub faults: Vec<Fault>,
    path: String,
}

impl Reader {
    /// Notes an error at the current place.
    pub fn error(&mut self, span: Option<Range<usize>>, message: impl Display, help: Option<String>) {
        let fault = Fault { severity: Severity::Error, path: self.path.clone(), span, message: message.to_string(), help };
        self.faults.push(fault);
    }

    fn expected(&mut self, node: &Node, what: &str) {
        let message = format!("{} is not {what}", node.value);
        self.error(node.span.clone(), message, None);
    }

    fn within<T>(&mut self, step: impl Display, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        let _ = write!(self.path, "{step}");
        let value = read(self);
        self.path.truncate(length);
        value
    }

    fn within_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.within(format_args!("{dot}{key}"), read)
    }

    /// A text.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => {
                self.expected(node, "a text");
                None
            }
        }
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

    /// A text in one of the small languages of a plan.
    pub fn parsed<T: FromStr<Err: Explain>>(&mut self, node: &Node) -> Option<T> {
        self.parsed_by(node, str::parse)
    }

    /// A text read by `parse`.
    pub fn parsed_by<T, E: Explain>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let Value::Text(text) = &node.value else {
            self.expected(node, "a text");
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let span = inside(node, text, error.span());
                self.error(span, &error, error.help());
                None
            }
        }
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
        match text.parse() {
            Ok(percentage) => Some(percentage),
            Err(error) => {
                self.error(node.span.clone(), &error, Explain::help(&error));
                None
            }
        }
    }

    /// A list; items that cannot be read are left out, their faults noted.
    pub fn list<T>(&mut self, node: &Node, mut item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(nodes) = &node.value else {
            self.expected(node, "a list");
            return None;
        };
        let read = |(index, node)| self.within(format_args!("[{index}]"), |reader| item(reader, node));
        Some(nodes.iter().enumerate().filter_map(read).collect())
    }

    /// One value, or a list of them.
    pub fn one_or_more<T>(&mut self, node: &Node, mut item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        match node.value {
            Value::List(_) => self.list(node, item),
            _ => item(self, node).map(|one| vec![one]),
        }
    }

    /// A list of texts in one of the small languages.
    pub fn parsed_list<T: FromStr<Err: Explain>>(&mut self, node: &Node) -> Option<Vec<T>> {
        self.list(node, Self::parsed)
    }

    /// A list of texts.
    pub fn texts(&mut self, node: &Node) -> Option<Vec<String>> {
        self.list(node, Self::text)
    }

    /// A table of named things.
    pub fn table<T>(&mut self, node: &Node, mut item: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Table<T>> {
        let Value::Table(entries) = &node.value else {
            self.expected(node, "a table");
            return None;
        };
        let mut table = Vec::with_capacity(entries.len());
        for Entry { key, key_span, node } in entries {
            self.within_key(key, |reader| {
                let name = key.parse::<Name>();
                if let Err(error) = &name {
                    reader.error(key_span.clone(), error, error.help());
                }
                if let (Ok(name), Some(thing)) = (name, item(reader, node)) {
                    table.push((name, thing));
                }
            });
        }
        Some(Table(table))
    }

    /// The fields of a table, to be asked for one by one.
    pub fn fields<'a>(&mut self, node: &'a Node) -> Option<Fields<'a>> {
        match &node.value {
            Value::Table(entries) => Some(Fields { entries, span: node.span.clone(), known: Vec::new() }),
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

/// The fields of one table. What is never asked for is unknown.
pub struct Fields<'a> {
    entries: &'a [Entry],
    span: Option<Range<usize>>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The node of a field, unless it is absent.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| node.value != Value::Null)
    }

    /// A field that may be absent.
    pub fn optional<T>(&mut self, reader: &mut Reader, key: &'static str, read: impl FnOnce(&mut Reader, &'a Node) -> Option<T>) -> Option<T> {
        let node = self.node(key)?;
        reader.within_key(key, |reader| read(reader, node))
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, reader: &mut Reader, key: &'static str, read: impl FnOnce(&mut Reader, &'a Node) -> Option<T>) -> Option<T> {
        match self.node(key) {
            Some(node) => reader.within_key(key, |reader| read(reader, node)),
            None => {
                reader.error(self.span.clone(), format_args!("`{key}` is missing"), None);
                None
            }
        }
    }

    /// The names of the fields that are there.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Notes every field that nobody asked for.
    pub fn end(self, reader: &mut Reader) {
        for Entry { key, key_span, .. } in self.entries {
            if !self.known.contains(&key.as_str()) {
                let help = match nearest(key, self.known.iter().copied()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("known here: {}", self.known.join(", ")),
                };
                reader.error(key_span.clone(), format_args!("`{key}` is not a field"), Some(help));
            }
        }
    }
}
