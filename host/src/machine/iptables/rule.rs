//! What `iptables -S` prints, as far as our rules go.

use ipnetwork::IpNetwork;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Chains that somebody made.
    pub chains: Vec<String>,
    /// All rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule; `-D` and its line delete it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// As printed, without `-A`.
    pub line: String,
    /// `-s`.
    pub source: Option<IpNetwork>,
    /// `-d`.
    pub destination: Option<IpNetwork>,
    /// `! -d`.
    pub not_destination: Option<IpNetwork>,
    /// `-j`.
    pub target: Option<String>,
    /// `--comment`.
    pub comment: Option<String>,
    /// It has nothing else.
    pub plain: bool,
    /// All words but the chain.
    pub words: Vec<String>,
}

impl Listing {
    /// Reads a listing; lines that are neither a chain nor a rule are none of ours.
    pub fn parse(text: &str) -> Self {
        let mut listing = Listing::default();
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix("-N ") {
                listing.chains.push(chain.trim().to_owned());
            } else if let Some(line) = line.strip_prefix("-A ") {
                listing.rules.extend(Rule::parse(line));
            }
        }
        listing
    }
}

impl Rule {
    /// Whether both do the same in the same chain, if both are plain: a comment can be written in two ways.
    pub fn is_same(&self, other: &Rule) -> bool {
        let all = |rule: &Rule| (rule.plain, rule.source, rule.destination, rule.not_destination);
        all(self) == all(other)
            && (&self.chain, &self.target, &self.comment) == (&other.chain, &other.target, &other.comment)
    }

    /// Reads a line after its `-A `.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = words(line).into_iter();
        let chain = words.next()?;
        let mut rule = Rule {
            chain,
            words: words.as_slice().to_vec(),
            line: line.to_owned(),
            source: None,
            destination: None,
            not_destination: None,
            target: None,
            comment: None,
            plain: true,
        };
        let mut not = false;
        while let Some(word) = words.next() {
            match word.as_str() {
                "!" => {
                    not = true;
                    continue;
                }
                "-s" if !not => rule.source = words.next().and_then(|network| network.parse().ok()),
                "-d" if !not => rule.destination = words.next().and_then(|network| network.parse().ok()),
                "-d" => rule.not_destination = words.next().and_then(|network| network.parse().ok()),
                "-j" if !not => rule.target = words.next(),
                "--comment" if !not => rule.comment = words.next(),
                "-m" if !not => rule.plain &= words.next().as_deref() == Some("comment"),
                _ => rule.plain = false,
            }
            not = false;
        }
        Some(rule)
    }
}

/// Writes a text as one word.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Words between blanks; within quotes a backslash makes the next character plain.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let (mut quoted, mut letters) = (false, line.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(letters.next()),
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_the_reference_is_read() {
        let text = r#"-P POSTROUTING ACCEPT
-N CNI-e88f49d94512ff752ebe6070
-A POSTROUTING -s 10.1.2.2/32 -m comment --comment "name: \"mynet\" id: \"abc\"" -j CNI-e88f49d94512ff752ebe6070
-A CNI-e88f49d94512ff752ebe6070 ! -d 224.0.0.0/4 -m comment --comment "name: \"mynet\" id: \"abc\"" -j MASQUERADE
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE"#;
        let listing = Listing::parse(text);
        assert_eq!(listing.chains, ["CNI-e88f49d94512ff752ebe6070"]);
        let [jump, masquerade, foreign] = listing.rules.as_slice() else { panic!("{listing:?}") };
        assert_eq!(jump.source, Some("10.1.2.2/32".parse().unwrap()));
        assert_eq!(jump.comment.as_deref(), Some(r#"name: "mynet" id: "abc""#));
        assert_eq!(jump.target.as_deref(), Some("CNI-e88f49d94512ff752ebe6070"));
        assert!(jump.plain && masquerade.plain && !foreign.plain);
        assert_eq!(masquerade.not_destination, Some("224.0.0.0/4".parse().unwrap()));
        assert_eq!(masquerade.destination, None);
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in [r#"name: "a b" id: "c""#, r"back\slash", ""] {
            assert_eq!(words(&format!("x {} y", quote(text))), ["x", text, "y"]);
        }
    }
}
