//! Medians, and how far apart the rounds lay.

use serde::Serialize;

/// The middle of a few rounds' values, and their ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle value; the mean of the two middle ones when there are two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
    /// What one is.
    pub(crate) unit: &'static str,
}

impl Spread {
    /// The spread of at least one value.
    ///
    /// # Panics
    /// Without a value: whoever measures does at least one round.
    pub(crate) fn of(values: &[f64], unit: &'static str) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (sorted.first(), sorted.last());
        let (&min, &max) = first.zip(last).expect("there is at least one round");
        Self { median: median(&sorted), min, max, unit }
    }

    /// The same with as many digits as mean something.
    pub(crate) fn rounded(self) -> Self {
        let Self { median, min, max, unit } = self;
        Self { median: rounded(median), min: rounded(min), max: rounded(max), unit }
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Four digits say all that such a measurement knows, and read better.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    #[allow(clippy::cast_possible_truncation, reason = "a logarithm of an f64 is below 400")]
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values have exact representations, or come out of one rounding")]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> (f64, f64, f64) {
        let Spread { median, min, max, .. } = Spread::of(values, "x");
        (median, min, max)
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), (2.5, 1.0, 4.0));
        assert_eq!(spread(&[7.0]), (7.0, 7.0, 7.0));
    }

    #[test]
    fn one_disturbed_round_does_not_move_the_median_far() {
        assert_eq!(spread(&[1.0, 1.0, 900.0, 1.0, 2.0]).0, 1.0);
    }

    #[test]
    #[should_panic(expected = "at least one round")]
    fn no_rounds_have_no_median() {
        Spread::of(&[], "x");
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(rounded(0.123_456), 0.1235);
        assert_eq!(rounded(98_765.4), 98_770.0);
        assert_eq!(rounded(1.0), 1.0);
        assert_eq!(rounded(0.0), 0.0);
        assert!(rounded(f64::NAN).is_nan());
    }
}
