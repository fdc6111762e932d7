//! MAC spoofing check: it drops frames that a container sends with another source MAC (reference:
//! pkg/link/spoofcheck.go).

mod own;

pub use own::{CheckSourceMac, TABLE};

use super::masquerade::nft::{created_table, table_effect};
use crate::action::check::{Check, NAMED, required};
use crate::action::completion::Complete;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::rules::{commands, is_listed, listed};
use crate::action::undo::Inverse;
use crate::action::{Action, CreateVeth, Undo};
use crate::machine::MachineError;
use crate::machine::rules::nftables::{self, Rule, deletion_command};
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{Attachment, IfName, Mac, derive};
use own::{HOOKED, Own, matched};

impl Kind for CheckSourceMac {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Rules(self), Capability::Filter)
    }

    fn commands(&self) -> Vec<String> {
        commands(self)
    }

    fn name(&self) -> String {
        let [jump, ..] = Own::of(self).rules();
        Edit::Nftables(nftables::Edit::AddRule(jump)).command(TABLE)
    }

    /// The MAC address is that of the veth pair whose host end is the port.
    fn completed(&self, plan: &Complete<'_>) -> Option<Action> {
        let mut veths = plan.actions.iter().filter_map(|action| CreateVeth::of(action));
        let mac = veths.find(|veth| veth.peer.name == self.port)?.mac;
        (mac != self.mac).then(|| CheckSourceMac { mac, ..self.clone() }.into())
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        if self.identity != derive::source_mac_identity(&check.grants.attachment) {
            return required(false, NAMED);
        }
        if !derive::is_nft_identity(&self.identity) {
            let rule = "chains in nftables are named after container and interface: \
                letters, digits, _, . and -, together at most 116";
            return required(false, rule);
        }
        let mut veths = check.plan.iter().filter_map(|action| CreateVeth::of(action));
        let has_pair = veths.any(|veth| veth.peer.name == self.port && veth.mac == self.mac);
        required(has_pair, "port and address are those of the veth pair of this plan")
    }

    /// The comment shows which rules are ours. A listing would take longer than adding them.
    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if !undoing.owns_rules() {
            return Vec::new();
        }
        vec![RemoveSourceMac { check: self.clone(), table: created_table(undoing) }.into()]
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(self.missing(cx.listing(TABLE).map_err(|error| failed("check", error))?))
    }
}

impl RuleSet for CheckSourceMac {
    fn table(&self) -> TableId {
        TABLE
    }

    /// Accepts every name: a name that is not a plain word is passed to `nft` as JSON, where it can contain any text.
    fn check(&self) -> Result<(), MachineError> {
        Ok(())
    }

    /// Flushes existing chains of this name, unless they have rules of another attachment. Adds the jump only once.
    fn add(&self, now: &Listing) -> Vec<Edit> {
        let edits = now.nftables().map(|now| Own::of(self).addition(now)).unwrap_or_default();
        edits.into_iter().map(Edit::Nftables).collect()
    }

    fn conflict(&self, now: &Listing) -> Option<MachineError> {
        let own = Own::of(self);
        let chain = own.taken(now.nftables()?)?;
        let text =
            format!("chain {chain:?} of table bridge nat is another interface's: give this one another name");
        Some(MachineError::Conflict(text))
    }

    fn effect(&self, before: &Listing, _is_changed: bool) -> Effect {
        let Some(before) = before.nftables() else { return Effect::Created };
        if Own::of(self).is_whole(before) { Effect::AlreadyThere } else { table_effect(before) }
    }

    /// If another attachment has chains with these names, nothing repairs the difference.
    fn missing(&self, now: &Listing) -> Vec<Difference> {
        let Some(now) = now.nftables() else { return Vec::new() };
        let own = Own::of(self);
        let texts = own.differences(now);
        match own.taken(now) {
            None => Difference::all(texts, self.clone()),
            Some(_) => texts.into_iter().map(Difference::beyond).collect(),
        }
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed("setup", error)
    }
}

/// Removes the chains that check a source MAC, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveSourceMac {
    /// The check.
    pub check: CheckSourceMac,
    /// Whether to remove the table too, if nothing of others is in it.
    pub table: bool,
}

