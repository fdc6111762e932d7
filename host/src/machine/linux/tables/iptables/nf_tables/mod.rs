//! The table `nat` of iptables-nft over netlink, without a program. Listings are the same as those of `iptables -S`,
//! and changes the same as those of `iptables-restore`.
//!
//! The messages are the same as those of `iptables-restore` 1.8.9 (seen with `nft --debug=netlink list ruleset`). So
//! each can read and remove the other's rules. What this module does not support is left to the programs.

mod expression;

use crate::machine::linux::file::find_on_path;
use crate::machine::linux::netlink::netfilter::{
    ACK, APPEND, CREATE, DUMP, EXCL, Message, Netfilter, attribute, find, nest, number, number_attribute,
    text, text_attribute,
};
use crate::machine::rules::iptables::{Edit, Family, Listing, Rule};
use nix::errno::Errno;
use nix::libc;
use std::io;
use std::thread::sleep;
use std::time::Duration;

/// `NFNL_SUBSYS_NFTABLES` and its message types (`linux/netfilter/nf_tables.h`).
const SUBSYSTEM: u16 = 10;
const NEWTABLE: u16 = 0x0a00;
const NEWCHAIN: u16 = 0x0a03;
/// Lists chains: `NFT_MSG_GETCHAIN`, of this subsystem.
pub const GETCHAIN: u16 = 0x0a04;
const DELCHAIN: u16 = 0x0a05;
const NEWRULE: u16 = 0x0a06;
/// Lists rules: `NFT_MSG_GETRULE`, of this subsystem.
pub const GETRULE: u16 = 0x0a07;
const DELRULE: u16 = 0x0a08;

const NFTA_TABLE_NAME: u16 = 1;
/// The table of a chain.
pub const NFTA_CHAIN_TABLE: u16 = 1;
/// The name of a chain.
pub const NFTA_CHAIN_NAME: u16 = 3;
/// The hook of a base chain.
pub const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
/// The table of a rule.
pub const NFTA_RULE_TABLE: u16 = 1;
/// The chain of a rule.
pub const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
/// The expressions of a rule.
pub const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;

const TABLE: &str = "nat";
const POSTROUTING: &str = "POSTROUTING";
/// `NF_INET_POST_ROUTING` and `NF_IP_PRI_NAT_SRC`.
const POSTROUTING_HOOK: (u32, u32) = (4, 100);

/// The largest number of attempts at a dump. If the table changes during each, the program has to list it.
const MAX_DUMPS: usize = 10;

/// The time until a kernel thread has taken over the deleted objects, to wait for their RCU grace period. Closing the
/// socket earlier would wait for the grace period too.
const TAKEN: Duration = Duration::from_millis(1);

/// The result of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything was done.
    All,
    /// Nothing was done: a chain to create exists.
    ChainExists(String),
    /// The result is unknown, because the kernel's answer was lost.
    Unknown(String),
}

/// Whether a program is iptables-nft, whose rules are in nf_tables.
fn is_nft(program: &str) -> bool {
    let path = find_on_path(program).and_then(|path| std::fs::canonicalize(path).ok());
    path.is_some_and(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("nft")))
}

/// The same listing as `iptables -t nat -S`. An unsupported part of a rule is the word `?`. None if the program has to
/// list the table.
pub fn list(family: Family) -> Option<Listing> {
    if !is_nft(family.program()) {
        return None;
    }
    let mut socket = Netfilter::open().ok()?;
    let mut listing = Listing::default();
    for chain in dump(&mut socket, GETCHAIN, family, NFTA_CHAIN_TABLE)? {
        if find(&chain, NFTA_CHAIN_HOOK).is_none() {
            listing.chains.push(expression::chain_name(&chain, NFTA_CHAIN_NAME)?.to_owned());
        }
    }
    for found in dump(&mut socket, GETRULE, family, NFTA_RULE_TABLE)? {
        listing.rules.push(rule(&found, family)?);
    }
    Some(listing)
}

/// A rule in the format of `iptables -S`.
fn rule(found: &[u8], family: Family) -> Option<Rule> {
    // Version 1.8.0 stored comments in the user data.
    if find(found, NFTA_RULE_USERDATA).is_some() {
        return None;
    }
    let words = expression::words(find(found, NFTA_RULE_EXPRESSIONS).unwrap_or_default(), family);
    Some(Rule::of(expression::chain_name(found, NFTA_RULE_CHAIN)?.to_owned(), words))
}

