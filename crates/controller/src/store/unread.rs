//! Loads rollouts, also those whose plan or state this version cannot read: after a downgrade, or because a
//! row was damaged. They keep their place, with their history and all that can be read of them, and can be
//! killed. Nothing that is stored of them is written over but by a command.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::{Row, Storage, StorageError, at, history, plan};
use crate::turn::Turn;
use tidegate_decide::reconcile::controller::Echo;
use tidegate_decide::rollout::{Noticed, Rollout};
use tidegate_model::Name;
use tidegate_model::history::Entry;
use tidegate_model::live::LiveState;
use tidegate_model::plan::Plan;
use tidegate_model::plan::set::{read_rollout, remains_of};
use tidegate_model::record::Record;

/// The rollout of a row; none where nothing at all can be read of it.
///
/// # Errors
/// When the storage refuses.
pub(super) fn rollout(turn: &mut Turn<'_>, row: &Row) -> Result<Option<Rollout>, StorageError> {
    let Ok(key) = row.text(0).parse::<Name>() else { return Ok(None) };
    let mut wrong: Vec<String> = Vec::new();
    let record = match Record::parse(row.text(2)) {
        Some(record) => record,
        None => match last_state(turn.storage, &key)? {
            Some(live) => {
                wrong.push("its state is that of its last entry in the history".to_owned());
                record_of(live)
            }
            None => return Ok(None),
        },
    };
    let (plan, text) = match read_rollout(row.text(1)) {
        Ok(plan) => (plan, row.text(1).to_owned()),
        Err(faults) => match copy(turn, &key, &record)? {
            Some(found) => found,
            None => {
                let Some(plan) = remains(&key, row.text(1), &record) else { return Ok(None) };
                wrong.push(faults.first().map_or_else(|| "its plan is no JSON".to_owned(), ToString::to_string));
                (plan, row.text(1).to_owned())
            }
        },
    };
    let mut rollout = Rollout::new(Rc::new(plan), text.into(), 0, record.live.since);
    rollout.record = record;
    rollout.hash = row.text(3).to_owned();
    rollout.published = row.number(4);
    rollout.published_at = row.moment(5).unwrap_or(turn.now);
    rollout.key_absent_since = row.moment(6);
    rollout.key_gone_at = row.moment(7);
    let echoes: Vec<(String, i64)> = serde_json::from_str(row.text(8)).unwrap_or_default();
    rollout.echoes = echoes.into_iter().map(|(text, ms)| Echo { text, overwritten: at(ms) }).collect();
    if !wrong.is_empty() {
        let message = format!(
            "what is stored of it cannot be read by this version, so it is held where it is; kill, pause and rollback to 0 % work, and `tidegate apply` stores its plan again: {}",
            wrong.join("; ")
        );
        turn.warn("rollout_unreadable", key.as_str(), &message);
        rollout.unread = Some(Noticed { subject: key.to_string(), message, at: turn.now });
    }
    Ok(Some(rollout))
}

/// The plan under the revision that was applied last, which is stored a second time.
fn copy(turn: &mut Turn<'_>, key: &Name, record: &Record) -> Result<Option<(Plan, String)>, StorageError> {
    let found = plan(turn.storage, key, record.live.plan)?.and_then(|text| Some((read_rollout(&text).ok()?, text)));
    if found.is_some() {
        turn.warn(
            "plan_restored",
            key.as_str(),
            "its stored plan could not be read; the copy in its history could, and serves",
        );
    }
    Ok(found)
}

/// What can be read of a plan that cannot be read: at the least, its key and the stage that it is in.
fn remains(key: &Name, text: &str, record: &Record) -> Option<Plan> {
    let LiveState { stage, percentage, .. } = &record.live;
    let is_its = |plan: &Plan| plan.key == *key && plan.stage_index(stage.as_str()).is_some();
    let least = || {
        remains_of(&format!("{{\"key\":\"{key}\",\"stage\":[{{\"name\":\"{stage}\",\"percentage\":{percentage}}}]}}"))
    };
    remains_of(text).filter(is_its).or_else(least)
}

fn last_state(storage: &mut dyn Storage, key: &Name) -> Result<Option<LiveState>, StorageError> {
    let last = history(storage, key, u64::MAX, 1)?;
    Ok(last.first().and_then(|(_, text)| Entry::parse(text).ok()).map(|(entry, _)| entry.state))
}

/// A record as far as a state tells it.
fn record_of(live: LiveState) -> Record {
    let (since, revision) = (live.since, live.revision);
    Record {
        is_killed: live.killed,
        kill_key: None,
        is_waiting: false,
        is_deployed: false,
        begun: since,
        begun_revision: revision,
        entered: since,
        entered_revision: revision,
        exposed_revision: revision,
        been: None,
        held_since: None,
        approvals: Vec::new(),
        sent: Vec::new(),
        acted: None,
        live,
    }
}

/// A rollout's plan as isolates get it. One that cannot be read here may be read there; what is no plan of
/// this rollout at all would spoil those of all others.
pub fn published(rollout: &Rollout) -> Cow<'_, str> {
    let text = &*rollout.plan_text;
    let is_its = || {
        serde_json::from_str::<&RawValue>(text).is_ok()
            && remains_of(text).is_some_and(|plan| plan.key == rollout.plan.key)
    };
    if rollout.unread.is_none() || is_its() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{{\"key\":\"{}\"}}", rollout.plan.key))
    }
}
