//! `request`: what the runtime asked for.

use super::wit::request::Host;
use crate::sandbox::guest::Guest;

impl Host for Guest {
    fn config(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().request.config.clone())
    }

    fn network(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().attachment().network.to_string())
    }

    fn cni_version(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().request.cni_version.clone())
    }

    fn container_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().attachment().container.to_string())
    }

    fn interface_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().attachment().interface.to_string())
    }

    fn args(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().request.args.clone())
    }
}
