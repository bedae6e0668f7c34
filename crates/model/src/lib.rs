//! Nouns. Everything here is a value: parsed once, compared, printed, never asked to act.
//!
//! Text becomes a typed value at the border (`"10%"` a [`Percentage`], `"error_rate < 1%"` a
//! [`condition::Condition`]) and prints back as the same text, so nothing later has to parse again.

pub mod broke;
pub mod calendar;
pub mod command;
pub mod condition;
pub mod daily;
pub mod dimension;
pub mod duration;
pub mod fault;
pub mod figure;
pub mod group;
pub mod history;
pub mod instant;
pub mod live;
pub mod measured;
pub mod minute;
pub mod name;
pub mod no_id;
pub mod node;
pub mod notification;
pub mod number;
pub mod percentage;
pub mod plan;
pub mod record;
pub mod route;
#[cfg(feature = "schema")]
mod schema;
pub mod serial;
pub mod shadow;
pub mod source;
pub mod subject;
pub mod upstream;
pub mod variant;
pub mod version;
pub mod weekly;
pub mod zone;

pub use duration::Duration;
pub use instant::Instant;
pub use minute::Minute;
pub use name::Name;
pub use percentage::Percentage;
