//! Many isolates, each of them a few numbers, under the real relays and the real controller in virtual time: how long a
//! kill takes until all of them know of it, and how much of it all comes to the controller.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate::controller::relay;
use tidegate::model::live::LiveText;
use tidegate::model::measured::{SlicedCounts, Window};
use tidegate::model::variant::Variant;
use tidegate::protocol::flush::{Answer, Batch, Counted, Flush};
use tidegate::protocol::relays::{Layout, Place, Sizes};

use crate::people::{command, counted, deployed, grant};
use crate::relays::{Caller, Object, Outside};
use crate::world::World;

const KEY: &str = "shop";
/// So many isolates in every run of the tests; `ISOLATES=100000` for as many as are promised (docs/scale.md).
const ISOLATES: usize = 3_000;
/// All of them begin within this time, in milliseconds.
const BEGIN_MS: i64 = 5_000;
/// What one carries takes so long, in milliseconds, each way: from the next building to the other side of the world.
const WAY_MS: std::ops::RangeInclusive<i64> = 5..=150;
/// A kill is in force everywhere within this time, in milliseconds.
const REACH_MS_MAX: i64 = 2_000;
/// What an isolate counts in a second.
const REQUESTS: u64 = 20;

struct Light {
    name: String,
    layout: Layout,
    /// The batch that is under way, and whom it goes to.
    open: Option<Option<Place>>,
    sequence: u64,
    revision: Option<u64>,
    begun_ms: i64,
    /// When it learned of the kill.
    killed_ms: Option<i64>,
}

enum Event {
    Due(usize),
    Flush(Option<Place>, Caller, String),
    Answer(Caller, Result<Answer, String>),
    Tick(Place),
    News(Place, String),
}

struct Scale {
    world: World,
    isolates: Vec<Light>,
    relays: BTreeMap<Place, Object>,
    events: BTreeMap<(i64, u64), Event>,
    ids: u64,
    acknowledged: u64,
    /// How many reports came to the controller, and how many to any relay.
    direct: u64,
    relayed: u64,
    longest: usize,
    /// Whether isolates have come to an end.
    is_over: bool,
}

impl Scale {
    fn new(isolates: usize) -> Self {
        let mut own = Self {
            world: deployed(7, &[KEY], 50),
            isolates: Vec::new(),
            relays: BTreeMap::new(),
            events: BTreeMap::new(),
            ids: 0,
            acknowledged: 0,
            direct: 0,
            relayed: 0,
            longest: 0,
            is_over: false,
        };
        for n in 0..isolates {
            let name = format!("{:032x}", own.world.dice.u128(..));
            let (layout, open) = (Layout::default(), None);
            own.isolates.push(Light { name, layout, open, sequence: 0, revision: None, begun_ms: 0, killed_ms: None });
            let after_ms = own.world.dice.i64(0..BEGIN_MS);
            own.after(after_ms, Event::Due(n));
        }
        own
    }

    fn after(&mut self, ms: i64, event: Event) {
        self.ids += 1;
        self.events.insert((self.world.now_ms + ms, self.ids), event);
    }

    fn carry(&mut self, event: Event) {
        let way_ms = self.world.dice.i64(WAY_MS);
        self.after(way_ms, event);
    }

    fn due(&mut self, n: usize) {
        if self.is_over {
            return;
        }
        let (now_ms, minute) = (self.world.now_ms, self.world.now().minute());
        let own = &mut self.isolates[n];
        own.begun_ms = now_ms;
        let mut batch = None;
        if let Some(revision) = own.revision {
            if own.open.is_none() {
                own.sequence += 1;
                own.open = Some(own.layout.of(&own.name));
            }
            let mut window = Window::at(minute, revision.min(3));
            window.tally_mut(Variant::New, None).unwrap().requests = REQUESTS;
            let counted = Counted { rollout: KEY.parse().unwrap(), window, compared: SlicedCounts::default() };
            batch = Some(Batch { sequence: own.sequence, counted: vec![counted], ..Batch::default() });
        }
        // A new one asks for everything, of the controller where it knows no relay yet.
        let receiver = own.open.unwrap_or_else(|| own.layout.of(&own.name));
        let known = own.revision.map(|revision| vec![(KEY.to_owned(), revision)]);
        let flush = Flush { isolate: own.name.clone(), plans: u64::MAX >> 12, known, batch, ..Flush::default() };
        let caller = Caller::Isolate(n, 0, 0, String::new());
        self.carry(Event::Flush(receiver, caller, serde_json::to_string(&flush).unwrap()));
    }

    fn flush(&mut self, receiver: Option<Place>, caller: Caller, text: &str) {
        match receiver {
            Some(place) => {
                self.relayed += 1;
                let now = self.world.now();
                let relay = self.relays.entry(place).or_insert_with(|| Object::new(place));
                let outside = relay.flush(caller, text, now);
                self.carry_out(place, outside);
            }
            None => {
                self.direct += 1;
                self.longest = self.longest.max(text.len());
                let answer = self.world.flush(Flush::parse(text).unwrap()).expect("nothing dies");
                self.carry(Event::Answer(caller, Ok(answer)));
                self.push();
            }
        }
    }

