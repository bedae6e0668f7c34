//! Flags: rollouts that route nothing, and travel upstream in one header, `tidegate-flags`.
//!
//! 1. All of them are named, each with what it says on the side that was assigned: `search=semantic, export=legacy`.
//! 2. Where that were longer than [`FLAGS_BYTES_MAX`], those alone are named that are on new. Servers refuse requests
//!    whose headers are too long.
//! 3. Flags that have no room even so nobody gets, and they count nowhere. Which ones is the same for everybody: were
//!    they left out for those alone who are on new, the sides could not be compared.

use super::config::Snapshot;
use super::decision::Assigned;
use tidegate_decide::assign::Variant;
use tidegate_decide::compiled::CompiledRollout;
use tidegate_model::plan::Plan;
use tidegate_model::plan::limits::{FLAG_SEPARATOR, FLAGS_BYTES_MAX};

/// The rollouts that are flags, and what requests say of them upstream. A request with a thousand of them reads all, so
/// they lie in a row.
#[derive(Debug, Default)]
pub struct Flags {
    flags: Vec<Flag>,
    /// Of each flag what is said on legacy, and what on new.
    text: String,
}

#[derive(Clone, Copy, Debug)]
struct Flag {
    number: usize,
    begin: usize,
    middle: usize,
    end: usize,
}

impl Flags {
    /// Adds a flag behind the others.
    pub fn add(&mut self, number: usize, plan: &Plan) {
        let mut push = |variant| {
            let begin = self.text.len();
            self.text.extend([&plan.flag(variant), FLAG_SEPARATOR]);
            begin
        };
        let (begin, middle) = (push(Variant::Legacy), push(Variant::New));
        self.flags.push(Flag { number, begin, middle, end: self.text.len() });
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// How long both texts of all flags are together, in bytes.
    pub const fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The numbers of the rollouts.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.flags.iter().map(|flag| flag.number)
    }

    /// The numbers of the rollouts, each with what `tidegate-flags` says on legacy and on new: `KEY=VALUE, `.
    pub fn iter(&self) -> impl Iterator<Item = (usize, [&str; 2])> {
        let text = |range| self.text.get(range).unwrap_or_default();
        self.flags.iter().map(move |flag| {
            let Flag { number, begin, middle, end } = *flag;
            (number, [text(begin..middle), text(middle..end)])
        })
    }
}

/// Flags that have no room in a request's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of the first one's rollout.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

/// What was decided of the flags of one request.
#[derive(Debug)]
pub struct Decided {
    /// The value of `tidegate-flags`; empty where nothing is named.
    pub header: String,
    /// The assignments of all flags that have room, in the order of the plans.
    pub flagged: Vec<Assigned>,
    /// The others.
    pub left_out: Option<LeftOut>,
}

/// Decides the flags of one request; `assigned` says what a rollout assigns.
pub fn decide(snapshot: &Snapshot, assigned: impl Fn(usize) -> Option<Assigned>) -> Decided {
    // The last one is followed by nothing.
    const BYTES_MAX: usize = FLAGS_BYTES_MAX + FLAG_SEPARATOR.len();
    let Snapshot { catalogue, standings, .. } = snapshot;
    let mut header = String::with_capacity(catalogue.flags.bytes().min(BYTES_MAX));
    let mut flagged: Vec<Assigned> = Vec::with_capacity(catalogue.flags.len());
    let mut left_out: Option<LeftOut> = None;
    let (mut is_short, mut on_new_max) = (true, 0);
    for (number, [legacy, new]) in catalogue.flags.iter() {
        if standings.get(number).is_some_and(CompiledRollout::may_be_new) {
            on_new_max += new.len();
            if on_new_max > BYTES_MAX {
                left_out.get_or_insert(LeftOut { first: number, count: 0 }).count += 1;
                continue;
            }
        }
        if let Some(flag) = assigned(number) {
            let text = if flag.assignment.variant == Variant::New { new } else { legacy };
            is_short &= header.len() + text.len() <= BYTES_MAX;
            if is_short {
                header.push_str(text);
            }
            flagged.push(flag);
        }
    }
    if !is_short {
        header.clear();
        let mut texts = catalogue.flags.iter();
        for flag in &flagged {
            let text = texts.find(|(number, _)| *number == flag.number).map_or("", |(_, [_, new])| new);
            // A preview may be on new where nobody else can be.
            if flag.assignment.variant == Variant::New && header.len() + text.len() <= BYTES_MAX {
                header.push_str(text);
            }
        }
    }
    header.truncate(header.len().saturating_sub(FLAG_SEPARATOR.len()));
    Decided { header, flagged, left_out }
}
