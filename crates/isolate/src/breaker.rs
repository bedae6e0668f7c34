//! A circuit breaker: whether new is asked at all, by what came of asking it lately.
//!
//! ```text
//! closed ──▶ open ──▶ probing ──▶ closed
//!              ▲         │
//!              └─────────┘  twice the pause
//! ```
//!
//! 1. It opens at a failure share of 50 % of at least 20 answers in 10 s; at 5 time-outs in a row; or on silence:
//!    5 requests were sent since the last answer, and the first of them waits for longer than is usual here. That
//!    last rule spares visitors a time-out of many seconds, but not before 5 answers have shown what is usual:
//!    a slow service in a new isolate is no outage.
//! 2. While it is open, nothing is sent. After a pause of 5 s, doubled up to 60 s with each probe that fails and
//!    varied by 20 % so that isolates do not probe in step, one request is let through.
//! 3. A probe that is answered well closes it. So does, where silence has opened it, any good answer that comes
//!    after all.
//! 4. A probe that never comes back holds no other up: its mark ends with its limit.
//! 5. What other isolates say opens nothing. Where this one has had no good answer lately, it makes the next request
//!    a probe: the others go to legacy until that one is back, and count nowhere. A good answer ends it, and for a
//!    while nothing is suspected then; so one isolate with a bad network costs each of the others a probe in 10 s.
//!
//! The thresholds are those of linkerd2-proxy's accrual breakers (a share with a least number; consecutive failures
//! with exponential backoff and jitter). A share alone would open on the first failure of a quiet path, and
//! consecutive failures alone never on one that fails every other time.

use tidegate_protocol::diversion::{Failure, Passage, Trial};

/// The counts go back so far.
const WINDOW_S: u64 = 10;
/// Fewer answers say nothing of a share.
const ANSWERS_MIN: u32 = 20;
/// So many of 100 answers have failed when it opens.
const FAILED_PERCENT: u64 = 50;
/// So many time-outs one after the other open it, and so many requests in silence.
const IN_A_ROW: u32 = 5;
/// So many answers show how long they usually take.
const KNOWN_MIN: u32 = 5;
/// Silence lasts at least this part of the time-out (1 s of the default 10 s), at least so many times what the
/// slowest answer took lately, and at least so long.
const SILENCE_PART: f64 = 0.1;
const SILENCE_FACTOR: f64 = 4.0;
const SILENCE_MS_MIN: f64 = 500.0;
/// With each answer the slowest one counts for so much: 35 quick answers halve it.
const SLOWEST_DECAY: f64 = 0.98;
const PAUSE_MS: f64 = 5_000.0;
const PAUSE_MS_MAX: f64 = 60_000.0;
const JITTER: f64 = 0.2;
/// A probe is given up for lost so long after its limit.
const LOST_MS: f64 = 1_000.0;

/// What others say is believed for so long after it came: a few of this isolate's flushes.
pub const SUSPECTED_MS: f64 = 5_000.0;
/// A good answer of this age is newer than what the others have seen, which came by two flushes.
const SEEN_MS: f64 = 2_000.0;
/// After a good answer to such a probe nothing is suspected for so long.
const TRUST_MS: f64 = 10_000.0;
/// Where it is not known how long answers usually take, such a probe has this part of the time-out: longer than
/// silence lasts, since nothing has failed here.
const SUSPECTED_PART: f64 = 0.25;
/// An open breaker is reported to others until so long after its pause: one without requests to probe with knows nothing
/// any more.
const SHARED_MS: f64 = 5_000.0;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Others say that new fails, and a request finds out.
    Suspected,
    /// It has opened, for this reason.
    Opened(&'static str),
    /// It has closed.
    Closed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Closed,
    Open {
        until_ms: f64,
    },
    Probing {
        lost_at_ms: f64,
        /// Whether it was closed, and only others say that new fails.
        is_suspicion: bool,
    },
}

/// The answers of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    answers: u32,
    failed: u32,
}

/// The breaker of one upstream, or of one endpoint of it.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    state: State,
    /// By second, modulo their number.
    seconds: [Second; WINDOW_S as usize],
    timeouts_in_a_row: u32,
    /// Sent since the last answer, and when the first of those was.
    unanswered: u32,
    silent_since_ms: f64,
    /// How many answers there were, up to [`KNOWN_MIN`], and how long the slowest of them took.
    known: u32,
    slowest_ms: f64,
    is_opened_by_silence: bool,
    /// How the last one failed.
    last_failure: Failure,
    /// How often probes have failed since it opened.
    failed_probes: i32,
    /// Tells one pause's jitter from another's.
    pauses: u64,
    /// Until when it is believed that others have it open; and until when that is not listened to.
    suspected_until_ms: f64,
    trusted_until_ms: f64,
    /// When the last good answer came.
    good_at_ms: f64,
}

