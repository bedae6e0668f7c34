//! A relay: takes the reports of isolates, adds their counts up, and brings them to the controller each second. A machine
//! without clock, network or platform, like the controller.
//!
//! 1. Upwards it is an isolate: its counts are batches with numbers, one under way at a time, sent again unchanged until
//!    they are acknowledged. Downwards it is the controller: it acknowledges what is stored, and tells states that are
//!    newer. So relays may stand above relays.
//! 2. An isolate's batch is added up in memory, and its call is held until the next tick. Then the sum is stored in one
//!    transaction with the number of each batch in it, and the calls are answered. So each batch counts once, whichever
//!    of relay, isolate and controller dies when: [`super::store::relay`].
//! 3. A batch that is stored goes to one receiver, whatever the layout says later. So does an isolate's batch, once it
//!    was sent: who moves to another relay begins there with the next one.
//! 4. What comes from above comes with the answers, and unasked where something changes; it is passed on at once, to
//!    relays below and to all calls that are held.
//! 5. A relay that has received nothing from above for seconds answers nobody: whoever asks it asks the controller. And one
//!    that cannot bring its batches up takes no more of them: those below it count on, in the room that they have.

mod above;
mod known;
mod merged;
mod state;
mod turn;

use self::state::State;
use self::turn::Turn;
use super::store::{Storage, StorageError, relay as store};
use tidegate_model::Instant;
use tidegate_protocol::flush::{Answer, Flush};
use tidegate_protocol::log::LogLine;
use tidegate_protocol::relays::Place;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// An isolate has come, or a relay from below: [`Effect::Answer`] or [`Effect::Refuse`], with this number.
    Flush(u64, Box<Flush>),
    /// The time of [`Effect::TickIn`] is over.
    Tick,
    /// The time of [`Effect::WakeAt`] has come.
    Alarm,
    /// What was answered from above, or why nothing was.
    Answered(Ask, Result<String, String>),
    /// What comes unasked from above: an answer to nothing.
    News(String),
    /// So many flushes took so many milliseconds.
    FlushCost(f64, u32),
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Answer the flush with this number.
    Answer(u64, Box<Answer>),
    /// Answer it with an error: whoever sent it is to ask the controller.
    Refuse(u64, &'static str),
    /// Send this flush, then [`Input::Answered`].
    Ask(Ask),
    /// Send this to these relays, and do not wait: [`Input::News`] there.
    Push(Vec<Place>, String),
    /// Hand [`Input::Tick`] in after so many milliseconds. There is one at a time.
    TickIn(i64),
    /// Hand [`Input::Alarm`] in at this time, even if the object dies before.
    WakeAt(Instant),
    /// Log this.
    Log(LogLine),
}

/// A flush that has not been answered yet.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whom it goes to; `None` for the controller.
    pub receiver: Option<Place>,
    /// The flush, as JSON.
    pub text: String,
    /// The number of its batch.
    number: Option<u64>,
    /// Whether no other one is sent meanwhile.
    is_regular: bool,
}

/// One relay.
#[derive(Default)]
pub struct Relay {
    /// What it knows; nothing before the first input, and after the storage has refused.
    state: Option<State>,
}

impl Relay {
    /// The place of the relay that a storage is of, for whoever is woken and knows nothing else; `None` where it was
    /// never called.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn place(storage: &mut dyn Storage) -> Result<Option<Place>, StorageError> {
        store::place(storage)
    }

    /// Takes an input in, and stores what comes of it. Returns what is to be done then, in this order.
    ///
    /// # Errors
    /// When the storage refuses. Then nothing is to be done, and nobody is answered of those who wait: they come again.
    pub fn handle(
        &mut self,
        storage: &mut dyn Storage,
        place: Place,
        input: Input,
        now: Instant,
    ) -> Result<Vec<Effect>, StorageError> {
        let mut turn = Turn { storage, now, effects: Vec::new() };
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::load(&mut turn, place)?,
        };
        state.act(&mut turn, input)?;
        self.state = Some(state);
        Ok(turn.effects)
    }
}
