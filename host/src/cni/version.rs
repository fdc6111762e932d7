//! Versions of the specification.

/// Every released version, in the order in which the reference lists them.
pub const ALL: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// What VERSION prints as `cniVersion`: the newest, whatever was asked (as the reference).
pub const CURRENT: &str = "1.1.0";

/// Up to three dotted numbers for ordering; missing parts are 0, the empty version is 0.1.0 (reference `version.ParseVersion`).
pub fn ordinal(version: &str) -> Option<[u64; 3]> {
    if version.is_empty() {
        return Some([0, 1, 0]);
    }
    let mut ordinal = [0; 3];
    let mut parts = version.split('.');
    for number in &mut ordinal {
        match parts.next() {
            Some(part) => *number = part.parse().ok()?,
            None => break,
        }
    }
    parts.next().is_none().then_some(ordinal)
}

/// Whether `version` is at least `floor`; none when it is no version.
pub fn at_least(version: &str, floor: &str) -> Option<bool> {
    Some(ordinal(version)? >= ordinal(floor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert_eq!(at_least("0.10.0", "0.4.0"), Some(true));
        assert_eq!(at_least("0.3.1", "0.4.0"), Some(false));
        assert_eq!(at_least("1.1", "1.1.0"), Some(true));
        assert_eq!(at_least("", "0.1.0"), Some(true));
        assert_eq!(at_least("v1.0.0", "0.1.0"), None);
        assert_eq!(at_least("1.0.0.0", "0.1.0"), None);
    }
}
