//! The default policy: what a request may use because of the request and its configuration (`docs/policy.md`, "The
//! default").

use super::rules::Rules;
use super::{Policy, Resource, Violation};
use crate::cni::named::{FirewallConfig, PortConfig};
use crate::cni::{CniError, Config, Request};
use crate::value::{Attachment, Backend, IfName, LinkRef, Netns, PluginName, Report, derive};
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a plugin may use because of its type, without being named in the request: the resources of the reference
/// plugin, and default directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeGrants {
    /// Names of host links.
    pub links: Vec<String>,
    /// Files that may be read.
    pub files: Vec<PathBuf>,
    /// Directories that may contain lease stores.
    pub data_dirs: Vec<PathBuf>,
    /// Directories in which earlier attributes of a link may be saved.
    pub saved_link_dirs: Vec<PathBuf>,
}

/// What one request may use: the default for this request, and the policy that restricts and extends it.
#[derive(Debug, Clone)]
pub struct Grants {
    /// The plugin of the request.
    pub plugin: PluginName,
    /// Network, container and interface.
    pub attachment: Attachment,
    /// The names of host links that the plugin may use: those in the configuration, and those of its type.
    pub host_links: BTreeSet<String>,
    /// The links of `prevResult`.
    pub previous_links: BTreeSet<LinkRef>,
    /// The possible names of the host's end of a veth pair.
    pub host_veths: Vec<IfName>,
    /// The VLAN IDs that the configuration names.
    pub vlans: BTreeSet<u16>,
    /// The container's addresses from configuration, `CNI_ARGS`, `prevResult` and native delegates.
    pub addresses: BTreeSet<IpAddr>,
    /// The gateways from the same sources.
    pub gateways: BTreeSet<IpAddr>,
    /// The networks from the same sources. A leased address must be in one of them.
    pub networks: BTreeSet<IpNetwork>,
    /// The requested port mappings and their options.
    pub ports: PortConfig,
    /// The firewall settings of the configuration.
    pub firewall: FirewallConfig,
    /// The host's links through which the attachment's own addresses are reachable. The host itself looked them up.
    pub routes_to_own: BTreeSet<IfName>,
    /// The host's end of the attachment's veth pair. The host itself looked it up.
    pub host_end: Option<IfName>,
    /// The port rules of containers that no longer exist. The host itself looked them up.
    pub stale_maps: Vec<(Backend, bool, String)>,
    /// `forceAddress` of the configuration: whether addresses of a bridge may be removed for a gateway.
    pub forces_address: bool,
    /// Directories that may contain lease stores.
    pub data_dirs: Vec<PathBuf>,
    /// Directories in which earlier attributes of a link may be saved.
    pub saved_link_dirs: Vec<PathBuf>,
    /// Files that may be read: `ipam.resolvConf` of the configuration, and those of the plugin's type.
    pub files: Vec<PathBuf>,
    /// The plugin that may be delegated to: the configuration's IPAM plugin.
    pub delegate: Option<String>,
    /// The administrator's policy.
    pub policy: Arc<Policy>,
}

impl Grants {
    /// The grants of a request.
    pub fn for_request(
        request: &Request,
        config: &Config,
        previous: Option<&Report>,
        policy: &Arc<Policy>,
        of_type: TypeGrants,
    ) -> Self {
        let mut host_links: BTreeSet<String> = config.link_names().into_iter().map(str::to_owned).collect();
        host_links.extend(of_type.links);
        let named = config.named_addresses(&request.args);
        let mut grants = Grants {
            plugin: request.plugin.clone(),
            delegate: config.ipam_type().map(str::to_owned),
            host_veths: derive::host_veths(&request.attachment).collect(),
            attachment: request.attachment.clone(),
            host_links,
            previous_links: previous_links(request, config),
            vlans: config.vlans(),
            addresses: named.addresses,
            gateways: named.gateways,
            networks: named.networks,
            ports: config.ports(),
            firewall: config.firewall(previous),
            routes_to_own: BTreeSet::new(),
            host_end: None,
            stale_maps: Vec::new(),
            forces_address: config.forces_address(),
            data_dirs: of_type.data_dirs,
            saved_link_dirs: of_type.saved_link_dirs,
            files: config.resolv_conf().map(PathBuf::from).into_iter().chain(of_type.files).collect(),
            policy: Arc::clone(policy),
        };
        if let Some(previous) = previous {
            grants.trust(previous);
        }
        grants
    }

    /// Adds the addresses of a result that does not come from the sandbox: that of an earlier plugin or of a native
    /// delegate.
    pub fn trust(&mut self, report: &Report) {
        for ip in &report.ips {
            self.addresses.insert(ip.address.ip());
            self.networks.insert(ip.address);
            self.gateways.extend(ip.gateway);
        }
    }

    /// The administrator's rules for a plugin of this request.
    pub fn rules(&self, plugin: &PluginName) -> Rules<'_> {
        self.policy.rules(plugin, Some(&self.attachment.network))
    }

    /// Whether an address is granted or is in a granted network.
    pub fn is_in_network(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether the name is that of the gateway of a VLAN, and the configuration names both the VLAN and the bridge.
    pub fn is_vlan_gateway(&self, name: &IfName) -> bool {
        let parts = name.as_str().rsplit_once('.');
        parts.is_some_and(|(link, vid)| {
            self.host_links.contains(link) && vid.parse().is_ok_and(|vid| self.vlans.contains(&vid))
        })
    }

    /// The violations if `plugin` delegates to `delegate`.
    pub fn check_delegate(&self, plugin: &PluginName, delegate: &PluginName) -> Vec<Violation> {
        let rules = self.rules(plugin);
        let rule = || match &self.delegate {
            Some(ipam) => format!("the configuration delegates to {ipam:?} alone"),
            None => "the configuration names no plugin under `ipam`".to_owned(),
        };
        let configured = self.delegate.as_deref() == Some(delegate.as_str());
        let mut refusals = rules.refuse(&Resource::Delegate(delegate.as_str()), configured, rule);
        refusals.extend(rules.refuse_capability(super::Capability::Delegate));
        let action = format!("delegate to {:?}", delegate.as_str());
        let violation = |refusal| Violation { plugin: plugin.clone(), action: action.clone(), refusal };
        refusals.into_iter().map(violation).collect()
    }

    /// The CNI error of this request for these violations.
    pub fn denied(&self, violations: &[Violation]) -> CniError {
        super::violation::denied(&self.plugin, &self.attachment.network, violations, &self.policy.path)
    }

    /// The data directories as text, for a message.
    pub fn data_dirs_text(&self) -> String {
        self.data_dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" or ")
    }
}

/// The links of `prevResult` in the two namespaces of the request.
fn previous_links(request: &Request, config: &Config) -> BTreeSet<LinkRef> {
    let interfaces = config.previous_interfaces().unwrap_or_default();
    let link = |interface: &crate::value::Interface| {
        let netns = match interface.sandbox.as_str() {
            "" => Netns::Host,
            sandbox if sandbox == request.netns => Netns::Container,
            _ => return None,
        };
        Some(LinkRef { netns, name: IfName::parse(&interface.name).ok()? })
    };
    interfaces.iter().filter_map(link).collect()
}
