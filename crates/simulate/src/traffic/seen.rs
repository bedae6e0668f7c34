//! Who has come, and who of them is exposed to errors.

use fixedbitset::FixedBitSet;
use tidegate_model::measured::sliced::SLICES;

use crate::counts::Asked;

/// Who has come.
pub struct SeenSubjects {
    /// In the minute under way.
    pub minute: Exposed,
    /// The same at the place of an endpoint that a comparison asks for.
    pub places: Vec<(usize, Exposed)>,
    /// In the window under way.
    pub window: FixedBitSet,
    /// Those of them whose browsers reported.
    pub reporting: FixedBitSet,
    /// On new, ever.
    pub exposed: FixedBitSet,
    /// The same since the percentage left 0.
    pub used: FixedBitSet,
}

/// Who is exposed to errors: whoever comes in a minute, and may be compared, once.
pub struct Exposed {
    /// The index of what asks for it.
    asked: Option<usize>,
    /// Who has come in the minute under way.
    pub who: FixedBitSet,
    /// By side and slice: exposures of the window under way.
    counts: [[u32; SLICES as usize]; 2],
}

impl Exposed {
    /// Nobody yet, of so many subjects.
    pub fn new(asked: Option<usize>, subjects: usize) -> Self {
        Self { asked, who: FixedBitSet::with_capacity(subjects), counts: [[0; SLICES as usize]; 2] }
    }

    /// A subject comes.
    #[inline]
    pub fn meet(&mut self, subject: usize, side: usize, slice: Option<u8>) {
        if !self.who.put(subject)
            && let Some(slice) = slice
            && let Some(count) = self.counts.get_mut(side).and_then(|own| own.get_mut(usize::from(slice)))
        {
            *count += 1;
        }
    }

    /// Adds the exposures of the window to what asks for them, and begins anew.
    pub fn close(&mut self, asked: &mut [Asked]) {
        if let Some(asked) = self.asked.and_then(|index| asked.get_mut(index)) {
            for (side, counts) in self.counts.iter().enumerate() {
                for (slice, count) in (0..SLICES).zip(counts).filter(|(_, count)| **count > 0) {
                    asked.add(side, slice, *count, 0);
                }
            }
        }
        self.counts = [[0; SLICES as usize]; 2];
    }
}
