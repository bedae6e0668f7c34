//! One comparison of new with legacy over an attempt: what has been seen, and what it shows.
//!
//! Events cluster by subject in two ways, and each needs a correction of its own:
//!
//! **A subject in trouble for a while** has several events in a row. Within an hour they count as
//! what they are, one cluster: each window's evidence is divided by φ ([`clustering`](super::clustering)),
//! taken within hours and averaged over all of them, the larger of both sides'.
//!
//! **A subject always in trouble** has events for as long as the attempt lasts. Which side got more of
//! such subjects was settled when the hash assigned them, so new's rate differs from legacy's for good
//! although nothing is wrong. φ over the whole attempt tells by how much: given the slices, the
//! logarithm of the ratio of the two rates has, beyond that of independent events, the variance
//! ```text
//! σ² = (φ − 1) · (1/E_legacy + 1/E_new)
//! ```
//! with `E` the events that each side would have at equal rates. So what is to be refuted is not that
//! new's rate is at most θ times legacy's, but at most exp(2σ) · θ times: a margin of two standard
//! deviations. Were the evidence divided by φ over the whole attempt instead, which grows as long as
//! such subjects come back, an attempt that was healthy for two days could hardly fail any more.
//!
//! **One subject alone**, such as a page that reloads itself for hours, is no evidence against a
//! release. So the events of one slice of the side that is under suspicion count only up to a quarter
//! of those of all its other slices in the same hour, and beyond two an hour.
//!
//! **A few subjects with many events each**, such as robots that begin to come, are none either until φ has
//! seen them, for which a quiet attempt takes a quarter of an hour. What tells them from a regression is that
//! a regression gives many slices a few events more. So of a slice of that side no more counts than is likely
//! in the hour ([`likely_at_most`](super::overdispersion::likely_at_most)): four deviations of chance beyond
//! what both sides' level, or its own hours before, lead to expect, or three times that.
//!
//! φ and the margin come from the windows before the one that they correct, never from itself: a
//! correction that knew the window could be small exactly when the window is extreme. Nothing is shown
//! until 20 slices of one side hold events, since φ of a handful of events says nothing.
//!
//! **What holds.** For independent events the guarantee of [`evidence`](super::evidence) is exact: an
//! event less on the suspected side is less evidence for every λ, a margin makes the hypothesis weaker,
//! and a factor known in advance makes the bet smaller. For events that cluster it is approximate; the
//! figures are in `docs/judging.md`.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Window};
use super::overdispersion::{SideSlices, Spread, factor};

/// So many slices of one side have to hold events before φ can be relied on: with fewer, subjects with
/// many events may simply not have come yet.
const SLICES_MIN: usize = 20;
/// The margin in standard deviations of what the hash may have assigned. Harmless releases lie beyond
/// it once in 40 times, and of those only few are then far enough beyond to be shown.
const MARGIN_DEVIATIONS: f64 = 2.0;
/// Where the margin is larger than any ratio that is tried, nothing can be shown anyway.
const MARGIN_MAX: f64 = 20.0;
/// What a subject does within so long is one cluster.
const HOUR_MINUTES: f64 = 60.0;

/// A comparison with legacy, growing window by window. It starts over with each attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    evidence: Evidence,
    /// Whether the sides are exchanged: the question is then whether new is *not* worse.
    is_mirrored: bool,
    /// All windows so far.
    seen: SideSlices,
    /// Those of the hour under way.
    hour: SideSlices,
    /// The minute in which that hour began.
    hour_start: f64,
    /// What the hours before say, of legacy and of new.
    hours: [Spread; 2],
}

impl Comparison {
    /// Is new's rate of events more than `theta` (above 0) times legacy's? For guardrails.
    #[must_use]
    pub fn worse(theta: f64) -> Self {
        Self::new(theta, false)
    }

    /// Is new's rate of events less than `theta` (above 0) times legacy's? For gates. With `theta`
    /// under 1.1 nobody can show that of equal sides in reasonable time.
    #[must_use]
    pub fn not_worse(theta: f64) -> Self {
        Self::new(1.0 / theta, true)
    }

