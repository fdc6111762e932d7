//! The chains that drop what a container sends under another Ethernet address (cni-behaviours, section 2.11).

mod own;

use super::super::{Difference, MachineError, Outcome, Undone};
use super::process::{NftError, TableName, change, list, list_for};
use super::table::{Rule, Table};
use crate::action::Action;
use crate::action::CheckSourceMac;
use crate::value::{Attachment, IfName, Mac, derive};
use own::{Own, matched};

const TABLE: TableName = TableName("bridge", "nat");
const HOOKED: &str = "PREROUTING";

/// Makes the chains and the jump to them: in one transaction, and the jump only once.
///
/// Chains of this name are flushed, unless they hold rules of another attachment: that is a conflict.
pub fn add(check: &CheckSourceMac) -> Outcome {
    let own = Own::of(check);
    match change(TABLE, |table| own.addition(table)) {
        Ok(Ok(effect)) => Outcome::Done(effect),
        Ok(Err(conflict)) => Outcome::Failed(conflict),
        Err(error @ NftError::Killed(_)) => Outcome::Halfway(failed("setup", error)),
        Err(error) => Outcome::Failed(failed("setup", error)),
    }
}

/// Deletes jump and chains; the table too, if `table` and nothing is left in it.
pub fn delete(check: &CheckSourceMac, table: bool) -> Result<Undone, MachineError> {
    let own = Own::of(check);
    match change(TABLE, |listed| own.deletion(listed, table)) {
        Err(NftError::Missing) => Ok(Undone::Gone),
        result => result.map_err(|error| failed("teardown", error)),
    }
}

/// What is missing, in one sentence for each thing; chains that are another's cannot be mended.
pub fn verify(check: &CheckSourceMac) -> Vec<Difference> {
    match list(TABLE) {
        Ok(table) => {
            let own = Own::of(check);
            let differences = own.differences(&table).into_iter();
            let action = Action::CheckSourceMac(check.clone());
            let mend = own.taken(&table).is_none().then_some(action);
            differences.map(|text| Difference { text, mend: mend.clone() }).collect()
        }
        Err(error) => vec![Difference::beyond(failed("check", error).to_string())],
    }
}

/// The chains of an attachment, whoever made them, as an action that [`delete`] undoes.
pub fn find(attachment: &Attachment, unread: &mut Vec<MachineError>) -> Option<CheckSourceMac> {
    let table = listed(unread);
    // Undoing goes by the identity alone; port and address tell a human what it was.
    let otherwise = derive::host_veth(attachment, 0).ok()?;
    find_in(&table, derive::source_mac_identity(attachment), otherwise)
}

/// Whether the chains of an attachment are there, as [`delete`] would find them.
pub fn is_there(check: &CheckSourceMac, unread: &mut Vec<MachineError>) -> bool {
    let table = listed(unread);
    find_in(&table, check.identity.clone(), check.port.clone()).is_some()
}

/// The chains of all attachments whose port can be told, whoever made them.
pub fn all(unread: &mut Vec<MachineError>) -> Vec<CheckSourceMac> {
    let table = listed(unread);
    let identity = |rule: &Rule| rule.comment.as_deref().and_then(own::identity).map(str::to_owned);
    let port = |rule: &Rule| matched(&rule.statements).and_then(|port| IfName::parse(port).ok());
    let jumps = table.rules_of(HOOKED).filter_map(|rule| Some((identity(rule)?, port(rule)?)));
    jumps.filter_map(|(identity, port)| find_in(&table, identity, port)).collect()
}

/// The table as far as it can be listed. Why something may be missing is added to `unread`.
fn listed(unread: &mut Vec<MachineError>) -> Table {
    list_for(TABLE, unread, |error| failed("list", error))
}

fn find_in(table: &Table, identity: String, otherwise: IfName) -> Option<CheckSourceMac> {
    let check = CheckSourceMac { port: otherwise, mac: Mac([0; 6]), identity };
    let own = Own::of(&check);
    let jump = table.rules_of(HOOKED).find(|rule| own.is_marked(rule));
    let has_chain = table.has_chain(&own.chain) || table.has_chain(&own.macs);
    if jump.is_none() && (!has_chain || own.taken(table).is_some()) {
        return None;
    }
    let port = jump.and_then(|rule| matched(&rule.statements)).and_then(|port| IfName::parse(port).ok());
    let mac = own.passed(table).and_then(|mac| Mac::try_from(mac.to_owned()).ok());
    Some(CheckSourceMac { port: port.unwrap_or(check.port), mac: mac.unwrap_or(check.mac), ..check })
}

/// In the words of the reference.
fn failed(what: &str, error: NftError) -> MachineError {
    let error = match error {
        NftError::Refused(message) => NftError::Refused(format!("failed to execute {message}")),
        NftError::Changed(message) => NftError::Changed(format!("failed to execute {message}")),
        error => error,
    };
    let what = format!("failed to {what} spoof-check");
    error.into_kernel_error(&what, &what)
}

#[cfg(test)]
mod tests;
