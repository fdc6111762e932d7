//! Configuration → plan of each of our plugins → the machine in memory → DEL.

use crate::case::Case;
use crate::machine::{self, Beside};
use crate::world::{Shared, World};
use wasm_cni::cni::command::gate_version;
use wasm_cni::cni::{CniError, code, result, version};
use wasm_cni::plan::{self, DraftPlan};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::Report;

/// Runs the plugin of a configuration as an ADD would, twice, and then the rest of the ADD and its DEL.
///
/// # Panics
/// If the plugin does; if it plans something else the second time; if it asks for more than its configuration names; if CHECK
/// would not find what was made; if anything does not hold of [`machine::apply_and_undo`].
pub fn run(data: &[u8]) {
    let Some(case) = Case::parse(data) else { return };
    let Case { request, config, before, fails } = &case;
    let (has_common, is_chained) = match request.plugin.as_str() {
        "bridge" => (true, false),
        "bandwidth" | "firewall" | "loopback" | "portmap" | "tuning" => (true, true),
        _ => (false, false),
    };
    // A plugin in another place than its type's is refused, or bounded by its place.
    let identity = Identity::named(&request.plugin);
    if identity.kind_in(&request.plugin, config, true) != identity.kind {
        return;
    }
    if gate_version(&config.cni_version, &version::all()).is_err() {
        return;
    }
    // As `Plugin` does.
    if has_common && config.check_common().is_err() {
        return;
    }
    let previous = match config.previous() {
        Err(_) if is_chained => return,
        previous => previous.unwrap_or_else(|_| Some(Report::default())),
    };
    let grants = reference::grants(
        request,
        config,
        previous.as_ref(),
        &Default::default(),
        &Identity::named(&request.plugin),
    );
    let planned = plan(&case, &grants);
    assert_eq!(
        planned.as_ref().map(|(draft, _)| draft),
        plan(&case, &grants).as_ref().map(|(draft, _)| draft)
    );
    let Ok((draft, World { machine: planned_on, grants, .. })) = planned else { return };
    // It crosses a socket.
    let read_back: DraftPlan =
        serde_json::from_slice(&serde_json::to_vec(&draft).expect("JSON")).expect("a plan");
    assert_eq!(read_back, draft);
    assert_eq!(machine::seen(&planned_on), machine::seen(before), "planning has changed something");
    let Ok(plan) = plan::check(draft, &[], &grants, &[]) else { return };
    if result::check(plan.report(), &config.cni_version).is_ok() {
        let differences = machine::apply_and_undo(&plan, request, &planned_on, *fails, &Beside::NOBODY);
        assert!(differences.is_empty(), "CHECK after ADD: {differences:?}");
    }
}

/// The plan of an input alone: whether there is one.
pub fn draft(data: &[u8]) -> bool {
    let Some(case) = Case::parse(data) else { return false };
    let previous = case.config.previous().unwrap_or_default();
    let grants = reference::grants(
        &case.request,
        &case.config,
        previous.as_ref(),
        &Default::default(),
        &Identity::named(&case.request.plugin),
    );
    plan(&case, &grants).is_ok()
}

/// The plan, and the world with the locks that planning has taken and what the answers grant.
fn plan(case: &Case, grants: &Grants) -> Result<(DraftPlan, World), CniError> {
    let shared = Shared::new(World::new(case.before.clone(), grants.clone()));
    let planned = wasm_cni_native_guests::run(&case.request, Box::new(shared.clone()));
    let world = shared.world();
    assert!(world.violations.is_empty(), "it asks for more than is granted: {:?}", world.violations);
    if let Err(error) = &planned {
        assert_ne!(error.code, code::TRAPPED, "{error:?}");
    }
    Ok((planned?, World::new(world.machine.clone(), world.grants.clone())))
}
