//! A native plugin, executed between two stages of a plan.

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

/// See [`Action::Delegate`]: all that it takes to execute the plugin again for DEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its type.
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
    /// Its execution for a verb. `netns` is `CNI_NETNS`; empty where that is gone.
    pub fn call(&self, verb: &'static str, netns: &str) -> ProgramCall {
        let Delegate { program, owner, args, path, config, .. } = self;
        // As a runtime does: these verbs are about no attachment.
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

    /// The host alone decides what it executes: a planner that records it lies.
    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        required(false, "no plugin executes programs")
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.undo_if_created(EndDelegate { delegate: self.clone() })
    }

    /// It has its own CHECK.
    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }
}

/// Executes a native plugin for DEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndDelegate {
    /// Which.
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
        // Line ends of JSON are between its words.
        let config = word(&config.replace(['\n', '\r'], " "));
        format!("printf %s {config} | {} {}", variables.join(" "), file(program))
    }
}

impl OwnUndo for EndDelegate {
    /// Without its namespace where that is gone, as a runtime does.
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
