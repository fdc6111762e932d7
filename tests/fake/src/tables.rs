//! Tables of rules: listings in the place of tables. An edit is refused where the kernel or the tool refuses it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasm_cni::machine::rules::iptables::{self, Family, Table};
use wasm_cni::machine::rules::nftables::{self, Statement};
use wasm_cni::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};

/// The chains of iptables that nobody made.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// The targets of iptables that are no chains.
const TARGETS: [&str; 14] = [
    "ACCEPT",
    "CT",
    "DNAT",
    "DROP",
    "LOG",
    "MARK",
    "MASQUERADE",
    "NETMAP",
    "QUEUE",
    "REDIRECT",
    "REJECT",
    "RETURN",
    "SNAT",
    "TCPMSS",
];

/// The options of iptables that have a value.
const VALUED: [&str; 7] = ["-d", "-g", "-i", "-j", "-o", "-p", "-s"];
/// `XT_MAX_COMMENT_LEN` without the byte that ends it; the rest of a comment is cut off.
const MAX_COMMENT_BYTES: usize = 255;

/// All tables; none is there at first but those of iptables, with their chains and without rules.
#[derive(Default)]
pub struct Tables {
    all: Arc<Mutex<BTreeMap<TableId, Listing>>>,
    others: Others,
}

/// What somebody else does once a table was listed.
type Others = Arc<Mutex<Option<Change>>>;
type Change = Box<dyn FnOnce(&dyn RuleTables) + Send>;

/// The tables of a verb.
struct View {
    all: Arc<Mutex<BTreeMap<TableId, Listing>>>,
    others: Others,
    dry: bool,
}

impl Tables {
    /// The same rules in tables of their own.
    pub fn copy(&self) -> Self {
        Tables { all: Arc::new(Mutex::new(lock(&self.all).clone())), others: Others::default() }
    }

    /// The tables, also for another thread; dry ones refuse every change.
    pub fn shared(&self, dry: bool) -> Arc<dyn RuleTables + Send + Sync> {
        Arc::new(View { all: self.all.clone(), others: self.others.clone(), dry })
    }

    /// Puts a listing in the place of a table.
    pub fn put(&self, table: TableId, mut listing: Listing) {
        number(&mut listing);
        lock(&self.all).insert(kept(table), listing);
    }

    /// Lets somebody else change tables right after the next listing.
    pub fn after_listing(&self, change: Change) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    /// A line for each chain and each rule. Neither the order of chains nor the handles of rules are of account.
    pub fn lines(&self) -> Vec<String> {
        let all = lock(&self.all);
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

impl RuleTables for View {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        let listed = lock(&self.all).get(&kept(table)).cloned();
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(change) = others {
            change(self);
        }
        Ok(listed.unwrap_or_else(|| Listing::empty(table)))
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        if self.dry {
            return Err(TableError::Failed("this is a dry run: nothing is changed".to_owned()));
        }
        let (table, mut all) = (kept(table), lock(&self.all));
        let mut listing = all.get(&table).cloned().unwrap_or_else(|| Listing::empty(table));
        for edit in edits {
            check(&listing, edit)
                .map_err(|why| TableError::Refused(format!("{}: {why}", edit.command(table))))?;
            listing.apply(&[kept_edit(edit)]);
        }
        number(&mut listing);
        all.insert(table, listing);
        Ok(())
    }
}

fn lock(all: &Mutex<BTreeMap<TableId, Listing>>) -> MutexGuard<'_, BTreeMap<TableId, Listing>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table that is kept: plain rules of `nat` are in `nat`.
fn kept(table: TableId) -> TableId {
    match table {
        TableId::Iptables(Table::PlainNat, family) => TableId::Iptables(Table::Nat, family),
        other => other,
    }
}

/// The edit whose rule is as the kernel keeps it.
fn kept_edit(edit: &Edit) -> Edit {
    match edit {
        Edit::Iptables(iptables::Edit::Append(rule)) => iptables::Edit::Append(kept_rule(rule)).into(),
        Edit::Iptables(iptables::Edit::Insert(rule)) => iptables::Edit::Insert(kept_rule(rule)).into(),
        other => other.clone(),
    }
}

/// A plain rule as `iptables -S` prints it: without networks of all addresses, with its target last. Of other rules nothing is known.
fn kept_rule(rule: &iptables::Rule) -> iptables::Rule {
    if !rule.is_plain() {
        return rule.clone();
    }
    let (mut words, mut target) = (Vec::new(), Vec::new());
    let mut rest = rule.words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if !matches!(word, "-s" | "-d" | "-j" | "--comment") {
            words.push(word.to_owned());
            continue;
        }
        let value = rest.next().unwrap_or_default();
        let is_negated = words.last().is_some_and(|word| word == "!");
        match word {
            "-j" => target = vec![word.to_owned(), value.to_owned()],
            "--comment" => {
                let cut = value.as_bytes().get(..MAX_COMMENT_BYTES).unwrap_or(value.as_bytes());
                words.extend([word.to_owned(), String::from_utf8_lossy(cut).into_owned()]);
            }
            _ if value.ends_with("/0") && !is_negated => {}
            _ => words.extend([word.to_owned(), value.to_owned()]),
        }
    }
    words.extend(target);
    iptables::Rule { chain: rule.chain.clone(), words }
}

