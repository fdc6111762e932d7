//! What planner and parent say to each other.

use crate::action::{Action, Answer, Query};
use crate::cni::{CniError, Request};
use crate::plan::DraftPlan;
use crate::sandbox::limits::Limits;
use crate::sandbox::recorder::Level;
use crate::value::{PluginName, Report};
use serde::{Deserialize, Serialize};

/// What the planner waits for, with the code of the plugin as a descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    /// What is asked of the plugin.
    pub request: Request,
    /// What the plugin may take.
    pub limits: Limits,
    /// Actions that it takes as done.
    pub earlier: Vec<Action>,
}

/// From the planner. After [`Message::Plan`] or [`Message::Failed`] it says nothing more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// A question of a plugin: [`Reply::Answer`].
    Ask(PluginName, Query),
    /// The code of another plugin, which the first delegates to: [`Reply::Code`], [`Reply::Native`] or [`Reply::Refused`].
    Load(PluginName, PluginName),
    /// What is to be applied before a native plugin is executed: [`Reply::Answered`] or [`Reply::Refused`].
    Delegate(PluginName, DraftPlan),
    /// A line for the log; no reply.
    Log {
        /// Who says it.
        plugin: PluginName,
        /// How much it matters.
        level: Level,
        /// The line.
        text: String,
    },
    /// The plan.
    Plan(DraftPlan),
    /// Why there is none.
    Failed(CniError),
}

/// From the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To nothing: the code of the plugin that will probably be delegated to, as a descriptor with this message. It is loaded while the
    /// answer to the first question is made, which comes after it.
    Preload(PluginName),
    /// To a question.
    Answer(Answer),
    /// The code comes as a descriptor with this message.
    Code,
    /// The other plugin is an executable.
    Native,
    /// What a native plugin reported.
    Answered(Report),
    /// The other plugin is not to be had, or failed.
    Refused(CniError),
}
