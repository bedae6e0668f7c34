//! What an isolate and the controller tell each other, about once a second.
//!
//! The isolate tells what it knows, what it has counted, and which texts of people it has seen in KV;
//! the controller answers with what is newer. So a kill is everywhere within a second or two, however
//! late KV is.
//!
//! What was counted travels in a [`Batch`], which has a number. One batch is under way at a time and is
//! sent again unchanged until it is acknowledged; the controller keeps each isolate's last number,
//! stored together with what it counted. So each batch counts once.
//!
//! While a release of Tidegate spreads, both sides may be of either release. So each message has a
//! [`Version`], fields that are not known are passed over, and a batch that the controller cannot read is
//! [`Refused`], which it says in its answer: it never acknowledges what it has not counted. The isolate
//! tries again, since the next controller may be one that can read it, and gives up after
//! [`REFUSALS_MAX`] refusals.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::beacon::Report;
use super::diversion::{OpenBreaker, read_open};
use super::relays::Layout;
use tidegate_decide::notify::in_app::InAppMessage;
use tidegate_model::Name;
use tidegate_model::measured::{ByValue, SlicedCounts, Window};
use tidegate_model::shadow::SampleOf;
use tidegate_model::subject::fnv1a64;

/// The longest text of KV that is passed on; a live state has a few hundred bytes.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// So many lists are reported; who has more sees the first.
pub const LISTS_MAX: usize = 100;
/// So many versions are reported at once.
pub const VERSIONS_MAX: usize = 64;
/// So many samples of copies are reported at once.
pub const SHADOW_SAMPLES_MAX: usize = 64;
/// A batch that was refused so often is given up: after that many intervals the controller is no longer
/// being replaced by one that can read it.
pub const REFUSALS_MAX: u32 = 10;

/// The version of a message: that of the release that wrote it. It grows when a release writes what the one
/// before cannot use.
///
/// 1. Isolates know nothing of refusals: what they sent and cannot be read has to be acknowledged.
/// 2. Isolates give up what was refused [`REFUSALS_MAX`] times.
/// 3. Isolates report to the relays that are named to them, and the controller takes reports of relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl Version {
    /// That of messages that tell none.
    pub const FIRST: Self = Self(1);
    /// The first that knows of refusals.
    pub const REFUSALS: Self = Self(2);
    /// The first that knows of relays.
    pub const RELAYS: Self = Self(3);
    /// That of this release.
    pub const OWN: Self = Self::RELAYS;

    const fn first() -> Self {
        Self::FIRST
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::OWN
    }
}

/// What an isolate tells.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flush {
    /// Its version.
    #[serde(default = "Version::first")]
    pub v: Version,
    /// Which isolate it is.
    pub isolate: String,
    /// The revision of its plans; 0 where it has none.
    pub plans: u64,
    /// The greatest revision of plans that it saw in KV and did not take in as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// The rollouts that it serves, each with the revision that it knows; `None` asks for all.
    #[serde(default)]
    pub known: Option<Vec<(String, u64)>>,
    /// What it saw under `stage/KEY` that no controller wrote: the rollout's key and the text.
    pub texts: Vec<(String, String)>,
    /// The kill keys that it saw: `kill/KEY`, `kill/*`.
    pub kills: Vec<String>,
    /// What is wrong with its configuration: the KV key and what is wrong.
    pub faults: Vec<(String, String)>,
    /// The lists of KV that it holds: the group's name and how many ids there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<(String, u64)>,
    /// The versions that answers of new have named since the flush before: the rollout's key and the version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<(String, String)>,
    /// Samples of copies that new has answered otherwise since the flush before; at most [`SHADOW_SAMPLES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read_samples")]
    pub shadow: Vec<SampleOf>,
    /// Its breakers that are open, by what it has seen itself; of a relay, what those below it have reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read_open")]
    pub breakers: Vec<OpenBreaker>,
    /// The digest of the messages that it knows for pages; `None` of a release that shows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// What a relay tells of those below it; `None` from an isolate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relayed>,
    /// What it has counted since the batch before; `None` for nothing.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Where it has sent a batch that cannot be read: which, and why. It is not sent.
    #[serde(skip)]
    pub unreadable: Option<Refused>,
}