impl Breaker {
    /// What becomes of a request that new has `limit_ms` to answer. `may_probe` is whether legacy can answer it if
    /// it fails as a probe; another is one only where none of those has come for a pause. `seed` tells isolates
    /// apart.
    pub fn pass(&mut self, limit_ms: f64, may_probe: bool, seed: u64, now_ms: f64) -> (Passage, Option<Turn>) {
        match self.state {
            State::Closed if self.is_silent(limit_ms, now_ms) => {
                self.is_opened_by_silence = true;
                self.last_failure = Failure { status: None, is_timeout: true };
                (self.diverted(), Some(self.open("it answers no more", seed, now_ms)))
            }
            State::Closed if may_probe && now_ms < self.suspected_until_ms => {
                (self.probe(limit_ms, true, now_ms), Some(Turn::Suspected))
            }
            State::Closed => {
                // How long an upload takes is its client's affair.
                if may_probe {
                    self.silent_since_ms = if self.unanswered == 0 { now_ms } else { self.silent_since_ms };
                    self.unanswered = self.unanswered.saturating_add(1);
                }
                (Passage::Free, None)
            }
            State::Open { until_ms } => {
                let is_due = now_ms >= until_ms && (may_probe || now_ms >= until_ms + self.pause_ms());
                (if is_due { self.probe(limit_ms, false, now_ms) } else { self.diverted() }, None)
            }
            State::Probing { lost_at_ms, is_suspicion } if now_ms >= lost_at_ms && may_probe => {
                (self.probe(limit_ms, is_suspicion, now_ms), None)
            }
            State::Probing { is_suspicion: true, .. } => (Passage::Diverted(None), None),
            State::Probing { .. } => (self.diverted(), None),
        }
    }

    /// Whether new is asked as if there were no breaker.
    pub fn is_closed(&self, now_ms: f64) -> bool {
        self.state == State::Closed && now_ms >= self.suspected_until_ms
    }

    /// Whether other isolates are to know that it is open.
    pub fn is_shared(&self, now_ms: f64) -> bool {
        match self.state {
            State::Closed => false,
            State::Open { until_ms } => now_ms < until_ms + SHARED_MS,
            State::Probing { lost_at_ms, is_suspicion } => !is_suspicion && now_ms < lost_at_ms,
        }
    }

    /// Takes note that other isolates have it open.
    pub fn suspect(&mut self, now_ms: f64) {
        let is_known_better = now_ms < self.trusted_until_ms || now_ms - self.good_at_ms < SEEN_MS;
        if self.state == State::Closed && !is_known_better {
            self.suspected_until_ms = now_ms + SUSPECTED_MS;
        }
    }

    /// Takes note of what came of a request that was sent.
    pub fn note(&mut self, trial: Trial, seed: u64, now_ms: f64) -> Option<Turn> {
        let Trial { failure, took_ms, is_probe } = trial;
        let (is_failure, is_timeout) = (failure.is_some(), failure.is_some_and(|failure| failure.is_timeout));
        self.last_failure = failure.unwrap_or(self.last_failure);
        if !is_timeout {
            self.unanswered = 0;
            self.known = (self.known + 1).min(KNOWN_MIN);
            self.slowest_ms = took_ms.max(self.slowest_ms * SLOWEST_DECAY);
        }
        if !is_failure {
            (self.good_at_ms, self.suspected_until_ms) = (now_ms, 0.0);
        }
        if let State::Probing { is_suspicion: true, .. } = self.state {
            return self.note_suspicion(is_failure, is_probe, seed, now_ms);
        }
        if self.state == State::Closed {
            return self.note_closed(is_failure, is_timeout, seed, now_ms);
        }
        if !is_failure && (is_probe || self.is_opened_by_silence) {
            return self.close();
        }
        if is_probe {
            self.failed_probes = self.failed_probes.saturating_add(1);
            self.pause(seed, now_ms);
        }
        None
    }

