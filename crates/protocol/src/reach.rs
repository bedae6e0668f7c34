//! How far a kill has come: which isolates still act on an older state.
//!
//! An isolate reports with each flush which revision of each rollout it has. One that has reported in the
//! last minute may serve new until it reports the kill's revision, or a later one. An isolate without requests
//! reports nothing, and serves nothing either: its next request may still be answered from what it has, which is
//! why it counts as behind.
//!
//! Isolates that report to a relay are spoken for by it: [`super::flush::Relayed`].
//!
//! What was counted says whether new was served after all: requests to new under a revision before the
//! kill's. They come late, so they are held against when they arrived.

use std::collections::HashSet;

use fnv::FnvHashMap;
use serde::Serialize;

use super::flush::{Counted, Flush, Relayed};
use tidegate_decide::assign::Variant;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Instant, Name};

/// A kill is watched for so long. Whoever comes later reads it from KV.
const WATCHED_MS: i64 = 600_000;

/// How far the kill of one rollout has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The rollout.
    #[serde(skip)]
    pub key: Name,
    /// The revision that killed it.
    pub revision: u64,
    /// The isolates that have reported in the last minute.
    pub isolates: usize,
    /// Those of them that have not confirmed that they know of it.
    pub behind: usize,
    /// For how long no request to new was reported, where none is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_ms: Option<i64>,
}

impl Reach {
    /// Just after the kill.
    pub fn begun(key: &Name, revision: u64, isolates: usize) -> Self {
        Self { key: key.clone(), revision, isolates, behind: isolates, quiet_ms: (isolates == 0).then_some(0) }
    }
}

/// Kills on their way to the isolates.
#[derive(Debug, Default)]
pub struct Kills(FnvHashMap<Name, Kill>);

#[derive(Debug)]
struct Kill {
    revision: u64,
    begun_at: Instant,
    /// The isolates that may not know of it, by the hashes of their names.
    behind: HashSet<u64>,
    /// The relays with isolates that may not, likewise.
    relays_behind: HashSet<u64>,
    /// When something last spoke against everybody being on legacy.
    loud_at: Instant,
}

impl Kills {
    /// A rollout has been killed, while these isolates were there.
    pub fn begin<'a>(&mut self, key: &Name, revision: u64, isolates: impl Iterator<Item = &'a str>, now: Instant) {
        let behind = isolates.map(hash).collect();
        let kill = Kill { revision, begun_at: now, behind, relays_behind: HashSet::new(), loud_at: now };
        self.0.insert(key.clone(), kill);
    }

    /// It is killed no longer.
    pub fn end(&mut self, key: &Name) {
        self.0.remove(key);
    }

    /// An isolate has reported what it knows and what it has counted.
    pub fn hear(&mut self, flush: &Flush, now: Instant) {
        self.0.retain(|_, kill| now.ms_since(kill.begun_at).abs() < WATCHED_MS);
        if self.0.is_empty() {
            return;
        }
        let isolate = hash(&flush.isolate);
        let known: FnvHashMap<&str, u64> =
            flush.known.iter().flatten().map(|(key, revision)| (key.as_str(), *revision)).collect();
        for (key, kill) in &mut self.0 {
            if let Some(relayed) = &flush.relay {
                let is_behind = relayed.behind(key.as_str(), kill.revision) > 0;
                let was_behind = kill.behind.remove(&isolate);
                let was_so =
                    if is_behind { kill.relays_behind.insert(isolate) } else { kill.relays_behind.remove(&isolate) };
                if is_behind || was_behind || was_so {
                    kill.loud_at = now;
                }
                continue;
            }
            // One that does not serve the rollout cannot serve it wrongly; one that asks for everything may.
            let is_behind =
                flush.known.is_none() || known.get(key.as_str()).is_some_and(|revision| *revision < kill.revision);
            let was_behind = if is_behind { !kill.behind.insert(isolate) } else { kill.behind.remove(&isolate) };
            if is_behind || was_behind {
                kill.loud_at = now;
            }
        }
        for counted in flush.batch.iter().flat_map(|batch| &batch.counted).filter(|counted| has_new(counted)) {
            if let Some(kill) = self.0.get_mut(&counted.rollout).filter(|kill| counted.window.revision < kill.revision)
            {
                kill.loud_at = now;
            }
        }
    }

    /// How far each kill has come. `isolates` are those that have reported in the last minute, and what those of them say
    /// that are relays.
    pub fn reaches<'a>(
        &self,
        isolates: impl Iterator<Item = (&'a str, Option<&'a Relayed>)>,
        now: Instant,
    ) -> Vec<Reach> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let there: Vec<(u64, Option<&Relayed>)> = isolates.map(|(name, relayed)| (hash(name), relayed)).collect();
        let isolates = there.iter().map(|(_, relayed)| relayed.map_or(1, |own| own.isolates)).sum();
        let reach = |(key, kill): (&Name, &Kill)| {
            let is_behind = |(own, relayed): &(u64, Option<&Relayed>)| match relayed {
                Some(relayed) => relayed.behind(key.as_str(), kill.revision),
                None => usize::from(kill.behind.contains(own)),
            };
            let behind: usize = there.iter().map(is_behind).sum();
            let quiet_ms = now.ms_since(kill.loud_at).max(0);
            Reach {
                key: key.clone(),
                revision: kill.revision,
                isolates,
                behind,
                quiet_ms: (behind == 0).then_some(quiet_ms),
            }
        };
        self.0.iter().map(reach).collect()
    }
}

fn hash(isolate: &str) -> u64 {
    fnv1a64(isolate.as_bytes())
}