/// What a relay tells of the isolates that report to it, by whichever relays below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// How many have come within the last minute.
    pub isolates: usize,
    /// The rollouts that it knows to be killed: each with the revision of the kill, and how many of the isolates have
    /// not said that they know of it.
    #[serde(default)]
    pub behind: Vec<(String, u64, usize)>,
    /// [`super::relays::digest`] of the states that it knows.
    pub digest: u64,
}

impl Relayed {
    /// How many isolates may not know yet that this revision has killed a rollout. A relay that does not know of it
    /// speaks for none of them.
    pub fn behind(&self, key: &str, revision: u64) -> usize {
        let known = self.behind.iter().find(|(own, at, _)| own == key && *at >= revision);
        known.map_or(self.isolates, |(_, _, behind)| *behind)
    }
}

/// A batch that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number; 0 where not even that can be read.
    pub sequence: u64,
    /// Why, for the log.
    pub why: String,
}

/// A list of KV as isolates hold it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct HeldList {
    /// The group's name.
    pub group: String,
    /// How many ids there are; several numbers while isolates hold different versions.
    pub ids: Vec<u64>,
}

/// What one isolate has counted.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its number, from 1, one more than that of the batch before.
    pub sequence: u64,
    /// By rollout, revision and minute.
    pub counted: Vec<Counted>,
    /// What pages reported.
    pub reports: Vec<Report>,
}

/// What was counted of one rollout under one revision in one minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The rollout.
    pub rollout: Name,
    /// The counts.
    pub window: Window,
    /// What a comparison may use of them.
    #[serde(default, skip_serializing_if = "SlicedCounts::is_empty")]
    pub compared: SlicedCounts,
}

/// What the controller answers.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its version.
    #[serde(default = "Version::first")]
    pub v: Version,
    /// After how long the isolate is to come again, in milliseconds.
    pub interval_ms: u32,
    /// The value of the KV key `plans`, where the isolate's plans are older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<String>,
    /// The states that are newer, or of whose texts it reported.
    pub states: Vec<RolloutUpdate>,
    /// The number of the last batch of this isolate that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
    /// The batch that this answers, where it was not taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The messages that pages show, where the isolate knows others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<PageMessages>,
    /// The breakers that are open elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read_open")]
    pub breakers: Vec<OpenBreaker>,
    /// Which relays there are; `None` says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Whether these are the states of all rollouts that there are; sent to relays alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_whole: bool,
    /// Whether an isolate that asks for everything is sent nothing here and is to ask its relay, as thousands of new
    /// ones do at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_elsewhere: bool,
}

/// The messages that pages show now, of all rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageMessages {
    /// A number that is another one for other messages; 0 for none.
    pub digest: u64,
    /// The messages.
    pub list: Vec<InAppMessage>,
}

impl PageMessages {
    /// These messages.
    pub fn of(list: Vec<InAppMessage>) -> Self {
        let text = if list.is_empty() { String::new() } else { serde_json::to_string(&list).unwrap_or_default() };
        Self { digest: if text.is_empty() { 0 } else { fnv1a64(text.as_bytes()) >> 11 }, list }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(own: &bool) -> bool {
    !*own
}

/// The state of one rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutUpdate {
    /// The rollout's key.
    pub key: String,
    /// The state as it stands in KV.
    pub state: String,
    /// Texts that may still be read there and have been adopted.
    pub echoes: Vec<String>,
}

/// Samples say nothing that decides: one that cannot be read takes nothing else with it.
fn read_samples<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SampleOf>, D::Error> {
    let read = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let samples = read.into_iter().take(SHADOW_SAMPLES_MAX).filter_map(|own| serde_json::from_value(own).ok());
    Ok(samples.filter(|own: &SampleOf| own.sample.is_plausible()).collect())
}

impl Counted {
    /// About how long its text is in bytes, rather too long.
    pub fn bytes(&self) -> usize {
        let Self { window, compared, .. } = self;
        let counts: usize = window
            .sides
            .iter()
            .map(|(_, own)| {
                400 + own.statuses.len() * 20
                    + own.repeats.len() * 30
                    + own.scripts.bytes()
                    + own.by.iter().map(ByValue::text_bytes).sum::<usize>()
            })
            .sum();
        let sketches: usize = window
            .sides
            .iter()
            .flat_map(|(_, tally)| &tally.sketches)
            .map(|(_, sketch)| 400 + sketch.bins().count() * 9)
            .sum();
        let trials: usize = compared.trials.iter().map(|trials| 200 + trials.slices.len() * 12).sum();
        let values: usize = compared.values.iter().map(|values| 200 + values.buckets.len() * 12).sum();
        let failed: usize = compared.failed.iter().map(|failed| 50 + failed.subjects.iter().count() * 17).sum();
        let events: usize = window.events.iter().map(|(_, sample)| 100 + sample.iter().count() * 17).sum();
        let digits =
            |rows: &[(u16, u32)]| rows.iter().map(|(_, count)| (*count as usize).min(4)).sum::<usize>().min(4_000);
        let binned: usize = compared.binned.iter().map(|own| 120 + digits(&own.exposures) + digits(&own.events)).sum();
        let seen: usize =
            [&window.subjects, &window.failing, &window.erring].map(|own| own.iter().count() * 17).iter().sum();
        500 + failed + binned + counts + sketches + trials + values + events + seen
    }
}

impl Flush {
    /// Reads what an isolate has sent; `None` for what is no flush. A batch that cannot be read takes nothing
    /// else with it.
    pub fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Carried<'a> {
            #[serde(borrow, default)]
            batch: Option<&'a RawValue>,
        }

