//! The CNI protocol: decodes environment and input, and encodes results. It does not use WebAssembly or the kernel.

#![deny(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![deny(clippy::arithmetic_side_effects)]

pub mod code;
pub mod command;
pub mod config;
pub mod error;
pub mod json;
pub mod kind;
pub mod list;
pub mod named;
pub mod previous;
pub mod result;
pub mod settings;
pub mod version;

pub use command::{Call, Command, Environment};
pub use config::Config;
pub use error::CniError;
pub use kind::ErrorKind;
pub use result::CniResult;

use crate::value::{Attachment, PluginName, Report};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One decoded and validated call of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The verb.
    pub command: Command,
    /// The plugin type, which is the name that we were executed under: `bridge`.
    pub plugin: PluginName,
    /// Network, container and interface. For STATUS, only the network is meaningful.
    pub attachment: Attachment,
    /// `CNI_NETNS`, unchanged. Empty if there is none (DEL).
    pub netns: String,
    /// `CNI_PATH`: the directories with plugins.
    pub path: Vec<PathBuf>,
    /// `CNI_ARGS`, unchanged.
    pub args: String,
    /// Standard input: one JSON object.
    pub config: String,
    /// `cniVersion` of the configuration. `0.1.0` if it has none.
    pub cni_version: String,
}

impl Request {
    /// `prevResult` of the configuration. `None` if it is absent or invalid.
    pub fn previous(&self) -> Option<Report> {
        config::decode(self.config.as_bytes()).ok()?.previous().ok()?
    }
}
