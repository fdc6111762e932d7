//! Serving a planner: facts, components, and native plugins, each of which ends a stage of the plan (`docs/architecture.md`).

use crate::apply::journal::Writer;
use crate::apply::{self, Journal};
use crate::cni::{CniError, Request, code};
use crate::delegate;
use crate::kernel::host::HostKernel;
use crate::kernel::netns::NetnsId;
use crate::kernel::{Before, Effect};
use crate::plan::action::Delegate;
use crate::plan::{Action, Answer, DraftPlan, Entry, Facts, Lifetime, PluginName, Query};
use crate::policy::{self, GrantedFacts, Grants, Violation};
use crate::run::{Host, Plugin, abandon, forget_if_done, header};
use crate::sandbox::lookup::{self, Found};
use crate::sandbox::planner::{Delegated, Planner, Service, Services};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What becomes of a stage that a native plugin ends.
#[derive(Clone, Copy)]
pub enum Stages<'a> {
    /// It is applied, and the plugin executed.
    Applied {
        /// Of the attachment.
        journal: &'a Journal,
        /// Which namespace it is made in.
        netns_id: Option<NetnsId>,
    },
    /// It is all that can be told: a dry run, or STATUS.
    Shown,
}

/// What a planner recorded.
#[derive(Debug)]
pub struct Planned {
    /// What is yet to be applied.
    pub draft: DraftPlan,
    /// What earlier stages did.
    pub applied: Vec<Entry>,
    /// The journal of these.
    pub writer: Option<Writer>,
    /// The native plugin on whose answer the rest of the plan depends, if it was not executed.
    pub opaque: Option<Delegate>,
    /// The components that took part, with their digests.
    pub plugins: Vec<(String, String)>,
}

/// Runs the plugin in its planner process.
///
/// `earlier` are actions that a dry run takes as done: those of the plugins before it in the chain. After an error nothing
/// is left of what earlier stages did.
pub fn plan(
    host: &Host,
    request: &Request,
    plugin: Plugin,
    grants: &Grants,
    earlier: Vec<Action>,
    kernel: &mut HostKernel,
    stages: Stages<'_>,
) -> Result<Planned, CniError> {
    let plugins = vec![(plugin.name.to_string(), plugin.code.digest.clone())];
    let planner = Planner::spawn(request, plugin.code, earlier)?;
    // While the planner maps its code.
    kernel.prepare();
    let mut planning = Planning {
        host,
        request,
        grants,
        kernel,
        stages,
        plugins,
        natives: BTreeMap::new(),
        violations: Vec::new(),
        applied: Vec::new(),
        writer: None,
        opaque: None,
    };
    let draft = planner.serve(&mut planning);
    planning.conclude(draft)
}

/// A planner being served.
struct Planning<'a> {
    host: &'a Host,
    request: &'a Request,
    grants: &'a Grants,
    kernel: &'a mut HostKernel,
    stages: Stages<'a>,
    plugins: Vec<(String, String)>,
    natives: BTreeMap<PluginName, PathBuf>,
    violations: Vec<Violation>,
    applied: Vec<Entry>,
    writer: Option<Writer>,
    opaque: Option<Delegate>,
}

impl Planning<'_> {
    fn conclude(mut self, draft: Result<DraftPlan, CniError>) -> Result<Planned, CniError> {
        let refusal = self.kernel.take_refusal();
        let result = match draft {
            _ if !self.violations.is_empty() => Err(self.denied(&self.violations)),
            // The plugin could only pass on the text: whether to try again is for us to say.
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
            }),
            (Err(error), Some(writer), Stages::Applied { journal, .. }) => {
                Err(abandon(self.host, journal, &writer, self.kernel, error))
            }
            (Err(error), _, _) => Err(error),
        }
    }

    fn denied(&self, violations: &[Violation]) -> CniError {
        policy::denied(self.request.plugin.as_str(), violations)
    }

    /// Applies a stage and executes the plugin that ends it.
    fn apply(
        &mut self,
        stage: DraftPlan,
        delegate: Delegate,
        (journal, netns_id): (&Journal, Option<NetnsId>),
    ) -> Result<Delegated, CniError> {
        if !self.violations.is_empty() {
            return Err(self.denied(&self.violations));
        }
        let plan = policy::check(stage, &self.applied, self.grants).map_err(|v| self.denied(&v))?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => journal.begin(&header(self.request, journal, netns_id, self.plugins.clone()))?,
        };
        if let Err(error) = apply::execute(&plan, &mut writer, &self.host.state, self.kernel) {
            forget_if_done(journal, &writer, error.stuck.is_empty());
            return Err(error.into());
        }
        self.applied.extend(plan.entries().iter().cloned());
        let writer = self.writer.insert(writer);
        let entry = Entry {
            plugin: self.request.plugin.clone(),
            lifetime: Lifetime::Attachment,
            action: Action::Delegate(delegate.clone()),
        };
        writer.intent(&[(entry.clone(), Before::Absent)])?;
        match delegate::add(&delegate, &self.request.cni_version) {
            Ok(report) => {
                writer.effect(&[Some(Effect::Created)])?;
                self.applied.push(entry);
                Ok(Delegated::Answered(report))
            }
            Err(error) => {
                writer.effect(&[None])?;
                Ok(Delegated::Refused(error))
            }
        }
    }
}

impl Facts for Planning<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        let mut facts = GrantedFacts::new(self.kernel, self.grants);
        let answer = facts.ask(query);
        self.violations.extend(facts.violations());
        answer
    }
}

impl Services for Planning<'_> {
    fn load(&mut self, plugin: &PluginName) -> Result<Service, CniError> {
        self.grants.check_delegate(plugin)?;
        match lookup::find(&self.request.path, plugin)? {
            Found::Native(program) => {
                self.natives.insert(plugin.clone(), program);
                Ok(Service::Native)
            }
            Found::Component(path, file) => {
                let found = Plugin::from_component(self.host, plugin, &path, &file)?;
                found.gate_version(&self.request.cni_version)?;
                self.plugins.push((plugin.to_string(), found.code.digest.clone()));
                Ok(Service::Component(found.code))
            }
        }
    }

    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Delegated, CniError> {
        let Some(program) = self.natives.get(plugin) else {
            let msg = format!("the planner of plugin {} failed", self.request.plugin);
            return Err(CniError::new(code::TRAPPED, msg).with_details(format!("{plugin} was not looked up")));
        };
        let delegate = delegate::of(self.request, plugin, program);
        match self.stages {
            Stages::Applied { journal, netns_id } => self.apply(stage, delegate, (journal, netns_id)),
            Stages::Shown => {
                self.opaque = Some(delegate);
                Ok(Delegated::Ended(stage))
            }
        }
    }
}
