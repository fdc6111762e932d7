//! Calls one plugin: runs a component in this process, or executes a native plugin.

use super::{Chain, Target};
use crate::action::Delegate;
use crate::cni::list::Entry;
use crate::cni::{CniError, Environment};
use crate::sandbox::lookup::{self, Found};
use crate::value::PluginName;
use crate::verb::{self, Output};
use crate::{delegate, panic};
use serde_json::Value;
use std::path::PathBuf;

impl Chain<'_> {
    /// The configuration that a plugin gets on standard input.
    pub(super) fn config(&self, plugin: &Entry, target: &Target, previous: Option<Value>) -> String {
        let runtime = plugin.runtime_config(&target.capabilities);
        let more = [("prevResult", previous), ("runtimeConfig", runtime)];
        plugin.with(&self.list, more.into_iter().filter_map(|(key, value)| Some((key, value?))))
    }

    /// Calls a plugin and returns what it printed.
    pub(super) fn call(
        &self,
        verb: &'static str,
        plugin: &Entry,
        target: &Target,
        config: &str,
    ) -> Result<String, CniError> {
        match self.find(verb, plugin, target)? {
            (name, Some(program)) => {
                let delegate = self.native(name, program, target, config);
                delegate::call(verb, &delegate).map(|stdout| String::from_utf8_lossy(&stdout).into_owned())
            }
            (name, None) => match self.component(verb, &name, target, config, false)? {
                Output::Stdout(text) | Output::Stderr(text) => Ok(text),
                Output::Dry(_, error) => Err(error),
            },
        }
    }

    /// The name of a plugin, and its program if it is native.
    pub(super) fn find(
        &self,
        verb: &str,
        plugin: &Entry,
        target: &Target,
    ) -> Result<(PluginName, Option<PathBuf>), CniError> {
        let name = lookup::plugin_name(&plugin.kind)?;
        match lookup::find(&self.path, &name) {
            Ok(Found::Native(program)) => Ok((name, Some(program))),
            Ok(Found::Component(..)) => Ok((name, None)),
            // DEL and GC work without the component. A runtime would execute our link of that name, so we do the
            // same.
            Err(_) if matches!(verb, "DEL" | "GC") && self.is_ours(&name, target) => Ok((name, None)),
            Err(error) => Err(error),
        }
    }

    fn is_ours(&self, plugin: &PluginName, target: &Target) -> bool {
        lookup::is_our_link(&self.path, plugin)
            || self.node.state.sections_of(&target.attachment).iter().any(|s| s.header.plugin == *plugin)
    }

    fn native(&self, plugin: PluginName, program: PathBuf, target: &Target, config: &str) -> Delegate {
        Delegate {
            plugin,
            program,
            owner: target.attachment.owner(),
            netns: target.netns.clone(),
            args: target.args(),
            path: self.path_text(),
            config: config.to_owned(),
        }
    }

    fn path_text(&self) -> String {
        let path: Vec<String> = self.path.iter().map(|dir| dir.display().to_string()).collect();
        path.join(":")
    }

    /// Runs a verb of a component as if it were called under the plugin's name.
    pub(super) fn component(
        &self,
        verb: &str,
        plugin: &PluginName,
        target: &Target,
        config: &str,
        dry_run: bool,
    ) -> Result<Output, CniError> {
        let env = Environment {
            command: verb.to_owned(),
            container_id: target.attachment.container.to_string(),
            netns: target.netns.clone(),
            interface: target.attachment.interface.to_string(),
            args: target.args(),
            path: self.path_text(),
            netns_override: self.node.netns_override,
            dry_run,
        };
        let mut stdout = Vec::new();
        let served =
            panic::caught(|| verb::call(self.node, plugin, &env, None, &mut config.as_bytes(), &mut stdout));
        Ok(match served.flatten()? {
            Output::Stdout(_) => Output::Stdout(String::from_utf8_lossy(&stdout).into_owned()),
            other => other,
        })
    }
}
