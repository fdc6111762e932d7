//! The protocol: environment and bytes in, bytes out. Pure: it knows neither WebAssembly nor the kernel.

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
pub mod version;

pub use command::{Call, Command, Environment};
pub use config::Config;
pub use error::CniError;
pub use kind::ErrorKind;
pub use result::CniResult;

use crate::value::{Attachment, PluginName, Report};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One call of the runtime, decoded and validated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked for.
    pub command: Command,
    /// Under which name we were executed: `bridge`.
    pub plugin: PluginName,
    /// Whose interface on which network; of STATUS, the network alone counts.
    pub attachment: Attachment,
    /// `CNI_NETNS`, as given; empty when there is none (DEL).
    pub netns: String,
    /// `CNI_PATH`: where plugins are looked up.
    pub path: Vec<PathBuf>,
    /// `CNI_ARGS`, as given.
    pub args: String,
    /// Standard input: one JSON object.
    pub config: String,
    /// `cniVersion` of it; `0.1.0` when it has none.
    pub cni_version: String,
}

impl Request {
    /// `prevResult` of the configuration, if it has one that can be read.
    pub fn previous(&self) -> Option<Report> {
        config::decode(self.config.as_bytes()).ok()?.previous().ok()?
    }
}