    /// The same by the rules of earlier releases, to be compared with: their restarts, and no regard to what is likely.
    #[must_use]
    pub fn restarting_quickly(mut self) -> Self {
        self.evidence = self.evidence.restarted_quickly();
        self
    }

    fn new(theta: f64, is_mirrored: bool) -> Self {
        let (seen, hour) = (SideSlices::default(), SideSlices::default());
        Self {
            evidence: Evidence::restarting(theta),
            is_mirrored,
            seen,
            hour,
            hour_start: 0.0,
            hours: [Spread::default(); 2],
        }
    }

    /// Takes a window in, which began `minute` minutes (from 0) after the attempt. It has to be closed
    /// ([`SideSlices::is_closed`]); one that is not is left out.
    pub fn add(&mut self, window: &SideSlices, minute: f64) {
        self.add_with(window, &window.total(), minute);
    }

    /// The same with the window's `total`. Returns φ (from 1), by which its evidence was divided; of a window without
    /// events, which is no evidence, nobody asks for it.
    pub fn add_with(&mut self, window: &SideSlices, both: &Window, minute: f64) -> f64 {
        let mut factor = 1.0;
        if both.legacy.n <= 0.0 || both.new.n <= 0.0 {
            return factor;
        }
        if minute >= self.hour_start + HOUR_MINUTES {
            self.hours = self.all_hours();
            self.hour = SideSlices::default();
            self.hour_start = minute;
        }
        let mut total = if self.is_mirrored { both.mirrored() } else { *both };
        if both.legacy.x + both.new.x > 0.0 {
            let (suspect, before) =
                if self.is_mirrored { (&window.legacy, &self.hour.legacy) } else { (&window.new, &self.hour.new) };
            let past = if self.is_mirrored { &self.seen.legacy } else { &self.seen.new };
            total.new.x = if self.evidence.is_restarted_quickly() {
                suspect.corroborated(before)
            } else {
                suspect.likely(before, past, self.level(both))
            };
            factor = self.factor();
            self.evidence.add_beyond(&total, self.margin(), factor, minute);
        } else {
            self.evidence.add(&total, factor, minute);
        }
        self.seen.merge(window);
        self.hour.merge(window);
        factor
    }

    /// The events of an exposure, of both sides in the hour under way with this window.
    fn level(&self, now: &Window) -> f64 {
        let hour = self.hour.total();
        let exposures = hour.legacy.n + hour.new.n + now.legacy.n + now.new.n;
        let events = hour.legacy.x + hour.new.x + now.legacy.x + now.new.x;
        if exposures > 0.0 { events / exposures } else { 0.0 }
    }

    /// What all hours say, with the one under way.
    fn all_hours(&self) -> [Spread; 2] {
        let [legacy, new] = self.hours;
        [legacy.plus(self.hour.legacy.spread()), new.plus(self.hour.new.spread())]
    }

    /// φ within hours, from 1: what the next window's evidence is divided by.
    #[must_use]
    pub fn factor(&self) -> f64 {
        let [legacy, new] = self.all_hours();
        factor(legacy, new)
    }

    /// By how much the two rates may differ because of how the hash dealt the subjects out, as a ratio
    /// from 1 to 20.
    #[must_use]
    pub fn margin(&self) -> f64 {
        let phi = self.seen.legacy.spread().plus(self.seen.new.spread()).factor();
        let Window { legacy, new } = self.seen.total();
        let events_per_exposure = (legacy.x + new.x) / (legacy.n + new.n);
        if phi <= 1.0 || events_per_exposure <= 0.0 {
            return 1.0;
        }
        let variance = (phi - 1.0) / events_per_exposure * (1.0 / legacy.n + 1.0 / new.n);
        (MARGIN_DEVIATIONS * variance.sqrt()).exp().min(MARGIN_MAX)
    }