    /// Closes it: legacy is no better.
    pub fn close(&mut self) -> Option<Turn> {
        if self.state == State::Closed {
            return None;
        }
        let was_open = !matches!(self.state, State::Probing { is_suspicion: true, .. });
        *self = Self {
            known: self.known,
            slowest_ms: self.slowest_ms,
            pauses: self.pauses,
            trusted_until_ms: self.trusted_until_ms,
            good_at_ms: self.good_at_ms,
            ..Self::default()
        };
        was_open.then_some(Turn::Closed)
    }

    /// Takes note that a client has left before there was an answer: that says nothing of new, and where it was a
    /// probe's, another is sent.
    pub fn note_left(&mut self, is_probe: bool, now_ms: f64) {
        self.unanswered = self.unanswered.saturating_sub(1);
        match self.state {
            State::Probing { is_suspicion: true, .. } if is_probe => self.state = State::Closed,
            State::Probing { .. } if is_probe => self.state = State::Open { until_ms: now_ms },
            _ => {}
        }
    }

    const fn diverted(&self) -> Passage {
        Passage::Diverted(Some(self.last_failure))
    }

    /// Takes note of an answer while a probe finds out whether others are right.
    fn note_suspicion(&mut self, is_failure: bool, is_probe: bool, seed: u64, now_ms: f64) -> Option<Turn> {
        if !is_failure {
            self.trusted_until_ms = now_ms + TRUST_MS;
            return self.close();
        }
        is_probe.then(|| self.open("other isolates had left it alone, and a probe failed here too", seed, now_ms))
    }

    fn note_closed(&mut self, is_failure: bool, is_timeout: bool, seed: u64, now_ms: f64) -> Option<Turn> {
        self.timeouts_in_a_row = if is_timeout { self.timeouts_in_a_row.saturating_add(1) } else { 0 };
        let number = (now_ms / 1_000.0) as u64;
        if let Some(second) = self.seconds.get_mut((number % WINDOW_S) as usize) {
            if second.number != number {
                *second = Second { number, ..Second::default() };
            }
            second.answers = second.answers.saturating_add(1);
            second.failed = second.failed.saturating_add(u32::from(is_failure));
        }
        if !is_failure {
            return None;
        }
        if self.timeouts_in_a_row >= IN_A_ROW {
            return Some(self.open("it timed out 5 times in a row", seed, now_ms));
        }
        let lately = self.seconds.iter().filter(|second| number.saturating_sub(second.number) < WINDOW_S);
        let (answers, failed) = lately.fold((0_u32, 0_u32), |(answers, failed), second| {
            (answers.saturating_add(second.answers), failed.saturating_add(second.failed))
        });
        let is_over = u64::from(failed) * 100 >= u64::from(answers) * FAILED_PERCENT;
        (answers >= ANSWERS_MIN && is_over)
            .then(|| self.open("half of its answers in 10 s were failures", seed, now_ms))
    }

    fn is_silent(&self, limit_ms: f64, now_ms: f64) -> bool {
        self.unanswered >= IN_A_ROW
            && self.known >= KNOWN_MIN
            && now_ms - self.silent_since_ms >= self.silence_ms(limit_ms)
    }

    fn silence_ms(&self, limit_ms: f64) -> f64 {
        (limit_ms * SILENCE_PART).max(self.slowest_ms * SILENCE_FACTOR).max(SILENCE_MS_MIN).min(limit_ms)
    }

    fn open(&mut self, why: &'static str, seed: u64, now_ms: f64) -> Turn {
        self.pause(seed, now_ms);
        Turn::Opened(why)
    }

    fn pause(&mut self, seed: u64, now_ms: f64) {
        self.pauses = self.pauses.wrapping_add(1);
        let random = (mixed(seed.wrapping_add(self.pauses)) >> 11) as f64 / (1_u64 << 53) as f64;
        self.state = State::Open { until_ms: now_ms + self.pause_ms() * (1.0 - JITTER + 2.0 * JITTER * random) };
    }

    fn pause_ms(&self) -> f64 {
        (PAUSE_MS * 2.0_f64.powi(self.failed_probes)).min(PAUSE_MS_MAX)
    }

    /// A visitor waits for it, so at first it has no longer than silence lasts; with each that fails, twice as long,
    /// since an upstream that has become slow is not gone.
    fn probe(&mut self, limit_ms: f64, is_suspicion: bool, now_ms: f64) -> Passage {
        let least_ms = if is_suspicion && self.known < KNOWN_MIN { limit_ms * SUSPECTED_PART } else { 0.0 };
        let own_ms = self.silence_ms(limit_ms) * 2.0_f64.powi(self.failed_probes);
        let limit_ms = own_ms.max(least_ms).min(limit_ms);
        self.state = State::Probing { lost_at_ms: now_ms + limit_ms + LOST_MS, is_suspicion };
        Passage::Probe(limit_ms as u64)
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): neighbouring numbers get unrelated ones.
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT_MS: f64 = 10_000.0;

