//! One isolate of the edge, as a machine without clock, network or platform.
//!
//! 1. Fresh for 5 s; then served stale while a read behind an answer renews it; after 60 s, or cold, the request
//!    waits for KV and the controller, at most 200 ms. Ladder: memory → KV → the copy in the cache → nothing, and
//!    then the caller falls back to `FALLBACK_UPSTREAM`.
//! 2. What a request needs is synchronous: [`Isolate::ready`], its instruments, [`Isolate::work_due`].
//! 3. What waits is not: an [`Input`] and the time go into [`Isolate::handle`], [`Effect`]s come out.
//! 4. What does not parse changes nothing but the log; what is older never replaces what is newer.
//! 5. What was counted is sent again unchanged until it is acknowledged, and never after.

mod access;
mod breaker;
mod breakers;
mod cached_copy;
mod configuration;
mod deliveries;
mod effect;
mod encoded;
mod flushing;
mod keeping;
mod reading;
mod reports;
mod requests;
mod schedule;
mod settings;
mod shadows;
mod tokens;
mod versions;

use std::rc::Rc;

use self::access::Refusals;
use self::breakers::Breakers;
pub use self::cached_copy::CachedCopy;
use self::configuration::Configuration;
pub use self::deliveries::{Deliveries, Delivery};
pub use self::effect::{Effect, Input, LogLine};
pub use self::encoded::Encoded;
use self::encoded::Shapes;
pub use self::flushing::{Ask, FlushRun};
use self::keeping::Keeping;
pub use self::reading::Read;
pub use self::reports::{Asking, Reporting};
pub use self::requests::{Arrival, Platform};
use self::requests::{Clients, InFlight};
use self::schedule::FlushSchedule;
pub use self::settings::Settings;
use self::shadows::Shadows;
pub use self::tokens::{SignatureCheck, TokenCache, TokenCheck};
use self::versions::SeenVersions;
use tidegate_decide::compiled::Mode;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Instant, Name};
use tidegate_protocol::address::Address;
use tidegate_protocol::answer::Answer;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::session::SignIns;
use tidegate_protocol::api::shapes;
use tidegate_protocol::beacon::Report;
use tidegate_protocol::choice::{Choosing, Chosen};
use tidegate_protocol::config::Snapshot;
use tidegate_protocol::exposure::{ExposureKey, Issuer};
use tidegate_protocol::flush::PageMessages;
use tidegate_protocol::limiter::{self, Limiter};
use tidegate_protocol::measuring::Instruments;
use tidegate_protocol::meter::Meter;
use tidegate_protocol::needed::Named;
use tidegate_protocol::relays::{Layout, Place};

/// The longest that a request waits for its configuration, in milliseconds.
pub const WAIT_MS_MAX: f64 = 200.0;
/// The longest that the controller's answer to a flush is waited for, in milliseconds.
pub const ANSWER_MS_MAX: f64 = 5_000.0;

/// Younger than this, in milliseconds, nothing is read.
const FRESH_MS: f64 = 5_000.0;
/// Older than this, in milliseconds, the request waits.
const STALE_MS_MAX: f64 = 60_000.0;
/// What has not come back so many milliseconds after its time went down with its request.
const MARK_MS_MAX: f64 = 5_000.0;

/// What an isolate is given when its first request comes.
#[derive(Default)]
pub struct Setup {
    /// Its name among all isolates; empty where there is no randomness, and then it sends no counts.
    pub id: String,
    /// Whether the deployment has a controller.
    pub has_controller: bool,
    /// Makes the tokens of pages; `None` without a usable key.
    pub issuer: Option<Issuer>,
    /// What the environment says.
    pub settings: Settings,
}

impl Setup {
    /// What an isolate gets from the environment's variables and secrets, and from randomness: its name and a number
    /// that no other isolate has. The second value is to be logged.
    pub fn read(
        text: impl Fn(&str) -> Option<String>,
        id: Option<String>,
        random: Option<u64>,
        has_controller: bool,
    ) -> (Self, Vec<LogLine>) {
        let key = text("SIGNING_KEY").and_then(|key| ExposureKey::derive(&key));
        let issuer = key.zip(random).map(|(key, random)| Issuer::new(key, random));
        let (settings, log) = Settings::read(text);
        (Self { id: id.unwrap_or_default(), has_controller, issuer, settings }, log)
    }
}

