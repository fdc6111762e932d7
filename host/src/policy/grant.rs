//! The default policy: what follows from the request and its configuration alone (design, section 4).

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

/// So many names are tried for a host veth before giving up.
pub const VETH_CANDIDATES: u32 = 8;

/// What a plugin may use though nothing of its request names it: what is known of its type, and where things are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeGrants {
    /// Names of host links.
    pub links: Vec<String>,
    /// Files that may be read.
    pub files: Vec<PathBuf>,
    /// Where lease stores may be.
    pub data_dirs: Vec<PathBuf>,
    /// Where what a link had before may be saved.
    pub saved_link_dirs: Vec<PathBuf>,
}

/// What one request may touch: what follows from it, and the policy that narrows and widens that.
#[derive(Debug, Clone)]
pub struct Grants {
    /// Whose grants these are.
    pub plugin: PluginName,
    /// Whose interface on which network.
    pub attachment: Attachment,
    /// Names of host links that the plugin may use: those in the configuration, and its type's.
    pub host_links: BTreeSet<String>,
    /// The links that `prevResult` tells.
    pub previous_links: BTreeSet<LinkRef>,
    /// Names that the host's end of a veth may have.
    pub host_veths: Vec<IfName>,
    /// IDs of VLANs that the configuration names.
    pub vlans: BTreeSet<u16>,
    /// Addresses that configuration, `CNI_ARGS`, `prevResult` and native delegates name for the container.
    pub addresses: BTreeSet<IpAddr>,
    /// Gateways that they name.
    pub gateways: BTreeSet<IpAddr>,
    /// Networks that they name: what is leased is in one of them.
    pub networks: BTreeSet<IpNetwork>,
    /// Ports that the runtime wants mapped, and how.
    pub ports: PortConfig,
    /// Of the firewall, what the configuration names.
    pub firewall: FirewallConfig,
    /// Links of the host that lead to the attachment's own addresses, as the host itself has said.
    pub routes_to_own: BTreeSet<IfName>,
    /// The host's end of the attachment's veth pair, as the host itself has said.
    pub host_end: Option<IfName>,
    /// Rules of containers that are no more, as the host itself has said.
    pub stale_maps: Vec<(Backend, bool, String)>,
    /// Whether addresses of a bridge may be taken away for a gateway: the configuration's `forceAddress`.
    pub forces_address: bool,
    /// Where lease stores may be.
    pub data_dirs: Vec<PathBuf>,
    /// Where what a link had before may be saved.
    pub saved_link_dirs: Vec<PathBuf>,
    /// Files that may be read: the configuration's `ipam.resolvConf`, and its type's.
    pub files: Vec<PathBuf>,
    /// Which plugin may be delegated to: the configuration's IPAM.
    pub delegate: Option<String>,
    /// The administrator's.
    pub policy: Arc<Policy>,
}

impl Grants {
    /// The default policy for a request, with the administrator's.
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
            host_veths: (0..VETH_CANDIDATES)
                .filter_map(|n| derive::host_veth(&request.attachment, n).ok())
                .collect(),
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

    /// Lets the container have what somebody reported who is not in the sandbox: an earlier plugin, or a native delegate.
    pub fn trust(&mut self, report: &Report) {
        for ip in &report.ips {
            self.addresses.insert(ip.address.ip());
            self.networks.insert(ip.address);
            self.gateways.extend(ip.gateway);
        }
    }

    /// The administrator's rules for a plugin that takes part in this request.
    pub fn rules(&self, plugin: &PluginName) -> Rules<'_> {
        self.policy.rules(plugin, Some(&self.attachment.network))
    }

    /// Whether an address is in a network that is named.
    pub fn is_in_network(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether the name is that of the gateway of a VLAN that the configuration names, on a link that it names.
    pub fn is_vlan_gateway(&self, name: &IfName) -> bool {
        let parts = name.as_str().rsplit_once('.');
        parts.is_some_and(|(link, vid)| {
            self.host_links.contains(link) && vid.parse().is_ok_and(|vid| self.vlans.contains(&vid))
        })
    }

    /// What is wrong with it when `plugin` delegates to `delegate`.
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

    /// Violations as the error of this request.
    pub fn denied(&self, violations: &[Violation]) -> CniError {
        super::violation::denied(&self.plugin, &self.attachment.network, violations, &self.policy.path)
    }

    /// The data directories for a message.
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
