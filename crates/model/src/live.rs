//! The live state of a rollout: what the KV key `stage/KEY` holds.
//!
//! The controller writes it whole, as JSON with a sum over its fields. People write a bare number,
//! `off`, or edit the JSON, after which the sum no longer matches; so an edit by hand is always
//! distinguished from a state that the controller wrote.

use std::fmt;

use serde::Serialize;

use super::fault::{Explain, Fault, Severity};
use super::node::Node;
use super::percentage::PercentageError;
use super::plan::Plan;
use super::plan::fields::{Fields, Reader};
use super::plan::limits::REVISION_MAX;
use super::plan::words::WordError;
use super::subject::fnv1a64;
use super::version::Version;
use super::{Instant, Name, Percentage, serialize_as_text};

/// The version of the format.
const VERSION: i64 = 1;

/// How far a rollout has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not started.
    Draft,
    /// Going through its stages.
    Running,
    /// Held at its percentage.
    Paused,
    /// Sent back, to 0 % or to a smaller percentage.
    RolledBack,
    /// Everybody is on new for good.
    Completed,
}

/// The state of a rollout at one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LiveState {
    /// Grows by one with each change.
    pub revision: u64,
    /// The revision of the plans that it was decided on.
    pub plan: u64,
    /// The run through the stages, from 1.
    pub attempt: u32,
    /// How far it has come.
    pub phase: Phase,
    /// Whether the kill switch is on.
    pub killed: bool,
    /// The current stage.
    pub stage: Name,
    /// The share of subjects on new.
    pub percentage: Percentage,
    /// Groups on new.
    pub groups: Vec<Name>,
    /// When it came into force.
    pub since: Instant,
    /// Whether it has done its time in the last stage, so that rollouts that come after it may go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// The version of new that answers, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// How far the percentage has come since it last was 0, where the plan keeps who has used new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
    /// The edit by hand that was adopted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv: Option<Adopted>,
}

/// How far a percentage has come since it last was 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The highest percentage.
    pub percentage: Percentage,
    /// When it left 0. Who has used new before that was sent back with everybody.
    pub from: Instant,
}

/// An edit by hand that the controller has made its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// What stood under the key, as [`edit_text`] has it.
    pub text: String,
    /// When it was adopted.
    pub at: Instant,
}

impl LiveState {
    /// The state of a rollout that nobody has started.
    pub fn draft(plan: &Plan) -> Self {
        Self {
            revision: 0,
            plan: 0,
            attempt: 1,
            phase: Phase::Draft,
            killed: false,
            stage: plan.stages.first().map_or_else(Name::unreadable, |stage| stage.name.clone()),
            percentage: Percentage::ZERO,
            groups: Vec::new(),
            since: Instant::from_epoch_ms(0),
            ended: false,
            version: None,
            reached: None,
            kv: None,
        }
    }

    /// The same with how far it has come by `now`, where the plan keeps who has used new. At 0 % nobody is kept.
    #[must_use]
    pub fn reaching(self, plan: &Plan, now: Instant) -> Self {
        let Self { percentage, phase, .. } = self;
        let is_nobody = plan.keep.is_none() || percentage == Percentage::ZERO || phase == Phase::Draft;
        let reached = (!is_nobody).then(|| {
            let last = self.reached.unwrap_or(Reached { percentage, from: now });
            Reached { percentage: last.percentage.max(percentage), ..last }
        });
        Self { reached, ..self }
    }

    /// The buckets that the percentage has covered and covers no more: from its own limit to the highest.
    pub fn left_behind(&self) -> std::ops::Range<u32> {
        let limit = self.percentage.limit();
        limit..self.reached.map_or(limit, |reached| reached.percentage.limit())
    }

    /// Whether a rollout that comes after this one may go.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Completed || self.ended
    }

    /// The state as the value of its KV key.
    pub fn to_json(&self) -> String {
        let body = self.body();
        let sum = sum_of(&body);
        let fields = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
        format!("{{\"v\":{VERSION},{fields},\"sum\":\"{sum}\"}}")
    }

    fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What stands under a `stage/KEY`.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveText {
    /// A bare number: this percentage, from now on.
    Percentage(Percentage),
    /// `off`: the kill switch.
    Off,
    /// A state as the controller wrote it.
    Written(LiveState),
    /// A state that someone has edited.
    Edited(LiveState),
}

/// An edit longer than this is known by its sum: a whole state tells of the edit before it, and would
/// grow with each.
const EDIT_BYTES_MAX: usize = 64;

/// What an edit by hand is known by: its text without the white space around it, or its sum.
pub fn edit_text(text: &str) -> String {
    let text = text.trim();
    if text.len() <= EDIT_BYTES_MAX { text.to_owned() } else { format!("sum:{:016x}", fnv1a64(text.as_bytes())) }
}

