//! Taking rules back: processes and transactions of their own, which need nothing of the rest.

use super::super::iptables::masquerade;
use super::super::{Undo, Undone, nft};
use super::{filter, portmap};
use crate::action::{Masquerade, MasqueradeNft};

/// Whether an undo is about rules.
pub(super) fn are(undo: &Undo) -> bool {
    match undo {
        Undo::DeleteMasquerade(_)
        | Undo::DeleteMasqueradeNft { .. }
        | Undo::DeleteMapPorts { .. }
        | Undo::DeletePortMap(_)
        | Undo::DeleteFilter { .. }
        | Undo::DeleteCheckSourceMac { .. } => true,
        Undo::DeleteLink(_)
        | Undo::DeleteLinkByAlias { .. }
        | Undo::DeleteEmptyBridge { .. }
        | Undo::DeleteAddress { .. }
        | Undo::RestoreAddress { .. }
        | Undo::SetDown { .. }
        | Undo::ClearPromiscuous { .. }
        | Undo::RestoreLink { .. }
        | Undo::ForgetLink { .. }
        | Undo::RestoreSysctl { .. }
        | Undo::Unshape { .. }
        | Undo::DeleteIfb { .. }
        | Undo::EndDelegate(_)
        | Undo::ReleaseLease(_)
        | Undo::RestoreLastReserved { .. } => false,
    }
}

/// Undoes those that [`are`] about rules, in order; one result for each.
pub(super) fn undo(undos: &[&Undo]) -> Vec<Undone> {
    let mut results = Vec::with_capacity(undos.len());
    for run in undos.chunk_by(|a, b| at_once(a, b)) {
        let rules: Vec<&Masquerade> = run.iter().filter_map(|undo| as_masquerade(undo)).collect();
        let (nft_rules, tables): (Vec<&MasqueradeNft>, Vec<bool>) =
            run.iter().filter_map(|undo| as_masquerade_nft(undo)).unzip();
        if !rules.is_empty() {
            results.extend(masquerade::delete(&rules));
        } else if !nft_rules.is_empty() {
            results.extend(nft::masquerade::delete(&nft_rules, tables.contains(&true)));
        } else {
            results.extend(run.iter().map(|undo| alone(undo)));
        }
    }
    results
}

fn alone(undo: &Undo) -> Undone {
    let undone = match undo {
        Undo::DeleteMapPorts { ports, unmake } => portmap::delete(ports, unmake),
        Undo::DeletePortMap(map) => portmap::delete_map(map),
        Undo::DeleteFilter { rule, unmake } => filter::delete(rule, unmake),
        Undo::DeleteCheckSourceMac { check, table } => nft::source_mac::delete(check, *table),
        _ => Ok(Undone::Left("it is no rule".to_owned())),
    };
    undone.unwrap_or_else(Undone::Failed)
}

/// Whether two are undone as one transaction.
fn at_once(a: &Undo, b: &Undo) -> bool {
    let nft = |undo| as_masquerade_nft(undo).map(|(_, table)| table);
    (as_masquerade(a).is_some() && as_masquerade(b).is_some()) || (nft(a).is_some() && nft(a) == nft(b))
}

fn as_masquerade_nft(undo: &Undo) -> Option<(&MasqueradeNft, bool)> {
    match undo {
        Undo::DeleteMasqueradeNft { rule, table } => Some((rule, *table)),
        _ => None,
    }
}

fn as_masquerade(undo: &Undo) -> Option<&Masquerade> {
    match undo {
        Undo::DeleteMasquerade(masquerade) => Some(masquerade),
        _ => None,
    }
}
