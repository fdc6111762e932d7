//! Draws the faults of a run from all faults, by a seed. The seed is printed, so a run can be repeated.

use std::collections::BTreeMap;

/// Pseudo-random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
}

/// Whether this run is complete (`FAULTS=all`), not a sample.
pub fn is_complete() -> bool {
    std::env::var("FAULTS").is_ok_and(|value| value == "all")
}

/// The default seed: every run draws the same faults, so that only a change of the code can cause a new failure.
const SEED: u64 = 1;

/// `FAULTS_SEED`, or [`SEED`].
pub fn seed() -> u64 {
    std::env::var("FAULTS_SEED").map_or(SEED, |text| text.parse().expect("FAULTS_SEED is a number"))
}

impl Draw {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Draw { state: seed }
    }

    /// The next number (splitmix64).
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % bound as u64).expect("below a usize")
    }

    /// Shuffles.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// Draws that number (`FAULTS` overrides it), or all in a complete run; the same number of each kind, while there
    /// are any.
    pub fn sample<T, K: Ord>(&mut self, mut values: Vec<T>, count: usize, kind: impl Fn(&T) -> K) -> Vec<T> {
        if is_complete() {
            return values;
        }
        let count = std::env::var("FAULTS").ok().and_then(|number| number.parse().ok()).unwrap_or(count);
        self.shuffle(&mut values);
        let mut kinds: BTreeMap<K, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, T)> = Vec::new();
        for value in values {
            let rank = kinds.entry(kind(&value)).or_default();
            ranked.push((*rank, value));
            *rank += 1;
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().take(count).map(|(_, value)| value).collect()
    }
}
