//! One rollout, one revision, one minute, hour or day: counts and sketches by side, and who was seen.

use std::fmt;
use std::str::FromStr;

use super::sample::Sample;
use super::sketch::Sketch;
use super::sliced::{Quantity, STATUSES};
use crate::model::condition::Vital;
use crate::model::variant::Variant;
use crate::model::{Name, serialize_as_text};

/// Names of timings and events are chosen by pages; so many are kept in one window.
pub const NAMES_MAX: usize = 32;
/// So many different statuses are kept of one side: the lowest, so that the order in which counts are
/// added up means nothing.
pub const STATUSES_MAX: usize = 16;

/// Something measured as a distribution, in milliseconds but for CLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Upstream time to headers.
    Latency,
    /// How long those waited who gave up before there were headers.
    Waited,
    /// A web vital.
    Vital(Vital),
    /// A timing that pages report under a name.
    Timing(Name),
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency => f.write_str("latency"),
            Self::Waited => f.write_str("waited"),
            Self::Vital(vital) => write!(f, "{vital}"),
            Self::Timing(name) => write!(f, "timing.{name}"),
        }
    }
}

serialize_as_text!(Measure);

impl FromStr for Measure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "latency" => return Ok(Self::Latency),
            "waited" => return Ok(Self::Waited),
            _ => {}
        }
        if let Some(vital) = Vital::ALL.into_iter().find(|vital| vital.word() == text) {
            return Ok(Self::Vital(vital));
        }
        text.strip_prefix("timing.").and_then(|name| name.parse().ok()).map(Self::Timing).ok_or(())
    }
}

/// What happened on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that the side was asked to answer.
    pub requests: u64,
    /// Those of them that failed, as the plan defines it.
    pub errors: u64,
    /// Those of them that it answered with a 4xx.
    pub client_errors: u64,
    /// Those of them that had no headers in time.
    pub timeouts: u64,
    /// Those of them that their clients gave up before there were headers.
    pub abandoned: u64,
    /// Pages among them whose body ended early or stalled.
    pub broken: u64,
    /// By status, ascending: those of them that it answered with it, from 400. At most [`STATUSES_MAX`].
    pub statuses: Vec<(u16, u64)>,
    /// How many of each of these had the same subject, or client, and the same minute as another.
    pub repeats: Vec<(Quantity, u64)>,
    /// Those of them that legacy answered in its place.
    pub rescued: u64,
    /// Page views that reported.
    pub pages: u64,
    /// Those of them with a JavaScript error.
    pub failed_pages: u64,
    /// JavaScript errors.
    pub js_errors: u64,
    /// Distributions.
    pub sketches: Vec<(Measure, Sketch)>,
}

impl Tally {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.client_errors, other.client_errors),
            (&mut self.timeouts, other.timeouts),
            (&mut self.abandoned, other.abandoned),
            (&mut self.broken, other.broken),
            (&mut self.rescued, other.rescued),
            (&mut self.pages, other.pages),
            (&mut self.failed_pages, other.failed_pages),
            (&mut self.js_errors, other.js_errors),
        ];
        for (own, theirs) in pairs {
            *own = own.saturating_add(theirs);
        }
        other.statuses.iter().for_each(|(status, count)| self.add_status(*status, *count));
        other.repeats.iter().for_each(|(of, count)| self.add_repeats(of, *count));
        for (measure, sketch) in &other.sketches {
            if let Some(own) = self.sketch_mut(measure) {
                own.merge(sketch);
            }
        }
    }

    /// Adds answers with a status; one under 400 is not kept.
    pub fn add_status(&mut self, status: u16, count: u64) {
        if !STATUSES.contains(&status) {
            return;
        }
        match self.statuses.binary_search_by_key(&status, |(own, _)| *own) {
            Ok(index) => {
                if let Some((_, own)) = self.statuses.get_mut(index) {
                    *own = own.saturating_add(count);
                }
            }
            Err(index) if index < STATUSES_MAX => {
                self.statuses.truncate(STATUSES_MAX - 1);
                self.statuses.insert(index, (status, count));
            }
            Err(_) => {}
        }
    }

    /// Adds to how often something happened to a subject's minute to which it had happened already.
    pub fn add_repeats(&mut self, of: &Quantity, count: u64) {
        let is_full = self.repeats.len() >= NAMES_MAX;
        match self.repeats.iter_mut().find(|(own, _)| own == of) {
            Some((_, own)) => *own = own.saturating_add(count),
            None if is_full => {}
            None => self.repeats.push((of.clone(), count)),
        }
    }

    /// How often something came of a request; `None` for what does not come of requests.
    pub fn count_mut(&mut self, of: &Quantity) -> Option<&mut u64> {
        match of {
            Quantity::Errors => Some(&mut self.errors),
            Quantity::ClientErrors => Some(&mut self.client_errors),
            Quantity::Timeouts => Some(&mut self.timeouts),
            Quantity::Abandoned => Some(&mut self.abandoned),
            Quantity::Broken => Some(&mut self.broken),
            Quantity::Status(_) | Quantity::JsErrors | Quantity::Event(_) => None,
        }
    }

    /// How many requests something came of; 0 for what does not come of requests.
    pub fn count(&self, of: &Quantity) -> u64 {
        match of {
            Quantity::Errors => self.errors,
            Quantity::ClientErrors => self.client_errors,
            Quantity::Timeouts => self.timeouts,
            Quantity::Abandoned => self.abandoned,
            Quantity::Broken => self.broken,
            Quantity::Status(status) => {
                self.statuses.iter().find(|(own, _)| own == status).map_or(0, |(_, count)| *count)
            }
            Quantity::JsErrors | Quantity::Event(_) => 0,
        }
    }

    /// How many of them had the same subject, or client, and the same minute as another.
    pub fn repeats(&self, of: &Quantity) -> u64 {
        self.repeats.iter().find(|(own, _)| own == of).map_or(0, |(_, count)| *count)
    }

    /// The distribution of a measure.
    pub fn sketch(&self, measure: &Measure) -> Option<&Sketch> {
        self.sketches.iter().find(|(own, _)| own == measure).map(|(_, sketch)| sketch)
    }

    /// The same, to add to; `None` once there are too many names.
    pub fn sketch_mut(&mut self, measure: &Measure) -> Option<&mut Sketch> {
        let index = match self.sketches.iter().position(|(own, _)| own == measure) {
            Some(index) => index,
            None if matches!(measure, Measure::Timing(_)) && self.sketches.len() >= NAMES_MAX => return None,
            None => {
                self.sketches.push((measure.clone(), Sketch::default()));
                self.sketches.len() - 1
            }
        };
        self.sketches.get_mut(index).map(|(_, sketch)| sketch)
    }
}

