//! The work of a runtime: the verbs of a network. A verb calls the plugins of the network list one after the other,
//! each with the result of the earlier ones. The behaviour is that of `CNIConfig` in libcni (`libcni/api.go` in
//! containernetworking/cni).
//!
//! A component runs in this process, as if it were called under its own name. A native plugin is executed.

mod cache;
mod call;
mod dry;
mod gc;
mod networks;
mod target;

pub use dry::Dry;
pub use gc::Valid;
pub use networks::{from_file, load};
pub use target::Target;

use self::cache::Results;
use crate::action::query::MachineFacts;
use crate::action::{Answer, Facts as _};
use crate::cni::list::{Entry, List};
use crate::cni::result::go_json;
use crate::cni::{CniError, ErrorKind, config, previous};
use crate::delegate;
use crate::machine::MachineError;
use crate::machine::netns::NetnsFile;
use crate::node::Node;
use crate::plugin::container_netns;
use crate::signal;
use crate::value::{Fact, LinkRef, Netns, NetworkName};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A network with its plugins.
#[derive(Debug)]
pub struct Chain<'a> {
    node: &'a Node,
    list: List,
    network: NetworkName,
    path: Vec<PathBuf>,
    results: Results,
}

impl<'a> Chain<'a> {
    /// A network from a list. Its plugins are searched for in the directories of `path`.
    pub fn new(node: &'a Node, list: List, path: Vec<PathBuf>) -> Result<Self, CniError> {
        let network = config::network_name(&list.name)?;
        Ok(Chain { node, list, network, path, results: Results::new(Path::new(cache::DIRECTORY)) })
    }

    /// The name of the network.
    pub fn network(&self) -> &NetworkName {
        &self.network
    }

    /// ADD: calls each plugin in turn, caches the result, and returns that of the last one.
    ///
    /// If a plugin fails, libcni leaves everything in place. Here, DEL runs for all plugins that were called, as the
    /// SPEC asks of a runtime.
    pub fn add(&self, target: &Target) -> Result<String, CniError> {
        signal::watch();
        let taken = self.has_interface(target)?;
        let (mut previous, mut result_text): (Option<Value>, String) = (None, String::new());
        for (index, plugin) in self.list.plugins.iter().enumerate() {
            match self.add_one(plugin, target, previous.as_ref()) {
                Ok((result, text)) => (previous, result_text) = (Some(result), text),
                Err(error) => {
                    let error = failed(plugin, "add", error);
                    // The interface existed before, so the first plugin did not make it, and a DEL would delete the
                    // interface of another attachment.
                    let nothing_done = index == 0 && taken;
                    let begun = self.list.plugins.get(..=index).filter(|_| !nothing_done).unwrap_or_default();
                    return Err(self.abandon(begun, target, previous.as_ref(), error));
                }
            }
        }
        Ok(result_text)
    }

    /// ADD of one plugin. Returns the result, parsed and as text. It is cached at once, so that a DEL can delete what
    /// a killed chain leaves.
    fn add_one(
        &self,
        plugin: &Entry,
        target: &Target,
        previous: Option<&Value>,
    ) -> Result<(Value, String), CniError> {
        signal::check().map_err(MachineError::from)?;
        let config = self.config(plugin, target, previous.cloned());
        let mut text = self.call("ADD", plugin, target, &config)?;
        let mut result = delegate::result(text.as_bytes())?;
        let version = result.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
        if let (true, Some(object)) = (version.is_empty(), result.as_object_mut()) {
            let own = Some(self.list.cni_version.as_str()).filter(|own| !own.is_empty()).unwrap_or("0.1.0");
            object.insert("cniVersion".into(), own.into());
            text = go_json(&result);
        }
        // Check that the result is valid now, so that the error names this plugin and not the next.
        previous::of_delegate(&result, &self.list.cni_version)?;
        self.results.keep(target, &self.list, &result)?;
        Ok((result, text))
    }

    /// Runs DEL of all plugins that a failed ADD called. Returns the error for the caller.
    fn abandon(
        &self,
        begun: &[Entry],
        target: &Target,
        previous: Option<&Value>,
        error: CniError,
    ) -> CniError {
        let mut left = Vec::new();
        for plugin in begun.iter().rev() {
            if let Err(error) = self.del_one(plugin, target, previous) {
                left.push(lines(&error));
            }
        }
        if left.is_empty() {
            if !begun.is_empty() {
                self.results.forget(&target.attachment);
            }
            return error;
        }
        let details: Vec<String> =
            Some(error.details).into_iter().filter(|d| !d.is_empty()).chain(left).collect();
        CniError { details: details.join("\n"), ..error }
    }