    /// Whether enough has been seen to show anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.seen.legacy.with_events().max(self.seen.new.with_events()) >= SLICES_MIN
    }

    /// The natural logarithm of the evidence; 0 is none.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.evidence.log_e()
    }

    /// Everything that has been seen of both sides.
    #[must_use]
    pub fn observations(&self) -> Window {
        self.seen.total()
    }

    /// Whether it is shown at the level `alpha` (between 0 and 1), that is, whether the question is
    /// answered with yes. No is never an answer: what is not shown is inconclusive.
    #[must_use]
    pub fn is_shown(&self, alpha: f64) -> bool {
        self.is_ready() && self.evidence.is_shown(alpha)
    }

    /// Reads what was printed as JSON.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window with events in the first slices of each side.
    fn window(n: [f64; 2], x: [usize; 2]) -> SideSlices {
        let mut window = SideSlices::default();
        for slice in 0..100 {
            window.legacy.add(slice, n[0] / 100.0, f64::from(u8::from(slice < x[0])));
            window.new.add(slice, n[1] / 100.0, f64::from(u8::from(slice < x[1])));
        }
        window
    }

    /// A window whose events are shared out evenly among the slices.
    fn even(n: [f64; 2], x: [f64; 2]) -> SideSlices {
        let mut window = SideSlices::default();
        for slice in 0..100 {
            window.legacy.add(slice, n[0] / 100.0, x[0] / 100.0);
            window.new.add(slice, n[1] / 100.0, x[1] / 100.0);
        }
        window
    }

    #[test]
    fn nothing_is_shown_until_twenty_slices_hold_events() {
        let mut comparison = Comparison::worse(1.0);
        for minute in 0..90 {
            comparison.add(&window([950.0, 50.0], [0, 19]), f64::from(minute));
        }
        assert!(comparison.log_e() > 100.0 && !comparison.is_ready() && !comparison.is_shown(0.01));
        comparison.add(&window([950.0, 50.0], [0, 20]), 90.0);
        assert!(comparison.is_shown(0.01));
    }

    #[test]
    fn a_window_is_corrected_by_those_before_it() {
        let mut comparison = Comparison::worse(1.0);
        let first = window([950.0, 50.0], [40, 10]);
        comparison.add(&first, 0.0);
        let mut alone = Evidence::restarting(1.0);
        alone.add(&first.total(), 1.0, 0.0);
        assert_eq!(comparison.log_e(), alone.log_e(), "nothing is before the first");
        let (phi, margin) = (comparison.factor(), comparison.margin());
        let mut clustered = window([950.0, 50.0], [40, 0]);
        clustered.new.add(7, 0.0, 30.0);
        comparison.add(&clustered, 1.0);
        let mut total = clustered.total();
        total.new.x = 0.25 * 9.0 - 1.0;
        alone.add_beyond(&total, margin, phi, 1.0);
        assert_eq!(comparison.log_e(), alone.log_e());
        assert!(comparison.factor() > 5.0 * phi, "{} after {phi}", comparison.factor());
    }

    #[test]
    fn one_subject_alone_shows_nothing_however_long() {
        let mut comparison = Comparison::worse(1.0);
        for minute in 0..600 {
            let mut window = even([950.0, 50.0], [9.5, 0.5]);
            window.new.add(7, 0.0, if minute < 60 { 0.0 } else { 1.0 });
            comparison.add(&window, f64::from(minute));
        }
        assert!(comparison.is_ready() && comparison.log_e() < 1.0, "{}", comparison.log_e());
    }

    /// Each subject of a side comes once a minute; those of five slices always have the event.
    #[test]
    fn subjects_always_in_trouble_widen_the_margin_and_leave_the_factor() {
        let mut comparison = Comparison::worse(1.0);
        let mut always = SideSlices::default();
        for slice in 0..100 {
            always.legacy.add(slice, 20.0, f64::from(u8::from(slice % 20 == 0)));
            always.new.add(slice, 20.0, f64::from(u8::from(slice % 20 == 0)));
        }
        (0..60).for_each(|minute| comparison.add(&always, f64::from(minute)));
        let (factor, margin) = (comparison.factor(), comparison.margin());
        (60..1_200).for_each(|minute| comparison.add(&always, f64::from(minute)));
        assert!((comparison.factor() / factor - 1.0).abs() < 0.05, "{factor}, then {}", comparison.factor());
        assert!((comparison.margin() / margin - 1.0).abs() < 0.05, "{margin}, then {}", comparison.margin());
        // Five clusters on either side: σ² is 1/5 + 1/5, without the share of independent events.
        assert!((margin.ln() / MARGIN_DEVIATIONS - 0.4_f64.sqrt()).abs() < 0.03, "{margin}");
    }

    #[test]
    fn equal_slices_need_no_margin() {
        let mut comparison = Comparison::worse(1.0);
        assert_eq!((comparison.margin(), comparison.factor()), (1.0, 1.0));
        (0..200).for_each(|minute| comparison.add(&even([950.0, 50.0], [10.0, 2.0]), f64::from(minute)));
        assert_eq!((comparison.margin(), comparison.factor()), (1.0, 1.0));
    }

    #[test]
    fn a_gate_asks_with_the_sides_exchanged() {
        let mut guardrail = Comparison::worse(1.0);
        let mut gate = Comparison::not_worse(1.3);
        for minute in 0..60 {
            guardrail.add(&even([5_000.0, 5_000.0], [50.0, 50.0]), f64::from(minute));
            gate.add(&even([5_000.0, 5_000.0], [50.0, 50.0]), f64::from(minute));
        }
        assert!(gate.is_shown(0.01) && !guardrail.is_shown(0.01), "{} {}", gate.log_e(), guardrail.log_e());
        assert_eq!(gate.observations(), guardrail.observations());
        let mut worse = Comparison::not_worse(1.3);
        (0..60).for_each(|minute| worse.add(&even([5_000.0, 5_000.0], [40.0, 60.0]), f64::from(minute)));
        assert!(worse.log_e() < 0.0, "{}", worse.log_e());
    }

    #[test]
    fn one_side_alone_is_left_out() {
        let mut comparison = Comparison::worse(1.0);
        comparison.add(&window([0.0, 50.0], [0, 30]), 0.0);
        assert_eq!(comparison, Comparison::worse(1.0));
    }

    #[test]
    fn what_is_printed_reads_back_and_goes_on_alike() {
        let again = |comparison: &Comparison| Comparison::parse(&serde_json::to_string(comparison).unwrap()).unwrap();
        let fresh = Comparison::not_worse(1.3);
        assert_eq!(again(&fresh), fresh, "its products are the logarithm of nothing");
        let mut comparison = Comparison::worse(1.3);
        (0..40).for_each(|minute| comparison.add(&window([950.0, 50.0], [30, 2]), f64::from(minute)));
        let mut read = again(&comparison);
        for comparison in [&mut comparison, &mut read] {
            comparison.add(&window([950.0, 50.0], [30, 20]), 40.0);
        }
        assert!((read.log_e() - comparison.log_e()).abs() < 1e-9, "{} {}", read.log_e(), comparison.log_e());
        assert_eq!(read.observations(), comparison.observations());
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        let text = serde_json::to_string(&Comparison::worse(1.0)).unwrap();
        for (good, bad) in [
            ("\"theta\":1.0", "\"theta\":0"),
            ("\"log_products\":[null,", "\"log_products\":["),
            ("\"legacy\":[]", "\"legacy\":[[1,2]]"),
            ("\"hours\":[{", "\"hours\":[{\"between\":0,\"independent\":0},{"),
            ("false", "0"),
        ] {
            let damaged = text.replacen(good, bad, 1);
            assert_ne!(damaged, text, "{good}");
            assert_eq!(Comparison::parse(&damaged), None, "{bad}");
        }
    }
}
