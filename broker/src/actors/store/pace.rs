//! How much company a batch is to have while another is flushed.
//!
//! A flush costs the same for one store as for a thousand, in the disk's time and in ours. While one batch is flushed
//! the next is collected, planned and applied; peers that store again as soon as they are answered then come in two
//! groups that take turns. Flushes are fewest when both have the same size: so a batch waits for half of those who
//! were in the last two, but never longer than the flush under way. A peer that is alone waits for nobody.

/// The sizes of the last two batches.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: usize,
    before: usize,
}

impl Pace {
    /// Notes a batch.
    pub(super) fn note(&mut self, size: usize) {
        (self.last, self.before) = (size, self.last);
    }

    /// How many the next one is to have, if the flush under way leaves the time.
    pub(super) fn wanted(&self) -> usize {
        self.last.midpoint(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_alone_waits_for_nobody() {
        let mut pace = Pace::default();
        assert_eq!(pace.wanted(), 0);
        for _ in 0..3 {
            pace.note(1);
            assert!(pace.wanted() <= 1);
        }
    }

    #[test]
    fn two_groups_become_equal() {
        let mut pace = Pace::default();
        pace.note(61);
        pace.note(3);
        assert_eq!(pace.wanted(), 32);
        pace.note(pace.wanted());
        pace.note(32);
        assert_eq!(pace.wanted(), 32);
    }
}
