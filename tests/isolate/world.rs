//! An isolate in virtual time: KV, the cache and the controller are made up, and do what a test wants.

use std::collections::{HashMap, VecDeque};

use tidegate::decide::assign::{Assignment, Reason, Variant, Visitor, assign};
use tidegate::decide::reconcile::isolate::settle;
use tidegate::isolate::{Ask, Effect, FlushRun, Input, Isolate, LogLine, Platform, Setup};
use tidegate::model::live::{LiveState, Phase};
use tidegate::model::plan::set::read_rollout;
use tidegate::model::subject::SubjectHash;
use tidegate::model::{Instant, Minute};
use tidegate::protocol::address::Address;
use tidegate::protocol::decision::Assigned;
use tidegate::protocol::diversion::OpenBreaker;
use tidegate::protocol::flush::{Answer, Batch, Flush, PageMessages, RolloutUpdate};
use tidegate::protocol::meter::{Outcome, Visit};

pub const START_MS: i64 = 29_000_000 * 60_000;
pub const SECOND_MS: i64 = 1_000;

/// A platform that knows nothing of a request, and mints one id.
pub struct Nothing;

impl Platform for Nothing {
    fn country(&self) -> Option<String> {
        None
    }
    fn text(&self, _name: &str) -> Option<String> {
        None
    }
    fn id(&self) -> Option<String> {
        Some("a-minted-id-of-22-chars".to_owned())
    }
}

/// How KV, or the controller, is today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Works,
    /// Each call fails.
    Fails,
    /// No call comes back, until [`World::release`].
    Hangs,
    /// The controller takes a flush, and its answer is lost.
    LosesAnswers,
    /// The controller answers what nobody can read.
    Babbles,
    /// The controller answers, and takes no batch.
    RefusesBatches,
}

pub struct World {
    pub isolate: Isolate,
    pub now_ms: i64,
    pub kv: HashMap<String, Vec<u8>>,
    pub kv_mood: Mood,
    pub cache: Option<String>,
    pub controller: Controller,
    pub log: Vec<LogLine>,
    /// The keys that each read asked for.
    pub reads: Vec<Vec<String>>,
    /// What has not come back.
    pub hanging: Vec<Effect>,
    timers: Vec<(i64, FlushRun)>,
}

/// A controller that stores batches as the real one does: each number once.
pub struct Controller {
    pub mood: Mood,
    pub interval_ms: u32,
    pub flushes: Vec<Flush>,
    pub stored: Vec<Batch>,
    pub updates: Vec<RolloutUpdate>,
    pub plans: Option<String>,
    /// What pages are to show; where an isolate knows others it is reported.
    pub messages: PageMessages,
    /// The breakers that are open in other isolates.
    pub breakers: Vec<OpenBreaker>,
}

pub fn rollout(key: &str) -> String {
    format!(
        r#"{{"key":"{key}","routes":["/{key}/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"stage":[{{"name":"canary","percentage":10,"hold":"1h"}},{{"name":"full","percentage":100}}]}}"#
    )
}

