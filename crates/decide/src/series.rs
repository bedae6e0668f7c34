//! What was measured of one rollout, over time: minutes for two hours, hours for three days, days before
//! them.
//!
//! A window never mixes revisions, so a stage or an attempt is measured exactly, from the revision that
//! began it, whatever minute that was in. A span of more than two hours is made of whole hours, one of more
//! than three days of whole days.

use crate::sessions::{self, Ended};
use tidegate_model::measured::Window;
use tidegate_model::minute::{DAY_MINUTES as DAY, HOUR_MINUTES as HOUR};
use tidegate_model::{Instant, Minute};

/// Windows become part of a longer one when they are older than this, in minutes: of what length, how old,
/// and of what length the longer one is. And how long days are kept. By how frugal a series has to be: a
/// deployment of hundreds of busy rollouts has no room for the first of them.
const FOLDS: [Folds; FRUGALITY_MAX + 1] = [
    Folds { steps: &[(1, 2 * HOUR, HOUR), (HOUR, 3 * DAY, DAY)], kept_max: 90 * DAY },
    Folds { steps: &[(1, 20, TEN), (TEN, 2 * HOUR, HOUR), (HOUR, DAY, DAY)], kept_max: 30 * DAY },
    Folds { steps: &[(1, 15, TEN), (TEN, HOUR, HOUR), (HOUR, 12 * HOUR, DAY)], kept_max: 7 * DAY },
];
const TEN: u64 = 10;
/// The most frugal that a series can be.
pub const FRUGALITY_MAX: usize = 2;
/// So many subjects stay in each sample of a frugal series, which estimates their number within an eighth.
const FRUGAL_SUBJECTS: usize = 64;
/// A minute that is still being counted is not thinned.
const COUNTED_MINUTES: u64 = 2;
/// What comes later than this joins the minute in which it comes.
const LATE_MINUTES_MAX: u64 = 60;

/// When windows become part of longer ones.
struct Folds {
    steps: &'static [(u64, u64, u64)],
    kept_max: u64,
}

/// Nothing measured.
static NOTHING: Window = Window::NOTHING;

/// The windows of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// In the order of their time and revision.
    windows: Vec<Window>,
    /// Running sums, each of all windows from its revision on.
    sums: Vec<(u64, Window)>,
}

/// Since when something is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not before this revision.
    pub revision: u64,
    /// Not before this minute; `None` for no limit.
    pub minute: Option<Minute>,
}

impl Series {
    /// Adds what was counted; returns the minute that it went to, and the revision.
    pub fn add(&mut self, mut window: Window, now: Instant) -> (Minute, u64) {
        let now_minute = now.minute();
        let is_plausible = window.minute <= now_minute && window.minute + LATE_MINUTES_MAX >= now_minute;
        if !is_plausible {
            window.minute = now_minute;
        }
        window.minutes = 1;
        for (revision, sum) in &mut self.sums {
            if window.revision >= *revision {
                sum.merge(&window);
            }
        }
        let place = (window.minute, window.revision);
        self.insert(window);
        place
    }

    /// Takes in a window that was stored.
    pub fn restore(&mut self, window: Window) {
        self.sums.clear();
        self.insert(window);
    }

    fn insert(&mut self, window: Window) {
        let key = |window: &Window| (window.minute, window.minutes, window.revision);
        match self.windows.binary_search_by_key(&key(&window), key) {
            Ok(index) => {
                if let Some(own) = self.windows.get_mut(index) {
                    own.merge(&window);
                }
            }
            Err(index) => self.windows.insert(index, window),
        }
    }

    /// Makes hours of old minutes and days of old hours, and forgets old days. Tells of each window that
    /// becomes part of a longer one; returns the longer ones, as (first minute, minutes, revision).
    pub fn fold(&mut self, now: Instant, tell: &mut dyn FnMut(&Window)) -> Vec<(Minute, u32, u64)> {
        self.fold_frugally(0, now, tell)
    }

