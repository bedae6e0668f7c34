//! What an isolate and the controller tell each other, about once a second.
//!
//! The isolate tells what it knows and which texts of people it has seen in KV; the controller
//! answers with what is newer. So a kill is everywhere within a second or two, however late KV is.

use serde::Serialize;

use crate::model::node::{Node, Value};
use crate::model::plan::fields::Reader;

/// The longest text of KV that is passed on; a live state has a few hundred bytes.
pub const TEXT_BYTES_MAX: usize = 2_048;

/// What an isolate tells.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Flush {
    /// Which isolate it is.
    pub isolate: String,
    /// The revision of its plans; 0 where it has none.
    pub plans: u64,
    /// The rollouts that it serves, each with the revision that it knows; `None` asks for all.
    pub known: Option<Vec<(String, u64)>>,
    /// What it saw under `stage/KEY` that no controller wrote: the rollout's key and the text.
    pub texts: Vec<(String, String)>,
    /// The kill keys that it saw: `kill/KEY`, `kill/*`.
    pub kills: Vec<String>,
}

/// What the controller answers.
#[derive(Debug, PartialEq, Serialize)]
pub struct Answer {
    /// After how long the isolate is to come again, in milliseconds.
    pub interval_ms: u32,
    /// The value of the KV key `plans`, where the isolate's plans are older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plans: Option<String>,
    /// The states that are newer, or that it told of texts for.
    pub states: Vec<Told>,
}

/// The state of one rollout.
#[derive(Debug, PartialEq, Serialize)]
pub struct Told {
    /// The rollout's key.
    pub key: String,
    /// The state as it stands in KV.
    pub state: String,
    /// Texts that may still be read there and have been adopted.
    pub echoes: Vec<String>,
}

impl Flush {
    /// Reads what an isolate has sent.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let r = &mut Reader::default();
        let mut f = r.fields(&node)?;
        Some(Self {
            isolate: f.required(r, "isolate", Reader::text)?,
            plans: f.required(r, "plans", Reader::whole)?,
            known: f.optional(r, "known", |r, node| r.list(node, |r, pair| named(r, pair, Reader::whole))),
            texts: f.required(r, "texts", |r, node| r.list(node, |r, pair| named(r, pair, Reader::text)))?,
            kills: f.required(r, "kills", |r, node| r.list(node, Reader::text))?,
        })
    }
}

impl Answer {
    /// Reads what the controller has answered.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let r = &mut Reader::default();
        let mut f = r.fields(&node)?;
        Some(Self {
            interval_ms: u32::try_from(f.required(r, "interval_ms", Reader::whole)?).ok()?,
            plans: f.optional(r, "plans", Reader::text),
            states: f.required(r, "states", |r, node| r.list(node, told))?,
        })
    }
}

fn told(r: &mut Reader, node: &Node) -> Option<Told> {
    let mut f = r.fields(node)?;
    Some(Told { key: f.required(r, "key", Reader::text)?, state: f.required(r, "state", Reader::text)?, echoes: f.required(r, "echoes", |r, node| r.list(node, Reader::text))? })
}

/// A list of two: a name and what belongs to it.
fn named<T>(r: &mut Reader, node: &Node, read: impl FnOnce(&mut Reader, &Node) -> Option<T>) -> Option<(String, T)> {
    match &node.value {
        Value::List(pair) => match pair.as_slice() {
            [name, value] => Some((r.text(name)?, read(r, value)?)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_read_what_the_other_wrote() {
        let flush = Flush { isolate: "i".into(), plans: 3, known: Some(vec![("shop".into(), 7)]), texts: vec![("shop".into(), "25\n".into())], kills: vec!["kill/*".into()] };
        assert_eq!(Flush::parse(&serde_json::to_string(&flush).unwrap_or_default()), Some(flush));
        let cold = Flush::default();
        assert_eq!(Flush::parse(&serde_json::to_string(&cold).unwrap_or_default()), Some(cold));
        let answer = Answer { interval_ms: 1_000, plans: Some("{\"v\":1}".into()), states: vec![Told { key: "shop".into(), state: "{}".into(), echoes: vec!["25".into()] }] };
        assert_eq!(Answer::parse(&serde_json::to_string(&answer).unwrap_or_default()), Some(answer));
    }
}
