//! Verbs, all pure: no clock, no randomness, no input or output. The same values in, the same
//! decision out, on the edge, at the command line and in a simulation.

pub mod cohort;
pub mod standing;
pub mod assign;
pub mod settle;
pub mod transition;
pub mod series;
pub mod signals;
pub mod judge;
pub mod trail;
pub mod book;
pub mod evidence;
pub mod firsts;
pub mod clustering;
pub mod comparison;
pub mod schedule;
pub mod offers;
pub mod ends;
pub mod forecast;
pub mod reports;
pub mod adopt;
pub mod replay;
pub mod rollout;
pub mod deployment;
pub mod ahead;
