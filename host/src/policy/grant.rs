//! The default policy: what follows from the request and its configuration alone (design, section 4).

use crate::cni::{CniError, Config, Request};
use crate::plan::{Attachment, IfName, PluginName, Report, StoreRef, derive};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where host-local keeps its stores unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/cni/networks";

/// So many names are tried for a host veth before giving up.
pub const VETH_CANDIDATES: u32 = 8;

/// What one request may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Whose grants these are.
    pub plugin: PluginName,
    /// Whose interface on which network.
    pub attachment: Attachment,
    /// Names of host links that the plugin may use: those in the configuration, and the reference's default.
    pub host_links: BTreeSet<String>,
    /// Names that the host's end of a veth may have.
    pub host_veths: Vec<IfName>,
    /// IDs of VLANs that the configuration names.
    pub vlans: BTreeSet<u16>,
    /// Addresses that the configuration and `prevResult` name.
    pub addresses: BTreeSet<IpAddr>,
    /// Where lease stores may be.
    pub data_dirs: Vec<PathBuf>,
    /// The file that may be read: the configuration's `ipam.resolvConf`.
    pub file: Option<PathBuf>,
    /// Which plugin may be delegated to: the configuration's IPAM.
    pub delegate: Option<String>,
}

impl Grants {
    /// The default policy for a request.
    pub fn for_request(request: &Request, config: &Config, previous: Option<&Report>) -> Self {
        let mut host_links: BTreeSet<String> = config.texts().into_iter().map(str::to_owned).collect();
        if let Some(name) = default_link(request.plugin.as_str()) {
            host_links.insert(name.to_owned());
        }
        let mut addresses: BTreeSet<IpAddr> = config.addresses().into_iter().collect();
        addresses.extend(previous.into_iter().flat_map(|report| report.ips.iter().map(|ip| ip.address.ip())));
        Grants {
            plugin: request.plugin.clone(),
            delegate: config.ipam_type().map(str::to_owned),
            host_veths: (0..VETH_CANDIDATES)
                .filter_map(|n| derive::host_veth(&request.attachment, n).ok())
                .collect(),
            attachment: request.attachment.clone(),
            host_links,
            vlans: config.vlans(),
            addresses,
            data_dirs: data_dirs(config),
            file: config.resolv_conf().map(PathBuf::from),
        }
    }

    /// Whether the name is that of the gateway of a VLAN that the configuration names, on a link that it names.
    pub fn is_vlan_gateway(&self, name: &IfName) -> bool {
        let parts = name.as_str().rsplit_once('.');
        parts.is_some_and(|(link, vid)| {
            self.host_links.contains(link) && vid.parse().is_ok_and(|vid| self.vlans.contains(&vid))
        })
    }

    /// Whether a plugin may be delegated to.
    pub fn check_delegate(&self, delegate: &PluginName) -> Result<(), CniError> {
        if self.delegate.as_deref() == Some(delegate.as_str()) {
            return Ok(());
        }
        let rule = match &self.delegate {
            Some(ipam) => format!("the configuration delegates to {ipam:?} alone"),
            None => "the configuration names no plugin under `ipam`".to_owned(),
        };
        let action = format!("delegate to {:?}", delegate.as_str());
        Err(super::denied(
            self.plugin.as_str(),
            &[super::Violation { plugin: self.plugin.to_string(), action, rule }],
        ))
    }

    /// The data directories for a message.
    pub fn data_dirs_text(&self) -> String {
        self.data_dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" or ")
    }
}

/// The default data directory and the configured one, if it is absolute.
pub fn data_dirs(config: &Config) -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from(DEFAULT_DATA_DIR)];
    dirs.extend(config.data_dir().map(PathBuf::from).filter(|dir| dir.is_absolute()));
    dirs
}

/// The lease stores that this network may have.
pub fn stores(config: &Config) -> Vec<StoreRef> {
    let dirs: BTreeSet<PathBuf> = data_dirs(config).into_iter().collect();
    dirs.into_iter().map(|data_dir| StoreRef { data_dir, network: config.name.clone() }).collect()
}

/// The host link that the reference plugin of that name uses when the configuration names none.
fn default_link(plugin: &str) -> Option<&'static str> {
    (plugin == "bridge").then_some("cni0")
}
