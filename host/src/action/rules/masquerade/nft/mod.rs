//! Masquerading with nftables: one rule for each address (reference: pkg/ip/ipmasq_nftables_linux.go).

use crate::action::check::{Check, NAMED, required};
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Done, Effect, Old, Reason, Undoing};
use crate::action::rules::{commands, is_listed, listed};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::rules::nftables::{
    self, Hook, NewRule, Operand, Operator, Rule, Selector, Statement, deletion_command,
};
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use crate::policy::{Capability, Refusal};
use crate::value::{Attachment, Backend, derive};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The table of these rules.
pub const TABLE: TableId = TableId::Nftables("inet", "cni_plugins_masquerade");

const CHECKS: &str = "masq_checks";
const POSTROUTING: &str = "postrouting";

/// In bytes. `nft` and the kernel accept no longer comments.
const MAX_COMMENT_BYTES: usize = 128;

/// In bytes. The beginning of a comment that shows the owner of the rule: [`derive::nft_owner`].
const OWNER_BYTES: usize = 33;

/// The name of the table in a record, if the table existed before.
const SHARED: &str = "table";

/// See [`Action::MasqueradeNft`](crate::action::Action::MasqueradeNft): one rule of the attachment in the table
/// `inet cni_plugins_masquerade`, which is created with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradeNft {
    /// The container's address, with the prefix length of its network. Packets to this network keep their source.
    pub address: IpNetwork,
    /// The comment of the rule, as the reference writes it. It begins with hashes that show the owner.
    pub comment: String,
}

impl Kind for MasqueradeNft {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Rules(self), Capability::Nat)
    }

    fn commands(&self) -> Vec<String> {
        commands(self)
    }

    fn name(&self) -> String {
        Edit::Nftables(nftables::Edit::AddRule(self.rule())).command(TABLE)
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let mut refusals = required(self.comment == derive::nft_comment(&check.grants.attachment), NAMED);
        refusals.extend(check.masquerade(self.address, Backend::Nftables));
        refusals
    }

    /// The comment shows which rules are ours. A listing would take longer than adding them.
    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if !undoing.owns_rules() {
            return Vec::new();
        }
        vec![RemoveMasqueradeNft { rule: self.clone(), table: created_table(undoing) }.into()]
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(self.missing(cx.listing(TABLE).map_err(failed)?))
    }
}

/// Whether a rollback removes the table: if this ADD created it, or may have. DEL leaves the table, as the reference
/// does.
pub(in crate::action::rules) fn created_table(undoing: &Undoing<'_>) -> bool {
    undoing.why == Reason::Rollback
        && matches!(undoing.done, Done::Effect(Effect::Created) | Done::Unknown(_))
}

/// The effect of an ADD on a table. If the table did not exist before, all of it was created.
pub(in crate::action::rules) fn table_effect(before: &nftables::Listing) -> Effect {
    if before.exists { Effect::Replaced(Old::Shared(vec![SHARED.to_owned()])) } else { Effect::Created }
}

impl RuleSet for MasqueradeNft {
    fn table(&self) -> TableId {
        TABLE
    }

    /// Refuses a comment that is not a single string in a script: it could add a statement. Within quotes, only the
    /// quote itself has a meaning.
    fn check(&self) -> Result<(), MachineError> {
        let comment = &self.comment;
        let is_text = !comment.chars().any(|c| c == '"' || c.is_control());
        if is_text && comment.len() <= MAX_COMMENT_BYTES && owner(comment).is_some() {
            return Ok(());
        }
        Err(MachineError::Conflict(format!("{comment:?} is no comment of a rule in nftables")))
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        self.add_with_others(&[], now)
    }

    /// Also deletes rules of the same owner that no action of the transaction wants. A second ADD then leaves the same
    /// rules as the first.
    fn add_with_others(&self, others: &[&Action], now: &Listing) -> Vec<Edit> {
        let Some(now) = now.nftables() else { return Vec::new() };
        let others = others.iter().filter_map(|action| {
            if let Action::MasqueradeNft(other) = action { Some(other.rule()) } else { None }
        });
        let wanted: Vec<NewRule> = others.chain([self.rule()]).collect();
        let owned: Vec<&Rule> = now.rules_of(CHECKS).filter(|rule| self.owns(rule)).collect();
        let first = |wanted: &NewRule| owned.iter().copied().find(|rule| wanted.is(rule));
        // If a rule is listed twice, the second one is deleted.
        let is_kept = |rule: &Rule| wanted.iter().filter_map(first).any(|kept| std::ptr::eq(kept, rule));
        // Adding only rules takes 4 ms. If the transaction adds or flushes chains, `nft` waits for the kernel's RCU
        // grace period, 12 ms more. If somebody deletes the table meanwhile, the kernel refuses the transaction, and
        // the next attempt adds table and chains too.
        let mut edits = if is_framed(now) { Vec::new() } else { frame() };
        edits.extend(now.deletions(|rule| rule.chain == CHECKS && self.owns(rule) && !is_kept(rule)));
        if first(&self.rule()).is_none() {
            edits.push(nftables::Edit::AddRule(self.rule()));
        }
        edits.into_iter().map(Edit::Nftables).collect()
    }