    /// The same, as frugally as it has to be: minutes for 20 and tens of them for two hours at 1, for 15 and for an
    /// hour at 2, each window with a small sample of its subjects.
    pub fn fold_frugally(
        &mut self,
        frugality: usize,
        now: Instant,
        tell: &mut dyn FnMut(&Window),
    ) -> Vec<(Minute, u32, u64)> {
        let now_minute = now.minute();
        let mut grown = Vec::new();
        let Some(Folds { steps, kept_max }) = FOLDS.get(frugality.min(FRUGALITY_MAX)) else { return grown };
        for &(length, age, longer) in *steps {
            let is_old = |window: &Window| u64::from(window.minutes) == length && window.end() + age <= now_minute;
            if !self.windows.iter().any(is_old) {
                continue;
            }
            let old: Vec<Window> = self.windows.extract_if(.., |window| is_old(window)).collect();
            // An hour does not know any more who came when.
            let sessions = if length < HOUR && longer >= HOUR {
                let others: Vec<&Window> =
                    self.windows.iter().filter(|window| u64::from(window.minutes) < HOUR).collect();
                sessions::ended(&old.iter().collect::<Vec<_>>(), &others)
            } else {
                Vec::new()
            };
            for (index, mut window) in old.into_iter().enumerate() {
                tell(&window);
                if let Some(ended) = sessions.get(index) {
                    ended.count_into(&mut window);
                }
                window.minute = window.minute.first_of(longer);
                window.minutes = u32::try_from(longer).unwrap_or(u32::MAX);
                let place = (window.minute, window.minutes, window.revision);
                if !grown.contains(&place) {
                    grown.push(place);
                }
                self.insert(window);
            }
        }
        self.windows.retain(|window| {
            let is_kept = window.minute + *kept_max >= now_minute;
            if !is_kept {
                tell(window);
            }
            is_kept
        });
        if frugality > 0 {
            let counted = |window: &&mut Window| window.end() + COUNTED_MINUTES <= now_minute || window.minutes > 1;
            self.windows.iter_mut().filter(counted).for_each(|window| window.thin(FRUGAL_SUBJECTS));
            self.windows.shrink_to_fit();
        }
        grown
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.windows.iter().chain(self.sums.iter().map(|(_, sum)| sum)).map(Window::bytes).sum()
    }

    /// The window of this time, length and revision.
    pub fn get(&self, minute: Minute, minutes: u32, revision: u64) -> Option<&Window> {
        self.windows
            .iter()
            .find(|window| (window.minute, window.minutes, window.revision) == (minute, minutes, revision))
    }

