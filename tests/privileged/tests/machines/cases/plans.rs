use super::*;
use crate::real;
use wasm_cni::plan::Entry;
use wasm_cni_plans::{Plan, missing};

/// The plan, after the earlier actions.
fn case(plan: Plan) -> Case {
    let actions = |entries: &[Entry]| entries.iter().map(|entry| entry.action.clone()).collect::<Vec<_>>();
    let steps = [in_steps(&actions(&plan.earlier)), in_steps(&actions(&plan.entries))].concat();
    Case::new(&plan.name, steps).real(&plan.real, "").fake(|_| plan.fake)
}

/// Whether a plan needs a bridge with VLAN filtering, or a dummy link. Small kernels do not support them.
fn is_for_vm(plan: &Plan) -> bool {
    let takes = |entry: &Entry| match &entry.action {
        Action::EnsureBridge(bridge) => bridge.vlan_filtering,
        Action::EnsureVlanGateway(_) | Action::CreateDummy(_) => true,
        _ => false,
    };
    plan.earlier.iter().chain(&plan.entries).any(takes)
}

fn assert_agree(plans: impl Iterator<Item = Plan>) {
    let differences: Vec<String> = plans.map(case).filter_map(Case::difference).collect();
    assert!(differences.is_empty(), "{} plans:\n{}", differences.len(), differences.join("\n"));
}

/// Every kind of action is in a plan of the corpus or in one written by hand, without exception. Plans with VLANs or
/// dummy links are compared in the VM.
#[test]
fn every_kind_of_action_is_in_a_plan_that_is_compared() {
    assert_eq!(missing(Plan::all().iter()), [""; 0]);
}

#[test]
fn the_plans_of_the_corpus() {
    assert_agree(Plan::all().into_iter().filter(|plan| !is_for_vm(plan)));
}

#[test]
#[ignore = "takes VLAN filtering of bridges and dummy links: `cargo xtask vm` runs it"]
fn the_plans_with_vlans_or_dummy_links() {
    assert!(real::has_vlan_filtering(), "this kernel makes no bridge with VLANs");
    let plans: Vec<Plan> = Plan::all().into_iter().filter(is_for_vm).collect();
    assert!(!plans.is_empty());
    assert_agree(plans.into_iter());
}
