//! Verbs, all pure: no clock, no randomness, no input or output. The same values in, the same
//! decision out, on the edge, at the command line and in a simulation.

pub mod adopt;
pub mod ahead;
pub mod assign;
pub mod book;
pub mod clustering;
pub mod cohort;
pub mod comparison;
pub mod deployment;
pub mod ends;
pub mod evidence;
pub mod firsts;
pub mod forecast;
pub mod judge;
pub mod offers;
pub mod replay;
pub mod reports;
pub mod rollout;
pub mod schedule;
pub mod series;
pub mod settle;
pub mod signals;
pub mod standing;
pub mod trail;
pub mod transition;