/// What one isolate knows, and what it has counted.
pub struct Isolate {
    is_set_up: bool,
    setup: Setup,
    configuration: Configuration,
    schedule: FlushSchedule,
    /// Which relays there are, as it last came.
    layout: Layout,
    /// Whom the batch goes to that is under way, or the next one; `None` for the controller.
    receiver: Option<Place>,
    meter: Meter,
    tokens: TokenCache,
    in_flight: InFlight,
    shapes: Shapes,
    breakers: Breakers,
    versions: SeenVersions,
    keeping: Keeping,
    shadows: Shadows,
    clients: Clients,
    reports: Limiter,
    choices: Limiter,
    /// What pages show now.
    messages: PageMessages,
    /// Who has tried to sign in lately.
    pub sign_ins: SignIns,
    /// How often the log has said that somebody is not signed in by Access.
    refusals: Refusals,
    /// What other tools deliver.
    pub deliveries: Deliveries,
}

impl Default for Isolate {
    fn default() -> Self {
        Self {
            is_set_up: false,
            setup: Setup::default(),
            configuration: Configuration::default(),
            schedule: FlushSchedule::default(),
            layout: Layout::default(),
            receiver: None,
            meter: Meter::default(),
            tokens: TokenCache::default(),
            in_flight: InFlight::default(),
            shapes: Shapes::default(),
            breakers: Breakers::default(),
            versions: SeenVersions::default(),
            keeping: Keeping::default(),
            shadows: Shadows::default(),
            clients: Clients::default(),
            reports: Limiter::new(limiter::REPORTS),
            choices: Limiter::new(limiter::CHOICES),
            messages: PageMessages::default(),
            sign_ins: SignIns::default(),
            refusals: Refusals::default(),
            deliveries: Deliveries::default(),
        }
    }
}

/// What a request is decided on.
pub struct Ready {
    /// The configuration.
    pub snapshot: Rc<Snapshot>,
    /// The rollout that takes the request.
    pub number: Option<usize>,
    /// Whether any configuration could be read.
    pub is_configured: bool,
}

/// What is to be done behind a request. Each is due for one request only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkDue {
    /// KV is to be read again: [`Input::ReadDue`].
    pub is_read_due: bool,
    /// The controller is to be asked: [`Input::FlushDue`].
    pub is_flush_due: bool,
}

/// What `health` says of the snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The plans' revision.
    pub revision: u64,
    /// The number of rollouts.
    pub rollouts: usize,
    /// Since KV last confirmed it, in milliseconds.
    pub age_ms: Option<f64>,
}

impl Health {
    /// The answer of `GET /_tidegate/health`.
    pub fn answer(&self) -> Answer {
        let health = shapes::Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot: shapes::SnapshotHealth {
                revision: self.revision,
                rollouts: self.rollouts,
                age_ms: self.age_ms.map(|age_ms| age_ms.round() as i64),
            },
        };
        Answer::json(serde_json::to_string(&health).unwrap_or_default())
    }
}

impl Isolate {
    /// Whether it has been given its [`Setup`].
    pub const fn is_set_up(&self) -> bool {
        self.is_set_up
    }

    /// Gives it what it needs before its first request.
    pub fn set_up(&mut self, setup: Setup) {
        self.breakers = Breakers::of(&setup.id);
        self.shadows = Shadows::of(fnv1a64(setup.id.as_bytes()));
        self.setup = setup;
        self.is_set_up = true;
    }

    /// What the environment says.
    pub const fn settings(&self) -> &Settings {
        &self.setup.settings
    }

