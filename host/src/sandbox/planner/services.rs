//! What a planner needs of its parent.

use crate::action::{Answer, Facts, Query};
use crate::cni::{CniError, ErrorKind};
use crate::plan::DraftPlan;
use crate::sandbox::cache::Code;
use crate::value::{PluginName, Report};

/// Whoever serves a planner.
pub trait Services {
    /// Answers a question of a plugin.
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer;

    /// Finds another plugin, which `caller` delegates to.
    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Service, CniError>;

    /// Ends a stage: applies it, executes a native plugin, and tells what came of it. An error ends the planner.
    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Delegated, CniError>;
}

/// What another plugin is.
#[derive(Debug)]
pub enum Service {
    /// A component, ready to run.
    Component(Code),
    /// An executable.
    Native,
}

/// What came of a delegation.
#[derive(Debug)]
pub enum Delegated {
    /// The plugin reported this.
    Answered(Report),
    /// It failed; what it did is undone, and its caller may go on.
    Refused(CniError),
    /// It is not executed: the plan ends with this stage, as in a dry run.
    Ended(DraftPlan),
}

/// Facts and components, and no native plugins.
pub struct Components<'a> {
    /// Answers questions.
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
