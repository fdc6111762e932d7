//! What planner and parent say to each other.

use crate::cni::CniError;
use crate::plan::{Answer, DraftPlan, PluginName, Query, Report};
use crate::sandbox::recorder::Level;
use serde::{Deserialize, Serialize};

/// From the planner. After [`Message::Plan`] or [`Message::Failed`] it says nothing more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// A question: [`Reply::Answer`].
    Ask(Query),
    /// Another plugin's code: [`Reply::Code`], [`Reply::Native`] or [`Reply::Refused`].
    Load(PluginName),
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
