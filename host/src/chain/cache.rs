//! The cache of results in `/var/lib/cni/results`, in libcni's format (`libcni/api.go` in containernetworking/cni).
//! So any runtime with libcni can DEL what was added here, and the other way round.

use super::Target;
use crate::cni::list::List;
use crate::cni::{CniError, ErrorKind, result};
use crate::value::{Attachment, ContainerId, IfName, NetworkName};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The default directory of libcni. cnitool, containerd, and podman with the backend `cni` do not change it.
pub const DIRECTORY: &str = "/var/lib/cni/results";

const KIND: &str = "cniCacheV1";

/// The cached attachments of a machine.
#[derive(Debug)]
pub struct Results(PathBuf);

/// The contents of a file, with the keys in libcni's order.
#[derive(Debug, Serialize, Deserialize)]
struct Cached {
    kind: String,
    #[serde(rename = "containerId")]
    container: String,
    /// The whole network list, in base64.
    config: String,
    #[serde(rename = "ifName")]
    interface: String,
    #[serde(rename = "networkName")]
    network: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    netns: String,
    #[serde(rename = "cniArgs", default, skip_serializing_if = "Option::is_none")]
    args: Option<Vec<(String, String)>>,
    #[serde(rename = "capabilityArgs", default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
}

impl Results {
    /// The cache in a directory. The directory need not exist.
    pub fn new(directory: &Path) -> Self {
        Results(directory.to_owned())
    }

    fn path(&self, attachment: &Attachment) -> PathBuf {
        let Attachment { network, container, interface } = attachment;
        self.0.join(format!("{network}-{container}-{interface}"))
    }

    /// Stores a result. The write is atomic, because an empty file blocks every later DEL of some versions of libcni.
    pub fn keep(&self, target: &Target, list: &List, result: &Value) -> Result<(), CniError> {
        let Attachment { network, container, interface } = &target.attachment;
        let cached = Cached {
            kind: KIND.to_owned(),
            container: container.to_string(),
            config: BASE64_STANDARD.encode(&list.text),
            interface: interface.to_string(),
            network: network.to_string(),
            netns: target.netns.clone(),
            args: (!target.args.is_empty()).then(|| target.args.clone()),
            capabilities: (!target.capabilities.is_empty()).then(|| target.capabilities.clone()),
            result: Some(result.clone()),
        };
        let text = serde_json::to_string(&cached).map_err(io::Error::from);
        let kept =
            text.and_then(|text| self.write(&self.path(&target.attachment), &result::go_escape(&text)));
        kept.map_err(|e| {
            let msg = format!("failed to set network {:?} cached result: {e}", network.as_str());
            CniError::new(ErrorKind::ResultNotCached, msg)
                .with_details(format!("it is kept in {}", self.0.display()))
        })
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        // A leading dot cannot collide with another file, because no network name begins with one.
        let new = self.0.join(format!(".wasm-cni-{}", std::process::id()));
        let written =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&new).and_then(
                |mut file| {
                    file.write_all(text.as_bytes())?;
                    file.sync_data()?;
                    fs::rename(&new, path)
                },
            );
        written.inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// The cached result of an attachment, converted to a version. `None` if there is none, or if the file cannot be
    /// read.
    pub fn get(&self, attachment: &Attachment, cni_version: &str) -> Result<Option<Value>, CniError> {
        let Ok(text) = fs::read_to_string(self.path(attachment)) else { return Ok(None) };
        // Before libcni wrote the kind `cniCacheV1`, the file contained only the result.
        let result = match serde_json::from_slice::<Cached>(text.as_bytes()) {
            Ok(cached) if cached.kind == KIND => cached.result,
            _ => serde_json::from_slice(text.as_bytes())
                .map(Some)
                .map_err(|e| CniError::new(ErrorKind::InvalidJson, e.to_string()))?,
        };
        result.map(|result| result::convert(&result, cni_version)).transpose()
    }