/// Whether requests to new are among what was counted.
fn has_new(counted: &Counted) -> bool {
    counted.window.sides.iter().any(|(side, tally)| side.variant == Variant::New && tally.requests > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flush::Batch;
    use tidegate_model::Minute;
    use tidegate_model::measured::{Side, SlicedCounts, Tally, Window};

    fn at(ms: i64) -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000 + ms)
    }

    fn knows(isolate: &str, known: Option<u64>) -> Flush {
        Flush {
            isolate: isolate.into(),
            known: known.map(|revision| vec![("shop".into(), revision)]),
            ..Flush::default()
        }
    }

    fn served_new(isolate: &str, revision: u64) -> Flush {
        let mut window = Window::at(Minute::new(29_666_666), revision);
        window.sides.push((Side { variant: Variant::New, endpoint: None }, Tally { requests: 1, ..Tally::default() }));
        let batch = Batch {
            sequence: 1,
            counted: vec![Counted { rollout: "shop".parse().unwrap(), window, compared: SlicedCounts::default() }],
            reports: Vec::new(),
        };
        Flush { batch: Some(batch), ..knows(isolate, Some(8)) }
    }

    /// Isolates a and b are there when revision 8 kills the rollout.
    fn killed() -> Kills {
        let mut kills = Kills::default();
        kills.begin(&"shop".parse().unwrap(), 8, ["a", "b"].into_iter(), at(0));
        kills
    }

    #[track_caller]
    fn stands(kills: &Kills, isolates: &[&str], now_ms: i64, behind: usize, quiet_ms: Option<i64>) {
        let reported = kills.reaches(isolates.iter().map(|own| (*own, None)), at(now_ms));
        assert_eq!(
            reported.iter().map(|own| (own.isolates, own.behind, own.quiet_ms)).collect::<Vec<_>>(),
            [(isolates.len(), behind, quiet_ms)]
        );
    }

    #[test]
    fn it_is_quiet_from_when_the_last_isolate_knows() {
        let mut kills = killed();
        stands(&kills, &["a", "b"], 0, 2, None);
        kills.hear(&knows("a", Some(8)), at(500));
        kills.hear(&knows("b", Some(7)), at(700));
        stands(&kills, &["a", "b"], 900, 1, None);
        kills.hear(&knows("b", Some(9)), at(1_700));
        stands(&kills, &["a", "b"], 4_700, 0, Some(3_000));
    }

    #[test]
    fn a_request_to_new_that_is_reported_late_breaks_the_quiet() {
        let mut kills = killed();
        for isolate in ["a", "b"] {
            kills.hear(&knows(isolate, Some(8)), at(1_000));
        }
        kills.hear(&served_new("a", 7), at(3_000));
        stands(&kills, &["a", "b"], 3_500, 0, Some(500));
        kills.hear(&served_new("a", 8), at(4_000));
        stands(&kills, &["a", "b"], 4_000, 0, Some(1_000));
    }

    #[test]
    fn newcomers_count_as_behind_only_where_they_are() {
        let mut kills = killed();
        for isolate in ["a", "b", "c"] {
            kills.hear(&knows(isolate, Some(8)), at(1_000));
        }
        kills.hear(&Flush { known: Some(Vec::new()), ..knows("flags-only", None) }, at(2_000));
        kills.hear(&knows("c", Some(8)), at(2_000));
        stands(&kills, &["a", "b", "c", "flags-only"], 3_000, 0, Some(2_000));
        kills.hear(&knows("cold", None), at(3_000));
        stands(&kills, &["a", "b", "c", "cold"], 3_000, 1, None);
        stands(&kills, &["a", "b", "c"], 3_000, 0, Some(0));
    }

    #[test]
    fn a_kill_that_has_ended_or_is_long_ago_is_not_reported() {
        let mut kills = killed();
        kills.hear(&knows("a", Some(7)), at(WATCHED_MS));
        assert_eq!(kills.reaches([("a", None)].into_iter(), at(WATCHED_MS)), []);
        let mut kills = killed();
        kills.end(&"shop".parse().unwrap());
        assert_eq!(kills.reaches([("a", None)].into_iter(), at(1)), []);
    }

    #[test]
    fn a_relay_speaks_for_its_isolates_once_it_knows_of_the_kill_itself() {
        let mut kills = killed();
        for isolate in ["a", "b"] {
            kills.hear(&knows(isolate, Some(8)), at(1_000));
        }
        let stands = |kills: &Kills, relayed: &Relayed, now_ms: i64| {
            let there = [("a", None), ("b", None), ("relay-1-0", Some(relayed))];
            kills.reaches(there.into_iter(), at(now_ms)).pop().map(|own| (own.isolates, own.behind, own.quiet_ms))
        };
        let mut relayed = Relayed { isolates: 200, ..Relayed::default() };
        let hear = |kills: &mut Kills, relayed: &Relayed, now_ms: i64| {
            let flush = Flush { relay: Some(relayed.clone()), ..knows("relay-1-0", None) };
            kills.hear(&flush, at(now_ms));
        };
        hear(&mut kills, &relayed, 1_200);
        assert_eq!(stands(&kills, &relayed, 1_200), Some((202, 200, None)), "it does not know of it");
        relayed.behind = vec![("shop".into(), 7, 0)];
        hear(&mut kills, &relayed, 1_300);
        assert_eq!(stands(&kills, &relayed, 1_300), Some((202, 200, None)), "it knows of an earlier one");
        relayed.behind = vec![("shop".into(), 8, 3)];
        hear(&mut kills, &relayed, 1_400);
        assert_eq!(stands(&kills, &relayed, 1_400), Some((202, 3, None)));
        relayed.behind = vec![("shop".into(), 9, 0)];
        hear(&mut kills, &relayed, 1_500);
        assert_eq!(stands(&kills, &relayed, 1_900), Some((202, 0, Some(400))), "it has been quiet since they know");
    }
}
