//! Names that chains can have.

use super::POSTROUTING;
use crate::action::Masquerade;
use crate::machine::MachineError;
use crate::machine::iptables::Family;
use std::collections::BTreeSet;

/// The longest name of a chain.
const MAX_CHAIN_BYTES: usize = 28;

/// The chains that the kernel makes.
const BUILT_IN: [&str; 4] = ["INPUT", "OUTPUT", POSTROUTING, "PREROUTING"];

/// Names that iptables keeps for itself, as far as they are of use in this table.
const TARGETS: [&str; 11] =
    ["ACCEPT", "DNAT", "DROP", "LOG", "MARK", "MASQUERADE", "NETMAP", "QUEUE", "REDIRECT", "RETURN", "SNAT"];

/// Refuses a chain or a comment that a script cannot name.
pub fn validate(actions: &[&Masquerade]) -> Result<(), MachineError> {
    for action in actions {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let chain = &action.chain;
        if chain.is_empty() || chain.len() > MAX_CHAIN_BYTES || !chain.bytes().all(name) {
            return Err(MachineError::Conflict(format!("{chain:?} is no name of a chain")));
        }
        if action.comment.chars().any(char::is_control) {
            return Err(MachineError::Conflict(format!("{:?} is no comment of a rule", action.comment)));
        }
    }
    Ok(())
}

/// What `iptables-restore` (1.8.9, nf_tables) says to a name that no new chain can have.
///
/// The names have to be in order, which is that of the lines.
pub fn refuse(family: Family, new: &BTreeSet<&str>) -> Result<(), MachineError> {
    let program = match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    for (chain, line) in new.iter().copied().zip(2..) {
        let usage = |text: &str| {
            format!(
                "exit status 2: {program} v1.8.9 (nf_tables): {text}\nError occurred at line: {line}\n\
                 Try `{program} -h' or '{program} --help' for more information."
            )
        };
        let message = if chain.starts_with('-') {
            usage("chain name not allowed to start with `-'")
        } else if TARGETS.contains(&chain) {
            usage("chain name may not clash with target name")
        } else if BUILT_IN.contains(&chain) {
            format!("exit status 1: {program}: line {line} failed: Chain already exists.")
        } else {
            continue;
        };
        let what = format!("running [{program} --noflush --wait 5]");
        return Err(MachineError::Tool { what, message });
    }
    Ok(())
}