    fn effect(&self, before: &Listing, _is_changed: bool) -> Effect {
        let Some(before) = before.nftables() else { return Effect::Created };
        let was_there = before.rules.iter().any(|rule| self.rule().is(rule));
        if was_there { Effect::AlreadyThere } else { table_effect(before) }
    }

    fn missing(&self, now: &Listing) -> Vec<Difference> {
        let Some(now) = now.nftables() else { return Vec::new() };
        let TableId::Nftables(family, name) = TABLE else { return Vec::new() };
        let mut texts = Vec::new();
        if !now.rules.iter().any(|rule| self.rule().is(rule)) {
            let words = nftables::Edit::AddRule(self.rule()).line(family, name);
            texts.push(format!("the rule `{words}` is gone"));
        }
        if !now.is_filled(POSTROUTING, &leading()) {
            texts.push(format!("chain {POSTROUTING} of table {family} {name} does not lead to {CHECKS}"));
        }
        Difference::all(texts, self.clone())
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(error)
    }
}

impl MasqueradeNft {
    /// The rule of the address.
    fn rule(&self) -> NewRule {
        let address = self.address;
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        let field = |name| Selector::Payload(family.to_owned(), name);
        NewRule {
            chain: CHECKS.to_owned(),
            statements: vec![
                Statement::Match(field("saddr"), Operator::Equal, Operand::Address(address.ip())),
                Statement::Match(
                    field("daddr"),
                    Operator::NotEqual,
                    Operand::Network(address.network(), address.prefix()),
                ),
                Statement::Masquerade,
            ],
            comment: Some(self.comment.clone()),
        }
    }

    /// Whether a listed rule belongs to the same attachment, by its comment.
    fn owns(&self, rule: &Rule) -> bool {
        let own = owner(&self.comment);
        own.is_some() && rule.comment.as_deref().and_then(owner) == own
    }
}

/// The edits that create the table, the chains and the rules that lead to the rules of addresses. Table and chains get
/// comments if `nft` and the kernel support them.
fn frame() -> Vec<nftables::Edit> {
    use nftables::Edit;
    let hook = Hook { kind: "nat", hook: "postrouting", priority: 100, policy: None };
    let mut edits = vec![
        Edit::AddTable {
            comment: Some("Masquerading for plugins from github.com/containernetworking/plugins"),
        },
        Edit::AddChain {
            name: CHECKS.to_owned(),
            hook: None,
            comment: Some(
                "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet",
            ),
        },
        Edit::AddChain { name: POSTROUTING.to_owned(), hook: Some(hook), comment: None },
        Edit::FlushChain(POSTROUTING.to_owned()),
    ];
    edits.extend(leading().map(Edit::AddRule));
    edits
}

/// The rules of the chain `postrouting`. They skip packets to multicast addresses, and continue in the chain with the
/// rules of addresses.
fn leading() -> [NewRule; 3] {
    let rule = |statements| NewRule { chain: POSTROUTING.to_owned(), statements, comment: None };
    let groups = |family: &str, address: IpAddr, length| {
        let destination = Selector::Payload(family.to_owned(), "daddr");
        let groups = Statement::Match(destination, Operator::Equal, Operand::Network(address, length));
        rule(vec![groups, Statement::Return])
    };
    [
        groups("ip", Ipv4Addr::new(224, 0, 0, 0).into(), 4),
        groups("ip6", Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).into(), 8),
        rule(vec![Statement::Goto(CHECKS.to_owned())]),
    ]
}

/// Whether everything from [`frame`] exists.
fn is_framed(now: &nftables::Listing) -> bool {
    now.has_chain(CHECKS) && now.is_filled(POSTROUTING, &leading())
}

/// Removes the rule of an address from nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMasqueradeNft {
    /// The rule.
    pub rule: MasqueradeNft,
    /// Whether to remove the table too, if nothing of others is in it.
    pub table: bool,
}