pub fn plans(revision: u64, keys: &[&str]) -> String {
    let rollouts: Vec<String> = keys.iter().map(|key| rollout(key)).collect();
    format!(r#"{{"v":1,"revision":{revision},"rollouts":[{}]}}"#, rollouts.join(","))
}

/// A state as the controller writes it.
pub fn written(revision: u64, percentage: &str) -> String {
    let plan = read_rollout(&rollout("any")).unwrap();
    let state = settle(&plan, None, Some(percentage), Instant::from_epoch_ms(START_MS)).unwrap();
    LiveState { revision, phase: Phase::Running, ..state }.to_json()
}

pub fn update(key: &str, revision: u64, percentage: &str, echoes: &[&str]) -> RolloutUpdate {
    let echoes = echoes.iter().map(|&text| text.to_owned()).collect();
    RolloutUpdate { key: key.to_owned(), state: written(revision, percentage), echoes }
}

impl World {
    pub fn new(keys: &[&str]) -> Self {
        let mut world = Self {
            isolate: Isolate::default(),
            now_ms: START_MS,
            kv: HashMap::new(),
            kv_mood: Mood::Works,
            cache: None,
            controller: Controller {
                mood: Mood::Works,
                interval_ms: 1_000,
                flushes: Vec::new(),
                stored: Vec::new(),
                updates: Vec::new(),
                plans: None,
                messages: PageMessages::default(),
                breakers: Vec::new(),
            },
            log: Vec::new(),
            reads: Vec::new(),
            hanging: Vec::new(),
            timers: Vec::new(),
        };
        world.restart(true);
        world.put("plans", &plans(1, keys));
        for key in keys {
            world.put(&format!("stage/{key}"), "100");
        }
        world
    }

    /// The isolate is gone; another one comes.
    pub fn restart(&mut self, has_controller: bool) {
        self.isolate = Isolate::default();
        self.isolate.set_up(Setup { id: "one".to_owned(), has_controller, issuer: None, ..Setup::default() });
        self.hanging.clear();
        self.timers.clear();
    }

    pub fn put(&mut self, key: &str, text: &str) {
        self.kv.insert(key.to_owned(), text.as_bytes().to_vec());
    }

    /// What a request gets that asks for a path of the rollout `key`, as `entry.js` drives it. Its work behind the
    /// answer is done too, except for what waits.
    pub fn ask(&mut self, key: &str) -> String {
        let got = self.served(key);
        self.work_behind();
        got
    }

    /// The same without the work behind the answer: the runtime has cancelled that.
    pub fn ask_and_die(&mut self, key: &str) -> String {
        let got = self.served(key);
        self.isolate.work_due(self.now_ms as f64);
        got
    }

    /// Whether a request has to wait.
    pub fn waits(&mut self, key: &str) -> bool {
        let url = format!("https://shop.example/{key}/page");
        self.isolate.ready(&Address::parse(&url).unwrap(), false, self.now_ms as f64).is_none()
    }

    fn served(&mut self, key: &str) -> String {
        if self.waits(key) {
            let hung = self.hanging.len();
            self.input(Input::RequestWaits { host: "shop.example".to_owned(), path: format!("/{key}/page") });
            let is_done = self.hanging.len() == hung;
            self.now_ms += if is_done { 0 } else { 200 };
            self.input(Input::RequestWaited { is_done });
        }
        self.remembers(key)
    }

    /// What a request gets that does not wait any more.
    pub fn remembers(&mut self, key: &str) -> String {
        let url = format!("https://shop.example/{key}/page");
        let ready = self.isolate.ready(&Address::parse(&url).unwrap(), true, self.now_ms as f64).unwrap();
        if !ready.is_configured {
            return "fallback".to_owned();
        }
        let Some(number) = ready.number else { return "nobody's".to_owned() };
        let assignment = assign(&ready.snapshot.standings[number], &Anybody);
        format!("{} {}", assignment.variant.as_str(), assignment.reason.as_str())
    }

    pub fn work_behind(&mut self) {
        let due = self.isolate.work_due(self.now_ms as f64);
        if due.is_read_due {
            self.input(Input::ReadDue);
        }
        if due.is_flush_due {
            self.input(Input::FlushDue);
        }
    }

    /// Counts so many requests of the rollout with this number, in this minute.
    pub fn count(&mut self, number: usize, requests: u64) {
        let snapshot = self.isolate.snapshot();
        let plan = snapshot.catalogue.plan(number).unwrap();
        let assignment =
            Assignment { variant: Variant::New, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: 1 };
        let now_ms = self.now_ms as f64;
        for request in 0..requests {
            let subject = Some(SubjectHash::of(&request.to_le_bytes()));
            let assigned = Assigned { number, assignment, subject };
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
            self.isolate.instruments(now_ms).meter.count(&visit, outcome);
        }
    }

    /// The requests that the controller has stored.
    pub fn stored_requests(&self) -> u64 {
        let counted = self.controller.stored.iter().flat_map(|batch| &batch.counted);
        counted.filter_map(|counted| counted.window.tally(Variant::New, None)).map(|tally| tally.requests).sum()
    }

    /// Time passes, and what waited for a time goes on at that time.
    pub fn pass(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while let Some(next) =
            (0..self.timers.len()).filter(|&n| self.timers[n].0 <= until_ms).min_by_key(|&n| self.timers[n].0)
        {
            let (at_ms, run) = self.timers.remove(next);
            self.now_ms = self.now_ms.max(at_ms);
            self.input(Input::Waited(run));
        }
        self.now_ms = until_ms;
    }

    /// What hangs comes back, as KV and the controller are now.
    pub fn release(&mut self) {
        let hanging = std::mem::take(&mut self.hanging);
        self.pump(VecDeque::from(hanging));
    }

    /// What hangs went down with its request.
    pub fn cancel(&mut self) {
        self.hanging.clear();
        self.timers.clear();
    }

    pub fn input(&mut self, input: Input) {
        let effects = self.isolate.handle(input, Instant::from_epoch_ms(self.now_ms));
        self.pump(VecDeque::from(effects));
    }

    fn pump(&mut self, mut open: VecDeque<Effect>) {
        while let Some(effect) = open.pop_front() {
            if let Some(input) = self.perform(effect) {
                open.extend(self.isolate.handle(input, Instant::from_epoch_ms(self.now_ms)));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        let down = || "it is down".to_owned();
        match effect {
            Effect::ReadTexts(_) | Effect::ReadList(_) if self.kv_mood == Mood::Hangs => self.hang(effect),
            Effect::ReadTexts(read) => {
                self.reads.push(read.keys());
                let text = |key: String| Some((key.clone(), String::from_utf8(self.kv.get(&key)?.clone()).ok()?));
                let texts = read.keys().into_iter().filter_map(text).collect();
                let texts = if self.kv_mood == Mood::Fails { Err(down()) } else { Ok(texts) };
                Some(Input::Texts(read, texts))
            }
            Effect::ReadList(read) => {
                let key = read.list_key().unwrap();
                self.reads.push(vec![key.clone()]);
                let bytes = if self.kv_mood == Mood::Fails { Err(down()) } else { Ok(self.kv.get(&key).cloned()) };
                Some(Input::List(read, bytes))
            }
            Effect::AskController(_) if self.controller.mood == Mood::Hangs => self.hang(effect),
            Effect::AskController(ask) => Some(self.controller.answer(ask)),
            Effect::Wait(ms, run) => {
                self.timers.push((self.now_ms + ms.ceil() as i64, run));
                None
            }
            Effect::LoadCopy => Some(Input::CopyLoaded(Ok(self.cache.clone()))),
            Effect::SaveCopy(copy) => {
                self.cache = Some(copy);
                Some(Input::CopySaved(Ok(())))
            }
            Effect::ReadKeys(_) | Effect::CheckSignature(_) => self.hang(effect),
            Effect::Log(line) => {
                self.log.push(line);
                None
            }
        }
    }

    fn hang(&mut self, effect: Effect) -> Option<Input> {
        self.hanging.push(effect);
        None
    }

    /// How often something was logged.
    pub fn logged(&self, event: &str) -> usize {
        self.log.iter().filter(|line| line.event == event).count()
    }
}

impl Controller {
    fn answer(&mut self, ask: Ask) -> Input {
        if self.mood == Mood::Fails {
            return Input::Answered(ask, Err("it is down".to_owned()));
        }
        let flush = Flush::parse(&ask.text).unwrap();
        let mut acknowledged = None;
        if let Some(batch) = &flush.batch
            && self.mood != Mood::RefusesBatches
        {
            let batch = Batch::parse(&serde_json::to_string(batch).unwrap()).unwrap();
            acknowledged = Some(batch.sequence);
            if self.stored.iter().all(|stored| stored.sequence < batch.sequence) {
                self.stored.push(batch);
            }
        }
        let messages =
            Some(self.messages.clone()).filter(|own| flush.messages.is_some_and(|known| known != own.digest));
        self.flushes.push(flush);
        let answer = Answer {
            messages,
            interval_ms: self.interval_ms,
            plans: self.plans.take(),
            states: std::mem::take(&mut self.updates),
            acknowledged,
            breakers: self.breakers.clone(),
            ..Answer::default()
        };
        match self.mood {
            Mood::LosesAnswers => Input::Answered(ask, Err("the connection is lost".to_owned())),
            Mood::Babbles => Input::Answered(ask, Ok("<html>no answer</html>".to_owned())),
            _ => Input::Answered(ask, Ok(serde_json::to_string(&answer).unwrap())),
        }
    }

    /// The numbers of the batches that came, flush by flush.
    pub fn sequences(&self) -> Vec<Option<u64>> {
        self.flushes.iter().map(|flush| flush.batch.as_ref().map(|batch| batch.sequence)).collect()
    }
}

struct Anybody;

impl Visitor for Anybody {
    fn subject(&self) -> Option<SubjectHash> {
        Some(SubjectHash::of(b"anybody"))
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
