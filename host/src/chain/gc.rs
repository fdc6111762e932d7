//! GC of a network: what is cached and not valid any more, then what each plugin knows of.

use super::{Chain, Target, lines};
use crate::cni::CniError;
use crate::cni::list::Entry;
use crate::value::Attachment;
use crate::verb::collect::is_listed;
use serde_json::{Value, json};

/// Container and interface of each attachment that GC leaves.
pub type Valid = [(String, String)];

impl Chain<'_> {
    /// GC: DEL of what is cached and not valid, whoever added it; from 1.1.0 on each plugin then gets its GC, with that list if there
    /// is one. It goes on after an error, and tells all of them.
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
                Err(CniError { code: first.code, msg: text, details: String::new() })
            }
        }
    }

    /// What GC deletes.
    pub(super) fn stale(&self, valid: Option<&Valid>) -> Vec<Target> {
        let is_stale = |target: &Target| !is_listed(&target.attachment, valid.unwrap_or_default());
        self.results.of_network(&self.network).into_iter().filter(is_stale).collect()
    }

    /// The plugins that know the verb GC.
    pub(super) fn collectors(&self) -> Result<&[Entry], CniError> {
        Ok(if self.list.is_at_least("1.1.0")? { &self.list.plugins } else { &[] })
    }

    pub(super) fn gc_config(&self, plugin: &Entry, valid: Option<&Valid>) -> String {
        let attachment = |(container, interface): &(String, String)| json!({"containerID": container, "ifname": interface});
        let list: Option<Value> = valid.map(|valid| valid.iter().map(attachment).collect());
        // Under both of its names, as libcni does.
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        plugin.with(&self.list, keys.into_iter().filter_map(|key| Some((key, list.clone()?))))
    }
}
