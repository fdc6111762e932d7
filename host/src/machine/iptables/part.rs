//! A rule as `iptables -S` prints it: so it is written, and so it is compared.

use super::rule::{Rule, quote};

/// A rule and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The chain that it is in.
    pub chain: String,
    /// It comes first there.
    pub first: bool,
    /// All of it.
    pub words: Vec<String>,
}

impl Part {
    /// One that comes last.
    pub fn new(chain: &str, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Part { chain: chain.to_owned(), first: false, words }
    }

    /// The same, but first in its chain.
    pub fn first(self) -> Self {
        Part { first: true, ..self }
    }

    /// By what it is told in a journal that a rule which others use too was there: its chain, and where it leads.
    pub fn name(&self) -> String {
        let target = self.words.iter().skip_while(|word| *word != "-j").nth(1);
        format!("{}>{}", self.chain, target.map_or("", String::as_str))
    }

    /// The line that adds it.
    pub fn line(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| plain(word)).collect();
        let verb = if self.first { format!("-I {} 1", self.chain) } else { format!("-A {}", self.chain) };
        format!("{verb} {}", words.join(" "))
    }

    /// Whether a listed rule is this one.
    pub fn is(&self, rule: &Rule) -> bool {
        rule.chain == self.chain && rule.words == self.words
    }
}

/// A word of a line, quoted where it has to be.
fn plain(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:,![]".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) { word.to_owned() } else { quote(word) }
}