    /// DEL: calls the plugins in reverse order, and stops at the first error.
    pub fn del(&self, target: &Target) -> Result<(), CniError> {
        signal::watch();
        let cached = self.results.get(&target.attachment, &self.list.cni_version).unwrap_or_else(|error| {
            tracing::warn!(msg = error.msg, "DEL goes on without the cached result, which cannot be read");
            None
        });
        let mut added = self.as_added(target);
        if self.is_own(&added.netns) {
            added.netns.clear();
        }
        for plugin in self.list.plugins.iter().rev() {
            signal::check().map_err(MachineError::from)?;
            self.del_one(plugin, &added, cached.as_ref())?;
        }
        self.results.forget(&target.attachment);
        Ok(())
    }

    /// DEL of one plugin. Before version 0.4.0 it gets no `prevResult`.
    fn del_one(&self, plugin: &Entry, target: &Target, previous: Option<&Value>) -> Result<(), CniError> {
        let previous = if self.list.is_at_least("0.4.0")? { previous.cloned() } else { None };
        let config = self.config(plugin, target, previous);
        self.call("DEL", plugin, target, &config).map(drop).map_err(|e| failed(plugin, "delete", e))
    }

    /// CHECK: calls each plugin in turn, with the cached result.
    pub fn check(&self, target: &Target) -> Result<(), CniError> {
        if !self.list.is_at_least("0.4.0")? {
            let version = &self.list.cni_version;
            let text = format!("configuration version {version:?} does not support the CHECK command");
            return Err(CniError::new(ErrorKind::VerbNotInVersion, text));
        }
        if self.list.disable_check {
            return Ok(());
        }
        let cached = self.results.get(&target.attachment, &self.list.cni_version).map_err(|error| {
            let msg =
                format!("failed to get network {:?} cached result: {}", self.network.as_str(), error.msg);
            CniError { msg, ..error }
        })?;
        let added = self.as_added(target);
        self.list.plugins.iter().try_for_each(|plugin| {
            let config = self.config(plugin, &added, cached.clone());
            self.call("CHECK", plugin, &added, &config).map(drop)
        })
    }

    /// STATUS: returns the first error of a plugin. Before version 1.1.0 no plugin is called.
    pub fn status(&self) -> Result<(), CniError> {
        if !self.list.is_at_least("1.1.0")? {
            return Ok(());
        }
        let nobody = Target::nobody(&self.network)?;
        self.list.plugins.iter().try_for_each(|plugin| {
            let config = self.config(plugin, &nobody, None);
            self.call("STATUS", plugin, &nobody, &config).map(drop)
        })
    }

    /// Whether the container has an interface of that name. Refuses the host's own namespace, because some native
    /// plugins do not.
    fn has_interface(&self, target: &Target) -> Result<bool, CniError> {
        let Ok(netns) = NetnsFile::open(&target.netns) else { return Ok(false) };
        let netns = container_netns(self.node, &target.netns, Ok(netns))?;
        let link = LinkRef { netns: Netns::Container, name: target.attachment.interface.clone() };
        let answer = MachineFacts::new(&mut self.node.machine(Some(netns), true)).ask_link_alone(&link);
        Ok(matches!(answer, Answer::Link(Fact::Known(_))))
    }

    /// The parameters for DEL and CHECK. Capabilities and `CNI_ARGS` that are not given come from the cache of the
    /// ADD. For example, the reference's portmap needs the port mappings to delete them.
    fn as_added(&self, target: &Target) -> Target {
        let mut target = target.clone();
        if let Some(cached) = self.results.target(&target.attachment) {
            if target.args.is_empty() {
                target.args = cached.args;
            }
            if target.capabilities.is_empty() {
                target.capabilities = cached.capabilities;
            }
        }
        target
    }

    /// Whether the path now leads to the host's own namespace. Then it must not be searched for the container's
    /// interface.
    fn is_own(&self, netns: &str) -> bool {
        let opened = NetnsFile::open(netns);
        opened.is_ok() && container_netns(self.node, netns, opened).is_err()
    }
}

fn failed(plugin: &Entry, verb: &str, error: CniError) -> CniError {
    CniError { msg: format!("plugin {} failed ({verb}): {}", plugin.description(), error.msg), ..error }
}

/// Message and details of an error, for a list of errors.
fn lines(error: &CniError) -> String {
    if error.details.is_empty() { error.msg.clone() } else { format!("{}\n{}", error.msg, error.details) }
}
