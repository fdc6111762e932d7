//! Serves a planner: answers queries, loads components, and executes native plugins. Each native plugin ends a stage
//! of the plan (`docs/architecture.md`).

mod stale;

use crate::action::Delegate;
use crate::action::query::{GrantedFacts, MachineFacts};
use crate::action::{Action, Answer, Facts as _, Query, Undo};
use crate::apply::Journal;
use crate::apply::journal::Writer;
use crate::audit::Record;
use crate::cni::{CniError, ErrorKind, Request};
use crate::delegate;
use crate::machine::MachineError;
use crate::machine::netns::NetnsId;
use crate::machine::port::Machine;
use crate::node::Node;
use crate::plan::{self, DraftPlan, Entry};
use crate::plugin::Plugin;
use crate::policy::{self, Ceilings, Grants, Lowered, Policy, Violation};
use crate::sandbox::Code;
use crate::sandbox::limits::{self, Limits};
use crate::sandbox::lookup::{self, Found};
use crate::sandbox::planner::{Delegated, Planner, Service, Services, Waiting};
use crate::value::{Fact, PluginName};
use crate::{section, timings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The limits that policy can lower, in the units of policy.
pub const CEILINGS: Ceilings = Ceilings {
    memory_mib: (limits::MEMORY_BYTES >> 20) as u32,
    time_ms: limits::TIME.as_millis() as u32,
    actions: limits::ACTIONS as u32,
    log_kib: (limits::LOG_BYTES >> 10) as u32,
};

/// The treatment of a stage that a native plugin ends.
#[derive(Clone, Copy)]
pub enum Stages<'a> {
    /// The stage is applied, and the native plugin is executed.
    Applied {
        /// The journal of the attachment.
        journal: &'a Journal,
        /// The identity of the container's namespace.
        netns_id: Option<NetnsId>,
        /// The audit record. It gets the components that took part, and is updated before anything is applied.
        record: &'a Record<'a>,
    },
    /// The plan ends with the stage: a dry run, or STATUS.
    Shown {
        /// What ADD would undo first. It counts as undone.
        undone: &'a [Undo],
    },
}

/// The result of planning.
#[derive(Debug)]
pub struct Planned {
    /// The last stage, which is not applied yet.
    pub draft: DraftPlan,
    /// The entries of the earlier stages, which are applied.
    pub applied: Vec<Entry>,
    /// The journal writer of the earlier stages.
    pub writer: Option<Writer>,
    /// The native plugin that was not executed, and on whose result the rest of the plan depends.
    pub opaque: Option<Delegate>,
    /// The components that ran, with their digests.
    pub plugins: Vec<(String, String)>,
    /// The grants of the request, including those from native plugins.
    pub grants: Grants,
    /// The violations that audit mode has tolerated so far.
    pub tolerated: Vec<Violation>,
    /// The planner process. It may exit while its plan is applied.
    pub planner: Planner,
}

/// A planner that has started to load a plugin and is not served yet.
#[derive(Debug)]
pub struct Begun {
    planner: Planner,
    plugins: Vec<(String, String)>,
    delegates: bool,
}

impl Begun {
    /// A planner that another process runs, see [`Planner::at`]. The plugin delegates to the one that the configuration
    /// names.
    pub fn at(planner: Planner) -> Self {
        Begun { planner, plugins: Vec::new(), delegates: true }
    }
}

/// Sends the plugin to a waiting planner process. The planner runs in parallel with what the caller does before
/// [`plan`].
///
/// `earlier` are actions that a dry run treats as applied: those of the earlier plugins of the chain.
pub fn begin(
    planner: Waiting,
    request: &Request,
    plugin: Plugin,
    policy: &Policy,
    earlier: Vec<Action>,
) -> Result<Begun, CniError> {
    let Plugin { description, code } = plugin;
    description.check_imports(policy)?;
    let plugins = vec![(description.name.to_string(), code.digest.clone())];
    let delegates = description.manifest.delegates();
    let limits = lowered(policy.rules(&description.name, Some(&request.attachment.network)).limits());
    let planner = planner.begin(request.clone(), limits, code, earlier)?;
    Ok(Begun { planner, plugins, delegates })
}

