//! The values that comparisons may use of one side, as they are picked: by slice and bucket, in a table of all that may
//! occur, of which few have any. So one more is an addition, and those that there are come out in their order.

use fixedbitset::FixedBitSet;
use tidegate_model::measured::sliced::SLICES;

/// Values as buckets of a sketch, by slice of whom comparisons may use.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// The lowest bucket that there is room for.
    first: i16,
    /// For how many buckets there is room in each slice.
    length: usize,
    /// By slice and bucket: how many values.
    counts: Vec<u32>,
    /// Of which there are any.
    some: FixedBitSet,
}

impl Buckets {
    /// Makes room for so many buckets from this one on.
    pub fn reach(&mut self, first: i16, length: usize) {
        let end = |first: i16, length: usize| i32::from(first) + length as i32;
        if first >= self.first && end(first, length) <= end(self.first, self.length) {
            return;
        }
        let rows = self.take();
        let (old, low) = (std::mem::take(self), first.min(if self.length > 0 { self.first } else { first }));
        self.length = (end(first, length).max(end(old.first, old.length)) - i32::from(low)) as usize;
        self.first = low;
        self.counts.resize(self.length * usize::from(SLICES), 0);
        self.some.grow(self.counts.len());
        rows.into_iter().for_each(|(slice, bucket, count)| self.add(slice, bucket, count));
    }

    /// Adds so many values of a bucket that there is room for.
    #[inline]
    pub fn add(&mut self, slice: u8, bucket: i16, count: u32) {
        let index = usize::from(slice) * self.length + usize::from(bucket.abs_diff(self.first));
        if let Some(own) = self.counts.get_mut(index) {
            *own += count;
            self.some.insert(index);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.some.is_clear()
    }

    /// Takes them all: how often each bucket is there, by slice and bucket, ascending.
    pub fn take(&mut self) -> Vec<(u8, i16, u32)> {
        let mut rows = Vec::with_capacity(self.some.count_ones(..));
        // They ascend, so the slice is stepped on, not divided for.
        let (mut slice, mut start) = (0, 0);
        for index in self.some.ones() {
            while index >= start + self.length {
                (slice, start) = (slice + 1, start + self.length);
            }
            if let Some(count) = self.counts.get_mut(index) {
                let bucket = self.first.saturating_add_unsigned((index - start) as u16);
                rows.push((slice, bucket, std::mem::take(count)));
            }
        }
        self.some.clear();
        rows
    }
}
