//! The attachment that a runtime calls plugins for.

use crate::cni::{CniError, ErrorKind};
use crate::value::{Attachment, ContainerId, IfName, NameError, NetworkName};
use crate::verb::NOBODY;
use serde_json::{Map, Value};

/// The parameters of a call: libcni's `RuntimeConf`.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Network, container and interface.
    pub attachment: Attachment,
    /// `CNI_NETNS`.
    pub netns: String,
    /// The pairs of `CNI_ARGS`.
    pub args: Vec<(String, String)>,
    /// The capability arguments, by capability.
    pub capabilities: Map<String, Value>,
}

impl Target {
    /// The target for GC and STATUS, which are not about an attachment.
    pub(super) fn nobody(network: &NetworkName) -> Result<Self, CniError> {
        let invalid = |e: NameError| CniError::new(ErrorKind::Bug, e.to_string());
        let attachment = Attachment {
            network: network.clone(),
            container: ContainerId::parse(NOBODY).map_err(invalid)?,
            interface: IfName::parse(NOBODY).map_err(invalid)?,
        };
        Ok(Target { attachment, netns: String::new(), args: Vec::new(), capabilities: Map::new() })
    }

    /// `CNI_ARGS`.
    pub(super) fn args(&self) -> String {
        let pairs: Vec<String> = self.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(";")
    }
}
