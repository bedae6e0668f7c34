//! When a draft starts by itself: at a moment, or with a deployment of new.

use std::fmt;

use crate::{Instant, serialize_as_text};

/// When a draft starts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this moment.
    At(Instant),
    /// Once another version of new is deployed.
    OnDeploy,
}

impl Start {
    /// How a plan says that.
    pub const ON_DEPLOY: &str = "on deploy";
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => at.fmt(f),
            Self::OnDeploy => f.write_str(Self::ON_DEPLOY),
        }
    }
}

serialize_as_text!(Start);
