//! The whole system in virtual time: the controller's world, isolates in several places, and the network between
//! them, which loses, delays, repeats and reorders what it carries. Places read KV as stale as it happens to be.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tidegate::controller::relay;
use tidegate::decide::assign::{Variant, Visitor, assign};
use tidegate::isolate::{Arrival, Ask, Effect, FlushRun, Input, Isolate, Platform, Read, Setup};
use tidegate::model::Minute;
use tidegate::model::subject::SubjectHash;
use tidegate::protocol::address::Address;
use tidegate::protocol::decision::Assigned;
use tidegate::protocol::flush::{Answer, Flush};
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::meter::{Outcome, Visit};
use tidegate::protocol::relays::Place;
use tidegate::protocol::step::{NoAnswer, Step};

use crate::relays::{Caller, Object, Outside};
use crate::world::World;

/// An isolate waits so long for an answer, in milliseconds, and a request for its configuration.
const ANSWER_MS_MAX: i64 = 5_000;
const REQUEST_MS_MAX: i64 = 200;
/// So many of the last steps are reported where something fails.
const TRACE_MAX: usize = 60;

/// What the network does to what it carries.
#[derive(Clone, Copy, Default)]
pub struct Network {
    /// The share that is lost, each way.
    pub lost: f64,
    /// The share of flushes that arrives twice.
    pub twice: f64,
    /// How long something is under way at the most, in milliseconds.
    pub late_ms: i64,
    /// The share of reads of KV that fail.
    pub unread: f64,
}

/// Where isolates run, one after the other.
struct Site {
    isolate: Isolate,
    life: u32,
    cache: Option<String>,
    asks: HashMap<u64, Ask>,
}

enum Message {
    /// A flush to a relay, or to the controller.
    Flush(Option<Place>, Caller, String),
    /// A relay's tick, in one of its lives, and its alarm.
    Tick(Place, u32),
    Alarm(Place),
    /// An answer to a relay's flush, in one of its lives.
    Answered(Place, u32, u64, Result<String, String>),
    /// What goes to a relay unasked.
    News(Place, String),
    Answer(u64, Result<String, String>),
    Texts(Read, Result<HashMap<String, String>, String>),
    Waited(FlushRun),
    RequestWaited,
}

/// What one batch counts: requests by rollout.
type Counts = BTreeMap<String, u64>;

pub struct System {
    pub world: World,
    pub network: Network,
    places: Vec<Site>,
    pub relays: BTreeMap<Place, Object>,
    /// By time and number: for which place, in which life of its isolate, and what.
    messages: BTreeMap<(i64, u64), (usize, u32, Message)>,
    ids: u64,
    /// The last revision of each rollout that each isolate has acted by.
    acted_by: HashMap<(String, String), u64>,
    /// What each isolate has counted.
    pub counted: HashMap<String, Counts>,
    /// What the controller has got, by isolate and number, and whether it has acknowledged that.
    pub batches: HashMap<(String, u64), (Counts, bool)>,
    /// How many answers acknowledged a batch: of relays, and of the controller.
    pub relayed: u64,
    pub direct: u64,
    pub trace: VecDeque<String>,
    /// How many breakers have opened.
    pub opened: usize,
    /// How many answers had an open breaker of another isolate, and when the last one did.
    pub shared: (usize, i64),
    seed: u64,
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let trace: Vec<&str> = self.trace.iter().map(String::as_str).collect();
            eprintln!("SEED={} fails after:\n{}", self.seed, trace.join("\n"));
        }
    }
}

impl System {
    pub fn new(seed: u64, world: World, places: usize) -> Self {
        let place = || Site { isolate: Isolate::default(), life: 0, cache: None, asks: HashMap::new() };
        let mut system = Self {
            world,
            network: Network::default(),
            places: (0..places).map(|_| place()).collect(),
            relays: BTreeMap::new(),
            messages: BTreeMap::new(),
            ids: 0,
            acted_by: HashMap::new(),
            counted: HashMap::new(),
            batches: HashMap::new(),
            relayed: 0,
            direct: 0,
            trace: VecDeque::new(),
            opened: 0,
            shared: (0, 0),
            seed,
        };
        (0..places).for_each(|place| system.restart(place));
        system
    }