    fn answer(&mut self, caller: Caller, outcome: Result<Answer, String>) {
        let (now_ms, now) = (self.world.now_ms, self.world.now());
        let n = match caller {
            Caller::Isolate(n, ..) => n,
            Caller::Relay(place, _, id) => {
                let outcome = outcome.map(|answer| serde_json::to_string(&answer).unwrap());
                let outside = self.relays.get_mut(&place).unwrap().answered(id, outcome, now);
                return self.carry_out(place, outside);
            }
        };
        let own = &mut self.isolates[n];
        let Ok(answer) = outcome else { return self.after(1_000, Event::Due(n)) };
        own.layout = answer.layout.filter(|reported| reported.at > own.layout.at).unwrap_or(own.layout);
        if answer.acknowledged.is_some_and(|sequence| sequence >= own.sequence) && own.open.take().is_some() {
            self.acknowledged += REQUESTS;
        }
        let mut is_news = answer.is_elsewhere;
        for reported in &answer.states {
            let Ok(LiveText::Written(state)) = LiveText::parse(&reported.state) else { panic!("{}", reported.state) };
            own.revision = own.revision.max(Some(state.revision));
            if state.killed && own.killed_ms.is_none() {
                own.killed_ms = Some(now_ms);
                is_news = true;
            }
        }
        let due_ms = if is_news { now_ms } else { own.begun_ms + i64::from(answer.interval_ms) };
        self.after((due_ms - now_ms).max(0), Event::Due(n));
    }

    fn carry_out(&mut self, place: Place, outside: Vec<Outside>) {
        for own in outside {
            match own {
                Outside::Answer(caller, outcome) => self.carry(Event::Answer(caller, outcome)),
                Outside::Ask(receiver, caller, text) => self.carry(Event::Flush(receiver, caller, text)),
                Outside::Push(places, text) => self.world.pushed.push((places, text)),
                Outside::TickIn(ms, _) => self.after(ms, Event::Tick(place)),
                Outside::WakeAt(_) => {}
            }
        }
        self.push();
    }

    fn push(&mut self) {
        for (places, text) in std::mem::take(&mut self.world.pushed) {
            places.into_iter().for_each(|place| self.carry(Event::News(place, text.clone())));
        }
    }

    fn hand_in(&mut self, place: Place, input: relay::Input) {
        let now = self.world.now();
        let outside = self.relays.entry(place).or_insert_with(|| Object::new(place)).input(input, now);
        self.carry_out(place, outside);
    }

    fn pass(&mut self, ms: i64) {
        let end_ms = self.world.now_ms + ms;
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end_ms) {
            let ((at_ms, _), event) = entry.remove_entry();
            self.world.pass((at_ms - self.world.now_ms).max(0));
            self.push();
            match event {
                Event::Due(n) => self.due(n),
                Event::Flush(receiver, caller, text) => self.flush(receiver, caller, &text),
                Event::Answer(caller, outcome) => self.answer(caller, outcome),
                Event::Tick(place) => self.hand_in(place, relay::Input::Tick),
                Event::News(place, text) => self.hand_in(place, relay::Input::News(text)),
            }
        }
        self.world.pass((end_ms - self.world.now_ms).max(0));
        self.push();
    }

    fn leaves(&self) -> u32 {
        self.isolates.iter().map(|own| own.layout.leaves).max().unwrap_or(0)
    }
}

#[test]
fn a_kill_is_everywhere_within_two_seconds_and_the_controller_has_no_more_to_do_for_more_isolates() {
    let isolates = std::env::var("ISOLATES").ok().and_then(|text| text.parse().ok()).unwrap_or(ISOLATES);
    let mut scale = Scale::new(isolates);
    let mut seconds = 0;
    while scale.isolates.iter().any(|own| own.layout.leaves < scale.leaves() || own.revision.is_none())
        || (scale.leaves() as usize) * Sizes::default().per_relay < isolates
    {
        scale.pass(1_000);
        seconds += 1;
        assert!(seconds < 60, "{} leaves after a minute", scale.leaves());
    }
    scale.pass(3_000);
    // Who was sent on to another relay while there were few does not wait as long as one of many at the few.
    let silent = scale.isolates.iter().filter(|own| own.begun_ms + 2_000 < scale.world.now_ms).count();
    assert_eq!(silent, 0, "so many have not come for two seconds");
    let (direct, relayed) = (scale.direct, scale.relayed);
    scale.longest = 0;
    scale.pass(5_000);
    let per_second = |count: u64| count / 5;
    let (direct, relayed) = (per_second(scale.direct - direct), per_second(scale.relayed - relayed));
    assert!(relayed as usize >= isolates * 8 / 10, "{relayed} reports a second of {isolates} isolates");
    assert!(direct <= u64::from(Sizes::default().fan), "{direct} reports a second came to the controller");
    let from_ms = scale.world.now_ms;
    grant(&mut scale.world, command("ana", KEY, "stop", Some("*"), json!({"command": "kill"})));
    scale.pass(REACH_MS_MAX);
    let mut times: Vec<i64> =
        scale.isolates.iter().map(|own| own.killed_ms.map_or(i64::MAX, |at| at - from_ms)).collect();
    times.sort_unstable();
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{isolates} isolates, {} relays: {relayed} reports/s, {direct} of them to the controller, {} bytes at most; a kill reaches half of them after {median} ms, the last after {last} ms",
        scale.relays.len(),
        scale.longest
    );
    assert!(last <= REACH_MS_MAX, "the last one knows after {last} ms");
    // What was acknowledged comes to the controller, once.
    scale.is_over = true;
    scale.pass(30_000);
    let (sure, most) = (scale.acknowledged, scale.isolates.iter().map(|own| own.sequence * REQUESTS).sum::<u64>());
    let counted = counted(&mut scale.world, KEY);
    assert!((sure..=most).contains(&counted), "{counted} counted, {sure} acknowledged, {most} sent");
}
