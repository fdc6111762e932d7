//! A plugin that is a component, together with its manifest.

use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::machine::netns::{NetnsFile, OpenNetnsError};
use crate::node::Node;
use crate::policy::Policy;
use crate::sandbox::Kind;
use crate::sandbox::cache::{Code, Pin};
use crate::sandbox::lookup::{self, Found};
use crate::value::{NetworkName, PluginName, Report};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A component that is found, compiled and ready to run.
#[derive(Debug)]
pub struct Plugin {
    /// The plugin's type.
    pub name: PluginName,
    /// The compiled code and the manifest.
    pub code: Code,
}

impl Plugin {
    /// Looks a plugin up on the request's `CNI_PATH`.
    pub fn find(node: &Node, request: &Request, name: &PluginName) -> Result<Self, CniError> {
        Plugin::find_on(node, &request.path, Some(&request.attachment.network), name)
    }

    /// Looks a plugin up on `path`. `network` selects the policy rules; `None` means no particular network.
    pub fn find_on(
        node: &Node,
        path: &[PathBuf],
        network: Option<&NetworkName>,
        name: &PluginName,
    ) -> Result<Self, CniError> {
        match lookup::find(path, name)? {
            Found::Component(path, file) => Plugin::from_component(node, name, network, &path, &file),
            Found::Native(file) => Err(CniError::new(
                ErrorKind::NativePlugin,
                format!("plugin {:?} is not a component: {}", name.as_str(), file.display()),
            )
            .with_details(format!("hint: put {name}.wasm into a directory of CNI_PATH"))),
        }
    }

    /// Reads a component, and compiles it unless the cache has it.
    ///
    /// If policy pins the plugin to digests, a component with another digest is refused before it is compiled. A
    /// policy that cannot be used pins nothing here, but then [`Node::policy`] refuses to run the plugin.
    pub fn from_component(
        node: &Node,
        name: &PluginName,
        network: Option<&NetworkName>,
        path: &Path,
        file: &File,
    ) -> Result<Self, CniError> {
        let rules = node.policy.as_ref().ok().map(|policy| policy.rules(name, network));
        let pinned = rules.filter(|rules| !rules.pins().is_empty());
        let check = |digest: &str| pinned.as_ref().map_or(Ok(()), |rules| rules.check_digest(name, digest));
        let pin = pinned.is_some().then_some::<Pin<'_>>(&check);
        let code = node.cache.code(file, pin).map_err(|e| e.to_cni(path))?;
        Ok(Plugin { name: name.clone(), code })
    }

    /// The name of the plugin, and the SHA-256 of its component.
    pub fn took_part(&self) -> (String, String) {
        (self.name.to_string(), self.code.digest.clone())
    }

    /// Refuses a component that imports an interface which policy denies to it on every network.
    pub fn check_imports(&self, policy: &Policy) -> Result<(), CniError> {
        policy.rules(&self.name, None).check_imports(&self.name, &self.code.manifest.imports)
    }

    /// Refuses a `cniVersion` that the component does not support.
    pub fn gate_version(&self, cni_version: &str) -> Result<(), CniError> {
        crate::cni::command::gate_version(cni_version, &self.code.manifest.cni_versions)
    }

    /// Refuses a configuration that no plugin of this kind can read.
    pub fn check_config(&self, config: &Config) -> Result<(), CniError> {
        match self.code.manifest.kind {
            Kind::Ipam => Ok(()),
            Kind::Main | Kind::Chained => config.check_common(),
        }
    }

    /// `prevResult`. An invalid one is an error only for a chained plugin. Other plugins ignore it on ADD, as in the
    /// reference.
    pub fn previous(&self, config: &Config) -> Result<Option<Report>, CniError> {
        match self.code.manifest.kind {
            Kind::Chained => config.previous(),
            Kind::Main | Kind::Ipam => Ok(config.previous().unwrap_or_else(|_| Some(Report::default()))),
        }
    }

    /// Opens the container's namespace. An IPAM plugin does not use it, so a missing one is `None` there, as in the
    /// reference.
    ///
    /// The host's own namespace is refused: a plugin must not change the host in place of the container.
    pub fn netns(&self, node: &Node, request: &Request) -> Result<Option<NetnsFile>, CniError> {
        match NetnsFile::open(&request.netns) {
            Err(_) if self.code.manifest.kind == Kind::Ipam => Ok(None),
            opened => container_netns(node, &request.netns, opened).map(Some),
        }
    }
}

/// The container's namespace. Refuses the host's own namespace, unless `CNI_NETNS_OVERRIDE` allows it.
pub fn container_netns(
    node: &Node,
    path: &str,
    opened: Result<NetnsFile, OpenNetnsError>,
) -> Result<NetnsFile, CniError> {
    let failed = |e: &(dyn std::error::Error + 'static)| {
        CniError::new(
            ErrorKind::NetnsUnusable,
            format!("failed to open netns {path:?}: {}", crate::error::chain(e)),
        )
    };
    let netns = opened.map_err(|e| failed(&e))?;
    let own = NetnsFile::current().map_err(|e| {
        CniError::new(ErrorKind::OwnNetnsUnreadable, "get plugin's netns failed")
            .with_details(crate::error::chain(&e))
    })?;
    if netns.same_as(&own) && !node.netns_override {
        let msg = "plugin's netns and netns from CNI_NETNS should not be the same";
        return Err(CniError::new(ErrorKind::OwnNetns, msg)
            .with_details(format!("{path} is the namespace of the runtime itself; nothing was changed")));
    }
    Ok(netns)
}
