//! Quoting of words for a shell's command line.

use shlex::Quoter;
use std::borrow::Cow;
use std::path::Path;

/// Quotes a text as one word of a shell. `shlex` would also quote characters that only some shells treat specially: `=` and
/// `,`, which our commands contain often, and the negations of `iptables` and `nft`.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if matches!(text, "!" | "!=") || !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        // With this setting it refuses nothing.
        Quoter::new().allow_nul(true).quote(text).map_or_else(|_| text.to_owned(), Cow::into_owned)
    }
}

/// Quotes a path as one word of a shell.
pub fn file(path: &Path) -> String {
    word(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word_of_a_shell() {
        for text in [
            "plain",
            "!",
            "!=",
            "",
            "two words",
            "it's",
            "$(boom)",
            "a\\b^c!",
            "it's \"$(boom)\"",
            "name: \"a\" id: \"b\"",
            "line\nline",
        ] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
