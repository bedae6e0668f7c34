//! Sessions: a subject's requests without a pause of 30 minutes. They are found in what is counted anyway, the subjects
//! of each minute; so they cost a request nothing, and need neither a script nor a cookie.
//!
//! 1. A session counts where its last request was, and on that side: a subject ends one in a minute if it does not come
//!    in the 30 minutes after it. Each has one last request, so it counts once; whoever is still there counts where they
//!    were seen last.
//! 2. Minutes are kept for two hours, which is long enough to know. When they become an hour, the hour keeps the number.
//! 3. While each minute has up to 1,024 subjects the number is exact, to the minute; beyond that it rests on the same
//!    fair sample of subjects in all of them, those with the smallest hashes. Where hundreds of busy rollouts leave room
//!    for less, the times are in steps of ten minutes, and the sample is one of 64.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidegate_model::Minute;
use tidegate_model::measured::Window;
use tidegate_model::measured::sample::HASH_BITS;
use tidegate_model::variant::Variant;

/// Whoever comes again after more minutes begins another session: what analytics programs have agreed on.
pub const PAUSE_MINUTES: u64 = 30;

/// Sessions by side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ended {
    /// Of legacy.
    pub legacy: f64,
    /// Of new.
    pub new: f64,
}

impl Ended {
    /// Those that a window knows by their number.
    pub fn counted(window: &Window) -> Self {
        let of = |variant| window.tally(variant, None).map_or(0.0, |tally| tally.sessions as f64);
        Self { legacy: of(Variant::Legacy), new: of(Variant::New) }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.legacy += other.legacy;
        self.new += other.new;
    }

    /// Those of a side.
    pub const fn of(&self, variant: Variant) -> f64 {
        match variant {
            Variant::Legacy => self.legacy,
            Variant::New => self.new,
        }
    }

    /// Writes their numbers into the window that they are of.
    pub fn count_into(&self, window: &mut Window) {
        for (variant, count) in [(Variant::Legacy, self.legacy), (Variant::New, self.new)] {
            if count > 0.0
                && let Some(tally) = window.tally_mut(variant, None)
            {
                // At most what fits into the scale of hashes.
                tally.sessions = count.round() as u64;
            }
        }
    }
}

/// Spreads subjects over a table. Their hashes are even already, but small where only the smallest are kept.
#[derive(Default)]
struct Spreading(u64);

