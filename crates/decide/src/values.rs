//! What was counted by the plan's dimensions: half an hour at a time, for an hour at least.
//!
//! Nothing decides by it, and nobody asks for a single minute. With hundreds of values it would be most of what a
//! rollout keeps, were it in each of a series' minutes.

use tidegate_model::measured::Window;
use tidegate_model::{Instant, Minute};

/// So many minutes are counted together.
pub const MINUTES: u32 = 30;
/// Which are kept until they ended so many minutes ago.
const KEPT_MINUTES: u64 = 60;

/// What was counted by the plan's dimensions of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<Window>);

impl Values {
    /// The window in which what was counted in a minute stands.
    pub fn at(&self, minute: Minute, revision: u64) -> Option<&Window> {
        let minute = minute.first_of(u64::from(MINUTES));
        self.0.iter().find(|own| (own.minute, own.revision) == (minute, revision))
    }

    /// Adds what was counted in a minute ([`Window::take_values`]), and forgets what is too old.
    pub fn add(&mut self, values: Window, minute: Minute, now: Instant) {
        self.0.retain(|own| is_recent(own, now));
        self.insert(Window { minute: minute.first_of(u64::from(MINUTES)), minutes: MINUTES, ..values });
    }

    /// Takes in a window that was stored.
    pub fn restore(&mut self, stored: Window) {
        self.insert(stored);
    }

    fn insert(&mut self, values: Window) {
        match self.0.iter_mut().find(|own| (own.minute, own.revision) == (values.minute, values.revision)) {
            Some(own) => own.merge(&values),
            None => self.0.push(values),
        }
    }

    /// The windows since this revision that reach into the last hour until `now`.
    pub fn since(&self, revision: u64, now: Instant) -> impl Iterator<Item = &Window> {
        self.0.iter().filter(move |own| own.revision >= revision && own.minute <= now.minute() && is_recent(own, now))
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Window::bytes).sum()
    }
}

fn is_recent(window: &Window, now: Instant) -> bool {
    window.end() + KEPT_MINUTES > now.minute()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::dimension::Dimension;
    use tidegate_model::measured::ValueCounts;
    use tidegate_model::variant::Variant;

    const START: Minute = Minute::new(30_000_000);

    fn one(revision: u64) -> Window {
        let mut window = Window::at(Minute::EPOCH, revision);
        let counts = ValueCounts { requests: 1, ..ValueCounts::default() };
        window.tally_mut(Variant::New, None).unwrap().by_mut(&Dimension::Browser).unwrap().add("Safari", &counts);
        window
    }

    fn requests<'a>(windows: impl Iterator<Item = &'a Window>) -> u64 {
        let tallies = windows.filter_map(|own| own.tally(Variant::New, None));
        tallies.map(|own| own.by[0].get("Safari").unwrap().requests).sum()
    }

    #[test]
    fn an_hour_is_kept_and_little_more_whatever_comes_late() {
        let mut values = Values::default();
        for age in 1..=1_000 {
            let minute = START + age - 1;
            values.add(one(1), minute, minute.start());
            values.add(one(1), minute - 7, minute.start());
            let known = requests(values.since(1, minute.start()));
            // What came seven minutes late may belong to half an hour that is gone.
            assert!((2 * age.min(60) - age.min(7)..=2 * age.min(90) + 14).contains(&known), "{known} after {age} min");
            assert!(values.0.len() <= 4, "{}", values.0.len());
        }
    }

    #[test]
    fn an_attempt_has_its_own() {
        let mut values = Values::default();
        values.add(one(3), START, START.start());
        values.add(one(5), START + 1, (START + 1).start());
        assert_eq!([0, 4, 6].map(|revision| requests(values.since(revision, (START + 2).start()))), [2, 1, 0]);
        let mut again = Values::default();
        values.0.iter().for_each(|own| again.restore(own.clone()));
        assert_eq!(again.0, values.0);
        assert_eq!(values.at(START + 9, 5).map(|own| own.minute), Some(START));
    }
}
