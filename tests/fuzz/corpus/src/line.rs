//! An input as one line of text.
//!
//! Text stays as it is, but for what would break the line or could not be seen: `\n`, `\r` and `\t` are written so, a backslash is `\\`, and any
//! other control character, and each byte that is no UTF-8, is `\xNN`.

use anyhow::{Context, Result, bail};
use std::fmt::Write;

/// Writes an input as a line, without its end.
pub fn encode(input: &[u8]) -> String {
    let mut line = String::with_capacity(input.len());
    for chunk in input.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => line += r"\\",
                '\n' => line += r"\n",
                '\r' => line += r"\r",
                '\t' => line += r"\t",
                control if control.is_control() => {
                    escape(control.encode_utf8(&mut [0; 4]).as_bytes(), &mut line);
                }
                other => line.push(other),
            }
        }
        escape(chunk.invalid(), &mut line);
    }
    line
}

fn escape(bytes: &[u8], line: &mut String) {
    for byte in bytes {
        write!(line, r"\x{byte:02x}").expect("a string takes everything");
    }
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// After a backslash stands something else than above.
pub fn decode(line: &str) -> Result<Vec<u8>> {
    let mut input = Vec::with_capacity(line.len());
    let mut parts = line.split('\\');
    input.extend(parts.next().unwrap_or_default().bytes());
    while let Some(part) = parts.next() {
        let (byte, length) = match part.bytes().next() {
            // Two backslashes have nothing between them; the text after the second one is no escape.
            None => {
                input.push(b'\\');
                input.extend(parts.next().context("it ends with a backslash")?.bytes());
                continue;
            }
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(b'x') => {
                let digits = part.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                let digits = digits.with_context(|| format!(r"\{part:.3} has no two hexadecimal digits"))?;
                (u8::from_str_radix(digits, 16)?, 3)
            }
            Some(_) => bail!(r"\{part:.1} is no escape"),
        };
        input.push(byte);
        input.extend(part.bytes().skip(length));
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_one_line_stays_as_it_is() {
        for text in ["", r#"{"name": "net", "ü": "→"}"#, "  spaces  "] {
            assert_eq!(encode(text.as_bytes()), text);
        }
    }

    #[test]
    fn the_rest_is_escaped() {
        assert_eq!(encode(b"a\nb\r\t\\n\x00\x7f\xff"), r"a\nb\r\t\\n\x00\x7f\xff");
        // A control character of two bytes, and a character that was cut off.
        assert_eq!(encode("\u{85}é".as_bytes().split_last().unwrap().1), r"\xc2\x85\xc3");
    }

    #[test]
    fn every_input_comes_back_and_takes_one_line() {
        let parts: Vec<Vec<u8>> =
            [&b"\\"[..], b"n", b"x4", b"\\\\", "é".as_bytes(), b"\r\n", b"\xe2\x80", b""]
                .map(<[u8]>::to_vec)
                .into_iter()
                .chain((0..=255).map(|byte| vec![byte]))
                .collect();
        for one in &parts {
            for other in &parts {
                let input = [one.as_slice(), other, one].concat();
                let line = encode(&input);
                assert_eq!(decode(&line).unwrap(), input, "{line}");
                assert!(line.lines().count() <= 1 && !line.contains('\r'), "{line:?}");
            }
        }
    }

    #[test]
    fn an_escape_that_is_none_is_an_error() {
        for line in [r"a\", r"\\\", r"\q", r"\x4", r"\xg0", r"\x+1", r"\é"] {
            assert!(decode(line).is_err(), "{line}");
        }
    }
}
