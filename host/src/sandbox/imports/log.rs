//! `log`: the log of the plugin.

use super::wit::log::{Host, Level as Wit};
use crate::sandbox::guest::Guest;
use crate::sandbox::recorder::Level;

impl Host for Guest {
    fn write(&mut self, level: Wit, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Wit::Debug => Level::Debug,
            Wit::Info => Level::Info,
            Wit::Warn => Level::Warn,
            Wit::Error => Level::Error,
        };
        self.recorder().log(&self.plugin, level, &message);
        Ok(())
    }
}