/// Serves the planner until it has a plan. After an error, the earlier stages are undone.
pub fn plan(
    node: &Node,
    request: &Request,
    begun: Begun,
    grants: Grants,
    machine: &mut dyn Machine,
    stages: Stages<'_>,
) -> Result<Planned, CniError> {
    let Begun { mut planner, plugins, delegates } = begun;
    let ipam = grants.own.delegate.as_deref().filter(|_| delegates);
    let ipam = ipam.and_then(|name| PluginName::parse(name).ok());
    machine.prepare();
    let mut planning = Planning {
        node,
        request,
        grants,
        machine,
        refusal: None,
        stages,
        plugins,
        found: BTreeMap::new(),
        violations: Vec::new(),
        tolerated: Vec::new(),
        applied: Vec::new(),
        writer: None,
        opaque: None,
    };
    if let Some(ipam) = ipam.filter(|ipam| planning.grants.check_delegate(&request.plugin, ipam).is_empty()) {
        planning.look_up(&ipam);
        if let Some(Ok(Delegatee::Component(code))) = planning.found.get(&ipam) {
            planner.preload(&ipam, code)?;
        }
    }
    timings::ended("sockets");
    let draft = planner.serve(&mut planning);
    timings::ended("plan");
    planning.conclude(draft, planner)
}

/// The host's limits, lowered by policy.
fn lowered(policy: Lowered) -> Limits {
    let most = Limits::default();
    let bytes = |value: Option<u32>, unit: u32, most: usize| {
        value
            .and_then(|value| usize::try_from(value).ok()?.checked_shl(unit))
            .map_or(most, |lower| lower.min(most))
    };
    Limits {
        memory_bytes: bytes(policy.memory_mib, 20, most.memory_bytes),
        time: policy.time_ms.map_or(most.time, |ms| most.time.min(Duration::from_millis(ms.into()))),
        actions: bytes(policy.actions, 0, most.actions),
        log_bytes: bytes(policy.log_kib, 10, most.log_bytes),
    }
}

/// A plugin that another plugin delegates to.
enum Delegatee {
    Component(Code),
    Native(PathBuf),
}

/// The state while a planner is served.
struct Planning<'a> {
    node: &'a Node,
    request: &'a Request,
    grants: Grants,
    machine: &'a mut dyn Machine,
    /// The error of the last query that failed. It says whether a retry may succeed.
    refusal: Option<MachineError>,
    stages: Stages<'a>,
    plugins: Vec<(String, String)>,
    found: BTreeMap<PluginName, Result<Delegatee, CniError>>,
    violations: Vec<Violation>,
    tolerated: Vec<Violation>,
    applied: Vec<Entry>,
    writer: Option<Writer>,
    opaque: Option<Delegate>,
}

impl Planning<'_> {
    fn conclude(mut self, draft: Result<DraftPlan, CniError>, planner: Planner) -> Result<Planned, CniError> {
        if let Stages::Applied { record, .. } = self.stages {
            record.took_part(&self.plugins);
        }
        let refusal = self.refusal.take();
        let result = match draft {
            Ok(draft) if !self.violations.is_empty() => {
                let more = plan::check(draft, &self.applied, &self.grants, &[]).err().unwrap_or_default();
                self.violations.extend(more);
                Err(self.grants.denied(&self.violations))
            }
            Err(_) if !self.violations.is_empty() => Err(self.grants.denied(&self.violations)),
            // The plugin could pass on only the text of the error. Whether a retry may succeed is known only here.
            Err(error) => Err(refusal.filter(|r| r.is_retryable()).map_or(error, CniError::from)),
            Ok(draft) => Ok(draft),
        };
        match (result, self.writer.take(), self.stages) {
            (Ok(draft), writer, _) => Ok(Planned {
                draft,
                applied: self.applied,
                writer,
                opaque: self.opaque,
                plugins: self.plugins,
                grants: self.grants,
                tolerated: self.tolerated,
                planner,
            }),
            (Err(error), Some(writer), Stages::Applied { journal, .. }) => {
                Err(section::abandon(self.node, journal, &writer, self.machine, error))
            }
            (Err(error), _, _) => Err(error),
        }
    }

    /// Looks a delegate up. It does so once per request, so that a second delegation uses the same file, even if the
    /// compilation takes long.
    fn look_up(&mut self, plugin: &PluginName) {
        if !self.found.contains_key(plugin) {
            let found = self.find(plugin);
            self.found.insert(plugin.clone(), found);
        }
    }

    fn find(&mut self, plugin: &PluginName) -> Result<Delegatee, CniError> {
        match lookup::find(&self.request.path, plugin)? {
            Found::Native(program) => Ok(Delegatee::Native(program)),
            Found::Component(path, file) => {
                let network = Some(&self.request.attachment.network);
                let found = Plugin::from_component(self.node, plugin, network, &path, &file)?;
                found.description.check_imports(&self.grants.policy)?;
                found.description.gate_version(&self.request.cni_version)?;
                Ok(Delegatee::Component(found.code))
            }
        }
    }

    /// Applies a stage, and executes the native plugin that ends it.
    fn apply(
        &mut self,
        stage: DraftPlan,
        delegate: Delegate,
        (journal, netns_id, record): (&Journal, Option<NetnsId>, &Record<'_>),
    ) -> Result<Delegated, CniError> {
        if !self.violations.is_empty() {
            return Err(self.grants.denied(&self.violations));
        }
        let plan =
            plan::check(stage, &self.applied, &self.grants, &[]).map_err(|v| self.grants.denied(&v))?;
        self.tolerated.extend_from_slice(plan.tolerated());
        record.begin_applying()?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                section::begin(self.request, journal, netns_id, self.plugins.clone(), self.grants.own.kind)?
            }
        };
        section::apply(self.node, journal, &mut writer, &plan, self.machine)?;
        self.applied.extend(plan.entries().iter().cloned());
        let writer = self.writer.insert(writer);
        let (plugin, version) = (&self.request.plugin, &self.request.cni_version);
        Ok(match section::delegate(writer, plugin, &delegate, version, self.machine)? {
            Ok((entry, report)) => {
                self.grants.trust(&report);
                self.applied.push(entry);
                Delegated::Answered(report)
            }
            Err(error) => Delegated::Refused(error),
        })
    }
}

