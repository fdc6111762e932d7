//! Applies a plan on the machine in memory and takes it back: all or nothing, and nothing of anybody else's.

use std::collections::BTreeSet;
use tempfile::TempDir;
use wasm_cni::action::context::Notes;
use wasm_cni::action::profile::{Lane, RuleSet};
use wasm_cni::action::record::{Difference, Reason};
use wasm_cni::action::rules::{filter, port_map};
use wasm_cni::action::{Action, Lifetime};
use wasm_cni::apply::{self, Header, Section, StateDir};
use wasm_cni::cni::Request;
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::rules::iptables::{Edit as Line, Family, Rule};
use wasm_cni::machine::rules::{Edit, Listing, TableId};
use wasm_cni::plan::{CheckedPlan, Entry};
use wasm_cni::result;
use wasm_cni::value::{Backend, derive};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::faulty::{Fault, Strike};

/// A state directory with nothing in it.
pub fn with_state(then: impl FnOnce(&StateDir)) {
    let dir = TempDir::new().expect("a folder for journals");
    then(&StateDir::new(dir.path().to_owned()));
}

/// What is beside the attachment.
pub struct Beside<'a> {
    /// Puts the journals of others into a state directory.
    pub journals: &'a dyn Fn(&StateDir),
    /// Looks at the machine after it was applied, and after each undo.
    pub look: &'a dyn Fn(&FakeMachine),
    /// Whether a rollback may leave a line, or its absence: an object that others use too is not put back.
    pub stays: &'a dyn Fn(&str) -> bool,
}

impl Beside<'_> {
    /// Nobody.
    pub const NOBODY: Beside<'static> = Beside { journals: &|_| {}, look: &|_| {}, stays: &|_| false };

    fn is_as_before(&self, before: &[String], after: &[String], what: &str) {
        let missing = |from: &[String], lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| !from.contains(line) && !(self.stays)(line)).cloned().collect()
        };
        let (gone, left) = (missing(after, before), missing(before, after));
        assert!(gone.is_empty() && left.is_empty(), "{what}: left {left:?}, gone {gone:?}");
    }
}

/// The head of a section.
pub fn header(request: &Request) -> Header {
    Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal: 0,
        level: 0,
        netns: request.netns.clone(),
        netns_id: None,
        plugins: Vec::new(),
        asker: None,
        created: 1,
    }
}

/// Applies a plan, where after `fails` calls of the port one is refused, if so wanted, and takes it back. Gives what CHECK would find in between, unless
/// a call was refused.
///
/// # Panics
/// If what failed has left something; if what was done cannot be undone; if DEL leaves anything that is the attachment's, or
/// takes anything that was there before.
pub fn apply_and_undo(
    plan: &CheckedPlan,
    request: &Request,
    before: &FakeMachine,
    fails: Option<usize>,
    beside: &Beside<'_>,
) -> Vec<Difference> {
    // Planning held the lock.
    let mut machine = before.clone();
    let before = seen(&machine);
    let mut differences = Vec::new();
    with_state(|state| {
        (beside.journals)(state);
        let journal = state.lock(&request.attachment).expect("the lock is free");
        let mut writer = journal.begin(&header(request)).expect("a section is begun");
        let strike = fails.map_or_else(Strike::never, |at| Strike::at(at, Fault::Refused));
        let applied = apply::execute(plan, &mut writer, state, machine.struck(strike.clone()));
        let is_struck = fails.is_some_and(|at| strike.seen() > at);
        machine.next_verb();
        if let Err(error) = applied {
            // The refusal is of the rollback, where the plan failed for another reason.
            let is_of_rollback = is_struck && !chain(&error.source).contains("made to fail");
            assert!(error.stuck.is_empty() || is_of_rollback, "{error:?}");
            if error.stuck.is_empty() {
                beside.is_as_before(&before, &seen(&machine), &format!("{error:?} has left something"));
            }
            undo(writer.section(), Reason::Rollback, state, &mut machine, |rolled_back| {
                beside.is_as_before(&before, rolled_back, &format!("{error:?} has left something for good"));
            });
            return;
        }
        if result::text(plan.report(), request, &request.cni_version, &mut machine).is_err() {
            undo(writer.section(), Reason::Rollback, state, &mut machine, |rolled_back| {
                beside.is_as_before(&before, rolled_back, "the rollback of what cannot be told");
            });
            return;
        }
        (beside.look)(&machine);
        writer.complete(plan.report()).expect("the section is completed");
        let is_own = |section: &Section| section.header.plugin == request.plugin;
        let section = journal.sections().expect("the section is read").into_iter().find(is_own);
        let section = section.expect("a section");
        assert_eq!(
            (section.steps(), section.report.as_ref()),
            (writer.section().steps(), Some(plan.report()))
        );
        if !is_struck {
            let actions: Vec<&Action> = section.entries().map(|entry| &entry.action).collect();
            let found = apply::verify(&actions, &mut machine, &mut Notes::default());
            differences = found.into_iter().flatten().collect();
        }

        undo(&section, Reason::Rollback, state, &mut machine.clone(), |rolled_back| {
            beside.is_as_before(&before, rolled_back, "the rollback of all of it");
        });
        machine.next_verb();
        undo(&section, section.reason(), state, &mut machine, |after| {
            check_left(plan, request, &before, after)
        });
        (beside.look)(&machine);
    });
    differences
}

