//! Masqueraded addresses, found from the rules alone, without a journal.

use super::chain::Masquerade;
use crate::machine::MachineError;
use crate::machine::rules::iptables::{Family, Listing, Rule, Table, failed};
use crate::machine::rules::{self, RuleTables, TableError, TableId};
use crate::value::length;
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};

/// The masqueraded addresses of a chain, from the jumps to it with this comment. Empty if there are none.
///
/// A chain without a jump to it counts as one entry, with the address 0.0.0.0 or ::. If a table cannot be listed, the
/// error is added to `unread`, and its rules are missing in the result.
pub fn find(
    tables: &dyn RuleTables,
    chain: &str,
    comment: &str,
    unread: &mut Vec<MachineError>,
) -> Vec<Masquerade> {
    let listings = listings(tables, unread).into_iter();
    listings.flat_map(|(family, listing)| in_listing(&listing, family, chain, comment)).collect()
}

/// The same for one family, in a listing.
pub fn in_listing(listing: &Listing, family: Family, chain: &str, comment: &str) -> Vec<Masquerade> {
    let concerns = |rule: &&Rule| rule.chain == chain || rule.target() == Some(chain);
    let rules: Vec<&Rule> = listing.rules.iter().filter(concerns).collect();
    let mut found = jumps(&rules, chain, comment);
    let is_used = rules.iter().any(|rule| rule.target() == Some(chain));
    if !is_used && listing.has_chain(chain) {
        let address = family.unspecified().into();
        found.push(Masquerade { address, chain: chain.to_owned(), comment: comment.to_owned() });
    }
    found
}

/// The masqueraded addresses of a network. The comments show their containers. A comment that is cut within the name of
/// the network shows no network, so its rules are not found.
///
/// A chain without a jump to it counts as one entry. Its address is 0.0.0.0 or :: if the chain shows none. If a table
/// cannot be listed, the error is added to `unread`, and its rules are missing in the result.
pub fn of_network(tables: &dyn RuleTables, network: &str, unread: &mut Vec<MachineError>) -> Vec<Masquerade> {
    let listings = listings(tables, unread).into_iter();
    listings.flat_map(|(family, listing)| of_network_in(&listing, family, network)).collect()
}

/// The same for one family, in a listing.
fn of_network_in(listing: &Listing, family: Family, network: &str) -> Vec<Masquerade> {
    let chains = listing.chains.iter().filter(|chain| chain.starts_with("CNI-"));
    // The rules of each chain, and the jumps to it.
    let mut concerned: BTreeMap<&str, Vec<&Rule>> =
        chains.map(|chain| (chain.as_str(), Vec::new())).collect();
    for rule in &listing.rules {
        let target = rule.target().filter(|target| *target != rule.chain);
        for chain in [Some(rule.chain.as_str()), target].into_iter().flatten() {
            concerned.entry(chain).and_modify(|rules| rules.push(rule));
        }
    }
    let mut found = Vec::new();
    for chain in &listing.chains {
        let Some(concerned) = concerned.get(chain.as_str()) else { continue };
        let comments = concerned.iter().filter_map(|rule| rule.comment());
        let comments: BTreeSet<&str> = comments.filter(|text| is_of(text, network)).collect();
        for comment in comments {
            let mut rules = jumps(concerned, chain, comment);
            if rules.is_empty() {
                let mut accepted = concerned.iter().filter(|rule| rule.chain == *chain);
                let address = accepted.find_map(|rule| rule.destination());
                let address = address.unwrap_or_else(|| family.unspecified().into());
                rules.push(Masquerade { address, chain: chain.clone(), comment: comment.to_owned() });
            }
            found.extend(rules);
        }
    }
    found
}

/// The listings of both families, as far as they can be read.
fn listings(tables: &dyn RuleTables, unread: &mut Vec<MachineError>) -> Vec<(Family, Listing)> {
    let mut list = |family| match tables.list(TableId::Iptables(Table::PlainNat, family)) {
        Ok(rules::Listing::Iptables(listing)) => Some((family, listing)),
        // If the program is missing, there are no rules of ours.
        Ok(rules::Listing::Nftables(_)) | Err(TableError::Missing(_)) => None,
        Err(error) => {
            unread.push(failed(error));
            None
        }
    };
    Family::ALL.into_iter().filter_map(&mut list).collect()
}

/// Whether a comment belongs to this network ([`derive::comment`](crate::value::derive::comment)).
fn is_of(comment: &str, network: &str) -> bool {
    let is_cut = comment.len() == length::IPTABLES_COMMENT;
    let container = comment.strip_prefix(&format!("name: \"{network}\" id: \""));
    container.is_some_and(|container| is_cut || container.ends_with('"'))
}

/// The jumps to a chain with this comment. `concerned` are the rules of the chain and the jumps to it.
fn jumps(concerned: &[&Rule], chain: &str, comment: &str) -> Vec<Masquerade> {
    let ours = || concerned.iter().filter(|rule| rule.comment() == Some(comment));
    let jumps = ours().filter(|rule| rule.target() == Some(chain)).filter_map(|jump| {
        let source = jump.source()?;
        let mut networks = ours().filter(|rule| rule.chain == chain).filter_map(|rule| rule.destination());
        let network = networks.find(|network| network.contains(source.ip()));
        let prefix = network.map_or(source.prefix(), |network| network.prefix());
        let address = IpNetwork::new(source.ip(), prefix).ok()?;
        Some(Masquerade { address, chain: chain.to_owned(), comment: comment.to_owned() })
    });
    jumps.collect()
}
