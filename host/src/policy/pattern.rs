//! Patterns of names, as administrators write them.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::fmt;
use wildmatch::WildMatch;

/// A pattern or a list of patterns. A name matches if one pattern matches and no pattern with `!` does. If all
/// patterns have `!`, every other name matches. An empty list matches nothing.
///
/// `*` stands for any text, and `?` for one character. Every other character stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        let (mut wanted, mut found) = (false, false);
        for pattern in &self.0 {
            match pattern.strip_prefix('!') {
                Some(excluded) if WildMatch::new(excluded).matches(name) => return false,
                Some(_) => {}
                None => {
                    wanted = true;
                    found |= WildMatch::new(pattern).matches(name);
                }
            }
        }
        found || (!wanted && !self.0.is_empty())
    }
}

/// Whether a name, used as a pattern, matches only itself.
pub fn is_literal(name: &str) -> bool {
    !name.starts_with('!') && !name.contains(['*', '?'])
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "nothing" } else { "" })?;
        f.write_str(&self.0.join(" "))
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Patterns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern or a list of patterns")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Patterns, E> {
                if text.is_empty() || text == "!" {
                    return Err(E::custom("an empty pattern matches nothing"));
                }
                Ok(Patterns(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Patterns, A::Error> {
                let mut patterns = Vec::new();
                while let Some(Patterns(mut one)) = list.next_element()? {
                    patterns.append(&mut one);
                }
                Ok(Patterns(patterns))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], name: &str) -> bool {
        Patterns(patterns.iter().map(|p| (*p).to_owned()).collect()).matches(name)
    }

    #[test]
    fn a_list_matches_one_of_its_patterns_and_none_of_the_excluded() {
        assert!(matches(&["br-*", "cni?"], "cni0") && matches(&["br-*", "cni?"], "br-"));
        assert!(!matches(&["br-*", "cni?"], "cni") && !matches(&["br-*", "cni?"], "xbr-1"));
        assert!(matches(&["!docker0"], "eth0") && !matches(&["!docker0"], "docker0"));
        assert!(matches(&["br-*", "!br-secret"], "br-1") && !matches(&["br-*", "!br-secret"], "br-secret"));
        assert!(!matches(&["br-*", "!br-secret"], "eth0"));
        assert!(!matches(&[], "eth0"), "an empty list is nothing");
        assert!(matches(&["a.b"], "a.b") && !matches(&["a.b"], "axb"), "a dot is a dot");
    }
}