    /// A breaker in virtual time.
    struct Tried {
        breaker: Breaker,
        now_ms: f64,
        seed: u64,
    }

    const GOOD: Trial = Trial { failure: None, took_ms: 20.0, is_probe: false };
    const BROKEN: Failure = Failure { status: Some(503), is_timeout: false };
    const SILENT: Failure = Failure { status: None, is_timeout: true };
    const BAD: Trial = Trial { failure: Some(BROKEN), ..GOOD };
    const LATE: Trial = Trial { failure: Some(SILENT), took_ms: LIMIT_MS, ..GOOD };

    impl Tried {
        fn new() -> Self {
            Self { breaker: Breaker::default(), now_ms: 1e12, seed: 1 }
        }

        fn pass(&mut self) -> Passage {
            self.breaker.pass(LIMIT_MS, true, self.seed, self.now_ms).0
        }

        /// Sends a request and takes note of what comes of it at once.
        #[track_caller]
        fn send(&mut self, trial: Trial) -> Option<Turn> {
            assert_eq!(self.pass(), Passage::Free);
            self.breaker.note(trial, self.seed, self.now_ms)
        }

        fn is_open(&mut self) -> bool {
            matches!(self.pass(), Passage::Diverted(_))
        }

        /// The seconds until a request is let through as a probe, and how long that one has.
        #[track_caller]
        fn pause(&mut self) -> (f64, u64) {
            let begun_ms = self.now_ms;
            loop {
                match self.pass() {
                    Passage::Probe(limit_ms) => return ((self.now_ms - begun_ms) / 1_000.0, limit_ms),
                    Passage::Diverted(_) => self.now_ms += 100.0,
                    Passage::Free => panic!("it is closed"),
                }
                assert!(self.now_ms - begun_ms < 100_000.0, "it never probes");
            }
        }

        fn probed(&mut self, trial: Trial) -> Option<Turn> {
            self.breaker.note(Trial { is_probe: true, ..trial }, self.seed, self.now_ms)
        }

        fn opened() -> Self {
            let mut tried = Self::new();
            for _ in 0..5 {
                tried.send(LATE);
            }
            assert!(tried.is_open());
            tried
        }
    }

    #[test]
    fn half_of_twenty_failures_in_ten_seconds_open_it() {
        let mut tried = Tried::new();
        for n in 0..19 {
            assert_eq!(tried.send(if n % 2 == 0 { GOOD } else { BAD }), None, "{n}");
        }
        assert_eq!(tried.send(BAD), Some(Turn::Opened("half of its answers in 10 s were failures")));
        assert!(tried.is_open());
    }

    #[test]
    fn fewer_than_twenty_answers_are_too_few_and_so_is_less_than_half() {
        let mut tried = Tried::new();
        assert!((0..19).all(|_| tried.send(BAD).is_none()));
        let mut tried = Tried::new();
        assert!((0..1_000).all(|n| tried.send(if n % 5 < 3 { GOOD } else { BAD }).is_none()), "two of five");
    }

    #[test]
    fn what_is_older_than_ten_seconds_does_not_count() {
        let mut tried = Tried::new();
        for _ in 0..200 {
            assert_eq!(tried.send(BAD), None);
            tried.now_ms += 600.0;
        }
        assert!(!tried.is_open(), "19 in 10 s at the most, however many in all");
    }

    #[test]
    fn five_time_outs_in_a_row_open_it_and_four_do_not() {
        let mut tried = Tried::new();
        for _ in 0..3 {
            assert!((0..4).all(|_| tried.send(LATE).is_none()));
            assert_eq!(tried.send(GOOD), None);
        }
        assert!((0..4).all(|_| tried.send(LATE).is_none()));
        assert_eq!(tried.send(LATE), Some(Turn::Opened("it timed out 5 times in a row")));
    }

    #[test]
    fn one_that_hangs_after_it_has_answered_is_left_alone_within_a_second() {
        let mut tried = Tried::new();
        for _ in 0..5 {
            tried.send(GOOD);
        }
        let begun_ms = tried.now_ms;
        while tried.pass() == Passage::Free {
            tried.now_ms += 50.0;
        }
        assert_eq!(tried.now_ms - begun_ms, 1_000.0);
        assert!(tried.is_open());
    }

