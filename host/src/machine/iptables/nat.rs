//! Table `nat`: over netlink where that can be, else by the processes.

use super::super::MachineError;
use super::nf_tables::{self, Done};
use super::restore::{self, Family, IptablesError, Table};

/// `iptables -t nat -S`; other rules than those that masquerade may be told in part.
pub fn list(family: Family) -> Result<String, IptablesError> {
    nf_tables::list(family).map_or_else(|| restore::list(family), Ok)
}

/// Does all lines or none, as [`restore::restore`].
pub fn restore(family: Family, lines: &[String]) -> Result<(), IptablesError> {
    match nf_tables::restore(family, lines) {
        Some(Done::All) => Ok(()),
        Some(Done::ChainExists(chain)) => {
            Err(IptablesError::Refused(MachineError::Conflict(format!("chain {chain} exists already"))))
        }
        Some(Done::Unknown(message)) => {
            let what = "changing table nat over netlink".to_owned();
            Err(IptablesError::Killed(MachineError::Tool { what, message }))
        }
        None => restore::restore(Table::Nat, family, lines),
    }
}
