//! The services of the parent for a planner.

use crate::action::{Answer, Facts, Query};
use crate::cni::{CniError, ErrorKind};
use crate::plan::DraftPlan;
use crate::sandbox::cache::Code;
use crate::value::{PluginName, Report};

/// Serves a planner.
pub trait Services {
    /// Answers a query of a plugin.
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer;

    /// Finds another plugin, to which `caller` delegates.
    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Service, CniError>;

    /// Ends a stage: applies it, executes a native plugin, and returns the outcome. An error ends the planner.
    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Delegated, CniError>;
}

/// Another plugin.
#[derive(Debug)]
pub enum Service {
    /// A component, compiled.
    Component(Code),
    /// An executable.
    Native,
}

/// The outcome of a delegation to a native plugin.
#[derive(Debug)]
pub enum Delegated {
    /// The plugin reported this result.
    Answered(Report),
    /// The plugin failed and is undone. Its caller may continue.
    Refused(CniError),
    /// The plugin is not executed: the plan ends with this stage, as in a dry run.
    Ended(DraftPlan),
}

/// Services with facts and components, and without native plugins.
pub struct Components<'a> {
    /// Answers queries.
    pub facts: &'a mut dyn Facts,
    /// Finds components.
    pub load: &'a mut dyn FnMut(&PluginName) -> Result<Code, CniError>,
}

impl Services for Components<'_> {
    fn ask(&mut self, _: &PluginName, query: &Query) -> Answer {
        self.facts.ask(query)
    }

    fn load(&mut self, _: &PluginName, plugin: &PluginName) -> Result<Service, CniError> {
        (self.load)(plugin).map(Service::Component)
    }

    fn delegate(&mut self, plugin: &PluginName, _: DraftPlan) -> Result<Delegated, CniError> {
        Err(CniError::new(
            ErrorKind::NativePlugin,
            format!("plugin {:?} is not a component", plugin.as_str()),
        ))
    }
}
