//! The freeze of the whole deployment: while it lasts no rollout advances, whatever its plan says. Rolling back always
//! works.
//!
//! It is one text among the settings, so that the release before this one passes it over.

use serde::{Deserialize, Serialize};

use super::answer::Answered;
use super::state::State;
use super::store::{self, Batch, Storage, StorageError};
use super::turn::Turn;
use tidegate_model::Instant;
use tidegate_model::calendar::Window;
use tidegate_protocol::api::shapes::{self, Text};
use tidegate_protocol::api::{Call, Reply, body};

/// Under which name it is stored.
const NAME: &str = "freeze";

/// What is stored. What a later release adds is passed over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stored {
    freeze: Vec<String>,
    by: String,
    at: Option<Instant>,
    reason: String,
}

impl Stored {
    fn windows(&self) -> Vec<Window> {
        self.freeze.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

fn stored(storage: &mut dyn Storage) -> Result<Stored, StorageError> {
    let text = store::outbox::setting(storage, NAME)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The windows that are in force.
///
/// # Errors
/// When the storage refuses.
pub fn load(storage: &mut dyn Storage) -> Result<Vec<Window>, StorageError> {
    Ok(stored(storage)?.windows())
}

fn shown(own: &Stored) -> Reply {
    let freeze = shapes::Freeze {
        freeze: own.windows().iter().map(Text::from).collect(),
        by: (!own.by.is_empty()).then(|| own.by.clone()),
        at: own.at.into(),
        reason: (!own.reason.is_empty()).then(|| own.reason.clone()),
    };
    Reply::json(200, &freeze)
}

/// Shows it.
///
/// # Errors
/// When the storage refuses.
pub fn show(storage: &mut dyn Storage) -> Result<Answered, StorageError> {
    Ok(Ok(shown(&stored(storage)?)))
}

/// Sets it.
///
/// # Errors
/// When the storage refuses.
pub fn set(
    state: &mut State,
    turn: &mut Turn<'_>,
    call: &Call,
    keep: impl FnOnce(&mut Batch, &Reply),
) -> Result<Answered, StorageError> {
    let (windows, reason) = match body::freeze(&call.body) {
        Ok(wanted) => wanted,
        Err(problem) => return Ok(Err(problem)),
    };
    let own = Stored {
        freeze: windows.iter().map(ToString::to_string).collect(),
        by: call.actor.clone(),
        at: Some(turn.now),
        reason,
    };
    let reply = shown(&own);
    let mut batch = Batch::default();
    batch.setting(NAME, &serde_json::to_string(&own).unwrap_or_default());
    keep(&mut batch, &reply);
    state.commit(turn, Vec::new(), batch)?;
    let reported = if own.freeze.is_empty() { "lifted".to_owned() } else { own.freeze.join("; ") };
    turn.note("freeze", "controller", &format!("{reported}, by {} ({})", own.by, own.reason));
    state.deployment.freeze = windows;
    Ok(Ok(reply))
}
