//! Why a policy file cannot be used, with the place and, where a word is unknown, the one that was probably meant.

use crate::cni::{CniError, ErrorKind};
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read, or somebody else could have written it.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file, or the directory that it is in.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not understood.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
}

impl PolicyError {
    /// Something at a byte of the file.
    pub fn at(path: &Path, text: &str, offset: usize, reason: String) -> Self {
        let (line, column) = position(text, offset);
        PolicyError::Wrong { path: path.to_owned(), line, column, reason }
    }

    /// What the parser says, in one line, with a suggestion.
    pub fn parsing(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', "; ");
        let reason = match suggestion(&message) {
            Some(word) => format!("{message}; did you mean `{word}`?"),
            None => message,
        };
        PolicyError::at(path, text, offset, reason)
    }

    /// What the runtime is told.
    pub fn to_cni(&self) -> CniError {
        CniError::new(ErrorKind::PolicyUnusable, "the policy cannot be used: nothing is allowed until it can")
            .with_details(format!("{self}\nhint: `wasm-cni policy check` reads it in the same way"))
    }
}

/// Line and column of a byte, each from 1.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or_default();
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

/// Of what serde expected in place of an unknown word (``unknown field `a`, expected one of `b`, `c` ``), the most similar.
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
    fn a_similar_word_is_suggested_and_no_other() {
        let message = |word: &str| format!("unknown field `{word}`, expected one of `links`, `addresses`");
        assert_eq!(suggestion(&message("linsk")), Some("links"));
        assert_eq!(suggestion(&message("address")), Some("addresses"));
        assert_eq!(suggestion(&message("colour")), None);
        assert_eq!(suggestion("invalid type: `links`, expected `addresses`"), None);
    }

    #[test]
    fn a_place_is_a_line_and_a_column() {
        assert_eq!(position("a\nbü\nc", 0), (1, 1));
        assert_eq!(position("a\nbü\nc", 5), (2, 3));
        assert_eq!(position("a\n", 9), (2, 1));
    }
}
