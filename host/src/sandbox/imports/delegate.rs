//! `delegate`: other plugins. Each runs in a store of its own and records into the same plan.

use super::wit::answers::Answer;
use super::wit::delegate::Host;
use super::wit::types::Error;
use crate::cni::{CniError, ErrorKind, code, result};
use crate::sandbox::engine::Verb;
use crate::sandbox::guest::Guest;
use crate::sandbox::recorder::Loaded;
use crate::sandbox::{engine, limits, lookup, lower};
use crate::value::Report;
use std::fs::File;
use wasmtime::component::Resource;

impl Host for Guest {
    fn add(&mut self, plugin: String) -> wasmtime::Result<Result<Resource<Answer>, Error>> {
        self.add_delegate(&plugin, |code, delegate| engine::run(code, delegate, Verb::Add))
    }
}

impl Guest {
    /// Delegates to a plugin. `run` runs its code.
    pub fn add_delegate(
        &mut self,
        plugin: &str,
        run: impl FnOnce(&File, Guest) -> Result<Report, CniError>,
    ) -> wasmtime::Result<Result<Resource<Answer>, Error>> {
        let mark = self.recorder().mark();
        match self.run_delegate(plugin, run) {
            Ok(report) => Ok(Ok(self.answers.push(report)?)),
            // Limits apply to the whole request, not to the delegate. So the calling plugin ends too, and cannot try
            // again.
            Err(error) if error.code == code::LIMIT => Err(error.into()),
            Err(error) => {
                self.recorder().discard(mark);
                self.recorder().raise(&error);
                Ok(Err(lower::raise_error(error)))
            }
        }
    }

    fn run_delegate(
        &self,
        plugin: &str,
        run: impl FnOnce(&File, Guest) -> Result<Report, CniError>,
    ) -> Result<Report, CniError> {
        let plugin = lookup::plugin_name(plugin)?;
        if self.depth >= limits::DELEGATION_DEPTH {
            let message =
                format!("plugin {plugin} is not run: delegation is deeper than {}", limits::DELEGATION_DEPTH);
            return Err(CniError::new(ErrorKind::DelegationRefused, message));
        }
        let loaded = self.recorder().load(&plugin)?;
        let report = match loaded {
            Loaded::Code(code) => {
                self.recorder().enter(&plugin);
                let ran = run(&code, self.delegate(plugin));
                self.recorder().leave();
                ran?
            }
            Loaded::Native if self.depth > 0 => {
                let message = format!(
                    "plugin {plugin} is native: only the plugin that the runtime called can delegate to it"
                );
                return Err(CniError::new(ErrorKind::DelegationRefused, message));
            }
            Loaded::Native => return self.recorder().delegate(&plugin),
        };
        let cni_version = self.recorder().request.cni_version.clone();
        result::in_version(report, &cni_version)
    }
}