    #[test]
    fn silence_says_nothing_where_it_is_not_known_or_usual() {
        let mut tried = Tried::new();
        for _ in 0..200 {
            assert_eq!(tried.pass(), Passage::Free, "it never answered, and has its time-out for that");
            tried.now_ms += 100.0;
        }
        let mut tried = Tried::new();
        for _ in 0..5 {
            tried.send(Trial { took_ms: 2_000.0, ..GOOD });
        }
        for _ in 0..79 {
            assert_eq!(tried.pass(), Passage::Free, "four times what it usually takes");
            tried.now_ms += 100.0;
        }
        let mut tried = Tried::new();
        for _ in 0..5 {
            tried.send(GOOD);
        }
        for _ in 0..4 {
            tried.pass();
        }
        tried.now_ms += 60_000.0;
        assert_eq!(tried.pass(), Passage::Free, "four that were given up are too few");
        let mut tried = Tried::new();
        for _ in 0..5 {
            tried.send(GOOD);
        }
        for _ in 0..20 {
            assert_eq!(tried.pass(), Passage::Free, "whose clients have left says nothing");
            tried.now_ms += 400.0;
            tried.breaker.note_left(false, tried.now_ms);
        }
    }

    #[test]
    fn what_is_kept_from_it_counts_as_the_last_one_that_failed() {
        let mut tried = Tried::opened();
        assert_eq!(tried.pass(), Passage::Diverted(Some(SILENT)));
        tried.pause();
        assert_eq!(tried.probed(BAD), None);
        assert_eq!(tried.pass(), Passage::Diverted(Some(BROKEN)));
    }

    #[test]
    fn an_answer_that_comes_after_all_ends_what_silence_began() {
        let mut tried = Tried::new();
        for _ in 0..5 {
            tried.send(GOOD);
        }
        for _ in 0..5 {
            tried.pass();
        }
        tried.now_ms += 1_000.0;
        assert!(tried.is_open());
        let late = Trial { took_ms: 2_000.0, ..GOOD };
        assert_eq!(tried.breaker.note(late, 1, tried.now_ms), Some(Turn::Closed));
        for _ in 0..5 {
            tried.pass();
        }
        tried.now_ms += 7_000.0;
        assert_eq!(tried.pass(), Passage::Free, "that it takes 2 s is usual now");
        let mut tried = Tried::opened();
        assert_eq!(tried.breaker.note(GOOD, 1, tried.now_ms), None, "but not what time-outs began");
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_vary_by_a_fifth() {
        let mut pauses: Vec<Vec<f64>> = Vec::new();
        for seed in 0..50 {
            let mut tried = Tried { seed: seed << 32, ..Tried::new() };
            for _ in 0..5 {
                tried.send(LATE);
            }
            let mut own = Vec::new();
            for expected_s in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
                let (pause_s, _) = tried.pause();
                assert!((expected_s * 0.8..=expected_s * 1.2 + 0.1).contains(&pause_s), "{pause_s} of {expected_s}");
                assert_eq!(tried.probed(BAD), None);
                own.push(pause_s);
            }
            pauses.push(own);
        }
        let firsts: Vec<f64> = pauses.iter().filter_map(|own| own.first().copied()).collect();
        let (least, most) = firsts.iter().fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
        assert!(least < 4.3 && most > 5.7, "isolates do not probe in step: {least} to {most}");
    }

    #[test]
    fn one_probe_at_a_time_and_a_good_one_closes_it() {
        let mut tried = Tried::opened();
        assert_eq!(tried.pause().1, 1_000, "a visitor waits for it");
        assert!(tried.is_open(), "the others do not");
        assert_eq!(tried.probed(GOOD), Some(Turn::Closed));
        assert_eq!(tried.send(GOOD), None);
        assert!((0..4).all(|_| tried.send(LATE).is_none()), "what was before is forgotten");
    }

