//! One rollout, one revision, one minute, hour or day: counts and sketches by side, and who was seen.

//!
//! An isolate sends windows and the controller stores them in the same format; nothing of a window is
//! believed that cannot have been counted.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::by_value::ByValue;
use super::sample::Sample;
use super::sketch::Sketch;
use super::tally::{Measure, NAMES_MAX, Tally};
use crate::serial::pairs;
use crate::variant::Variant;
use crate::{Minute, Name};

/// A variant, everywhere or at one endpoint of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The variant.
    pub variant: Variant,
    /// The endpoint; `None` is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
}

/// One rollout under one revision in one span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first minute.
    pub minute: Minute,
    /// How many minutes it spans.
    pub minutes: u32,
    /// The revision that subjects were assigned under.
    pub revision: u64,
    /// What happened, by side.
    #[serde(serialize_with = "print_sides", deserialize_with = "read_sides")]
    pub sides: Vec<(Side, Tally)>,
    /// Who was assigned.
    #[serde(default, skip_serializing_if = "Sample::is_empty")]
    pub subjects: Sample,
    /// Whose request has failed.
    #[serde(default, skip_serializing_if = "Sample::is_empty")]
    pub failing: Sample,
    /// Whose page had a JavaScript error.
    #[serde(default, skip_serializing_if = "Sample::is_empty")]
    pub erring: Sample,
    /// Who reported which event.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub events: Vec<(Name, Sample)>,
}

/// A side and what happened there, as one object.
#[derive(Serialize, Deserialize)]
struct Printed<S, T> {
    #[serde(flatten)]
    side: S,
    #[serde(flatten)]
    tally: T,
}

fn print_sides<S: Serializer>(sides: &[(Side, Tally)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sides.iter().map(|(side, tally)| Printed { side, tally }))
}

fn read_sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Side, Tally)>, D::Error> {
    let sides = Vec::<Printed<Side, Tally>>::deserialize(deserializer)?;
    Ok(sides.into_iter().map(|Printed { side, tally }| (side, tally)).collect())
}

