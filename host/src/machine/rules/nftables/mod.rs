//! Rules of nftables: the listing of a table in the format of `libnftables-json(5)`, and edits in the syntax of
//! `nft(8)`.

mod rule;

pub use rule::{NewRule, Operand, Operator, Rule, Selector, Statement};

use crate::value::shell::word;

/// The listing of a table. The default is a table that does not exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Whether the table exists.
    pub exists: bool,
    /// All chains, in order.
    pub chains: Vec<String>,
    /// All rules, in order.
    pub rules: Vec<Rule>,
    /// Whether the table contains anything else: a set, a map, a counter.
    pub has_others: bool,
}

/// The hook of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// `prerouting`, `output`, `postrouting`.
    pub hook: &'static str,
    /// The kernel calls the chains of a hook in ascending order of priority.
    pub priority: i32,
    /// The policy for packets that no rule decides about. None: no policy is written, and the kernel accepts them.
    pub policy: Option<&'static str>,
}

/// A command of `nft(8)` for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Creates the table, unless it exists.
    AddTable {
        /// The comment of a new table. An existing table does not get it.
        comment: Option<&'static str>,
    },
    /// Creates a chain, unless it exists.
    AddChain {
        /// The name.
        name: String,
        /// The hook of a base chain. None for a regular chain, which rules jump to.
        hook: Option<Hook>,
        /// The comment of a new chain. An existing chain does not get it.
        comment: Option<&'static str>,
    },
    /// Deletes all rules of a chain.
    FlushChain(String),
    /// Adds a rule at the end of its chain.
    AddRule(NewRule),
    /// Deletes a listed rule. Fails if no rule of the chain has this handle any more.
    DeleteRule {
        /// The chain of the rule.
        chain: String,
        /// The handle from the listing.
        handle: u64,
    },
    /// Deletes a chain. It must be empty, and no rule may jump to it.
    DeleteChain(String),
    /// Deletes the table with everything in it.
    DeleteTable,
}

impl Listing {
    /// Whether the chain exists.
    pub fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain == name)
    }

    /// The rules of a chain, in order.
    pub fn rules_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.chain == chain)
    }

    /// Whether the statements of the chain's rules are exactly these, in this order.
    pub fn is_filled<'a>(&self, chain: &str, with: impl IntoIterator<Item = &'a NewRule>) -> bool {
        let mut rules = self.rules_of(chain);
        with.into_iter().all(|new| rules.next().is_some_and(|rule| new.says(rule))) && rules.next().is_none()
    }

    /// The edits that delete the rules that `is_meant` selects. Rules without a handle are new in the same transaction,
    /// and stay.
    pub fn deletions(&self, is_meant: impl Fn(&Rule) -> bool) -> Vec<Edit> {
        let meant = self.rules.iter().filter(|rule| is_meant(rule));
        meant
            .filter_map(|rule| Some(Edit::DeleteRule { chain: rule.chain.clone(), handle: rule.handle? }))
            .collect()
    }

    /// Applies an edit to the listing. An added rule has no handle, because only the next listing shows the one that
    /// the kernel gives it.
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

    /// Gives each rule without a handle the next number, as a kernel does. This is for the test machine, which stores
    /// listings instead of tables.
    pub fn number_rules(&mut self) {
        let mut last = self.rules.iter().filter_map(|rule| rule.handle).max().unwrap_or_default();
        for rule in self.rules.iter_mut().filter(|rule| rule.handle.is_none()) {
            last += 1;
            rule.handle = Some(last);
        }
    }
}

impl Edit {
    /// The edit as a line of a script for `nft -f`. Parts of names must be words of its syntax.
    pub fn line(&self, family: &str, name: &str) -> String {
        self.words(family, name).join(" ")
    }

    /// The edit as a shell command: `nft add rule FAMILY TABLE CHAIN …`.
    pub fn command(&self, family: &str, name: &str) -> String {
        let words = self.words(family, name);
        // `nft` joins its arguments, but would take a word that begins with `-` for an option.
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

/// A shell command that deletes the rules of a chain (`FAMILY TABLE CHAIN`) whose listing contains a text. `nft` can
/// only delete rules by handle.
pub fn deletion_command(chain: &str, text: &str) -> String {
    let text = word(text);
    format!(
        "nft -a list chain {chain} | grep -F -- {text} | sed 's/.*# handle //' | \
         while read -r number; do nft delete rule {chain} handle $number; done"
    )
}

#[cfg(test)]
mod tests;
