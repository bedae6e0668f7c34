//! What has been counted of a step, before it becomes a window.

use super::crowd::Request;
use crate::model::measured::Quantity;
use crate::model::measured::compared::SLICES;

/// The counts of a side, everywhere or at one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Acc {
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
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
}

impl Asked {
    /// Nothing yet, of so many subjects.
    pub fn new(of: Quantity, place: usize, subjects: usize) -> Self {
        let slices = vec![(0, 0); usize::from(SLICES)];
        Self { of, place, exposed: vec![0; subjects], failed: vec![0; subjects], slices: [slices.clone(), slices] }
    }

    /// Adds a request of a subject, which is one exposure a minute at most, and one failure.
    pub fn add_request(&mut self, side: usize, slice: u8, request: &Request, is_error: bool) {
        let fresh = |minutes: &mut Vec<u64>| minutes.get_mut(request.subject).is_some_and(|last| std::mem::replace(last, request.minute) != request.minute);
        let n = fresh(&mut self.exposed);
        let x = is_error && fresh(&mut self.failed);
        self.add(side, slice, u32::from(n), u32::from(x));
    }

    /// Adds exposures and events of a slice.
    pub fn add(&mut self, side: usize, slice: u8, n: u32, x: u32) {
        if let Some((exposures, events)) = self.slices.get_mut(side).and_then(|slices| slices.get_mut(usize::from(slice))) {
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
