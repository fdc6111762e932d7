//! The page of what each plugin may do by default. It is made of the code, so it cannot say anything else.

use super::{Identity, TYPES, capabilities, demands, grants, keys};
use crate::cni::config;
use crate::cni::{Command, Request};
use crate::value::{Attachment, ContainerId, IfName, Kind, NetworkName, PluginName};
use std::path::Path;

/// A configuration with every key that demands something.
const DEMANDING: &str = r#"{"cniVersion": "1.0.0", "name": "n", "type": "TYPE", "macspoofchk": true, "portIsolation": true, "vlan": 5,
    "ipMasq": true, "ipam": {"type": "host-local"}, "ingressPolicy": "isolated", "sysctl": {"net.core.somaxconn": "1"},
    "ingressRate": 8, "ingressBurst": 8, "egressRate": 8, "egressBurst": 8,
    "runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "tcp"}]},
    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]}}"#;

const INTRODUCTION: &str = "\
<!-- Made of host/src/reference: `BLESS=1 cargo test -p wasm-cni --lib default_policy` writes it anew. -->

# The default policy by plugin

This page says which capabilities a plugin has without a policy file, which keys name links and addresses for it, and
which keys demand something of its plan. [policy.md](policy.md) has the rules for each capability, the keys of single
plugins, and how to change all this.

A plugin of a shipped type has that type's row, whatever its component says. Any other plugin has the row of its place:
under `ipam` it is an IPAM plugin; behind another plugin of a list it is a chained plugin; otherwise its component says
what it is.
";

fn request(plugin: &PluginName, config: &str) -> Request {
    Request {
        command: Command::Add,
        plugin: plugin.clone(),
        attachment: Attachment {
            network: NetworkName::parse("n").unwrap(),
            container: ContainerId::parse("c").unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        },
        netns: String::new(),
        path: Vec::new(),
        args: String::new(),
        config: config.to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

/// The keys that demand something of a plugin of this type.
fn demanding_keys(plugin: &PluginName, identity: &Identity) -> Vec<String> {
    let text = DEMANDING.replace("TYPE", plugin.as_str());
    let config = config::decode(text.as_bytes()).unwrap();
    let previous = config.previous().unwrap();
    let request = request(plugin, &text);
    let grants = grants(&request, &config, previous.as_ref(), &Default::default(), identity);
    let demands = demands(&grants, &config, previous.as_ref(), identity);
    let binding = demands.iter().filter(|demand| demand.is_binding());
    binding.map(|demand| format!("`{}`", demand.key())).collect()
}

fn row(title: &str, plugin: &str, kind: Option<Kind>) -> String {
    let plugin = PluginName::parse(plugin).unwrap();
    let identity = match kind {
        None => Identity::named(&plugin),
        Some(kind) => Identity::of(&plugin, (kind, None), "", (None, None)).unwrap(),
    };
    let or_none = |list: Vec<String>, separator: &str| match list.is_empty() {
        true => "nothing".to_owned(),
        false => list.join(separator),
    };
    let granted = capabilities(&identity).iter().map(|capability| format!("`{capability}`")).collect();
    let named = keys(&identity).iter().map(ToString::to_string).collect();
    let demanded = demanding_keys(&plugin, &identity);
    format!(
        "| {title} | {} | {} | {} | {} |\n",
        identity.kind,
        or_none(granted, ", "),
        or_none(named, "; "),
        or_none(demanded, ", ")
    )
}

fn page() -> String {
    let shipped = TYPES.iter().map(|plugin| row(&format!("`{plugin}`"), plugin, None));
    let own = [Kind::Main, Kind::Ipam, Kind::Chained]
        .map(|kind| row(&format!("another plugin, {kind}"), "own", Some(kind)));
    let rows: String = shipped.chain(own).collect();
    format!(
        "{INTRODUCTION}\n| Plugin | Kind | Capabilities | Named by these keys of the configuration | Demanded by these keys |\n\
         |---|---|---|---|---|\n{rows}"
    )
}

#[test]
fn the_page_of_the_default_policy_is_made_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/default-policy.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, page(), "BLESS=1 writes docs/default-policy.md anew");
}
