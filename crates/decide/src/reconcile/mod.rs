//! What a value read from KV means: to an isolate, which serves by it, and to the controller, which adopts
//! people's edits.
//!
//! KV is read late, twice and out of order, and people write into it. The two sides see the same values:
//!
//! | value of `stage/KEY` | an isolate | the controller |
//! |---|---|---|
//! | a state of the controller, newer than the last | takes it | refuses it as foreign: only it writes them |
//! | the same or older | keeps the last | knows it |
//! | a text that was adopted less than [`ECHO_MS`] after it was overwritten | keeps the last: an echo | knows it |
//! | a percentage, `off`, an edited state | serves by it | adopts it as a command |
//! | anything else | keeps the last, reports a fault | reports a fault |
//! | nothing, where a state was | keeps the last: a stale read | writes it again |

pub mod controller;
pub mod isolate;

pub use isolate::ECHO_MS;
