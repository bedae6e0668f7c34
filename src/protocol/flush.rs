//! What an isolate and the controller tell each other, about once a second.
//!
//! The isolate tells what it knows, what it has counted, and which texts of people it has seen in KV;
//! the controller answers with what is newer. So a kill is everywhere within a second or two, however
//! late KV is.
//!
//! What was counted travels in a [`Batch`], which has a number. One batch is under way at a time and is
//! sent again unchanged until it is acknowledged; the controller keeps each isolate's last number,
//! stored together with what it counted. So each batch counts once.

use serde::Serialize;

use super::beacon::Report;
use crate::model::Name;
use crate::model::measured::{SlicedCounts, Window};
use crate::model::node::{Node, Value};
use crate::model::plan::fields::Reader;

/// The longest text of KV that is passed on; a live state has a few hundred bytes.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// So many lists are told of; who has more sees the first.
pub const LISTS_MAX: usize = 100;

/// What an isolate tells.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Flush {
    /// Which isolate it is.
    pub isolate: String,
    /// The revision of its plans; 0 where it has none.
    pub plans: u64,
    /// The greatest revision of plans that it saw in KV and did not take in as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// The rollouts that it serves, each with the revision that it knows; `None` asks for all.
    pub known: Option<Vec<(String, u64)>>,
    /// What it saw under `stage/KEY` that no controller wrote: the rollout's key and the text.
    pub texts: Vec<(String, String)>,
    /// The kill keys that it saw: `kill/KEY`, `kill/*`.
    pub kills: Vec<String>,
    /// What is wrong with its configuration: the KV key and what is wrong.
    pub faults: Vec<(String, String)>,
    /// The lists of KV that it holds: the group's name and how many ids there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<(String, u64)>,
    /// What it has counted since the batch before; `None` for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
}

/// A list of KV as isolates hold it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct HeldList {
    /// The group's name.
    pub group: String,
    /// How many ids there are; several numbers while isolates hold different versions.
    pub ids: Vec<u64>,
}

/// What one isolate has counted.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Batch {
    /// Its number, from 1, one more than that of the batch before.
    pub sequence: u64,
    /// By rollout, revision and minute.
    pub counted: Vec<Counted>,
    /// What pages told.
    pub reports: Vec<Report>,
}

/// What was counted of one rollout under one revision in one minute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// The rollout.
    pub rollout: Name,
    /// The counts.
    pub window: Window,
    /// What a comparison may use of them.
    #[serde(skip_serializing_if = "SlicedCounts::is_empty")]
    pub compared: SlicedCounts,
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
    pub states: Vec<RolloutUpdate>,
    /// The number of the last batch of this isolate that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
}

/// The state of one rollout.
#[derive(Debug, PartialEq, Serialize)]
pub struct RolloutUpdate {
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
            seen: f.optional(r, "seen", Reader::whole),
            known: f.optional(r, "known", |r, node| r.list(node, |r, pair| named(r, pair, Reader::whole))),
            texts: f.required(r, "texts", |r, node| r.list(node, |r, pair| named(r, pair, Reader::text)))?,
            kills: f.required(r, "kills", |r, node| r.list(node, Reader::text))?,
            faults: f.required(r, "faults", |r, node| r.list(node, |r, pair| named(r, pair, Reader::text)))?,
            // Isolates of an earlier version tell of none, and controllers of one do not read this.
            lists: f
                .optional(r, "lists", |r, node| r.list(node, |r, pair| named(r, pair, Reader::whole)))
                .unwrap_or_default(),
            batch: f.optional(r, "batch", |r, node| Some(Batch::read(r, node))),
        })
    }
}

impl Batch {
    /// Reads a batch. One that is damaged anywhere counts nothing at all, but keeps its number, so that
    /// it is acknowledged and not sent forever; what is wrong with it stays noted in the reader.
    pub fn read(r: &mut Reader, node: &Node) -> Self {
        let faults = r.found();
        let read = |r: &mut Reader| {
            let mut f = r.fields(node)?;
            let sequence = f.required(r, "sequence", Reader::whole)?;
            let counted = f.required(r, "counted", |r, node| r.list(node, counted)).unwrap_or_default();
            let reports = f.required(r, "reports", |r, node| r.list(node, Report::read)).unwrap_or_default();
            f.end(r);
            Some(Self { sequence, counted, reports })
        };
        let batch = read(r).unwrap_or_default();
        if r.found() > faults { Self { sequence: batch.sequence, ..Self::default() } } else { batch }
    }

