//! Applies a plan on the machine in memory and takes it back: all or nothing, and nothing of anybody else's.

use crate::faulty::Faulty;
use std::collections::BTreeSet;
use tempfile::TempDir;
use wasm_cni::action::{Action, Lifetime};
use wasm_cni::apply::{self, Header, Reason, Section, StateDir};
use wasm_cni::cni::{Request, result};
use wasm_cni::machine::fake::FakeKernel;
use wasm_cni::machine::iptables::filter;
use wasm_cni::machine::{Difference, Kernel, shared_by};
use wasm_cni::plan::render;
use wasm_cni::policy::CheckedPlan;
use wasm_cni::result::finish;
use wasm_cni::value::derive;

/// A state directory with nothing in it.
pub fn with_state(then: impl FnOnce(&StateDir)) {
    let dir = TempDir::new().expect("a folder for journals");
    then(&StateDir::new(dir.path().to_owned()));
}

/// The head of a section.
pub fn header(request: &Request) -> Header {
    Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal: 0,
        netns: request.netns.clone(),
        netns_id: None,
        plugins: Vec::new(),
        created: 1,
    }
}

/// Applies a plan, where after `fails` actions one fails, if so wanted, and takes it back. Gives what CHECK would find in between.
///
/// # Panics
/// If what failed has left something; if what was done cannot be undone; if DEL leaves anything that is the attachment's, or
/// takes anything that was there before.
pub fn apply_and_undo(
    plan: &CheckedPlan,
    request: &Request,
    before: &FakeKernel,
    fails: Option<usize>,
) -> Vec<Difference> {
    let mut kernel = before.clone();
    // Planning held the lock.
    kernel.unlock_leases();
    let before = seen(&kernel);
    let mut differences = Vec::new();
    with_state(|state| {
        let journal = state.lock(&request.attachment).expect("the lock is free");
        let mut writer = journal.begin(&header(request)).expect("a section is begun");
        let mut faulty = Faulty { kernel: &mut kernel, left: fails };
        if let Err(error) = apply::execute(plan, &mut writer, state, &mut faulty) {
            assert!(error.stuck.is_empty(), "{error:?}");
            assert_eq!(seen(&kernel), before, "{error:?} has left something");
            return;
        }
        let finished = finish(plan.report(), request, &mut kernel);
        if finished.and_then(|finished| result::encode(&finished, &request.cni_version)).is_err() {
            undo(writer.section(), Reason::Rollback, state, &mut kernel, |rolled_back| {
                assert_eq!(rolled_back, before, "the rollback of what cannot be told");
            });
            return;
        }
        writer.complete(plan.report()).expect("the section is completed");
        let section = journal.sections().expect("the section is read").remove(0);
        assert_eq!((&section.steps, section.report.as_ref()), (&writer.section().steps, Some(plan.report())));
        let actions: Vec<Action> = section.entries().map(|entry| entry.action.clone()).collect();
        differences = kernel.verify(&actions).into_iter().flatten().collect();

        undo(&section, Reason::Rollback, state, &mut kernel.clone(), |rolled_back| {
            assert_eq!(rolled_back, before, "the rollback of all of it");
        });
        undo(&section, section.reason(), state, &mut kernel, |after| {
            check_left(plan, request, &before, after)
        });
    });
    differences
}

/// Undoes a section, and does it again, which changes nothing.
fn undo(
    section: &Section,
    reason: Reason,
    state: &StateDir,
    kernel: &mut FakeKernel,
    check: impl FnOnce(&[String]),
) {
    let stuck = apply::revert(section, reason, state, kernel);
    assert!(stuck.is_empty(), "{reason:?}: {stuck:?}");
    let after = seen(kernel);
    check(&after);
    let stuck = apply::revert(section, reason, state, kernel);
    assert!(stuck.is_empty() && seen(kernel) == after, "{reason:?} again: {stuck:?}");
}

/// What a DEL may leave: what is shared, or the node's. What was there before stays, but for what the configuration makes of
/// a bridge.
fn check_left(plan: &CheckedPlan, request: &Request, before: &[String], after: &[String]) {
    let attachment = &request.attachment;
    let mut own: Vec<String> = vec![derive::alias(attachment), derive::chain(attachment)];
    own.push(format!(" = {} {}", attachment.container, attachment.interface));
    own.push(derive::nft_owner(attachment));
    let mut shared: BTreeSet<&str> = BTreeSet::new();
    let (mut chains, mut rules) = (BTreeSet::<String>::new(), BTreeSet::<String>::new());
    for entry in plan.entries() {
        match &entry.action {
            Action::EnsureBridge(bridge) => drop(shared.insert(bridge.name.as_str())),
            Action::EnsureVlanGateway(gateway) => {
                shared.extend([gateway.name.as_str(), gateway.port.as_str()]);
            }
            Action::CheckSourceMac(check) => own.push(check.identity.clone()),
            Action::MapPorts(ports) => chains.extend(shared_by(ports)),
            Action::Filter(rule) => {
                chains.extend(filter::shared_by(rule));
                // A bridge is kept apart for all of its containers.
                if entry.lifetime != Lifetime::Attachment {
                    rules.extend(
                        render::filter::rules(rule).into_iter().map(|rule| format!("filter: {rule}")),
                    );
                }
            }
            _ => {}
        }
    }
    let (had, has): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
    let of_shared = |line: &str| {
        let words = line.split([' ', '/', ':']);
        line.contains(": sysctl ") || words.into_iter().any(|word| shared.contains(word))
    };
    // `ports: IPv4 CNI-HOSTPORT-DNAT`, `filter: ipv4 CNI-FORWARD`.
    let chain = |line: &str| {
        let parts: Vec<&str> = line.splitn(3, ' ').collect();
        ["ports:", "filter:"].contains(&parts[0]) && parts.get(2).is_some_and(|name| chains.contains(*name))
    };
    let last = |line: &str| line.starts_with("leases ") && line.contains(": last ");
    for line in has.difference(&had) {
        assert!(!own.iter().any(|own| line.contains(own.as_str())), "DEL has left {line:?}");
        assert!(!line.starts_with("container: "), "DEL has left {line:?}");
        let table = line.starts_with("nft: ") || line.starts_with("nat");
        let is_shared = of_shared(line) || table || chain(line) || rules.contains(line.as_str());
        assert!(is_shared || last(line), "DEL has left {line:?}");
    }
    for line in had.difference(&has) {
        assert!(of_shared(line) || last(line), "DEL has taken {line:?}");
    }
}

/// All of the machine but that there is a store: like the reference's, an empty one stays.
pub fn seen(kernel: &FakeKernel) -> Vec<String> {
    let text = kernel.snapshot();
    let lines = text.lines().filter(|line| !line.starts_with("leases ") || line.contains(": "));
    lines.map(str::to_owned).collect()
}
