//! The fields of a table, asked for one by one.

use std::ops::Range;

use super::Reader;
use crate::fault::nearest;
use crate::node::{Entry, Node, Value};

/// The fields of one table. What is never asked for is unknown.
pub struct Fields<'a> {
    entries: &'a [Entry],
    span: Option<Range<usize>>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) const fn of(entries: &'a [Entry], span: Option<Range<usize>>) -> Self {
        Self { entries, span, known: Vec::new() }
    }

    /// The node of a field, unless it is absent.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| !matches!(node.value, Value::Null))
    }

    /// Steps into a field, if it is there; the reader has to leave it again.
    #[inline(never)]
    fn enter(&mut self, reader: &mut Reader, key: &'static str, is_required: bool) -> Option<&'a Node> {
        let node = self.node(key);
        if node.is_some() {
            reader.enter_field(key);
        } else if is_required {
            reader.error(self.span.clone(), format_args!("`{key}` is missing"), None);
        }
        node
    }

    /// A field that may be absent.
    pub fn optional<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl FnOnce(&mut Reader, &'a Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.enter(reader, key, false)?;
        let value = read(reader, node);
        reader.leave();
        value
    }

    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl FnOnce(&mut Reader, &'a Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.enter(reader, key, true)?;
        let value = read(reader, node);
        reader.leave();
        value
    }

    /// The names of the fields that are there.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Notes every field that nobody asked for, unless the reader passes them over.
    pub fn end(self, reader: &mut Reader) {
        if reader.is_tolerant() {
            return;
        }
        for Entry { key, key_span, .. } in self.entries {
            if !self.known.contains(&key.as_str()) {
                let help = || match nearest(key, self.known.iter().copied()) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("known here: {}", self.known.join(", ")),
                };
                let help = reader.may_help().then(help);
                reader.error(key_span.clone(), format_args!("`{key}` is not a field"), help);
            }
        }
    }
}
