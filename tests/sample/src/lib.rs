//! Samples of large sets of tests, drawn by a seed. The seed is printed, so a run can be repeated.
//!
//! `cargo xtask test` derives the seed from the commit, so the next commit draws another sample.
//! `cargo xtask test --whole` runs everything.

use std::collections::BTreeMap;

/// The variable with the seed, a number.
pub const SEED: &str = "WASM_CNI_TEST_SEED";
/// The variable with the size of a sample: `all`, or a number for each kind.
pub const SAMPLE: &str = "WASM_CNI_TEST_SAMPLE";
/// The default seed, for sources that are not a git clone.
pub const FIXED: u64 = 1;

/// The seed of this run: [`SEED`], or [`FIXED`].
///
/// # Panics
/// If the variable is not a number.
pub fn seed() -> u64 {
    std::env::var(SEED)
        .map_or(FIXED, |text| text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is not a number")))
}

/// Whether this run is complete, not a sample.
pub fn is_whole() -> bool {
    std::env::var(SAMPLE).is_ok_and(|value| value == "all")
}

/// Draws at most `most` values by the seed, keeps their order, and prints both numbers to stderr.
pub fn choose<T>(what: &str, values: Vec<T>, most: usize) -> Vec<T> {
    let (chosen, text) = chosen(what, values, if is_whole() { usize::MAX } else { most }, seed());
    eprintln!("{text}");
    chosen
}

/// As [`choose`], with this seed. Returns the text instead of printing it.
pub fn chosen<T>(what: &str, values: Vec<T>, most: usize, seed: u64) -> (Vec<T>, String) {
    let all = values.len();
    let mut numbered: Vec<(usize, T)> = values.into_iter().enumerate().collect();
    if all > most {
        Draw::new(seed).shuffle(&mut numbered);
        numbered.truncate(most);
        numbered.sort_by_key(|(number, _)| *number);
    }
    let text = format!("{what}: {} of {all}, seed {seed}", numbered.len());
    (numbered.into_iter().map(|(_, value)| value).collect(), text)
}

/// Pseudo-random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
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

    /// Draws that number ([`SAMPLE`] overrides it), or all in a complete run; the same number of each kind, while there
    /// are any.
    pub fn sample<T, K: Ord>(&mut self, mut values: Vec<T>, count: usize, kind: impl Fn(&T) -> K) -> Vec<T> {
        if is_whole() {
            return values;
        }
        let count = std::env::var(SAMPLE).ok().and_then(|number| number.parse().ok()).unwrap_or(count);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_follows_from_its_seed_and_keeps_the_order() {
        let of = |seed| chosen("cases", (0..212).collect(), 60, seed);
        let (first, text) = of(7);
        assert_eq!(text, "cases: 60 of 212, seed 7");
        assert!(first.is_sorted() && first.len() == 60);
        assert_eq!(of(7).0, first);
        assert_ne!(of(8).0, first);
    }

    #[test]
    fn a_small_set_is_taken_completely() {
        let (all, text) = chosen("tests of the VM", vec!["a", "b"], 60, 1);
        assert_eq!((all, text.as_str()), (vec!["a", "b"], "tests of the VM: 2 of 2, seed 1"));
    }

    #[test]
    fn each_kind_has_its_share_of_a_sample() {
        let values: Vec<(char, u32)> = (0..90).map(|n| (if n < 80 { 'a' } else { 'b' }, n)).collect();
        let drawn = Draw::new(1).sample(values, 20, |(kind, _)| *kind);
        assert_eq!(drawn.iter().filter(|(kind, _)| *kind == 'b').count(), 10);
    }
}
