//! The parameters of a runtime. Arguments and environment variables are those of cnitool (`cnitool/cmd` in
//! containernetworking/cni).

use crate::chain::{self, Chain, Target};
use crate::cni::command::{attachment, invalid, path};
use crate::cni::{CniError, ErrorKind};
use crate::node::Node;
use crate::value::NetworkName;
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};
use std::path::{Component, Path, PathBuf};

/// The directories of networks and plugins.
#[derive(Debug, clap::Args)]
pub(super) struct Places {
    /// The directory with the networks: `*.conflist`, or else `*.conf` and `*.json`.
    #[arg(long, env = "NETCONFPATH", default_value = DIRECTORY)]
    conf_dir: String,
    /// The directories with plugins, separated by `:`.
    #[arg(long, env = "CNI_PATH", default_value = "/opt/cni/bin")]
    cni_path: String,
}

const DIRECTORY: &str = "/etc/cni/net.d";

/// The network and the container.
#[derive(Debug, clap::Args)]
pub(super) struct Attached {
    /// The name of the network, as in its file.
    network: String,
    /// The container's network namespace.
    netns: String,
    /// The container ID; the default is derived from the path of the namespace, as in cnitool.
    #[arg(long)]
    container_id: Option<String>,
    /// The name of the interface in the container.
    #[arg(long, env = "CNI_IFNAME", default_value = "eth0")]
    ifname: String,
    /// Capability arguments for the plugins that support them, as JSON:
    /// `{"portMappings": [{"hostPort": 80, "containerPort": 80}]}`.
    #[arg(long, env = "CAP_ARGS", default_value = "")]
    cap_args: String,
    /// Arguments for plugins, as in `CNI_ARGS`: `KEY=VALUE;KEY=VALUE`.
    #[arg(long, env = "CNI_ARGS", default_value = "")]
    args: String,
    #[command(flatten)]
    places: Places,
}

impl Places {
    /// The network of that name.
    pub(super) fn chain<'a>(&self, node: &'a Node, network: &str) -> Result<Chain<'a>, CniError> {
        let dir = if self.conf_dir.is_empty() { DIRECTORY } else { &self.conf_dir };
        let name = NetworkName::parse(network).map_err(invalid)?;
        Chain::new(node, chain::load(Path::new(dir), &name)?, path(&self.cni_path))
    }
}

impl Attached {
    /// The network and the target of the call.
    pub(super) fn read<'a>(&self, node: &'a Node) -> Result<(Chain<'a>, Target), CniError> {
        let chain = self.places.chain(node, &self.network)?;
        let netns = absolute(&self.netns)?;
        let container = self.container_id.clone().unwrap_or_else(|| container_id(&netns));
        let target = Target {
            attachment: attachment(chain.network(), &container, &self.ifname)?,
            netns,
            args: pairs(&self.args)?,
            capabilities: capabilities(&self.cap_args)?,
        };
        Ok((chain, target))
    }
}

/// Parses the pairs of `CNI_ARGS`.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, CniError> {
    let pair = |pair: &str| match pair.split('=').collect::<Vec<_>>().as_slice() {
        [key, value] if !key.is_empty() && !value.is_empty() => Ok(((*key).to_owned(), (*value).to_owned())),
        _ => Err(CniError::new(ErrorKind::InvalidVariable, format!("invalid CNI_ARGS pair {pair:?}"))),
    };
    if text.is_empty() { Ok(Vec::new()) } else { text.split(';').map(pair).collect() }
}

/// Parses `CAP_ARGS`.
pub(super) fn capabilities(text: &str) -> Result<Map<String, Value>, CniError> {
    let text = if text.is_empty() { "{}" } else { text };
    serde_json::from_slice(text.as_bytes()).map_err(|e| {
        let hint = r#"hint: CAP_ARGS='{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}'"#;
        CniError::new(ErrorKind::InvalidVariable, format!("CAP_ARGS is not a JSON object: {e}")).with_details(hint)
    })
}

/// Makes a path absolute and removes `.`, `..` and repeated slashes, without reading the file system (Go's
/// `filepath.Abs`).
fn absolute(path: &str) -> Result<String, CniError> {
    let absolute = std::path::absolute(path).map_err(|e| {
        CniError::new(ErrorKind::InvalidVariable, format!("netns {path:?} is not a path: {e}"))
    })?;
    let mut clean = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    Ok(clean.display().to_string())
}

/// cnitool's container ID for a namespace: `cnitool-` and the first ten bytes of the SHA-512 of its path, in
/// hexadecimal.
fn container_id(netns: &str) -> String {
    let digest = Sha512::digest(netns);
    digest.iter().take(10).fold("cnitool-".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}

/// The network that a command names, if any.
pub(super) fn network(name: Option<&str>) -> Result<Option<NetworkName>, CniError> {
    name.map(NetworkName::parse).transpose().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_the_id_that_cnitool_gives_it() {
        for path in ["/var/run/netns/testing", "/var/run//netns/./x/../testing/", "/../var/run/netns/testing"]
        {
            assert_eq!(container_id(&absolute(path).unwrap()), "cnitool-77383ca0a0715733ca6f", "{path}");
        }
    }

    #[test]
    fn arguments_are_pairs_and_capabilities_an_object() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs("a=1;b=2"), Ok(vec![pair("a", "1"), pair("b", "2")]));
        assert_eq!(pairs(""), Ok(vec![]));
        for (text, wrong) in [("a=1;", ""), ("a", "a"), ("a=", "a="), ("=1", "=1"), ("a=1=2", "a=1=2")] {
            assert_eq!(pairs(text).unwrap_err().msg, format!("invalid CNI_ARGS pair {wrong:?}"));
        }
        assert!(capabilities("").unwrap().is_empty());
        assert!(capabilities("[]").unwrap_err().msg.starts_with("CAP_ARGS is not a JSON object"));
    }
}
