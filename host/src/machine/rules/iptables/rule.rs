//! A rule in words: parsed, quoted, compared.

use ipnetwork::IpNetwork;
use std::str::FromStr;

/// A rule: its chain, and all words after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// As `iptables -S` prints them, unquoted.
    pub words: Vec<String>,
}

/// What a plain rule consists of.
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
    /// A rule of these words.
    pub fn new(chain: &str, words: &[&str]) -> Self {
        Rule { chain: chain.to_owned(), words: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// Parses a line of `iptables -S` after its `-A `; none if it is empty.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = words(line).into_iter();
        Some(Rule { chain: words.next()?, words: words.collect() })
    }

    /// `-s`.
    pub fn source(&self) -> Option<IpNetwork> {
        self.content().source?.parse().ok()
    }

    /// `-d`.
    pub fn destination(&self) -> Option<IpNetwork> {
        self.content().destination?.parse().ok()
    }

    /// `! -d`.
    pub fn not_destination(&self) -> Option<IpNetwork> {
        self.content().not_destination?.parse().ok()
    }

    /// `-j`.
    pub fn target(&self) -> Option<&str> {
        self.content().target
    }

    /// `--comment`.
    pub fn comment(&self) -> Option<&str> {
        self.content().comment
    }

    /// Whether it has nothing but addresses, a comment and a target without options.
    pub fn is_plain(&self) -> bool {
        self.content().networks().is_some()
    }

    /// Its chain and its target: `PREROUTING>CNI-HOSTPORT-DNAT`.
    pub fn name(&self) -> String {
        format!("{}>{}", self.chain, self.target().unwrap_or_default())
    }

    /// The word after an option, wherever that is.
    pub fn value(&self, option: &str) -> Option<&str> {
        let place = self.words.iter().position(|word| word == option)?;
        self.words.get(place + 1).map(String::as_str)
    }

    /// Whether both do the same in the same chain. The order of words is of no account in plain rules; other rules are compared word by word.
    pub fn is_same(&self, other: &Rule) -> bool {
        self.chain == other.chain && (self.words == other.words || self.is_same_content(other))
    }

    fn is_same_content(&self, other: &Rule) -> bool {
        let (content, other) = (self.content(), other.content());
        (content.target, content.comment) == (other.target, other.comment)
            && content.networks().is_some_and(|networks| other.networks() == Some(networks))
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
                "--comment" if !not => content.comment = words.next(),
                "-m" if !not => content.has_others |= words.next() != Some("comment"),
                _ => content.has_others = true,
            }
            not = false;
        }
        content
    }
}

impl Content<'_> {
    /// Source, destination and what the destination is not; none if the rule is not plain. A mask that is no prefix makes it another rule than it seems.
    fn networks(&self) -> Option<[Option<IpNetwork>; 3]> {
        let mut networks = [None; 3];
        for (network, text) in networks.iter_mut().zip([self.source, self.destination, self.not_destination])
        {
            *network = text.map(IpNetwork::from_str).transpose().ok()?;
        }
        (!self.has_others).then_some(networks)
    }
}

/// A word of a line of `iptables-restore`, quoted where it has to be.
pub fn plain(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:,![]".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) { word.to_owned() } else { quote(word) }
}

/// Writes a text as one word.
fn quote(text: &str) -> String {
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
    use crate::value::shell::word;

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in [r#"name: "a b" id: "c""#, r"back\slash", "", "?", "[::1]:80"] {
            assert_eq!(words(&format!("x {} y", quote(text))), ["x", text, "y"]);
            assert_eq!(words(&format!("x {} y", plain(text))), ["x", text, "y"]);
        }
    }

    #[test]
    fn a_word_is_one_for_a_shell() {
        for text in ["plain", "!", "", "two words", "it's", "$(boom)", r#"name: "a""#, "[::1]:80", "*"] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn plain_rules_are_compared_by_what_they_do_and_others_word_by_word() {
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
        // What is not known of a rule is not the same as nothing.
        assert!(!same("A -j B", "A ? -j B"));
        assert!(!same("A -j B", "A -s 10.0.0.1/255.0.0.255 -j B"));
    }
}