/// Why a value of `stage/KEY` cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveError {
    /// Neither a number nor `off` nor JSON.
    Number(PercentageError),
    /// JSON that is no live state.
    State(Vec<Fault>),
}

impl std::error::Error for LiveError {}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(error) => error.fmt(f),
            Self::State(faults) => match faults.first() {
                Some(fault) => write!(f, "the live state is malformed: {fault}"),
                None => f.write_str("the live state is malformed"),
            },
        }
    }
}

impl Explain for LiveError {
    fn help(&self) -> Option<String> {
        Some("a percentage such as 25, `off`, or a whole live state".into())
    }
}

impl LiveText {
    /// Reads the value of a KV key `stage/KEY`.
    ///
    /// # Errors
    /// When it is neither a percentage nor `off` nor a live state.
    pub fn parse(text: &str) -> Result<Self, LiveError> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        if !trimmed.starts_with('{') {
            return trimmed.parse().map(Self::Percentage).map_err(LiveError::Number);
        }
        let node: Node = serde_json::from_str(trimmed).map_err(|error| {
            LiveError::State(vec![Fault {
                severity: Severity::Error,
                path: String::new(),
                span: None,
                message: error.to_string(),
                help: None,
            }])
        })?;
        let mut reader = Reader::of_stored();
        let read = state(&mut reader, &node);
        match read {
            Some((state, sum)) if reader.faults.is_empty() => {
                let is_written = sum.is_some_and(|sum| sum == sum_of(&state.body()) || has_sum(trimmed, &sum));
                Ok(if is_written { Self::Written(state) } else { Self::Edited(state) })
            }
            _ => Err(LiveError::State(reader.faults)),
        }
    }
}

fn sum_of(body: &str) -> String {
    format!("{:016x}", fnv1a64(body.as_bytes()))
}

/// Whether a text ends with this sum and it fits: then a controller wrote it, maybe of a later release, whose
/// states have more fields than are known here.
fn has_sum(text: &str, sum: &str) -> bool {
    let fields = text
        .strip_suffix(&format!(",\"sum\":\"{sum}\"}}"))
        .and_then(|text| text.strip_prefix(&format!("{{\"v\":{VERSION},")));
    fields.is_some_and(|fields| sum_of(&format!("{{{fields}}}")) == sum)
}

fn state(r: &mut Reader, node: &Node) -> Option<(LiveState, Option<String>)> {
    let mut f = r.fields(node)?;
    let version = f.required(r, "v", Reader::whole);
    if let Some(version) = version
        && version != VERSION as u64
    {
        r.error(None, format_args!("version {version} is not {VERSION}"), None);
    }
    let state = fields(r, &mut f);
    let sum = f.optional(r, "sum", Reader::text);
    f.end(r);
    Some((state?, sum))
}

/// A revision that one can count on from.
fn revision(r: &mut Reader, node: &Node) -> Option<u64> {
    let revision = r.whole(node)?;
    if revision > REVISION_MAX {
        r.error(None, format_args!("the revision {revision} is too great"), Some(format!("at most {REVISION_MAX}")));
        return None;
    }
    Some(revision)
}

/// Reads the state's own fields.
pub(super) fn fields(r: &mut Reader, f: &mut Fields<'_>) -> Option<LiveState> {
    let revision = f.required(r, "revision", self::revision);
    let plan = f.required(r, "plan", self::revision);
    let attempt = f.required(r, "attempt", Reader::whole).and_then(|attempt| u32::try_from(attempt).ok());
    let phase = f.required(r, "phase", Reader::parsed);
    let killed = f.required(r, "killed", Reader::boolean);
    let stage = f.required(r, "stage", Reader::parsed);
    let percentage = f.required(r, "percentage", Reader::percentage);
    let groups = f.required(r, "groups", Reader::parsed_list);
    let since = f.required(r, "since", Reader::parsed);
    let ended = f.optional(r, "ended", Reader::boolean).unwrap_or(false);
    let version = f.optional(r, "version", Reader::parsed);
    let reached = f.optional(r, "reached", self::reached);
    let kv = f.optional(r, "kv", adopted);
    Some(LiveState {
        revision: revision?,
        plan: plan?,
        attempt: attempt?,
        phase: phase?,
        killed: killed?,
        stage: stage?,
        percentage: percentage?,
        groups: groups?,
        since: since?,
        ended,
        version,
        reached,
        kv,
    })
}

fn reached(r: &mut Reader, node: &Node) -> Option<Reached> {
    let mut f = r.fields(node)?;
    let percentage = f.required(r, "percentage", Reader::percentage);
    let from = f.required(r, "from", Reader::parsed);
    f.end(r);
    Some(Reached { percentage: percentage?, from: from? })
}

