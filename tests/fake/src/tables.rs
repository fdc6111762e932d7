//! Rule tables, stored as listings. An edit fails if the kernel or the program would refuse it.

use super::faulty::Gate;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasm_cni::machine::rules::iptables::{self, Family, Table};
use wasm_cni::machine::rules::nftables;
use wasm_cni::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};

/// The built-in chains of iptables.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// The targets of iptables that are not chains.
const TARGETS: &str =
    "ACCEPT CT DNAT DROP LOG MARK MASQUERADE NETMAP QUEUE REDIRECT REJECT RETURN SNAT TCPMSS";

/// `XT_MAX_COMMENT_LEN` without the terminating zero, in bytes. Longer comments are truncated.
const MAX_COMMENT_BYTES: usize = 255;

/// All tables. At first only those of iptables exist, without rules. Clones share the tables.
#[derive(Clone)]
pub struct Tables {
    all: Arc<Mutex<BTreeMap<TableId, Listing>>>,
    gate: Gate,
    /// A change by another process, to be made after the next listing.
    others: Arc<Mutex<Option<Change>>>,
}

type Change = Box<dyn FnOnce(&dyn RuleTables) + Send>;

impl Tables {
    /// Tables without rules.
    pub fn new(gate: &Gate) -> Self {
        Tables { all: Arc::default(), gate: gate.clone(), others: Arc::default() }
    }

    /// A copy of the tables, with another gate.
    pub fn copy(&self, gate: &Gate) -> Self {
        Tables { all: Arc::new(Mutex::new(self.lock().clone())), ..Tables::new(gate) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableId, Listing>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a table by a listing.
    pub fn put(&self, table: TableId, mut listing: Listing) {
        number(&mut listing);
        self.lock().insert(kept(table), listing);
    }

    /// Lets `change` change tables right after the next listing, like another process.
    pub fn after_listing(&self, change: Change) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    /// A line for each chain, sorted, then for each rule, grouped by chain and in order. Handles are omitted.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, listing) in self.lock().iter() {
            let place = match table {
                TableId::Iptables(table, Family::V4) => table.name().to_owned(),
                TableId::Iptables(table, Family::V6) => format!("{}6", table.name()),
                TableId::Nftables(family, name) => format!("nft {family} {name}"),
            };
            let exists = listing.nftables().is_some_and(|listing| listing.exists);
            let (mut chains, mut rules) = chains_and_rules(listing);
            chains.sort();
            rules.sort_by_key(|(chain, _)| *chain);
            let all = exists.then(|| "table".to_owned()).into_iter().chain(chains);
            let all = all.chain(rules.into_iter().map(|(_, line)| line));
            lines.extend(all.map(|line| format!("{place}: {line}")));
        }
        lines
    }
}

impl RuleTables for Tables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        let look = || Ok(listed(&self.lock(), kept(table)));
        let listing = if self.gate.is_dry() { look() } else { self.gate.local(look) };
        let change = self.others.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(change) = change {
            change(self);
        }
        listing
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        self.gate.remote(|| {
            let (table, mut all) = (kept(table), self.lock());
            let mut listing = listed(&all, table);
            for edit in edits {
                if !is_possible(&listing, edit) {
                    return Err(TableError::Refused(format!("not possible: {}", edit.command(table))));
                }
                listing.apply(&[kept_edit(edit)]);
            }
            number(&mut listing);
            all.insert(table, listing);
            Ok(())
        })
    }
}

fn listed(all: &BTreeMap<TableId, Listing>, table: TableId) -> Listing {
    all.get(&table).cloned().unwrap_or_else(|| Listing::empty(table))
}

/// The table that stores the rules: plain rules of `nat` are in `nat`.
fn kept(table: TableId) -> TableId {
    match table {
        TableId::Iptables(Table::PlainNat, family) => TableId::Iptables(Table::Nat, family),
        other => other,
    }
}

/// The edit, with a plain rule in the form in which the kernel stores it.
fn kept_edit(edit: &Edit) -> Edit {
    use iptables::Edit::{Append, Insert};
    let mut kept = edit.clone();
    match &mut kept {
        Edit::Iptables(Append(rule) | Insert(rule)) if rule.is_plain() => *rule = kept_rule(rule),
        _ => {}
    }
    kept
}

/// A plain rule in the format of `iptables -S`, which omits networks that match all addresses.
fn kept_rule(rule: &iptables::Rule) -> iptables::Rule {
    let said = |network: IpNetwork| (network.prefix() > 0).then(|| network.to_string());
    let cut = |comment: &str| {
        let kept = comment.as_bytes().get(..MAX_COMMENT_BYTES).unwrap_or(comment.as_bytes());
        String::from_utf8_lossy(kept).into_owned()
    };
    let parts = [
        ("-s", rule.source().and_then(said)),
        ("-d", rule.destination().and_then(said)),
        ("! -d", rule.not_destination().map(|network| network.to_string())),
        ("-m comment --comment", rule.comment().map(cut)),
        ("-j", rule.target().map(str::to_owned)),
    ];
    let said = parts.into_iter().filter_map(|(option, value)| Some((option, value?)));
    let words = said.flat_map(|(option, value)| option.split(' ').map(str::to_owned).chain([value]));
    iptables::Rule::of(rule.chain.clone(), words.collect())
}

