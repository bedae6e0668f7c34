//! Windows as JSON: how isolates send them and the controller stores them.

use std::str::FromStr;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::sample::Sample;
use super::sketch::Sketch;
use super::window::{self, Side, Tally, Window};
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
        let events = f
            .optional(r, "events", |r, node| named(r, node, |r, name, node| Some((known(r, name)?, sample(r, node)?))))
            .unwrap_or_default();
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
    let mut tally = Tally {
        requests: count(r, "requests"),
        errors: count(r, "errors"),
        client_errors: count(r, "client_errors"),
        timeouts: count(r, "timeouts"),
        abandoned: count(r, "abandoned"),
        broken: count(r, "broken"),
        rescued: count(r, "rescued"),
        pages: count(r, "pages"),
        failed_pages: count(r, "failed_pages"),
        js_errors: count(r, "js_errors"),
        ..Tally::default()
    };
    for (status, count) in f
        .optional(r, "statuses", |r, node| named(r, node, |r, name, node| status(r, name).zip(counted(r, name, node))))
        .unwrap_or_default()
    {
        tally.add_status(status, count);
    }
    for (of, count) in f
        .optional(r, "repeats", |r, node| named(r, node, |r, name, node| known(r, name).zip(counted(r, name, node))))
        .unwrap_or_default()
    {
        tally.add_repeats(&of, count);
    }
    let sketch = |r: &mut Reader, name: &str, node: &Node| {
        let sketch = Sketch::parse(&r.text(node)?);
        if sketch.is_none() {
            r.error(None, "this is no sketch", None);
        }
        known(r, name).zip(sketch)
    };
    tally.sketches = f.optional(r, "sketches", |r, node| named(r, node, sketch)).unwrap_or_default();
    f.end(r);
    Some((Side { variant: variant?, endpoint }, tally))
}

/// A count; absent means 0.
fn count(r: &mut Reader, f: &mut Fields<'_>, name: &'static str) -> u64 {
    f.optional(r, name, |r, node| counted(r, name, node)).unwrap_or_default()
}

fn status(r: &mut Reader, text: &str) -> Option<u16> {
    let status = window::status(text);
    if status.is_none() {
        r.error(None, format_args!("`{text}` is no status that is counted"), None);
    }
    status
}

fn counted(r: &mut Reader, name: &str, node: &Node) -> Option<u64> {
    let count = r.whole(node)?;
    if count >= COUNT_MAX {
        r.error(None, format_args!("{count} {name} are more than can be counted"), None);
    }
    Some(count)
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
            ("client_errors", tally.client_errors),
            ("timeouts", tally.timeouts),
            ("abandoned", tally.abandoned),
            ("broken", tally.broken),
            ("rescued", tally.rescued),
            ("pages", tally.pages),
            ("failed_pages", tally.failed_pages),
            ("js_errors", tally.js_errors),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            map.serialize_entry(name, &count)?;
        }
        if !tally.statuses.is_empty() {
            map.serialize_entry("statuses", &Pairs(&tally.statuses))?;
        }
        if !tally.repeats.is_empty() {
            map.serialize_entry("repeats", &Pairs(&tally.repeats))?;
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