/// One of the statuses that are counted one by one.
pub fn status(text: &str) -> Option<u16> {
    let has_digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| has_digits && STATUSES.contains(status))
}

/// A variant, everywhere or at one endpoint of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The variant.
    pub variant: Variant,
    /// The endpoint; `None` is everywhere.
    pub endpoint: Option<Name>,
}

/// One rollout under one revision in one span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its first minute, counted since 1970.
    pub minute: u64,
    /// How many minutes it spans.
    pub minutes: u32,
    /// The revision that subjects were assigned under.
    pub revision: u64,
    /// What happened, by side.
    pub sides: Vec<(Side, Tally)>,
    /// Who was assigned.
    pub subjects: Sample,
    /// Who reported which event.
    pub events: Vec<(Name, Sample)>,
}

impl Window {
    /// Nothing at all.
    pub const NOTHING: Self =
        Self { minute: 0, minutes: 1, revision: 0, sides: Vec::new(), subjects: Sample::EMPTY, events: Vec::new() };

    /// An empty minute.
    pub fn at(minute: u64, revision: u64) -> Self {
        Self { minute, revision, ..Self::NOTHING }
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
        self.events.iter_mut().for_each(|(_, sample)| sample.thin(subjects_max));
        for (_, tally) in &mut self.sides {
            tally.sketches.iter_mut().for_each(|(_, sketch)| sketch.shrink());
        }
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
                size_of::<(Side, Tally)>() + sketches(tally) + 16 * (tally.statuses.len() + 2 * tally.repeats.len())
            })
            .sum();
        let events: usize = self
            .events
            .iter()
            .map(|(name, sample)| size_of::<(Name, Sample)>() + name.as_str().len() + sample.bytes())
            .sum();
        size_of::<Self>() + sides + self.subjects.bytes() + events
    }

    /// Adds what another counted; its span stays.
    pub fn merge(&mut self, other: &Self) {
        for (side, tally) in &other.sides {
            if let Some(own) = self.tally_mut(side.variant, side.endpoint.as_ref()) {
                own.merge(tally);
            }
        }
        self.subjects.merge(&other.subjects);
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
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap_or_else(|_| unreachable!())
    }

    fn window() -> Window {
        let mut window = Window::at(29_000_000, 7);
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
            ("\"latency\"", "\"lateness\""),
            ("\"404\"", "\"302\""),
            ("\"status.404\"", "\"status.4040\""),
            ("\"requests\":9", "\"requests\":9999999999999999"),
        ] {
            assert!(text.contains(right));
            assert_eq!(Window::parse(&text.replace(right, wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn what_did_not_happen_is_not_told() {
        let mut window = Window::at(29_000_000, 7);
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
        let mut window = Window::at(1, 1);
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
