//! How often the controller does things by itself. What it does then is the same in any rhythm: a simulated run, which
//! has weeks to live through in a second, has a slower one than operation.

use tidegate_decide::judge::term::Manner;

use super::state::State;
use super::turn::Turn;
use tidegate_protocol::relays::Sizes;

/// How often things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Whatever serves somebody on new is evaluated this often, in milliseconds.
    pub evaluate_ms: i64,
    /// What has come in, or has changed, is evaluated this soon after the evaluation before, in milliseconds.
    pub evaluate_soon_ms: i64,
    /// KV is polled for edits this often, even where nobody asks, in milliseconds.
    pub poll_ms: i64,
    /// It is polled again after this long where there is an occasion, in milliseconds.
    pub poll_fresh_ms: i64,
    /// How evaluations are made.
    pub manner: Manner,
    /// Old minutes become hours this often, in minutes.
    pub fold_minutes: u64,
    /// How many report to one object.
    pub sizes: Sizes,
    /// Whether sources of signals and hooks are asked, and probes made. In a simulated life they are part of the
    /// scenario.
    pub asks: bool,
}

impl Default for Rhythm {
    /// That of operation.
    fn default() -> Self {
        Self {
            evaluate_ms: 10_000,
            evaluate_soon_ms: 2_000,
            poll_ms: 30_000,
            poll_fresh_ms: 2_000,
            manner: Manner::default(),
            fold_minutes: 1,
            sizes: Sizes::default(),
            asks: true,
        }
    }
}

impl State {
    /// Goes on in another rhythm from now on.
    pub fn set_rhythm(&mut self, turn: &mut Turn<'_>, rhythm: Rhythm) {
        self.rhythm = rhythm;
        self.deployment.manner = rhythm.manner;
        self.deployment.hooks_say_go = !rhythm.asks;
        self.planner.sizes = rhythm.sizes;
        self.wake_in_time(turn);
    }
}