    /// Reads one alone, as it was stored.
    pub fn parse(text: &str) -> Self {
        let node: Node = serde_json::from_str(text).unwrap_or_default();
        Self::read(&mut Reader::default(), &node)
    }
}

fn counted(r: &mut Reader, node: &Node) -> Option<Counted> {
    let mut f = r.fields(node)?;
    let rollout = f.required(r, "rollout", Reader::parsed);
    let window = f.required(r, "window", Window::read);
    let compared = f.optional(r, "compared", SlicedCounts::read).unwrap_or_default();
    f.end(r);
    Some(Counted { rollout: rollout?, window: window?, compared })
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
            states: f.required(r, "states", |r, node| r.list(node, update))?,
            acknowledged: f.optional(r, "acknowledged", Reader::whole),
        })
    }
}

fn update(r: &mut Reader, node: &Node) -> Option<RolloutUpdate> {
    let mut f = r.fields(node)?;
    Some(RolloutUpdate {
        key: f.required(r, "key", Reader::text)?,
        state: f.required(r, "state", Reader::text)?,
        echoes: f.required(r, "echoes", |r, node| r.list(node, Reader::text))?,
    })
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
        let counted = Counted {
            rollout: "shop".parse().unwrap_or_else(|_| unreachable!()),
            window: Window::at(29_000_000, 7),
            compared: SlicedCounts::default(),
        };
        let batch = Batch { sequence: 4, counted: vec![counted], reports: Vec::new() };
        let flush = Flush {
            isolate: "i".into(),
            plans: 3,
            seen: Some(9),
            known: Some(vec![("shop".into(), 7)]),
            texts: vec![("shop".into(), "25\n".into())],
            kills: vec!["kill/*".into()],
            faults: vec![("stage/shop".into(), "odd".into())],
            lists: vec![("beta".into(), 2)],
            batch: Some(batch),
        };
        assert_eq!(Flush::parse(&serde_json::to_string(&flush).unwrap_or_default()), Some(flush));
        let cold = Flush::default();
        assert_eq!(Flush::parse(&serde_json::to_string(&cold).unwrap_or_default()), Some(cold));
        let answer = Answer {
            interval_ms: 1_000,
            plans: Some("{\"v\":1}".into()),
            states: vec![RolloutUpdate { key: "shop".into(), state: "{}".into(), echoes: vec!["25".into()] }],
            acknowledged: Some(4),
        };
        assert_eq!(Answer::parse(&serde_json::to_string(&answer).unwrap_or_default()), Some(answer));
    }

    #[test]
    fn an_isolate_of_an_earlier_version_tells_of_no_lists() {
        let text = r#"{"isolate":"i","plans":3,"known":null,"texts":[],"kills":[],"faults":[]}"#;
        assert_eq!(Flush::parse(text), Some(Flush { isolate: "i".into(), plans: 3, ..Flush::default() }));
        assert_eq!(
            serde_json::to_string(&Flush { isolate: "i".into(), plans: 3, ..Flush::default() }).ok().as_deref(),
            Some(text)
        );
        let later = text.replace("\"faults\"", "\"unheard\":{\"of\":1},\"faults\"");
        assert!(Flush::parse(&later).is_some(), "what is new is left alone");
    }

    #[test]
    fn a_damaged_batch_counts_nothing_and_keeps_its_number() {
        let text = r#"{"sequence":9,"counted":[{"rollout":"shop","window":{"minute":1,"minutes":1,"revision":1,"sides":[{"variant":"new","requests":-1}]}}],"reports":[]}"#;
        assert_eq!(Batch::parse(text), Batch { sequence: 9, ..Batch::default() });
        assert_eq!(Batch::parse(&text.replace("-1", "1")).counted.len(), 1);
    }
}