fn number(listing: &mut Listing) {
    match listing {
        Listing::Nftables(listing) => listing.number_rules(),
        Listing::Iptables(_) => {}
    }
}

/// Whether an edit can be done, or what the tool says.
fn check(listing: &Listing, edit: &Edit) -> Result<(), String> {
    match (listing, edit) {
        (Listing::Iptables(listing), Edit::Iptables(edit)) => check_iptables(listing, edit),
        (Listing::Nftables(listing), Edit::Nftables(edit)) => check_nftables(listing, edit),
        _ => Err("an edit of the other kind of table".to_owned()),
    }
}

fn check_iptables(listing: &iptables::Listing, edit: &iptables::Edit) -> Result<(), String> {
    use iptables::Edit;
    let is_there = |chain: &str| listing.has_chain(chain) || BUILT_IN.contains(&chain);
    let absent = |chain: &str| format!("no chain, target or match by the name {chain}");
    let needed = |chain: &str| if is_there(chain) { Ok(()) } else { Err(absent(chain)) };
    match edit {
        Edit::NewChain(chain) if is_there(chain) => Err(format!("chain {chain} exists already")),
        Edit::NewChain(chain) if TARGETS.contains(&chain.as_str()) => {
            Err("chain name may not clash with target name".to_owned())
        }
        Edit::NewChain(chain) if chain.starts_with('-') => {
            Err("chain name not allowed to start with `-'".to_owned())
        }
        Edit::NewChain(_) => Ok(()),
        Edit::Append(rule) | Edit::Insert(rule) => {
            needed(&rule.chain)?;
            if let Some(option) = without_value(rule) {
                return Err(format!("option {option:?} requires an argument"));
            }
            // Of a rule that is not plain, the target may have options.
            match rule.value("-j").or(rule.value("-g")) {
                Some(target) if !TARGETS.contains(&target) => needed(target),
                _ => Ok(()),
            }
        }
        Edit::Delete(rule) if listing.has(rule) => Ok(()),
        Edit::Delete(_) => Err("bad rule: there is no such rule in that chain".to_owned()),
        Edit::Flush(chain) => needed(chain),
        Edit::DeleteChain(chain) => {
            let jumps =
                |rule: &iptables::Rule| [rule.value("-j"), rule.value("-g")].contains(&Some(chain.as_str()));
            if !listing.has_chain(chain) {
                Err(absent(chain))
            } else if listing.rules.iter().any(|rule| rule.chain == *chain || jumps(rule)) {
                Err(format!("chain {chain} is in use"))
            } else {
                Ok(())
            }
        }
    }
}

