//! A set of plans that stands in KV, where anybody may have written it.
//!
//! A controller takes rollouts away by telling so; what is in KV alone takes none away where there is one.
//! Without a controller, KV is all there is, and then a rollout goes by being left out of a set that is
//! otherwise in order. An empty set is none: nobody compiles one.

use std::rc::Rc;

use super::{BrokenRollout, Catalogue, Entry};
use tidegate_model::fault::listed;
use tidegate_model::plan::set::{PlanSet, PlanSetError};

/// What was made of such a set.
pub struct Read {
    /// The set, and what stays of those known before. Where it is not whole, its revision is the one before.
    pub catalogue: Catalogue,
    /// The revision of the set.
    pub revision: u64,
    /// The rollouts that cannot be used.
    pub broken: Vec<BrokenRollout>,
    /// Why it does not take the place of the one before.
    pub why_partial: Option<Partial>,
}

/// Why a set does not take the place of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partial {
    /// It has no rollouts.
    Empty,
    /// So many of its rollouts have no key.
    Keyless(usize),
    /// It lacks these, and only a controller takes rollouts away.
    Lacks(Vec<String>),
}

impl std::fmt::Display for Partial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("the value of `plans` has no rollouts; those known before stay"),
            Self::Keyless(count) => write!(
                f,
                "{count} of the rollouts in the value of `plans` cannot be identified by their key, so those known before stay"
            ),
            Self::Lacks(keys) => write!(
                f,
                "the value of `plans` lacks {}, which stay until the controller takes them away",
                listed(keys.iter().map(String::as_str))
            ),
        }
    }
}

impl Catalogue {
    /// Compiles such a set. `is_controlled` tells that there is a controller.
    ///
    /// # Errors
    /// When the value as a whole cannot be read.
    pub fn read(text: &str, last: &Self, is_controlled: bool) -> Result<Read, PlanSetError> {
        let set = PlanSet::parse_by_hand(text)?;
        let (mut catalogue, broken, keyless) = Self::of(&set, Some(last));
        let missing: Vec<&Entry> =
            last.rollouts.iter().filter(|entry| catalogue.number_of(entry.plan.key.as_str()).is_none()).collect();
        let why_partial = match (set.rollouts.len(), keyless) {
            (0, _) => Some(Partial::Empty),
            (_, 1..) => Some(Partial::Keyless(keyless)),
            _ if is_controlled && !missing.is_empty() => {
                Some(Partial::Lacks(missing.iter().map(|entry| entry.plan.key.to_string()).collect()))
            }
            _ => None,
        };
        if why_partial.is_some() {
            catalogue.revision = last.revision;
            for entry in missing {
                catalogue.add(Rc::clone(&entry.plan), entry.source, entry.is_broken);
            }
        }
        Ok(Read { catalogue, revision: set.revision, broken, why_partial })
    }
}
