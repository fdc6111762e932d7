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

/// All tables. At first only those of iptables exist, with their built-in chains and without rules. Clones share the
/// tables.
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

    /// A line for each chain and each rule. The order of chains and the handles of rules do not matter.
    pub fn lines(&self) -> Vec<String> {
        let all = self.lock();
        let lines = |(table, listing): (&TableId, &Listing)| match (table, listing) {
            (TableId::Nftables(family, name), Listing::Nftables(listing)) => {
                of_nftables(family, name, listing)
            }
            (TableId::Iptables(table, family), Listing::Iptables(listing)) => {
                of_iptables(*table, *family, listing)
            }
            _ => Vec::new(),
        };
        all.iter().flat_map(lines).collect()
    }
}

impl RuleTables for Tables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        let listing = self.gate.look(|| Ok(listed(&self.lock(), kept(table))));
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

/// The edit, with its rule in the form in which the kernel stores it.
fn kept_edit(edit: &Edit) -> Edit {
    match edit {
        Edit::Iptables(iptables::Edit::Append(rule)) => iptables::Edit::Append(kept_rule(rule)).into(),
        Edit::Iptables(iptables::Edit::Insert(rule)) => iptables::Edit::Insert(kept_rule(rule)).into(),
        other => other.clone(),
    }
}

/// A plain rule in the format of `iptables -S`, which omits networks that match all addresses. Other rules stay
/// unchanged.
fn kept_rule(rule: &iptables::Rule) -> iptables::Rule {
    if !rule.is_plain() {
        return rule.clone();
    }
    let said = |network: &IpNetwork| network.prefix() > 0;
    let networks = [
        ("-s", rule.source().filter(said)),
        ("-d", rule.destination().filter(said)),
        ("! -d", rule.not_destination()),
    ];
    let mut words = Vec::new();
    for (option, network) in networks {
        if let Some(network) = network {
            words.extend(option.split(' ').map(str::to_owned));
            words.push(network.to_string());
        }
    }
    if let Some(comment) = rule.comment() {
        let cut = comment.as_bytes().get(..MAX_COMMENT_BYTES).unwrap_or(comment.as_bytes());
        words.extend(["-m", "comment", "--comment"].map(str::to_owned));
        words.push(String::from_utf8_lossy(cut).into_owned());
    }
    words.extend(rule.target().into_iter().flat_map(|target| ["-j".to_owned(), target.to_owned()]));
    iptables::Rule { chain: rule.chain.clone(), words }
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
    let targets = |rule: &iptables::Rule| {
        // The target of a rule that is not plain may have options.
        ["-j", "-g"]
            .into_iter()
            .filter_map(|option| rule.value(option).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    match edit {
        Edit::NewChain(chain) => !is_there(chain) && !is_target(chain) && !chain.starts_with('-'),
        Edit::Append(rule) | Edit::Insert(rule) => {
            let is_known = |target: &String| is_target(target) || is_there(target);
            is_there(&rule.chain) && is_complete(rule) && targets(rule).iter().all(is_known)
        }
        Edit::Delete(rule) => listing.has(rule),
        Edit::Flush(chain) => is_there(chain),
        Edit::DeleteChain(chain) => {
            let uses = |rule: &iptables::Rule| rule.chain == *chain || targets(rule).contains(chain);
            listing.has_chain(chain) && !listing.rules.iter().any(uses)
        }
    }
}

fn is_target(name: &str) -> bool {
    TARGETS.split(' ').any(|target| target == name)
}

/// Whether each option of a rule that takes a value has one.
fn is_complete(rule: &iptables::Rule) -> bool {
    let mut places = rule.words.iter().zip(rule.words.iter().skip(1).map(Some).chain([None]));
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

/// Chains and rules in the format of `iptables -S`, without the built-in chains.
fn of_iptables(table: Table, family: Family, listing: &iptables::Listing) -> Vec<String> {
    let place = match family {
        Family::V4 => table.name().to_owned(),
        Family::V6 => format!("{}6", table.name()),
    };
    let line = |rule: &iptables::Rule| iptables::Edit::Append(rule.clone()).line();
    let rules = listing.rules.iter().map(|rule| (rule.chain.as_str(), line(rule)));
    lines(&place, listing.chains.iter().map(|chain| format!("-N {chain}")), rules)
}

fn of_nftables(family: &str, name: &str, listing: &nftables::Listing) -> Vec<String> {
    let place = format!("nft {family} {name}");
    let line = |rule: &nftables::Rule| {
        let statements: Vec<String> = rule.statements.iter().map(ToString::to_string).collect();
        let comment = rule.comment.as_ref().map(|text| format!(" comment {text:?}")).unwrap_or_default();
        format!("rule {} {}{comment}", rule.chain, statements.join(" "))
    };
    let rules = listing.rules.iter().map(|rule| (rule.chain.as_str(), line(rule)));
    let lines = lines(&place, listing.chains.iter().map(|chain| format!("chain {chain}")), rules);
    let table = listing.exists.then(|| format!("{place}: table"));
    table.into_iter().chain(lines).collect()
}

/// The lines of a table: chains by name, then rules, grouped by chain and in order.
fn lines<'a>(
    place: &str,
    chains: impl Iterator<Item = String>,
    rules: impl Iterator<Item = (&'a str, String)>,
) -> Vec<String> {
    let (mut chains, mut rules): (Vec<_>, Vec<_>) = (chains.collect(), rules.collect());
    chains.sort();
    rules.sort_by_key(|(chain, _)| *chain);
    let all = chains.into_iter().chain(rules.into_iter().map(|(_, line)| line));
    all.map(|line| format!("{place}: {line}")).collect()
}