impl Window {
    /// Reads one alone, as it was stored; `None` for what cannot be read.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|window: &Self| window.check().is_ok())
    }

    /// Checks what its format does not say.
    ///
    /// # Errors
    /// With what cannot have been counted.
    pub fn check(&self) -> Result<(), String> {
        self.sides.iter().try_for_each(|(_, tally)| tally.check())
    }

    /// Nothing at all.
    pub const NOTHING: Self = Self {
        minute: Minute::EPOCH,
        minutes: 1,
        revision: 0,
        sides: Vec::new(),
        subjects: Sample::EMPTY,
        failing: Sample::EMPTY,
        erring: Sample::EMPTY,
        events: Vec::new(),
    };

    /// An empty minute.
    pub fn at(minute: Minute, revision: u64) -> Self {
        Self { minute, revision, ..Self::NOTHING }
    }

    /// The minute after its last.
    pub fn end(&self) -> Minute {
        self.minute + u64::from(self.minutes)
    }

    /// What happened on a side; `None` for nothing.
    pub fn tally(&self, variant: Variant, endpoint: Option<&Name>) -> Option<&Tally> {
        self.sides
            .iter()
            .find(|(side, _)| side.variant == variant && side.endpoint.as_ref() == endpoint)
            .map(|(_, tally)| tally)
    }

    /// The same, to add to.
    pub fn tally_mut(&mut self, variant: Variant, endpoint: Option<&Name>) -> Option<&mut Tally> {
        let index =
            self.sides.iter().position(|(side, _)| side.variant == variant && side.endpoint.as_ref() == endpoint);
        let index = index.unwrap_or_else(|| {
            self.sides.push((Side { variant, endpoint: endpoint.cloned() }, Tally::default()));
            self.sides.len() - 1
        });
        self.sides.get_mut(index).map(|(_, tally)| tally)
    }

    /// Who reported an event.
    pub fn event(&self, name: &Name) -> Option<&Sample> {
        self.events.iter().find(|(own, _)| own == name).map(|(_, sample)| sample)
    }

    /// The same, to add to; `None` once there are too many names.
    pub fn event_mut(&mut self, name: &Name) -> Option<&mut Sample> {
        let index = match self.events.iter().position(|(own, _)| own == name) {
            Some(index) => index,
            None if self.events.len() >= NAMES_MAX => return None,
            None => {
                self.events.push((name.clone(), Sample::default()));
                self.events.len() - 1
            }
        };
        self.events.get_mut(index).map(|(_, sample)| sample)
    }

    /// Keeps so many subjects of each sample at most, and gives back the room that nothing is in.
    pub fn thin(&mut self, subjects_max: usize) {
        self.subjects.thin(subjects_max);
        self.failing.thin(subjects_max);
        self.erring.thin(subjects_max);
        self.events.iter_mut().for_each(|(_, sample)| sample.thin(subjects_max));
        for (_, tally) in &mut self.sides {
            tally.sketches.iter_mut().for_each(|(_, sketch)| sketch.shrink());
        }
    }

    /// Takes out what was counted by dimensions, as a window of its own; `None` where nothing was.
    pub fn take_values(&mut self) -> Option<Self> {
        let mut values = Self { minutes: self.minutes, ..Self::at(self.minute, self.revision) };
        for (side, tally) in &mut self.sides {
            let by = std::mem::take(&mut tally.by);
            if !by.is_empty() {
                values.sides.push((side.clone(), Tally { by, ..Tally::default() }));
            }
        }
        (!values.sides.is_empty()).then_some(values)
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let sketches = |tally: &Tally| {
            tally.sketches.iter().map(|(_, sketch)| size_of::<(Measure, Sketch)>() + sketch.bytes()).sum::<usize>()
        };
        let sides: usize = self
            .sides
            .iter()
            .map(|(_, tally)| {
                size_of::<(Side, Tally)>()
                    + sketches(tally)
                    + tally.scripts.bytes()
                    + tally.by.iter().map(ByValue::bytes).sum::<usize>()
                    + 16 * (tally.statuses.len() + 2 * tally.repeats.len())
            })
            .sum();
        let events: usize = self
            .events
            .iter()
            .map(|(name, sample)| size_of::<(Name, Sample)>() + name.as_str().len() + sample.bytes())
            .sum();
        let seen = self.subjects.bytes() + self.failing.bytes() + self.erring.bytes();
        size_of::<Self>() + sides + seen + events
    }

    /// Adds what another counted; its span stays.
    pub fn merge(&mut self, other: &Self) {
        for (side, tally) in &other.sides {
            if let Some(own) = self.tally_mut(side.variant, side.endpoint.as_ref()) {
                own.merge(tally);
            }
        }
        self.subjects.merge(&other.subjects);
        self.failing.merge(&other.failing);
        self.erring.merge(&other.erring);
        for (name, sample) in &other.events {
            if let Some(own) = self.event_mut(name) {
                own.merge(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Seen;
    use super::super::sketch::bucket;
    use super::super::sliced::Quantity;
    use super::*;
    use crate::condition::Vital;

    fn name(text: &str) -> Name {
        text.parse().unwrap_or_else(|_| unreachable!())
    }

    fn window() -> Window {
        let mut window = Window::at(Minute::new(29_000_000), 7);
        if let Some(tally) = window.tally_mut(Variant::New, Some(&name("api"))) {
            (tally.requests, tally.errors, tally.rescued, tally.js_errors) = (9, 2, 1, 3);
            (tally.client_errors, tally.timeouts, tally.abandoned, tally.broken) = (4, 1, 5, 6);
            tally.add_status(404, 4);
            tally.add_repeats(&Quantity::Errors, 1);
            tally.add_repeats(&Quantity::Status(404), 3);
            for measure in [Measure::Latency, Measure::Waited, Measure::Vital(Vital::Cls), Measure::Timing(name("tti"))]
            {
                if let Some(sketch) = tally.sketch_mut(&measure) {
                    sketch.add(bucket(12.5).unwrap_or_default(), 4);
                }
            }
        }
        window.subjects.add(Seen::new(u64::MAX / 3, Variant::New, true));
        if let Some(sample) = window.event_mut(&name("used")) {
            sample.add(Seen::new(5 << 40, Variant::Legacy, false));
        }
        window
    }

    #[test]
    fn a_window_comes_back() {
        let text = serde_json::to_string(&window()).unwrap_or_default();
        assert_eq!(Window::parse(&text), Some(window()));
    }

    #[test]
    fn damage_is_refused_whole() {
        let text = serde_json::to_string(&window()).unwrap_or_default();
        for (right, wrong) in [
            ("\"requests\":9", "\"requests\":-9"),
            ("\"requests\":9", "\"requests\":1e300"),
            ("\"errors\":2", "\"errors\":null2"),
            ("\"new\"", "\"blue\""),
            ("\"404\"", "\"302\""),
            ("\"status.404\"", "\"status.4040\""),
            ("\"requests\":9", "\"requests\":9999999999999999"),
        ] {
            assert!(text.contains(right));
            assert_eq!(Window::parse(&text.replace(right, wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_later_release_counts_too_is_passed_over() {
        let text = serde_json::to_string(&window()).unwrap_or_default();
        for (own, later) in [
            ("\"requests\":9", "\"requests\":9,\"retried\":{\"by\":[1]}"),
            ("\"latency\":", "\"lateness\":\"2 9\",\"latency\":"),
            ("\"status.404\":", "\"redirects\":7,\"status.404\":"),
            ("\"minutes\":1", "\"minutes\":1,\"shadow\":[{}]"),
        ] {
            assert!(text.contains(own), "{own}");
            assert_eq!(Window::parse(&text.replace(own, later)), Some(window()), "{later}");
        }
    }

    #[test]
    fn what_did_not_happen_is_not_reported() {
        let mut window = Window::at(Minute::new(29_000_000), 7);
        if let Some(tally) = window.tally_mut(Variant::New, None) {
            tally.requests = 3;
        }
        let text = r#"{"minute":29000000,"minutes":1,"revision":7,"sides":[{"variant":"new","requests":3}]}"#;
        assert_eq!(serde_json::to_string(&window).unwrap_or_default(), text);
        assert_eq!(Window::parse(text), Some(window));
    }

    #[test]
    fn the_lowest_statuses_are_kept_in_whatever_order_they_come() {
        let tally = |statuses: &mut dyn Iterator<Item = u16>| {
            let mut tally = Tally::default();
            statuses.for_each(|status| tally.add_status(status, 2));
            tally
        };
        let up = tally(&mut (200..=599));
        assert_eq!(up.statuses, (400..416).map(|status| (status, 2)).collect::<Vec<_>>());
        assert_eq!(tally(&mut (200..=999).rev()), up);
        let mut merged = tally(&mut (400..=450).filter(|status| status % 2 == 0));
        merged.merge(&tally(&mut (400..=450).filter(|status| status % 2 == 1)));
        assert_eq!(merged, up);
    }

    #[test]
    fn names_are_bounded() {
        let mut window = Window::at(Minute::new(1), 1);
        let sketched = (0..1_000)
            .filter(|n| {
                window
                    .tally_mut(Variant::New, None)
                    .and_then(|tally| tally.sketch_mut(&Measure::Timing(name(&format!("t{n}")))))
                    .is_some()
            })
            .count();
        let reported = (0..1_000).filter(|n| window.event_mut(&name(&format!("e{n}"))).is_some()).count();
        assert_eq!((sketched, reported), (NAMES_MAX, NAMES_MAX));
    }

    #[test]
    fn sums_saturate() {
        let mut window = window();
        for _ in 0..3 {
            if let Some(tally) = window.tally_mut(Variant::New, Some(&name("api"))) {
                tally.requests = u64::MAX - 1;
            }
            let other = window.clone();
            window.merge(&other);
        }
        assert_eq!(window.tally(Variant::New, Some(&name("api"))).map(|tally| tally.requests), Some(u64::MAX));
    }
}
