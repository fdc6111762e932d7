//! `routes`: routes through links.

use super::wit::links::Link;
use super::wit::routes::{Host, HostRoute, Route as Handle};
use super::wit::types::{IpAddress, Prefix};
use crate::action::Action;
use crate::action::AddRoute;
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::{self, violation};
use crate::value::Route;
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostRoute for Guest {
    fn new(&mut self, link: Resource<Link>, destination: Prefix) -> wasmtime::Result<Resource<Handle>> {
        let link = self.link(&link)?;
        let dst = lower::prefix(destination)?;
        if dst.is_ipv4() && dst.ip() != dst.network() {
            return Err(violation(format!("route to {dst}: bits are set right of the prefix")).into());
        }
        self.draft(AddRoute { link, route: Route::to(dst) })
    }

    fn set_gateway(&mut self, route: Resource<Handle>, gateway: IpAddress) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.gw = Some(lower::address(gateway)))
    }

    fn set_priority(&mut self, route: Resource<Handle>, priority: u32) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.priority = Some(priority))
    }

    fn set_table(&mut self, route: Resource<Handle>, table: u32) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.table = Some(table))
    }

    fn set_scope(&mut self, route: Resource<Handle>, scope: u8) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.scope = Some(scope))
    }

    fn set_mtu(&mut self, route: Resource<Handle>, mtu: u32) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.mtu = Some(mtu))
    }

    fn set_advmss(&mut self, route: Resource<Handle>, advmss: u32) -> wasmtime::Result<()> {
        self.complete_route(&route, |route| route.advmss = Some(advmss))
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn complete_route(&self, route: &Resource<Handle>, set: impl FnOnce(&mut Route)) -> wasmtime::Result<()> {
        let mut recorder = self.recorder();
        let Some(Action::AddRoute(add)) = recorder.action(*self.drafts.get(route)?) else {
            wasmtime::bail!("a route without the action that adds it")
        };
        set(&mut add.route);
        Ok(())
    }
}
