//! The ratio of two series of times, with its confidence interval.

use super::world::median;
use anyhow::{Context, Result, ensure};

/// The minimum number of pairs: with fewer, even the whole range has less than 95 % confidence.
pub const FEWEST: u16 = 6;
/// The probability of both tails outside of the confidence interval: 5 %.
const OUTSIDE: f64 = 0.05;

/// The median of paired ratios, with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Ratio {
    /// Compares two series of times. Times at the same index were measured one right after the other.
    ///
    /// Each pair gives one ratio, `ours / other`. Other work on the machine slows both times of a pair, so it cancels
    /// out. The interval is the binomial confidence interval for a median. Each ratio is below the true median or above
    /// it with equal probability, so the number of those below follows the binomial distribution of n and 1/2, whatever
    /// the distribution of the times is. The interval reaches from the kth smallest ratio to the kth largest, with the
    /// largest k for which it misses the true median with a probability of at most 5 %. Of 150 ratios these are the
    /// 63rd and the 88th.
    ///
    /// # Errors
    ///
    /// If the series differ in length, or have fewer pairs than [`FEWEST`].
    pub fn of(ours: &[f64], other: &[f64]) -> Result<Ratio> {
        ensure!(ours.len() == other.len(), "{} times and {} are no pairs", ours.len(), other.len());
        let mut ratios: Vec<f64> = ours.iter().zip(other).map(|(ours, other)| ours / other).collect();
        ratios.sort_by(f64::total_cmp);
        let from_end = rank(ratios.len()).with_context(|| {
            format!("{} pairs are too few for a 95 % interval: take {FEWEST}", ratios.len())
        })?;
        let (low, high) = (ratios[from_end - 1], ratios[ratios.len() - from_end]);
        Ok(Ratio { median: median(&ratios), low, high })
    }
}

/// The k of the interval, counted from 1; none if even the whole range of that many values is no such interval.
fn rank(count: usize) -> Option<usize> {
    let n = count as f64;
    // The probability of exactly 0 below the median, as a logarithm, because the number itself is too small for an
    // `f64`.
    let (mut log_probability, mut tail) = (-n * std::f64::consts::LN_2, 0.0);
    for k in 0..count {
        tail += log_probability.exp();
        // With rank k + 1, the interval misses if at most k ratios are below the median, or above it.
        if tail > OUTSIDE / 2.0 {
            return (k > 0).then_some(k);
        }
        log_probability += ((n - k as f64) / (k as f64 + 1.0)).ln();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in textbooks.
    #[test]
    fn the_ranks_are_those_of_the_binomial_distribution() {
        for (count, expected) in
            [(0, None), (5, None), (6, Some(1)), (9, Some(2)), (25, Some(8)), (100, Some(40))]
        {
            assert_eq!(rank(count), expected, "{count}");
        }
        assert_eq!((rank(150), rank(10_000)), (Some(63), Some(4902)));
    }

    #[test]
    fn what_slows_both_of_a_pair_changes_nothing() {
        let other: Vec<f64> = (1..=150).map(f64::from).collect();
        let ours: Vec<f64> = other.iter().map(|time| time * 1.5).collect();
        assert_eq!(Ratio::of(&ours, &other).unwrap(), Ratio { median: 1.5, low: 1.5, high: 1.5 });
    }

    #[test]
    fn the_interval_lies_around_the_median_and_ignores_outliers() {
        let mut ours: Vec<f64> = (0..150).map(|place| 1.0 + f64::from(place) / 1000.0).collect();
        ours[149] = 1e6;
        let ratio = Ratio::of(&ours, &[1.0; 150]).unwrap();
        assert_eq!((ratio.low, ratio.high), (1.062, 1.087));
        assert!((ratio.median - 1.0745).abs() < 1e-9);
    }

    #[test]
    fn too_few_pairs_and_no_pairs_are_errors() {
        assert!(Ratio::of(&[1.0; 5], &[1.0; 5]).is_err());
        assert!(Ratio::of(&[1.0; 7], &[1.0; 6]).is_err());
    }
}
