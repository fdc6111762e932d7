//! Ethernet addresses as text.

use crate::MacAddress;

/// Parses `0a:58:0a:0f:14:02`. Like Go, it also accepts `-` as separator, and groups of four digits separated by `.`.
pub fn parse(text: &str) -> Result<MacAddress, String> {
    let (separator, digits) = match text {
        _ if text.contains('.') => ('.', 4),
        _ if text.contains('-') => ('-', 2),
        _ => (':', 2),
    };
    let groups: Vec<&str> = text.split(separator).collect();
    let well_formed = groups.iter().all(|g| g.len() == digits && g.bytes().all(|b| b.is_ascii_hexdigit()));
    let number = u64::from_str_radix(&groups.concat(), 16).ok().filter(|_| well_formed && text.len() <= 17);
    match number.map(u64::to_be_bytes) {
        Some([0, 0, a, b, c, d, e, f]) if groups.concat().len() == 12 => Ok((a, b, c, d, e, f)),
        _ => Err(format!("address {text}: invalid MAC address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_notations_of_six_bytes_are_read_and_nothing_else() {
        for text in ["0a:58:0A:0f:14:02", "0a-58-0a-0f-14-02", "0a58.0a0f.1402"] {
            assert_eq!(parse(text), Ok((0x0a, 0x58, 0x0a, 0x0f, 0x14, 0x02)), "{text}");
        }
        for text in
            ["", "xx:yy", "0a:58:0a:0f:14", "0a:58:0a:0f:14:2", "0a:58-0a:0f:14:02", "+a:58:0a:0f:14:02"]
        {
            assert_eq!(parse(text), Err(format!("address {text}: invalid MAC address")));
        }
    }
}
