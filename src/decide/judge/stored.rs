//! What a judge remembers, as it is stored: it must outlive the memory of the controller.

use serde::Serialize;

use super::alone::Alone;
use super::comparing::{ComparisonKey, ComparisonTracker, Direction};
use super::notifications::Notifications;
use super::{Judge, Verdict};
use crate::decide::comparison::Comparison;
use crate::decide::firsts::{FirstEvidence, Firsts};
use crate::decide::overdispersion::SideSlices;
use crate::model::condition::Condition;
use crate::model::node::{Node, Value};
use crate::model::plan::fields::Reader;
use crate::model::{Duration, Instant};

#[derive(Serialize)]
struct StoredJudge<'a> {
    begun_revision: u64,
    gatherings: Vec<StoredTracker<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    firsts: &'a [Firsts],
    held: &'a [(String, Instant, Instant)],
    fired: &'a [String],
    since: Vec<(&'a str, Verdict, Instant)>,
    #[serde(rename = "agenda")]
    notifications: StoredNotifications<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unfair_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<Instant>,
}

#[derive(Serialize)]
struct StoredNotifications<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<Instant>,
    anchors: &'a [(String, Instant)],
    told: &'a [u64],
    open: &'a [(String, Instant, u64)],
}

#[derive(Serialize)]
struct StoredTracker<'a> {
    /// The question as a condition.
    question: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Duration>,
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<&'a FirstEvidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alone: Option<&'a Alone>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    open: &'a [(u64, SideSlices)],
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<(i16, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_at: Option<Instant>,
}

impl<'a> StoredTracker<'a> {
    fn of(own: &'a ComparisonTracker) -> Self {
        Self {
            question: own.question.to_condition(),
            after: own.question.after,
            comparison: &own.comparison,
            first: own.first.as_ref(),
            alone: own.alone.as_ref(),
            open: &own.open,
            edge: own.edge,
            added_at: own.added_at,
        }
    }
}

impl ComparisonKey {
    /// The question as a condition, `error_rate@api > 1.3x legacy`.
    fn to_condition(&self) -> String {
        format!("{}x legacy", self.key())
    }

    fn parse(text: &str, after: Option<Duration>) -> Option<Self> {
        let condition: Condition = text.parse().ok()?;
        let term = condition.terms.first()?;
        Self::of(term, Direction::of(term.op), after)
    }
}

impl Judge {
    /// What has to be stored of it.
    pub fn to_json(&self) -> String {
        let stored = StoredJudge {
            begun_revision: self.begun_revision,
            gatherings: self.gatherings.iter().map(StoredTracker::of).collect(),
            firsts: &self.firsts,
            held: &self.held,
            fired: &self.fired,
            since: self.since.iter().map(|(key, verdict, since)| (key.as_str(), *verdict, *since)).collect(),
            notifications: StoredNotifications {
                looked_at: self.notifications.looked_at,
                anchors: &self.notifications.anchors,
                told: &self.notifications.told,
                open: &self.notifications.open,
            },
            unfair_revision: self.unfair_revision,
            looked_at: self.looked_at,
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let mut reader = Reader::default();
        judge(&mut reader, &node).filter(|_| reader.faults.is_empty())
    }
}

fn judge(r: &mut Reader, node: &Node) -> Option<Judge> {
    let mut f = r.fields(node)?;
    Some(Judge {
        begun_revision: f.required(r, "begun_revision", Reader::whole)?,
        gatherings: f.required(r, "gatherings", |r, node| r.list(node, gathering))?,
        // What an earlier version stored knows of no subjects.
        firsts: f.optional(r, "firsts", |r, node| r.list(node, Firsts::read)).unwrap_or_default(),
        held: f.required(r, "held", |r, node| r.list(node, |r, row| three(r, row, Reader::parsed, Reader::parsed)))?,
        fired: f.required(r, "fired", Reader::texts)?,
        since: f.required(r, "since", |r, node| r.list(node, |r, row| three(r, row, verdict, Reader::parsed)))?,
        notifications: f.optional(r, "agenda", notifications).unwrap_or_default(),
        unfair_revision: f.optional(r, "unfair_revision", Reader::whole),
        looked_at: f.optional(r, "looked_at", Reader::parsed),
    })
}

fn notifications(r: &mut Reader, node: &Node) -> Option<Notifications> {
    let mut f = r.fields(node)?;
    Some(Notifications {
        looked_at: f.optional(r, "looked_at", Reader::parsed),
        anchors: f
            .required(r, "anchors", |r, node| r.list(node, |r, row| pair(r, row, Reader::text, Reader::parsed)))?,
        told: f.required(r, "told", |r, node| r.list(node, Reader::whole))?,
        open: f.required(r, "open", |r, node| r.list(node, |r, row| three(r, row, Reader::parsed, Reader::whole)))?,
    })
}

fn verdict(r: &mut Reader, node: &Node) -> Option<Verdict> {
    let text = r.text(node)?;
    [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive].into_iter().find(|verdict| verdict.as_str() == text)
}

/// A list of three, of which the first is a text.
fn three<A, B>(
    r: &mut Reader,
    node: &Node,
    second: impl FnOnce(&mut Reader, &Node) -> Option<A>,
    third: impl FnOnce(&mut Reader, &Node) -> Option<B>,
) -> Option<(String, A, B)> {
    let Value::List(row) = &node.value else { return None };
    let [key, value, other] = row.as_slice() else { return None };
    Some((r.text(key)?, second(r, value)?, third(r, other)?))
}

fn pair<A, B>(
    r: &mut Reader,
    node: &Node,
    first: impl FnOnce(&mut Reader, &Node) -> Option<A>,
    second: impl FnOnce(&mut Reader, &Node) -> Option<B>,
) -> Option<(A, B)> {
    let Value::List(row) = &node.value else { return None };
    let [one, other] = row.as_slice() else { return None };
    Some((first(r, one)?, second(r, other)?))
}

fn gathering(r: &mut Reader, node: &Node) -> Option<ComparisonTracker> {
    let mut f = r.fields(node)?;
    let text = f.required(r, "question", Reader::text)?;
    let after = f.optional(r, "after", Reader::parsed);
    let question = ComparisonKey::parse(&text, after)?;
    let bucket = |r: &mut Reader, node: &Node| r.number(node).map(|bucket| bucket as i16);
    Some(ComparisonTracker {
        comparison: f.required(r, "comparison", Comparison::read)?,
        first: f.optional(r, "first", FirstEvidence::read).or_else(|| ComparisonTracker::new(question.clone()).first),
        alone: f.optional(r, "alone", Alone::read),
        question,
        open: f
            .optional(r, "open", |r, node| r.list(node, |r, row| pair(r, row, Reader::whole, SideSlices::read)))
            .unwrap_or_default(),
        edge: f.optional(r, "edge", |r, node| pair(r, node, bucket, Reader::whole)),
        added_at: f.optional(r, "added_at", Reader::parsed),
    })
}
