//! What was measured: counts, sketches and samples, by rollout, revision, variant, endpoint and minute.
//!
//! Everything here is added up in any order with the same result, so isolates count on their own, the
//! controller adds, and an hour is the sum of its minutes. Sums saturate; they never wrap. (The commonest errors of
//! pages are the one exception, within a bound, and no verdict rests on them.)
//!
//! ```text
//! Window   one rollout, one revision, one minute (or hour)
//! ├─ sides: variant and endpoint ─▶ Tally    counts, a Sketch for each Measure, a ByValue for each dimension
//! ├─ subjects                     ─▶ Sample   who was seen, on which side
//! ├─ failing, erring              ─▶ Sample   whose request has failed, whose page had a JavaScript error
//! └─ events                       ─▶ Sample   who reported which event
//! SlicedCounts  what a comparison with legacy may use: bucketed subjects alone, in slices, and in bins
//! ```

pub mod binned;
pub mod by_value;
pub mod commonest;
pub mod packed;
pub mod sample;
pub mod sketch;
pub mod sliced;
pub mod tally;
pub mod window;

pub use binned::BinnedCounts;
pub use by_value::{ByValue, ValueCounts};
pub use commonest::Commonest;
pub use sample::{Sample, Seen};
pub use sketch::Sketch;
pub use sliced::{Exposures, Measurements, Quantity, SlicedCounts};
pub use tally::{Measure, Tally};
pub use window::{Side, Window};
