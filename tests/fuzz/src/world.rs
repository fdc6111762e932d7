//! What a planner asks, answered from the machine in memory as far as policy grants it.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasm_cni::action::query::{GrantedFacts, MachineFacts};
use wasm_cni::action::{Answer, Facts as _, Query};
use wasm_cni::cni::{CniError, ErrorKind};
use wasm_cni::plan::DraftPlan;
use wasm_cni::policy::{Grants, Violation};
use wasm_cni::sandbox::recorder::{Level, Loaded, Upstream};
use wasm_cni::value::{PluginName, Report};
use wasm_cni_fake::FakeMachine;

/// Our plugins.
pub const PLUGINS: [&str; 8] =
    ["bandwidth", "bridge", "firewall", "host-local", "loopback", "portmap", "static", "tuning"];

/// Those that one may delegate to. A chained plugin in the place of an IPAM plugin has nothing that is granted to it under its own name.
const DELEGATES: [&str; 4] = ["bridge", "host-local", "loopback", "static"];

/// The machine, and what a request may see of it.
pub struct World {
    /// The machine.
    pub machine: FakeMachine,
    /// What is granted.
    pub grants: Grants,
    /// What was asked beyond that.
    pub violations: Vec<Violation>,
}

/// A world that is looked at again when the plugin has ended.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl World {
    /// Nothing was asked yet.
    pub fn new(machine: FakeMachine, grants: Grants) -> Self {
        World { machine, grants, violations: Vec::new() }
    }

    /// Answers a question of a plugin.
    pub fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer {
        let mut machine = MachineFacts::new(&mut self.machine);
        let mut facts = GrantedFacts::new(&mut machine, &self.grants, asks);
        let answer = facts.ask(query);
        self.violations.extend(facts.violations().0);
        answer.grant(&mut self.grants);
        answer
    }

    /// Whether one plugin may delegate to another, which is one of ours.
    pub fn find(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<(), CniError> {
        let refused = self.grants.check_delegate(caller, plugin);
        if !refused.is_empty() {
            let error = self.grants.denied(&refused);
            self.violations.extend(refused);
            return Err(error);
        }
        if DELEGATES.contains(&plugin.as_str()) {
            return Ok(());
        }
        Err(CniError::new(
            ErrorKind::PluginNotFound,
            format!("failed to find plugin {:?} in path []", plugin.as_str()),
        ))
    }
}

impl Shared {
    /// Shares a world with a planner.
    pub fn new(world: World) -> Self {
        Shared(Arc::new(Mutex::new(world)))
    }

    /// The world, while no plugin asks.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream for Shared {
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer {
        self.world().ask(asks, query)
    }

    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError> {
        self.world().find(caller, plugin)?;
        // Whoever runs it has it linked in.
        let file =
            File::open("/dev/null").map_err(|e| CniError::new(ErrorKind::NotCompiled, e.to_string()))?;
        Ok(Loaded::Code(file))
    }

    fn delegate(&mut self, plugin: &PluginName, _: DraftPlan) -> Result<Report, CniError> {
        Err(CniError::new(ErrorKind::NativePlugin, format!("{plugin} is not a component")))
    }

    fn log(&mut self, _: &PluginName, _: Level, _: &str) {}
}