impl Hasher for Spreading {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 | u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn last_minute(window: &Window) -> Minute {
    window.minute + u64::from(window.minutes).saturating_sub(1)
}

/// The sessions that ended in each of `windows`, where `others` are the rest of what is known of that time and after it.
pub fn ended(windows: &[&Window], others: &[&Window]) -> Vec<Ended> {
    // Whoever comes before the first of them, or later than a pause after the last, says nothing of them.
    let first = windows.iter().map(|window| window.minute).min().unwrap_or_default();
    let last = windows.iter().map(|window| last_minute(window)).max().unwrap_or_default();
    let others = others.iter().filter(|window| (first..=last + PAUSE_MINUTES).contains(&window.minute));
    let all = || windows.iter().chain(others.clone());
    // Whoever lies above the end of any sample may have been there unseen.
    let end = all().filter_map(|window| window.subjects.end()).min();
    let weight = end.map_or(1.0, |end| (1_u64 << HASH_BITS) as f64 / (end as f64 + 1.0));
    let mut ended = vec![Ended::default(); windows.len()];
    let own = windows.iter().enumerate().map(|(index, window)| (Some(index), *window));
    let mut order: Vec<(Option<usize>, &Window)> = own.chain(others.clone().map(|window| (None, *window))).collect();
    order.sort_unstable_by_key(|(_, window)| std::cmp::Reverse((window.minute, window.revision)));
    // By hash: the first minute of the earliest window that was looked at in which the subject came.
    let room = 2 * all().map(|window| window.subjects.len()).max().unwrap_or_default();
    let mut comes_at: HashMap<u64, Minute, BuildHasherDefault<Spreading>> =
        HashMap::with_capacity_and_hasher(room, BuildHasherDefault::default());
    for (index, window) in order {
        let last_minute = last_minute(window);
        let mut before = None;
        // New stands behind legacy: whoever has been on both counts on new.
        for seen in window.subjects.iter().rev().skip_while(|seen| end.is_some_and(|end| seen.hash > end)) {
            if before.replace(seen.hash) == Some(seen.hash) {
                continue;
            }
            let goes_on =
                comes_at.insert(seen.hash, window.minute).is_some_and(|later| later <= last_minute + PAUSE_MINUTES);
            if let Some(own) = index.and_then(|index| ended.get_mut(index)).filter(|_| !goes_on) {
                let side = if seen.is_new { &mut own.new } else { &mut own.legacy };
                *side += weight;
            }
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Series, Span};
    use tidegate_model::measured::Seen;

    const START: Minute = Minute::new(30_000_000);

    /// A subject that came at these minutes, all on one side.
    fn came(series: &mut Series, subject: u64, variant: Variant, revision: u64, minutes: &[u64]) {
        for minute in minutes {
            let mut window = Window::at(START + *minute, revision);
            window.subjects.add(Seen::new(subject.wrapping_mul(0x9e37_79b9_7f4a_7c15), variant, true));
            series.add(window, (START + *minute).start());
        }
    }

    fn of_all(series: &Series) -> (f64, f64) {
        let all = series.sessions(Span { revision: 0, minute: None });
        (all.legacy, all.new)
    }

    #[test]
    fn thirty_minutes_without_a_request_end_a_session() {
        for (minutes, sessions) in [
            (&[0_u64][..], 1.0),
            (&[0, 1, 2, 3], 1.0),
            (&[0, 30], 1.0),
            (&[0, 31], 2.0),
            (&[0, 20, 40, 60, 80], 1.0),
            (&[0, 40, 80], 3.0),
        ] {
            let mut series = Series::default();
            came(&mut series, 1, Variant::New, 1, minutes);
            assert_eq!(of_all(&series), (0.0, sessions), "{minutes:?}");
        }
    }

    #[test]
    fn a_session_counts_once_on_the_side_of_its_last_request_whatever_the_revision() {
        let mut series = Series::default();
        came(&mut series, 1, Variant::Legacy, 1, &[0, 5]);
        came(&mut series, 1, Variant::New, 2, &[5, 10]);
        came(&mut series, 2, Variant::Legacy, 1, &[0]);
        assert_eq!(of_all(&series), (1.0, 1.0));
        let since = |revision| series.sessions(Span { revision, minute: None });
        assert_eq!(since(2), Ended { legacy: 0.0, new: 1.0 });
        assert_eq!(series.sessions(Span { revision: 0, minute: Some(START + 6) }), Ended { legacy: 0.0, new: 1.0 });
    }

    #[test]
    fn what_became_hours_and_days_knows_as_many_as_its_minutes_did() {
        let (mut folded, mut whole) = (Series::default(), Series::default());
        let mut minutes_of: Vec<Vec<u64>> = vec![Vec::new(); 200];
        for minute in 0..2_000_u64 {
            for subject in 0..200_u64 {
                // Bursts of visits, with pauses of all lengths between them.
                if (minute * 7 + subject * 131) % (37 + subject) < 3 {
                    let variant = if subject % 3 == 0 { Variant::New } else { Variant::Legacy };
                    came(&mut folded, subject + 1, variant, 1, &[minute]);
                    came(&mut whole, subject + 1, variant, 1, &[minute]);
                    minutes_of[subject as usize].push(minute);
                }
            }
            folded.fold((START + minute).start(), &mut |_| ());
        }
        let by_hand = |is_new: bool| {
            let came = minutes_of.iter().enumerate().filter(|(_, minutes)| !minutes.is_empty());
            let own = came.filter(|(subject, _)| (subject % 3 == 0) == is_new);
            own.map(|(_, minutes)| minutes.windows(2).filter(|pair| pair[1] - pair[0] > PAUSE_MINUTES).count() + 1)
                .sum::<usize>() as f64
        };
        assert_eq!(of_all(&whole), (by_hand(false), by_hand(true)));
        assert_eq!(of_all(&folded), of_all(&whole));
        assert!(folded.iter().any(|window| window.minutes >= 60));
    }

    #[test]
    fn a_sample_estimates_and_no_more_is_kept_than_its_subjects() {
        let mut series = Series::default();
        for subject in 0..20_000_u64 {
            let start = subject % 50;
            came(&mut series, subject, Variant::New, 1, &[start, start + 4, start + 45]);
        }
        let (_, sessions) = of_all(&series);
        assert!((sessions / 40_000.0 - 1.0).abs() < 0.15, "{sessions}");
        assert!(series.iter().all(|window| window.subjects.iter().count() <= 1_024));
    }
}
