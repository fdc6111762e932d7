//! The errors of a policy file, with line and column. For an unknown word, the error suggests a similar one.

use crate::cni::{CniError, ErrorKind};
use std::path::{Path, PathBuf};

/// The reason why a policy file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read, or another user could have written it.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file, or the directory that contains it.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file is invalid.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// The reason.
        reason: String,
    },
}

impl PolicyError {
    /// The error at a byte offset of the file.
    pub fn at(path: &Path, text: &str, offset: usize, reason: String) -> Self {
        let (line, column) = position(text, offset);
        PolicyError::Wrong { path: path.to_owned(), line, column, reason }
    }

    /// The error of the parser in one line, with a suggestion.
    pub fn parsing(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', "; ");
        let reason = match suggestion(&message) {
            Some(word) => format!("{message}; did you mean `{word}`?"),
            None => message,
        };
        PolicyError::at(path, text, offset, reason)
    }

    /// The CNI error for the runtime.
    pub fn to_cni(&self) -> CniError {
        CniError::new(ErrorKind::PolicyUnusable, "the policy cannot be used: nothing is allowed until it can")
            .with_details(format!("{self}\nhint: `wasm-cni policy check` reads it in the same way"))
    }
}

/// Line and column of a byte offset, each from 1.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or_default();
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

/// The expected word that is most similar to the unknown one, from a message of serde: ``unknown field `a`, expected
/// one of `b`, `c` ``.
fn suggestion(message: &str) -> Option<&str> {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown ").then(|| words.next())??;
    let similar = words.map(|word| (strsim::damerau_levenshtein(unknown, word), word));
    let (distance, word) = similar.min_by_key(|(distance, _)| *distance)?;
    (distance * 2 <= unknown.chars().count().max(2)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_similar_word_is_suggested() {
        let message = |word: &str| format!("unknown field `{word}`, expected one of `links`, `addresses`");
        assert_eq!(suggestion(&message("linsk")), Some("links"));
        assert_eq!(suggestion(&message("address")), Some("addresses"));
        assert_eq!(suggestion(&message("colour")), None);
        assert_eq!(suggestion("invalid type: `links`, expected `addresses`"), None);
    }

    #[test]
    fn a_position_has_a_line_and_a_column() {
        assert_eq!(position("a\nbü\nc", 0), (1, 1));
        assert_eq!(position("a\nbü\nc", 5), (2, 3));
        assert_eq!(position("a\n", 9), (2, 1));
    }
}