impl Services for Planning<'_> {
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer {
        let mut machine = MachineFacts::new(self.machine.as_look());
        let mut facts = GrantedFacts::new(&mut machine, &self.grants, asks);
        let mut answer = facts.ask(query);
        if let Stages::Shown { undone } = self.stages {
            undone.iter().for_each(|undo| undo.inverse().overlay(query, &mut answer));
        }
        let (violations, tolerated) = facts.violations();
        self.refusal = machine.refusal().or(self.refusal.take());
        self.violations.extend(violations);
        self.tolerated.extend(tolerated);
        if let Answer::PortOwners(owners) = &mut answer {
            let own = &self.request.attachment;
            owners.retain(|owner| stale::is_dead(owner, own, &self.grants, self.node, self.machine.stores()));
        }
        if let Answer::Reusable(Fact::Known(leases)) = &mut answer {
            let sections = self.node.state.sections_of(&self.request.attachment);
            leases.retain(|lease| {
                lease.is_of_earlier_boot || section::asker_has_ended(&sections, lease.address)
            });
        }
        answer.grant(&mut self.grants);
        answer
    }

    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Service, CniError> {
        let rules = self.grants.rules(caller);
        let all = self.grants.check_delegate(caller, plugin).into_iter();
        let (tolerated, refused): (Vec<_>, Vec<_>) = all.partition(|v| policy::tolerates(&rules, v));
        self.tolerated.extend(tolerated);
        if !refused.is_empty() {
            let error = self.grants.denied(&refused);
            self.violations.extend(refused);
            return Err(error);
        }
        self.look_up(plugin);
        match self.found.get(plugin) {
            Some(Ok(Delegatee::Component(code))) => {
                let took_part = (plugin.to_string(), code.digest.clone());
                if !self.plugins.contains(&took_part) {
                    self.plugins.push(took_part);
                }
                Ok(Service::Component(code.try_clone()?))
            }
            Some(Ok(Delegatee::Native(_))) => Ok(Service::Native),
            Some(Err(error)) => Err(error.clone()),
            None => Err(CniError::new(ErrorKind::PluginNotFound, format!("plugin {plugin} was not found"))),
        }
    }

    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Delegated, CniError> {
        let Some(Ok(Delegatee::Native(program))) = self.found.get(plugin) else {
            let msg = format!("the planner of plugin {} failed", self.request.plugin);
            return Err(CniError::new(ErrorKind::PlannerFailed, msg)
                .with_details(format!("{plugin} was not looked up")));
        };
        let delegate = delegate::of(self.request, plugin, program);
        match self.stages {
            Stages::Applied { journal, netns_id, record } => {
                self.apply(stage, delegate, (journal, netns_id, record))
            }
            Stages::Shown { .. } => {
                self.opaque = Some(delegate);
                Ok(Delegated::Ended(stage))
            }
        }
    }
}
