//! A plugin that is a component, together with its manifest.

use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::machine::netns::{NetnsFile, OpenNetnsError};
use crate::node::Node;
use crate::policy::Policy;
use crate::reference::Identity;
use crate::sandbox::Manifest;
use crate::sandbox::cache::{Code, Pin};
use crate::sandbox::lookup::{self, Found};
use crate::value::Kind;
use crate::value::{NetworkName, PluginName, Report};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of a plugin without compiling it.
#[derive(Debug)]
pub struct Description {
    /// The plugin's type.
    pub name: PluginName,
    /// The imports, exports and declarations of the component.
    pub manifest: Arc<Manifest>,
    /// What the component is.
    pub identity: Identity,
}

/// A component that is found, compiled and ready to run.
#[derive(Debug)]
pub struct Plugin {
    /// What the verbs that run no component need, too.
    pub description: Description,
    /// The compiled code.
    pub code: Code,
}

impl Plugin {
    /// The name of the plugin, and the SHA-256 of its component.
    pub fn took_part(&self) -> (String, String) {
        (self.description.name.to_string(), self.code.digest.clone())
    }

    /// Looks a plugin up on the request's `CNI_PATH`.
    pub fn find(node: &Node, request: &Request, name: &PluginName) -> Result<Self, CniError> {
        let (path, file) = component(&request.path, name)?;
        Plugin::from_component(node, name, Some(&request.attachment.network), &path, &file)
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
        let code =
            pinned(node, name, network, |pin| node.cache.code(file, pin)).map_err(|e| e.to_cni(path))?;
        let description = Description::new(node, name, network, code.manifest.clone(), &code.digest)?;
        Ok(Plugin { description, code })
    }
}

/// The component of a plugin in a directory of `path`, and its open file.
fn component(path: &[PathBuf], name: &PluginName) -> Result<(PathBuf, File), CniError> {
    match lookup::find(path, name)? {
        Found::Component(path, file) => Ok((path, file)),
        Found::Native(file) => Err(CniError::new(
            ErrorKind::NativePlugin,
            format!("plugin {:?} is not a component: {}", name.as_str(), file.display()),
        )
        .with_details(format!("hint: put {name}.wasm into a directory of CNI_PATH"))),
    }
}

/// Calls `read` with the check of the digests that policy pins the plugin to, if it does.
fn pinned<T>(
    node: &Node,
    name: &PluginName,
    network: Option<&NetworkName>,
    read: impl FnOnce(Option<Pin<'_>>) -> T,
) -> T {
    let rules = node.policy.as_ref().ok().map(|policy| policy.rules(name, network));
    let pinned = rules.filter(|rules| !rules.pins().is_empty());
    let check = |digest: &str| pinned.as_ref().map_or(Ok(()), |rules| rules.check_digest(name, digest));
    read(pinned.is_some().then_some(&check))
}

impl Description {
    /// Looks a plugin up on the request's `CNI_PATH`.
    pub fn find(node: &Node, request: &Request, name: &PluginName) -> Result<Self, CniError> {
        Description::find_on(node, &request.path, Some(&request.attachment.network), name)
    }

    /// Looks a plugin up on `path`. `network` selects the policy rules; `None` means no particular network.
    pub fn find_on(
        node: &Node,
        path: &[PathBuf],
        network: Option<&NetworkName>,
        name: &PluginName,
    ) -> Result<Self, CniError> {
        let (path, file) = component(path, name)?;
        Description::of_component(node, name, network, &path, &file)
    }

    /// Reads the manifest of a component. Refuses it as [`Plugin::from_component`] does, except for errors that only
    /// compiling shows.
    pub fn of_component(
        node: &Node,
        name: &PluginName,
        network: Option<&NetworkName>,
        path: &Path,
        file: &File,
    ) -> Result<Self, CniError> {
        let read = pinned(node, name, network, |pin| node.cache.manifest(file, pin));
        let (manifest, digest) = read.map_err(|e| e.to_cni(path))?;
        Description::new(node, name, network, Arc::new(manifest), &digest)
    }

    /// Refuses a component that claims to be what it is not.
    fn new(
        node: &Node,
        name: &PluginName,
        network: Option<&NetworkName>,
        manifest: Arc<Manifest>,
        digest: &str,
    ) -> Result<Self, CniError> {
        let claims = (manifest.kind, manifest.claimed_type.as_deref());
        let policy = node.policy.as_ref().ok().map(AsRef::as_ref);
        let identity = Identity::of(name, claims, digest, (policy, network))?;
        Ok(Description { name: name.clone(), manifest, identity })
    }

    /// Refuses a component that imports an interface which policy denies to it on every network.
    pub fn check_imports(&self, policy: &Policy) -> Result<(), CniError> {
        policy.rules(&self.name, None).check_imports(&self.name, &self.manifest.imports)
    }

    /// Refuses a `cniVersion` that the component does not support.
    pub fn gate_version(&self, cni_version: &str) -> Result<(), CniError> {
        crate::cni::command::gate_version(cni_version, &self.manifest.cni_versions)
    }

    /// Refuses a configuration that no plugin of this kind can read.
    pub fn check_config(&self, config: &Config) -> Result<(), CniError> {
        match self.manifest.kind {
            Kind::Ipam => Ok(()),
            Kind::Main | Kind::Chained => config.check_common(),
        }
    }

    /// `prevResult`. An invalid one is an error only for a chained plugin. Other plugins ignore it on ADD, as in the
    /// reference.
    pub fn previous(&self, config: &Config) -> Result<Option<Report>, CniError> {
        match self.manifest.kind {
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
            Err(_) if self.manifest.kind == Kind::Ipam => Ok(None),
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
