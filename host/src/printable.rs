//! Text for a terminal: names and messages that a guest, a configuration or a file chose.

/// Escapes what changes how a terminal shows other text: control characters, except newline and tab, and characters
/// that change the direction of text or end a line.
///
/// A terminal obeys escape sequences (C0 and C1 controls). Bidirectional controls (Unicode Standard Annex 9) show text
/// in another order than the one in which programs read it.
pub fn printable(text: &str) -> String {
    // The JSON escape, so that a text which is JSON stays valid JSON. All these characters have at most 4 digits.
    let shown = |c: char| if is_odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    if text.contains(is_odd) { text.chars().map(shown).collect() } else { text.to_owned() }
}

fn is_odd(c: char) -> bool {
    let is_control = c.is_control() && !matches!(c, '\n' | '\t');
    is_control
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_changes_other_text_is_escaped() {
        for (odd, shown) in [
            ("\u{1b}[2J", r"\u001b[2J"),
            ("\u{9b}2J", r"\u009b2J"),
            ("\u{7f}\0\r", r"\u007f\u0000\u000d"),
            ("eth0\u{202e}0hte", r"eth0\u202e0hte"),
            ("\u{2066}\u{2069}\u{200f}", r"\u2066\u2069\u200f"),
        ] {
            assert_eq!(printable(odd), shown);
        }
        let all = ('\u{80}'..='\u{9f}').chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        for odd in all.chain(['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{feff}']) {
            assert_eq!(printable(&odd.to_string()), format!("\\u{:04x}", u32::from(odd)));
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in ["", "a\n\tb", "naïve größer עברית العربية 日本語 🦀", "👩\u{200d}🚀"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn json_stays_json_with_the_same_value() {
        let value = serde_json::json!({"a": "\u{1b}[2J\u{202e}\u{9b}\u{feff}\n\t\\\"", "b": ["\u{7f}"]});
        let text = printable(&value.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert!(text.is_ascii(), "{text}");
    }
}
