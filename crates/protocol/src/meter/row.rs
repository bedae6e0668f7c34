//! One window that is being counted.

use super::SALT;
use super::exposed::{Fresh, KINDS, Kinds};
use crate::flush::Counted;
use tidegate_decide::assign::Variant;
use tidegate_decide::judge::by_bin::rates;
use tidegate_decide::judge::comparing::statuses;
use tidegate_model::measured::sliced::STATUSES;
use tidegate_model::measured::{Measure, Quantity, Seen, SlicedCounts, Window};
use tidegate_model::plan::Plan;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Minute, Name};

/// A side, everywhere or at an endpoint.
type Side<'a> = (Variant, Option<&'a Name>);

/// A window, and what sets its subjects apart from those of others.
pub struct Row {
    /// For the keys of its subjects.
    pub salt: u64,
    /// How many numbers there are to compare, and to tell of those who gave up.
    pub cells: usize,
    /// The window.
    pub counted: Counted,
    /// The statuses that the plan compares with legacy's.
    statuses: Vec<u16>,
    /// What else of requests it compares, and where.
    rates: Vec<(Quantity, Option<Name>)>,
}

/// What happened, of which one request may have several parts one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened {
    /// A request came.
    pub is_request: bool,
    /// What came of it.
    pub kinds: Kinds,
    /// Its answer's status.
    pub status: Option<u16>,
    /// The bucket of its time to headers.
    pub latency: Option<i16>,
    /// The bucket of how long its client waited before it gave up.
    pub waited: Option<i16>,
}

impl Happened {
    /// The status, if it is one that is counted by itself.
    pub fn counted_status(&self) -> Option<u16> {
        self.status.filter(|status| STATUSES.contains(status))
    }

    fn is_timeout(&self) -> bool {
        KINDS.iter().zip(self.kinds).any(|(kind, has_happened)| *kind == Quantity::Timeouts && has_happened)
    }

    /// Whether a request has failed.
    pub fn is_failure(&self) -> bool {
        self.kinds.first() == Some(&true)
    }

    /// What was measured.
    fn measured(&self) -> impl Iterator<Item = (Measure, i16)> {
        let latency = self.latency.map(|bucket| (Measure::Latency, bucket));
        latency.into_iter().chain(self.waited.map(|bucket| (Measure::Waited, bucket)))
    }
}

/// A subject that the hash has assigned.
#[derive(Clone, Copy, Debug)]
pub struct Dealt {
    /// Its slice.
    pub slice: u8,
    /// What it is known by.
    pub seen: Seen,
}

impl Row {
    /// An empty minute.
    pub fn new(plan: &Plan, revision: u64, minute: Minute) -> Self {
        let salt = fnv1a64(plan.key.as_str().as_bytes()) ^ revision.wrapping_mul(SALT);
        let counted = Counted {
            rollout: plan.key.clone(),
            window: Window::at(minute, revision),
            compared: SlicedCounts::default(),
        };
        Self { salt, cells: 0, counted, statuses: statuses(plan), rates: rates(plan) }
    }

    /// Adds to the counts of a side. `bit` is that of its place.
    pub fn add(
        &mut self,
        (variant, endpoint): Side<'_>,
        happened: &Happened,
        bit: u32,
        fresh: &Fresh,
        fresh_status: u32,
    ) {
        let Some(tally) = self.counted.window.tally_mut(variant, endpoint) else { return };
        tally.requests = tally.requests.saturating_add(u64::from(happened.is_request));
        for ((kind, fresh), _) in
            KINDS.iter().zip(fresh.events).zip(happened.kinds).filter(|(_, has_happened)| *has_happened)
        {
            if let Some(count) = tally.count_mut(kind) {
                *count = count.saturating_add(1);
            }
            if fresh & bit == 0 {
                tally.add_repeats(kind, 1);
            }
        }
        if happened.status.is_some_and(|status| (500..600).contains(&status)) {
            tally.server_errors = tally.server_errors.saturating_add(1);
        } else if happened.is_failure() && happened.is_request && happened.status.is_none() && !happened.is_timeout() {
            tally.refused = tally.refused.saturating_add(1);
        }
        if let Some(status) = happened.counted_status() {
            tally.add_status(status, 1);
            if fresh_status & bit == 0 {
                tally.add_repeats(&Quantity::Status(status), 1);
            }
        }
        for (measure, bucket) in happened.measured() {
            if let Some(sketch) = tally.sketch_mut(&measure) {
                sketch.add(bucket, 1);
            }
        }
        // Each may be a number more to tell; they are few.
        self.cells += usize::from(happened.waited.is_some());
    }