/// Lists objects of the table: of a `kind`, and with the table's name in the attribute `table`. None if that fails.
pub fn dump(socket: &mut Netfilter, kind: u16, family: Family, table: u16) -> Option<Vec<Vec<u8>>> {
    let request = Message {
        kind,
        flags: DUMP,
        family: address_family(family),
        attributes: text_attribute(table, TABLE),
    };
    for _ in 0..MAX_DUMPS {
        match socket.ask(&request) {
            Ok(mut found) => {
                found.retain(|object| text(object, table) == Some(TABLE));
                return Some(found);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    None
}

/// Does all edits, or none. None if the program has to do them, or has to report why they fail.
pub fn commit(family: Family, edits: &[Edit]) -> Option<Done> {
    if !is_nft(family.restorer()) || !edits.iter().all(is_known) {
        return None;
    }
    let mut socket = Netfilter::open().ok()?;
    let mut messages = Vec::new();
    let message = |kind, flags, attributes: Vec<Vec<u8>>| Message {
        kind,
        flags,
        family: address_family(family),
        attributes: attributes.concat(),
    };
    let chain_of_rule =
        |chain: &str| vec![text_attribute(NFTA_RULE_TABLE, TABLE), text_attribute(NFTA_RULE_CHAIN, chain)];
    let adds = edits.iter().any(|edit| matches!(edit, Edit::Append(_) | Edit::Insert(_)));
    if adds && !has_postrouting(&mut socket, family)? {
        let (hook, priority) = POSTROUTING_HOOK;
        let hook = nest(
            NFTA_CHAIN_HOOK,
            &[number_attribute(NFTA_HOOK_HOOKNUM, hook), number_attribute(NFTA_HOOK_PRIORITY, priority)],
        );
        let kind = text_attribute(NFTA_CHAIN_TYPE, "nat");
        messages.push(message(NEWTABLE, CREATE, vec![text_attribute(NFTA_TABLE_NAME, TABLE)]));
        messages.push(message(NEWCHAIN, CREATE, vec![named(POSTROUTING), hook, kind]));
    }
    let mut rules = Rules::default();
    let add = |rule: &Rule, flags| {
        let expressions = nest(NFTA_RULE_EXPRESSIONS, &expression::of(rule, family)?);
        Some(message(NEWRULE, flags, [chain_of_rule(&rule.chain), vec![expressions]].concat()))
    };
    for edit in edits {
        messages.push(match edit {
            Edit::NewChain(chain) => {
                // If a transaction fails in the kernel, its rollback takes 15 ms. So the chain is looked up before.
                if self::chain(&mut socket, family, chain).ok()?.is_some() {
                    return Some(Done::ChainExists(chain.clone()));
                }
                message(NEWCHAIN, CREATE | EXCL, vec![named(chain)])
            }
            Edit::Append(rule) => add(rule, CREATE | APPEND)?,
            Edit::Insert(rule) => add(rule, CREATE)?,
            Edit::Delete(rule) => {
                let handle = rules.take(&mut socket, family, rule)?;
                message(DELRULE, 0, [chain_of_rule(&rule.chain), vec![handle]].concat())
            }
            Edit::Flush(chain) => message(DELRULE, 0, chain_of_rule(chain)),
            Edit::DeleteChain(chain) => message(DELCHAIN, 0, vec![named(chain)]),
        });
    }
    match socket.batch(SUBSYSTEM, messages) {
        Ok(answer) => answer.ok()?,
        Err(error) => return Some(Done::Unknown(error.to_string())),
    }
    if edits.iter().any(|edit| matches!(edit, Edit::Delete(_) | Edit::Flush(_) | Edit::DeleteChain(_))) {
        sleep(TAKEN);
    }
    Some(Done::All)
}

/// Whether this module may support an edit.
fn is_known(edit: &Edit) -> bool {
    match edit {
        // Some other names are reserved by iptables.
        Edit::NewChain(chain) => chain.starts_with(expression::OURS),
        Edit::Append(rule) | Edit::Insert(rule) | Edit::Delete(rule) => rule.is_plain(),
        Edit::Flush(_) | Edit::DeleteChain(_) => true,
    }
}

/// The existing rules, each with the attribute that identifies it. They are listed when the first one is needed.
#[derive(Default)]
struct Rules(Option<Vec<(Rule, Vec<u8>)>>);

impl Rules {
    /// The attribute that identifies the first rule like this one. The next call returns the next such rule.
    fn take(&mut self, socket: &mut Netfilter, family: Family, wanted: &Rule) -> Option<Vec<u8>> {
        let listed = match &mut self.0 {
            Some(listed) => listed,
            None => {
                let found = dump(socket, GETRULE, family, NFTA_RULE_TABLE)?;
                let named = found.iter().map(|found| {
                    let handle = attribute(NFTA_RULE_HANDLE, find(found, NFTA_RULE_HANDLE)?);
                    Some((rule(found, family)?, handle))
                });
                self.0.insert(named.collect::<Option<_>>()?)
            }
        };
        let place = listed.iter().position(|(rule, _)| wanted.is_same(rule))?;
        Some(listed.remove(place).1)
    }
}

/// Whether the base chain for masquerading exists. None if a chain of that name has another hook.
fn has_postrouting(socket: &mut Netfilter, family: Family) -> Option<bool> {
    let Some(chain) = chain(socket, family, POSTROUTING).ok()? else { return Some(false) };
    let hook = find(&chain, NFTA_CHAIN_HOOK)?;
    let both = (number(hook, NFTA_HOOK_HOOKNUM)?, number(hook, NFTA_HOOK_PRIORITY)?);
    (both == POSTROUTING_HOOK).then_some(true)
}

/// A chain of the table by its name, if it exists.
fn chain(socket: &mut Netfilter, family: Family, name: &str) -> io::Result<Option<Vec<u8>>> {
    let request =
        Message { kind: GETCHAIN, flags: ACK, family: address_family(family), attributes: named(name) };
    match socket.ask(&request) {
        Ok(found) => Ok(Some(found.into_iter().next().unwrap_or_default())),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The attributes that identify a chain.
fn named(chain: &str) -> Vec<u8> {
    [text_attribute(NFTA_CHAIN_TABLE, TABLE), text_attribute(NFTA_CHAIN_NAME, chain)].concat()
}

/// The kernel's number of an address family.
fn address_family(family: Family) -> u8 {
    let number = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    u8::try_from(number).unwrap_or_default()
}