        let mut flush: Self = serde_json::from_str(text).ok()?;
        let Carried { batch } = serde_json::from_str(text).ok()?;
        match batch.map(|batch| Batch::parse(batch.get())).transpose() {
            Ok(batch) => flush.batch = batch,
            Err(refused) => flush.unreadable = Some(refused),
        }
        Some(flush)
    }
}

impl Batch {
    /// Reads a batch, whole or not at all.
    ///
    /// # Errors
    /// With its number and why it cannot be read.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        #[derive(Deserialize)]
        struct Numbered {
            sequence: u64,
        }

        let read = serde_json::from_str(text).map_err(|error| error.to_string());
        read.and_then(|batch: Self| batch.check().map(|()| batch)).map_err(|why| {
            let sequence = serde_json::from_str(text).map_or(0, |Numbered { sequence }| sequence);
            Refused { sequence, why }
        })
    }

    /// Checks what its format does not say.
    fn check(&self) -> Result<(), String> {
        self.counted.iter().try_for_each(|counted| counted.window.check())?;
        self.reports.iter().try_for_each(Report::check)
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.reports.is_empty()
    }
}

impl Answer {
    /// Reads what the controller has answered; `None` for what is no answer.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::Minute;

    #[test]
    fn both_sides_read_what_the_other_wrote() {
        let counted = Counted {
            rollout: "shop".parse().unwrap_or_else(|_| unreachable!()),
            window: Window::at(Minute::new(29_000_000), 7),
            compared: SlicedCounts::default(),
        };
        let batch = Batch { sequence: 4, counted: vec![counted], reports: Vec::new() };
        let open =
            OpenBreaker { rollout: "shop".into(), new: "https://n.example".into(), endpoint: Some("api".into()) };
        let flush = Flush {
            v: Version::OWN,
            isolate: "i".into(),
            plans: 3,
            seen: Some(9),
            known: Some(vec![("shop".into(), 7)]),
            texts: vec![("shop".into(), "25\n".into())],
            kills: vec!["kill/*".into()],
            faults: vec![("stage/shop".into(), "odd".into())],
            lists: vec![("beta".into(), 2)],
            messages: Some(7),
            versions: Vec::new(),
            shadow: Vec::new(),
            breakers: vec![open.clone()],
            relay: Some(Relayed { isolates: 9, behind: vec![("shop".into(), 8, 2)], digest: u64::MAX }),
            batch: Some(batch),
            unreadable: None,
        };
        assert_eq!(Flush::parse(&serde_json::to_string(&flush).unwrap_or_default()), Some(flush));
        let cold = Flush::default();
        assert_eq!(Flush::parse(&serde_json::to_string(&cold).unwrap_or_default()), Some(cold));
        let answer = Answer {
            v: Version::OWN,
            interval_ms: 1_000,
            plans: Some("{\"v\":1}".into()),
            states: vec![RolloutUpdate { key: "shop".into(), state: "{}".into(), echoes: vec!["25".into()] }],
            acknowledged: Some(4),
            refused: Some(Refused { sequence: 5, why: "it is torn".into() }),
            messages: Some(PageMessages { digest: 7, list: Vec::new() }),
            breakers: vec![open],
            layout: Some(Layout { leaves: 3, fan: 25, at: 7 }),
            is_whole: true,
            is_elsewhere: true,
        };
        assert_eq!(Answer::parse(&serde_json::to_string(&answer).unwrap_or_default()), Some(answer));
    }

