//! Verbs, all pure: no clock, no randomness, no input or output. The same values in, the same
//! decision out, on the edge, at the command line and in a simulation.

pub mod ahead;
pub mod assign;
pub mod checklists;
pub mod cohort;
pub mod comparison;
pub mod compiled;
pub mod deployment;
pub mod ends;
pub mod evidence;
pub mod evidence_history;
pub mod explain;
pub mod firsts;
pub mod folding;
pub mod forecast;
pub mod hooks;
pub mod judge;
pub mod metrics;
pub mod notify;
pub mod offers;
pub mod overdispersion;
pub mod probes;
pub mod reconcile;
pub mod replay;
pub mod reports;
pub mod rollout;
pub mod schedule;
pub mod series;
pub mod sessions;
pub mod signals;
pub mod sources;
pub mod timeline;
pub mod transition;
pub mod verification;
pub mod versions;
