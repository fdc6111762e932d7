//! Rules of nftables: a table as `libnftables-json(5)` lists it, and the edits that change it, as `nft(8)` takes them.

mod rule;

pub use rule::{NewRule, Operand, Operator, Rule, Selector, Statement};

use crate::value::shell::word;

/// A table as far as it is listed; the default is one that is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Whether it is there.
    pub exists: bool,
    /// All chains, in order.
    pub chains: Vec<String>,
    /// All rules, in order.
    pub rules: Vec<Rule>,
    /// Whether it has anything else: a set, a map, a counter.
    pub has_others: bool,
}

/// What makes a chain one that the kernel calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// `prerouting`, `output`, `postrouting`.
    pub hook: &'static str,
    /// Chains of a hook are called in ascending order.
    pub priority: i32,
    /// What happens to a packet of which no rule decides; none: nothing is said, and the kernel accepts.
    pub policy: Option<&'static str>,
}

/// A command of `nft(8)` for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Makes the table, unless it is there.
    AddTable {
        /// Only a new table gets it.
        comment: Option<&'static str>,
    },
    /// Makes a chain, unless it is there.
    AddChain {
        /// Its name.
        name: String,
        /// Where the kernel calls it; none: rules jump to it.
        hook: Option<Hook>,
        /// Only a new chain gets it.
        comment: Option<&'static str>,
    },
    /// Deletes all rules of a chain.
    FlushChain(String),
    /// Adds a rule at the end of its chain.
    AddRule(NewRule),
    /// Deletes a rule that was listed. Refused when no rule of the chain has that handle any more.
    DeleteRule {
        /// Its chain.
        chain: String,
        /// As listed.
        handle: u64,
    },
    /// Deletes a chain that is empty and to which nothing jumps.
    DeleteChain(String),
    /// Deletes the table with all that is in it.
    DeleteTable,
}

impl Listing {
    /// Whether it has a chain.
    pub fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain == name)
    }

    /// The rules of a chain, in order.
    pub fn rules_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.chain == chain)
    }

    /// Whether a chain has rules with these statements and no others, in this order.
    pub fn is_filled<'a>(&self, chain: &str, with: impl IntoIterator<Item = &'a NewRule>) -> bool {
        let mut rules = self.rules_of(chain);
        with.into_iter().all(|new| rules.next().is_some_and(|rule| new.says(rule))) && rules.next().is_none()
    }

    /// The edits that delete those of its rules that are meant. Rules without a handle are new ones of a transaction, and stay.
    pub fn deletions(&self, is_meant: impl Fn(&Rule) -> bool) -> Vec<Edit> {
        let meant = self.rules.iter().filter(|rule| is_meant(rule));
        meant
            .filter_map(|rule| Some(Edit::DeleteRule { chain: rule.chain.clone(), handle: rule.handle? }))
            .collect()
    }

    /// The table after an edit. A rule that is added has no handle: the kernel gives it one, and nobody knows which before it is listed.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::AddTable { .. } => self.exists = true,
            Edit::AddChain { name, .. } if !self.has_chain(name) => self.chains.push(name.clone()),
            Edit::AddChain { .. } => {}
            Edit::FlushChain(chain) => self.rules.retain(|rule| rule.chain != *chain),
            Edit::AddRule(rule) => self.rules.push(rule.listed()),
            Edit::DeleteRule { chain, handle } => {
                self.rules.retain(|rule| rule.chain != *chain || rule.handle != Some(*handle));
            }
            Edit::DeleteChain(chain) => self.chains.retain(|there| there != chain),
            Edit::DeleteTable => *self = Listing::default(),
        }
    }

    /// Gives each rule without a handle the next one, as a kernel does: for a machine that keeps listings in the place of tables.
    pub fn number_rules(&mut self) {
        let mut last = self.rules.iter().filter_map(|rule| rule.handle).max().unwrap_or_default();
        for rule in self.rules.iter_mut().filter(|rule| rule.handle.is_none()) {
            last += 1;
            rule.handle = Some(last);
        }
    }
}

impl Edit {
    /// As a line of a script of `nft -f`, for a table. What is part of a name has to be a word of that language.
    pub fn line(&self, family: &str, name: &str) -> String {
        self.words(family, name).join(" ")
    }

    /// As a command line for a shell, for a table: `nft add rule FAMILY TABLE CHAIN …`.
    pub fn command(&self, family: &str, name: &str) -> String {
        let words = self.words(family, name);
        // `nft` puts its arguments together again; yet it would take one that begins so for an option.
        if words.iter().any(|word| word.starts_with('-')) {
            return format!("nft {}", word(&words.join(" ")));
        }
        let words: Vec<String> = words.iter().map(|text| word(text)).collect();
        format!("nft {}", words.join(" "))
    }

    fn words(&self, family: &str, name: &str) -> Vec<String> {
        let of = |verb: &str, thing: &str, more: &[&str]| -> Vec<String> {
            [verb, thing, family, name].iter().chain(more).map(|&word| word.to_owned()).collect()
        };
        let comment = |text: &str| format!("comment {} ;", rule::quoted(text));
        match self {
            Edit::AddTable { comment: None } => of("add", "table", &[]),
            Edit::AddTable { comment: Some(text) } => {
                of("add", "table", &[&format!("{{ {} }}", comment(text))])
            }
            Edit::AddChain { name, hook, comment: text } => {
                let parts = hook.iter().map(Hook::text).chain(text.map(comment));
                let parts: Vec<String> = parts.collect();
                match parts.is_empty() {
                    true => of("add", "chain", &[name]),
                    false => of("add", "chain", &[name, &format!("{{ {} }}", parts.join(" "))]),
                }
            }
            Edit::FlushChain(chain) => of("flush", "chain", &[chain]),
            Edit::AddRule(rule) => {
                let mut words = of("add", "rule", &[&rule.chain]);
                words.extend(rule.words());
                words
            }
            Edit::DeleteRule { chain, handle } => {
                of("delete", "rule", &[chain, "handle", &handle.to_string()])
            }
            Edit::DeleteChain(chain) => of("delete", "chain", &[chain]),
            Edit::DeleteTable => of("delete", "table", &[]),
        }
    }
}

impl Hook {
    fn text(&self) -> String {
        let Hook { kind, hook, priority, policy } = self;
        let policy = policy.map(|policy| format!(" policy {policy} ;")).unwrap_or_default();
        format!("type {kind} hook {hook} priority {priority} ;{policy}")
    }
}

/// A command line that deletes the rules of a chain (`FAMILY TABLE CHAIN`) that are listed with a text: only their handles delete them.
pub fn deletion_command(chain: &str, text: &str) -> String {
    let text = word(text);
    format!(
        "nft -a list chain {chain} | grep -F -- {text} | sed 's/.*# handle //' | \
         while read -r number; do nft delete rule {chain} handle $number; done"
    )
}

#[cfg(test)]
mod tests;