impl Inverse for RemoveSourceMac {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    fn command(&self) -> String {
        let chain = format!("cni-br-iface-{}", self.check.identity);
        let jump = deletion_command("bridge nat PREROUTING", &format!("jump {chain} "));
        let (chain, macs) = (word(&chain), word(&format!("{chain}-mac")));
        format!("{jump}; nft delete chain bridge nat {chain}; nft delete chain bridge nat {macs}")
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        let CheckSourceMac { identity, port, .. } = &self.check;
        let is_there = |listing: &Listing| found_in(listing, identity.clone(), port.clone()).is_some();
        is_listed(cx, TABLE, |error| failed("list", error), is_there)
    }
}

impl RuleRemoval for RemoveSourceMac {
    fn table(&self) -> TableId {
        TABLE
    }

    fn check(&self) -> Result<(), MachineError> {
        Ok(())
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        let Some(now) = now.nftables() else { return Ok(Removal::default()) };
        let edits = Own::of(&self.check).deletion(now, self.table)?;
        Ok(Removal { edits: edits.into_iter().map(Edit::Nftables).collect(), ..Removal::default() })
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed("teardown", error)
    }
}

/// The chains of an attachment, whether the reference or this host added them. Errors that may hide them are added to
/// `unread`.
pub fn find(
    attachment: &Attachment,
    tables: &dyn RuleTables,
    unread: &mut Vec<MachineError>,
) -> Option<CheckSourceMac> {
    found(&listed(tables, TABLE, unread, |error| failed("list", error)), attachment)
}

/// The chains of all attachments whose port can be read, whether the reference or this host added them. Errors that may
/// hide some are added to `unread`.
pub fn all(tables: &dyn RuleTables, unread: &mut Vec<MachineError>) -> Vec<CheckSourceMac> {
    all_found(&listed(tables, TABLE, unread, |error| failed("list", error)))
}

/// The chains of an attachment in a listing.
pub fn found(now: &Listing, attachment: &Attachment) -> Option<CheckSourceMac> {
    // Undo uses only the identity. Port and MAC address are for messages.
    let otherwise = derive::host_veth(attachment, 0).ok()?;
    found_in(now, derive::source_mac_identity(attachment), otherwise)
}

/// The chains of all attachments in a listing whose port can be read.
pub fn all_found(now: &Listing) -> Vec<CheckSourceMac> {
    let identity = |rule: &Rule| rule.comment.as_deref().and_then(own::identity).map(str::to_owned);
    let port = |rule: &Rule| matched(rule).and_then(|port| IfName::parse(port).ok());
    let hooked = now.nftables().into_iter().flat_map(|now| now.rules_of(HOOKED));
    let jumps = hooked.filter_map(|rule| Some((identity(rule)?, port(rule)?)));
    jumps.filter_map(|(identity, port)| found_in(now, identity, port)).collect()
}

/// The chains of an identity. The port is `otherwise` if no jump shows another.
fn found_in(now: &Listing, identity: String, otherwise: IfName) -> Option<CheckSourceMac> {
    let now = now.nftables()?;
    let check = CheckSourceMac { port: otherwise, mac: Mac([0; 6]), identity };
    let own = Own::of(&check);
    let jump = now.rules_of(HOOKED).find(|rule| own.is_marked(rule));
    let has_chain = now.has_chain(&own.chain) || now.has_chain(&own.macs);
    if jump.is_none() && (!has_chain || own.taken(now).is_some()) {
        return None;
    }
    let port = jump.and_then(matched).and_then(|port| IfName::parse(port).ok());
    let mac = own.passed(now).and_then(|mac| Mac::try_from(mac.to_owned()).ok());
    Some(CheckSourceMac { port: port.unwrap_or(check.port), mac: mac.unwrap_or(check.mac), ..check })
}

/// The error in the wording of the reference.
fn failed(what: &str, error: TableError) -> MachineError {
    let error = match error {
        TableError::Refused(message) => TableError::Refused(format!("failed to execute {message}")),
        TableError::Changed(message) => TableError::Changed(format!("failed to execute {message}")),
        error => error,
    };
    let what = format!("failed to {what} spoof-check");
    error.into_error(&what, &what)
}
