//! The chains that drop what a container sends under another Ethernet address (cni-behaviours, section 2.11).

mod own;

use super::super::{Effect, KernelError, Undone};
use super::process::{NftError, TableName, change, list};
use crate::plan::action::CheckSourceMac;
use crate::plan::{Attachment, IfName, Mac, derive};
use own::{Own, matched};

const TABLE: TableName = TableName("bridge", "nat");
const HOOKED: &str = "PREROUTING";

/// Makes the chains and the jump to them: in one transaction, and the jump only once.
///
/// Chains of this name are flushed, unless they hold rules of another attachment: that is a conflict.
pub fn add(check: &CheckSourceMac) -> Result<Effect, KernelError> {
    let own = Own::of(check);
    change(TABLE, |table| own.addition(table)).map_err(|error| failed("setup", error))?
}

/// Deletes jump and chains; the table too, if `table` and nothing is left in it.
pub fn delete(check: &CheckSourceMac, table: bool) -> Result<Undone, KernelError> {
    let own = Own::of(check);
    match change(TABLE, |listed| own.deletion(listed, table)) {
        Err(NftError::Missing) => Ok(Undone::Gone),
        result => result.map_err(|error| failed("teardown", error)),
    }
}

/// What is missing, in one sentence for each thing.
pub fn verify(check: &CheckSourceMac) -> Vec<String> {
    match list(TABLE) {
        Ok(table) => Own::of(check).differences(&table),
        Err(error) => vec![failed("check", error).to_string()],
    }
}

/// The chains of an attachment, whoever made them, as an action that [`delete`] undoes.
pub fn find(attachment: &Attachment) -> Option<CheckSourceMac> {
    // Without the program there are no rules of ours.
    let table = list(TABLE).ok()?;
    let identity = derive::source_mac_identity(attachment);
    // Undoing goes by the identity alone; port and address tell a human what it was.
    let otherwise = derive::host_veth(attachment, 0).ok()?;
    let check = CheckSourceMac { port: otherwise, mac: Mac([0; 6]), identity };
    let own = Own::of(&check);
    let jump = table.rules_of(HOOKED).find(|rule| own.is_marked(rule));
    if jump.is_none() && !table.has_chain(&own.chain) && !table.has_chain(&own.macs) {
        return None;
    }
    let port = jump.and_then(|rule| matched(&rule.statements)).and_then(|port| IfName::parse(port).ok());
    let mac = own.passed(&table).and_then(|mac| Mac::try_from(mac.to_owned()).ok());
    Some(CheckSourceMac { port: port.unwrap_or(check.port), mac: mac.unwrap_or(check.mac), ..check })
}

/// In the words of the reference.
fn failed(what: &str, error: NftError) -> KernelError {
    let error = match error {
        NftError::Refused(message) => NftError::Refused(format!("failed to execute {message}")),
        error => error,
    };
    let what = format!("failed to {what} spoof-check");
    error.into_kernel_error(&what, &what)
}

#[cfg(test)]
mod tests;