/// The first option of a rule that lacks its value.
fn without_value(rule: &iptables::Rule) -> Option<&str> {
    let is_value = |word: Option<&String>| word.is_some_and(|word| !word.starts_with('-'));
    let lacks = |(place, word): &(usize, &String)| {
        VALUED.contains(&word.as_str()) && !is_value(rule.words.get(place + 1))
    };
    rule.words.iter().enumerate().find(lacks).map(|(_, word)| word.as_str())
}

fn check_nftables(listing: &nftables::Listing, edit: &nftables::Edit) -> Result<(), String> {
    use nftables::Edit;
    let needed = |is_there: bool| if is_there { Ok(()) } else { Err("no such file or directory".to_owned()) };
    match edit {
        Edit::AddTable { .. } => Ok(()),
        Edit::AddChain { .. } | Edit::DeleteTable => needed(listing.exists),
        Edit::FlushChain(chain) => needed(listing.has_chain(chain)),
        Edit::AddRule(rule) => {
            let mut targets = rule.statements.iter().filter_map(|statement| match statement {
                Statement::Jump(chain) | Statement::Goto(chain) => Some(chain),
                _ => None,
            });
            needed(listing.has_chain(&rule.chain) && targets.all(|chain| listing.has_chain(chain)))
        }
        Edit::DeleteRule { chain, handle } => {
            needed(listing.rules_of(chain).any(|rule| rule.handle == Some(*handle)))
        }
        Edit::DeleteChain(chain) => {
            needed(listing.has_chain(chain))?;
            let jumps = |rule: &nftables::Rule| {
                let targets = rule.statements.iter().flat_map(|statement| {
                    ["/jump/target", "/goto/target"].map(|place| statement.pointer(place))
                });
                targets.flatten().any(|target| target.as_str() == Some(chain))
            };
            let is_used = listing.rules.iter().any(|rule| rule.chain == *chain || jumps(rule));
            if is_used { Err("device or resource busy".to_owned()) } else { Ok(()) }
        }
    }
}

/// As `iptables -S` lists them, without the built-in chains, with the rules of one chain together.
fn of_iptables(table: Table, family: Family, listing: &iptables::Listing) -> Vec<String> {
    let place = match family {
        Family::V4 => table.name().to_owned(),
        Family::V6 => format!("{}6", table.name()),
    };
    let mut chains: Vec<String> = listing.chains.iter().map(|chain| format!("{place}: -N {chain}")).collect();
    chains.sort();
    let mut rules = BTreeMap::<&str, Vec<String>>::new();
    for rule in &listing.rules {
        let line = iptables::Edit::Append(rule.clone()).line();
        rules.entry(&rule.chain).or_default().push(format!("{place}: {line}"));
    }
    chains.into_iter().chain(rules.into_values().flatten()).collect()
}

fn of_nftables(family: &str, name: &str, listing: &nftables::Listing) -> Vec<String> {
    if !listing.exists {
        return Vec::new();
    }
    let place = format!("nft {family} {name}:");
    let mut chains: Vec<String> =
        listing.chains.iter().map(|chain| format!("{place} chain {chain}")).collect();
    chains.sort();
    let mut rules = BTreeMap::<&str, Vec<String>>::new();
    for rule in &listing.rules {
        let statements: Vec<String> = rule.statements.iter().map(ToString::to_string).collect();
        let comment = rule.comment.as_ref().map(|text| format!(" comment {text:?}")).unwrap_or_default();
        let line = format!("{place} rule {} {}{comment}", rule.chain, statements.join(" "));
        rules.entry(&rule.chain).or_default().push(line);
    }
    let table = std::iter::once(format!("{place} table"));
    table.chain(chains).chain(rules.into_values().flatten()).collect()
}