impl Inverse for RemoveMasqueradeNft {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    fn command(&self) -> String {
        let chain = "inet cni_plugins_masquerade masq_checks";
        deletion_command(chain, &format!("comment \"{}\"", self.rule.comment))
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        is_listed(cx, TABLE, failed, |listing| {
            listing.nftables().is_some_and(|now| now.rules.iter().any(|rule| self.is(rule)))
        })
    }
}

impl RuleRemoval for RemoveMasqueradeNft {
    fn table(&self) -> TableId {
        TABLE
    }

    fn check(&self) -> Result<(), MachineError> {
        Ok(())
    }

    /// Others may add rules to the table between listing and transaction. Within wasm-cni, the shared lock prevents
    /// that an ADD adds a rule while a rollback deletes the table.
    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        let Some(now) = now.nftables() else { return Ok(Removal::default()) };
        let leading = leading();
        let is_used = now.has_others
            || now.chains.iter().any(|chain| chain != CHECKS && chain != POSTROUTING)
            || now.rules_of(CHECKS).any(|rule| !self.is(rule))
            || now.rules_of(POSTROUTING).any(|rule| !leading.iter().any(|own| own.says(rule)));
        let edits = match self.table && now.exists && !is_used {
            true => vec![nftables::Edit::DeleteTable],
            false => now.deletions(|rule| self.is(rule)),
        };
        Ok(Removal { edits: edits.into_iter().map(Edit::Nftables).collect(), ..Removal::default() })
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(error)
    }
}

impl RemoveMasqueradeNft {
    /// Whether a listed rule is the one to delete: it belongs to the same attachment and has the same address.
    fn is(&self, rule: &Rule) -> bool {
        rule.chain == CHECKS && self.rule.owns(rule) && source(rule) == Some(self.rule.address.ip())
    }
}

/// The rules of an attachment, whether the reference or this host added them. Errors that may hide a rule are added to
/// `unread`.
pub fn find(
    attachment: &Attachment,
    tables: &dyn RuleTables,
    unread: &mut Vec<MachineError>,
) -> Vec<MasqueradeNft> {
    found(&listed(tables, TABLE, unread, failed), attachment)
}

/// The rules of a network, each with its owner in the form of [`derive::nft_owner`], whether the reference or this host
/// added them. Errors that may hide a rule are added to `unread`.
pub fn of_network(
    network: &str,
    tables: &dyn RuleTables,
    unread: &mut Vec<MachineError>,
) -> Vec<(String, MasqueradeNft)> {
    found_of_network(&listed(tables, TABLE, unread, failed), network)
}

/// The rules of an attachment in a listing.
pub fn found(now: &Listing, attachment: &Attachment) -> Vec<MasqueradeNft> {
    commented(now, &derive::nft_owner(attachment)).into_iter().map(|(_, rule)| rule).collect()
}

/// The rules of a network in a listing, each with its owner.
pub fn found_of_network(now: &Listing, network: &str) -> Vec<(String, MasqueradeNft)> {
    commented(now, &format!("{}-", derive::nft_hash(network)))
}

/// The rules whose comment begins with `prefix`, each with its owner.
fn commented(now: &Listing, prefix: &str) -> Vec<(String, MasqueradeNft)> {
    let rules = now.nftables().into_iter().flat_map(|now| now.rules_of(CHECKS)).filter_map(|rule| {
        let comment = rule.comment.clone().filter(|comment| comment.starts_with(prefix))?;
        Some((owner(&comment)?.to_owned(), MasqueradeNft { address: address(rule)?, comment }))
    });
    rules.collect()
}

/// The part of a comment that shows the owner of the rule.
fn owner(comment: &str) -> Option<&str> {
    comment.get(..OWNER_BYTES)
}

/// The address that a listed rule masquerades.
fn source(rule: &Rule) -> Option<IpAddr> {
    rule.statements.first()?.pointer("/match/right")?.as_str()?.parse().ok()
}

/// The same address, with the prefix length of the network whose packets keep their source.
fn address(rule: &Rule) -> Option<IpNetwork> {
    let source = source(rule)?;
    let network = rule.statements.get(1).and_then(|network| network.pointer("/match/right/prefix/len"));
    let length = network.and_then(serde_json::Value::as_u64).and_then(|length| u8::try_from(length).ok());
    IpNetwork::new(source, length.unwrap_or(IpNetwork::from(source).prefix())).ok()
}

/// The error in the wording of the reference.
fn failed(error: TableError) -> MachineError {
    error.into_error("could not find nftables binary", "could not run nftables command")
}