    #[test]
    fn a_probe_has_longer_each_time_and_never_longer_than_the_limit() {
        let mut tried = Tried::opened();
        let limits: Vec<u64> = (0..6)
            .map(|_| {
                let (_, limit_ms) = tried.pause();
                tried.probed(LATE);
                limit_ms
            })
            .collect();
        assert_eq!(limits, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    }

    #[test]
    fn a_probe_that_never_comes_back_holds_no_other_up() {
        let mut tried = Tried::opened();
        tried.pause();
        assert!((1.9..2.2).contains(&tried.pause().0), "its limit, and a second");
        tried.breaker.note_left(true, tried.now_ms);
        assert_eq!(tried.pass(), Passage::Probe(1_000));
    }

    #[test]
    fn what_legacy_could_not_answer_after_a_probe_waits_for_twice_the_pause() {
        let mut tried = Tried::opened();
        let begun_ms = tried.now_ms;
        while matches!(tried.breaker.pass(LIMIT_MS, false, 1, tried.now_ms).0, Passage::Diverted(_)) {
            tried.now_ms += 100.0;
        }
        assert!((9_000.0..11_200.0).contains(&(tried.now_ms - begun_ms)), "{}", tried.now_ms - begun_ms);
    }

    impl Tried {
        fn suspect(&mut self) {
            self.breaker.suspect(self.now_ms);
        }
    }

    #[test]
    fn what_others_say_makes_one_request_a_probe_and_its_failure_opens_it() {
        let mut tried = Tried::new();
        tried.suspect();
        assert_eq!(tried.pass(), Passage::Probe(2_500), "nothing shows yet how long answers take here");
        assert_eq!(tried.pass(), Passage::Diverted(None), "and that has failed nowhere here");
        assert!(!tried.breaker.is_shared(tried.now_ms), "what others reported is not passed on");
        let opened = Turn::Opened("other isolates had left it alone, and a probe failed here too");
        assert_eq!(tried.probed(LATE), Some(opened));
        assert_eq!(tried.pass(), Passage::Diverted(Some(SILENT)));
        assert!(tried.breaker.is_shared(tried.now_ms), "what was seen is");
        let (pause_s, limit_ms) = tried.pause();
        assert!((4.0..=6.1).contains(&pause_s) && limit_ms == 1_000, "{pause_s} {limit_ms}");
    }

    #[test]
    fn what_others_say_costs_a_probe_in_ten_seconds_where_new_answers() {
        let mut tried = Tried::new();
        let mut probes = 0;
        for _ in 0..600 {
            tried.suspect();
            match tried.pass() {
                Passage::Probe(_) => {
                    probes += 1;
                    assert_eq!(tried.probed(GOOD), None);
                }
                Passage::Free => assert_eq!(tried.breaker.note(GOOD, 1, tried.now_ms), None),
                Passage::Diverted(_) => panic!("no probe is under way"),
            }
            tried.now_ms += 3_000.0;
        }
        assert!((120..=200).contains(&probes), "{probes} in half an hour, at a request in 3 s");
        assert!(tried.breaker.is_closed(tried.now_ms + 10_000.0));
    }

    #[test]
    fn who_has_good_answers_does_not_listen() {
        let mut tried = Tried::new();
        for _ in 0..100 {
            tried.send(GOOD);
            tried.now_ms += 500.0;
            tried.suspect();
        }
        tried.suspect();
        tried.now_ms += 2_000.0;
        assert_eq!(tried.pass(), Passage::Free, "nor did it before");
        tried.suspect();
        assert!(!tried.breaker.is_closed(tried.now_ms), "now its own are old");
        tried.now_ms += 5_000.0;
        assert_eq!(tried.pass(), Passage::Free, "and what was suspected is over");
    }

    #[test]
    fn a_probe_on_others_word_whose_client_leaves_makes_way_for_another() {
        let mut tried = Tried::new();
        tried.suspect();
        assert_eq!(tried.pass(), Passage::Probe(2_500));
        tried.breaker.note_left(true, tried.now_ms);
        assert_eq!(tried.pass(), Passage::Probe(2_500));
        tried.now_ms += 3_500.0;
        assert_eq!(tried.pass(), Passage::Probe(2_500), "and one that is lost too");
    }

    #[test]
    fn what_cannot_be_asked_twice_is_sent_as_if_nothing_were_suspected() {
        let mut tried = Tried::new();
        tried.suspect();
        assert_eq!(tried.breaker.pass(LIMIT_MS, false, 1, tried.now_ms).0, Passage::Free);
    }

    #[test]
    fn others_know_until_its_pause_is_over_and_no_longer() {
        let mut tried = Tried::opened();
        assert!(tried.breaker.is_shared(tried.now_ms) && tried.breaker.is_shared(tried.now_ms + 8_900.0));
        assert!(!tried.breaker.is_shared(tried.now_ms + 11_100.0), "nobody has asked since");
        tried.pause();
        assert!(tried.breaker.is_shared(tried.now_ms));
        tried.probed(GOOD);
        assert!(!tried.breaker.is_shared(tried.now_ms));
    }
}
