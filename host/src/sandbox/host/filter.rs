//! `filter`: packet filtering.

use super::links::End;
use super::wit::filter::Host;
use super::wit::links::Link as Handle;
use crate::plan::action::CheckSourceMac;
use crate::plan::{Action, derive};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::{UNSET, violation};
use wasmtime::component::Resource;

impl Host for Guest {
    fn check_source_mac(&mut self, port: Resource<Handle>) -> wasmtime::Result<()> {
        let port = self.links.get(&port)?.clone();
        if port.end != End::Host {
            return Err(violation(format!("{} is not the host's end of a veth pair", port.link)).into());
        }
        let identity = derive::source_mac_identity(self.recorder().attachment());
        // The container's MAC is known when the plan is complete.
        let check = CheckSourceMac { port: port.link.name, mac: UNSET, identity };
        self.record(Action::CheckSourceMac(check))?;
        Ok(())
    }
}
