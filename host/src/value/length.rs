//! The lengths at which the kernel and its tools cut, or refuse, texts that name things of ours.
//!
//! A text is cut when it is made, and a listed text is compared with a cut one. So a rule is found again, whoever wrote
//! its text: iptables cuts a comment that is too long without a word, so the reference's rules have cut comments too.

/// In bytes. A comment in iptables: `XT_MAX_COMMENT_LEN` of the kernel, without the terminating zero. `iptables` 1.8.9
/// cuts a longer comment when it adds, checks and deletes a rule.
pub const IPTABLES_COMMENT: usize = 255;

/// In bytes. A comment in nftables: `NFTNL_UDATA_COMMENT_MAXLEN` of libnftnl. `nft` refuses a longer one.
pub const NFTABLES_COMMENT: usize = 128;

/// In bytes. The name of a chain in iptables: `XT_EXTENSION_MAXNAMELEN` of the kernel, without the terminating zero.
/// `iptables` refuses a longer one.
pub const IPTABLES_CHAIN: usize = 28;

/// In bytes. The alias of a link: `IFALIASZ` of the kernel, without the terminating zero. The kernel refuses a longer
/// one.
pub const ALIAS: usize = 255;

/// The beginning of a text, at most so many bytes, and whole characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("short", IPTABLES_COMMENT), "short");
        assert_eq!(cut(&"a".repeat(300), IPTABLES_COMMENT).len(), 255);
        assert_eq!(cut(&"\u{e9}".repeat(128), IPTABLES_COMMENT).len(), 254);
    }
}
