//! A native plugin that the host executes between two stages of a plan.

use super::check::{Check, required};
use super::context::{ReadContext, WriteContext};
use super::profile::{Lane, OwnUndo, Profile, UndoLane};
use super::record::{Before, Difference, Undoing, Undone};
use super::{Inverse, Kind, Undo};
use crate::machine::MachineError;
use crate::machine::port::ProgramCall;
use crate::policy::{Capability, Refusal};
use crate::value::shell::{file, word};
use crate::value::{Netns, Owner, PluginName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// See [`Action::Delegate`]. Contains everything that is needed to execute the plugin again for DEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// The plugin's type.
    pub plugin: PluginName,
    /// The executable.
    pub program: PathBuf,
    /// `CNI_CONTAINERID` and `CNI_IFNAME`.
    pub owner: Owner,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// Standard input.
    pub config: String,
}

impl Delegate {
    /// The call of the plugin for a verb. `netns` is `CNI_NETNS`; it is empty if the namespace is gone.
    pub fn call(&self, verb: &'static str, netns: &str) -> ProgramCall {
        let Delegate { program, owner, args, path, config, .. } = self;
        // As a runtime does (SPEC, section 2, GC and STATUS): these verbs do not belong to one attachment.
        let (container, interface, netns) = match verb {
            "GC" | "STATUS" => ("", "", ""),
            _ => (owner.container.as_str(), owner.interface.as_str(), netns),
        };
        let variables = [
            ("CNI_CONTAINERID", container),
            ("CNI_IFNAME", interface),
            ("CNI_NETNS", netns),
            ("CNI_ARGS", args),
            ("CNI_PATH", path),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        ProgramCall { program: program.clone(), verb, variables, input: config.clone() }
    }
}

impl Kind for Delegate {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Stage, Capability::Delegate)
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("CNI_COMMAND=ADD {}", self.program.display())]
    }

    /// Only the host decides which programs it executes. A planner that records this action is refused.
    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        required(false, "no plugin executes programs")
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.undo_if_created(EndDelegate { delegate: self.clone() })
    }

    /// The plugin has its own CHECK, so there is nothing to compare.
    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }
}

/// Executes a native plugin for DEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndDelegate {
    /// The plugin's call for ADD.
    pub delegate: Delegate,
}

impl Inverse for EndDelegate {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Native(self)
    }

    fn command(&self) -> String {
        let Delegate { program, netns, config, .. } = &self.delegate;
        let variables = self.delegate.call("DEL", netns).variables.into_iter();
        let variables: Vec<String> = [("CNI_COMMAND", "DEL".to_owned())]
            .into_iter()
            .chain(variables)
            .map(|(name, value)| format!("{name}={}", word(&value)))
            .collect();
        // In JSON, a line break can only stand between tokens, so a space replaces it.
        let config = word(&config.replace(['\n', '\r'], " "));
        format!("printf %s {config} | {} {}", variables.join(" "), file(program))
    }
}

impl OwnUndo for EndDelegate {
    /// If the namespace is gone, `CNI_NETNS` is empty, as with a runtime.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let Delegate { program, netns, .. } = &self.delegate;
        let netns = if cx.machine.has_netns(Netns::Container) { netns.as_str() } else { "" };
        let message = match cx.machine.run(&self.delegate.call("DEL", netns)) {
            Ok(output) if output.status.success() => return Ok(Undone::Done),
            Ok(output) => {
                let printed = [output.stdout, output.stderr].concat();
                format!("{}: {}", output.status, String::from_utf8_lossy(&printed).trim())
            }
            Err(error) => error.to_string(),
        };
        Err(MachineError::Tool { what: format!("CNI_COMMAND=DEL {}", program.display()), message })
    }
}