    pub fn note(&mut self, text: String) {
        if self.trace.len() == TRACE_MAX {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>9} ms  {text}", self.world.now_ms - crate::world::START_MS));
    }

    pub fn name(&self, place: usize) -> String {
        format!("isolate-{place}-{}", self.places[place].life)
    }

    /// The isolate of a place is gone with what it has not sent; another one comes.
    pub fn restart(&mut self, place: usize) {
        let own = &mut self.places[place];
        own.life += 1;
        own.isolate = Isolate::default();
        own.asks.clear();
        let id = self.name(place);
        self.places[place].isolate.set_up(Setup { id, has_controller: true, issuer: None, ..Setup::default() });
    }

    fn send(&mut self, place: usize, after_ms: i64, message: Message) {
        self.ids += 1;
        let life = self.places[place].life;
        self.messages.insert((self.world.now_ms + after_ms, self.ids), (place, life, message));
    }

    fn way_ms(&mut self) -> i64 {
        if self.network.late_ms > 0 { self.world.dice.i64(0..=self.network.late_ms) } else { 0 }
    }

    fn is_lost(&mut self) -> bool {
        self.world.dice.f64() < self.network.lost
    }

    /// Sends what is still to be sent.
    pub fn drain(&mut self) {
        for place in 0..self.places.len() {
            if self.places[place].isolate.are_counts_due(self.world.now_ms as f64) {
                self.input(place, Input::FlushDue);
            }
        }
    }

    /// A request for a rollout comes to a place. Which side gets it under which revision, where it is known.
    pub fn request(&mut self, place: usize, key: &str) -> Option<(Variant, u64)> {
        let now_ms = self.world.now_ms as f64;
        let url = format!("https://shop.example/{key}/page");
        let address = Address::parse(&url).unwrap();
        let own = &mut self.places[place].isolate;
        if own.ready(&address, false, now_ms).is_none() {
            self.input(place, Input::RequestWaits { host: "shop.example".to_owned(), path: format!("/{key}/page") });
            self.send(place, REQUEST_MS_MAX, Message::RequestWaited);
        }
        let own = &mut self.places[place].isolate;
        let ready = own.ready(&address, true, now_ms).unwrap();
        let number = ready.number.filter(|_| ready.is_configured);
        let served = number.map(|number| {
            let subject = self.world.dice.u64(..);
            let plan = ready.snapshot.catalogue.plan(number).unwrap();
            let visitor = Somebody(SubjectHash::of(&subject.to_le_bytes()));
            let assignment = assign(&ready.snapshot.standings[number], &visitor);
            let assigned = Assigned { number, assignment, subject: Some(visitor.0) };
            let visit = Visit {
                plan,
                assigned,
                path: "/",
                minute: Minute::of_epoch_ms(now_ms),
                client: None,
                has_opted_out: false,
                traits: None,
            };
            let outcome = Outcome { status: Some(200), ..Outcome::default() };
            self.places[place].isolate.instruments(now_ms).meter.count(&visit, outcome);
            (assignment.variant, assignment.revision)
        });
        if let Some((_, revision)) = served {
            let name = self.name(place);
            let acted_by = self.acted_by.entry((name.clone(), key.to_owned())).or_default();
            assert!(revision >= *acted_by, "{name} acts by revision {revision} of {key}, after {acted_by}");
            *acted_by = revision;
            *self.counted.entry(name).or_default().entry(key.to_owned()).or_default() += 1;
        }
        let due = self.places[place].isolate.work_due(now_ms);
        if due.is_read_due {
            self.input(place, Input::ReadDue);
        }
        if due.is_flush_due || self.places[place].isolate.are_counts_due(now_ms) {
            self.input(place, Input::FlushDue);
        }
        served
    }