    #[test]
    fn an_isolate_of_an_earlier_release_tells_of_no_version_and_no_lists() {
        let text = r#"{"isolate":"i","plans":3,"known":null,"texts":[],"kills":[],"faults":[]}"#;
        let flush = Flush { isolate: "i".into(), plans: 3, ..Flush::default() };
        assert_eq!(
            Flush::parse(text),
            Some(Flush { v: Version::FIRST, isolate: "i".into(), plans: 3, ..Flush::default() })
        );
        assert_eq!(
            serde_json::to_string(&flush).ok(),
            Some(text.replace("{\"isolate\"", "{\"v\":3,\"isolate\"")),
            "beside its version it tells what the release before reads"
        );
        let odd =
            text.replace("\"faults\"", "\"breakers\":[7,{\"rollout\":\"a\",\"new\":\"b\",\"since\":1}],\"faults\"");
        assert_eq!(Flush::parse(&odd).map(|flush| flush.breakers.len()), Some(1), "what cannot be read goes alone");
        let later = text.replace("\"faults\"", "\"unheard\":{\"of\":1},\"faults\"");
        assert!(Flush::parse(&later).is_some(), "what is new is left alone");
    }

    #[test]
    fn an_answer_of_an_earlier_release_refuses_nothing() {
        let text = r#"{"interval_ms":1000,"states":[],"acknowledged":4}"#;
        let answer = Answer { interval_ms: 1_000, acknowledged: Some(4), ..Answer::default() };
        assert_eq!(Answer::parse(text), Some(Answer { v: Version::FIRST, ..answer }));
    }

    const BATCH: &str = r#"{"sequence":9,"counted":[{"rollout":"shop","window":{"minute":1,"minutes":1,"revision":1,"sides":[{"variant":"new","requests":1}]}}],"reports":[]}"#;

    #[test]
    fn a_damaged_batch_is_refused_whole_and_keeps_its_number() {
        assert_eq!(Batch::parse(BATCH).map(|batch| batch.counted.len()), Ok(1));
        for (right, wrong) in [
            ("\"requests\":1", "\"requests\":-1"),
            ("\"requests\":1", "\"requests\":9999999999999999"),
            ("\"new\"", "\"blue\""),
            ("\"reports\":[]", "\"reports\":[{}]"),
            ("\"rollout\":\"shop\",", ""),
        ] {
            assert!(BATCH.contains(right), "{right}");
            let refused = Batch::parse(&BATCH.replace(right, wrong)).expect_err(wrong);
            assert_eq!(refused.sequence, 9, "{wrong}");
            assert!(!refused.why.is_empty());
        }
        assert_eq!(Batch::parse("{}").expect_err("there is no number").sequence, 0);
    }

    #[test]
    fn a_damaged_batch_takes_nothing_else_of_its_flush_with_it() {
        let flush = r#"{"v":2,"isolate":"i","plans":3,"known":[],"texts":[],"kills":["kill/*"],"faults":[],"batch":B}"#;
        let damaged = flush.replace('B', &BATCH.replace("\"requests\":1", "\"requests\":1.5"));
        let read = Flush::parse(&damaged).expect("the flush is whole");
        assert_eq!((read.kills.len(), read.batch, read.unreadable.map(|refused| refused.sequence)), (1, None, Some(9)));
    }

    #[test]
    fn what_a_later_release_adds_to_a_batch_is_passed_over() {
        let own = Batch::parse(BATCH).expect("it is whole");
        for (before, added) in [
            ("\"sequence\":9", "\"spans\":[{\"a\":1}],"),
            ("\"rollout\"", "\"zone\":\"eu\","),
            ("\"minute\"", "\"shard\":3,"),
            ("\"variant\"", "\"retried\":5,"),
            ("\"variant\"", "\"sketches\":{\"warmth\":\"1 2\"},"),
            ("\"window\"", "\"compared\":{\"trials\":[{\"of\":\"retries\",\"side\":1}],\"bins\":\"1\"},"),
        ] {
            let later = BATCH.replacen(before, &format!("{added}{before}"), 1);
            assert_ne!(later, BATCH);
            assert_eq!(Batch::parse(&later).as_ref(), Ok(&own), "{later}");
        }
    }
}
