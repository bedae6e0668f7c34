//! What happens to a simulated rollout that does not happen to a healthy one: one thing a line.
//!
//! ```text
//! line    = [ KEY ":" ] thing            "#" begins a comment
//! thing   = figure "=" amount [ span ]   new.error_rate = 2% from 6h to 8h
//!         | "signal."NAME "=" count at   signal.p1 = 6 at 30h            (a counted event)
//!         | "signal."NAME "=" level span signal.db_pool = 100% from 5h   (a gauge)
//!         | "event."NAME "=" count at    event.failure = 12 at 3h        (12 users on new)
//!         | "event."NAME "=" share span  event.used = 20% from canary+1d
//!         | "opt_out_rate" "=" share span  opt_out_rate = 5% from canary  (of the users on new)
//!         | "probe."NAME "=" share span  probe.login = 50% from 5h       (the share that passes on new)
//!         | "faults" "=" count [ span ]  configuration faults that isolates report
//!         | side "down" [ span ]         new down from 3h
//!         | "no traffic" [ "on" side ] [ span ]
//!         | "silence" "signal."NAME [ span ]
//!         | "errors clustered"           a twentieth of the subjects has all of the errors
//!         | "approve" ( "everything" | "\"" item "\"" ) [ at ]
//!         | command at                   pause, resume, start, advance, complete, kill, revive,
//!                                        rollback [ "to" previous | PERCENT ], set PERCENT,
//!                                        deploy VERSION (of new: the stage begins anew, or goes on by `redeploy`)
//! figure  = [ side "." ] name [ "@" endpoint ]
//! name    = error_rate | client_error_rate | timeout_rate | abandoned_rate | broken_rate | latency | lcp | fcp | cls | inp | ttfb | js_error_rate | timing.NAME | value.NAME
//! side    = "new" | "legacy"             new where none is named
//! amount  = 2% | 900ms | 4s | 0.3 | 1.6x a latency at p95, all other times at p75; 1.6x the healthy one
//! span    = "from" time [ "to" time | "for" duration ]
//! at      = "at" time
//! time    = duration | STAGE [ "+" duration ]      since the start, or since the stage was entered
//! ```
//!
//! A file with several rollouts: `KEY:` limits a line to one of them.

mod parse;
mod words;

pub use parse::parse;

use tidegate_model::Name;
use tidegate_model::command::Command;
use tidegate_model::condition::Vital;
use tidegate_model::measured::Quantity;
use tidegate_model::variant::Variant;

/// What happens, in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// One for each line that says something.
    pub lines: Vec<Line>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As it was written.
    pub text: String,
    /// To this rollout alone.
    pub key: Option<Name>,
    /// What.
    pub what: What,
    /// When.
    pub when: When,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A figure is another than the healthy one.
    Figure {
        /// On this side.
        side: Variant,
        /// Which.
        figure: Figure,
        /// At this endpoint alone.
        endpoint: Option<Name>,
        /// What it is.
        amount: Amount,
    },
    /// A level from outside.
    Gauge(Name, f64),
    /// So many events from outside.
    Count(Name, f64),
    /// So many different users on new report an event.
    Reporters(Name, u32),
    /// This share of the users on new report an event.
    Share(Name, f64),
    /// This share of the probes of new passes.
    Probe(Name, f64),
    /// So many configuration faults are reported.
    Faults(u64),
    /// A side answers nothing.
    Down(Variant),
    /// Nobody comes; to one side, if one is named.
    NoTraffic(Option<Variant>),
    /// Nobody reports a signal.
    Silence(Name),
    /// Few subjects have all of the errors.
    Clustered,
    /// An operator ticks every item once it counts.
    ApproveAll,
    /// An operator ticks one.
    Approve(String),
    /// An operator commands.
    Command(Command),
}

/// A figure that can be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// The share of requests that fail.
    ErrorRate,
    /// The share of requests to which this happens.
    Rate(Quantity),
    /// Latency at p95.
    Latency,
    /// A web vital at p75.
    Vital(Vital),
    /// The share of page views with a JavaScript error.
    JsErrorRate,
    /// A timing at p75.
    Timing(Name),
    /// A number that pages report.
    Value(Name),
}

/// What a figure becomes: shares as fractions of 1, times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// This.
    Value(f64),
    /// So many times the healthy one.
    Times(f64),
}

/// When something ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// At this moment.
    At(Moment),
    /// So many milliseconds after it began.
    For(i64),
}

/// When something happens.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Once.
    At(Moment),
    /// From then on, and until then if that is said.
    Span(Moment, Option<Until>),
}

/// A moment of a rollout's life.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The stage whose first entry it is counted from; else from the start.
    pub stage: Option<Name>,
    /// How much later.
    pub offset_ms: i64,
}

impl When {
    /// The moment when it begins.
    pub const fn begins(&self) -> &Moment {
        match self {
            Self::At(at) => at,
            Self::Span(from, _) => from,
        }
    }
}

impl What {
    /// Whether it is something that people do, and not something that happens to them.
    pub const fn is_by_hand(&self) -> bool {
        matches!(self, Self::ApproveAll | Self::Approve(_) | Self::Command(_))
    }
}

impl Line {
    /// Whether it is about this rollout.
    pub fn is_about(&self, key: &Name) -> bool {
        self.key.as_ref().is_none_or(|own| own == key)
    }
}