fn number(listing: &mut Listing) {
    if let Listing::Nftables(listing) = listing {
        listing.number_rules();
    }
}

/// Whether the kernel and the program accept an edit.
fn is_possible(listing: &Listing, edit: &Edit) -> bool {
    match (listing, edit) {
        (Listing::Iptables(listing), Edit::Iptables(edit)) => is_possible_iptables(listing, edit),
        (Listing::Nftables(listing), Edit::Nftables(edit)) => is_possible_nftables(listing, edit),
        _ => false,
    }
}

fn is_possible_iptables(listing: &iptables::Listing, edit: &iptables::Edit) -> bool {
    use iptables::Edit;
    let is_there = |chain: &str| listing.has_chain(chain) || BUILT_IN.contains(&chain);
    // Of a rule that is not plain, the target may have options.
    let targets = |rule: &iptables::Rule| {
        ["-j", "-g"].map(|option| rule.value(option).map(str::to_owned)).into_iter().flatten()
    };
    match edit {
        Edit::NewChain(chain) => !is_there(chain) && !is_target(chain) && !chain.starts_with('-'),
        Edit::Append(rule) | Edit::Insert(rule) => {
            let is_known = |target: &str| is_target(target) || is_there(target);
            is_there(&rule.chain) && is_complete(rule) && targets(rule).all(|target| is_known(&target))
        }
        Edit::Delete(rule) => listing.has(rule),
        Edit::Flush(chain) => is_there(chain),
        Edit::DeleteChain(chain) => {
            let uses =
                |rule: &iptables::Rule| rule.chain == *chain || targets(rule).any(|target| target == *chain);
            listing.has_chain(chain) && !listing.rules.iter().any(uses)
        }
    }
}

fn is_target(name: &str) -> bool {
    TARGETS.split(' ').any(|target| target == name)
}

/// Whether each option of a rule that takes a value has one.
fn is_complete(rule: &iptables::Rule) -> bool {
    let mut places = rule.words().iter().zip(rule.words().iter().skip(1).map(Some).chain([None]));
    let is_valued = |word: &str| "-d -g -i -j -o -p -s".split(' ').any(|option| option == word);
    places.all(|(word, next)| !is_valued(word) || next.is_some_and(|value| !value.starts_with('-')))
}

fn is_possible_nftables(listing: &nftables::Listing, edit: &nftables::Edit) -> bool {
    use nftables::Edit;
    let targets = |rule: &nftables::Rule| {
        let targets = rule.statements.iter().flat_map(|statement| {
            ["/jump/target", "/goto/target"].map(|place| Some(statement.pointer(place)?.as_str()?.to_owned()))
        });
        targets.flatten().collect::<Vec<String>>()
    };
    match edit {
        Edit::AddTable { .. } => true,
        Edit::AddChain { .. } | Edit::DeleteTable => listing.exists,
        Edit::FlushChain(chain) => listing.has_chain(chain),
        Edit::AddRule(rule) => {
            let rule = rule.listed();
            listing.has_chain(&rule.chain) && targets(&rule).iter().all(|target| listing.has_chain(target))
        }
        Edit::DeleteRule { chain, handle } => {
            listing.rules_of(chain).any(|rule| rule.handle == Some(*handle))
        }
        Edit::DeleteChain(chain) => {
            let uses = |rule: &nftables::Rule| rule.chain == *chain || targets(rule).contains(chain);
            listing.has_chain(chain) && !listing.rules.iter().any(uses)
        }
    }
}

/// Chains, and rules with their chains: in the format of `iptables -S` without built-in chains, or of `nft list`.
fn chains_and_rules(listing: &Listing) -> (Vec<String>, Vec<(&str, String)>) {
    match listing {
        Listing::Iptables(listing) => {
            let line = |rule: &iptables::Rule| iptables::Edit::Append(rule.clone()).line();
            let rules = listing.rules.iter().map(|rule| (rule.chain.as_str(), line(rule)));
            (listing.chains.iter().map(|chain| format!("-N {chain}")).collect(), rules.collect())
        }
        Listing::Nftables(listing) => {
            let line = |rule: &nftables::Rule| {
                let statements: Vec<String> = rule.statements.iter().map(ToString::to_string).collect();
                let comment =
                    rule.comment.iter().map(|text| format!(" comment {text:?}")).collect::<String>();
                format!("rule {} {}{comment}", rule.chain, statements.join(" "))
            };
            let rules = listing.rules.iter().map(|rule| (rule.chain.as_str(), line(rule)));
            (listing.chains.iter().map(|chain| format!("chain {chain}")).collect(), rules.collect())
        }
    }
}