    /// What there is to be logged since it was taken last.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.configuration.log.take()
    }

    /// Begins the session of whoever sends a token in the body `text`: [`SignIns::begin`].
    ///
    /// # Errors
    /// When it is nobody's token, or there can be no session.
    pub fn sign_in(
        &mut self,
        text: &str,
        from: &str,
        tokens: Option<&str>,
        address: &Address<'_>,
        now_ms: f64,
    ) -> Result<Answer, Problem> {
        self.sign_ins.begin(text, from, tokens, self.setup.settings.sessions.as_ref(), address, now_ms)
    }

    /// The configuration for a request, or `None` where it must be waited for with [`Input::RequestWaits`] first.
    pub fn ready(&mut self, address: &Address<'_>, has_waited: bool, now_ms: f64) -> Option<Ready> {
        let configuration = &mut self.configuration;
        let number = configuration.find(address.host(), address.path);
        // While KV fails, one request in a while finds out; the others do not wait for it.
        let must_wait = !configuration.has_just_failed(now_ms)
            && (configuration.age_ms(now_ms) > STALE_MS_MAX || !configuration.is_ready(number, now_ms));
        let is_due = has_waited || !must_wait;
        is_due.then(|| Ready {
            snapshot: Rc::clone(&configuration.snapshot),
            number,
            is_configured: configuration.is_configured() && (number.is_some() || configuration.is_whole()),
        })
    }

    /// What is to be done behind this request.
    pub fn work_due(&mut self, now_ms: f64) -> WorkDue {
        WorkDue { is_read_due: self.configuration.take_read_due(now_ms), is_flush_due: self.schedule.take_due(now_ms) }
    }

    /// Whether the controller is to be asked behind an answer, which may have been counted too late for the flush
    /// before it.
    pub fn are_counts_due(&mut self, now_ms: f64) -> bool {
        self.has_counts() && self.schedule.take_due(now_ms)
    }

    /// Whether anything was counted that is still to be sent.
    pub fn has_counts(&self) -> bool {
        self.meter.has_counts()
    }

    /// The headers that plans name.
    pub const fn named(&self) -> &Named {
        &self.configuration.named
    }

    /// All of its instruments, at a time.
    pub fn instruments(&mut self, now_ms: f64) -> Instruments<'_> {
        let issuer = self.setup.issuer.as_mut();
        Instruments { now_ms, meter: &mut self.meter, issuer, messages: &self.messages.list }
    }

    /// Whether the plan of a rollout is known here.
    pub fn knows(&self, rollout: &Name) -> bool {
        self.configuration.snapshot.catalogue.number_of(rollout.as_str()).is_some()
    }

    /// What becomes of a request to choose a side that comes from a network address.
    pub fn choose(&mut self, choosing: &Choosing<'_>, from: &str, now_ms: f64) -> Chosen {
        let Snapshot { catalogue, standings, .. } = &*self.configuration.snapshot;
        let number = choosing.rollout().and_then(|key| catalogue.number_of(key.as_str()));
        let plan = number.and_then(|number| catalogue.plan(number));
        let standing = number.and_then(|number| standings.get(number));
        let is_over = standing.is_some_and(|standing| standing.mode == Mode::Completed);
        let key = self.setup.settings.choices.as_ref();
        let mut chosen = choosing.answer(plan.map(AsRef::as_ref), is_over, key, now_ms / 1_000.0);
        if !chosen.signals.is_empty() && !self.choices.admit(from, now_ms) {
            chosen.signals.clear();
        }
        chosen
    }

    /// The key of pages' tokens; `None` where there is none.
    pub fn exposure_key(&self) -> Option<&ExposureKey> {
        self.setup.issuer.as_ref().map(Issuer::key)
    }

    /// Takes in what a page has reported; how many of the reports found no room.
    pub fn report(&mut self, reports: Vec<Report>) -> usize {
        let counted = reports.into_iter().filter(|report| report.is_counted);
        counted.map(|report| self.meter.report(report)).filter(|is_kept| !is_kept).count()
    }

    /// The tokens that have been verified.
    pub const fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// The configuration as it is now.
    pub fn snapshot(&self) -> Rc<Snapshot> {
        Rc::clone(&self.configuration.snapshot)
    }

    /// The state of the snapshot.
    pub fn health(&self, now_ms: f64) -> Health {
        let catalogue = &self.configuration.snapshot.catalogue;
        Health {
            revision: catalogue.revision,
            rollouts: catalogue.rollouts.len(),
            age_ms: self.configuration.read_at_ms.map(|at_ms| now_ms - at_ms),
        }
    }

    /// Takes an input in. Returns what is to be done: what is to be logged first, the rest at the same time.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let effects = match input {
            Input::ReadDue => self.refresh(),
            Input::FlushDue => self.flush_due(now),
            Input::RequestWaits { host, path } => self.read_for_request(host, path, now),
            Input::RequestWaited { is_done } => self.request_waited(is_done),
            Input::RolloutWanted(key) => self.ask_now(&[key], now),
            Input::RolloutAsked(key) => self.read_for_rollout(key, now),
            Input::News => self.ask_now(&[], now),
            Input::Texts(read, texts) => self.texts_read(read, texts, now),
            Input::List(read, bytes) => self.list_read(read, bytes, now),
            Input::CopyLoaded(text) => self.copy_loaded(text, now),
            Input::CopySaved(outcome) => self.copy_saved(outcome),
            Input::Answered(ask, outcome) => self.answered(ask, outcome, now),
            Input::Waited(run) => self.ask_with_counts(run, now),
            Input::TokenBrought(token, text) => self.tokens.check(&token, text, reading::ms(now)),
            Input::KeysRead(check, keys) => {
                let log = &mut self.configuration.log;
                self.tokens.keys_read(check, keys, reading::ms(now), log)
            }
            Input::SignatureChecked(check, is_signed) => self.tokens.checked(check, is_signed, reading::ms(now)),
        };
        let lines = self.configuration.log.take();
        if lines.is_empty() {
            return effects;
        }
        lines.into_iter().map(Effect::Log).chain(effects).collect()
    }
}
