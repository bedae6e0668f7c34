//! What the controller holds of a rollout: its live state, and what only the controller needs.

use std::fmt;

use serde::Serialize;

use super::live::{self, LiveState, Phase};
use super::node::Node;
use super::plan::fields::Reader;
use super::plan::words::WordError;
use super::plan::{Item, Plan};
use super::{Instant, Name, serialize_as_text};

/// A rollout as the controller knows it, at one revision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// What the edge knows of it.
    pub live: LiveState,
    /// Killed by a command or by `off`, whatever keys there are.
    pub is_killed: bool,
    /// The KV key that kills it: `kill/KEY` or `kill/*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_key: Option<String>,
    /// Started, but a rollout named in `after` has not ended.
    pub is_waiting: bool,
    /// A draft of which another version of new has been deployed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_deployed: bool,
    /// When the attempt began.
    pub begun: Instant,
    /// The revision that began it: what was measured from here on belongs to it.
    pub begun_revision: u64,
    /// When the stage was entered.
    pub entered: Instant,
    /// The revision that entered it.
    pub entered_revision: u64,
    /// The stages that the attempt has been in, in the order in which it first was; `None` where that is not known, as
    /// of an attempt that an earlier release began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub been: Option<Vec<Name>>,
    /// The revision from which the same subjects get the same side.
    pub exposed_revision: u64,
    /// Since when the hold runs, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Instant>,
    /// When a guardrail acted, until somebody goes on all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acted: Option<Instant>,
    /// Who has ticked items of checklists.
    pub approvals: Vec<Approval>,
    /// The messages that people have sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
}

/// A message of the plan that a person has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The message, as [`super::plan::Notice::item`] has it.
    pub item: String,
    /// Who sent it.
    pub by: String,
    /// When that was said.
    pub at: Instant,
}

/// An item of a checklist that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Of which checklist.
    pub of: Checklist,
    /// The item's text.
    pub item: String,
    /// Who approved it.
    pub by: String,
    /// When.
    pub at: Instant,
}

/// One of the checklists of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checklist {
    /// Before the start.
    Start,
    /// Before this stage is left.
    Stage(Name),
    /// After a rollback.
    Rollback,
}

impl Checklist {
    /// `start`, `stage` or `rollback`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stage(_) => "stage",
            Self::Rollback => "rollback",
        }
    }

    /// Its items.
    pub fn items<'a>(&self, plan: &'a Plan) -> &'a [Item] {
        match self {
            Self::Start => &plan.checklist,
            Self::Stage(name) => plan
                .stage_index(name.as_str())
                .and_then(|index| plan.stages.get(index))
                .map_or(&[], |stage| &stage.checklist),
            Self::Rollback => &plan.after_rollback,
        }
    }
}

impl Record {
    /// A rollout that nobody has started, at revision 0.
    pub fn draft(plan: &Plan, now: Instant) -> Self {
        Self {
            live: LiveState { since: now, ..LiveState::draft(plan) },
            is_killed: false,
            kill_key: None,
            is_waiting: false,
            is_deployed: false,
            begun: now,
            begun_revision: 0,
            entered: now,
            entered_revision: 0,
            been: None,
            exposed_revision: 0,
            held_since: None,
            acted: None,
            approvals: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// The last time that a message was said to be sent.
    pub fn sent(&self, item: &str) -> Option<&Sent> {
        self.sent.iter().rfind(|sent| sent.item == item)
    }

    /// Whether a stage of the plan, by its place, lies behind the current one and the attempt was never in it: it was
    /// jumped over.
    pub fn has_skipped(&self, plan: &Plan, index: usize) -> bool {
        let (Some(been), Some(stage)) = (&self.been, plan.stages.get(index)) else { return false };
        let is_behind = plan.stage_index(self.live.stage.as_str()).is_some_and(|current| index < current);
        is_behind && self.live.phase != Phase::Draft && !been.contains(&stage.name)
    }

    /// Who has ticked an item so far, one after another.
    pub fn approvals<'a>(&'a self, of: &'a Checklist, item: &'a str) -> impl Iterator<Item = &'a Approval> {
        self.approvals.iter().filter(move |approval| approval.of == *of && approval.item == item)
    }

