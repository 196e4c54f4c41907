//! How long a commit waits for company.
//!
//! A flush costs the same for one store as for a thousand, in the disk's time and in ours. Whoever was answered a
//! moment ago often comes back at once; a commit that begins without them makes them wait for a whole one, and
//! two groups then take turns with half the stores in each flush. So a commit that has been planned looks out for
//! as many as there were around the last one, for a part of the time that one took. A peer that is alone never
//! waits for anybody.

use std::time::{Duration, Instant};

/// What part of the last commit's time is waited at most: what is lost when nobody comes stays below what is
/// won when they do.
const PART: u32 = 2;

/// Never longer than this: a disk that hung once shall not slow what comes after.
const LONGEST: Duration = Duration::from_millis(5);

/// What the last commit says about the next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    around: usize,
    patience: Duration,
}

impl Pace {
    /// After a commit that took so long and answered so many, while so many others came.
    pub(super) fn after(took: Duration, answered: usize, waiting: usize) -> Self {
        Self { around: answered + waiting, patience: (took / PART).min(LONGEST) }
    }

    /// How many more a commit with `have` looks out for.
    pub(super) fn missing(&self, have: usize) -> usize {
        self.around.saturating_sub(have)
    }

    /// How long, when it began then.
    pub(super) fn until(&self, began: Instant) -> Instant {
        began + self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(2);

    #[test]
    fn one_that_is_alone_waits_for_nobody() {
        assert_eq!(Pace::default().missing(1), 0);
        assert_eq!(Pace::after(TOOK, 1, 0).missing(1), 0);
    }

    #[test]
    fn those_around_the_last_commit_are_looked_out_for() {
        let pace = Pace::after(TOOK, 30, 34);
        assert_eq!(pace.missing(34), 30);
        assert_eq!(pace.missing(70), 0);
        // They didn't come: the next one waits for no more than were there.
        assert_eq!(Pace::after(TOOK, 34, 0).missing(34), 0);
    }

    #[test]
    fn the_wait_is_a_part_of_the_last_commit_and_bounded() {
        let now = Instant::now();
        assert_eq!(Pace::after(TOOK, 1, 1).until(now), now + TOOK / 2);
        assert_eq!(Pace::after(Duration::from_mins(1), 1, 1).until(now), now + LONGEST);
    }
}
