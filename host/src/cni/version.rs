//! Versions of the CNI specification.

use std::num::{IntErrorKind, ParseIntError};

/// All released versions, in the order of the reference's list.
pub const ALL: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// All versions as strings, for verbs that need no component.
pub fn all() -> Vec<String> {
    ALL.map(str::to_owned).to_vec()
}

/// The `cniVersion` that VERSION prints: always the newest, as in the reference.
pub const CURRENT: &str = "1.1.0";

/// Parses a version of up to three numbers separated by dots. Missing numbers are 0, and the empty version is 0.1.0.
/// This is `version.ParseVersion` of the reference, with its texts.
pub fn parse(version: &str) -> Result<[i64; 3], String> {
    if version.is_empty() {
        return Ok([0, 1, 0]);
    }
    if version.split('.').count() > 3 {
        return Err(format!("invalid version {version:?}: too many parts"));
    }
    let mut numbers = [0; 3];
    for ((number, part), name) in numbers.iter_mut().zip(version.split('.')).zip(["major", "minor", "micro"])
    {
        *number = part.parse().map_err(|e: ParseIntError| {
            let why = match e.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            format!("failed to convert {name} version part {part:?}: strconv.Atoi: parsing {part:?}: {why}")
        })?;
    }
    Ok(numbers)
}

/// Whether `version` is at least `floor`.
pub fn at_least(version: &str, floor: &str) -> Result<bool, String> {
    Ok(parse(version)? >= parse(floor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert_eq!(at_least("0.10.0", "0.4.0"), Ok(true));
        assert_eq!(at_least("0.3.1", "0.4.0"), Ok(false));
        assert_eq!(at_least("1.1", "1.1.0"), Ok(true));
        assert_eq!(at_least("", "0.1.0"), Ok(true));
    }

    #[test]
    fn an_invalid_version_has_the_error_of_the_reference() {
        for (text, expected) in [
            (
                "adsfsadf",
                r#"failed to convert major version part "adsfsadf": strconv.Atoi: parsing "adsfsadf": invalid syntax"#,
            ),
            ("1.", r#"failed to convert minor version part "": strconv.Atoi: parsing "": invalid syntax"#),
            (
                "1.0.99999999999999999999",
                r#"failed to convert micro version part "99999999999999999999": strconv.Atoi: parsing "99999999999999999999": value out of range"#,
            ),
            ("1.0.0.0", r#"invalid version "1.0.0.0": too many parts"#),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()));
        }
    }
}
