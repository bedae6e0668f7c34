//! Windows as JSON: how isolates send them and the controller stores them.

use std::str::FromStr;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::sample::Sample;
use super::sketch::Sketch;
use super::window::{Side, Tally, Window};
use crate::model::node::{Node, Value};
use crate::model::plan::fields::{Fields, Reader};

/// The most that a window may count of anything; more is no isolate's, but damage.
const COUNT_MAX: u64 = 1 << 40;

impl Window {
    /// Reads what it prints; faults are noted.
    pub fn read(r: &mut Reader, node: &Node) -> Option<Self> {
        let mut f = r.fields(node)?;
        let minute = f.required(r, "minute", Reader::whole);
        let minutes = f.required(r, "minutes", Reader::whole).and_then(|minutes| u32::try_from(minutes).ok());
        let revision = f.required(r, "revision", Reader::whole);
        let sides = f.required(r, "sides", |r, node| r.list(node, side));
        let subjects = f.optional(r, "subjects", sample).unwrap_or_default();
        let events = f.optional(r, "events", |r, node| named(r, node, |r, name, node| Some((known(r, name)?, sample(r, node)?)))).unwrap_or_default();
        f.end(r);
        Some(Self { minute: minute?, minutes: minutes?, revision: revision?, sides: sides?, subjects, events })
    }

    /// Reads one alone.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let mut reader = Reader::default();
        Self::read(&mut reader, &node).filter(|_| reader.faults.is_empty())
    }
}

/// A word of those that are known here.
pub fn word<T: FromStr>(r: &mut Reader, node: &Node) -> Option<T> {
    let text = r.text(node)?;
    known(r, &text)
}

/// A word of those that are known here.
pub fn known<T: FromStr>(r: &mut Reader, text: &str) -> Option<T> {
    let word = text.parse().ok();
    if word.is_none() {
        r.error(None, format_args!("`{text}` is not known here"), None);
    }
    word
}

fn sample(r: &mut Reader, node: &Node) -> Option<Sample> {
    let sample = Sample::parse(&r.text(node)?);
    if sample.is_none() {
        r.error(None, "this is no sample", None);
    }
    sample
}

/// The fields of a table whose names are data.
pub fn named<T>(r: &mut Reader, node: &Node, read: impl Fn(&mut Reader, &str, &Node) -> Option<T>) -> Option<Vec<T>> {
    match &node.value {
        Value::Table(entries) => entries.iter().map(|entry| read(r, &entry.key, &entry.node)).collect(),
        _ => {
            r.error(None, "this is no table", None);
            None
        }
    }
}

fn side(r: &mut Reader, node: &Node) -> Option<(Side, Tally)> {
    let mut f = r.fields(node)?;
    let variant = f.required(r, "variant", word);
    let endpoint = f.optional(r, "endpoint", Reader::parsed);
    let mut count = |r: &mut Reader, name: &'static str| count(r, &mut f, name);
    let (requests, errors, rescued) = (count(r, "requests"), count(r, "errors"), count(r, "rescued"));
    let (pages, failed_pages, js_errors) = (count(r, "pages"), count(r, "failed_pages"), count(r, "js_errors"));
    let sketch = |r: &mut Reader, name: &str, node: &Node| {
        let sketch = Sketch::parse(&r.text(node)?);
        if sketch.is_none() {
            r.error(None, "this is no sketch", None);
        }
        known(r, name).zip(sketch)
    };
    let sketches = f.optional(r, "sketches", |r, node| named(r, node, sketch)).unwrap_or_default();
    f.end(r);
    let tally = Tally { requests, errors, rescued, pages, failed_pages, js_errors, sketches };
    Some((Side { variant: variant?, endpoint }, tally))
}

/// A count; absent means 0.
fn count(r: &mut Reader, f: &mut Fields<'_>, name: &'static str) -> u64 {
    let count = f.optional(r, name, Reader::whole).unwrap_or_default();
    if count >= COUNT_MAX {
        r.error(None, format_args!("{count} {name} are more than can be counted"), None);
    }
    count
}

/// Pairs as an object.
struct Pairs<'a, K, V>(&'a [(K, V)]);

impl<K: Serialize, V: Serialize> Serialize for Pairs<'_, K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

struct Printed<'a>(&'a (Side, Tally));

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (side, tally) = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("variant", &side.variant)?;
        if let Some(endpoint) = &side.endpoint {
            map.serialize_entry("endpoint", endpoint)?;
        }
        let counts = [
            ("requests", tally.requests),
            ("errors", tally.errors),
            ("rescued", tally.rescued),
            ("pages", tally.pages),
            ("failed_pages", tally.failed_pages),
            ("js_errors", tally.js_errors),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            map.serialize_entry(name, &count)?;
        }
        if !tally.sketches.is_empty() {
            map.serialize_entry("sketches", &Pairs(&tally.sketches))?;
        }
        map.end()
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("minute", &self.minute)?;
        map.serialize_entry("minutes", &self.minutes)?;
        map.serialize_entry("revision", &self.revision)?;
        map.serialize_entry("sides", &self.sides.iter().map(Printed).collect::<Vec<_>>())?;
        if !self.subjects.is_empty() {
            map.serialize_entry("subjects", &self.subjects)?;
        }
        if !self.events.is_empty() {
            map.serialize_entry("events", &Pairs(&self.events))?;
        }
        map.end()
    }
}
