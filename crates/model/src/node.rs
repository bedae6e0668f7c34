//! A configuration before it is understood: a tree of plain values that knows where each stands.
//!
//! TOML (with positions) and JSON (without) both become this tree, and one reader turns the tree
//! into a plan. So the edge and the command line accept and refuse exactly the same plans.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// So many fields are compared with each other as they come; of more, their names are put in order, since
/// nobody may make the reading long.
const FIELDS_COMPARED: usize = 50;

/// A value and where it stands in its source.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its bytes in the source; `None` where the source has no positions worth telling.
    pub span: Option<Range<usize>>,
}

/// A plain value.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// JSON's `null`, which stands for a field that is absent.
    #[default]
    Null,
    /// Text, or a TOML date-time as it was written.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// Fields in the order of the source.
    Table(Vec<Entry>),
}

/// A field of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The field's name.
    pub key: String,
    /// The bytes of the name in the source.
    pub key_span: Option<Range<usize>>,
    /// The field's value.
    pub node: Node,
}

impl Node {
    /// The field `key` of a table.
    pub fn field(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The field `key` of a table, unless it is absent or `null`.
    pub fn given(&self, key: &str) -> Option<&Self> {
        self.field(key).filter(|node| !matches!(node.value, Value::Null))
    }

    /// This tree with the fields of `over` laid over it: tables merge, everything else is replaced.
    #[must_use]
    pub fn overlaid_with(&self, over: &Self) -> Self {
        let (Value::Table(base), Value::Table(over_entries)) = (&self.value, &over.value) else {
            return over.clone();
        };
        let mut entries = base.clone();
        let places: HashMap<&str, usize> =
            base.iter().enumerate().map(|(index, entry)| (entry.key.as_str(), index)).collect();
        for entry in over_entries {
            match places.get(entry.key.as_str()).and_then(|index| entries.get_mut(*index)) {
                Some(old) => *old = Entry { node: old.node.overlaid_with(&entry.node), ..entry.clone() },
                None => entries.push(entry.clone()),
            }
        }
        Self { value: Value::Table(entries), span: self.span.clone() }
    }
}

impl fmt::Display for Value {
    /// Names the value for an error: the value itself where it is short, else its kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) if text.chars().count() <= 60 => write!(f, "`{text}`"),
            Self::Text(_) => f.write_str("a long text"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { value, span: None }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Value::Integer(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Value::Float(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Value::Text(value.to_owned()).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Value::Text(value).into())
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Value::Null.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = fields.next_entry::<String, Node>()? {
            // Two values for one field: whichever was taken, somebody would have meant the other.
            if entries.len() < FIELDS_COMPARED && entries.iter().any(|entry: &Entry| entry.key == key) {
                return Err(twice(&key));
            }
            entries.push(Entry { key, key_span: None, node });
        }
        if entries.len() > FIELDS_COMPARED {
            let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            keys.sort_unstable();
            if let Some((key, _)) = keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next) {
                return Err(twice(key));
            }
        }
        Ok(Value::Table(entries).into())
    }
}

fn twice<E: serde::de::Error>(key: &str) -> E {
    E::custom(format_args!("the field `{key}` stands there twice"))
}
