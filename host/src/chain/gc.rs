//! GC of a network: deletes the cached attachments that are not valid, and then calls GC of each plugin.

use super::{Chain, Target, lines};
use crate::cni::CniError;
use crate::cni::list::Entry;
use crate::value::Attachment;
use crate::verb::collect::is_listed;
use serde_json::{Value, json};

/// Container ID and interface name of each attachment that GC keeps.
pub type Valid = [(String, String)];

impl Chain<'_> {
    /// GC: runs DEL for every cached attachment that is not valid, no matter which runtime added it. From version
    /// 1.1.0 on, it then calls GC of each plugin, with the list of valid attachments if there is one.
    ///
    /// It continues after an error and returns all of them.
    pub fn gc(&self, valid: Option<&Valid>) -> Result<(), CniError> {
        if self.list.disable_gc {
            return Ok(());
        }
        let mut errors = Vec::new();
        for stale in self.stale(valid) {
            if let Err(error) = self.del(&stale) {
                let Attachment { container, interface, .. } = &stale.attachment;
                let msg = format!("failed to delete stale attachment {container} {interface}: {}", error.msg);
                errors.push(CniError { msg, ..error });
            }
        }
        let nobody = Target::nobody(&self.network)?;
        for plugin in self.collectors()? {
            if let Err(error) = self.call("GC", plugin, &nobody, &self.gc_config(plugin, valid)) {
                errors.push(CniError {
                    msg: format!("failed to GC plugin {}: {}", plugin.kind, error.msg),
                    ..error
                });
            }
        }
        match errors.first() {
            None => Ok(()),
            Some(first) => {
                let text = errors.iter().map(lines).collect::<Vec<_>>().join("\n");
                Err(CniError { msg: text, details: String::new(), ..first.clone() })
            }
        }
    }

    /// The cached attachments that GC deletes.
    pub(super) fn stale(&self, valid: Option<&Valid>) -> Vec<Target> {
        let is_stale = |target: &Target| !is_listed(&target.attachment, valid.unwrap_or_default());
        self.results.of_network(&self.network).into_iter().filter(is_stale).collect()
    }

    /// The plugins that get the verb GC. Before version 1.1.0 there are none.
    pub(super) fn collectors(&self) -> Result<&[Entry], CniError> {
        Ok(if self.list.is_at_least("1.1.0")? { &self.list.plugins } else { &[] })
    }

    pub(super) fn gc_config(&self, plugin: &Entry, valid: Option<&Valid>) -> String {
        let attachment = |(container, interface): &(String, String)| json!({"containerID": container, "ifname": interface});
        let list: Option<Value> = valid.map(|valid| valid.iter().map(attachment).collect());
        // libcni passes the list under both of its names, so we do too.
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        plugin.with(&self.list, keys.into_iter().filter_map(|key| Some((key, list.clone()?))))
    }
}