    /// A visitor's page is asked for at a place, as it is in operation: whether new was asked, and what the visitor
    /// got. New answers at once, or a time-out is over.
    pub fn visit(&mut self, place: usize, key: &str, does_new_answer: bool) -> (bool, Variant) {
        let now_ms = self.world.now_ms as f64;
        let visitor = self.world.dice.u64(..);
        let text = format!("GET\nhttps://shop.example/{key}/page\nx-user-id:user-{visitor}");
        let own = &mut self.places[place].isolate;
        let Arrival::Begins(number, mut step) = own.arrive(RequestText::new(text), &Nothing, true, now_ms) else {
            panic!("it does not wait twice")
        };
        let mut was_new_asked = false;
        while let Step::Ask { url, .. } = &step {
            let is_new = url.starts_with("https://new.example");
            was_new_asked |= is_new;
            let outcome = if is_new && !does_new_answer {
                Err(NoAnswer::new("timeout", "nothing came".into()))
            } else {
                Ok(AnswerText::new("200\n\ncontent-type:text/html".to_owned()))
            };
            step = own.go_on(number, outcome, now_ms);
        }
        let Step::Answer { edits: Some(edits), .. } = step else { panic!("{step:?}") };
        let is_new = edits.as_str().contains("=tidegate-variant:new");
        let events = own.take_log().into_iter().filter(|line| line.event == "breaker_open");
        self.opened += events.count();
        (was_new_asked, if is_new { Variant::New } else { Variant::Legacy })
    }

    /// A command came to a place, which asks for the controller's news.
    pub fn news(&mut self, place: usize) {
        self.input(place, Input::News);
    }

    /// The same, and the controller's answer is lost.
    pub fn news_in_vain(&mut self, place: usize) {
        let (lost, now) = (self.network.lost, self.world.now());
        for effect in self.places[place].isolate.handle(Input::News, now) {
            if let Effect::AskController(ask) = effect {
                self.network.lost = 1.0;
                let caller = Caller::Isolate(place, self.places[place].life, 0, self.name(place));
                self.flush(None, caller, &ask.text);
                self.network.lost = lost;
            }
        }
    }