    /// All windows.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter()
    }

    /// The windows of a span. Hours count whole where they overlap it.
    pub fn over(&self, span: Span) -> impl Iterator<Item = &Window> {
        // None is longer than a day, so those before it are over.
        let day_before = span.minute.map_or(Minute::EPOCH, |minute| minute - DAY);
        let over = self.windows.partition_point(|window| window.minute < day_before);
        self.windows.iter().skip(over).filter(move |window| {
            window.revision >= span.revision && span.minute.is_none_or(|minute| window.end() > minute)
        })
    }

    /// How many sessions had their last request in a span, on legacy and on new; those that go on count too.
    pub fn sessions(&self, span: Span) -> Ended {
        let (recent, folded): (Vec<&Window>, Vec<&Window>) =
            self.over(span).partition(|window| u64::from(window.minutes) < HOUR);
        let later: Vec<&Window> = match recent.first() {
            Some(first) => {
                let is_other = |window: &&Window| {
                    u64::from(window.minutes) < HOUR && window.minute >= first.minute && window.revision < span.revision
                };
                self.windows.iter().filter(is_other).collect()
            }
            None => Vec::new(),
        };
        let mut all = Ended::default();
        sessions::ended(&recent, &later).iter().for_each(|own| all.add(own));
        folded.into_iter().for_each(|window| all.add(&Ended::counted(window)));
        all
    }

    /// Everything from this revision on, kept up to date once it has been asked for. Only the last few
    /// revisions that were asked for are kept.
    pub fn since(&mut self, revision: u64) -> &Window {
        const SUMS_MAX: usize = 4;
        let index = self.sums.iter().position(|(own, _)| *own == revision).unwrap_or_else(|| {
            let mut sum = Window::at(Minute::EPOCH, revision);
            for window in self.windows.iter().filter(|window| window.revision >= revision) {
                sum.merge(window);
            }
            if self.sums.len() >= SUMS_MAX {
                self.sums.remove(0);
            }
            self.sums.push((revision, sum));
            self.sums.len() - 1
        });
        self.sums.get(index).map_or(&NOTHING, |(_, sum)| sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::{Sample, Seen};
    use tidegate_model::variant::Variant;

    fn at(minute: u64) -> Instant {
        Minute::new(minute).start()
    }

    fn window(minute: u64, revision: u64, requests: u64) -> Window {
        let mut window = Window::at(Minute::new(minute), revision);
        if let Some(tally) = window.tally_mut(Variant::New, None) {
            tally.requests = requests;
        }
        window
    }

    #[test]
    fn a_frugal_series_loses_nothing_but_how_fine_it_is() {
        let mut series = Series::default();
        let start = 30_000_000;
        for minute in start..start + 3_000 {
            let mut own = window(minute, 1, 3);
            (0..100).for_each(|n| {
                own.subjects.add(Seen::new((minute * 100 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15), Variant::New, true))
            });
            series.add(own, at(minute));
            series.fold_frugally(1, at(minute), &mut |_| ());
            let recent =
                series.over(Span { revision: 0, minute: Some(Minute::new(minute.saturating_sub(9).max(start))) });
            assert_eq!(requests(recent), 3 * (minute - start + 1).min(10), "the last ten minutes are exact");
        }
        assert_eq!(requests(series.iter()), 9_000);
        let count = |minutes: u32| series.iter().filter(|window| window.minutes == minutes).count();
        assert!(count(1) <= 31 && count(10) <= 19 && count(60) <= 26, "{} {} {}", count(1), count(10), count(60));
        let all = series.iter().fold(Sample::default(), |mut all, window| {
            all.merge(&window.subjects);
            all
        });
        let subjects = all.distinct(|_| true);
        assert!((subjects / 300_000.0 - 1.0).abs() < 0.5, "{subjects}");
        let frugal = series.bytes();
        (1..200)
            .for_each(|minute| assert!(series.fold_frugally(2, at(start + 3_000 + minute), &mut |_| ()).len() < 100));
        assert!(series.bytes() < frugal);
    }

    fn requests<'a>(windows: impl Iterator<Item = &'a Window>) -> u64 {
        windows.filter_map(|window| window.tally(Variant::New, None)).map(|tally| tally.requests).sum()
    }

    #[test]
    fn folding_loses_nothing() {
        let mut series = Series::default();
        let start = 30_000_000;
        for minute in start..start + 1_000 {
            series.add(window(minute, 1 + minute / 500, 3), at(minute));
            series.fold(at(minute), &mut |_| ());
            assert_eq!(
                series.since(1).tally(Variant::New, None).map(|tally| tally.requests),
                Some(requests(series.iter()))
            );
        }
        assert_eq!(requests(series.iter()), 3_000);
        assert!(series.iter().count() < 150, "{}", series.iter().count());
        assert_eq!(requests(series.over(Span { revision: 0, minute: Some(Minute::new(start + 995)) })), 15);
    }

    #[test]
    fn what_is_old_is_reported_once_and_lies_in_longer_windows() {
        let mut series = Series::default();
        let (start, minutes) = (30_000_000, 10 * 24 * 60);
        let (mut reported, mut lengths) = ((0, 0), Vec::new());
        for minute in (start..start + minutes).step_by(10) {
            series.add(window(minute, 1, 1), at(minute));
            let grown = series.fold(at(minute), &mut |window| match window.minutes {
                1 => reported.0 += 1,
                _ => reported.1 += 1,
            });
            lengths.extend(grown.into_iter().map(|(_, minutes, _)| minutes));
        }
        let count = |minutes: u32| series.iter().filter(|window| window.minutes == minutes).count();
        assert_eq!((count(1), count(60), count(1440)), (13, 71, 8), "two hours of minutes, three days of hours");
        assert_eq!(reported, (minutes / 10 - 13, 10 * 24 - 2 - 71));
        assert!(lengths.contains(&60) && lengths.contains(&1440));
        assert_eq!(requests(series.iter()), minutes / 10);
        series.fold(at(start + minutes + 100 * 24 * 60), &mut |_| ());
        assert_eq!(series.iter().count(), 0, "what is older than 90 days is forgotten");
    }

    #[test]
    fn what_cannot_be_true_of_its_time_counts_now() {
        let mut series = Series::default();
        let now = at(30_000_000);
        assert_eq!(series.add(window(40_000_000, 5, 1), now), (Minute::new(30_000_000), 5));
        assert_eq!(series.add(window(u64::MAX - 3, 5, 1), now), (Minute::new(30_000_000), 5));
        assert_eq!(series.add(window(7, 5, 1), now), (Minute::new(30_000_000), 5));
        assert_eq!(series.add(window(29_999_970, 5, 1), now), (Minute::new(29_999_970), 5));
        assert_eq!(requests(series.over(Span { revision: 5, minute: None })), 4);
        assert_eq!(requests(series.over(Span { revision: 6, minute: None })), 0);
    }
}
