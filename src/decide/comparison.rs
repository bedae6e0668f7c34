//! One comparison of new with legacy over an attempt: what has been seen, and what it shows.
//!
//! The evidence of each window is divided by the factor φ of the windows before it, never by its own:
//! a factor that knew the window could be small exactly when the window is extreme. Nothing is shown
//! until 20 slices of one side hold events, since φ of a handful of events says nothing.

use serde::Serialize;

use super::clustering::{SideSlices, factor};
use super::evidence::{Evidence, Window};
use crate::model::node::Node;
use crate::model::plan::fields::Reader;

/// So many slices of one side have to hold events before φ can be relied on: with fewer, subjects with
/// many events may simply not have come yet.
const SLICES_MIN: usize = 20;

/// A comparison with legacy, growing window by window. It starts anew with each attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    evidence: Evidence,
    /// Whether the sides are exchanged: the question is then whether new is *not* worse.
    is_mirrored: bool,
    /// All windows so far.
    seen: SideSlices,
}

impl Comparison {
    /// Is new's rate of events more than `theta` (above 0) times legacy's? For guardrails.
    #[must_use]
    pub fn worse(theta: f64) -> Self {
        Self { evidence: Evidence::restarting(theta), is_mirrored: false, seen: SideSlices::default() }
    }

    /// Is new's rate of events less than `theta` (above 0) times legacy's? For gates. With `theta`
    /// under 1.1 nobody can show that of equal sides in reasonable time.
    #[must_use]
    pub fn not_worse(theta: f64) -> Self {
        Self { evidence: Evidence::restarting(1.0 / theta), is_mirrored: true, seen: SideSlices::default() }
    }

    /// Takes a window in, which began `minute` minutes (from 0) after the attempt. It has to be closed
    /// ([`SideSlices::is_closed`]); one that is not is left out.
    pub fn add(&mut self, window: &SideSlices, minute: f64) {
        if !window.is_closed() {
            return;
        }
        let total = window.total();
        let total = if self.is_mirrored { total.mirrored() } else { total };
        self.evidence.add(&total, self.factor(), minute);
        self.seen.merge(window);
    }

    /// φ, from 1: what the next window's evidence is divided by.
    #[must_use]
    pub fn factor(&self) -> f64 {
        factor(&self.seen.legacy, &self.seen.new)
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
        let node: Node = serde_json::from_str(text).ok()?;
        let mut reader = Reader::default();
        Self::read(&mut reader, &node).filter(|_| reader.faults.is_empty())
    }

    /// Reads a comparison out of a larger document.
    pub fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let mut fields = reader.fields(node)?;
        Some(Self {
            evidence: fields.required(reader, "evidence", Evidence::read)?,
            is_mirrored: fields.required(reader, "is_mirrored", Reader::boolean)?,
            seen: fields.required(reader, "seen", SideSlices::read)?,
        })
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

    #[test]
    fn nothing_is_shown_until_twenty_slices_hold_events() {
        let mut comparison = Comparison::worse(1.0);
        for minute in 0..50 {
            comparison.add(&window([950.0, 50.0], [0, 19]), f64::from(minute));
        }
        assert!(comparison.log_e() > 100.0 && !comparison.is_ready() && !comparison.is_shown(0.01));
        comparison.add(&window([950.0, 50.0], [0, 20]), 50.0);
        assert!(comparison.is_shown(0.01));
    }

    #[test]
    fn a_window_is_divided_by_the_factor_of_those_before_it() {
        let mut comparison = Comparison::worse(1.0);
        let first = window([950.0, 50.0], [40, 10]);
        comparison.add(&first, 0.0);
        let mut alone = Evidence::restarting(1.0);
        alone.add(&first.total(), 1.0, 0.0);
        assert_eq!(comparison.log_e(), alone.log_e(), "nothing is before the first");
        let phi = comparison.factor();
        let mut clustered = window([950.0, 50.0], [40, 0]);
        clustered.new.add(7, 0.0, 30.0);
        comparison.add(&clustered, 1.0);
        alone.add(&clustered.total(), phi, 1.0);
        assert_eq!(comparison.log_e(), alone.log_e());
        assert!(comparison.factor() > 5.0 * phi, "{} after {phi}", comparison.factor());
    }

    #[test]
    fn a_gate_asks_with_the_sides_exchanged() {
        let mut guardrail = Comparison::worse(1.0);
        let mut gate = Comparison::not_worse(1.3);
        for minute in 0..60 {
            guardrail.add(&window([5_000.0, 5_000.0], [50, 50]), f64::from(minute));
            gate.add(&window([5_000.0, 5_000.0], [50, 50]), f64::from(minute));
        }
        assert!(gate.is_shown(0.01) && !guardrail.is_shown(0.01), "{} {}", gate.log_e(), guardrail.log_e());
        assert_eq!(gate.observations(), guardrail.observations());
        let mut worse = Comparison::not_worse(1.3);
        (0..60).for_each(|minute| worse.add(&window([5_000.0, 5_000.0], [40, 60]), f64::from(minute)));
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
        for (good, bad) in [("\"theta\":1.0", "\"theta\":0"), ("\"log_products\":[null,", "\"log_products\":["), ("\"legacy\":[]", "\"legacy\":[[1,2]]"), ("false", "0")] {
            let damaged = text.replacen(good, bad, 1);
            assert_ne!(damaged, text, "{good}");
            assert_eq!(Comparison::parse(&damaged), None, "{bad}");
        }
    }
}