    fn input(&mut self, place: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.world.now();
            for effect in self.places[place].isolate.handle(input, now) {
                inputs.extend(self.perform(place, effect));
            }
        }
    }

    fn perform(&mut self, place: usize, effect: Effect) -> Option<Input> {
        match effect {
            Effect::ReadTexts(read) => {
                let is_unread = self.world.dice.f64() < self.network.unread;
                let texts = self.world.sample(&read.keys());
                let texts = if is_unread { Err("KV is out of order".to_owned()) } else { Ok(texts) };
                let way_ms = self.way_ms();
                self.send(place, way_ms, Message::Texts(read, texts));
            }
            Effect::AskController(ask) => self.ask(place, ask),
            Effect::Wait(ms, run) => self.send(place, ms.ceil() as i64, Message::Waited(run)),
            Effect::LoadCopy => return Some(Input::CopyLoaded(Ok(self.places[place].cache.clone()))),
            Effect::SaveCopy(copy) => {
                self.places[place].cache = Some(copy);
                return Some(Input::CopySaved(Ok(())));
            }
            Effect::Log(_) => {}
            Effect::ReadList(_) | Effect::ReadKeys(_) | Effect::CheckSignature(_) => panic!("no plan asks for this"),
        }
        None
    }

    fn ask(&mut self, place: usize, ask: Ask) {
        self.ids += 1;
        let id = self.ids;
        let caller = Caller::Isolate(place, self.places[place].life, id, self.name(place));
        self.carry(ask.receiver, &caller, &ask.text);
        self.places[place].asks.insert(id, ask);
        self.send(place, ANSWER_MS_MAX, Message::Answer(id, Err("no answer".to_owned())));
    }

    /// The network carries a flush, or loses it, or carries it twice.
    fn carry(&mut self, receiver: Option<Place>, caller: &Caller, text: &str) {
        for _ in 0..1 + u32::from(self.world.dice.f64() < self.network.twice) {
            if !self.is_lost() {
                let way_ms = self.way_ms();
                self.send(0, way_ms, Message::Flush(receiver, caller.clone(), text.to_owned()));
            }
        }
    }

    /// A flush reaches the controller, or a relay.
    fn flush(&mut self, receiver: Option<Place>, caller: Caller, text: &str) {
        let flush = Flush::parse(text).unwrap();
        if let (Caller::Isolate(.., isolate), Some(batch)) = (&caller, &flush.batch) {
            let mut counts = Counts::new();
            for counted in &batch.counted {
                let requests: u64 = counted.window.sides.iter().map(|(_, tally)| tally.requests).sum();
                *counts.entry(counted.rollout.to_string()).or_default() += requests;
            }
            let known = self.batches.entry((isolate.clone(), batch.sequence)).or_insert((counts.clone(), false));
            assert_eq!(known.0, counts, "batch {} of {isolate} is sent again unchanged", batch.sequence);
        }
        let (whom, batch) = (flush.isolate.clone(), flush.batch.as_ref().map(|batch| batch.sequence));
        if let Some(place) = receiver {
            self.note(format!("{whom} flushes {batch:?} to {place}"));
            let now = self.world.now();
            let outside = self.relay(place).flush(caller, text, now);
            return self.carry_out(place, outside);
        }
        let answer = self.world.flush(flush);
        self.note(format!(
            "{whom} flushes {batch:?}, {}",
            if answer.is_some() { "and is answered" } else { "in vain" }
        ));
        self.push();
        if let Some(answer) = answer {
            self.direct += u64::from(answer.acknowledged.is_some() && matches!(caller, Caller::Isolate(..)));
            self.answer(caller, Ok(answer));
        }
    }

    /// Whoever has sent a flush is answered, unless that is lost.
    fn answer(&mut self, caller: Caller, outcome: Result<Answer, String>) {
        if let (Caller::Isolate(.., isolate), Ok(answer)) = (&caller, &outcome) {
            self.acknowledge(isolate, answer);
            if !answer.breakers.is_empty() {
                self.shared = (self.shared.0 + 1, self.world.now_ms);
            }
        }
        let outcome = outcome.map(|answer| serde_json::to_string(&answer).unwrap());
        if self.is_lost() {
            return;
        }
        let way_ms = self.way_ms();
        match caller {
            Caller::Isolate(place, life, id, _) if self.places[place].life == life => {
                self.send(place, way_ms, Message::Answer(id, outcome));
            }
            Caller::Isolate(..) => {}
            Caller::Relay(place, life, id) => self.send(0, way_ms, Message::Answered(place, life, id, outcome)),
        }
    }

    pub fn relay(&mut self, place: Place) -> &mut Object {
        self.relays.entry(place).or_insert_with(|| Object::new(place))
    }

    fn carry_out(&mut self, place: Place, outside: Vec<Outside>) {
        for own in outside {
            match own {
                Outside::Answer(caller, outcome) => {
                    let has_acknowledged = outcome.as_ref().is_ok_and(|answer| answer.acknowledged.is_some());
                    self.relayed += u64::from(has_acknowledged && matches!(caller, Caller::Isolate(..)));
                    self.answer(caller, outcome);
                }
                Outside::Ask(receiver, caller, text) => {
                    self.carry(receiver, &caller, &text);
                    if let Caller::Relay(_, life, id) = caller {
                        let late = Message::Answered(place, life, id, Err("no answer".to_owned()));
                        self.send(0, ANSWER_MS_MAX, late);
                    }
                }
                Outside::Push(places, text) => self.world.pushed.push((places, text)),
                Outside::TickIn(ms, life) => self.send(0, ms, Message::Tick(place, life)),
                Outside::WakeAt(at) => {
                    self.send(0, at.as_epoch_ms() - self.world.now_ms, Message::Alarm(place));
                }
            }
        }
        self.push();
    }

    /// Sends what goes to relays unasked.
    fn push(&mut self) {
        for (places, text) in std::mem::take(&mut self.world.pushed) {
            for place in places {
                if !self.is_lost() {
                    let way_ms = self.way_ms();
                    self.send(0, way_ms, Message::News(place, text.clone()));
                }
            }
        }
    }

    /// A relay takes an input in.
    fn hand_in(&mut self, place: Place, input: relay::Input) {
        let now = self.world.now();
        let outside = self.relay(place).input(input, now);
        self.carry_out(place, outside);
    }

    fn acknowledge(&mut self, isolate: &str, answer: &Answer) {
        let Some(acknowledged) = answer.acknowledged else { return };
        for ((own, sequence), (_, is_acknowledged)) in &mut self.batches {
            *is_acknowledged |= own == isolate && *sequence <= acknowledged;
        }
    }

    fn deliver(&mut self, place: usize, life: u32, message: Message) {
        match message {
            Message::Flush(receiver, caller, text) => return self.flush(receiver, caller, &text),
            Message::Tick(relay, life) if self.relay(relay).life == life => {
                return self.hand_in(relay, relay::Input::Tick);
            }
            Message::Tick(..) => return,
            Message::Alarm(relay) => return self.hand_in(relay, relay::Input::Alarm),
            Message::News(relay, text) => return self.hand_in(relay, relay::Input::News(text)),
            Message::Answered(relay, life, id, outcome) => {
                if self.relay(relay).life == life {
                    let now = self.world.now();
                    let outside = self.relay(relay).answered(id, outcome, now);
                    self.carry_out(relay, outside);
                }
                return;
            }
            _ => {}
        }
        if self.places[place].life != life {
            return;
        }
        match message {
            Message::Answer(id, outcome) => {
                if let Some(ask) = self.places[place].asks.remove(&id) {
                    self.input(place, Input::Answered(ask, outcome));
                }
            }
            Message::Texts(read, texts) => self.input(place, Input::Texts(read, texts)),
            Message::Waited(run) => self.input(place, Input::Waited(run)),
            Message::RequestWaited => self.input(place, Input::RequestWaited { is_done: false }),
            _ => {}
        }
    }

    /// Lets time pass, with all that falls due in it.
    pub fn pass(&mut self, ms: i64) {
        let end_ms = self.world.now_ms + ms;
        while let Some(entry) = self.messages.first_entry().filter(|entry| entry.key().0 <= end_ms) {
            let ((at_ms, _), (place, life, message)) = entry.remove_entry();
            self.world.pass((at_ms - self.world.now_ms).max(0));
            self.push();
            self.deliver(place, life, message);
        }
        self.world.pass((end_ms - self.world.now_ms).max(0));
        self.push();
    }

    /// What relays have stored of a rollout and may not have brought up.
    pub fn at_relays(&self, key: &str) -> u64 {
        self.relays.values().filter_map(|relay| relay.stored().get(key).copied()).sum()
    }

    /// What the controller has acknowledged of a rollout, and all that it has got.
    pub fn requests(&self, key: &str) -> (u64, u64) {
        let of = |(counts, is_acknowledged): &(Counts, bool)| {
            let count = counts.get(key).copied().unwrap_or_default();
            (if *is_acknowledged { count } else { 0 }, count)
        };
        self.batches.values().map(of).fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1))
    }

    /// What is acknowledged of what an isolate has counted of a rollout.
    pub fn acknowledged_of(&self, isolate: &str, key: &str) -> u64 {
        let own = self.batches.iter().filter(|((own, _), (_, is_acknowledged))| own == isolate && *is_acknowledged);
        own.filter_map(|(_, (counts, _))| counts.get(key)).sum()
    }
}

struct Nothing;

impl Platform for Nothing {
    fn country(&self) -> Option<String> {
        None
    }
    fn text(&self, _name: &str) -> Option<String> {
        None
    }
    fn id(&self) -> Option<String> {
        None
    }
}

struct Somebody(SubjectHash);

impl Visitor for Somebody {
    fn subject(&self) -> Option<SubjectHash> {
        Some(self.0)
    }
    fn is_in(&self, _group: usize) -> Option<bool> {
        Some(false)
    }
    fn chosen(&self) -> Option<Variant> {
        None
    }
    fn variant_in(&self, _rollout: usize) -> Variant {
        Variant::Legacy
    }
}