fn adopted(r: &mut Reader, node: &Node) -> Option<Adopted> {
    let mut f = r.fields(node)?;
    let text = f.required(r, "text", Reader::text);
    let at = f.required(r, "at", Reader::parsed);
    f.end(r);
    Some(Adopted { text: text?, at: at? })
}

impl std::str::FromStr for Phase {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "draft" => Ok(Self::Draft),
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            "rolled_back" => Ok(Self::RolledBack),
            "completed" => Ok(Self::Completed),
            _ => Err(WordError::new(text, "a phase", "`draft`, `running`, `paused`, `rolled_back` or `completed`")),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RolledBack => "rolled_back",
            Self::Completed => "completed",
        })
    }
}

serialize_as_text!(Phase);

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> LiveState {
        LiveState {
            revision: 7,
            plan: 3,
            attempt: 1,
            phase: Phase::Running,
            killed: false,
            stage: "canary".parse().unwrap_or_else(|_| Name::unreadable()),
            percentage: "2.5".parse().unwrap_or_default(),
            groups: vec!["team".parse().unwrap_or_else(|_| Name::unreadable())],
            since: Instant::from_epoch_ms(1_780_000_000_000),
            ended: false,
            version: "v2.1.0".parse().ok(),
            reached: Some(Reached {
                percentage: "50".parse().unwrap_or_default(),
                from: Instant::from_epoch_ms(1_780_000_000_000),
            }),
            kv: Some(Adopted { text: "2.5".into(), at: Instant::from_epoch_ms(1_780_000_000_000) }),
        }
    }

    #[test]
    fn what_the_controller_writes_is_read_as_written() {
        assert_eq!(LiveText::parse(&written().to_json()), Ok(LiveText::Written(written())));
    }

    #[test]
    fn an_edit_by_hand_is_reported_from_it() {
        let edited = written().to_json().replace("\"percentage\":2.5", "\"percentage\": 40");
        let state = LiveState { percentage: "40".parse().unwrap_or_default(), ..written() };
        assert_eq!(LiveText::parse(&edited), Ok(LiveText::Edited(state)));
    }

    #[test]
    fn bare_texts_are_percentages_and_off() {
        assert_eq!(LiveText::parse(" 25\n"), Ok(LiveText::Percentage("25".parse().unwrap_or_default())));
        assert_eq!(LiveText::parse("off"), Ok(LiveText::Off));
    }

    #[test]
    fn garbage_says_what_is_wrong_with_it() {
        let message = |text: &str| LiveText::parse(text).map_err(|error| error.to_string());
        assert_eq!(message("150"), Err("`150` is more than 100 %".into()));
        assert_eq!(message("on"), Err("`on` is not a percentage".into()));
        assert_eq!(message("{}"), Err("the live state is malformed: `v` is missing".into()));
        assert_eq!(
            message("{"),
            Err("the live state is malformed: EOF while parsing an object at line 1 column 1".into())
        );
        let wrong = written().to_json().replace("2.5,", "250,");
        assert_eq!(message(&wrong), Err("the live state is malformed: percentage: `250` is more than 100 % (a number from 0 to 100 with at most three decimals, such as 10, 2.5 or 0.001)".into()));
    }

    #[test]
    fn how_far_it_has_come_is_forgotten_at_0() {
        let plan = crate::plan::set::read_rollout(
            r#"{"key":"shop","routes":["/*"],"keep":"used","upstreams":{"legacy":"https://l.example","new":"https://n.example"},"stage":[{"name":"full","percentage":100}]}"#,
        )
        .unwrap_or_else(|_| unreachable!());
        let at = |live: LiveState, percentage: &str, ms| {
            let percentage = percentage.parse().unwrap_or_default();
            LiveState { percentage, ..live }.reaching(&plan, Instant::from_epoch_ms(ms))
        };
        let begun = LiveState { phase: Phase::Running, reached: None, ..written() };
        let up = at(at(begun, "10", 1_000), "50", 2_000);
        let reached = up.reached.map(|own| (own.percentage.to_string(), own.from.as_epoch_ms()));
        assert_eq!(reached, Some(("50".to_owned(), 1_000)));
        let down = at(up, "25", 3_000);
        assert_eq!((down.left_behind(), down.reached.map(|own| own.from.as_epoch_ms())), (25_000..50_000, Some(1_000)));
        let nobody = at(down.clone(), "0", 4_000);
        assert_eq!((nobody.reached, nobody.left_behind()), (None, 0..0));
        assert_eq!(at(nobody, "10", 5_000).reached.map(|own| own.from.as_epoch_ms()), Some(5_000));
        let without = crate::plan::Plan { keep: None, ..plan.clone() };
        assert_eq!(down.reaching(&without, Instant::from_epoch_ms(6_000)).reached, None);
    }
}