    /// Removes the cached result of an attachment.
    pub fn forget(&self, attachment: &Attachment) {
        if let Err(error) = fs::remove_file(self.path(attachment))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the cached result of {} cannot be removed", attachment.container);
        }
    }

    /// The parameters with which an attachment was added, if they are cached.
    pub fn target(&self, attachment: &Attachment) -> Option<Target> {
        read(&self.path(attachment)).filter(|target| target.attachment == *attachment)
    }

    /// The cached attachments of a network, with the parameters with which they were added.
    pub fn of_network(&self, network: &NetworkName) -> Vec<Target> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let hidden =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| !hidden(path)).collect();
        paths.sort();
        let targets = paths.iter().filter_map(|path| read(path));
        targets.filter(|target| target.attachment.network == *network).collect()
    }
}

/// The parameters in a file. `None` if the file has an older or an unknown format.
fn read(path: &Path) -> Option<Target> {
    let cached: Cached = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let attachment = Attachment {
        network: NetworkName::parse(&cached.network).ok()?,
        container: ContainerId::parse(&cached.container).ok()?,
        interface: IfName::parse(&cached.interface).ok()?,
    };
    (cached.kind == KIND).then_some(Target {
        attachment,
        netns: cached.netns,
        args: cached.args.unwrap_or_default(),
        capabilities: cached.capabilities.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target() -> Target {
        Target {
            attachment: Attachment {
                network: NetworkName::parse("net").unwrap(),
                container: ContainerId::parse("c-1").unwrap(),
                interface: IfName::parse("eth0").unwrap(),
            },
            netns: "/run/netns/c".into(),
            args: vec![("IgnoreUnknown".into(), "1".into())],
            capabilities: json!({"portMappings": [{"hostPort": 80}]}).as_object().unwrap().clone(),
        }
    }

    fn list() -> List {
        List::parse(r#"{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge"}]}"#).unwrap()
    }

    #[test]
    fn a_file_has_the_format_of_libcni() {
        let dir = tempfile::tempdir().unwrap();
        let results = Results::new(&dir.path().join("cni/results"));
        let result = json!({"cniVersion": "1.0.0", "dns": {"search": ["<a>"]}});
        results.keep(&target(), &list(), &result).unwrap();
        let text = fs::read_to_string(dir.path().join("cni/results/net-c-1-eth0")).unwrap();
        // The output of base64(1) for the list.
        let config = "eyJjbmlWZXJzaW9uIjogIjEuMC4wIiwgIm5hbWUiOiAibmV0IiwgInBsdWdpbnMiOiBbeyJ0eXBlIjogImJyaWRnZSJ9XX0=";
        let expected = r#"{"kind":"cniCacheV1","containerId":"c-1","config":"CONFIG","ifName":"eth0","networkName":"net","#.to_owned()
            + r#""netns":"/run/netns/c","cniArgs":[["IgnoreUnknown","1"]],"capabilityArgs":{"portMappings":[{"hostPort":80}]},"#
            + r#""result":{"cniVersion":"1.0.0","dns":{"search":["\u003ca\u003e"]}}}"#;
        assert_eq!(text, expected.replace("CONFIG", config));
        assert_eq!(results.of_network(&target().attachment.network), [target()]);
        assert_eq!(results.get(&target().attachment, "1.0.0").unwrap(), Some(result));
        results.forget(&target().attachment);
        assert_eq!(results.get(&target().attachment, "1.0.0").unwrap(), None);
        results.forget(&target().attachment);
    }

    #[test]
    fn a_cached_result_is_converted_to_the_version_of_the_present_list() {
        let dir = tempfile::tempdir().unwrap();
        let results = Results::new(dir.path());
        let attachment = target().attachment;
        let result = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/8", "interface": 0}],
            "interfaces": [{"name": "eth0", "sandbox": "/n"}]});
        results.keep(&target(), &list(), &result).unwrap();
        let old = results.get(&attachment, "0.4.0").unwrap().unwrap();
        assert_eq!((&old["cniVersion"], &old["ips"][0]["version"]), (&json!("0.4.0"), &json!("4")));
        assert_eq!(old["interfaces"], result["interfaces"]);
        // The older format, a bare result. Then files that a crash may leave.
        fs::write(results.path(&attachment), old.to_string()).unwrap();
        assert_eq!(results.get(&attachment, "0.4.0").unwrap(), Some(old));
        for broken in ["", "{", "[]", r#"{"cniVersion": "7.0.0"}"#] {
            fs::write(results.path(&attachment), broken).unwrap();
            assert!(results.get(&attachment, "1.0.0").is_err(), "{broken}");
            assert_eq!(results.of_network(&attachment.network), []);
        }
    }
}