/// Undoes a section, and does it again, which changes nothing.
fn undo(
    section: &Section,
    reason: Reason,
    state: &StateDir,
    machine: &mut FakeMachine,
    check: impl FnOnce(&[String]),
) {
    let stuck = apply::revert(section, reason, state, machine);
    assert!(stuck.is_empty(), "{reason:?}: {stuck:?}");
    let after = seen(machine);
    check(&after);
    machine.next_verb();
    let stuck = apply::revert(section, reason, state, machine);
    assert!(stuck.is_empty() && seen(machine) == after, "{reason:?} again: {stuck:?}");
}

/// What a DEL may leave: what is shared, or the node's. What was there before stays, but for what the configuration makes of
/// a bridge.
fn check_left(plan: &CheckedPlan, request: &Request, before: &[String], after: &[String]) {
    let attachment = &request.attachment;
    let mut own: Vec<String> = vec![derive::alias(attachment), derive::chain(attachment)];
    own.push(format!(" = {} {}", attachment.container, attachment.interface));
    own.push(derive::nft_owner(attachment));
    let mut shared: BTreeSet<&str> = BTreeSet::new();
    let mut rules = SharedRules::default();
    for entry in plan.entries() {
        rules.note(entry);
        match &entry.action {
            Action::EnsureBridge(bridge) => drop(shared.insert(bridge.name.as_str())),
            Action::EnsureVlanGateway(gateway) => {
                shared.extend([gateway.name.as_str(), gateway.port.as_str()]);
            }
            Action::CheckSourceMac(check) => own.push(check.identity.clone()),
            _ => {}
        }
    }
    let (had, has): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
    let of_shared = |line: &str| {
        let words = line.split([' ', '/', ':']);
        line.contains(": sysctl ") || words.into_iter().any(|word| shared.contains(word))
    };
    let last = |line: &str| line.starts_with("leases ") && line.contains(": last ");
    for line in has.difference(&had) {
        assert!(!own.iter().any(|own| line.contains(own.as_str())), "DEL has left {line:?}");
        assert!(!line.starts_with("container: "), "DEL has left {line:?}");
        assert!(of_shared(line) || rules.has(line) || last(line), "DEL has left {line:?}");
    }
    for line in had.difference(&has) {
        assert!(of_shared(line) || last(line), "DEL has taken {line:?}");
    }
}

/// What sets of rules share with those of others, as a snapshot has it.
#[derive(Default)]
struct SharedRules {
    /// Tables of nftables, `nft inet cni_hostport:`: a rule without a comment is nobody's in particular.
    tables: BTreeSet<String>,
    /// Chains, and rules by chain and target, each after its table: `nat: CNI-HOSTPORT-DNAT`, `nat: PREROUTING>CNI-HOSTPORT-DNAT`.
    names: BTreeSet<String>,
    /// Whole rules.
    lines: BTreeSet<String>,
}

impl SharedRules {
    fn note(&mut self, entry: &Entry) {
        let Lane::Rules(set) = entry.action.kind().profile().lane else { return };
        let TableId::Iptables(table, family) = set.table() else {
            self.tables.extend(place(set.table()));
            return;
        };
        let place = match family {
            Family::V4 => table.name().to_owned(),
            Family::V6 => format!("{}6", table.name()),
        };
        let names = match &entry.action {
            Action::MapPorts(ports) if ports.backend == Backend::Iptables => {
                port_map::iptables::shared(ports)
            }
            Action::Filter(rule) => filter::iptables::shared_by(rule),
            _ => Vec::new(),
        };
        self.names.extend(names.into_iter().map(|name| format!("{place}: {name}")));
        // A bridge is kept apart for all of its containers.
        if entry.lifetime != Lifetime::Attachment {
            self.lines.extend(all_rules(set).iter().map(|rule| format!("{place}: {rule}")));
        }
    }

    fn has(&self, line: &str) -> bool {
        if self.tables.iter().any(|table| line.starts_with(table)) {
            return !line.contains(" comment \"");
        }
        let Some((place, line_of_table)) = line.split_once(": ") else { return false };
        let name = match line_of_table.strip_prefix("-N ") {
            Some(chain) => Some(chain.to_owned()),
            None => line_of_table.strip_prefix("-A ").and_then(Rule::parse).map(|rule| rule.name()),
        };
        let is_named = name.is_some_and(|name| self.names.contains(&format!("{place}: {name}")));
        is_named || self.lines.contains(line)
    }
}

/// The beginning of each line of a table of nftables.
fn place(table: TableId) -> Option<String> {
    match table {
        TableId::Nftables(family, name) => Some(format!("nft {family} {name}:")),
        TableId::Iptables(..) => None,
    }
}

/// All rules of a set in iptables.
fn all_rules(set: &dyn RuleSet) -> Vec<String> {
    let edits = set.add(&Listing::empty(set.table()));
    let rule = |edit: &Edit| match edit {
        Edit::Iptables(edit) => edit.rule().map(|rule| Line::Append(rule.clone()).line()),
        Edit::Nftables(_) => None,
    };
    edits.iter().filter_map(rule).collect()
}

/// All of the machine but that there is a store: like the reference's, an empty one stays.
pub fn seen(machine: &FakeMachine) -> Vec<String> {
    let text = machine.snapshot();
    let lines = text.lines().filter(|line| !line.starts_with("leases ") || line.contains(": "));
    lines.map(str::to_owned).collect()
}
