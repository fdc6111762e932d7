//! The messages between planner and parent.

use crate::action::{Action, Answer, Query};
use crate::cni::{CniError, Request};
use crate::plan::DraftPlan;
use crate::sandbox::limits::Limits;
use crate::sandbox::recorder::Level;
use crate::value::{PluginName, Report};
use serde::{Deserialize, Serialize};

/// The first message to the planner. It carries the code of the plugin as a descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The request for the plugin.
    pub request: Request,
    /// The limits of the plugin.
    pub limits: Limits,
    /// Actions that the planner treats as applied.
    pub earlier: Vec<Action>,
}

/// A message from the planner. [`Message::Plan`] or [`Message::Failed`] is the last one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// A query of a plugin. The reply is [`Reply::Answer`].
    Ask(PluginName, Query),
    /// A request for the code of the second plugin, to which the first delegates. The reply is [`Reply::Code`],
    /// [`Reply::Native`] or [`Reply::Refused`].
    Load(PluginName, PluginName),
    /// The stage to apply before the native plugin is executed. The reply is [`Reply::Answered`] or
    /// [`Reply::Refused`].
    Delegate(PluginName, DraftPlan),
    /// A line for the log. It has no reply.
    Log {
        /// The plugin that wrote it.
        plugin: PluginName,
        /// The level.
        level: Level,
        /// The line.
        text: String,
    },
    /// The plan.
    Plan(DraftPlan),
    /// The reason why there is no plan.
    Failed(CniError),
}

/// A message from the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Not a reply: the code of the plugin to which a delegation is likely, as a descriptor with this message. The
    /// planner loads it while the parent prepares the answer to the first query.
    Preload(PluginName),
    /// The reply to a query.
    Answer(Answer),
    /// The message carries the code as a descriptor.
    Code,
    /// The other plugin is an executable.
    Native,
    /// The result of a native plugin.
    Answered(Report),
    /// The other plugin is not available, or it failed.
    Refused(CniError),
}