    /// The approval that settled an item: the last that it asks for.
    pub fn approval<'a>(&'a self, of: &'a Checklist, item: &'a Item) -> Option<&'a Approval> {
        self.approvals(of, &item.text).nth(usize::from(item.approvals.max(1)) - 1)
    }

    /// The checklist that counts now, if the plan has one there.
    pub fn checklist(&self, plan: &Plan) -> Option<Checklist> {
        let of = match self.live.phase {
            Phase::Draft => Checklist::Start,
            Phase::Running | Phase::Paused => Checklist::Stage(self.live.stage.clone()),
            Phase::RolledBack => Checklist::Rollback,
            Phase::Completed => return None,
        };
        Some(of).filter(|of| !of.items(plan).is_empty())
    }

    /// The items of a checklist that are not settled.
    pub fn open_items(&self, of: &Checklist, plan: &Plan) -> Vec<String> {
        of.items(plan).iter().filter(|item| self.approval(of, item).is_none()).map(|item| item.text.clone()).collect()
    }

    /// The record as the controller stores it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let mut reader = Reader::of_stored();
        record(&mut reader, &node).filter(|_| reader.faults.is_empty())
    }
}

fn record(r: &mut Reader, node: &Node) -> Option<Record> {
    let mut f = r.fields(node)?;
    let live = f.required(r, "live", live_state);
    let is_killed = f.required(r, "is_killed", Reader::boolean);
    let kill_key = f.optional(r, "kill_key", Reader::text);
    let is_waiting = f.required(r, "is_waiting", Reader::boolean);
    let is_deployed = f.optional(r, "is_deployed", Reader::boolean).unwrap_or_default();
    let begun = f.required(r, "begun", Reader::parsed);
    let entered = f.required(r, "entered", Reader::parsed);
    // Records that were stored before anything was measured have none.
    let mut revision = |r: &mut Reader, name: &'static str| f.optional(r, name, Reader::whole).unwrap_or_default();
    let (begun_revision, entered_revision, exposed_revision) =
        (revision(r, "begun_revision"), revision(r, "entered_revision"), revision(r, "exposed_revision"));
    let been = f.optional(r, "been", Reader::parsed_list);
    let held_since = f.optional(r, "held_since", Reader::parsed);
    let acted = f.optional(r, "acted", Reader::parsed);
    let approvals = f.required(r, "approvals", |r, node| r.list(node, approval));
    let sent_items = f.optional(r, "sent", |r, node| r.list(node, sent)).unwrap_or_default();
    f.end(r);
    Some(Record {
        live: live?,
        is_killed: is_killed?,
        kill_key,
        is_waiting: is_waiting?,
        is_deployed,
        begun: begun?,
        begun_revision,
        entered: entered?,
        entered_revision,
        been,
        exposed_revision,
        held_since,
        acted,
        approvals: approvals?,
        sent: sent_items,
    })
}

/// Reads a live state without version and sum.
pub(super) fn live_state(r: &mut Reader, node: &Node) -> Option<LiveState> {
    let mut f = r.fields(node)?;
    let state = live::fields(r, &mut f);
    f.end(r);
    state
}

fn approval(r: &mut Reader, node: &Node) -> Option<Approval> {
    let mut f = r.fields(node)?;
    let of = f.required(r, "of", Reader::parsed);
    let item = f.required(r, "item", Reader::text);
    let by = f.required(r, "by", Reader::text);
    let at = f.required(r, "at", Reader::parsed);
    f.end(r);
    Some(Approval { of: of?, item: item?, by: by?, at: at? })
}

fn sent(r: &mut Reader, node: &Node) -> Option<Sent> {
    let mut f = r.fields(node)?;
    let item = f.required(r, "item", Reader::text);
    let by = f.required(r, "by", Reader::text);
    let at = f.required(r, "at", Reader::parsed);
    f.end(r);
    Some(Sent { item: item?, by: by?, at: at? })
}

impl fmt::Display for Checklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(name) => write!(f, "stage:{name}"),
            Self::Start | Self::Rollback => f.write_str(self.kind()),
        }
    }
}

impl std::str::FromStr for Checklist {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let malformed = || WordError::new(text, "a checklist", "`start`, `rollback` or `stage:NAME`");
        match text.strip_prefix("stage:") {
            Some(name) => name.parse().map(Self::Stage).map_err(|_| malformed()),
            None if text == "start" => Ok(Self::Start),
            None if text == "rollback" => Ok(Self::Rollback),
            None => Err(malformed()),
        }
    }
}

serialize_as_text!(Checklist);
