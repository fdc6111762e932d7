//! `resolvConf`: DNS settings in the format of resolv.conf(5), parsed as the reference's host-local does.

use crate::Dns;

/// Parses the keywords `nameserver`, `domain`, `search` and `options`. Other keywords, and lines without a value, are
/// ignored.
///
/// Unlike in a resolver, several `search` lines add up, and values are not checked.
pub fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(keyword), Some(first)) = (words.next(), words.next()) else { continue };
        match keyword.as_str() {
            "nameserver" => dns.nameservers.get_or_insert_default().push(first),
            "domain" => dns.domain = first,
            "search" => dns.search.get_or_insert_default().extend(std::iter::once(first).chain(words)),
            "options" => dns.options.get_or_insert_default().extend(std::iter::once(first).chain(words)),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up_and_unknown_lines_are_ignored() {
        let text = "# nameserver 10.0.0.1\n; domain x\n\n  nameserver\t10.0.0.53 10.0.0.54 \r\nnameserver fd00::53\nnameserver\n\
            domain a.example\ndomain b.example # comment\nsearch a b\nsearch c\noptions ndots:1  rotate\nsortlist x\nDomain no\n";
        let texts = |list: &[&str]| Some(list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let expected = Dns {
            nameservers: texts(&["10.0.0.53", "fd00::53"]),
            domain: "b.example".to_owned(),
            search: texts(&["a", "b", "c"]),
            options: texts(&["ndots:1", "rotate"]),
        };
        assert_eq!(parse(text), expected);
        assert_eq!(parse(""), Dns::default());
    }
}
