//! STATUS: whether ADD would find what it needs (SPEC 1.1.0, section 2). It checks the components and runs their own
//! `status`. A component without one is not compiled.

use crate::cni::command::gate_plugin;
use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::delegate;
use crate::node::Node;
use crate::planning::{self, Stages};
use crate::plugin::{Description, Plugin};
use crate::reference;
use crate::sandbox::lookup::{self, Found};
use crate::sandbox::planner::Waiting;
use crate::value::Kind;

/// Runs STATUS of the plugin and then of its IPAM plugin, as the reference's main plugins do. It takes no lock and
/// changes nothing.
pub fn status(node: &Node, request: &Request, config: &Config) -> Result<(), CniError> {
    let unavailable = |error: CniError| error.with_code_of(ErrorKind::NotAvailable);
    let policy = node.policy().map_err(unavailable)?;
    let plugin = Description::find(node, request, &request.plugin).map_err(unavailable)?;
    plugin.check_imports(policy).map_err(unavailable)?;
    gate_plugin("STATUS", &config.cni_version, &plugin.manifest.cni_versions)?;
    plugin.check_config(config)?;
    let is_ipam = plugin.manifest.kind == Kind::Ipam;
    ask(node, request, config, &plugin)?;
    match config.ipam_type().filter(|ipam| !is_ipam && !ipam.is_empty()) {
        None => Ok(()),
        Some(ipam) => {
            let ipam = lookup::plugin_name(ipam).map_err(unavailable)?;
            match lookup::find(&request.path, &ipam).map_err(unavailable)? {
                Found::Native(program) => delegate::offer("STATUS", &delegate::of(request, &ipam, &program)),
                Found::Component(path, file) => {
                    let network = Some(&request.attachment.network);
                    let plugin = Description::of_component(node, &ipam, network, &path, &file);
                    let plugin = plugin.map_err(unavailable)?;
                    plugin.check_imports(policy).map_err(unavailable)?;
                    plugin.gate_version(&config.cni_version)?;
                    ask(node, &Request { plugin: ipam, ..request.clone() }, config, &plugin)
                }
            }
        }
    }
}

/// Runs the plugin's own `status`, if it has one. The recorded actions are discarded.
fn ask(node: &Node, request: &Request, config: &Config, plugin: &Description) -> Result<(), CniError> {
    if !plugin.manifest.has_status() {
        return Ok(());
    }
    let unavailable = |error: CniError| error.with_code_of(ErrorKind::NotAvailable);
    let plugin = Plugin::find(node, request, &plugin.name).map_err(unavailable)?;
    let policy = node.policy()?;
    let grants = reference::grants(request, config, None, policy, &plugin.description.identity);
    let mut machine = node.machine(None, true);
    let begun = planning::begin(Waiting::spawn()?, request, plugin, policy, Vec::new())?;
    planning::plan(node, request, begun, grants, &mut machine, Stages::Shown { undone: &[] }).map(drop)
}
