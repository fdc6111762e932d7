//! A rule as words: parsing, quoting, comparison.

use crate::value::length::{self, cut};
use ipnetwork::IpNetwork;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A rule: its chain, and all words after it.
#[derive(Clone)]
pub struct Rule {
    /// The chain of the rule.
    pub chain: String,
    /// The words in the format of `iptables -S`, without quotes.
    words: Vec<String>,
    /// See [`Rule::key`].
    key: OnceLock<Key>,
}

/// A digest of what a rule does in its chain.
type Key = [u8; 32];

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        (&self.chain, &self.words) == (&other.chain, &other.words)
    }
}

impl Eq for Rule {}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("chain", &self.chain).field("words", &self.words).finish()
    }
}

/// The parts of a plain rule.
#[derive(Debug, Clone, Copy, Default)]
struct Content<'a> {
    source: Option<&'a str>,
    destination: Option<&'a str>,
    not_destination: Option<&'a str>,
    target: Option<&'a str>,
    comment: Option<&'a str>,
    has_others: bool,
}

impl Rule {
    /// A rule with these words.
    pub fn new(chain: &str, words: &[&str]) -> Self {
        Rule::of(chain.to_owned(), words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// A rule with these words.
    pub fn of(chain: String, words: Vec<String>) -> Self {
        Rule { chain, words, key: OnceLock::new() }
    }

    /// The words in the format of `iptables -S`, without quotes.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Parses a line of `iptables -S` after its `-A `. None if it is empty.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = words(line).into_iter();
        Some(Rule::of(words.next()?, words.collect()))
    }

    /// The value of `-s`.
    pub fn source(&self) -> Option<IpNetwork> {
        self.content().source?.parse().ok()
    }

    /// The value of `-d`.
    pub fn destination(&self) -> Option<IpNetwork> {
        self.content().destination?.parse().ok()
    }

    /// The value of `! -d`.
    pub fn not_destination(&self) -> Option<IpNetwork> {
        self.content().not_destination?.parse().ok()
    }

    /// The value of `-j`.
    pub fn target(&self) -> Option<&str> {
        self.content().target
    }

    /// The value of `--comment`, as iptables stores it.
    pub fn comment(&self) -> Option<&str> {
        self.content().comment
    }

    /// Whether the rule consists only of addresses, a comment, and a target without options.
    pub fn is_plain(&self) -> bool {
        self.content().networks().is_some()
    }

    /// The chain and the target: `PREROUTING>CNI-HOSTPORT-DNAT`.
    pub fn name(&self) -> String {
        format!("{}>{}", self.chain, self.target().unwrap_or_default())
    }

    /// The word after an option.
    pub fn value(&self, option: &str) -> Option<&str> {
        let place = self.words.iter().position(|word| word == option)?;
        self.words.get(place + 1).map(String::as_str)
    }

    /// Whether both rules do the same in the same chain. In plain rules, the order of words does not matter. Other
    /// rules are compared word by word.
    pub fn is_same(&self, other: &Rule) -> bool {
        self.key() == other.key()
    }

    /// A digest that rules have in common if they do the same in the same chain. A verb compares each of its rules with
    /// each listed rule, and both may be thousands, so a rule is parsed only once.
    fn key(&self) -> &Key {
        self.key.get_or_init(|| {
            let content = self.content();
            let (kind, parts) = match content.networks() {
                Some(networks) => {
                    let networks = networks.map(|network| network.map(|network| network.to_string()));
                    let texts = [content.target.map(str::to_owned), content.comment.map(str::to_owned)];
                    ("plain", networks.into_iter().chain(texts).collect())
                }
                None => ("words", self.words.iter().cloned().map(Some).collect::<Vec<_>>()),
            };
            let mut digest = Sha256::new();
            for part in [Some(kind), Some(&self.chain)].into_iter().chain(parts.iter().map(Option::as_deref))
            {
                // The length separates a part from the next one. A missing part is not an empty one.
                digest.update(part.map_or(usize::MAX, str::len).to_ne_bytes());
                digest.update(part.unwrap_or_default());
            }
            digest.finalize().into()
        })
    }

    fn content(&self) -> Content<'_> {
        let mut content = Content::default();
        let mut words = self.words.iter().map(String::as_str);
        let mut not = false;
        while let Some(word) = words.next() {
            match word {
                "!" => {
                    not = true;
                    continue;
                }
                "-s" if !not => content.source = words.next(),
                "-d" if !not => content.destination = words.next(),
                "-d" => content.not_destination = words.next(),
                "-j" if !not => content.target = words.next(),
                // The kernel has the beginning of a longer comment.
                "--comment" if !not => {
                    content.comment = words.next().map(|text| cut(text, length::IPTABLES_COMMENT));
                }
                "-m" if !not => content.has_others |= words.next() != Some("comment"),
                _ => content.has_others = true,
            }
            not = false;
        }
        content
    }
}

impl Content<'_> {
    /// The source, the destination, and the excluded destination. None if the rule is not plain. A mask that is not a
    /// prefix also makes a rule not plain.
    fn networks(&self) -> Option<[Option<IpNetwork>; 3]> {
        let mut networks = [None; 3];
        for (network, text) in networks.iter_mut().zip([self.source, self.destination, self.not_destination])
        {
            *network = text.map(IpNetwork::from_str).transpose().ok()?;
        }
        (!self.has_others).then_some(networks)
    }
}

/// A word for a line of `iptables-restore`, with quotes if necessary.
pub fn plain(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:,![]".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) { word.to_owned() } else { quote(word) }
}

/// Quotes a text, so that it is a single word.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Splits a line into words. Within quotes, a backslash escapes the next character.
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
    use crate::value::shell::word;

    #[test]
    fn a_quoted_word_is_parsed_back() {
        for text in [r#"name: "a b" id: "c""#, r"back\slash", "", "?", "[::1]:80"] {
            assert_eq!(words(&format!("x {} y", quote(text))), ["x", text, "y"]);
            assert_eq!(words(&format!("x {} y", plain(text))), ["x", text, "y"]);
        }
    }

    #[test]
    fn a_quoted_word_is_a_single_word_for_the_shell() {
        for text in ["plain", "!", "", "two words", "it's", "$(boom)", r#"name: "a""#, "[::1]:80", "*"] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn plain_rules_are_compared_by_content_and_others_word_by_word() {
        let rule = |line| Rule::parse(line).unwrap();
        let same = |a, b| rule(a).is_same(&rule(b));
        assert!(same(
            "A -s 10.1.0.0/16 -j B -m comment --comment x",
            "A -s 10.1.0.0/16 -m comment --comment x -j B"
        ));
        assert!(!same("A -s 10.1.0.0/16 -j B", "A -s 10.1.0.0/16 -m comment --comment x -j B"));
        assert!(!same("A ! -d 10.1.0.0/16 -j B", "A -d 10.1.0.0/16 -j B"));
        assert!(!same("A -j B", "C -j B"));
        assert!(same("A -p tcp -j B", "A -p tcp -j B"));
        assert!(!same("A -p tcp -s 10.1.0.0/16 -j B", "A -s 10.1.0.0/16 -p tcp -j B"));
        // An unsupported part makes two rules different.
        assert!(!same("A -j B", "A ? -j B"));
        assert!(!same("A -j B", "A -s 10.0.0.1/255.0.0.255 -j B"));
    }
}