    /// Adds a copy: what came of it to new's counts, and the times to headers to those of either side.
    pub fn copy(
        &mut self,
        endpoint: Option<&Name>,
        [is_error, is_mismatch]: [bool; 2],
        latency: Option<(i16, i16)>,
        slice: Option<u8>,
    ) {
        let Some(tally) = self.counted.window.tally_mut(Variant::New, endpoint) else { return };
        tally.shadowed = tally.shadowed.saturating_add(1);
        tally.shadow_errors = tally.shadow_errors.saturating_add(u64::from(is_error));
        tally.shadow_mismatches = tally.shadow_mismatches.saturating_add(u64::from(is_mismatch));
        let Some((legacy, new)) = latency else { return };
        for (variant, bucket) in [(Variant::Legacy, legacy), (Variant::New, new)] {
            let tally = self.counted.window.tally_mut(variant, endpoint);
            if let Some(sketch) = tally.and_then(|tally| tally.sketch_mut(&Measure::ShadowLatency)) {
                sketch.add(bucket, 1);
            }
            let values = self.counted.compared.values(&Measure::ShadowLatency, endpoint, variant);
            if let Some((values, slice)) = values.zip(slice) {
                let before = values.buckets.len();
                values.add(slice, bucket, 1);
                self.cells += values.buckets.len() - before;
            }
        }
    }

    /// Adds to what comparisons may use of a side: a subject's first exposure and its first event of each
    /// kind, and whatever was measured.
    pub fn compare(
        &mut self,
        (variant, endpoint): Side<'_>,
        happened: &Happened,
        dealt: Dealt,
        bit: u32,
        fresh: &Fresh,
        fresh_status: u32,
    ) {
        let Dealt { slice, seen } = dealt;
        let Self { counted: Counted { compared, .. }, cells, statuses, .. } = self;
        let mut add = |of: &Quantity, n: u32, x: u32| {
            if n + x > 0
                && let Some(trials) = compared.trials(of, endpoint, variant)
            {
                let before = trials.slices.len();
                trials.add(slice, n, x);
                *cells += trials.slices.len() - before;
            }
        };
        let mut exposures = u32::from(fresh.exposures & bit != 0);
        for ((kind, fresh), has_happened) in KINDS.iter().zip(fresh.events).zip(happened.kinds) {
            // All of them have the exposures of the first.
            add(kind, std::mem::take(&mut exposures), u32::from(has_happened && fresh & bit != 0));
        }
        if let Some(status) =
            happened.counted_status().filter(|status| fresh_status & bit != 0 && statuses.contains(status))
        {
            add(&Quantity::Status(status), 0, 1);
        }
        // Who fails is reported once, not again at each endpoint.
        if endpoint.is_none() {
            let kinds = KINDS
                .iter()
                .zip(fresh.events)
                .zip(happened.kinds)
                .filter(|((_, fresh), has_happened)| *has_happened && fresh & bit != 0);
            let status = happened
                .counted_status()
                .filter(|status| fresh_status & bit != 0 && statuses.contains(status))
                .map(Quantity::Status);
            for of in kinds.map(|((kind, _), _)| kind).chain(&status) {
                *cells += compared.fail(of, seen);
            }
        }
        for (measure, bucket) in happened.measured() {
            if let Some(values) = compared.values(&measure, endpoint, variant) {
                let before = values.buckets.len();
                values.add(slice, bucket, 1);
                *cells += values.buckets.len() - before;
            }
        }
    }

    /// Adds to the counts by bin of what the plan compares at a place: a subject's first exposure, and its
    /// first event of each kind.
    pub fn bin(
        &mut self,
        (variant, endpoint): Side<'_>,
        happened: &Happened,
        bin: u16,
        bit: u32,
        fresh: &Fresh,
        fresh_status: u32,
    ) {
        let Self { counted: Counted { compared, .. }, cells, rates, .. } = self;
        let is_compared = |of: &Quantity| rates.iter().any(|(own, at)| own == of && at.as_ref() == endpoint);
        let mut add = |of: &Quantity, n: u32, x: u32| {
            if let Some(binned) = compared.binned(of, endpoint, variant) {
                let before = binned.exposures.len() + binned.events.len();
                binned.add(bin, n, x);
                *cells += binned.exposures.len() + binned.events.len() - before;
            }
        };
        if fresh.exposures & bit != 0 && rates.iter().any(|(_, at)| at.as_ref() == endpoint) {
            // All kinds have the exposures of the first.
            add(&Quantity::Errors, 1, 0);
        }
        for ((kind, fresh), has_happened) in KINDS.iter().zip(fresh.events).zip(happened.kinds) {
            if has_happened && fresh & bit != 0 && is_compared(kind) {
                add(kind, 0, 1);
            }
        }
        if let Some(status) = happened.counted_status().filter(|_| fresh_status & bit != 0).map(Quantity::Status)
            && is_compared(&status)
        {
            add(&status, 0, 1);
        }
    }

    /// About how long its text is, rather too long.
    pub fn bytes(&self) -> usize {
        self.counted.bytes()
    }
}
