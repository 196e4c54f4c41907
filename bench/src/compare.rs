//! One figure: ours against the limit that it is held against.

use crate::stats::{Spread, rounded};

/// What a figure should be, at the least or at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// It explains another figure.
    None,
}

impl Target {
    /// Whether `value` is as it should be; `None` where nothing is asked.
    pub(crate) fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(value <= limit),
            Self::AtLeast(limit) => Some(value >= limit),
            Self::None => None,
        }
    }
}

/// What a comparison is called, and what its two sides are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// The ratio.
    pub(crate) ratio: &'static str,
    /// Our side.
    pub(crate) ours: &'static str,
    /// The limit's side.
    pub(crate) limit: &'static str,
    /// What one is, on both sides.
    pub(crate) unit: &'static str,
    /// What the ratio should be.
    pub(crate) target: Target,
}

/// A comparison, measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    pub(crate) named: Named,
    pub(crate) ours: Spread,
    pub(crate) limit: Spread,
    /// The ratio of each round's two sides: how much the figure itself moved.
    pub(crate) rounds: Spread,
}

impl Comparison {
    /// Of rounds that were measured in turn: each has our value and the limit's.
    pub(crate) fn of(named: Named, rounds: &[(f64, f64)]) -> Self {
        let (ours, limit): (Vec<f64>, Vec<f64>) = rounds.iter().copied().unzip();
        let ratios: Vec<f64> = rounds.iter().map(|(ours, limit)| ours / limit).collect();
        Self {
            named,
            ours: Spread::of(&ours, named.unit),
            limit: Spread::of(&limit, named.unit),
            rounds: Spread::of(&ratios, "ratio"),
        }
    }

    /// The figure: the ratio of the two medians.
    pub(crate) fn ratio(&self) -> f64 {
        rounded(self.ours.median / self.limit.median)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values have exact representations")]
mod tests {
    use super::*;

    const NAMED: Named =
        Named { ratio: "r", ours: "a", limit: "b", unit: "us", target: Target::AtMost(1.15) };

    #[test]
    fn the_figure_is_the_ratio_of_the_medians() {
        let comparison = Comparison::of(NAMED, &[(2.0, 1.0), (4.0, 4.0), (9.0, 2.0)]);
        assert_eq!((comparison.ours.median, comparison.limit.median), (4.0, 2.0));
        assert_eq!(comparison.ratio(), 2.0);
        assert_eq!((comparison.rounds.min, comparison.rounds.max), (1.0, 4.5));
    }

    #[test]
    fn targets_have_a_direction() {
        assert_eq!(Target::AtMost(1.15).met(1.15), Some(true));
        assert_eq!(Target::AtMost(1.15).met(1.16), Some(false));
        assert_eq!(Target::AtLeast(0.7).met(0.69), Some(false));
        assert_eq!(Target::AtLeast(0.7).met(0.7), Some(true));
        assert_eq!(Target::None.met(0.0), None);
    }
}
