//! What has been counted of a step, before it becomes a window.

use super::healthy::RATES;
use super::population::Request;
use tidegate_model::measured::sliced::SLICES;
use tidegate_model::measured::{Quantity, Sample, Seen, Tally};

/// The counts of a side, everywhere or at one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Acc {
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// What else came of them, in the order of [`RATES`].
    pub others: [u64; RATES.len()],
    /// Those that were answered with a 500.
    pub refused: u64,
    /// Of what came of them: how much had the same subject and minute as another.
    repeats: Vec<(Quantity, u64)>,
    /// Of what came of them: the minute in which that came of each subject's requests last.
    last: Vec<(Quantity, Vec<u64>)>,
    /// Those of them that legacy answered.
    pub rescued: u64,
    /// Page views that reported.
    pub pages: u64,
    /// Those of them with a JavaScript error.
    pub failed_pages: u64,
    /// JavaScript errors.
    pub js_errors: u64,
    /// By measure: each observation, packed.
    pub values: Vec<Vec<u32>>,
}

impl Acc {
    /// Nothing yet, of so many measures.
    pub fn new(measures: usize) -> Self {
        Self { values: vec![Vec::new(); measures], ..Self::default() }
    }

    /// Adds a request, and what came of it.
    pub fn add(&mut self, request: &Request, came: &Came, subjects: usize) {
        self.requests += 1;
        for of in came.of() {
            let count = match &of {
                Quantity::Errors => Some(&mut self.errors),
                Quantity::Status(500) => Some(&mut self.refused),
                _ => RATES.iter().position(|(own, _)| *own == of).and_then(|index| self.others.get_mut(index)),
            };
            if let Some(count) = count {
                *count += 1;
            }
            let index = self.last.iter().position(|(own, _)| *own == of).unwrap_or_else(|| {
                self.last.push((of.clone(), vec![0; subjects]));
                self.last.len() - 1
            });
            let last = self.last.get_mut(index).and_then(|(_, minutes)| minutes.get_mut(request.subject));
            if last.is_some_and(|last| std::mem::replace(last, request.minute) == request.minute) {
                match self.repeats.iter_mut().find(|(own, _)| *own == of) {
                    Some((_, count)) => *count += 1,
                    None => self.repeats.push((of, 1)),
                }
            }
        }
    }

    /// Puts what was counted into a tally, and starts over.
    pub fn close(&mut self, tally: &mut Tally) {
        (tally.requests, tally.errors, tally.rescued) = (self.requests, self.errors, self.rescued);
        (tally.pages, tally.failed_pages, tally.js_errors) = (self.pages, self.failed_pages, self.js_errors);
        for ((of, _), count) in RATES.iter().zip(self.others) {
            if let Some(own) = tally.count_mut(of) {
                *own = count;
            }
        }
        for (status, count) in [(404, tally.client_errors), (500, self.refused)] {
            if count > 0 {
                tally.add_status(status, count);
            }
        }
        for (of, count) in self.repeats.drain(..) {
            tally.add_repeats(&of, count);
        }
        *self =
            Self { values: std::mem::take(&mut self.values), last: std::mem::take(&mut self.last), ..Self::default() };
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Came {
    /// It failed.
    pub is_error: bool,
    /// What else, in the order of [`RATES`].
    pub others: [bool; RATES.len()],
    /// It was answered with a 500.
    pub is_refused: bool,
}

impl Came {
    /// Each of them.
    fn of(self) -> impl Iterator<Item = Quantity> {
        let others = RATES.iter().zip(self.others).filter(|(_, has_come)| *has_come).map(|((of, _), _)| of.clone());
        let [is_client_error, ..] = self.others;
        let statuses = [(self.is_refused, 500), (is_client_error, 404)]
            .into_iter()
            .filter(|(has_come, _)| *has_come)
            .map(|(_, status)| Quantity::Status(status));
        self.is_error.then_some(Quantity::Errors).into_iter().chain(others).chain(statuses)
    }

    /// Whether this is among them.
    pub fn has(self, wanted: &Quantity) -> bool {
        self.of().any(|of| of == *wanted)
    }
}

/// The slice of a subject that is not compared.
const NO_SLICE: u32 = 255;

/// An observation as one number that sorts by its bucket, then by its slice.
pub fn pack(bucket: i16, slice: Option<u8>) -> u32 {
    (i32::from(bucket) - i32::from(i16::MIN)).unsigned_abs() << 8 | slice.map_or(NO_SLICE, u32::from)
}

/// The bucket of an observation, and the slice of whoever is compared.
pub fn unpack(value: u32) -> (i16, Option<u8>) {
    let bucket = i16::try_from((value >> 8) as i32 + i32::from(i16::MIN)).unwrap_or_default();
    let slice = value & 255;
    (bucket, u8::try_from(slice).ok().filter(|_| slice != NO_SLICE))
}

/// A rate that a comparison asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What happens.
    pub of: Quantity,
    /// Everywhere, or the endpoint of this index.
    pub place: usize,
    /// The minute in which each subject was exposed last, and failed last.
    exposed: Vec<u64>,
    failed: Vec<u64>,
    /// By side and slice: exposures and events.
    pub slices: [Vec<(u32, u32)>; 2],
    /// Who failed, on either side.
    pub who: Sample,
}

impl Asked {
    /// Nothing yet, of so many subjects.
    pub fn new(of: Quantity, place: usize, subjects: usize) -> Self {
        let slices = vec![(0, 0); usize::from(SLICES)];
        Self {
            of,
            place,
            exposed: vec![0; subjects],
            failed: vec![0; subjects],
            slices: [slices.clone(), slices],
            who: Sample::EMPTY,
        }
    }

    /// Whether it is something that comes of requests.
    pub const fn is_of_requests(&self) -> bool {
        !matches!(self.of, Quantity::JsErrors | Quantity::Event(_))
    }

    /// Adds a request of a subject, which is one exposure a minute at most, and one failure.
    pub fn add_request(&mut self, side: usize, slice: u8, request: &Request, came: &Came, seen: Seen) {
        let fresh = |minutes: &mut Vec<u64>| {
            minutes
                .get_mut(request.subject)
                .is_some_and(|last| std::mem::replace(last, request.minute) != request.minute)
        };
        // Whatever comes of requests has the exposures of errors.
        let n = self.of == Quantity::Errors && fresh(&mut self.exposed);
        let x = came.has(&self.of) && fresh(&mut self.failed);
        self.add(side, slice, u32::from(n), u32::from(x));
        if x && self.place == 0 {
            self.who.add(seen);
        }
    }

    /// Adds exposures and events of a slice.
    pub fn add(&mut self, side: usize, slice: u8, n: u32, x: u32) {
        if let Some((exposures, events)) =
            self.slices.get_mut(side).and_then(|slices| slices.get_mut(usize::from(slice)))
        {
            *exposures += n;
            *events += x;
        }
    }
}

/// Tells of each thing of a sorted list how often it is there.
pub fn runs<T: PartialEq + Copy>(sorted: impl Iterator<Item = T>, mut tell: impl FnMut(T, u64)) {
    let mut last: Option<(T, u64)> = None;
    for thing in sorted {
        match &mut last {
            Some((own, count)) if *own == thing => *count += 1,
            _ => {
                if let Some((own, count)) = last.replace((thing, 1)) {
                    tell(own, count);
                }
            }
        }
    }
    if let Some((own, count)) = last {
        tell(own, count);
    }
}
